"""Where a raster lies, in which plane it is measured, and how large its pixels are on the ground."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS, Geod
from pyproj.exceptions import CRSError as ProjCrsError
from rasterio.io import DatasetReader

from geo.crs import JAPAN_PLANE_ZONES, JGD2000_PLANE_ZONES, WGS84, plane_crs, require_crs, require_metric, transformer
from geo.errors import CrsError, RasterError
from geo.raster.files import is_placed

__all__ = ["Place", "Stated", "apply", "find_place"]

Floats = NDArray[np.float64]

_GEOD = Geod(ellps="WGS84")
_TRUE_SCALE = 0.002
"""Plane systems keep lengths to one part in a thousand; Mercator's pixels are a fifth too long in Japan."""
_AS_STATED = 0.02
"""A stated resolution is rounded; one that differs by more contradicts the file."""


@dataclass(frozen=True, slots=True)
class Stated:
    """What the user says of a file that does not say it: EPSG code or WKT, and metres per pixel."""

    crs: str | None = None
    resolution_m: float | None = None


@dataclass(frozen=True, slots=True)
class Place:
    """Where a raster lies.

    Attributes:
        crs: of the file, or as stated.
        transform: pixel corners (column, row) to `crs`.
        plane: metric CRS that lengths and areas are computed in, and layers are written in.
        ground_m: metres on the ground of one pixel, to the right and downwards, in the raster's middle.
        free: the raster has a size but no place, so its map lies at the origin of `plane`.
    """

    crs: CRS
    transform: Affine
    plane: CRS
    ground_m: tuple[float, float]
    free: bool = False


def find_place(source: DatasetReader, path: Path, stated: Stated) -> Place:
    """The place of an open raster.

    Raises:
        CrsError: no CRS in the file and none stated, or a stated one that differs from the file's.
        RasterError: the file says its CRS but not its place, or the stated resolution is no number above 0
            or differs from the file's.
    """
    if stated.resolution_m is not None and not 0 < stated.resolution_m < math.inf:
        raise RasterError("--resolution must be a number above 0", where=path)
    crs = _crs(source, path, stated)
    if not is_placed(source.transform):
        return _free(source, path, crs, stated)
    width, height, transform = source.width, source.height, source.transform
    # The raster's middle, a pixel to the right of it, a pixel below it.
    x, y = apply(transform, np.array([0, 1, 0]) + width / 2, np.array([0, 0, 1]) + height / 2)
    lon, lat = transformer(crs, WGS84).transform(x, y)
    if not (np.isfinite(lon).all() and np.isfinite(lat).all()):
        raise CrsError(f"the pixels do not lie where {crs.name} is defined", where=path, remedy="Check its CRS")
    ground = [float(_GEOD.inv(lon[0], lat[0], lon[k], lat[k])[2]) for k in (1, 2)]
    if min(ground) <= 0:
        raise RasterError("the pixels have no size on the ground", where=path)
    _refuse_other_size(ground, path, stated)
    return Place(crs, transform, _plane(crs, transform, ground, (lon[0], lat[0])), (ground[0], ground[1]))


def _refuse_other_size(ground: list[float], path: Path, stated: Stated) -> None:
    low, high = min(ground) * (1 - _AS_STATED), max(ground) * (1 + _AS_STATED)
    if stated.resolution_m is not None and not low <= stated.resolution_m <= high:
        what = f"has pixels of {sum(ground) / 2:.4g} m on the ground, but --resolution says {stated.resolution_m:.4g} m"
        raise RasterError(what, where=path, remedy="Leave --resolution out")


def apply(transform: Affine, columns: Floats, rows: Floats) -> tuple[Floats, Floats]:
    """Pixel corners (n,) by a transform; the operator for it differs between versions of affine."""
    a, b, c, d, e, f = transform[:6]
    return a * columns + b * rows + c, d * columns + e * rows + f


def _crs(source: DatasetReader, path: Path, stated: Stated) -> CRS:
    try:
        found = None if source.crs is None else CRS.from_wkt(source.crs.to_wkt())
    except ProjCrsError as error:
        raise CrsError("the file's coordinate reference system cannot be understood", where=path) from error
    if found is not None and found.is_engineering:  # "Local Coordinates" of photogrammetry: no place on Earth
        found = None
    given = None if stated.crs is None else require_crs(_code(stated.crs), where="--crs")
    if found is None and given is None:
        placed = is_placed(source.transform)
        remedy = "Say it with --crs EPSG" + ("" if placed else " and --resolution METRES (per pixel)")
        raise CrsError("has no coordinate reference system", where=path, remedy=f"{remedy}, or assign it in QGIS")
    if found is None or given is None:
        return _flat(found if given is None else given)
    if not found.equals(given, ignore_axis_order=True) and found.to_epsg() != given.to_epsg():
        raise CrsError(f"is in {found.name}, but --crs says {given.name}", where=path, remedy="Leave --crs out")
    return _flat(found)


def _flat(crs: CRS) -> CRS:
    """Without heights: a compound system's horizontal part."""
    return next((part for part in crs.sub_crs_list if part.is_projected or part.is_geographic), crs)


def _code(text: str) -> str:
    return f"EPSG:{text}" if text.isdigit() else text


def _free(source: DatasetReader, path: Path, crs: CRS, stated: Stated) -> Place:
    if stated.resolution_m is None:
        remedy = "Say how large a pixel is with --resolution METRES; the map is then true to size, but not to place"
        raise RasterError("the file does not say where its pixels lie", where=path, remedy=remedy)
    side = stated.resolution_m
    plane = require_metric(crs, where="--crs")
    return Place(plane, Affine(side, 0, 0, 0, -side, side * source.height), plane, (side, side), free=True)


def _plane(crs: CRS, transform: Affine, ground: list[float], lonlat: tuple[float, float]) -> CRS:
    """The file's own system where it is a true plane and no Japanese zone should stand for it, else the usual one."""
    usual = plane_crs(float(lonlat[0]), float(lonlat[1]))
    if crs.to_epsg() in {*JAPAN_PLANE_ZONES, *JGD2000_PLANE_ZONES}:
        return crs
    in_japan = usual.to_epsg() in JAPAN_PLANE_ZONES
    metres = crs.is_projected and {axis.unit_name for axis in crs.axis_info[:2]} == {"metre"}
    own = np.hypot(transform.a, transform.d), np.hypot(transform.b, transform.e)
    true = metres and all(abs(a / b - 1) < _TRUE_SCALE for a, b in zip(own, ground, strict=True))
    return crs if true and not in_japan else usual
