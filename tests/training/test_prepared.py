"""A prepared set says what the sets it was made from say, in one form, and changes none of their pictures."""

import os
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from training.errors import SourceError
from training.prepared import ABOUT, CATALOGUE, chosen, write_prepared
from training.sources.catalogue import Source, read_catalogue
from training.sources.samples import Sample, Sets
from training.sources.yolo import read_yolo

CLASSES = ("D00", "D40", "crack")
SOURCE = {
    "title": "Ours",
    "licence": "CC0-1.0",
    "url": "https://example.org",
    "attribution": "us",
    "layout": "yolo",
    "path": "road/ours",
    "place": r"^(\w+?)_",
    "stretch": r"^(\w+?_\d)",
    "place_space": "town",
    "table": {"path": "more.csv", "name": "picture", "facts": ["tier"], "where": {"kept": "yes"}},
    "classes": {"0": "crack", "1": "D40", "7": "D99"},
    "labels": ["crack", "D40"],
    "distrust_empty": ["crack"],
    "ignored": ["9"],
    "blank": [0.8, 0.0, 1.0, 0.1],
    "masks": {"D40": "masks/pothole"},
    "road_view": {"height_m": 1.5, "horizon": 0.3, "focal": 0.8},
    "without": {"train": ["lost"]},
    "faults": ["a little small"],
}
LABELS = {
    "north_11": "0 0.4 0.4 0.123456 0.2\n1 0.05 0.06 0.1 0.12\n9 0.5 0.5 0.2 0.2",
    "north_12": "1 0.9 0.9 0.33 0.33",
    "south_21": "",
    "lost_31": "1 0.5 0.5 0.1 0.1",
    "west_41": "7 0.5 0.5 0.1 0.1",
}


@pytest.fixture
def sets(tmp_path):
    folder = tmp_path / "raw" / "road" / "ours"
    for part in ("images", "labels", "masks/pothole"):
        (folder / "train" / part).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name, lines in LABELS.items():
        Image.fromarray(rng.integers(0, 255, (63, 97, 3), np.uint8)).save(folder / "train/images" / f"{name}.png")
        (folder / "train/labels" / f"{name}.txt").write_text(lines, encoding="utf-8")
        Image.new("L", (97, 63), 255).save(folder / "train/masks/pothole" / f"{name}.png")
    rows = "".join(f"{name},{'no' if name == 'west_41' else 'yes'},A\n" for name in LABELS)
    (folder / "more.csv").write_text(f"picture,kept,tier\n{rows}", encoding="utf-8")
    return Sets({"ours": Source.model_validate(SOURCE)}, tmp_path / "raw")


def prepared(parts, sets, out):
    about = write_prepared(parts, CLASSES, sets, out)
    return about, Sets(read_catalogue(out / CATALOGUE), out)


def assert_same(one: Sample, other: Sample):
    """Every field, but for where the files lie."""
    for name in (field.name for field in fields(Sample)):
        mine, theirs = getattr(one, name), getattr(other, name)
        if name == "picture":
            assert mine.read_bytes() == theirs.read_bytes()
        elif name == "masks":
            assert set(mine) == set(theirs)
            assert all(mine[label].read_bytes() == theirs[label].read_bytes() for label in mine)
        elif isinstance(mine, np.ndarray) and mine.dtype == np.float32:
            assert mine.shape == theirs.shape
            # Equal to the last bit of single precision, but for edges within a billionth of a pixel of 0.
            np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-9)
        elif isinstance(mine, np.ndarray):
            assert mine.dtype == theirs.dtype and mine.tolist() == theirs.tolist(), name
        else:
            assert mine == theirs, name


def test_every_field_of_a_sample_comes_back(sets, tmp_path):
    samples = sets.samples("ours", "train", CLASSES)
    assert [one.picture.stem for one in samples] == ["north_11", "north_12", "south_21"]
    assert len(samples[0].ignored) == 1 and samples[0].facts == {"tier": "A"} and samples[0].stretch == "town/north_1"
    about, again = prepared({("ours", "train"): samples}, sets, tmp_path / "out")
    read = again.samples("ours", "train", CLASSES)
    assert [one.picture.name for one in read] == [one.picture.name for one in samples]
    for one, other in zip(samples, read, strict=True):
        assert_same(one, other)
    assert about["parts"]["ours/train"] == {"pictures": 3, "places": 2, "boxes": {"D00": 0, "D40": 2, "crack": 1}}
    entry = again.source("ours")
    assert (entry.licence, entry.url, entry.attribution, entry.faults) == (
        "CC0-1.0",
        "https://example.org",
        "us",
        ("a little small",),
    )


def test_pictures_are_linked_and_the_originals_left_as_they_are(sets, tmp_path):
    samples = sets.samples("ours", "train", CLASSES)
    before = [one.picture.stat().st_mtime_ns for one in samples]
    _, again = prepared({("ours", "train"): samples}, sets, tmp_path / "out")
    read = again.samples("ours", "train", CLASSES)
    assert all(a.picture.samefile(b.picture) for a, b in zip(samples, read, strict=True))
    assert [one.picture.stat().st_mtime_ns for one in samples] == before


def test_pictures_are_copied_where_the_disk_links_nothing(sets, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError("cross-device")

    monkeypatch.setattr(os, "link", refuse)
    samples = sets.samples("ours", "train", CLASSES)
    _, again = prepared({("ours", "train"): samples}, sets, tmp_path / "out")
    for one, other in zip(samples, again.samples("ours", "train", CLASSES), strict=True):
        assert_same(one, other)


def test_the_version_is_that_of_the_content(sets, tmp_path):
    def version(number):
        parts = {("ours", "train"): sets.samples("ours", "train", CLASSES)}
        return prepared(parts, sets, tmp_path / f"out{number}")[0]["version"]

    first = version(1)
    assert version(2) == first
    label = tmp_path / "raw/road/ours/train/labels/south_21.txt"
    label.write_text("1 0.5 0.5 0.2 0.2", encoding="utf-8")
    second = version(3)
    assert second != first
    (tmp_path / "raw/road/ours/train/masks/pothole/south_21.png").unlink()
    assert version(4) != second


def test_pictures_of_one_name_in_two_folders_stay_two(tmp_path):
    for split in ("train", "val"):
        for part in ("images", "labels"):
            (tmp_path / "raw" / "ours" / split / part).mkdir(parents=True)
        Image.new("RGB", (8, 8), "red" if split == "val" else "blue").save(tmp_path / f"raw/ours/{split}/images/a.png")
        (tmp_path / f"raw/ours/{split}/labels/a.txt").touch()
    entry = {**SOURCE, "path": "ours", "place": "(.+)", "stretch": None, "table": None, "masks": {}, "without": {}}
    sets = Sets({"ours": Source.model_validate(entry)}, tmp_path / "raw")
    parts = {("ours", split): sets.samples("ours", split, CLASSES) for split in ("train", "val")}
    _, again = prepared(parts, sets, tmp_path / "out")
    for (_, split), samples in parts.items():
        assert_same(samples[0], again.samples("ours", split, CLASSES)[0])


def test_something_else_is_never_overwritten_but_an_earlier_build_is(sets, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "precious.txt").write_text("mine", encoding="utf-8")
    parts = {("ours", "train"): sets.samples("ours", "train", CLASSES)}
    with pytest.raises(SourceError, match="something else is here"):
        write_prepared(parts, CLASSES, sets, out)
    assert (out / "precious.txt").is_file()
    (out / "precious.txt").unlink()
    write_prepared(parts, CLASSES, sets, out)
    write_prepared({("ours", "train"): parts["ours", "train"][:1]}, CLASSES, sets, out)
    said = yaml.safe_load((out / ABOUT).read_text(encoding="utf-8"))
    assert said["parts"]["ours/train"]["pictures"] == 1


@pytest.mark.parametrize("mine", ["notes.txt", "other/train/images/a.png", "ours/val/images/a.png"])
def test_what_somebody_laid_into_a_prepared_folder_is_never_removed(sets, tmp_path, mine):
    parts = {("ours", "train"): sets.samples("ours", "train", CLASSES)}
    write_prepared(parts, CLASSES, sets, tmp_path / "out")
    (tmp_path / "out" / mine).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "out" / mine).write_bytes(b"mine")
    with pytest.raises(SourceError, match=f"{mine}: something else is here"):
        write_prepared(parts, CLASSES, sets, tmp_path / "out")
    assert (tmp_path / "out" / mine).read_bytes() == b"mine"


def test_a_set_described_by_a_file_of_the_same_name_is_left_alone(sets, tmp_path):
    parts = {("ours", "train"): sets.samples("ours", "train", CLASSES)}
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ABOUT).write_text("path: .\ntrain: images\nnames: [hole]\n", encoding="utf-8")
    with pytest.raises(SourceError, match="something else is here"):
        write_prepared(parts, CLASSES, sets, tmp_path / "out")


def test_the_sets_that_are_read_are_never_written_over(sets, tmp_path):
    parts = {("ours", "train"): sets.samples("ours", "train", CLASSES)}
    write_prepared(parts, CLASSES, sets, tmp_path / "out")
    read = Sets(read_catalogue(tmp_path / "out" / CATALOGUE), tmp_path / "out")
    again = {("ours", "train"): read.samples("ours", "train", CLASSES)}
    with pytest.raises(SourceError, match="would remove this data set"):
        write_prepared(again, CLASSES, read, tmp_path / "out")
    assert again["ours", "train"][0].picture.is_file()


def test_a_limit_takes_the_same_pictures_whatever_else_is_there(sets):
    samples = sets.samples("ours", "train", CLASSES)
    two = chosen(samples, 2)
    assert len(two) == 2 and [one for one in samples if one in two] == two
    for left_out in (one for one in samples if one not in two):
        assert chosen([one for one in samples if one is not left_out], 2) == two
    assert chosen(samples, None) == samples


@given(
    edges=st.tuples(*(st.integers(0, 1000) for _ in range(4))),
    size=st.tuples(st.integers(1, 5000), st.integers(1, 5000)),
)
def test_a_box_comes_back_to_the_last_bit(edges, size, tmp_path_factory):
    from training.prepared import _lines  # noqa: PLC0415

    box = np.sort(np.array(edges).reshape(2, 2) / 1000, axis=0) * np.array(size)
    xyxy = box.reshape(1, 4).astype(np.float32)
    if (xyxy[:, 2:] - xyxy[:, :2] < 0.11).any():
        return
    path = tmp_path_factory.getbasetemp() / "box.txt"
    path.write_text("".join(_lines(np.zeros(1, np.int16), xyxy, size)), encoding="utf-8")
    [(_, read)] = read_yolo(path, size)
    assert np.array(read, np.float32).tolist() == xyxy[0].tolist()


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "split", "classes"),
    [
        ("dnit", "val", ("D00", "D10", "D20", "D40", "crack")),
        ("rdd2022_china_motorbike", "val", ("D00", "D10", "D20", "D40", "crack")),
        ("neon_crowns", "val", ("crown",)),
        ("aerial_people", "train", ("person", "vehicle")),
        ("aerial_people", "val", ("person", "vehicle")),
        ("omu_drone", "val", ("crack",)),
    ],
)
def test_real_sets_come_back(shared_data: Path, tmp_path, name, split, classes):
    sets = Sets(read_catalogue(), shared_data)
    samples = sets.samples(name, split, classes)
    write_prepared({(name, split): samples}, classes, sets, tmp_path / "out")
    again = Sets(read_catalogue(tmp_path / "out" / CATALOGUE), tmp_path / "out").samples(name, split, classes)
    assert [one.picture.name for one in again] == [one.picture.name for one in samples]
    by_name = {one.picture.name: one for one in again}
    for one in samples:
        assert_same(one, by_name[one.picture.name])
