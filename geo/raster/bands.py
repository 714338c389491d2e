"""Which bands of a raster are its colours, which is its mask, and which are kept apart."""

from dataclasses import dataclass
from pathlib import Path

from rasterio.enums import ColorInterp
from rasterio.io import DatasetReader

from geo.errors import RasterError

__all__ = ["Bands", "find_bands"]


@dataclass(frozen=True, slots=True)
class Bands:
    """Band numbers, from 1: `rgb`, the `alpha` mask, and `others`, near infrared as a rule, that no model looks at."""

    rgb: tuple[int, int, int]
    alpha: int | None
    others: tuple[int, ...]


def find_bands(source: DatasetReader, path: Path) -> Bands:
    """The bands by the colours that the file states, else red, green, blue in this order.

    Raises:
        RasterError: fewer than three colours, a palette, or numbers that are no intensities.
    """
    colours = source.colorinterp
    if ColorInterp.palette in colours:
        remedy = "Expand it: `gdal_translate -expand rgb in.tif out.tif`"
        raise RasterError("the colours are numbers of a palette", where=path, remedy=remedy)
    if any(name.startswith("complex") for name in source.dtypes):
        raise RasterError("complex numbers are no picture", where=path)
    alpha = next((k + 1 for k, one in enumerate(colours) if one == ColorInterp.alpha), None)
    left = [band for band in source.indexes if band != alpha]
    if len(left) < 3:
        counted = "one band" if len(left) == 1 else f"{len(left)} bands"
        remedy = "Give the orthophoto in colour; a canopy height model goes to --chm"
        raise RasterError(f"{counted}, but red, green and blue are needed", where=path, remedy=remedy)
    stated = [colours.index(one) + 1 if one in colours else 0 for one in _RGB]
    red, green, blue = stated if all(stated) else left[:3]
    return Bands((red, green, blue), alpha, tuple(band for band in left if band not in (red, green, blue)))


_RGB = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
