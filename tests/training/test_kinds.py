"""A crack's type is told from the shape that its mask has on the road, not in the picture."""

import cv2
import numpy as np
import pytest
from PIL import Image

from training.batches import Album, epoch_batches
from training.crops import NO_KIND
from training.kinds import shape_of
from training.recipe import LightParams, Recipe, Share, Stage
from training.sources.catalogue import RoadView
from training.sources.samples import Sample

VIEW = RoadView(height_m=1.8, horizon=0.1, focal=0.9)
SIZE = (1000, 600)
CLASSES = ("D00", "D10", "D20", "crack")
SHAPES = {"crack": {"along": "D00", "across": "D10", "net": "D20"}}


def seen(*lines, wide_m=0.08):
    """The mask (h, w) of lines on the road, each from (x, z) to (x, z) in m aside and ahead, and the box around it."""
    width, height = SIZE
    mask = np.zeros((height, width), np.uint8)
    for line in lines:
        start, end = np.array(line, float)
        along = (end - start) / np.hypot(*(end - start))
        half = along[::-1] * [-1, 1] * wide_m / 2
        corners = np.stack([start + half, end + half, end - half, start - half])
        below = VIEW.focal * width * VIEW.height_m / corners[:, 1]
        aside = corners[:, 0] * VIEW.focal * width / corners[:, 1]
        pixels = np.column_stack([width / 2 + aside, VIEW.horizon * height + below])
        cv2.fillPoly(mask, [np.rint(pixels).astype(np.int32)], 1)
    rows, columns = np.nonzero(mask)
    return mask > 0, np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1], np.float32)


def net(x, z):
    """A net of cracks, 0.8 m by 1.5 m."""
    rungs = [((x, z + k * 0.3), (x + 0.8, z + k * 0.3)) for k in range(6)]
    return [((x, z), (x, z + 1.5)), ((x + 0.4, z), (x + 0.4, z + 1.5)), ((x + 0.8, z), (x + 0.8, z + 1.5)), *rungs]


@pytest.mark.parametrize(
    ("lines", "shape"),
    [
        ([((0.2, 4), (0.2, 9))], "along"),
        ([((-2.5, 4), (-2.5, 9))], "along"),  # slanting in the picture, straight on the road
        ([((-1.2, 6), (1.2, 6))], "across"),
        ([((-1.2, 5.6), (1.2, 6.4))], "across"),
        ([((-1, 5), (1, 7))], None),  # neither along nor across
        (net(0.5, 5), "net"),
        (net(-2, 8), "net"),
        ([((0, 5), (0, 5.3))], None),  # too short to tell
    ],
)
def test_the_shape_is_that_on_the_road(lines, shape):
    assert shape_of(*seen(*lines), VIEW) == shape


def test_only_what_is_inside_the_box_counts():
    mask, box = seen(((0.2, 4), (0.2, 9)))
    mask[:, 600:] = True
    assert shape_of(mask, box, VIEW) == "along"
    assert shape_of(np.zeros_like(mask), box, VIEW) is None


def sample(folder, name, lines, view=VIEW):
    mask, box = seen(*lines)
    paths = folder / f"{name}.png", folder / f"{name}_mask.png"
    Image.fromarray(np.where(mask, 0, 120).astype(np.uint8)).convert("RGB").save(paths[0])
    Image.fromarray(mask).save(paths[1])
    return Sample(
        *(paths[0], "roads", box[None], np.array([3], np.int16), np.array([False, False, False, True])),
        masks={"crack": paths[1]},
        road_view=view,
    )


def recipe(**of_stage):
    still = LightParams(tone=0, colour=0, shadow=0, blur=0, noise=0, jpeg=0)
    share = {"roads": Share(weight=1, scale=(0.5, 1))}
    common = {"name": "a", "epochs": 1, "crops": 12, "side_px": 320, "rate": 0.1, "final_rate": 0, "sources": share}
    basis = {"task": "road", "architecture": "yolo11n", "classes": CLASSES, "seed": 4, "batch": 4, "light": still}
    return Recipe(**basis, stages=(Stage(**common, **of_stage),))


@pytest.mark.parametrize("mosaic", [0, 1])
def test_batches_carry_the_types_where_a_stage_asks_for_them(tmp_path, mosaic):
    some = [sample(tmp_path, "net", net(0.5, 5)), sample(tmp_path, "diagonal", [((-1, 5), (1, 7))])]
    album = Album({"roads": some})
    told = np.concatenate([one.kind_id for one in epoch_batches(album, recipe(shapes=SHAPES, mosaic=mosaic), 0, 0)])
    assert set(told.tolist()) == {CLASSES.index("D20"), NO_KIND}
    silent = np.concatenate([one.kind_id for one in epoch_batches(album, recipe(mosaic=mosaic), 0, 0)])
    assert (silent == NO_KIND).all() and len(silent) == len(told)


def test_nothing_is_told_where_the_set_does_not_say_how_it_sees_the_road(tmp_path):
    album = Album({"roads": [sample(tmp_path, "net", net(0.5, 5), view=None)]})
    assert all((one.kind_id == NO_KIND).all() for one in epoch_batches(album, recipe(shapes=SHAPES), 0, 0))
