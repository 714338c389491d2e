"""Crops show what the picture shows, at the scale asked for, with the boxes where the objects are."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from training.batches import Album, epoch_batches, read_picture
from training.crops import Crop, Window, choose_window, cut, see_boxes
from training.recipe import CropParams, LightParams, Recipe, Share, Stage
from training.sources.samples import Sample
from training.weather import relight

NO_BOXES = np.empty((0, 4), np.float32)


def spotted(folder, name, box, size=(300, 200), labelled=(True, False)):
    """A black picture with one white box, and its sample."""
    pixels = np.zeros((size[1], size[0], 3), np.uint8)
    left, top, right, bottom = box
    pixels[top:bottom, left:right] = 255
    path = folder / f"{name}.png"
    Image.fromarray(pixels).save(path)
    return Sample(path, "spots", np.array([box], np.float32), np.zeros(1, np.int16), np.array(labelled))


def recipe(**changes):
    still = LightParams(tone=0, colour=0, shadow=0, blur=0, noise=0, jpeg=0)
    stage = Stage(name="a", epochs=1, crops=12, side_px=96, rate=0.1, final_rate=0, sources={"spots": Share(weight=1)})
    basis = {"task": "road", "architecture": "yolo11n", "classes": ("a", "b"), "seed": 4, "batch": 5, "light": still}
    return Recipe(**{**basis, "stages": (stage,), **changes})


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(40, 900), st.integers(40, 900))
def test_a_window_lies_in_the_picture_or_covers_it(seed, width, height):
    rng = np.random.default_rng(seed)
    box = np.array([[5, 5, 30, 30]], np.float32)
    window = choose_window((width, height), box, NO_BOXES, 128, CropParams(scale=(0.3, 2)), rng)
    for start, extent, whole in ((window.left, window.width, width), (window.top, window.height, height)):
        inside = start >= 0 and start + extent <= whole
        covers = start <= 0 and start + extent >= whole
        assert inside or covers


def test_boxes_follow_the_pixels(tmp_path):
    sample = spotted(tmp_path, "a", (120, 80, 160, 100))
    window = Window(100, 60, 100, 100)
    part = cut(read_picture(sample), window, 200)
    seen, counts = see_boxes(sample.xyxy, window, 200, CropParams())
    assert counts.all() and seen[0].tolist() == [40, 40, 120, 80]
    white = np.argwhere(part[..., 0] > 127)
    assert white.min(axis=0) == pytest.approx([40, 40], abs=1) and white.max(axis=0) == pytest.approx([79, 119], abs=1)


def test_beyond_the_picture_is_grey():
    part = cut(np.zeros((50, 50, 3), np.uint8), Window(-50, 0, 100, 100), 100)
    assert (part[:, :50] == 114).all() and (part[:50, 50:] == 0).all() and (part[50:, 50:] == 114).all()


@pytest.mark.parametrize(
    ("box", "counts"),
    [
        ((10, 10, 30, 30), True),
        ((90, 10, 130, 30), False),
        ((-100, 0, 60, 99), True),
        ((50, 50, 52, 90), False),
        ((200, 200, 220, 220), False),
    ],
    ids=["whole", "a quarter left", "a large piece", "too thin", "outside"],
)
def test_a_cut_off_box_counts_while_enough_of_it_is_seen(box, counts):
    _, kept = see_boxes(np.array([box], np.float32), Window(0, 0, 100, 100), 100, CropParams())
    assert kept.tolist() == [counts]


def test_a_watermark_is_painted_over(tmp_path):
    sample = spotted(tmp_path, "a", (270, 0, 300, 20))
    hidden = Sample(
        *(getattr(sample, name) for name in ("picture", "source", "xyxy", "class_id", "labelled")), (0.9, 0, 1, 0.1)
    )
    assert (read_picture(hidden)[:20, 270:] == 114).all()


def test_an_album_keeps_to_its_memory_and_cuts_the_same_crops(tmp_path):
    samples = {"spots": [spotted(tmp_path, str(n), (100 + n, 50, 150, 90)) for n in range(4)]}
    size = 300 * 200 * 3
    for most in (0, size, 2 * size):
        small = Album(samples, most)
        batches = list(epoch_batches(small, recipe(), 0, 0, cutters=2))
        for one, other in zip(batches, epoch_batches(Album(samples), recipe(), 0, 0), strict=True):
            assert np.array_equal(one.pictures, other.pictures) and np.array_equal(one.xywh, other.xywh)
        assert sum(one.nbytes for one in small._pictures.values()) == small._n_bytes <= most
    first, second, third = samples["spots"][:3]
    for one in (first, second, first, third):
        small.picture(one)
    assert [key[0] for key in small._pictures] == [str(first.picture), str(third.picture)]


def test_batches_are_the_same_every_time_and_differ_by_epoch(tmp_path):
    samples = {"spots": [spotted(tmp_path, str(n), (100 + n, 50, 150, 90)) for n in range(4)]}
    first, again = (list(epoch_batches(Album(samples), recipe(), 0, 0)) for _ in range(2))
    later = list(epoch_batches(Album(samples), recipe(), 0, 1))
    assert [len(one.pictures) for one in first] == [5, 5, 2]
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one.pictures, other.pictures) and np.array_equal(one.xywh, other.xywh)
    assert not np.array_equal(first[0].pictures, later[0].pictures)


def test_every_box_of_a_batch_lies_on_its_object(tmp_path):
    samples = {"spots": [spotted(tmp_path, str(n), (100, 50, 160, 110)) for n in range(3)]}
    checked = 0
    for batch in epoch_batches(Album(samples), recipe(), 0, 0):
        assert batch.labelled.tolist() == [[True, False]] * len(batch.pictures)
        for index, (x, y, w, h) in zip(batch.index, batch.xywh * 96, strict=True):
            left, top, right, bottom = np.rint([x - w / 2, y - h / 2, x + w / 2, y + h / 2]).astype(int)
            inner = batch.pictures[index][top + 2 : bottom - 2, left + 2 : right - 2]
            assert (inner > 200).all()
            checked += 1
    assert checked > 5


def test_each_data_set_gives_its_share(tmp_path):
    many = [spotted(tmp_path, f"m{n}", (10, 10, 60, 60)) for n in range(5)]
    few = [Sample(one.picture, "few", one.xyxy, one.class_id, np.array([False, True])) for one in many[:2]]
    sources = {"spots": Share(weight=3), "few": Share(weight=1)}
    stage = Stage(name="a", epochs=1, crops=16, side_px=64, rate=0.1, final_rate=0, sources=sources)
    batches = epoch_batches(Album({"spots": many, "few": few}), recipe(stages=(stage,)), 0, 0)
    labelled = np.concatenate([one.labelled for one in batches])
    assert labelled.sum(axis=0).tolist() == [12, 4]


def test_other_light_changes_pixels_but_neither_size_nor_chance():
    picture = np.random.default_rng(0).integers(0, 255, (64, 80, 3), np.uint8)
    always = LightParams(tone=1, colour=1, shadow=1, blur=1, noise=1, jpeg=1)
    one, other = (relight(picture, always, np.random.default_rng(5)) for _ in range(2))
    assert one.shape == picture.shape and one.dtype == np.uint8
    assert np.array_equal(one, other) and not np.array_equal(one, picture)


def test_no_boxes_are_no_trouble():
    window = choose_window((300, 200), NO_BOXES, NO_BOXES, 96, CropParams(), np.random.default_rng(0))
    seen, counts = see_boxes(NO_BOXES, window, 96, CropParams())
    assert seen.shape == (0, 4) and counts.shape == (0,)


def test_a_crop_of_a_picture_that_is_mostly_ignored_shows_what_is_not():
    known = (700, 300, 740, 330)
    ignored = np.array([(0, 0, 1000, 300), (0, 300, 700, 330), (740, 300, 1000, 330), (0, 330, 1000, 600)], np.float32)
    params = CropParams(scale=(1, 1), stretch=1)
    for seed in range(40):
        window = choose_window((1000, 600), NO_BOXES, ignored, 128, params, np.random.default_rng(seed))
        assert window.left < known[2] and window.left + window.width > known[0]
        assert window.top < known[3] and window.top + window.height > known[1]
    everything = np.array([(0, 0, 1000, 600)], np.float32)
    assert choose_window((1000, 600), NO_BOXES, everything, 128, params, np.random.default_rng(0)).width == 128


def test_a_turned_crop_takes_its_boxes_along():
    pixels = np.zeros((40, 40, 3), np.uint8)
    pixels[4:10, 20:32] = 255
    crop = Crop(pixels, np.array([[20, 4, 32, 10]], np.float32), np.zeros(1, np.int16))
    for turned in (crop.mirrored(), *(crop.turned(quarters) for quarters in range(5))):
        left, top, right, bottom = turned.xyxy[0].astype(int)
        assert turned.picture[top:bottom, left:right].min() == 255
        assert turned.picture.sum() == 255 * 3 * (right - left) * (bottom - top)


def test_only_pictures_from_above_are_turned(tmp_path):
    samples = {"spots": [spotted(tmp_path, "a", (40, 60, 100, 70))]}
    wide = {}
    for upright in (True, False):
        crop = CropParams(scale=(0.5, 0.5), stretch=1, upright=upright)
        batches = list(epoch_batches(Album(samples), recipe(crop=crop), 0, 0))
        extents = np.concatenate([batch.xywh[:, 2:] for batch in batches])
        wide[upright] = (extents[:, 0] > extents[:, 1]).mean()
    assert wide[True] == 1
    assert 0 < wide[False] < 1


def test_what_came_equalised_is_not_equalised_again(tmp_path):
    grey = np.random.default_rng(0).integers(90, 140, (80, 80, 3), np.uint8)
    for name in ("natural", "equalised"):
        Image.fromarray(grey).save(tmp_path / f"{name}.png")
    made = [
        replace(
            spotted(tmp_path, f"box-{name}", (1, 1, 9, 9)),
            picture=tmp_path / f"{name}.png",
            facts={"contrast_equalised": flag},
        )
        for name, flag in (("natural", "0"), ("equalised", "1"))
    ]
    album = Album({"spots": made})
    contrast = [float(album.picture(one, equalised=True).std()) for one in made]
    assert contrast[0] > 1.5 * contrast[1]
    assert contrast[1] == pytest.approx(float(grey.std()))
