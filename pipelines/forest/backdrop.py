"""The orthophoto from far above: what lies beneath the drawn maps and the printed one."""

from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.enums import Resampling
from rasterio.warp import reproject

from geo.raster import BadWindow, Grid, OrthoReader
from geo.raster.ortho import Ortho
from pipelines.forest.ground import Ground
from pipelines.report.labels import Extent

__all__ = ["Backdrop", "backdrop_of"]

_LONGEST_PX: Final = 1600
_PART_PX: Final = 256
_ASPECT: Final = (1 / 1.6, 3.0)
"""Least and greatest width ÷ height of a map: the shorter side of a strip is widened."""


@dataclass(frozen=True, slots=True)
class Backdrop:
    """A small picture of the survey, north up.

    Attributes:
        rgba: uint8 (rows, columns, 4), clear where nothing was photographed.
        extent: what it shows, m in `crs`.
        crs: the survey's plane.
    """

    rgba: NDArray[np.uint8]
    extent: Extent
    crs: CRS

    @property
    def transform(self) -> Affine:
        """Pixel corners to the plane."""
        rows, columns = self.rgba.shape[:2]
        at = self.extent
        return Affine(at.width / columns, 0, at.x1, 0, -at.height / rows, at.y2)


def backdrop_of(ground: Ground, ortho: Ortho) -> Backdrop:
    """The photographed ground and the orthophoto on it, read once and through overviews."""
    extent = _shown(ground)
    longest = max(ortho.width_px * ortho.place.ground_m[0], ortho.height_px * ortho.place.ground_m[1])
    grid = Grid(ortho, max(longest / _LONGEST_PX, min(ortho.place.ground_m)))
    rgb, valid = _read(grid)
    a, b, c, d, e, f = ortho.place.transform[:6]
    pixel = max(extent.width, extent.height) / _LONGEST_PX
    rows, columns = max(1, round(extent.height / pixel)), max(1, round(extent.width / pixel))
    empty = Backdrop(np.zeros((rows, columns, 4), np.uint8), extent, ground.crs)
    bands = np.concatenate([np.moveaxis(rgb, -1, 0), 255 * valid[None].astype(np.uint8)])
    seen = np.zeros((4, rows, columns), np.uint8)
    with rasterio.Env():
        reproject(
            bands,
            seen,
            src_transform=Affine(a / grid.x_scale, b / grid.y_scale, c, d / grid.x_scale, e / grid.y_scale, f),
            src_crs=ortho.place.crs.to_wkt(),
            dst_transform=empty.transform,
            dst_crs=ground.crs.to_wkt(),
            resampling=Resampling.bilinear,
        )
    return Backdrop(np.moveaxis(seen, 0, -1), extent, ground.crs)


def _read(grid: Grid) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Colours (rows, columns, 3) and where they are; what cannot be decoded is named among the rejected, and empty."""
    width, height = grid.size_px
    rgb, valid = np.full((height, width, 3), 255, np.uint8), np.zeros((height, width), bool)
    with OrthoReader(grid, fill=255) as reader:
        for top in range(0, height, _PART_PX):
            for left in range(0, width, _PART_PX):
                bottom, right = min(top + _PART_PX, height), min(left + _PART_PX, width)
                with suppress(BadWindow):
                    part = reader.read(left, top, right, bottom)
                    rgb[top:bottom, left:right], valid[top:bottom, left:right] = part.rgb, part.valid
    return rgb, valid


def _shown(ground: Ground) -> Extent:
    """The photographed ground's rectangle, neither too narrow nor too flat for a page."""
    rows, columns = (np.flatnonzero(ground.seen.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        rows, columns = (np.arange(length) for length in ground.seen.shape)
    west, east = (ground.west_m + ground.cell_m * (columns[k] + k % 2) for k in (0, -1))
    north, south = (ground.north_m - ground.cell_m * (rows[k] + k % 2) for k in (0, -1))
    wide, tall = max(east - west, _ASPECT[0] * (north - south)), max(north - south, (east - west) / _ASPECT[1])
    x, y = (west + east) / 2, (south + north) / 2
    return Extent(float(x - wide / 2), float(y - tall / 2), float(x + wide / 2), float(y + tall / 2))
