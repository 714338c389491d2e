"""The road job from above: one orthophoto in, the products of a drive out.

open → tile → detect → settle seams → observe → join → compare → judge → rate sections → publish
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import geopandas as gpd
import numpy as np
import pandas as pd
import rasterio
import shapely

from geo.network import Roads, read_roads
from geo.raster import GDAL_OPTIONS, Grid, Ortho, Stated, open_ortho, tiled_copy
from models.card import ModelCard
from pipelines.edited import work_folder
from pipelines.errors import SurveyError
from pipelines.files import ready_to_write
from pipelines.frames import Picture
from pipelines.journal import Journal, sole_writer
from pipelines.orthophoto import Scan, Scanned, ortho_key, plan_scan, scan, scan_lines
from pipelines.road.evidence import Watch
from pipelines.road.job import Job, admitting, frame_hash_of, provenance_of, refuse_lost_work, refuse_mixing, tell_same
from pipelines.road.judge import judge
from pipelines.road.ortho.coverage import photographed
from pipelines.road.ortho.cracks import cracks_of
from pipelines.road.ortho.joining import JoinRule
from pipelines.road.ortho.observe import Sheet, Streets, observe_boxes
from pipelines.road.ortho.params import RoadOrthoParams
from pipelines.road.ortho.photos import Overview, users_of
from pipelines.road.ortho.squares import rate_squares
from pipelines.road.previous import called_now, compare, on_roads, open_previous, refuse_newer
from pipelines.road.publish import Published, Results, publish
from pipelines.road.sections import rate_sections

__all__ = ["RoadOrtho", "run_road_ortho"]

_TOLD_FROM: Final = 1.15
"""From this ratio of sampling distances on, what is lost is told."""
_FLOWN_AT: Final = 10 / 0.003
"""Metres of height for a metre per pixel: usual drone cameras (20 megapixels, 24 mm equivalent) give 3 mm from 10 m."""


@dataclass(frozen=True, slots=True)
class RoadOrtho:
    """What is surveyed.

    Attributes:
        ortho: the orthophoto.
        roads: centre lines; without them all that was photographed counts as pavement.
        previous: the GeoPackage of the last survey, a drive's or a flight's.
        stated: CRS and resolution of an orthophoto that lacks them.
        date: YYYY-MM-DD of the flight, where the file does not say it.
    """

    ortho: Path
    roads: Path | None = None
    previous: Path | None = None
    stated: Stated = field(default_factory=Stated)
    date: str | None = None


@dataclass(frozen=True, slots=True)
class _Ready:
    """Everything opened: the file, the day, how it is cut, where its boxes lie, and the last survey."""

    given: Path
    date: dt.date
    plan: Scan
    sheet: Sheet
    previous: gpd.GeoDataFrame | None


def run_road_ortho(given: RoadOrtho, job: Job) -> tuple[Results, Published]:
    """Run the whole job; a killed one goes on where it stopped and ends with the same bytes.

    Raises:
        RasterError, CrsError, NetworkError, SurveyError: something given cannot be used.
        OutputError: the results cannot be written, or would overwrite what people edited.
    """
    refuse_mixing([given.ortho], job.out_dir)
    work = work_folder(job.out_dir)
    with sole_writer(work), rasterio.Env(**GDAL_OPTIONS):
        refuse_lost_work(given.previous, job.out_dir, work)
        ready_to_write(job.out_dir)
        ready = _opened(given, job, work)
        journal = Journal(work / "tiles", ortho_key(given.ortho, ready.plan, job.detector))
        seen = scan(ready.plan, job.detector, journal, workers=job.workers, progress=job.looking)
        results = _assessed(ready, seen, job)
        tell_same(results, ready.previous, job)
        refuse_lost_work(given.previous, job.out_dir, work)  # hours may have gone by
        published = publish(results, job.out_dir, job.writing, admitting(work))
    return results, published


def _opened(given: RoadOrtho, job: Job, work: Path) -> _Ready:
    """Open everything before anything long begins, so that a wrong file is refused in seconds."""
    card, knobs = job.detector.card, job.params.orthophoto
    previous = open_previous(given.previous)
    ortho = open_ortho(given.ortho, given.stated)
    whole = plan_scan(ortho, card, knobs)
    _refuse_coarse(ortho, card, knobs)
    date = _date(given, ortho)
    refuse_newer(previous, date, given.previous)
    streets = None if given.roads is None else _streets(given.roads, whole.grid, job)
    plan = whole if streets is None else _on_streets(ortho, job, streets)
    for line in (*ortho.lines, *scan_lines(plan), *_lines(ortho, card, knobs, streets)):
        job.tell(line)
    tiled = tiled_copy(ortho, work / "cache", job.tell)
    plan = plan_scan(tiled, card, knobs, None if streets is None else streets.corridor)
    return _Ready(given.ortho, date, plan, Sheet(plan.grid, ortho.name, knobs.georeference_sd_m, streets), previous)


def _streets(path: Path, grid: Grid, job: Job) -> Streets:
    """The roads whose carriageways the orthophoto shows, be their centre lines on it or not."""
    width, height = grid.inside_px
    corners = grid.to_plane(np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float64))
    (west, south), (east, north) = corners.min(axis=0), corners.max(axis=0)
    bounds, beside_m = (float(west), float(south), float(east), float(north)), job.params.orthophoto.beside_m
    found = read_roads(path, grid.ortho.plane, bounds, beside_m)
    return Streets(Roads(found.links, job.params.network), beside_m)


def _on_streets(ortho: Ortho, job: Job, streets: Streets) -> Scan:
    try:
        return plan_scan(ortho, job.detector.card, job.params.orthophoto, streets.corridor)
    except SurveyError as error:
        remedy = "Check both files' CRS and place, or leave --roads out"
        raise SurveyError("none of the roads crosses the orthophoto", where=ortho.name, remedy=remedy) from error


def _refuse_coarse(ortho: Ortho, card: ModelCard, knobs: RoadOrthoParams) -> None:
    """Cracks that a picture does not show are not found in it: nothing found would pass for nothing there."""
    wanted = card.gsd_m or ortho.gsd_m
    if ortho.gsd_m > knobs.coarsest * wanted:
        what = f"has {_mm(ortho.gsd_m)} a pixel, too coarse: the model needs {_mm(wanted)}, and cracks are gone from "
        what += f"{_mm(knobs.coarsest * wanted)} on"
        lower = f"Fly {ortho.gsd_m / wanted:.0f} times lower"
        remedy = (
            f"{lower}: about {_FLOWN_AT * wanted:.0f} m with a usual drone camera (20 megapixels, 24 mm equivalent)"
        )
        raise SurveyError(what, where=ortho.path, remedy=remedy)


def _lines(ortho: Ortho, card: ModelCard, knobs: RoadOrthoParams, streets: Streets | None) -> Iterator[str]:
    """What to tell people before the work begins."""
    wanted = card.gsd_m or ortho.gsd_m
    if ortho.gsd_m > _TOLD_FROM * wanted:
        yield (
            f"warning: {_mm(ortho.gsd_m)} a pixel, the model was made for {_mm(wanted)}: hairline cracks are missed; "
            f"about {_FLOWN_AT * wanted:.0f} m of height give it with a usual drone camera"
        )
    yield (
        f"places within the survey agree to a pixel; all of them together are taken to be off by "
        f"{knobs.georeference_sd_m:g} m (sd per axis, assumed: road.orthophoto.georeference_sd_m)"
    )
    if streets is None:
        yield "no --roads: cracks get no road or chainage, squares stand for sections, all that is shown is pavement"
    elif (assumed := int((streets.roads.links["width_source"] != "given").sum())) > 0:
        of = f"{assumed} of {len(streets.roads.links)} roads"
        yield f"the roads file gives no width for {of}: assumed by their lanes or class"


def _mm(metres: float) -> str:
    return f"{1000 * metres:.3g} mm"


def _date(given: RoadOrtho, ortho: Ortho) -> dt.date:
    """The day of the flight, by which every product is dated."""
    try:
        return dt.date.fromisoformat(given.date or ortho.date)
    except ValueError as error:
        remedy = "State the day of the flight with --date YYYY-MM-DD"
        raise SurveyError("the file does not say when it was flown", where=given.ortho, remedy=remedy) from error


def _assessed(ready: _Ready, seen: Scanned, job: Job) -> Results:
    sheet, card, params = ready.sheet, job.detector.card, job.params
    ground = photographed(sheet.grid, seen.cells, sheet.name)
    if ground.empty and seen.rejected.empty:
        raise SurveyError("nothing was photographed where the roads are", where=sheet.name, remedy="Check --roads")
    observations = observe_boxes(seen.boxes, sheet, card)
    knobs, watch = params.orthophoto, Watch(card.thresholds.score, None, params.evidence)
    rule = JoinRule(knobs.touch_m, knobs.bridge_m)
    defects, observations["defect"] = cracks_of(observations, sheet, ready.date, rule, watch)
    roads = None if sheet.streets is None else sheet.streets.roads
    compared = compare(
        defects, ready.previous, ground, ready.date, params.previous, frame_hash_of({sheet.name: ready.given})
    )
    compared = on_roads(compared, roads, params.previous)
    observations["defect"] = called_now(observations["defect"], compared)
    judged = judge(compared, None if roads is None else roads.links, params.judge, above=True)
    if roads is None:
        sections = rate_squares(judged, ground, params.sections)
    else:
        sections = rate_sections(roads, judged, ground, params.sections)
    footprints = {str(key): shape for key, shape in zip(judged["uuid"], judged["footprint"], strict=True) if shape}
    return Results(
        survey=Path(sheet.name).stem,
        date=ready.date,
        crs=sheet.grid.ortho.plane,
        defects=judged,
        sections=sections,
        observations=observations,
        frames=pd.DataFrame({"frame": [sheet.name] * (len(ready.plan.tiles) - seen.n_empty - len(seen.rejected))}),
        seen=ground,
        track=None,
        rejected=_rejected(seen, ready),
        read_frame=_no_frames,
        provenance=provenance_of(card),
        km=0.0,
        roads=None if roads is None else roads.links,
        blur_road_users=None if job.street is None else users_of(job.street, params.report.road_user_score),
        languages=job.languages,
        report=params.report,
        area_m2=_area_m2(ground, sheet),
        place_sd_m=knobs.georeference_sd_m,
        overhead=Overview(
            sheet.grid,
            footprints,
            None if sheet.streets is None else sheet.streets.ground(),
            params.report.photo_width_px,
            knobs.photo_m,
        ).view,
    )


def _area_m2(ground: gpd.GeoDataFrame, sheet: Sheet) -> float:
    """Pavement that was looked at: of a road the carriageway, else all that was photographed."""
    shapes = ground.geometry.to_numpy()
    if sheet.streets is not None:
        shapes = shapely.intersection(shapes, sheet.streets.ground())
    return float(shapely.area(shapes).sum())


def _rejected(seen: Scanned, ready: _Ready) -> gpd.GeoDataFrame:
    """Tiles that could not be read, at their middles."""
    table, plane = seen.rejected, ready.sheet.grid.ortho.plane
    middles = np.column_stack(
        [(table[a] + table[b]).to_numpy(np.float64) / 2 for a, b in (("left", "right"), ("top", "bottom"))]
    )
    places = shapely.points(ready.sheet.grid.to_plane(middles)) if len(middles) else np.empty(0, object)
    return gpd.GeoDataFrame(table[["item", "reason", "detail"]], geometry=list(places), crs=plane)


def _no_frames(name: str) -> Picture:
    raise SurveyError("an orthophoto has no frames", where=name)
