"""Boxes of overlapping tiles, as many as a large survey shows, to time how they are merged."""

import numpy as np
from numpy.typing import NDArray

from models.detections import Detections
from models.tiles import plan_tiles

__all__ = ["tiled_boxes"]

_TILE_PX, _OVERLAP_PX, _SPACING_PX = 1280, 272, 64
_CROWNS_A_BOX = 0.6
"""Tiles that overlap so see a crown 1.7 times."""


def tiled_boxes(n: int, seed: int = 0) -> tuple[list[Detections], NDArray[np.int64], tuple[int, int]]:
    """About `n` boxes as tiles see a jittered grid of crowns: cut at their edges, each seen a little differently.

    Returns:
        Boxes a tile, px of the whole picture; the tiles (k, 4); width and height of the picture.
    """
    rng = np.random.default_rng(seed)
    side = int(np.ceil(np.sqrt(_CROWNS_A_BOX * n))) * _SPACING_PX
    grid = np.arange(_SPACING_PX / 2, side, _SPACING_PX)
    centre = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2) + rng.uniform(-10, 10, (len(grid) ** 2, 2))
    half = rng.uniform(15, 40, (len(centre), 1))
    crowns = np.hstack([centre - half, centre + half])
    tiles = plan_tiles(side, side, _TILE_PX, _OVERLAP_PX)
    return [_seen(crowns, tile, rng) for tile in tiles.astype(np.float64)], tiles, (side, side)


def _seen(crowns: NDArray[np.float64], tile: NDArray[np.float64], rng: np.random.Generator) -> Detections:
    cut = np.hstack([np.maximum(crowns[:, :2], tile[:2]), np.minimum(crowns[:, 2:], tile[2:])])
    cut = cut[(cut[:, 2:] - cut[:, :2]).min(axis=1) >= 8]
    shaken = np.clip(cut + rng.uniform(-1.5, 1.5, cut.shape), np.tile(tile[:2], 2), np.tile(tile[2:], 2))
    return Detections(
        shaken.astype(np.float32), rng.uniform(0.2, 0.9, len(cut)).astype(np.float32), np.zeros(len(cut), np.int16)
    )
