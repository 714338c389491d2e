"""Corrections teach what was reviewed and nothing else."""

import json
import re
import sqlite3
from contextlib import closing
from shutil import copyfile

import geopandas as gpd
import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from shapely.geometry import Point, box

from training.errors import ReviewError, SourceError
from training.prepare import summarise
from training.recipe import Recipe
from training.reviews.build import Request, build
from training.reviews.cli import reviews as verb
from training.reviews.lines import Corrections, read_reviews
from training.reviews.regions import lessons, settled
from training.reviews.survey import read_survey
from training.sources.catalogue import read_catalogue
from training.sources.samples import Sets

CLASSES = ("D00", "D10", "D20", "D40", "crack")
SIZE = (400, 200)
A, B, FAR = [100, 100, 140, 130], [105, 102, 145, 132], [300, 50, 340, 90]


@pytest.fixture
def drive(tmp_path):
    """Three frames of noise."""
    rng = np.random.default_rng(0)
    for number in range(3):
        pixels = rng.integers(0, 100, (SIZE[1], SIZE[0], 3), np.uint8)
        path = tmp_path / "frames" / f"s{number}_{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(pixels).save(path)
    return tmp_path


def lines(folder, *rows, name="reviews.jsonl"):
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def said(image="s0_0.png", verdict="accept", **more):
    return {"image": image, "verdict": verdict, "reviewer": "sato", "when": "2026-01-02T09:00:00Z", **more}


def made(drive, *files, **more):
    """Build, and read back as training would: the samples by name, and what the set says of itself."""
    request = Request(files, (drive / "frames",), drive / "data" / "ours", drive / "data", "CC BY 4.0", CLASSES, **more)
    about = build(request)
    sets = Sets(read_catalogue(drive / "data" / "ours" / "catalogue.yaml"), drive / "data")
    return sets.samples("ours", "train", CLASSES), about


def pixels(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def unknown(sample):
    """Where a sample teaches nothing, bool (h, w)."""
    dark = np.zeros((SIZE[1], SIZE[0]), int)
    for left, top, right, bottom in np.rint(sample.ignored).astype(int):
        dark[top:bottom, left:right] += 1
    assert dark.max(initial=0) <= 1
    return dark > 0


def test_an_accepted_box_knows_its_class_alone_and_what_is_around_it(drive):
    (one,), about = made(drive, lines(drive, said(bbox=A, **{"class": "D40"})), context=0.5)
    assert one.labelled.tolist() == [False, False, False, True, False]
    assert one.class_id.tolist() == [3] and one.xyxy[0] == pytest.approx(A, abs=0.01)
    known = np.zeros((SIZE[1], SIZE[0]), bool)
    known[85:145, 80:160] = True
    assert np.array_equal(unknown(one), ~known)
    assert np.array_equal(pixels(one.picture), pixels(drive / "frames" / "s0_0.png"))
    assert about["reviews"] == {"accept": 1, "reject": 0, "fix": 0} and about["hard_negatives"] == 0


def test_a_rejected_box_is_a_hard_negative_of_its_class(drive):
    (one,), about = made(drive, lines(drive, said(verdict="reject", bbox=A, **{"class": "D40"})))
    assert len(one.xyxy) == 0 and one.labelled.tolist() == [False, False, False, True, False]
    assert about["hard_negatives"] == 1


def test_a_picture_with_nothing_on_it_is_shown_whole_and_teaches_every_class(drive):
    (one,), about = made(drive, lines(drive, said(verdict="reject")))
    assert one.labelled.all() and len(one.xyxy) == 0 and not len(one.ignored)
    assert np.array_equal(pixels(one.picture), pixels(drive / "frames" / "s0_0.png"))
    assert (about["whole_pictures"], about["hard_negatives"]) == (1, 1)


def test_a_picture_looked_through_shows_all_that_was_marked(drive):
    rows = [said(bbox=A, **{"class": "D40"}), said(verdict="reject", bbox=FAR, **{"class": "D00"}), said()]
    (one,), _ = made(drive, lines(drive, *rows))
    assert one.labelled.all() and one.xyxy.tolist() == [pytest.approx(A, abs=0.01)]


def test_a_picture_looked_through_for_one_class_is_known_whole_for_that_alone(drive):
    rows = [said(bbox=A, **{"class": "D40"}), said(**{"class": "D40"}), said(bbox=FAR, **{"class": "D00"})]
    (whole, part), about = made(drive, lines(drive, *rows))
    assert whole.labelled.tolist() == [False, False, False, True, False] and not len(whole.ignored)
    assert whole.xyxy.tolist() == [pytest.approx(A, abs=0.01)]
    assert part.labelled.tolist() == [True, False, False, False, False] and unknown(part).mean() > 0.9
    assert part.xyxy.tolist() == [pytest.approx(FAR, abs=0.01)]
    assert (about["pictures"], about["whole_pictures"], about["source_pictures"]) == (2, 1, 1)


def test_what_another_lesson_knows_to_be_there_is_ignored_not_denied(drive):
    beside = [120, 100, 160, 130]
    table = lines(drive, {"detection": "d", "image": "s0_0.png", "class": "D40", "bbox": beside}, name="boxes.jsonl")
    of_all = Corrections("s0_0.png", "reject", (tuple(map(float, A)),), None)
    (of_d40,), _ = made(drive, lines(drive, said(bbox=FAR, **{"class": "D40"})), detections=table)
    assert unknown(of_d40)[100:130, 120:160].all()
    d40 = Corrections("s0_0.png", "accept", (tuple(map(float, beside)),), "D40")
    everything = next(one for one in lessons([of_all, d40], CLASSES, SIZE, 0) if one.labelled == CLASSES)
    assert not everything.boxes and all(box[0] != A[0] or box[2] <= 100 for box in everything.ignored)
    assert any(x1 <= 130 < x2 and y1 <= 110 < y2 for x1, y1, x2, y2 in everything.ignored)
    assert not any(x1 <= 110 < x2 and y1 <= 110 < y2 for x1, y1, x2, y2 in everything.ignored)


def test_a_fix_moves_the_box_and_names_the_class(drive):
    table = lines(drive, {"detection": "d1", "image": "s0_0.png", "class": "D00", "bbox": A}, name="boxes.jsonl")
    fix = {"detection": "d1", "verdict": "fix", "class": "D20", "bbox": [100, 100, 180, 130]}
    (one,), about = made(drive, lines(drive, fix), detections=table, context=0)
    assert one.class_id.tolist() == [2] and one.xyxy[0] == pytest.approx(fix["bbox"], abs=0.01)
    assert (~unknown(one)).sum() == 30 * 80 and about["reviews"]["fix"] == 1


@pytest.mark.parametrize(
    ("was", "now", "known"), [("D40", "D20", ["D20", "D40"]), ("crack", "D20", ["D20"]), ("D20", "crack", ["crack"])]
)
def test_a_fix_says_that_the_former_class_is_not_there(drive, was, now, known):
    boxes = [
        {"detection": f"d{n}", "image": "s0_0.png", "class": was, "bbox": b}
        for n, b in enumerate((A, [135, 100, 160, 130]))
    ]
    table = lines(drive, *boxes, name="boxes.jsonl")
    fix = {"detection": "d0", "verdict": "fix", "class": now}
    (one,), _ = made(drive, lines(drive, fix), detections=table, context=0)
    assert [name for name, there in zip(CLASSES, one.labelled, strict=True) if there] == known
    assert [CLASSES[number] for number in one.class_id] == [now]
    dark = unknown(one)
    assert dark[100:130, 135:160].all() and not dark[100:130, 100:135].any()


def test_a_class_rewritten_in_a_survey_says_that_the_former_one_is_not_there(drive):
    path = survey(drive / "road.gpkg", [("detected", "D20")])
    (one,), _ = made(drive, path)
    assert one.labelled.tolist() == [False, False, True, True, False] and one.class_id.tolist() == [2]


def test_boxes_that_nobody_reviewed_teach_nothing(drive):
    boxes = [
        {"detection": f"d{n}", "image": "s0_0.png", "class": "D40", "bbox": b}
        for n, b in enumerate((A, [135, 100, 160, 130]))
    ]
    table = lines(drive, *boxes, name="boxes.jsonl")
    (one,), _ = made(drive, lines(drive, {"detection": "d0", "verdict": "accept"}), detections=table, context=0.5)
    dark = unknown(one)
    assert dark[100:130, 135:160].all() and not dark[85:145, 80:135].any() and not dark[85:100, 80:160].any()


def test_slivers_between_boxes_do_not_keep_a_set_from_being_read(drive):
    near = [A[2] + 10.02, 100, 160, 130]
    table = lines(drive, {"detection": "d", "image": "s0_0.png", "class": "D40", "bbox": near}, name="boxes.jsonl")
    (one,), _ = made(drive, lines(drive, said(bbox=A, **{"class": "D40"})), detections=table, context=0.25)
    assert unknown(one)[100:130, 151:160].all() and not unknown(one)[100:130, 100:149].any()


def test_the_latest_word_counts(drive):
    first = said(bbox=A, **{"class": "D40", "when": "2026-01-02T09:00:00Z"})
    later = said(bbox=B, verdict="reject", **{"class": "D40", "when": "2026-01-03T09:00:00Z"})
    for order in ((first, later), (later, first)):
        (one,), _ = made(drive, lines(drive, *order))
        assert len(one.xyxy) == 0


def test_csv_says_the_same_as_jsonl(drive):
    csv = drive / "reviews.csv"
    csv.write_text(
        "image,bbox,verdict,class,reviewer,when\n"
        's0_0.png,"100 100 140 130",accept,D40,sato,2026-01-02T09:00:00Z\n'
        "s1_1.png,,reject,,sato,2026-01-02T09:00:00Z\n",
        encoding="utf-8",
    )
    rows = lines(drive, said(bbox=A, **{"class": "D40"}), said("s1_1.png", "reject"))
    assert read_reviews(csv, {}) == read_reviews(rows, {})


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (said(bbox=A), "line 1: the class is missing"),
        (said(bbox=[5, 5, 1, 9], **{"class": "D40"}), "no area"),
        (said(bbox=[900, 5, 950, 9], **{"class": "D40"}), "outside its picture"),
        (said(bbox=A, **{"class": "D99"}), "D99 is not of this task"),
        (said("gone.png", "reject"), "gone.png: the picture is not there"),
        (said("../s0_0.png", "reject"), "below --pictures"),
        ({"verdict": "accept"}, "line 1: .*name a detection, or an image"),
        ({"detection": "d7", "verdict": "accept"}, "no detection is called d7"),
        (said(verdict="maybe", bbox=A), "line 1: verdict"),
        (said(verdict="fix"), "which class, or which bbox"),
        (said(colour="red"), "colour: Extra"),
    ],
)
def test_what_cannot_be_meant_is_named_in_one_line(drive, row, words):
    with pytest.raises(Exception, match=words) as error:
        made(drive, lines(drive, row))
    assert "\n" not in str(error.value) and type(error.value).__name__ in ("ReviewError", "SourceError")
    assert not (drive / "data" / "ours").exists() and not (drive / "data" / ".ours.part").exists()


def test_nothing_and_something_on_one_picture_contradict(drive):
    with pytest.raises(ReviewError, match="one review says nothing is here"):
        made(drive, lines(drive, said(bbox=A, **{"class": "D40"}), said(verdict="reject")))


def test_the_version_is_of_the_content_and_a_build_replaces_the_former(drive):
    first = lines(drive, said(bbox=A, **{"class": "D40"}))
    _, one = made(drive, first)
    _, same = made(drive, first)
    assert one == same
    _, other = made(drive, lines(drive, said(bbox=A, **{"class": "D40"}), said("s1_1.png", "reject")))
    assert other["version"] != one["version"]
    images = list((drive / "data" / "ours" / "train" / "images").iterdir())
    assert len(images) == other["pictures"] == 2
    title = yaml.safe_load((drive / "data" / "ours" / "catalogue.yaml").read_text(encoding="utf-8"))["ours"]["title"]
    assert title.endswith(other["version"])


def test_a_folder_of_something_else_is_left_alone(drive):
    mine = drive / "data" / "ours" / "note.txt"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine", encoding="utf-8")
    with pytest.raises(ReviewError, match="something else is here"):
        made(drive, lines(drive, said(verdict="reject")))
    assert mine.read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("mine", ["notes.txt", "val/images/a.png"])
def test_what_somebody_laid_into_a_built_set_is_never_removed(drive, mine):
    rows = lines(drive, said(verdict="reject"))
    made(drive, rows)
    path = drive / "data" / "ours" / mine
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"mine")
    with pytest.raises(ReviewError, match=f"{mine}: something else is here"):
        made(drive, rows)
    assert path.read_bytes() == b"mine"


def test_a_set_of_another_command_and_what_is_read_are_left_alone(drive):
    folder = drive / "data" / "ours"
    folder.mkdir(parents=True)
    (folder / "dataset.yaml").write_text("version: a\nclasses: [D40]\nparts: {}\n", encoding="utf-8")
    rows = lines(drive, said(verdict="reject"))
    with pytest.raises(ReviewError, match="something else is here"):
        made(drive, rows)
    (folder / "dataset.yaml").unlink()
    made(drive, rows)
    (again,) = (folder / "train" / "images").iterdir()
    review = lines(drive, said(again.name, verdict="reject"), name="more.jsonl")
    request = Request((review,), (again.parent,), folder, drive / "data", "CC BY 4.0", CLASSES)
    with pytest.raises(ReviewError, match="would remove this, which is read"):
        build(request)
    assert again.is_file()


def test_exif_stays_behind(drive):
    path = drive / "frames" / "gps.jpg"
    image = Image.new("RGB", SIZE, (9, 9, 9))
    exif = image.getexif()
    exif[0x8825] = {1: "N", 2: (35.0, 0.0, 0.0)}
    image.save(path, exif=exif)
    (one,), _ = made(drive, lines(drive, said("gps.jpg", "reject")))
    with Image.open(path) as before, Image.open(one.picture) as after:
        assert before.getexif() and not after.getexif()


def test_times_are_compared_as_times(tmp_path):
    early = said(bbox=A, **{"class": "D40", "when": "2026-05-01T09:00:00+09:00"})
    late = said(bbox=B, verdict="reject", **{"class": "D40", "when": "2026-05-01T01:00:00+00:00"})
    for order in ((early, late), (late, early)):
        (kept,) = settled(read_reviews(lines(tmp_path, *order), {}))
        assert kept.verdict == "reject" and kept.when == "2026-05-01T01:00:00+00:00"
    with pytest.raises(ReviewError, match=r"line 1: when: .*'1/5/2026' is no ISO 8601 time"):
        read_reviews(lines(tmp_path, said(bbox=A, **{"class": "D40", "when": "1/5/2026"})), {})


def test_an_edited_survey_speaks_when_it_was_last_changed(tmp_path):
    path = survey(tmp_path / "road.gpkg", [("rejected", "D40")])
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE gpkg_contents SET last_change = '2026-05-02T00:00:00.000Z'")
        database.commit()
    edits = [one for one in read_survey(path) if one.verdict is not None]
    assert {one.when for one in edits} == {"2026-05-02T00:00:00+00:00"}


def test_one_picture_in_two_folders_is_two_pictures(drive):
    for folder in ("a", "b"):
        (drive / "frames" / folder).mkdir()
        copyfile(drive / "frames" / "s0_0.png", drive / "frames" / folder / "x.png")
    files = lines(drive, said("a/x.png", bbox=A, **{"class": "D40"}), said("b/x.png", bbox=FAR, **{"class": "D20"}))
    samples, about = made(drive, files)
    assert about["pictures"] == len(samples) == 2
    assert sorted(one.class_id.tolist() for one in samples) == [[2], [3]]


def survey(path, statuses, *, owned=True, moved=0.0, **more):
    """Defects at 0, 50, 100, … m along a road, each seen in one frame; their statuses and classes as edited."""
    uuids = [f"u{n}" for n in range(len(statuses))]
    defects = {"uuid": uuids, "status": [s for s, _ in statuses], "class": [c for _, c in statuses], **more}
    points = [Point(50.0 * n, 0) for n in range(len(statuses))]
    gpd.GeoDataFrame(defects, geometry=points, crs=6677).to_file(path, layer="defects", driver="GPKG")
    seen = {
        "frame": [f"s{n}_{n}.png" for n in range(len(statuses))],
        "class": ["D40"] * len(statuses),
        "x_m": [50.0 * n + moved for n in range(len(statuses))],
        "y_m": [0.5] * len(statuses),
        **{name: [float(A[at])] * len(statuses) for at, name in enumerate(("x1", "y1", "x2", "y2"))},
    }
    if owned:
        seen["defect"] = uuids
    shapes = [box(0, 0, 1, 1)] * len(statuses)
    gpd.GeoDataFrame(seen, geometry=shapes, crs=6677).to_file(path, layer="observations", driver="GPKG")
    return path


@pytest.mark.parametrize("owned", [True, False])
def test_an_edited_survey_says_what_its_boxes_were(tmp_path, owned):
    path = survey(tmp_path / "road.gpkg", [("rejected", "D40"), ("planned", "D40"), ("detected", "D20")], owned=owned)
    rejected, planned, rewritten = read_survey(path)
    assert (rejected.verdict, rejected.name) == ("reject", None) and rejected.boxes == (tuple(map(float, A)),)
    assert (planned.verdict, planned.name) == ("accept", "D40")
    # Where the survey does not say whose a box is, a class beside it may as well be another defect's.
    assert (rewritten.verdict, rewritten.name) == (("fix", "D20") if owned else (None, "D40"))


def test_what_nobody_touched_was_not_reviewed(tmp_path):
    path = survey(tmp_path / "road.gpkg", [("detected", "D40"), ("merged", "D40"), ("not_responsible", "D40")])
    assert [one.verdict for one in read_survey(path)] == [None] * 3


def test_a_box_that_the_survey_gives_to_no_defect_is_nobody_s(tmp_path):
    path = survey(tmp_path / "road.gpkg", [("rejected", "D40"), ("planned", "D40")])
    boxes = gpd.read_file(path, layer="observations")
    boxes["defect"] = ["", "u1"]
    boxes.to_file(path, layer="observations", driver="GPKG")
    assert [one.verdict for one in read_survey(path)] == [None, "accept"]


def test_defects_under_their_earlier_uuids_find_their_boxes_by_place(tmp_path):
    path = survey(tmp_path / "road.gpkg", [("rejected", "D40"), ("planned", "D40")])
    boxes = gpd.read_file(path, layer="observations")
    boxes["defect"] = ["of-this-survey", "as-well"]
    boxes.to_file(path, layer="observations", driver="GPKG")
    assert [one.verdict for one in read_survey(path)] == ["reject", "accept"]


def test_boxes_of_a_deleted_defect_do_not_fall_to_its_neighbour(tmp_path):
    path = survey(tmp_path / "road.gpkg", [("accepted", "D40"), ("planned", "D40")])
    boxes = gpd.read_file(path, layer="observations")
    boxes["defect"], boxes["x_m"] = ["deleted", "u1"], 50.0
    boxes.to_file(path, layer="observations", driver="GPKG")
    assert [one.verdict for one in read_survey(path)] == [None, "accept"]


def test_what_an_earlier_survey_handed_on_was_not_reviewed_on_the_new_frames(tmp_path):
    states = ["reopened", "planned", "rejected", "detected", "planned", "rejected", "detected"]
    path = survey(
        tmp_path / "road.gpkg",
        [(one, "D20" if n in (3, 6) else "D40") for n, one in enumerate(states)],
        status_written=["reopened", "planned", "rejected", "detected", "detected", "planned", "detected"],
        class_written=["D40", "D40", "D40", "D20", "D40", "D40", "D40"],
    )
    assert [one.verdict for one in read_survey(path)] == [None, None, None, None, "accept", "reject", "fix"]


def test_of_older_results_a_state_counts_where_no_earlier_survey_can_have_set_it(tmp_path):
    states = [("reopened", "D40"), ("planned", "D40"), ("planned", "D40"), ("rejected", "D40")]
    path = survey(tmp_path / "road.gpkg", states, n_surveys=[2, 2, 1, 1])
    assert [one.verdict for one in read_survey(path)] == [None, None, "accept", "reject"]


def test_states_count_under_any_of_their_names_and_strange_ones_are_named(drive):
    names = ["Accepted", "損傷ではない", "dismissed", " planned ", "", None, "fixed", "accepted"]
    path = survey(drive / "road.gpkg", [(one, "D40") for one in names[:-1]] + [("accepted", None)])
    notes = []
    said = [one.verdict for one in read_survey(path, notes.append)]
    assert said == ["accept", "reject", "reject", "accept", None, None, None, None]
    assert notes[0].startswith("road.gpkg: the state 'fixed' of 1 defects is none we know, and says nothing")
    assert notes[1:] == ["road.gpkg: the defect u7 has no class, and accepts nothing"]
    for number in range(3, 8):
        Image.new("RGB", SIZE).save(drive / "frames" / f"s{number}_{number}.png")
    assert made(drive, path)[1]["notes"] == notes


def test_a_box_far_from_any_defect_is_nobody_s(tmp_path):
    far = survey(tmp_path / "a.gpkg", [("rejected", "D40"), ("planned", "D40")], owned=False, moved=4.0)
    assert [one.verdict for one in read_survey(far)] == [None, None]


def test_a_survey_without_its_layers_is_refused(tmp_path):
    path = tmp_path / "other.gpkg"
    gpd.GeoDataFrame({"a": [1]}, geometry=[Point(0, 0)], crs=6677).to_file(path, layer="points", driver="GPKG")
    with pytest.raises(ReviewError, match="no road survey"):
        read_survey(path)


def test_a_survey_and_lines_make_one_set_that_a_recipe_can_name(drive):
    path = survey(drive / "road.gpkg", [("rejected", "D40"), ("planned", "D40"), ("detected", "D40")])
    rows = lines(drive, said("s2_2.png", verdict="reject"))
    samples, about = made(drive, path, rows, place=r"^(s\d)_")
    by_place = {one.place: one for one in samples}
    assert set(by_place) == {"ours/s0", "ours/s1", "ours/s2"} and about["hard_negatives"] == 2
    assert by_place["ours/s0"].labelled.all() and len(by_place["ours/s0"].xyxy) == 0
    assert by_place["ours/s1"].labelled.tolist() == [False, False, False, True, False]
    assert by_place["ours/s2"].facts["kind"] == "whole"
    stage = {"name": "a", "epochs": 1, "crops": 4, "side_px": 64, "rate": 0.1, "final_rate": 0.1}
    recipe = Recipe.model_validate(
        {
            **{"task": "road", "architecture": "yolo11n", "classes": CLASSES, "seed": 1, "batch": 2},
            "stages": [{**stage, "sources": {"ours": {"weight": 1}}}],
        }
    )
    sets = Sets(read_catalogue(drive / "data" / "ours" / "catalogue.yaml"), drive / "data")
    summary = summarise(recipe, sets)["ours/train"]
    assert summary["boxes"]["D40"] == 1 and summary["pictures_labelling"]["D40"] == 3 and summary["places"] == 3


def test_the_verb_builds_and_says_what_it_made(drive):
    rows = lines(drive, said(bbox=A, **{"class": "D40"}), said("s1_1.png", "reject"))
    arguments = [
        "build",
        rows,
        "--pictures",
        drive / "frames",
        "--out",
        drive / "data" / "town",
        "--licence",
        "CC0-1.0",
    ]
    result = CliRunner().invoke(verb, [str(one) for one in arguments], catch_exceptions=False)
    about = yaml.safe_load(result.output)
    assert about["licence"] == "CC0-1.0" and about["pictures"] == 2 and about["reviewers"] == ["sato"]
    assert about == yaml.safe_load((drive / "data" / "town" / "dataset.yaml").read_text(encoding="utf-8"))
    assert (drive / "data" / "town" / "manifest.csv").is_file()


corner = st.tuples(st.integers(0, 340), st.integers(0, 140))
review = st.builds(
    lambda at, side, verdict, name: Corrections("a", verdict, ((*at, at[0] + side, at[1] + side),), name),
    corner,
    st.integers(8, 60),
    st.sampled_from(["accept", "reject", "fix", None]),
    st.sampled_from(["D00", "D40"]),
)


def over(boxes):
    """How many of the boxes the middle of each pixel lies in."""
    x, y = np.meshgrid(np.arange(SIZE[0]) + 0.5, np.arange(SIZE[1]) + 0.5)
    count = np.zeros(x.shape, int)
    for x1, y1, x2, y2 in boxes:
        count += (x1 < x) & (x < x2) & (y1 < y) & (y < y2)
    return count


@given(st.lists(review, max_size=8), st.sampled_from([0.0, 0.263, 1.013]))
def test_no_lesson_speaks_of_what_nobody_reviewed(some, context):
    kept = settled(some)
    taught = lessons(kept, CLASSES, SIZE, context)
    there = [(one.name, one.boxes[0]) for one in kept if one.verdict in ("accept", "fix")]
    assert sorted(box for one in taught for box in one.boxes) == sorted(there)
    nobodys = over([one.boxes[0] for one in kept if one.verdict is None]) > 0
    for one in taught:
        about = [other.boxes[0] for other in kept if other.verdict is not None and other.name in one.labelled]
        margins = [(context * (x2 - x1), context * (y2 - y1)) for x1, y1, x2, y2 in about]
        asked = over(
            [(x1 - m, y1 - n, x2 + m, y2 + n) for (x1, y1, x2, y2), (m, n) in zip(about, margins, strict=True)]
        )
        silent = over(one.ignored)
        assert silent.max() <= 1 and np.array_equal(silent > 0, nobodys | (asked == 0))


def test_every_file_name_is_safe(drive):
    odd = drive / "frames" / "a b" / "ü#1.png"
    odd.parent.mkdir()
    Image.new("RGB", SIZE).save(odd)
    (one,), _ = made(drive, lines(drive, said("a b/ü#1.png", "reject")))
    assert re.fullmatch(r"[A-Za-z0-9_.-]+", one.picture.name) and one.place == "ours/ours"


def test_corrections_of_a_picture_that_judges_are_refused(drive):
    pixels = np.random.default_rng(5).integers(0, 100, (SIZE[1], SIZE[0], 3), np.uint8)
    judged = drive / "data" / "judged" / "val"
    (judged / "images").mkdir(parents=True)
    (judged / "labels").mkdir()
    Image.fromarray(pixels).save(judged / "images" / "s9.png")
    (judged / "labels" / "s9.txt").write_text("3 0.5 0.5 0.1 0.1", encoding="utf-8")
    (drive / "frames" / "s9_9.png").write_bytes((judged / "images" / "s9.png").read_bytes())
    made(drive, lines(drive, said("s9_9.png", bbox=A, **{"class": "D40"})))
    catalogue = yaml.safe_load((drive / "data/ours/catalogue.yaml").read_text(encoding="utf-8"))
    entry = {"title": "Judged", "licence": "CC0-1.0", "url": "none", "layout": "yolo", "path": "judged"}
    catalogue["judged"] = {**entry, "classes": {"3": "D40"}, "labels": ["D40"]}
    (drive / "both.yaml").write_text(yaml.safe_dump(catalogue), encoding="utf-8")
    stage = {"name": "a", "epochs": 1, "crops": 2, "side_px": 64, "rate": 0.001, "final_rate": 0.001}
    classes = [{"name": name, "title_en": name, "title_ja": name} for name in CLASSES]
    recipe = Recipe.model_validate(
        {
            **{"task": "road", "architecture": "yolo11n", "classes": CLASSES, "seed": 1, "batch": 2},
            "stages": [{**stage, "sources": {"ours": {"weight": 1}}}],
            "card": {"name": "ours", "classes": classes, "validation": ["judged"]},
        }
    )
    with pytest.raises(SourceError, match="the same picture is in training data"):
        summarise(recipe, Sets(read_catalogue(drive / "both.yaml"), drive / "data"))
