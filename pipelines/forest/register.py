"""A forest register's polygons, as they are: their ids and attributes are kept, their faults named."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, count
from pathlib import Path
from typing import Final

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely
from numpy.typing import NDArray
from pyogrio.errors import DataLayerError, DataSourceError
from pyproj import CRS

from geo.crs import JAPAN_PLANE_ZONES, JGD2000_PLANE_ZONES, require_crs
from geo.errors import CrsError
from pipelines.errors import SurveyError
from pipelines.forest.compartments import stand_names

__all__ = ["Register", "read_register"]

Flags = NDArray[np.bool_]
_LISTED: Final = 5
_RESERVED: Final = ("fid", "geom", "ogc_fid", "geometry", "stand")
_STAND_MAP: Final = "stands"
_JAPAN: Final = frozenset((*JAPAN_PLANE_ZONES, *JGD2000_PLANE_ZONES))
_LANGUAGE_BYTE: Final = 29
_HEADER_BYTES: Final = 32
"""Of a dBASE table: where it may name its code page, and where its columns' names begin, 32 bytes a column."""


@dataclass(frozen=True, slots=True)
class Register:
    """A register.

    Attributes:
        frame: its polygons in the survey's plane; `stand` names each as the register does, its own columns follow,
            renamed `reg_…` (`reg_…_2` where they have that, too) where the stand map has one of that name.
        id_column: the column that `stand` is of, or several, joined; "" where polygons are numbered in the register's
            order.
        lines: what to tell people, one sentence each.
    """

    frame: gpd.GeoDataFrame
    id_column: str
    lines: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The register's own columns."""
        return tuple(str(column) for column in self.frame.columns if column not in {"stand", "geometry"})


def read_register(path: Path, plane: CRS, taken: frozenset[str], bounds: tuple[float, float, float, float]) -> Register:
    """Read the polygons of a GeoPackage, Shapefile or GeoJSON.

    Polygons that cross themselves are measured as repaired, and named; those that are no polygons are left out.

    Args:
        path: the file; of several layers with polygons `stands` is read, else the first.
        plane: the survey's CRS.
        taken: columns that the stand map has itself.
        bounds: west, south, east, north of the orthophoto in `plane`.

    Raises:
        SurveyError: no such file, no polygons, or none on the orthophoto.
        CrsError: no CRS, or layers in different ones.
    """
    if not path.exists():
        raise SurveyError("no such register", where=path)
    try:
        layer, crs, others = _polygon_layer(path)
        encoding = _unstated_encoding(path, plane)
        frame = pyogrio.read_dataframe(path, layer=layer, encoding=encoding)
    except (DataSourceError, DataLayerError) as error:
        raise SurveyError(f"the register cannot be read ({str(error).splitlines()[0]})", where=path) from error
    own = require_crs(crs, where=path)
    lines = [] if own.equals(plane, ignore_axis_order=True) else [f"the register is in {own.name}: it is reprojected"]
    if others:
        lines.append(f"the register has several layers: {layer} is read, not {_listed(others)}")
    if encoding is not None:
        lines.append(f"the register does not say how its letters are written: read as {encoding}")
    if frame.geometry.name != "geometry":
        frame = frame.rename_geometry("geometry")
    named, id_column = stand_names(frame)
    names = pd.Series(named, frame.index)
    shapes = np.array([_repaired(shape) for shape in shapely.force_2d(frame.geometry.to_numpy())], object)
    there = ~(shapely.is_missing(shapes) | shapely.is_empty(shapes))
    placed = gpd.GeoSeries(shapes, frame.index, crs=own).to_crs(plane)
    good = pd.Series(there & np.isfinite(shapely.bounds(placed.to_numpy())).all(axis=1), frame.index)
    lines.extend(_faults(frame.geometry, named, there, good.to_numpy()))
    if not good.any():
        what = (
            f"no polygon of it lies where {plane.name} is defined" if there.any() else "the register holds no polygons"
        )
        raise SurveyError(what, where=path)
    if id_column and names[good].duplicated().any():
        lines.append(f"{id_column} repeats: {_listed(names[good][names[good].duplicated()].unique().tolist())}")
    frame = frame.set_geometry(placed)[good]
    lines.extend(_on_orthophoto(frame, bounds, path))
    frame = frame.rename(columns=_free_names([c for c in frame.columns if c != "geometry"], taken))
    frame.insert(0, "stand", [str(name) for name in names[good]])
    return Register(frame.reset_index(drop=True), id_column, tuple(lines))


def _polygon_layer(path: Path) -> tuple[str, str | None, list[str]]:
    """The layer to read, its CRS, and the other layers with polygons."""
    found = {
        str(name): pyogrio.read_info(path, layer=name)["crs"]
        for name, kind in pyogrio.list_layers(path)
        if kind is not None and ("Polygon" in kind or kind in {"Unknown", "GeometryCollection"})
    }
    if not found:
        raise SurveyError("the register holds no polygons", where=path)
    if len(set(found.values())) > 1:
        listed = ", ".join(f"{name} in {crs}" for name, crs in found.items())
        remedy = "Keep one layer, or bring them into one CRS"
        raise CrsError(f"layers in several CRSs ({listed})", where=path, remedy=remedy)
    chosen = _STAND_MAP if _STAND_MAP in found else next(iter(found))
    return chosen, found[chosen], [name for name in found if name != chosen]


def _unstated_encoding(path: Path, plane: CRS) -> str | None:
    """How a Shapefile of Japan is written that does not say it: GDAL would take its letters for Western ones."""
    table = path.with_suffix(".dbf")
    stated = any(path.with_suffix(suffix).exists() for suffix in (".cpg", ".CPG"))
    if path.suffix.lower() != ".shp" or stated or not table.exists() or plane.to_epsg() not in _JAPAN:
        return None
    content = table.read_bytes()
    if len(content) < _HEADER_BYTES or content[_LANGUAGE_BYTE]:
        return None
    begin = int.from_bytes(content[8:10], "little")
    names = (content[k : k + 11].split(b"\0")[0] for k in range(_HEADER_BYTES, begin - 1, 32))
    text = b"".join(names) + content[begin:]
    foreign = sum(byte > 127 for byte in text)
    # Letters that a field's end cuts in two cannot be read in any encoding.
    likely = (one for one in ("utf-8", "cp932") if text.decode(one, "replace").count("\ufffd") <= 0.02 * foreign)
    return next(likely, None) if foreign else None


def _faults(shapes: gpd.GeoSeries, names: list[str], there: Flags, good: Flags) -> Iterator[str]:
    """What is wrong with rows: bool (n,), `there` those with a polygon, `good` those of them with a place."""
    broken = np.flatnonzero((shapes.notna() & ~shapes.is_valid).to_numpy(bool) & good)
    kinds = (
        (broken, "polygons of the register are invalid and measured as repaired"),
        (np.flatnonzero(~there), "rows of the register have no polygon and are left out"),
        (np.flatnonzero(there & ~good), "polygons of the register have impossible coordinates and are left out"),
    )
    for rows, what in kinds:
        if len(rows):
            reason = f" ({shapely.is_valid_reason(shapes.iloc[rows[0]])})" if rows is broken else ""
            yield f"{len(rows)} {what}: {_listed([names[row] for row in rows])}{reason}"


def _on_orthophoto(frame: gpd.GeoDataFrame, bounds: tuple[float, float, float, float], path: Path) -> Iterator[str]:
    """How many polygons lie where the orthophoto is; none is a wrong file, or a wrong CRS."""
    there = int(shapely.intersects(frame.geometry.to_numpy(), shapely.box(*bounds)).sum())
    if not there:
        west, south, east, north = frame.total_bounds
        what = (
            f"none of its polygons lies on the orthophoto (x {west:,.0f} to {east:,.0f}, y {south:,.0f} to {north:,.0f}"
        )
        what += f"; orthophoto x {bounds[0]:,.0f} to {bounds[2]:,.0f}, y {bounds[1]:,.0f} to {bounds[3]:,.0f})"
        raise SurveyError(what, where=path, remedy="Check both files' CRS")
    if there < len(frame):
        yield f"{there:,} of the register's {len(frame):,} polygons lie on the orthophoto"


def _repaired(shape: shapely.Geometry | None) -> shapely.Geometry | None:
    """A valid polygon, perhaps an empty one; None of what is no polygon."""
    if shape is None or shape.geom_type not in {"Polygon", "MultiPolygon"}:
        return None
    if shape.is_valid:
        return shape
    made = shapely.make_valid(shape, method="structure", keep_collapsed=False)
    parts = [part for part in shapely.get_parts(made) if part.geom_type == "Polygon"]
    return shapely.MultiPolygon(parts) if len(parts) != 1 else parts[0]


def _free_names(columns: list[str], taken: frozenset[str]) -> dict[str, str]:
    """New names of columns that cannot keep theirs: `reg_kind`, and `reg_kind_2` where the register has that, too.

    Columns of a GeoPackage that differ in case alone are one.
    """
    used, clashing = {*taken, *_RESERVED}, []
    for column in columns:
        if column.lower() in used:
            clashing.append(column)
        used.add(column.lower())
    names = {}
    for column in clashing:
        wanted = f"reg_{column}"
        numbered = (f"{wanted}_{number}" for number in count(2))
        names[column] = next(name for name in chain([wanted], numbered) if name.lower() not in used)
        used.add(names[column].lower())
    return names


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:_LISTED])
    return shown if len(names) <= _LISTED else f"{shown} and {len(names) - _LISTED} more"
