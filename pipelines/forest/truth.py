"""What people know of the trees on the ground: field plots, or trees mapped one by one."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely
from pyogrio.errors import DataLayerError, DataSourceError
from pyproj import CRS

from geo.crs import require_crs
from pipelines.errors import SurveyError

__all__ = ["FieldTruth", "TruthRequest", "read_truth"]

_NAMES: Final = {
    "plot": ("plot", "plot_id", "plotid", "plot_no", "プロット", "調査区", "stand", "blockid", "小班", "id", "name"),
    "stems": ("stems", "n_stems", "stem_count", "n_trees", "本数", "立木本数"),
    "stems_ha": ("stems_ha", "stem_density_ha", "stems_per_ha", "trees_ha", "立木密度", "ha当たり本数"),
    "cover_pct": ("cover_pct", "crown_cover_pct", "樹冠被覆率"),
    "diameter_m": ("diameter_m", "crown_diameter_m", "樹冠直径", "樹冠直径_m"),
    "radius_m": ("radius_m", "plot_radius_m", "半径", "半径_m"),
}
"""Columns of a field plot, as they are called; upper and lower case are the same."""


@dataclass(frozen=True, slots=True)
class TruthRequest:
    """Where the truth lies.

    Attributes:
        path: plots with counted stems, or crowns (polygons) or stems (points) one by one.
        plots: polygons in which every crown or stem of `path` was mapped; without them the whole survey.
        layer: of `path`, where it has several.
        stems: the column of `path` with each plot's count, where it has a name of its own.
    """

    path: Path
    plots: Path | None = None
    layer: str | None = None
    stems: str | None = None


@dataclass(frozen=True, slots=True)
class FieldTruth:
    """What is known on the ground, in the map's plane.

    Attributes:
        plots: `plot`, `stems`, `cover_pct`, `diameter_m` (float64, nan where unknown), polygons.
        trees: every tree of the plots, polygons of crowns or points of stems; None where they were only counted.
    """

    plots: gpd.GeoDataFrame
    trees: gpd.GeoDataFrame | None


def read_truth(request: TruthRequest, plane: CRS, extent: shapely.Geometry) -> FieldTruth:
    """Read field plots or mapped trees.

    Plots are polygons, or points with a radius, with a column of stems or of stems per hectare. Polygons without such a
    column are crowns, points without are stems.

    Args:
        request: where they lie.
        plane: the map's CRS.
        extent: what was surveyed, in `plane`.

    Raises:
        SurveyError: a file that cannot be read or holds none of these.
        CrsError: no CRS.
    """
    frame = _read(request.path, request.layer, plane)
    counted = request.stems or _column(frame, "stems") or _column(frame, "stems_ha")
    if counted is not None:
        if counted not in frame:
            known = ", ".join(map(str, frame.columns.drop("geometry")))
            raise SurveyError(f"no column {counted}", where=request.path, remedy=f"There are {known}")
        return FieldTruth(_field_plots(frame, request, counted), None)
    kinds = set(frame.geom_type.str.removeprefix("Multi"))
    if not kinds <= {"Polygon", "Point"} or len(kinds) != 1:
        what = f"{' and '.join(sorted(kinds))} are neither plots nor trees"
        raise SurveyError(what, where=request.path, remedy="Give plots with a column stems, crowns or stem points")
    return FieldTruth(_mapped_plots(request, plane, extent), frame[["geometry"]])


def _read(path: Path, layer: str | None, plane: CRS) -> gpd.GeoDataFrame:
    """The features of a file in the plane, those without a place left out."""
    if not path.exists():
        raise SurveyError("no such file", where=path)
    try:
        names = [str(name) for name, kind in pyogrio.list_layers(path) if kind is not None]
        if layer is None and len(names) > 1:
            raise SurveyError(
                f"has {len(names)} layers: {', '.join(names)}", where=path, remedy="Name one with --layer"
            )
        frame = pyogrio.read_dataframe(path, layer=layer or (names[0] if names else None))
    except (DataSourceError, DataLayerError) as error:
        raise SurveyError(f"cannot be read ({str(error).splitlines()[0]})", where=path) from error
    if not isinstance(frame, gpd.GeoDataFrame):
        raise SurveyError("holds no places, only a table", where=path)
    require_crs(frame.crs, where=path)
    frame = frame if frame.geometry.name == "geometry" else frame.rename_geometry("geometry")
    frame = frame[frame.geometry.notna() & ~frame.geometry.is_empty]
    if frame.empty:
        raise SurveyError("holds no features", where=path)
    frame = frame.to_crs(plane).reset_index(drop=True)
    return frame.set_geometry(shapely.force_2d(shapely.make_valid(frame.geometry.to_numpy())), crs=plane)


def _field_plots(frame: gpd.GeoDataFrame, request: TruthRequest, counted: str) -> gpd.GeoDataFrame:
    shapes = _plot_shapes(frame, request.path)
    stems = _numbers(frame, counted, request.path)
    if request.stems is None and _column(frame, "stems") is None:
        stems = stems * shapely.area(shapes) / 1e4
    figures = {"stems": stems}
    for name in ("cover_pct", "diameter_m"):
        column = _column(frame, name)
        known = None if column is None else _numbers(frame, column, request.path)
        figures[name] = np.full(len(frame), np.nan) if known is None else known
    return gpd.GeoDataFrame({"plot": _plot_names(frame), **figures}, geometry=shapes, crs=frame.crs)


def _plot_shapes(frame: gpd.GeoDataFrame, path: Path) -> np.ndarray:
    """Polygons as they are, points as circles."""
    shapes = frame.geometry.to_numpy()
    kinds = set(frame.geom_type)
    if kinds <= {"Polygon", "MultiPolygon"}:
        return np.asarray(shapes, object)
    radius = _column(frame, "radius_m")
    if kinds <= {"Point"} and radius is not None:
        return np.asarray(shapely.buffer(shapes, _radii(frame, radius, path), quad_segs=32), object)
    what = "plots are polygons, or points with a column radius_m"
    raise SurveyError(f"{', '.join(sorted(kinds))} have no area: {what}", where=path)


def _radii(frame: gpd.GeoDataFrame, column: str, path: Path) -> np.ndarray:
    """Radii of plots, m, float64.

    Raises:
        SurveyError: a plot has none, or one that is not above 0.
    """
    radii = _numbers(frame, column, path)
    bad = np.flatnonzero(~(radii > 0))
    if len(bad):
        told = "is missing" if np.isnan(radii[bad[0]]) else f"is {radii[bad[0]]:g}"
        what = f"plot {_plot_names(frame)[bad[0]]}: {column} {told}"
        raise SurveyError(what, where=f"{path} row {bad[0] + 1}", remedy="Give a radius above 0 in metres")
    return radii


def _mapped_plots(request: TruthRequest, plane: CRS, extent: shapely.Geometry) -> gpd.GeoDataFrame:
    """The ground in which all trees were mapped."""
    unknown = dict.fromkeys(("stems", "cover_pct", "diameter_m"), np.nan)
    if request.plots is None:
        return gpd.GeoDataFrame({"plot": ["survey"], **unknown}, geometry=[extent], crs=plane)
    frame = _read(request.plots, None, plane)
    if not set(frame.geom_type) <= {"Polygon", "MultiPolygon"}:
        raise SurveyError("plots are polygons", where=request.plots)
    return gpd.GeoDataFrame({"plot": _plot_names(frame), **unknown}, geometry=frame.geometry.to_numpy(), crs=plane)


def _plot_names(frame: gpd.GeoDataFrame) -> list[str]:
    column = _column(frame, "plot")
    return [str(one) for one in (frame[column] if column else np.arange(1, len(frame) + 1))]


def _column(frame: gpd.GeoDataFrame, meaning: str) -> str | None:
    lower = {str(column).lower(): str(column) for column in frame.columns}
    return next((lower[name] for name in _NAMES[meaning] if name in lower), None)


def _numbers(frame: gpd.GeoDataFrame, column: str, path: Path) -> np.ndarray:
    """A column as float64; gaps are nan.

    Raises:
        SurveyError: something in it is no number, or below nought.
    """
    values = pd.to_numeric(frame[column], errors="coerce").to_numpy(np.float64)
    bad = np.flatnonzero((np.isnan(values) & frame[column].notna().to_numpy()) | (values < 0))
    if len(bad):
        where = f"{path} row {bad[0] + 1}"
        raise SurveyError(f"{column} is {frame[column].iloc[bad[0]]!r}", where=where, remedy="Give numbers from 0 on")
    return np.asarray(values, np.float64)
