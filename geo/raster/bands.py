"""Which bands of a raster are its colours, which is its mask, and which are kept apart."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from rasterio.enums import ColorInterp
from rasterio.io import DatasetReader

from geo.errors import RasterError

__all__ = ["Bands", "find_bands"]

_RGB: Final = (ColorInterp.red, ColorInterp.green, ColorInterp.blue)
_NAMES: Final = (("red", "r", "赤"), ("green", "g", "緑"), ("blue", "b", "青"))
_NO_COLOUR: Final = frozenset({"edge", "infra", "infrared", "near", "nir", "coastal"})
"""Words of bands that are not what people see as red or blue: red edge, near infra-red, coastal blue."""


@dataclass(frozen=True, slots=True)
class Bands:
    """Band numbers, from 1.

    Attributes:
        rgb: red, green, blue.
        alpha: the mask.
        others: near infrared as a rule, that no model looks at.
        known_by: what says which are the colours: the bands' names, the file's colours, or nothing but their order.
    """

    rgb: tuple[int, int, int]
    alpha: int | None
    others: tuple[int, ...]
    known_by: Literal["names", "colours", "order"]


def find_bands(source: DatasetReader, path: Path) -> Bands:
    """The bands by their names, else by the colours that the file states, else red, green, blue in this order.

    Names come first: GDAL states red, green and blue of any file of three and more bands of 8 bits.

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
    named = [_named(source.descriptions, names, left) for names in _NAMES]
    stated = [colours.index(one) + 1 if one in colours else 0 for one in _RGB]
    known_by: Literal["names", "colours", "order"] = "names" if all(named) else "colours" if all(stated) else "order"
    red, green, blue = {"names": named, "colours": stated, "order": left[:3]}[known_by]
    others = tuple(band for band in left if band not in (red, green, blue))
    return Bands((red, green, blue), alpha, others, known_by)


def _named(descriptions: Sequence[str | None], names: Sequence[str], bands: Sequence[int]) -> int:
    """The band that is called by one of `names` alone, else the first that has it among its words; 0 if none."""
    words = {band: re.findall(r"[^\W\d_]+", (descriptions[band - 1] or "").lower()) for band in bands}
    alone = [band for band in bands if (descriptions[band - 1] or "").strip().lower() in names]
    among = [band for band in bands if names[0] in words[band] and not _NO_COLOUR & set(words[band])]
    return next(iter([*alone, *among]), 0)
