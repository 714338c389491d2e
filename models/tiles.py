"""A picture too large, or objects too small, for one look: overlapping tiles, enlarged if need be, and one answer."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future

import cv2
import numpy as np
from numpy.typing import NDArray

from models.detections import Detections
from models.detector import LOWEST_SCORE, Detector, Picture
from models.errors import DetectionsError
from models.seams import SeamRule, merge_tiles

__all__ = ["plan_tiles", "see_tiled", "tile_rows"]

Tiles = NDArray[np.int64]
"""int64 (k, 4): left, top, right, bottom px, row by row from the top, each from the left."""


def plan_tiles(width_px: int, height_px: int, tile_px: int, overlap_px: int) -> Tiles:
    """Tiles (k, 4) that cover a picture, row by row; neighbours share at least `overlap_px`.

    The last tile of a row or column is moved back to the border, so that all have the same size: a network runs
    fastest at one. A picture smaller than a tile is one tile of its own size.

    Raises:
        DetectionsError: the overlap is no smaller than the tile, or a size is not positive.
    """
    if min(width_px, height_px) < 1 or not 0 <= overlap_px < tile_px:
        what = f"no tiles of {tile_px} px that overlap by {overlap_px} px cover {width_px} × {height_px} px"
        raise DetectionsError(what, remedy="The overlap must be smaller than the tile")
    left, top = _starts(width_px, tile_px, overlap_px), _starts(height_px, tile_px, overlap_px)
    x, y = (grid.ravel() for grid in np.meshgrid(left, top))
    return np.column_stack([x, y, np.minimum(x + tile_px, width_px), np.minimum(y + tile_px, height_px)])


def tile_rows(tiles: Tiles) -> list[Tiles]:
    """The rows of a plan, from the top."""
    return np.split(tiles, np.flatnonzero(np.diff(tiles[:, 1])) + 1)


def see_tiled(
    detector: Detector,
    picture: Picture,
    *,
    zoom: float = 1.0,
    tile_px: int = 640,
    overlap_px: int = 128,
    min_score: float = LOWEST_SCORE,
) -> Detections:
    """Boxes in a picture that is looked at in tiles, in the picture's own pixels, highest score first.

    Args:
        detector: looks at the tiles; its card's band is not asked.
        picture: uint8 (h, w, 3) RGB.
        zoom: network pixels per pixel of the picture.
        tile_px: side of a tile, network pixels.
        overlap_px: what neighbouring tiles share at least, network pixels: the largest object and 8 px.
        min_score: as for `Detector.submit`.

    Raises:
        DetectionsError: tiles that cover nothing.
    """
    height, width = picture.shape[:2]
    side, overlap = max(1, round(tile_px / zoom)), int(np.ceil(overlap_px / zoom))
    tiles = plan_tiles(width, height, side, min(overlap, side - 1))
    parts = list(_look(detector, picture, tiles, zoom, min_score))
    rule = SeamRule(edge_px=SeamRule().edge_px / zoom)
    return merge_tiles(parts, tiles, (width, height), rule)


def _look(detector: Detector, picture: Picture, tiles: Tiles, zoom: float, min_score: float) -> Iterator[Detections]:
    waiting: deque[tuple[tuple[int, int, float, float], Future[Detections]]] = deque()
    try:
        for left, top, right, bottom in tiles.tolist():
            part = np.ascontiguousarray(picture[top:bottom, left:right])
            wide, high = max(1, round((right - left) * zoom)), max(1, round((bottom - top) * zoom))
            back = (left, top, (right - left) / wide, (bottom - top) / high)
            waiting.append((back, detector.submit(_scaled(part, wide, high), min_score)))
            if len(waiting) > 2 * detector.runtime.threads:
                yield _placed(*waiting.popleft())
        while waiting:
            yield _placed(*waiting.popleft())
    finally:
        for _, future in waiting:
            future.cancel()


def _scaled(part: Picture, width_px: int, height_px: int) -> Picture:
    if part.shape[:2] == (height_px, width_px):
        return part
    way = cv2.INTER_AREA if width_px < part.shape[1] else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(part, (width_px, height_px), interpolation=way), np.uint8)


def _placed(back: tuple[int, int, float, float], future: Future[Detections]) -> Detections:
    left, top, x_factor, y_factor = back
    return future.result().scaled(x_factor, y_factor).shifted(left, top)


def _starts(length_px: int, tile_px: int, overlap_px: int) -> NDArray[np.int64]:
    """Where tiles begin along one axis."""
    last = max(0, length_px - tile_px)
    return np.append(np.arange(0, last, tile_px - overlap_px), last)
