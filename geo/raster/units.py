"""The unit that a file of heights states."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pyproj import CRS
from rasterio.io import DatasetReader

from geo.errors import RasterError

__all__ = ["HeightUnit", "height_unit"]

HeightUnit = tuple[str, float]
"""A unit's name, "" for metres or where nothing states one, and its length in metres."""

_METRES: Final[HeightUnit] = ("", 1.0)
_UNITS: Final[Mapping[str, HeightUnit]] = {
    **dict.fromkeys(("m", "metre", "metres", "meter", "meters"), _METRES),
    **dict.fromkeys(("dm", "decimetre", "decimeter"), ("decimetres", 0.1)),
    **dict.fromkeys(("cm", "centimetre", "centimetres", "centimeter", "centimeters"), ("centimetres", 0.01)),
    **dict.fromkeys(("mm", "millimetre", "millimetres", "millimeter", "millimeters"), ("millimetres", 0.001)),
    **dict.fromkeys(("ft", "foot", "feet", "international foot", "international feet"), ("feet", 0.3048)),
    **dict.fromkeys(
        ("us-ft", "us_ft", "usft", "ftus", "us survey foot", "us survey feet", "foot_us"),
        ("US survey feet", 1200 / 3937),
    ),
}


def height_unit(source: DatasetReader, path: Path) -> HeightUnit:
    """The unit of a file's only band: what the band states, else what the vertical axis of its CRS does.

    Raises:
        RasterError: the band states a unit that is no known length.
    """
    stated = (source.units[0] or "").strip()
    if not stated:
        return _vertical(source)
    unit = _UNITS.get(stated.lower())
    if unit is None:
        what = f"its heights are in {stated!r}, which is no length that is known here"
        raise RasterError(what, where=path, remedy=f"If they are metres, say so: `gdal_edit.py -units m {path.name}`")
    return unit


def _vertical(source: DatasetReader) -> HeightUnit:
    axes = () if source.crs is None else CRS.from_wkt(source.crs.to_wkt()).axis_info
    for axis in axes:
        if axis.direction in ("up", "down"):
            known = _UNITS.get(axis.unit_name.lower(), (axis.unit_name, float(axis.unit_conversion_factor)))
            return known if known[1] != 1 else _METRES
    return _METRES
