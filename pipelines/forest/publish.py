"""A forest survey's results as files: GeoPackage, QGIS project, picture, reports and summary."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import shapely

from geo.geopackage import Layer, write_geopackage
from geo.raster import Ortho
from pipelines.archive import write_zip
from pipelines.edited import Admit
from pipelines.files import replacing
from pipelines.forest.backdrop import Backdrop, backdrop_of
from pipelines.forest.layers import forest_layer
from pipelines.forest.picture import quick_look
from pipelines.forest.project import forest_project, write_photo, write_project
from pipelines.forest.reports import Reports, write_reports
from pipelines.forest.results import Results
from pipelines.forest.words import LANGUAGES
from pipelines.journal import writing_to

__all__ = ["GEOPACKAGE_NAME", "Published", "layers", "publish"]

GEOPACKAGE_NAME = "forest.gpkg"
PICTURE_NAME = "forest.png"
SUMMARY_NAME = "summary.txt"
PROJECT_NAME = "forest.qgz"
PHOTO_NAME = "forest_photo.tif"
BUNDLE_NAME = "forest.zip"
_UNDATED = dt.date(1970, 1, 1)
_DECIMALS = {
    **{"score": 3, "crown_diameter_m": 2, "crown_diameter_qm_m": 2, "area_ha": 4, "gsd_m": 4, "area_m2": 2},
    **{
        "type_probability": 2,
        "confidence": 2,
        "lost_share": 2,
        "lost_chance": 1,
        "lost_limit": 1,
        "gained_chance": 1,
        "loss_ha": 4,
    },
}
_CROWN_COLUMNS = ["uuid", "class", "score", "crown_diameter_m", "area_m2", "height_m", "height_from", "n_tops"]
_TYPE_COLUMNS = ["type", "type_probability"]


def _nothing(_product: Path, _staged: Path) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Published:
    """Where the products lie; `bundle` is GeoPackage, project and reduced orthophoto in one ZIP."""

    geopackage: Path
    project: Path
    bundle: Path
    picture: Path
    reports: Reports
    summary: Path


def publish(
    results: Results,
    ortho: Ortho,
    out_dir: Path,
    languages: tuple[str, ...] = LANGUAGES,
    admit: Admit = _nothing,
) -> Published:
    """Write the products, each whole or not at all, the summary last.

    Args:
        results: the survey.
        ortho: its orthophoto.
        out_dir: the folder, made where it is missing.
        languages: of the reports.
        admit: called with each product that people may edit, and the file that is about to take its place.

    Raises:
        OutputError: the folder cannot be written, or the disk is full.
        LayerError: the GeoPackage cannot be written.
    """
    with writing_to(out_dir):
        out_dir.mkdir(parents=True, exist_ok=True)
    beneath = backdrop_of(results.ground, ortho)
    with replacing(out_dir / PICTURE_NAME) as part:
        part.write_bytes(quick_look(results, beneath))
    tables = layers(results)
    with replacing(out_dir / GEOPACKAGE_NAME) as part:
        write_geopackage(part, tables, _date(results) or _UNDATED)
        admit(out_dir / GEOPACKAGE_NAME, part)
    _write_qgis(out_dir, results, tables, beneath, admit)
    reports = write_reports(results, beneath, out_dir, languages, admit)
    with replacing(out_dir / SUMMARY_NAME) as part:
        part.write_text("\n".join([results.survey, *ortho.lines, *results.lines(), ""]), encoding="utf-8")
    return Published(
        geopackage=out_dir / GEOPACKAGE_NAME,
        project=out_dir / PROJECT_NAME,
        bundle=out_dir / BUNDLE_NAME,
        picture=out_dir / PICTURE_NAME,
        reports=reports,
        summary=out_dir / SUMMARY_NAME,
    )


def _write_qgis(out_dir: Path, results: Results, tables: list[Layer], beneath: Backdrop, admit: Admit) -> None:
    """The project beside the GeoPackage, and both with the reduced orthophoto in a ZIP to hand on."""
    project = forest_project(results, tables, beneath, (GEOPACKAGE_NAME, PHOTO_NAME))
    with replacing(out_dir / PHOTO_NAME) as part:
        write_photo(part, beneath)
    with replacing(out_dir / PROJECT_NAME) as part:
        write_project(part, project)
        admit(out_dir / PROJECT_NAME, part)
    with replacing(out_dir / BUNDLE_NAME) as part:
        members = {name: out_dir / name for name in (GEOPACKAGE_NAME, PROJECT_NAME, PHOTO_NAME)}
        write_zip(part, members, project.date)


def layers(results: Results) -> list[Layer]:
    """The layers of the GeoPackage, those drawn on top first."""
    date = _date(results)
    stands = results.stands.assign(survey_date=_dates(date, len(results.stands)), model_sha256=results.card.sha256)
    extent = results.extent.assign(survey_date=_dates(date, len(results.extent)))
    crowns = results.crowns
    known = [column for column in (*_CROWN_COLUMNS, *_TYPE_COLUMNS) if column in crowns]
    tail = ["seen_by", "counted", "top_x_m", "top_y_m"]
    top_columns = [
        "uuid",
        "score",
        "crown_diameter_m",
        *(one for one in ("height_m", *_TYPE_COLUMNS) if one in crowns),
        "seen_by",
    ]
    counted = crowns[crowns["counted"]]
    tops = gpd.GeoDataFrame(
        counted[top_columns], geometry=_points(counted[["top_x_m", "top_y_m"]].to_numpy(np.float64)), crs=crowns.crs
    )
    changes = {} if results.change is None else {"changes": results.change.areas}
    tables = {
        "tops": tops,
        "crowns": crowns[[*known, *tail, "geometry"]],
        **changes,
        "gaps": results.gaps,
        "rejected": results.rejected,
        "mesh20m": results.mesh,
        "stands": stands,
        "survey_extent": extent,
    }
    kept = () if results.change is None else results.change.kept
    theirs = {"stands": frozenset((*kept, *results.register_columns))}
    return [
        forest_layer(name, _rounded(table, theirs.get(name, frozenset())), kept, theirs.get(name, frozenset()))
        for name, table in tables.items()
    ]


def _points(xy: np.ndarray) -> np.ndarray:
    return shapely.points(xy) if len(xy) else np.empty(0, object)


def _rounded(frame: gpd.GeoDataFrame, theirs: frozenset[str]) -> gpd.GeoDataFrame:
    """No more digits than mean something; columns of a register and of people stay as they are."""
    mine = [c for c in frame.select_dtypes("float64") if c in _DECIMALS or c.endswith(("_m", "_ha", "_pct", "_m2"))]
    return frame.assign(**{c: frame[c].round(_DECIMALS.get(str(c), 1)) for c in mine if c not in theirs})


def _dates(date: dt.date | None, n: int) -> "pd.Series[dt.date]":
    return pd.Series([date] * n, dtype=pd.ArrowDtype(pa.date32()))


def _date(results: Results) -> dt.date | None:
    return dt.date.fromisoformat(results.date) if results.date else None
