"""Pictures looked at in tiles."""

from concurrent.futures import Future
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import ndimage

from models.detections import Detections
from models.errors import DetectionsError
from models.tiles import plan_tiles, see_tiled, tile_rows
from models.types import Runtime


@given(st.integers(1, 400), st.integers(1, 400), st.integers(2, 120), st.data())
def test_tiles_cover_every_pixel_and_overlap_as_asked(width: int, height: int, tile: int, data: Any) -> None:
    overlap = data.draw(st.integers(0, min(tile - 1, 60)))
    tiles = plan_tiles(width, height, tile, overlap)
    seen = np.zeros((height, width), bool)
    for left, top, right, bottom in tiles:
        seen[top:bottom, left:right] = True
        assert (right - left, bottom - top) == (min(tile, width), min(tile, height))
    assert seen.all()
    first_row = tile_rows(tiles)[0]
    assert (first_row[:-1, 2] - first_row[1:, 0] >= overlap).all()
    assert sum(map(len, tile_rows(tiles))) == len(tiles)


def test_an_overlap_as_large_as_the_tile_is_refused() -> None:
    with pytest.raises(DetectionsError, match="must be smaller"):
        plan_tiles(100, 100, 64, 64)


class _Bright:
    """Finds what is bright: one box around each bright blob."""

    runtime = Runtime("numpy", "cpu", "f32", 1)

    def __init__(self) -> None:
        self.sizes: list[tuple[int, int]] = []

    def submit(self, picture: NDArray[np.uint8], min_score: float = 0.01) -> "Future[Detections]":
        self.sizes.append(picture.shape[:2])
        labels, n = ndimage.label(picture[..., 0] > 127)
        edges = [(c.start, r.start, c.stop, r.stop) for r, c in ndimage.find_objects(labels)]
        found: Future[Detections] = Future()
        xyxy = np.array(edges, np.float32).reshape(-1, 4)
        found.set_result(Detections(xyxy, np.full(n, 0.9, np.float32), np.zeros(n, np.int16)))
        return found


@pytest.mark.parametrize("zoom", [1.0, 2.0, 3.0])
def test_boxes_come_back_in_the_pictures_own_pixels(zoom: float) -> None:
    picture = np.zeros((150, 210, 3), np.uint8)
    boxes = [(x, y, x + 5, y + 9) for x in range(3, 200, 12) for y in range(2, 140, 14)]
    for left, top, right, bottom in boxes:
        picture[top:bottom, left:right] = 255
    detector: Any = _Bright()
    found = see_tiled(detector, picture, zoom=zoom, tile_px=96, overlap_px=int(9 * zoom + 10))
    assert len(found) == len(boxes)
    order = np.lexsort(found.xyxy.T[::-1])
    assert np.abs(found.xyxy[order] - np.array(sorted(boxes))).max() < 1
    assert len(set(detector.sizes)) == 1, "one size of tile, so that a network is compiled once"
