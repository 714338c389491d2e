"""Which part of the photographed ground a height model covers."""

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from geo.raster import HeightModel, reading
from pipelines.forest.ground import Ground

__all__ = ["with_measured"]

_SIDE_M: Final = 5.0
"""Heights are looked for every so often; the ground's cells fill such a square."""
_REACH: Final = 3
"""Squares; holes twice as wide are none: some models leave out bare ground, and all have no heights in water."""


def with_measured(ground: Ground, model: HeightModel) -> Ground:
    """The ground with what the height model covers of it.

    Args:
        ground: in the model's plane.
        model: heights above ground; read once, at 5 m a pixel.

    Raises:
        RasterError: a part of the model cannot be decoded.
    """
    rows, columns = (round(length * ground.cell_m / _SIDE_M) for length in ground.seen.shape)
    east, south = ground.west_m + _SIDE_M * columns, ground.north_m - _SIDE_M * rows
    coarse = replace(model, pixel_m=_SIDE_M, bounds=(ground.west_m, south, east, ground.north_m))
    with reading(coarse) as reader:
        known = np.isfinite(reader.read(0, 0, columns, rows).values)
    n = round(_SIDE_M / ground.cell_m)
    return replace(ground, measured=_without_holes(known).repeat(n, axis=0).repeat(n, axis=1))


def _without_holes(known: NDArray[np.bool_]) -> NDArray[np.bool_]:
    around = np.ones((2 * _REACH + 1, 2 * _REACH + 1), bool)
    wide = ndimage.binary_dilation(known, around)
    return np.asarray(ndimage.binary_erosion(wide, around, border_value=1), bool)
