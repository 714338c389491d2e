"""The map of an earlier flight, as people left it."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from pyproj import CRS

from geo.errors import LayerError
from geo.geopackage import read_layer
from pipelines.errors import SurveyError

__all__ = ["MAP_VERSION", "Previous", "placed", "read_previous", "refuse_no_map", "sized"]

MAP_VERSION: Final = 1
"""Of the layers of a `forest.gpkg`: maps of this version and of earlier ones can be compared with."""
_REMEDY: Final = "Give the forest.gpkg of an earlier run"


@dataclass(frozen=True, slots=True)
class Previous:
    """An earlier map, in the plane of the new survey.

    Attributes:
        path: the file.
        survey: what it calls itself.
        date: of the flight; None where it does not say.
        gsd_m: ground sampling distance; nan where it does not say.
        model_sha256: of the model that saw the crowns; "" where it does not say.
        extent: the ground that was photographed.
        crowns: as published, those without a place or size left out.
        stands: as published, with the columns that people added.
        lines: what to tell people, one sentence each.
    """

    path: Path
    survey: str
    date: dt.date | None
    gsd_m: float
    model_sha256: str
    extent: shapely.Geometry
    crowns: gpd.GeoDataFrame
    stands: gpd.GeoDataFrame
    lines: tuple[str, ...]

    @property
    def name(self) -> str:
        """Survey and day."""
        return f"{self.survey} of {self.date}" if self.date else self.survey


def refuse_no_map(path: Path | None) -> None:
    """Refuse what is no earlier map, by a row of each layer: all crowns of a wide one take seconds to read.

    Raises:
        SurveyError: no such file, no forest map, or one of a newer version.
    """
    if path is None:
        return
    extent, crowns, _ = (_layer(path, name, 1) for name in ("survey_extent", "crowns", "stands"))
    missing = {"crown_diameter_m", "counted"} - set(crowns.columns)
    if missing or not len(extent):
        lacks = f"crowns have no {', '.join(sorted(missing))}" if missing else "the layer survey_extent is empty"
        raise SurveyError(f"not a forest map: its {lacks}", where=path, remedy=_REMEDY)
    version = _first(extent, "map_version", 1)
    if int(version) > MAP_VERSION:
        remedy = "Update Michisora, or make the earlier map anew with this one"
        raise SurveyError(
            f"the earlier map is of version {version}, newer than {MAP_VERSION}", where=path, remedy=remedy
        )


def read_previous(path: Path, plane: CRS, bounds: tuple[float, float, float, float], date: str) -> Previous:
    """Read the `forest.gpkg` of an earlier run.

    Args:
        path: the GeoPackage.
        plane: of the new survey; the map is brought into it.
        bounds: of the new survey, m: west, south, east, north.
        date: of the new survey, YYYY-MM-DD; "" where nobody says it.

    Raises:
        SurveyError: as of `refuse_no_map`, one without crowns, of other ground, or of a later day.
    """
    refuse_no_map(path)
    extent, crowns, stands = (_layer(path, name) for name in ("survey_extent", "crowns", "stands"))
    day = _day(_first(extent, "survey_date", None))
    if day is not None and date and day.isoformat() > date:
        what = f"the earlier map is of {day}, after this flight of {date}"
        raise SurveyError(what, where=path, remedy="Compare the newer flight with the older one")
    lines = () if crowns.crs.equals(plane, ignore_axis_order=True) else (
        f"the earlier map is in {crowns.crs.name}: it is reprojected",
    )  # fmt: skip
    crowns, stands = sized(placed(crowns.to_crs(plane))), placed(stands.to_crs(plane))
    if not len(crowns):
        raise SurveyError("the earlier map holds no crowns", where=path, remedy=_REMEDY)
    ground = shapely.union_all(shapely.make_valid(extent.to_crs(plane).geometry.to_numpy()))
    if not shapely.intersects(ground, shapely.box(*bounds)):
        raise SurveyError("the earlier map shows other ground than the orthophoto", where=path, remedy=_REMEDY)
    return Previous(
        path=path,
        survey=str(_first(extent, "survey", path.stem)),
        date=day,
        gsd_m=float(_first(extent, "gsd_m", np.nan)),
        model_sha256=str(_first(extent, "model_sha256", "")),
        extent=ground,
        crowns=crowns,
        stands=stands,
        lines=lines,
    )


def _layer(path: Path, name: str, most: int | None = None) -> gpd.GeoDataFrame:
    try:
        table = read_layer(path, name, most)
    except LayerError as error:
        raise SurveyError(f"the earlier map cannot be read: {error.what}", where=path, remedy=_REMEDY) from error
    if not isinstance(table, gpd.GeoDataFrame) or table.crs is None:
        raise SurveyError(f"not a forest map: its layer {name} has no places or no CRS", where=path, remedy=_REMEDY)
    return table


def _first(extent: gpd.GeoDataFrame, column: str, default: Any) -> Any:
    known = extent[column].dropna() if column in extent else pd.Series(dtype=object)
    return known.iloc[0] if len(known) else default


def _day(value: Any) -> dt.date | None:
    """A day, whatever kind of date or text people's programs made of it."""
    day = pd.to_datetime(str(value), errors="coerce")
    return None if pd.isna(day) else day.date()


def placed(table: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Rows with an area, valid as people may have left them invalid."""
    shapes = table.geometry
    good = shapes.notna() & ~shapes.is_empty & shapes.geom_type.isin(["Polygon", "MultiPolygon"])
    table = table[good].reset_index(drop=True)
    return table.set_geometry(shapely.make_valid(shapely.force_2d(table.geometry.to_numpy())), crs=table.crs)


def sized(crowns: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Crowns that people drew or changed have the diameter of their area, and count."""
    area = shapely.area(crowns.geometry.to_numpy())
    stated = pd.to_numeric(crowns["crown_diameter_m"], errors="coerce").to_numpy(np.float64, na_value=np.nan)
    diameter = np.where(stated > 0, stated, 2 * np.sqrt(area / np.pi))
    counted = crowns["counted"].astype("boolean").fillna(True).to_numpy(bool)
    defaults = {name: value for name, value in (("score", np.nan), ("seen_by", "image")) if name not in crowns}
    crowns = crowns.assign(crown_diameter_m=diameter, counted=counted, **defaults)
    return crowns[diameter > 0].reset_index(drop=True)
