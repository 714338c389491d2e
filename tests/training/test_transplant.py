"""Objects set into other pictures keep their shape, their box and their place among damage; mosaics keep every box."""

import numpy as np
import pytest
from PIL import Image

from training.batches import Album, epoch_batches
from training.crops import Crop
from training.recipe import LightParams, Recipe, Share, Stage, TransplantParams
from training.sources.samples import Sample
from training.transplant import Change, cut_out, transplant

HOLE, CRACK = 0, 1
STILL = LightParams(tone=0, colour=0, shadow=0, blur=0, noise=0, jpeg=0)


def road_with_hole(box=(40, 40, 80, 70), size=(120, 100), road=120, hole=20):
    """A grey road with a dark hole that fills its box, the hole's mask, and its box."""
    picture = np.full((size[1], size[0], 3), road, np.uint8)
    left, top, right, bottom = box
    picture[top:bottom, left:right] = hole
    mask = np.zeros(picture.shape[:2], bool)
    mask[top:bottom, left:right] = True
    return picture, mask, np.array([box], np.float32)


def cuttings():
    return list(cut_out(*road_with_hole()))


def cracked(side=200, box=(20, 30, 180, 190), road=200):
    return Crop(np.full((side, side, 3), road, np.uint8), np.array([box], np.float32), np.full(1, CRACK, np.int16))


@pytest.mark.parametrize(
    ("box", "n"),
    [((40, 40, 80, 70), 1), ((2, 40, 42, 70), 0), ((40, 40, 50, 70), 0)],
    ids=["whole", "at the edge", "too small"],
)
def test_only_whole_and_large_objects_are_cut_out(box, n):
    assert len(list(cut_out(*road_with_hole(box)))) == n


def test_a_box_that_its_mask_does_not_fill_is_not_cut_out():
    picture, mask, boxes = road_with_hole()
    mask[45:] = False
    assert not list(cut_out(picture, mask, boxes))


def test_what_is_set_in_lies_in_its_box_within_the_damage_and_takes_its_light():
    crop = cracked()
    for seed in range(30):
        after = transplant(
            crop, cuttings(), Change(HOLE, TransplantParams(size_px=(12, 30))), np.random.default_rng(seed)
        )
        added = after.xyxy[after.class_id == HOLE]
        assert len(added)
        assert (added >= 20).all() and (added[:, [0, 2]] <= 180).all() and (added[:, [1, 3]] <= 190).all()
        dark = np.zeros((200, 200), bool)
        for x1, y1, x2, y2 in np.rint(added).astype(int):
            middle = after.picture[(y1 + y2) // 2, (x1 + x2) // 2]
            assert (middle < 60).all()
            dark[y1 - 3 : y2 + 3, x1 - 3 : x2 + 3] = True
        # A road of 120 became one of 200: nothing outside the holes' rims is touched.
        assert (after.picture[~dark] >= 195).all()


def test_objects_are_shrunk_never_enlarged():
    sizes = []
    for seed in range(40):
        after = transplant(
            cracked(), cuttings(), Change(HOLE, TransplantParams(size_px=(10, 90))), np.random.default_rng(seed)
        )
        holes = after.xyxy[after.class_id == HOLE]
        sizes += np.sqrt(np.prod(holes[:, 2:] - holes[:, :2], axis=1)).tolist()
    assert min(sizes) < 14 and max(sizes) == pytest.approx(np.sqrt(40 * 30), abs=0.5)


def test_a_factor_below_one_makes_objects_darker_and_leaves_the_road():
    cracked_road, donors = cracked(), list(cut_out(*road_with_hole(hole=90)))
    plain, dark = (
        transplant(cracked_road, donors, Change(HOLE, TransplantParams(), light), np.random.default_rng(2))
        for light in ((1.0, 1.0), (0.4, 0.4))
    )
    (x, y) = np.rint((plain.xyxy[1, :2] + plain.xyxy[1, 2:]) / 2).astype(int)
    assert dark.picture[y, x] == pytest.approx(plain.picture[y, x] * 0.4, abs=2)
    assert (dark.picture[:20] == plain.picture[:20]).all()


def test_no_two_objects_lie_on_one_another():
    params = TransplantParams(size_px=(25, 30), most=4)
    for seed in range(30):
        crop = cracked(box=(20, 30, 100, 110))
        after = transplant(crop, cuttings(), Change(HOLE, params), np.random.default_rng(seed))
        holes = after.xyxy[after.class_id == HOLE]
        for i, (a1, b1, a2, b2) in enumerate(holes):
            for x1, y1, x2, y2 in holes[:i]:
                assert a1 >= x2 or x1 >= a2 or b1 >= y2 or y1 >= b2


def test_without_damage_or_cuttings_a_crop_stays_as_it_is():
    bare = Crop(np.zeros((50, 50, 3), np.uint8), np.empty((0, 4), np.float32), np.empty(0, np.int16))
    rng = np.random.default_rng(0)
    assert transplant(bare, cuttings(), Change(HOLE, TransplantParams()), rng) is bare
    assert transplant(cracked(), [], Change(HOLE, TransplantParams()), rng).xyxy.shape == (1, 4)


def sample(folder, name, labelled, source="roads"):
    """A picture with a bright crack area and, where `labelled` has holes, a masked hole elsewhere."""
    picture, mask, hole = road_with_hole(box=(130, 20, 170, 50), size=(200, 160))
    picture[60:150, 20:120] = 220
    paths = folder / f"{name}.png", folder / f"{name}_mask.png"
    for path, pixels in zip(paths, (picture, mask), strict=True):
        Image.fromarray(pixels).save(path)
    boxes = np.vstack([hole, [[20, 60, 120, 150]]]).astype(np.float32)
    return Sample(
        paths[0], source, boxes, np.array([HOLE, CRACK], np.int16), np.array(labelled), None, {"hole": paths[1]}
    )


def recipe(**of_stage):
    stage = Stage(
        **{
            "name": "a",
            "epochs": 1,
            "crops": 12,
            "side_px": 160,
            "rate": 0.1,
            "final_rate": 0,
            "sources": {"roads": Share(weight=1, scale=(1, 1))},
            **of_stage,
        }
    )
    return Recipe(
        task="road", architecture="yolo11n", classes=("hole", "crack"), seed=1, batch=4, light=STILL, stages=(stage,)
    )


def test_a_stage_that_asks_for_them_gets_more_objects(tmp_path):
    album = Album({"roads": [sample(tmp_path, str(n), (True, True)) for n in range(3)]})
    plain, more = (
        sum(int((one.class_id == HOLE).sum()) for one in epoch_batches(album, recipe(transplant=chance), 0, 0))
        for chance in ({}, {"hole": 1.0})
    )
    assert more > plain


def test_pictures_that_do_not_label_a_class_get_none_of_it(tmp_path):
    some = [sample(tmp_path, str(n), (False, True)) for n in range(2)]
    album = Album({"roads": some})
    counts = [
        [int((one.class_id == HOLE).sum()) for one in epoch_batches(album, recipe(transplant=chance), 0, 0)]
        for chance in ({}, {"hole": 1.0})
    ]
    assert counts[0] == counts[1]


def test_a_mosaic_is_of_pictures_that_label_the_same_and_keeps_the_boxes_on_their_objects(tmp_path):
    both = [sample(tmp_path, f"b{n}", (True, True)) for n in range(2)]
    silent = [sample(tmp_path, f"s{n}", (True, False)) for n in range(2)]
    album = Album({"roads": [*both, *silent]})
    assert set(map(id, album.alike(both[0]))) == set(map(id, both))
    checked = 0
    for batch in epoch_batches(album, recipe(mosaic=1.0), 0, 0):
        assert batch.pictures.shape[1:3] == (160, 160)
        for index, class_id, (x, y, w, h) in zip(batch.index, batch.class_id, batch.xywh * 160, strict=True):
            left, top, right, bottom = np.rint([x - w / 2, y - h / 2, x + w / 2, y + h / 2]).astype(int)
            inner = batch.pictures[index][top + 3 : bottom - 3, left + 3 : right - 3]
            assert (inner < 40).all() if class_id == HOLE else (inner > 200).mean() > 0.9
            checked += 1
    assert checked > 20
