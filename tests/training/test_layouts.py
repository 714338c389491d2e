"""Every layout reads as its data set ships it; what cannot be right is named in one line."""

import json

import numpy as np
import pytest
from PIL import Image

from models.measures import box_iou
from training.batches import read_picture
from training.errors import SourceError
from training.judge import _pictures
from training.sources.catalogue import Pieces, Source, read_catalogue
from training.sources.masks import boxes_of_mask
from training.sources.pictures import picture_size, read_upright
from training.sources.samples import load_samples

SIZE = (200, 100)


def picture(path, size=SIZE):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size).save(path)
    return path


def text(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")
    return path


def mask(path, *boxes, size=SIZE):
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((size[1], size[0]), np.uint8)
    for left, top, right, bottom in boxes:
        pixels[top:bottom, left:right] = 255
    Image.fromarray(pixels).save(path)


def source(layout, classes, **more):
    entry = {"title": "a", "licence": "CC0-1.0", "url": "c", "layout": layout, "path": "set", "classes": classes}
    return Source.model_validate({**entry, "labels": sorted(set(classes.values())), **more})


def read(entry, data, classes, split="train"):
    return load_samples("set", entry, data, split, classes)


def boxes(sample):
    return [[int(class_id), *map(float, box)] for class_id, box in zip(sample.class_id, sample.xyxy, strict=True)]


def test_a_box_around_each_piece_of_a_mask_and_none_around_specks():
    marked = np.zeros((100, 200), bool)
    marked[10:20, 5:50] = True
    marked[60:90, 100:110] = True
    marked[50, 50] = True
    assert boxes_of_mask(marked) == [(5.0, 10.0, 50.0, 20.0), (100.0, 60.0, 110.0, 90.0)]


def test_a_dotted_crack_is_one_and_a_far_one_another():
    marked = np.zeros((100, 200), bool)
    for start in range(0, 60, 12):
        marked[40:46, start : start + 6] = True
    marked[40:46, 120:130] = True
    near = Pieces(join_px=9)
    assert boxes_of_mask(marked, near) == [(0.0, 40.0, 54.0, 46.0), (120.0, 40.0, 130.0, 46.0)]
    assert len(boxes_of_mask(marked, Pieces(join_px=3))) == 6


def test_masks_by_class_folder(tmp_path):
    entry = source("masks", {"crack": "crack", "D40": "D40"}, masks={"crack": "masks/crack", "D40": "masks/pothole"})
    split = tmp_path / "set" / "train"
    picture(split / "images" / "a.jpg")
    mask(split / "masks" / "crack" / "a.png", (10, 10, 60, 20))
    mask(split / "masks" / "pothole" / "a.png", (100, 50, 120, 70))
    (one,) = read(entry, tmp_path, ("D40", "crack"))
    assert boxes(one) == [[1, 10, 10, 60, 20], [0, 100, 50, 120, 70]]
    mask(split / "masks" / "crack" / "a.png", (0, 0, 9, 9), size=(50, 50))
    with pytest.raises(SourceError, match="50 × 50 px, its picture 200 × 100"):
        read(entry, tmp_path, ("D40", "crack"))


def test_dnit_reads_as_published_and_is_divided_by_road_section(tmp_path):
    entry = read_catalogue()["dnit_masks"]
    for name in ("883046_RS_290_290RS150131_15960", "1007599_RS_386_386RS289112_28920"):
        folder = tmp_path / entry.path / "Dataset" / name
        picture(folder / f"{name}_RAW.jpg")
        mask(folder / f"{name}_CRACK.png", (10, 10, 60, 20))
        mask(folder / f"{name}_POTHOLE.png")
    (learned,), (judged,) = (
        load_samples("dnit_masks", entry, tmp_path, split, ("crack",)) for split in ("train", "val")
    )
    assert boxes(learned) == [[0, 10, 10, 60, 20]] and learned.place == "dnit/RS_290_290RS150131"
    assert judged.place == "dnit/RS_386_386RS289112"
    (folder / f"{name}_POTHOLE.png").unlink()
    with pytest.raises(SourceError, match="mask is missing"):
        load_samples("dnit_masks", entry, tmp_path, "val", ("crack",))


COCO = {
    "images": [
        {"id": 7, "file_name": "b.png", "width": 200, "height": 100},
        {"id": 3, "file_name": "a.png", "width": 200, "height": 100},
    ],
    "categories": [{"id": 1, "name": "tree"}, {"id": 2, "name": "canopy"}],
    "annotations": [
        {"id": 1, "image_id": 7, "category_id": 1, "bbox": [10, 20, 30, 40], "iscrowd": 0},
        {"id": 2, "image_id": 7, "category_id": 2, "bbox": [100, 0, 150, 50], "iscrowd": 0},
        {"id": 3, "image_id": 7, "category_id": 1, "bbox": [0, 90, 10, 10], "iscrowd": 1},
    ],
}


def write_oam(tmp_path, content):
    entry = read_catalogue()["oam_tcd"]
    root = tmp_path / entry.path / "holdout"
    for name in ("a.png", "b.png"):
        picture(root / "images" / name)
    path = text(root / "train.json", json.dumps(content))
    return entry, root, path


def test_coco_as_oam_tcd_converts_to_it(tmp_path):
    entry, _, _ = write_oam(tmp_path, COCO)
    empty, full = load_samples("oam_tcd", entry, tmp_path, "train", ("crown",))
    assert empty.picture.name == "a.png" and boxes(empty) == []
    assert boxes(full) == [[0, 10, 20, 40, 60]]
    assert sorted(full.ignored.tolist()) == [[0, 90, 10, 100], [100, 0, 200, 50]]
    unsized = {**COCO, "images": [{**one, "width": None, "height": None} for one in COCO["images"]]}
    write_oam(tmp_path, unsized)
    assert boxes(load_samples("oam_tcd", entry, tmp_path, "train", ("crown",))[1]) == boxes(full)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"annotations": [{"id": 9, "image_id": 7, "category_id": 1, "bbox": [300, 20, 30, 40]}]},
            "annotation 9: the box",
        ),
        (
            {"annotations": [{"id": 9, "image_id": 8, "category_id": 1, "bbox": [3, 20, 30, 40]}]},
            "no picture or category",
        ),
        (
            {"images": [{"id": 1, "file_name": "gone.png", "width": 9, "height": 9}], "annotations": []},
            "gone.png is missing",
        ),
        (
            {"images": [{"id": 1, "file_name": "a.png", "width": 100, "height": 50}], "annotations": []},
            "a.png: labels are of 100 × 50 px, their picture has 200 × 100",
        ),
        ({"images": [{"id": 1, "file_name": "../a", "width": 9, "height": 9}], "annotations": []}, "missing"),
        ({"categories": [{"id": 1}]}, "not COCO's"),
    ],
    ids=["outside", "unknown picture", "missing picture", "another size", "path out of the folder", "no name"],
)
def test_impossible_coco_is_named_in_one_line(tmp_path, change, words):
    entry, _, path = write_oam(tmp_path, {**COCO, **change})
    with pytest.raises(SourceError, match=words) as error:
        load_samples("oam_tcd", entry, tmp_path, "train", ("crown",))
    assert "\n" not in str(error.value) and str(path) in str(error.value)


def test_deepforest_csv_with_a_picture_that_shows_nothing(tmp_path):
    entry = source("deepforest_csv", {"Tree": "crown"})
    for name in ("a.tif", "b.tif"):
        picture(tmp_path / "set" / "train" / name)
    rows = "image_path,xmin,ymin,xmax,ymax,label\nb.tif,10,20,30,50,Tree\nb.tif,0,0,9.5,9,Tree\na.tif,,,,,\n"
    path = text(tmp_path / "set" / "train.csv", rows)
    empty, full = read(entry, tmp_path, ("crown",))
    assert boxes(empty) == [] and boxes(full) == [[0, 10, 20, 30, 50], [0, 0, 0, 9.5, 9]]
    for wrong, words in (("c.tif,1,2,3,4,Tree", "c.tif is missing"), ("a.tif,1,2,x,4,Tree", "four numbers")):
        text(path, rows + wrong)
        with pytest.raises(SourceError, match=words) as error:
            read(entry, tmp_path, ("crown",))
        assert "line 5" in str(error.value)
    text(path, "image,xmin,ymin,xmax,ymax,label\n")
    with pytest.raises(SourceError, match="no column image_path"):
        read(entry, tmp_path, ("crown",))


NEON_XML = """<annotation><filename>{name}.tif</filename>
<size><width>200</width><height>100</height><depth>3</depth></size>
<object><name>Tree</name><bndbox><xmin>10</xmin><ymin>20</ymin><xmax>40</xmax><ymax>60</ymax></bndbox></object></annotation>"""


def test_neon_xml_leaves_out_plots_without_annotation_and_divides_training_by_tile(tmp_path):
    entry = read_catalogue()["neon_tree_evaluation"]
    root = tmp_path / entry.path
    names = [f"2018_SJER_3_{east}000_4106000_image_{part}" for east in range(250, 280) for part in (1, 2)]
    for name in names:
        picture(root / "training" / "RGB" / f"{name}.tif")
        text(root / "annotations" / f"{name}.xml", NEON_XML.format(name=name))
    picture(root / "training" / "RGB" / "unlabelled.tif")
    picture(root / "evaluation" / "RGB" / "HARV_036.tif")
    text(root / "annotations" / "HARV_036.xml", NEON_XML.format(name="HARV_036"))
    train, val, test = (load_samples("neon", entry, tmp_path, split, ("crown",)) for split in ("train", "val", "test"))
    assert len(train) + len(val) == 60 and boxes(train[0]) == [[0, 10, 20, 40, 60]]
    assert not {one.place for one in train} & {one.place for one in val}
    assert [one.place for one in test] == ["neon/HARV_036"]


def test_mot_frames_count_from_one_and_what_does_not_count_is_ignored(tmp_path):
    entry = read_catalogue()["mot17"]
    root = tmp_path / entry.path / "train"
    rows = "1,1,11,21,30,40,1,1,1.0\n1,2,101,1,50,50,0,8,0.5\n2,1,-20,21,50,40,1,1,0.6\n2,3,260,1,9,9,1,1,0\n"
    for sequence in ("MOT17-02-FRCNN", "MOT17-02-DPM", "MOT17-09-FRCNN"):
        for frame in (1, 2):
            picture(root / sequence / "img1" / f"{frame:06d}.jpg")
        text(root / sequence / "gt" / "gt.txt", rows)
    first, second = load_samples("mot17", entry, tmp_path, "train", ("person",))
    assert boxes(first) == [[0, 10, 20, 40, 60]] and first.ignored.tolist() == [[100, 0, 150, 50]]
    assert boxes(second) == [[0, 0, 20, 29, 60]]
    assert first.place == "mot17/MOT17-02"
    assert {one.place for one in load_samples("mot17", entry, tmp_path, "val", ("person",))} == {"mot17/MOT17-09"}
    text(root / "MOT17-02-FRCNN" / "gt" / "gt.txt", rows + "3,1,11,21,30,40,1,1,1.0\n")
    with pytest.raises(SourceError, match="frame 3 is missing"):
        load_samples("mot17", entry, tmp_path, "train", ("person",))


def test_visdrone_ignores_its_regions(tmp_path):
    entry = read_catalogue()["visdrone"]
    root = tmp_path / entry.path / "VisDrone2019-DET-val"
    picture(root / "images" / "0000001_02999_d_0000005.jpg")
    rows = "10,20,30,40,1,1,0,0\n50,20,30,40,1,4,0,0\n100,0,50,50,0,0,0,0,\n"
    path = text(root / "annotations" / "0000001_02999_d_0000005.txt", rows)
    (one,) = load_samples("visdrone", entry, tmp_path, "val", ("person",))
    assert boxes(one) == [[0, 10, 20, 40, 60]] and one.ignored.tolist() == [[100, 0, 150, 50]]
    assert one.place == "visdrone/0000001"
    text(path, "10,20,30\n")
    with pytest.raises(SourceError, match="line 1: a label has 3 numbers"):
        load_samples("visdrone", entry, tmp_path, "val", ("person",))


def test_crowdhuman_keeps_visible_people_and_ignores_crowds(tmp_path):
    entry = read_catalogue()["crowdhuman"]
    root = tmp_path / entry.path
    picture(root / "Images" / "273271,1.jpg")
    people = [
        {"tag": "person", "vbox": [10, 20, 30, 40], "fbox": [0, 0, 60, 90], "extra": {"box_id": 0}},
        {"tag": "person", "vbox": [60, 20, 30, 40], "extra": {"ignore": 1}},
        {"tag": "mask", "vbox": [100, 0, 50, 50], "extra": {"ignore": 1}},
    ]
    path = text(root / "annotation_val.odgt", json.dumps({"ID": "273271,1", "gtboxes": people}) + "\n")
    (one,) = load_samples("crowdhuman", entry, tmp_path, "val", ("person",))
    assert boxes(one) == [[0, 10, 20, 40, 60]] and len(one.ignored) == 2
    text(path, '{"ID": "273271,1"}\n')
    with pytest.raises(SourceError, match="line 1: no CrowdHuman record"):
        load_samples("crowdhuman", entry, tmp_path, "val", ("person",))


def test_vistas_polygons_become_boxes(tmp_path):
    entry = read_catalogue()["mapillary_vistas"]
    root = tmp_path / entry.path / "training"
    picture(root / "images" / "x_Y-9.jpg")
    hole = {"label": "object--pothole", "polygon": [[10, 20], [40, 25], [30, 60]]}
    group = {"label": "human--person--person-group", "polygon": [[0, 0], [50, 0], [50, 50]]}
    road = {"label": "construction--flat--road", "polygon": [[0, 0], [50, 0], [50, 50]]}
    record = {"width": 200, "height": 100, "objects": [hole, group, road]}
    text(root / "v2.0" / "polygons" / "x_Y-9.json", json.dumps(record))
    (one,) = load_samples("mapillary_vistas", entry, tmp_path, "train", ("D40",))
    assert boxes(one) == [[0, 10, 20, 40, 60]] and one.ignored.tolist() == [[0, 0, 50, 50]]


def test_yolo_polygons_give_the_box_around_them(tmp_path):
    split = tmp_path / "set" / "train"
    picture(split / "images" / "a.png")
    path = text(split / "labels" / "a.txt", "0 0.1 0.2 0.3 0.2 0.2 0.6\n")
    (one,) = read(source("yolo", {"0": "person"}), tmp_path, ("person",))
    assert one.xyxy[0] == pytest.approx([20, 20, 60, 60])
    text(path, "0 0.1 0.2 0.3 0.2 0.2\n")
    with pytest.raises(SourceError, match="line 1: a label is"):
        read(source("yolo", {"0": "person"}), tmp_path, ("person",))


@pytest.mark.parametrize(
    ("name", "line", "words"),
    [
        ("a", "0 1.5 0.5 0.2 0.2", "line 1: the box .* its picture of 200 × 100 px"),
        ("a", "0 nan 0.5 0.2 0.2", "outside its picture"),
        ("a", "0 0.5 0.5 -0.2 0.2", "negative width or height"),
        ("a", "0 40 30 80 60", "line 1: the label reaches far out of its picture"),
        ("a", "0 0.5 0.5 0.0004 0.2", "is under 0.1 px"),
        ("b", "0 0.5 0.5 0.2 0.2", "picture of this label is missing"),
    ],
    ids=["outside", "no number", "negative", "px", "tiny", "missing picture"],
)
def test_impossible_yolo_is_named_in_one_line(tmp_path, name, line, words):
    split = tmp_path / "set" / "train"
    picture(split / "images" / "a.png")
    text(split / "labels" / f"{name}.txt", line)
    with pytest.raises(SourceError, match=words) as error:
        read(source("yolo", {"0": "person"}), tmp_path, ("person",))
    assert "\n" not in str(error.value)


def test_labels_that_are_not_where_they_are_read_do_not_say_that_nothing_is_there(tmp_path):
    split = tmp_path / "set" / "train"
    picture(split / "images" / "a.png")
    entry = source("yolo", {"0": "person"})
    with pytest.raises(SourceError, match="the pictures of set have no label files here"):
        read(entry, tmp_path, ("person",))
    text(split / "labels" / "a.txt", "")
    assert boxes(read(entry, tmp_path, ("person",))[0]) == []
    text(split / "images" / "classes.txt", "person\n")
    read(entry, tmp_path, ("person",))
    text(split / "images" / "a.txt", "0 0.5 0.5 0.2 0.2")
    with pytest.raises(SourceError, match="lies among the pictures"):
        read(entry, tmp_path, ("person",))
    (split / "images" / "classes.txt").unlink()
    (one,) = read(entry.model_copy(update={"annotations": "{split}/images"}), tmp_path, ("person",))
    assert len(one.xyxy) == 1
    unlabelled = source("yolo", {}, labels=[])
    (split / "images" / "a.txt").unlink()
    (split / "labels" / "a.txt").unlink()
    assert len(read(unlabelled, tmp_path, ("person",))) == 1


def test_labels_of_editors_that_mark_utf_8_lose_no_line_and_other_encodings_are_named(tmp_path):
    split = tmp_path / "set" / "train"
    picture(split / "images" / "a.png")
    path = text(split / "labels" / "a.txt", "\ufeff0 0.5 0.5 0.2 0.2\n")
    (one,) = read(source("yolo", {"0": "person"}), tmp_path, ("person",))
    assert len(one.xyxy) == 1
    entry, _, annotations = write_oam(tmp_path, COCO)
    annotations.write_text("\ufeff" + annotations.read_text(encoding="utf-8"), encoding="utf-8")
    assert len(load_samples("oam_tcd", entry, tmp_path, "train", ("crown",))) == 2
    for labels in (path, annotations):
        labels.write_bytes("# 道路".encode("cp932"))
    for name, one, classes in (("set", source("yolo", {"0": "person"}), ("person",)), ("oam_tcd", entry, ("crown",))):
        with pytest.raises(SourceError, match="no UTF-8 text") as error:
            load_samples(name, one, tmp_path, "train", classes)
        assert str(path if name == "set" else annotations) in str(error.value)


def test_a_broken_picture_is_named(tmp_path):
    path = text(tmp_path / "set" / "train" / "images" / "a.png", "no picture")
    with pytest.raises(SourceError, match="cannot be read") as error:
        read(source("yolo", {"0": "person"}), tmp_path, ("person",))
    assert str(path) in str(error.value)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif"])
def test_a_picture_is_read_upright_as_people_saw_it_when_they_labelled(tmp_path, suffix):
    split = tmp_path / "set" / "train"
    lying = np.zeros((100, 200, 3), np.uint8)
    lying[:, 150:] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned by 90° to the right: the white band is at the foot
    path = split / "images" / f"a.{suffix}"
    path.parent.mkdir(parents=True)
    Image.fromarray(lying).save(path, exif=exif)
    text(split / "labels" / "a.txt", "0 0.5 0.875 1 0.25")
    (one,) = read(source("yolo", {"0": "person"}), tmp_path, ("person",))
    assert picture_size(path) == (100, 200) and boxes(one) == [[0, 0, 150, 100, 200]]
    for seen in (read_upright(path), read_picture(one), next(_pictures([one]))):
        assert seen.shape == (200, 100, 3)
        assert seen[155:].mean() > 250 and seen[:145].mean() < 5


def test_grey_pictures_of_16_bits_keep_their_tones_and_those_of_32_are_refused(tmp_path):
    tones = np.linspace(0, 65535, 200 * 100).reshape(100, 200)
    for suffix in ("png", "tif"):
        Image.fromarray(tones.astype(np.uint16)).save(tmp_path / f"a.{suffix}")
        seen = read_upright(tmp_path / f"a.{suffix}")
        assert seen.dtype == np.uint8 and seen.shape == (100, 200, 3)
        assert np.abs(seen[..., 1] - tones / 257).max() <= 0.51
    for kind in (np.float32, np.int32):
        Image.fromarray(tones.astype(kind)).save(tmp_path / "b.tif")
        with pytest.raises(SourceError, match=r"b\.tif: the picture has pixels of 32 bits"):
            read_upright(tmp_path / "b.tif")


def test_an_annotation_without_its_picture_is_named(tmp_path):
    split = tmp_path / "set" / "train"
    picture(split / "images" / "a.jpg")
    for name in ("a", "b"):
        text(split / "annotations" / "xmls" / f"{name}.xml", NEON_XML.format(name=name))
    with pytest.raises(SourceError, match="picture of this annotation is missing"):
        read(source("voc", {"Tree": "crown"}), tmp_path, ("crown",))


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "mask_label", "least_found", "least_right"), [("D40", "POTHOLE", 0.95, 0.9), ("crack", "CRACK", 0.7, 0.7)]
)
def test_boxes_of_dnit_masks_are_mostly_those_it_is_labelled_with(
    shared_data, name, mask_label, least_found, least_right
):
    """The reference boxes were made from the same masks by others; cracks are dotted, and joined by judgement."""
    entry, pieces = read_catalogue()["dnit"], read_catalogue()["dnit_masks"].pieces[mask_label]
    masked = entry.model_copy(
        update={
            "layout": "masks",
            "classes": {name: name},
            "masks": {name: entry.masks[name]},
            "pieces": {name: pieces},
        }
    )
    theirs, ours = (load_samples("dnit", one, shared_data, "val", (name,)) for one in (entry, masked))
    overlap = [box_iou(one.xyxy, other.xyxy) for one, other in zip(theirs, ours, strict=True)]
    found = np.concatenate([one.max(axis=1, initial=0) for one in overlap])
    right = np.concatenate([one.max(axis=0, initial=0) for one in overlap])
    assert np.mean(found >= 0.5) > least_found and np.mean(right >= 0.5) > least_right
