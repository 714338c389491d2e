"""A raster seen at another ground sampling distance: the frame that tiles are cut in."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rasterio.windows import Window

from geo.crs import transformer
from geo.raster.ortho import Ortho
from geo.raster.place import apply

__all__ = ["CELL_PX", "Grid"]

CELL_PX = 16
"""Side of the cells in which it is kept what was photographed; tiles begin on their edges."""


_AS_GOOD = 0.02


@dataclass(frozen=True, slots=True)
class Grid:
    """The pixels of `gsd_m` that an orthophoto is looked at in: x right, y down, corners, origin at its top left.

    They are the file's own pixels scaled by `x_scale` and `y_scale`, so that nothing is turned or warped; in a
    geographic CRS the two differ.
    """

    ortho: Ortho
    gsd_m: float

    @property
    def own_pixels(self) -> bool:
        """Whether the file's own pixels are as good as those asked for: within 2 %, sampling anew only blurs."""
        return all(abs(ground / self.gsd_m - 1) < _AS_GOOD for ground in self.ortho.place.ground_m)

    @property
    def x_scale(self) -> float:
        """Grid pixels per pixel of the file, to the right."""
        return 1.0 if self.own_pixels else self.ortho.place.ground_m[0] / self.gsd_m

    @property
    def y_scale(self) -> float:
        """Grid pixels per pixel of the file, downwards."""
        return 1.0 if self.own_pixels else self.ortho.place.ground_m[1] / self.gsd_m

    @property
    def pixel_m(self) -> tuple[float, float]:
        """Metres on the ground of a grid pixel, to the right and downwards."""
        wide, high = self.ortho.place.ground_m
        return wide / self.x_scale, high / self.y_scale

    @property
    def inside_px(self) -> tuple[int, int]:
        """Width and height of what the file covers, whole grid pixels."""
        width, height = self.ortho.width_px * self.x_scale, self.ortho.height_px * self.y_scale
        return max(1, int(width + 1e-6)), max(1, int(height + 1e-6))

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height in whole cells; what lies beyond `inside_px` is empty."""
        width, height = self.inside_px
        return -(-width // CELL_PX) * CELL_PX, -(-height // CELL_PX) * CELL_PX

    def window(self, left: int, top: int, right: int, bottom: int) -> tuple[Window, int, int]:
        """A tile's window in the file, and the width and height, px, of the part of the tile that the file covers."""
        width, height = self.inside_px
        right, bottom = min(right, width), min(bottom, height)
        x, y = left / self.x_scale, top / self.y_scale
        # Rounding must not reach beyond the file by a millionth of a pixel.
        wide = min((right - left) / self.x_scale, self.ortho.width_px - x)
        high = min((bottom - top) / self.y_scale, self.ortho.height_px - y)
        return Window(x, y, wide, high), right - left, bottom - top

    def to_plane(self, xy_px: NDArray[np.floating]) -> NDArray[np.float64]:
        """Grid pixels (n, 2) as x east, y north in metres of the orthophoto's plane CRS, float64 (n, 2)."""
        place = self.ortho.place
        columns, rows = xy_px[:, 0].astype(np.float64) / self.x_scale, xy_px[:, 1].astype(np.float64) / self.y_scale
        x, y = apply(place.transform, columns, rows)
        if not place.crs.equals(place.plane, ignore_axis_order=True):
            x, y = transformer(place.crs, place.plane).transform(x, y)
        return np.column_stack([x, y])

    def to_pixels(self, xy_m: NDArray[np.floating]) -> NDArray[np.float64]:
        """Metres east, north (n, 2) of the plane CRS as grid pixels (n, 2), float64: the reverse of `to_plane`."""
        place = self.ortho.place
        x, y = xy_m[:, 0].astype(np.float64), xy_m[:, 1].astype(np.float64)
        if not place.crs.equals(place.plane, ignore_axis_order=True):
            x, y = transformer(place.plane, place.crs).transform(x, y)
        columns, rows = apply(~place.transform, x, y)
        return np.column_stack([columns * self.x_scale, rows * self.y_scale])
