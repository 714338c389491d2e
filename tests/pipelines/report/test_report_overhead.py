"""Photos from above show the road and nothing beside it."""

import cv2
import numpy as np
import pytest

from pipelines.report.content import Overhead
from pipelines.report.overhead import photograph_above

WIDE, HIGH = 960, 540
ROAD = slice(160, 380)


@pytest.fixture(scope="module")
def ground():
    """Grass with writing on it, and a grey road with a crack and more writing."""
    picture = np.random.default_rng(0).integers(60, 120, (HIGH, WIDE, 3)).astype(np.uint8)
    picture[ROAD] = np.random.default_rng(1).integers(100, 130, (220, WIDE, 1))
    for x, y in ((60, 90), (600, 480), (700, 260)):
        cv2.putText(picture, "MICHI 50-12", (x, y), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (250, 250, 250), 3)
    cv2.line(picture, (200, 270), (460, 290), (20, 20, 20), 4)
    return picture


def _view(picture, north=(0.0, -1.0)):
    shown = np.zeros((HIGH, WIDE), bool)
    shown[ROAD] = True
    ring = np.array([[190, 255], [470, 255], [470, 305], [190, 305], [190, 255]], float)
    return Overhead(picture, shown, [ring], 240.0, north)


def test_nothing_beside_the_road_can_be_read(ground):
    photo = np.asarray(photograph_above(_view(ground), None))
    assert photo.shape == ground.shape
    grass = np.ones((HIGH, WIDE), bool)
    grass[ROAD] = False
    grass[:90, 870:] = grass[480:, :420] = False  # the arrow and the scale bar
    steps = np.abs(np.diff(photo.astype(float).mean(axis=2), axis=1))[grass[:, 1:]]
    assert steps.max() < 6, "no edge is left"
    np.testing.assert_array_equal(photo[330:360, 20:150], ground[330:360, 20:150])


def test_what_is_hidden_is_gone_and_not_veiled(ground):
    """Hidden pixels shuffled within their mean colours give the same photo."""
    other = ground.copy()
    cell = WIDE // 24
    block = other[:cell, :cell].reshape(-1, 3)
    other[:cell, :cell] = np.random.default_rng(2).permutation(block).reshape(cell, cell, 3)
    assert not np.array_equal(other, ground)
    first, second = (np.asarray(photograph_above(_view(picture), None)) for picture in (ground, other))
    np.testing.assert_allclose(first.astype(int), second.astype(int), atol=1)


def test_a_person_on_the_road_is_hidden(ground):
    person = (690.0, 225.0, 930.0, 275.0)
    asked = []

    def find(picture):
        asked.append(picture)
        return [person]

    photo = np.asarray(photograph_above(_view(ground), find)).astype(float)
    assert np.array_equal(asked[0], ground)
    x1, y1, x2, y2 = map(int, person)
    assert np.abs(np.diff(photo[y1:y2, x1:x2].mean(axis=2), axis=1)).max() < 6
    assert np.abs(np.diff(ground[y1:y2, x1:x2].astype(float).mean(axis=2), axis=1)).max() > 60


def test_the_defect_is_outlined_and_a_metre_is_a_metre(ground):
    photo = np.asarray(photograph_above(_view(ground), None)).astype(int)
    yellow = (abs(photo - (255, 212, 0)) < 12).all(axis=2)
    rows, columns = np.nonzero(yellow)
    assert (columns.min(), rows.min()) == pytest.approx((189, 254), abs=1)
    assert (columns.max(), rows.max()) == pytest.approx((471, 306), abs=1)
    paper = (photo[480:] > 240).all(axis=2)
    longest = max(len(run) for row in paper for run in "".join("x" if one else " " for one in row).split())
    assert longest == pytest.approx(240, abs=3)


@pytest.mark.parametrize("north", [(0.0, -1.0), (1.0, 0.0), (-0.6, 0.8)])
def test_the_arrow_points_north(ground, north):
    photo = np.asarray(photograph_above(_view(ground, north), None)).astype(float)[10:70, 890:].mean(axis=2)
    rows, columns = np.nonzero(photo > 200)
    middle = np.array([WIDE - 14 - 26 - 890, 14 + 26 - 10], float)
    reach = (np.column_stack([columns, rows]) + 0.5 - middle) @ np.array(north)
    assert reach.max() > 17
    farthest = np.column_stack([columns, rows])[reach.argmax()] + 0.5 - middle
    assert farthest @ np.array(north) / np.linalg.norm(farthest) > 0.97
