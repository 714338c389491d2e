"""No place lies on both sides of a split: not in the reference data, and not past `prepare`."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from training.errors import SourceError
from training.prepare import refuse_shared_places
from training.sources.catalogue import Division, Source, read_catalogue
from training.sources.places import place_of, side_of, stretch_of, unplaced
from training.sources.samples import Sets, load_samples

CLASSES = {"road": ("D40", "crack"), "pavement": ("crack",), "crown": ("crown",), "street": ("person",)}
CATALOGUE = read_catalogue()
DIVIDED = ["dnit", "rdd2022_china_motorbike", "omu_drone", "neon_crowns", "neon_crowns_natural", "aerial_people"]


def entry(**more):
    basis = {"title": "a", "licence": "CC0-1.0", "url": "c", "layout": "yolo", "path": "set", "classes": {"0": "D40"}}
    return Source.model_validate({**basis, "labels": ["D40"], **more})


def write(folder, *names):
    for part in ("images", "labels"):
        (folder / part).mkdir(parents=True)
    for name in names:
        Image.new("RGB", (8, 8)).save(folder / "images" / f"{name}.png")
        (folder / "labels" / f"{name}.txt").touch()


@pytest.mark.parametrize(
    ("name", "key", "place"),
    [
        ("dnit", "883046_RS_290_290RS150131_15960", "dnit/RS_290_290RS150131"),
        ("rdd2022_japan", "Japan_012345", "rdd2022_japan/Japan_0123"),
        ("rdd2022_united_states", "United_States_000099", "rdd2022_united_states/United_States_0000"),
        ("stellenbosch_gopro", "G0065281", "stellenbosch_gopro/G006"),
        ("omu_drone", "MAX_0006_5m_11_10", "omu_drone/MAX_0006"),
        ("aerial_people", "bb_V0018_I0000920_jpg.rf.a4fd", "aerial_people/bb_V0018"),
        ("aerial_people", "google_P000_8Jv4tOA9_jpg.rf.a4fd", "aerial_people/google_P000_8Jv4tOA9"),
        ("visdrone", "9999999_00649_d_0000333", "visdrone/9999999_00649"),
        ("mot17", "MOT17-02-FRCNN/img1/000001", "mot17/MOT17-02"),
        ("neon_tree_evaluation", "2018_SJER_3_252000_4104000_image_628", "neon/SJER_252000_4104000"),
        ("neon_tree_evaluation", "HARV_036_2019", "neon/HARV_036"),
        ("rendered_town", "000123", "rendered_town/"),
    ],
)
def test_a_picture_s_name_tells_its_place(name, key, place):
    assert place_of(name, CATALOGUE[name], key) == place


def test_a_bootstrap_draws_stretches_of_a_hundred_metres_of_dnit():
    names = [f"1_RS_386_386RS289112_{metres}" for metres in (28920, 28999, 29000)]
    drawn = [stretch_of("dnit", CATALOGUE["dnit"], name, place_of("dnit", CATALOGUE["dnit"], name)) for name in names]
    assert drawn[0] == drawn[1] != drawn[2]


def test_every_entry_tells_its_places():
    assert unplaced(CATALOGUE.items()) == []
    assert unplaced([("ours", entry())]) == ["ours"]


def test_a_name_that_tells_no_place_is_refused(tmp_path):
    write(tmp_path / "set" / "train", "section7_001", "stray")
    with pytest.raises(SourceError, match="stray: the picture's name does not tell its place"):
        load_samples("set", entry(place=r"^(section\d+)_"), tmp_path, "train", ("D40",))


@pytest.mark.parametrize("pattern", ["section", "(", "section("])
def test_a_pattern_that_can_name_no_place_is_refused(pattern):
    with pytest.raises(ValueError, match=r"pattern|regular expression"):
        entry(place=pattern)


@given(st.lists(st.text("abcdef", min_size=1, max_size=4), unique=True, min_size=1, max_size=30), st.floats(0.05, 0.95))
def test_a_place_stays_on_its_side_whatever_else_is_there(places, share):
    division = Division(folders=("train",), share=share)
    sides = {place: side_of(division, f"set/{place}") for place in places}
    assert all(side_of(division, f"set/{place}") == side for place, side in sides.items())
    wider = Division(folders=("train",), share=min(share + 0.04, 0.99))
    assert all(side_of(wider, f"set/{place}") == "val" for place, side in sides.items() if side == "val")


def test_the_share_of_places_is_about_the_one_asked_for():
    division = Division(folders=("train",), share=0.2)
    held_out = sum(side_of(division, f"set/{number}") == "val" for number in range(2000))
    assert 340 < held_out < 460


def test_places_of_both_folders_are_put_on_one_side(tmp_path):
    write(tmp_path / "set" / "train", "a_1", "b_1")
    write(tmp_path / "set" / "val", "a_2", "c_1")
    divided = entry(place="^(.)_", divide={"folders": ["train", "val"], "places": ["a"]})
    names = {
        split: [one.picture.stem for one in load_samples("set", divided, tmp_path, split, ("D40",))]
        for split in ("train", "val")
    }
    assert names == {"train": ["b_1", "c_1"], "val": ["a_1", "a_2"]}


def test_places_left_out_and_rows_of_the_table(tmp_path):
    write(tmp_path / "set" / "train", "one", "two", "three")
    table = "name,group,tier,light\none,x,A,1\ntwo,y,A,0\nthree,z,C,0\n"
    (tmp_path / "set" / "manifest.csv").write_text(table, encoding="utf-8")
    by_table = {"path": "manifest.csv", "place": "group", "where": {"tier": "A"}, "facts": ["light"]}
    (kept,) = load_samples("set", entry(table=by_table, without={"train": ["x"]}), tmp_path, "train", ("D40",))
    assert (kept.picture.stem, kept.place, kept.facts) == ("two", "set/y", {"light": "0"})
    write(tmp_path / "set" / "val", "four")
    with pytest.raises(SourceError, match=r"no row in manifest\.csv"):
        load_samples("set", entry(table=by_table), tmp_path, "val", ("D40",))
    with pytest.raises(SourceError, match="no column town"):
        load_samples("set", entry(table={**by_table, "place": "town"}), tmp_path, "train", ("D40",))


def test_a_table_says_which_classes_a_picture_labels(tmp_path):
    write(tmp_path / "set" / "train", "one", "two")
    (tmp_path / "set" / "t.csv").write_text("name,classes\none,D40\ntwo,\n", encoding="utf-8")
    samples = load_samples("set", entry(table={"path": "t.csv", "labelled": "classes"}), tmp_path, "train", ("D40",))
    assert [one.labelled.tolist() for one in samples] == [[True], [False]]


def test_a_place_on_both_sides_is_refused(tmp_path):
    write(tmp_path / "set" / "train", "a_1", "b_1")
    write(tmp_path / "set" / "val", "a_2")
    learned, judged = (
        load_samples("set", entry(place="^(.)_"), tmp_path, split, ("D40",)) for split in ("train", "val")
    )
    with pytest.raises(SourceError, match="the place set/a is in training data too") as error:
        refuse_shared_places(learned, judged)
    assert "a_1" in str(error.value) and "a_2" in str(error.value)
    refuse_shared_places(learned[1:], judged)


def test_sets_of_one_space_share_their_places(tmp_path):
    write(tmp_path / "set" / "train", "a_1")
    write(tmp_path / "set" / "val", "a_2")
    (learned,) = load_samples("one", entry(place="^(.)_", place_space="town"), tmp_path, "train", ("D40",))
    (judged,) = load_samples("other", entry(place="^(.)_", place_space="town"), tmp_path, "val", ("D40",))
    with pytest.raises(SourceError, match="town/a"):
        refuse_shared_places([learned], [judged])


def test_a_set_that_only_the_mirror_has_is_read_there(tmp_path):
    write(tmp_path / "mirror" / "set" / "train", "a")
    sets = Sets({"set": entry()}, tmp_path / "data", tmp_path / "mirror")
    (one,) = sets.samples("set", "train", ("D40",))
    assert one.picture == tmp_path / "mirror" / "set" / "train" / "images" / "a.png"
    write(tmp_path / "data" / "set" / "train", "b")
    assert [one.picture.stem for one in sets.samples("set", "train", ("D40",))] == ["b"]


@pytest.mark.shared
@pytest.mark.parametrize("name", DIVIDED)
def test_no_place_of_the_reference_data_is_on_both_sides(shared_data, name):
    source = CATALOGUE[name]
    train, val = (load_samples(name, source, shared_data, split, CLASSES[source.task]) for split in ("train", "val"))
    places = [{one.place for one in side} for side in (train, val)]
    assert all(places) and "" not in places[0] | places[1] and not places[0] & places[1]
    refuse_shared_places(train, val)


@pytest.mark.shared
@pytest.mark.parametrize(("name", "without"), [("aerial_people", {"divide": None}), ("neon_crowns", {"without": {}})])
def test_the_folders_as_they_came_would_be_refused(shared_data, name, without):
    source = CATALOGUE[name].model_copy(update=without)
    train, val = (load_samples(name, source, shared_data, split, CLASSES[source.task]) for split in ("train", "val"))
    with pytest.raises(SourceError, match="is in training data too"):
        refuse_shared_places(train, val)


@pytest.mark.shared
def test_crowns_come_with_their_tier_and_contrast(shared_data):
    sets = Sets(CATALOGUE, shared_data)
    by_hand, natural = (sets.samples(name, "val", ("crown",)) for name in ("neon_crowns", "neon_crowns_natural"))
    machine = sets.samples("neon_crowns_pseudo", "train", ("crown",))
    assert (len(by_hand), len(natural), len(machine)) == (61, 34, 323)
    assert {one.facts["tier"] for one in by_hand} == {"A"} and {one.facts["tier"] for one in machine} == {"C"}
    listed = (shared_data / "forest" / "neon_crowns" / "val_natural.txt").read_text(encoding="utf-8").split()
    assert {one.picture.stem for one in natural} == {one.rpartition("/")[2].rpartition(".")[0] for one in listed}
    assert sum(len(one.xyxy) for one in machine) == 15863


def tabled(folder, *rows):
    path = folder / "set" / "rows.csv"
    path.write_text("split,name,road\n" + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    return entry(table={"path": "rows.csv", "place": "road"}, splits={"val": "test"})


def test_pictures_of_one_name_in_two_splits_have_a_row_each(tmp_path):
    write(tmp_path / "set" / "train", "a", "b")
    write(tmp_path / "set" / "test", "a")
    source = tabled(tmp_path, "train,a,north", "train,b,north", "test,a,south", "other,a,west")
    places = [
        [one.place for one in load_samples("set", source, tmp_path, split, ("D40",))] for split in ("train", "val")
    ]
    assert places == [["set/north", "set/north"], ["set/south"]]
    pooled = source.model_copy(update={"divide": Division(folders=("train", "test"), places=("south",)), "splits": {}})
    assert len(load_samples("set", pooled, tmp_path, "val", ("D40",))) == 1


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        (["train,a,north", "train,b"], "line 3: the row is too short: it has no road"),
        (["train,a,north", "train,b,north", "train,a,south"], "line 4: the picture a has two rows"),
        (["train,a,north", ",b,north", ",b,south"], "line 4: the picture b has two rows"),
    ],
)
def test_a_row_that_tells_too_little_or_too_much_is_named(tmp_path, rows, words):
    write(tmp_path / "set" / "train", "a", "b")
    with pytest.raises(SourceError, match=rf"rows\.csv, {words}"):
        load_samples("set", tabled(tmp_path, *rows), tmp_path, "train", ("D40",))
