"""A forest register's polygons, as they are: their ids and attributes are kept, their faults named."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import geopandas as gpd
import pandas as pd
import pyogrio
import shapely
from pyogrio.errors import DataLayerError, DataSourceError
from pyproj import CRS

from geo.crs import require_crs
from geo.errors import CrsError
from pipelines.errors import SurveyError
from pipelines.forest.compartments import stand_names

__all__ = ["Register", "read_register"]

_LISTED: Final = 5


@dataclass(frozen=True, slots=True)
class Register:
    """A register.

    Attributes:
        frame: its polygons in the survey's plane; `stand` names each as the register does, its own columns follow,
            renamed `reg_…` where the stand map has one of that name.
        id_column: the column that `stand` is of, or several, joined; "" where polygons are numbered in the register's
            order.
        lines: what to tell people, one sentence each.
    """

    frame: gpd.GeoDataFrame
    id_column: str
    lines: tuple[str, ...]


def read_register(path: Path, plane: CRS, taken: frozenset[str]) -> Register:
    """Read the polygons of a GeoPackage, Shapefile or GeoJSON.

    Polygons that cross themselves are measured as repaired, and named; those that are no polygons are left out.

    Args:
        path: the file; of several layers the first with polygons is read.
        plane: the survey's CRS.
        taken: columns that the stand map has itself.

    Raises:
        SurveyError: no such file, no polygons, or two layers in different CRSs.
        CrsError: no CRS.
    """
    if not path.exists():
        raise SurveyError("no such register", where=path)
    try:
        layer, crs = _polygon_layer(path)
        frame = pyogrio.read_dataframe(path, layer=layer)
    except (DataSourceError, DataLayerError) as error:
        raise SurveyError(f"the register cannot be read ({str(error).splitlines()[0]})", where=path) from error
    own = require_crs(crs, where=path)
    lines = [] if own.equals(plane, ignore_axis_order=True) else [f"the register is in {own.name}: it is reprojected"]
    if frame.geometry.name != "geometry":
        frame = frame.rename_geometry("geometry")
    named, id_column = stand_names(frame)
    names = pd.Series(named, frame.index)
    good, told = _usable(frame, named)
    lines.extend(told)
    if not good.any():
        raise SurveyError("the register holds no polygons", where=path)
    if id_column and names[good].duplicated().any():
        lines.append(f"{id_column} repeats: {_listed(names[good][names[good].duplicated()].unique().tolist())}")
    shapes = shapely.force_2d(frame.geometry.to_numpy())
    frame = frame.set_geometry([_repaired(shape) for shape in shapes], crs=own)[good].to_crs(plane)
    frame = frame.rename(columns={c: f"reg_{c}" for c in frame.columns if c != "geometry" and _clashes(c, taken)})
    frame.insert(0, "stand", [str(name) for name in names[good]])
    return Register(frame.reset_index(drop=True), id_column, tuple(lines))


def _polygon_layer(path: Path) -> tuple[str, str | None]:
    found = [
        (name, pyogrio.read_info(path, layer=name)["crs"])
        for name, kind in pyogrio.list_layers(path)
        if kind is not None and ("Polygon" in kind or kind in {"Unknown", "GeometryCollection"})
    ]
    if not found:
        raise SurveyError("the register holds no polygons", where=path)
    if len({crs for _, crs in found}) > 1:
        listed = ", ".join(f"{name} in {crs}" for name, crs in found)
        remedy = "Keep one layer, or bring them into one CRS"
        raise CrsError(f"layers in several CRSs ({listed})", where=path, remedy=remedy)
    return found[0]


def _usable(frame: gpd.GeoDataFrame, names: list[str]) -> tuple["shapely.Geometry", Iterator[str]]:
    shapes = frame.geometry
    kinds = shapes.geom_type.isin(["Polygon", "MultiPolygon"]) & ~shapes.is_empty & shapes.notna()
    broken = kinds & ~shapes.is_valid
    return kinds, _faults(shapes, names, kinds.to_list(), broken.to_list())


def _faults(shapes: gpd.GeoSeries, names: list[str], kinds: list[bool], broken: list[bool]) -> Iterator[str]:
    crossing = [name for name, bad in zip(names, broken, strict=True) if bad]
    if crossing:
        first = shapely.is_valid_reason(shapes[broken.index(True)])
        n, listed = len(crossing), _listed(crossing)
        yield f"{n} polygons of the register are invalid and measured as repaired: {listed} ({first})"
    absent = [name for name, good in zip(names, kinds, strict=True) if not good]
    if absent:
        yield f"{len(absent)} rows of the register have no polygon and are left out: {_listed(absent)}"


def _repaired(shape: shapely.Geometry) -> shapely.Geometry:
    if shape is None or shape.is_valid:
        return shape
    made = shapely.make_valid(shape, method="structure", keep_collapsed=False)
    parts = [part for part in shapely.get_parts(made) if part.geom_type == "Polygon"]
    return shapely.MultiPolygon(parts) if len(parts) != 1 else parts[0]


def _clashes(column: object, taken: frozenset[str]) -> bool:
    return str(column).lower() in taken | {"fid", "geom", "ogc_fid", "stand"}


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:_LISTED])
    return shown if len(names) <= _LISTED else f"{shown} and {len(names) - _LISTED} more"
