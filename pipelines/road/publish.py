"""A road survey's results as files: GeoPackage, GeoJSON, the reports with their photos, and a summary."""

from __future__ import annotations

import datetime as dt
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyproj
import shapely
from numpy.typing import NDArray

from geo.errors import LayerError
from geo.geopackage import Layer, read_layer, write_geopackage
from pipelines.edited import Admit
from pipelines.errors import OutputError
from pipelines.journal import flush_folder
from pipelines.report.content import PhotoBox, PhotoSource, Progress, ReportContent
from pipelines.report.photo import PHOTOS, photo_path
from pipelines.report.words import CHANGES, JUDGEMENTS, LANGUAGES, REASONS, name, say, variant
from pipelines.report.write import PAGE_NAME, SHEET_NAME, document_name, map_name, write_report
from pipelines.road import layers as looks
from pipelines.road.coverage import coverage_layer
from pipelines.road.geojson import geojson
from pipelines.road.results import Results
from pipelines.road.status import CLOSED

__all__ = [
    "GEOJSON_NAME",
    "GEOPACKAGE_NAME",
    "PRODUCTS",
    "SUMMARY_NAME",
    "Published",
    "Results",
    "changes_said",
    "layers",
    "n_doubtful",
    "publish",
    "summary_text",
]

GEOPACKAGE_NAME = "road.gpkg"
GEOJSON_NAME = "defects.geojson"
SUMMARY_NAME = "summary.txt"
PRODUCTS = frozenset(
    {
        *(GEOPACKAGE_NAME, GEOJSON_NAME, SUMMARY_NAME, PAGE_NAME, SHEET_NAME),
        *(name_in(lang) for lang in LANGUAGES for name_in in (document_name, map_name)),
    }
)
"""Names of all files that a job may write beside the photos."""

_STAGING = ".publishing"
_OWN_STEPS = 3

# Which row of the survey's own table a row came from, "" for none; and what gets no photo. Of no use to readers.
_FOUND_AS, _BESIDE = "found_as", "beside_road"
_BOX = ["box_x1", "box_y1", "box_x2", "box_y2"]
_FIRST = [
    *(
        "uuid",
        "rank",
        "listed",
        "priority",
        "terms",
        "judgement",
        "class",
        "class_ja",
        "class_en",
        "length_m",
        "width_m",
    ),
    *(
        "area_m2",
        "depth",
        "score",
        "confidence",
        "position_sd_m",
        "n_seen",
        "n_looked",
        "first_seen",
        "last_seen",
        "link",
        "road_name",
        "road_name_en",
    ),
    *("chainage_m", "offset_m", "photo", "status", "change", "note", "reasons_ja", "reasons_en", "lat", "lon"),
]


@dataclass(frozen=True, slots=True)
class Published:
    """Where the products lie.

    Attributes:
        documents: language → PDF; `maps` likewise: language → PNG.
        text: what `summary` says.
    """

    geopackage: Path
    geojson: Path
    page: Path
    sheet: Path
    documents: Mapping[str, Path]
    maps: Mapping[str, Path]
    summary: Path
    text: str


def layers(results: Results) -> list[Layer]:
    """The layers of the GeoPackage, those drawn on top first."""
    defects = _plain_defects(results.defects)
    observations = _in_plane(results.observations, results.crs).copy()
    shapes = observations.geometry.to_numpy()
    observations = observations.set_geometry(np.where(shapely.is_empty(shapes), None, shapes), crs=results.crs)
    sections = _in_plane(results.sections, results.crs)
    covered = coverage_layer(_in_plane(results.seen, results.crs))
    return [
        _layer("defects", _in_plane(defects, results.crs), looks.DEFECTS),
        _layer("rejected", _rejected(results), looks.REJECTED),
        _layer("sections", sections, looks.SECTIONS),
        _layer("track", _track(results), looks.TRACK),
        _layer("observations", observations, looks.OBSERVATIONS),
        _layer("coverage", covered, looks.COVERAGE),
    ]


def publish(results: Results, out_dir: Path, progress: Progress | None = None, admit: Admit | None = None) -> Published:
    """Write every product of a survey.

    All files are first written to a folder of their own inside `out_dir`, then renamed into place one by one, the
    summary last: whoever stops this half-way finds each file old or new, never a part of one, and running it again
    gives the same bytes as if nothing had happened.

    Args:
        results: what the survey came to.
        out_dir: folder of the products, made where it is missing.
        progress: called with steps done and steps in all.
        admit: called with the place of each product that people edit, and the file that is about to take it.

    Raises:
        OutputError: the folder cannot be written, or the disk is full.
        LayerError: a table that no layer can hold.
    """
    staging = out_dir / _STAGING
    try:
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        text = _write_all(results, staging, out_dir, progress)
        if admit is not None:
            for product in (GEOPACKAGE_NAME, SHEET_NAME):
                admit(out_dir / product, staging / product)
        _move_in(staging, out_dir)
    except OSError as error:
        raise OutputError(
            f"the results cannot be written: {error.strerror or error}",
            where=out_dir,
            remedy="Free space on the disk or give a folder that may be written with --out",
        ) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Published(
        geopackage=out_dir / GEOPACKAGE_NAME,
        geojson=out_dir / GEOJSON_NAME,
        page=out_dir / PAGE_NAME,
        sheet=out_dir / SHEET_NAME,
        documents={lang: out_dir / document_name(lang) for lang in results.languages},
        maps={lang: out_dir / map_name(lang) for lang in results.languages},
        summary=out_dir / SUMMARY_NAME,
        text=text,
    )


def n_doubtful(defects: gpd.GeoDataFrame, listed: pd.Series[bool]) -> int:
    """How many are open, still there, and believed too little to be listed: to be looked at again."""
    return int((~listed & ~defects["status"].isin(CLOSED) & (defects["change"] != "gone")).sum())


def changes_said(results: Results, lang: str) -> str:
    """How many defects are new, worse, gone …, in words; "" without a previous survey."""
    return ", ".join(f"{name(CHANGES, code, lang)} {n}" for code, n in results.changes.items())


def summary_text(results: Results) -> str:
    """What was found, and where it lies, a block a language."""
    defects = results.defects
    listed = defects["listed"].astype(bool) if "listed" in defects.columns else pd.Series(True, defects.index)
    judged = Counter(defects.loc[listed, "judgement"].astype(str))
    doubtful = n_doubtful(defects, listed)
    above = results.summary.from_above
    blocks = []
    for lang in results.languages:
        rejected = [f"{name(REASONS, code, lang)} {n}" for code, n in results.rejected_by_reason.items()]
        rows = [
            ("GeoPackage", GEOPACKAGE_NAME),
            (say("list", lang), PAGE_NAME),
            (say("map", lang), map_name(lang)),
            (say(variant("frames", above=above), lang), str(len(results.frames))),
            (say(variant("km", above=above), lang), results.summary.extent if above else f"{results.km:.2f} km"),
            *((name(JUDGEMENTS, code, lang), str(judged.get(code, 0))) for code in JUDGEMENTS),
            (say("look_again", lang), str(doubtful)),
            *([(say("change", lang), said)] if (said := changes_said(results, lang)) else []),
            (say(variant("rejected_count", above=above), lang), ", ".join(rejected) or "0"),
        ]
        heading = f"{results.survey} · {results.date.isoformat()}"
        blocks.append("\n".join([heading, *(f"{what}: {value}" for what, value in rows)]))
    return "\n\n".join(blocks) + "\n"


def _write_all(results: Results, staging: Path, out_dir: Path, progress: Progress | None) -> str:
    defects = _with_degrees(results.defects, results.crs)
    content = _content(results, defects, out_dir)
    tell = progress or (lambda _done, _total: None)
    steps = [0, _OWN_STEPS]

    def report_step(done: int, total: int) -> None:
        steps[:] = [done, total + _OWN_STEPS]
        tell(*steps)

    def step() -> None:
        steps[0] += 1
        tell(*steps)

    write_report(content, staging, report_step)
    defects["photo"] = _photo_column(defects, staging)
    write_geopackage(staging / GEOPACKAGE_NAME, layers(replace(results, defects=defects)), results.date)
    step()
    (staging / GEOJSON_NAME).write_text(geojson(_plain_defects(defects)), encoding="utf-8")
    step()
    text = summary_text(results)
    (staging / SUMMARY_NAME).write_text(text, encoding="utf-8")
    step()
    return text


def _content(results: Results, defects: gpd.GeoDataFrame, out_dir: Path) -> ReportContent:
    return ReportContent(
        survey=results.survey,
        date=results.date,
        defects=defects,
        sections=_in_plane(results.sections, results.crs),
        track=results.track,
        crs=results.crs,
        summary=results.summary,
        provenance=results.provenance,
        photos=PhotoSource(
            results.read_frame,
            _boxes(results),
            results.camera,
            results.blur_road_users,
            results.overhead,
            _photos_kept(results, out_dir),
        ),
        roads=results.roads,
        coverage=coverage_layer(_in_plane(results.seen, results.crs)),
        languages=results.languages,
        params=results.report,
    )


def _boxes(results: Results) -> dict[str, PhotoBox]:
    """Uuid → where a defect is best seen, for those that this survey's frames show and that lie on the road.

    Beside it are gardens, walls and people: a photo of what lies there would show them.
    """
    defects = results.defects
    if not {"frame", *_BOX} <= set(defects.columns):
        return {}
    there = defects["frame"].isin(results.frames["frame"]) & defects[_BOX].notna().all(axis=1)
    if _FOUND_AS in defects.columns:
        # Frames of two surveys may bear the same names.
        there &= defects[_FOUND_AS] != ""
    shown = defects[there.to_numpy(bool) & ~_beside(defects)]
    headings = shown["heading_deg"] if "heading_deg" in shown.columns else pd.Series(np.nan, shown.index)
    rows = zip(shown["uuid"], shown["frame"], shown[_BOX].to_numpy(np.float64).tolist(), headings, strict=True)
    return {str(uuid): PhotoBox(str(frame), x1, y1, x2, y2, float(way)) for uuid, frame, (x1, y1, x2, y2), way in rows}


def _beside(defects: gpd.GeoDataFrame) -> NDArray[np.bool_]:
    known = _BESIDE in defects.columns
    return defects[_BESIDE].to_numpy(bool) if known else np.zeros(len(defects), bool)


def _photos_kept(results: Results, out_dir: Path) -> dict[str, Path]:
    """Uuid → photo of an earlier survey that lies in the folder already, for defects that this one did not see."""
    anew = _boxes(results)
    on_road = results.defects["uuid"][~_beside(results.defects)].astype(str)
    paths = {uuid: out_dir / photo_path(uuid) for uuid in on_road if uuid not in anew}
    return {uuid: path for uuid, path in paths.items() if path.is_file()}


def _photos_written(out_dir: Path) -> set[str]:
    """Photos of the results that stand in the folder; others in it are people's own."""
    try:
        table = read_layer(out_dir / GEOPACKAGE_NAME, "defects")
    except LayerError:
        return set()
    return {photo_path(str(uuid)) for uuid in table.get("uuid", ())}


def _photo_column(defects: gpd.GeoDataFrame, staging: Path) -> list[str | None]:
    paths = [photo_path(str(uuid)) for uuid in defects["uuid"]]
    return [path if (staging / path).is_file() else None for path in paths]


def _with_degrees(defects: gpd.GeoDataFrame, crs: pyproj.CRS) -> gpd.GeoDataFrame:
    table = _in_plane(defects, crs).copy()
    to_degrees = pyproj.Transformer.from_crs(crs, 4326, always_xy=True)
    lon, lat = to_degrees.transform(table.geometry.x.to_numpy(np.float64), table.geometry.y.to_numpy(np.float64))
    return table.assign(lat=np.round(lat, 7), lon=np.round(lon, 7))


def _plain_defects(defects: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The columns of docs/design/house.md first, whole days for dates, without a second geometry."""
    table = defects.drop(columns=["footprint", _FOUND_AS, _BESIDE, *_BOX], errors="ignore").copy()
    for column in {"first_seen", "last_seen"} & set(table.columns):
        table[column] = pd.Series([_day(value) for value in table[column]], index=table.index, dtype=object)
    first = [column for column in _FIRST if column in table.columns]
    rest = [column for column in table.columns if column not in first]
    return table[[*first, *rest]]


def _day(value: Any) -> dt.date | None:
    return None if pd.isna(value) else pd.Timestamp(value).date()


def _in_plane(frame: gpd.GeoDataFrame, crs: pyproj.CRS) -> gpd.GeoDataFrame:
    """The frame in the plane CRS; one that names none is in it already."""
    return frame.set_crs(crs) if frame.crs is None else frame.to_crs(crs)


def _track(results: Results) -> gpd.GeoDataFrame:
    lines = [] if results.track is None or results.track.is_empty else [results.track]
    about = {"survey": results.survey, "date": results.date, "km": results.km, "frames": len(results.frames)}
    table = pd.DataFrame([about] * len(lines), columns=list(about))
    return gpd.GeoDataFrame(table, geometry=gpd.GeoSeries(lines, crs=results.crs), crs=results.crs)


def _rejected(results: Results) -> gpd.GeoDataFrame:
    table = results.rejected.reset_index(drop=True)
    if isinstance(table, gpd.GeoDataFrame):
        return _in_plane(table, results.crs)
    places = table["geometry"] if "geometry" in table.columns else [None] * len(table)
    columns = table.drop(columns="geometry", errors="ignore")
    return gpd.GeoDataFrame(columns, geometry=gpd.GeoSeries(list(places), crs=results.crs), crs=results.crs)


def _layer(name: str, frame: gpd.GeoDataFrame, style: Any) -> Layer:
    ja, en = looks.TITLES[name]
    return Layer(name, frame, style, ja, en, looks.ALIASES)


def _move_in(staging: Path, out_dir: Path) -> None:
    """Rename every file into place, photos before what links to them and the summary last; drop what is out of date.

    That is photos of an earlier run now unused, and its reports in languages that this one does not write. The photos
    go while the GeoPackage that says which they are still stands.
    """
    files = sorted(path for path in staging.rglob("*") if path.is_file())
    files.sort(key=lambda path: (path.parent == staging, path.name == SUMMARY_NAME))
    new = {path.relative_to(staging).as_posix() for path in files}
    stale = _photos_written(out_dir) - new
    for photo in sorted((out_dir / PHOTOS).glob("*.jpg")):
        if photo.relative_to(out_dir).as_posix() in stale:
            photo.unlink()
    for path in files:
        target = out_dir / path.relative_to(staging)
        target.parent.mkdir(parents=True, exist_ok=True)
        path.replace(target)
    for report in {name_in(lang) for lang in LANGUAGES for name_in in (document_name, map_name)} - new:
        (out_dir / report).unlink(missing_ok=True)
    flush_folder(out_dir)
