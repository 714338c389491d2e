"""Data sets are read as they are labelled: no more, and nothing taught about what nobody labelled."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from training.errors import SourceError
from training.sources.catalogue import Source, find_source, read_catalogue
from training.sources.samples import load_samples
from training.sources.voc import read_voc
from training.sources.yolo import read_yolo

ROAD = ("D00", "D10", "D20", "D40", "crack")

VOC = """<annotation>
  <folder>images</folder><filename>{name}.jpg</filename>
  <size><depth>3</depth><width>600</width><height>600</height></size>
  <segmented>0</segmented>{objects}
</annotation>"""
OBJECT = """<object><name>{label}</name><truncated>0</truncated>
  <bndbox><xmin>{box[0]}</xmin><ymin>{box[1]}</ymin><xmax>{box[2]}</xmax><ymax>{box[3]}</ymax></bndbox></object>"""


def write_voc(folder, name, objects):
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "annotations" / "xmls").mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (600, 600)).save(folder / "images" / f"{name}.jpg")
    text = VOC.format(name=name, objects="".join(OBJECT.format(label=label, box=box) for label, box in objects))
    path = folder / "annotations" / "xmls" / f"{name}.xml"
    path.write_text(text, encoding="utf-8")
    return path


def write_yolo(folder, name, lines, size=(200, 100)):
    (folder / "images").mkdir(parents=True, exist_ok=True)
    (folder / "labels").mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size).save(folder / "images" / f"{name}.webp")
    (folder / "labels" / f"{name}.txt").write_text("\n".join(lines), encoding="utf-8")


def test_rdd2022_japan_is_one_entry_of_the_catalogue_and_reads_as_shipped(tmp_path):
    source = read_catalogue()["rdd2022_japan"]
    split = tmp_path / source.path / "train"
    write_voc(split, "Japan_000001", [("D20", (10, 20, 300, 400)), ("D43", (0, 0, 50, 50)), ("D40", (5, 5, 25, 30))])
    write_voc(split, "Japan_000000", [])
    empty, full = load_samples("rdd2022_japan", source, tmp_path, "train", ROAD)
    assert empty.picture.stem == "Japan_000000" and len(empty.xyxy) == 0
    assert empty.labelled.tolist() == [True, True, True, True, False]
    assert full.xyxy.tolist() == [[10, 20, 300, 400], [5, 5, 25, 30]]
    assert full.class_id.tolist() == [2, 3]


def test_voc_boxes_are_clipped_to_the_picture_and_empty_ones_left_out(tmp_path):
    path = write_voc(tmp_path, "a", [("D00", (-5, 10, 700, 20)), ("D10", (30, 30, 30, 50))])
    assert read_voc(path, (600, 600)) == [("D00", (0.0, 10.0, 600.0, 20.0))]
    path = write_voc(tmp_path, "b", [("D00", (50, 10, 40, 20))])
    with pytest.raises(SourceError, match=r"b\.xml: the box \(50, 10, 40, 20\) has a negative width or height"):
        read_voc(path, (600, 600))


def test_an_annotation_that_states_no_size_takes_the_picture_s(tmp_path):
    path = write_voc(tmp_path, "a", [("D00", (500, 10, 700, 20))])
    whole = path.read_text(encoding="utf-8")
    stated = "<width>600</width><height>600</height>"
    for size in ("<width>0</width><height>0</height>", ""):
        path.write_text(whole.replace(stated, size), encoding="utf-8")
        assert read_voc(path, (600, 600)) == [("D00", (500.0, 10.0, 600.0, 20.0))]


def test_an_annotation_of_another_picture_is_named(tmp_path):
    path = write_voc(tmp_path, "a", [("D00", (5, 10, 700, 20))])
    with pytest.raises(SourceError, match="labels are of 600 × 600 px, their picture has 300 × 300") as error:
        read_voc(path, (300, 300))
    assert str(path) in str(error.value)
    text = path.read_text(encoding="utf-8").replace("<width>600", "<width>800")
    path.write_text(text, encoding="utf-8")
    with pytest.raises(SourceError, match="label it upright, as its EXIF shows it"):
        read_voc(path, (600, 800))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("<annotation><size>", "cannot be read"),
        ("<annotation><size><width>wide</width></size></annotation>", "not a number"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotation>&b;</annotation>', "cannot be read"),
    ],
)
def test_an_unreadable_annotation_is_named(tmp_path, content, words):
    path = tmp_path / "broken.xml"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(SourceError, match=words) as error:
        read_voc(path, (600, 600))
    assert str(path) in str(error.value)


def test_a_picture_without_annotation_is_not_taken_for_an_empty_one(tmp_path):
    with pytest.raises(SourceError, match="missing"):
        read_voc(tmp_path / "none.xml", (600, 600))


def test_absence_teaches_nothing_where_the_data_set_is_known_to_have_gaps(tmp_path):
    source = read_catalogue()["dnit"]
    split = tmp_path / source.path / "train"
    write_yolo(split, "1_RS_1_1RS1_5", ["0 0.5 0.5 0.2 0.2", "1 0.1 0.5 0.1 0.1"])
    write_yolo(split, "2_RS_1_1RS1_10", ["1 0.1 0.5 0.1 0.1"])
    cracked, alone = load_samples("dnit", source, tmp_path, "train", ROAD)
    assert cracked.labelled.tolist() == [False, False, False, True, True]
    assert alone.labelled.tolist() == [False, False, False, True, False]
    assert cracked.class_id.tolist() == [4, 3]
    assert cracked.xyxy[0] == pytest.approx([80, 40, 120, 60])


def test_a_broken_label_line_is_named(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("0 0.5 0.5 0.2 0.2\n0 0.5 0.5", encoding="utf-8")
    with pytest.raises(SourceError, match="line 2"):
        read_yolo(path, (100, 100))


def test_an_absent_data_set_says_where_to_get_it(tmp_path):
    source = read_catalogue()["stellenbosch_gopro"]
    with pytest.raises(SourceError, match="Fetch it from https"):
        load_samples("stellenbosch_gopro", source, tmp_path, "train", ROAD)
    with pytest.raises(SourceError, match="Run `michisora sample train-set"):
        load_samples("rendered_town", read_catalogue()["rendered_town"], tmp_path, "train", ROAD)


def test_an_unknown_name_is_answered_with_the_nearest():
    with pytest.raises(SourceError, match="Did you mean rdd2022_japan"):
        find_source(read_catalogue(), "rdd2022_jpan")
    with pytest.raises(SourceError, match="Did you mean yolo11n"):
        find_source(read_catalogue(), "yolo11", ["yolo11n", "yolo26n"])


def test_a_city_adds_its_own_and_faults_are_named(tmp_path):
    own = tmp_path / "own.yaml"
    entry = "{title: Ours, licence: CC0-1.0, url: none, layout: LAYOUT, path: ours, classes: {a: D40}, labels: [D40]}"
    own.write_text("our_city: " + entry.replace("LAYOUT", "yolo"), encoding="utf-8")
    known = read_catalogue(own)
    assert known["our_city"].title == "Ours" and "dnit" in known
    own.write_text("\ufeffour_city: " + entry.replace("LAYOUT", "yolo"), encoding="utf-8")
    assert "our_city" in read_catalogue(own)
    own.write_text("our_city: " + entry.replace("LAYOUT", "cocoa"), encoding="utf-8")
    with pytest.raises(SourceError, match="our_city: layout"):
        read_catalogue(own)


def test_every_entry_teaches_classes_it_maps_to_and_states_its_licence():
    for name, source in read_catalogue().items():
        assert set(source.labels) == set(source.classes.values()), name
        assert source.licence and source.url, name


@given(st.floats(0, 1), st.floats(0, 1), st.floats(0.001, 1), st.floats(0.001, 1))
def test_yolo_boxes_stay_in_the_picture(tmp_path_factory, x, y, w, h):
    path = tmp_path_factory.mktemp("label") / "a.txt"
    path.write_text(f"0 {x} {y} {w} {h}", encoding="utf-8")
    for _, (left, top, right, bottom) in read_yolo(path, (640, 480)):
        assert 0 <= left < right <= 640 and 0 <= top < bottom <= 480


@pytest.mark.shared
def test_reference_data_reads_with_the_gaps_it_is_known_for(shared_data):
    known = read_catalogue()
    dnit = load_samples("dnit", known["dnit"], shared_data, "val", ROAD)
    china = load_samples("rdd2022_china_motorbike", known["rdd2022_china_motorbike"], shared_data, "val", ROAD)
    assert [int((np.concatenate([one.class_id for one in dnit]) == label).sum()) for label in (3, 4)] == [101, 149]
    assert sum(bool(one.labelled[4]) for one in dnit) < len(dnit) == 72
    assert not any(one.labelled[4] for one in china)


def test_a_source_refuses_fields_nobody_knows():
    with pytest.raises(ValueError, match="Extra inputs"):
        Source.model_validate({"title": "a", "licence": "b", "url": "c", "layout": "yolo", "path": "d", "clases": {}})
