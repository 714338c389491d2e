"""The forest job: one orthophoto in, a stand map out.

open → tile → detect → settle seams → heights → mesh, stands, gaps → publish
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import rasterio
import shapely
from pyproj import CRS

from geo.raster import GDAL_OPTIONS, HeightModel, Ortho, Stated, open_heights, open_ortho, tiled_copy
from models.detector import Detector
from pipelines.edited import admit, refuse_edited, refuse_previous, work_folder
from pipelines.errors import SurveyError
from pipelines.executor import READERS
from pipelines.files import as_text, ready_to_write
from pipelines.forest.change import Flown, compare
from pipelines.forest.crowns import crown_frame
from pipelines.forest.delineate import delineate
from pipelines.forest.gaps import gap_ground, gaps
from pipelines.forest.ground import HEIGHTS_SHARE, Ground, ground_of, plane_bounds
from pipelines.forest.heights import fine_enough, with_heights
from pipelines.forest.measured import with_measured
from pipelines.forest.mesh import mesh20m
from pipelines.forest.params import ForestParams
from pipelines.forest.previous import MAP_VERSION, Previous, read_previous
from pipelines.forest.publish import GEOPACKAGE_NAME, PROJECT_NAME, Published, publish
from pipelines.forest.register import Register, read_register
from pipelines.forest.reports import TABLE_NAME
from pipelines.forest.results import Results
from pipelines.forest.shapes import extent_of
from pipelines.forest.stands import COLUMNS, count_error, stand_table
from pipelines.forest.succession import CHANGE_COLUMNS
from pipelines.forest.tree_types import UNKNOWN, NamedCrowns, looks_of, read_named, tell_types
from pipelines.forest.words import LANGUAGES
from pipelines.journal import Journal, sole_writer
from pipelines.orthophoto import Scan, Scanned, ortho_key, plan_scan, scan, scan_lines

__all__ = ["ForestInput", "ForestJob", "refuse_lost_work", "run_forest"]

Progress = Callable[[int, int], None]
_RECORDS = {GEOPACKAGE_NAME: "published", PROJECT_NAME: "published-project", TABLE_NAME: "published-table"}
"""Product that people edit → what was published of it, in the work folder, so that edits are noticed."""


def _silent(_line: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class ForestInput:
    """What is surveyed.

    Attributes:
        ortho: the orthophoto.
        chm: canopy height model, metres above ground.
        dsm: surface model, instead of a canopy height model.
        dtm: terrain model, which is subtracted from it.
        stands: the register's polygons; without them stands are told apart by their crowns.
        previous: the `forest.gpkg` of an earlier flight, to see what changed.
        types: crowns of this flight that people named conifer or broadleaf, to tell the others' types by.
        stated: CRS and resolution of an orthophoto that lacks them.
        date: YYYY-MM-DD of the flight, where the file does not say it.
    """

    ortho: Path
    chm: Path | None = None
    dsm: Path | None = None
    dtm: Path | None = None
    stands: Path | None = None
    previous: Path | None = None
    types: Path | None = None
    stated: Stated = field(default_factory=Stated)
    date: str | None = None


@dataclass(frozen=True, slots=True)
class ForestJob:
    """How a forest job is run.

    Attributes:
        out_dir: folder of the products; work in progress lies beside it.
        detector: looks at the tiles.
        params: the knobs.
        workers: readers of tiles; they change the speed alone.
        looking: called with tiles done and tiles in all.
        tell: called with what is known before anything long begins, a sentence each.
        languages: of the reports, the first one first.
    """

    out_dir: Path
    detector: Detector
    params: ForestParams
    workers: int = READERS
    looking: Progress | None = None
    tell: Callable[[str], None] = _silent
    languages: tuple[str, ...] = LANGUAGES


@dataclass(frozen=True, slots=True)
class _Ready:
    """Everything opened: the orthophoto, the day of its flight ("" if unknown), how it is cut, what goes with it."""

    ortho: Ortho
    date: str
    plan: Scan
    heights: HeightModel | None
    register: Register | None
    previous: Previous | None
    named: NamedCrowns | None


def run_forest(given: ForestInput, job: ForestJob) -> tuple[Results, Published]:
    """Run the whole job; a killed one goes on where it stopped and ends with the same bytes.

    Raises:
        RasterError, CrsError, SurveyError: something given cannot be used.
        OutputError: the results cannot be written, or would overwrite what people edited.
    """
    work = work_folder(job.out_dir)
    with sole_writer(work), rasterio.Env(**GDAL_OPTIONS):
        refuse_lost_work(given, job.out_dir, work)
        ready_to_write(job.out_dir)
        ready = _opened(given, job, work)
        key = ortho_key(given.ortho, ready.plan, job.detector)
        journal = Journal(work / "tiles", key)
        seen = scan(ready.plan, job.detector, journal, workers=job.workers, progress=job.looking)
        results = _assessed(ready, seen, job)
        refuse_lost_work(given, job.out_dir, work)  # hours may have gone by

        def admitted(product: Path, staged: Path) -> None:
            admit(work / _RECORDS[product.name], product, staged)

        published = publish(results, ready.ortho, job.out_dir, job.languages, admitted)
    return results, published


def _opened(given: ForestInput, job: ForestJob, work: Path) -> _Ready:
    """Open everything before anything long begins, so that a wrong file is refused in seconds."""
    ortho = open_ortho(given.ortho, given.stated)
    plan = plan_scan(ortho, job.detector.card, job.params.orthophoto)
    bounds = plane_bounds(plan.grid)
    heights = _heights(given, ortho.plane, bounds)
    ours = frozenset((*COLUMNS, *CHANGE_COLUMNS))  # with or without a comparison: a register's names stay the same
    register = None if given.stands is None else read_register(given.stands, ortho.plane, ours, bounds)
    date = given.date or ortho.date
    previous = None if given.previous is None else read_previous(given.previous, ortho.plane, bounds, date)
    named = None if given.types is None else read_named(given.types, ortho.plane)
    theirs = [line for one in (register, previous, heights) if one is not None for line in one.lines]
    for line in (*ortho.lines, *scan_lines(plan), *theirs):
        job.tell(line)
    if heights is not None:
        tops = fine_enough(heights, job.params.canopy)
        job.tell(f"heights of {heights.pixel_m:.3g} m a pixel" + ("" if tops else ": too coarse to find tree tops in"))
    tiled = tiled_copy(ortho, work / "cache", job.tell)
    plan = plan_scan(tiled, job.detector.card, job.params.orthophoto)
    return _Ready(tiled, date, plan, heights, register, previous, named)


def _heights(given: ForestInput, plane: CRS, bounds: tuple[float, float, float, float]) -> HeightModel | None:
    """The height model that is given in one way or the other."""
    if (given.dsm is None) != (given.dtm is None):
        here, there = ("dsm", "dtm") if given.dtm is None else ("dtm", "dsm")
        raise SurveyError(f"--{here} is given without --{there}", remedy="Heights of trees are what lies between both")
    if given.chm is not None and given.dsm is not None:
        raise SurveyError("heights are given twice", remedy="Leave out --chm, or --dsm and --dtm")
    path = given.chm if given.dsm is None else given.dsm
    return None if path is None else open_heights(path, plane, bounds, given.dtm)


def _assessed(ready: _Ready, seen: Scanned, job: ForestJob) -> Results:
    params, card, grid = job.params, job.detector.card, ready.plan.grid
    crowns = crown_frame(seen.boxes, grid, card)
    if ready.heights is not None:
        # Heights do not tell the classes of a model apart.
        name = card.class_names[0] if len(card.classes) == 1 else UNKNOWN
        crowns = with_heights(crowns, ready.heights, params.canopy, name)
    ground = ground_of(grid, seen.cells, crowns[crowns["counted"]])
    if ready.heights is not None:
        ground = with_measured(ground, ready.heights)
    crowns = _on_ground(crowns, ground)
    types = None
    if ready.named is not None:
        types = tell_types(crowns, looks_of(crowns, grid), ready.named, params.types)
        if types.trusted:
            crowns = crowns.assign(type=types.type, type_probability=types.probability)
    tops = ready.heights is not None and fine_enough(ready.heights, params.canopy)
    by_heights = tops and not ground.measured_share < HEIGHTS_SHARE
    error = count_error(card, params.stands, 0.0 if by_heights else ready.ortho.gsd_m)
    if ready.register is None:
        stands = delineate(ground, crowns, params.stands).assign(origin="delineated")
    else:
        stands = ready.register.frame.assign(origin="register")
    results = Results(
        survey=as_text(ready.ortho.name),
        date=ready.date,
        card=card,
        gsd_m=ready.ortho.gsd_m,
        crowns=crowns,
        mesh=mesh20m(ground, crowns, params.mesh),
        stands=stand_table(stands, ground, crowns, gap_ground(ground, params.gaps), error),
        gaps=gaps(ground, params.gaps),
        extent=_extent(ready, ground, crowns, job),
        rejected=_rejected(seen, ready),
        ground=ground,
        error=error,
        n_full=seen.n_full,
        register_columns=() if ready.register is None else ready.register.columns,
        types=types,
    )
    return results if ready.previous is None else _with_change(results, ready.previous, params)


def _with_change(results: Results, previous: Previous, params: ForestParams) -> Results:
    """The results beside those of an earlier flight."""
    flown = Flown(
        ground=results.ground,
        crowns=results.crowns,
        mesh=results.mesh,
        stands=results.stands,
        gsd_m=results.gsd_m,
        model_sha256=results.card.sha256,
        date=results.date,
    )
    change = compare(previous, flown, params)
    return replace(results, mesh=change.mesh, stands=change.stands, change=change)


def _on_ground(crowns: gpd.GeoDataFrame, ground: Ground) -> gpd.GeoDataFrame:
    """Without crowns of the height model beyond what was photographed."""
    row, column = ground.place(crowns["top_x_m"].to_numpy(), crowns["top_y_m"].to_numpy(), ground.cell_m)
    height, width = ground.seen.shape
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    seen = np.zeros(len(crowns), bool)
    seen[inside] = ground.seen[row[inside], column[inside]]
    return crowns[seen | (crowns["seen_by"] != "chm").to_numpy()].reset_index(drop=True)


def _extent(ready: _Ready, ground: Ground, crowns: gpd.GeoDataFrame, job: ForestJob) -> gpd.GeoDataFrame:
    shape = extent_of(ground.seen, ground.transform)
    card = job.detector.card
    row = {
        "survey": as_text(ready.ortho.name),
        "area_ha": float(ground.seen.sum()) * ground.cell_m2 / 1e4,
        "n_crowns": int(crowns["counted"].sum()),
        "gsd_m": ready.ortho.gsd_m,
        "model": card.name,
        "model_sha256": card.sha256,
        "map_version": np.int32(MAP_VERSION),
    }
    return gpd.GeoDataFrame([row], geometry=[shape], crs=ground.crs)


def _rejected(seen: Scanned, ready: _Ready) -> gpd.GeoDataFrame:
    table = seen.rejected
    corners = [("left", "top"), ("right", "top"), ("right", "bottom"), ("left", "bottom")]
    rings = np.stack([table[list(corner)].to_numpy(np.float64) for corner in corners], axis=1)
    places = ready.plan.grid.to_plane(rings.reshape(-1, 2)).reshape(-1, 4, 2)
    shapes = shapely.polygons(places) if len(places) else np.empty(0, object)
    return gpd.GeoDataFrame(table[["item", "reason", "detail"]], geometry=shapes, crs=ready.ortho.plane)


def refuse_lost_work(given: ForestInput, out_dir: Path, work: Path) -> None:
    """A stand map that people have worked on since is not overwritten; nor is the earlier map by the new one."""
    product = out_dir / GEOPACKAGE_NAME
    refuse_previous(given.previous, product, "the earlier map would be overwritten", "Give another --out")
    remedies = {
        GEOPACKAGE_NAME: f"Give another --out, and --previous {product} to take over what people wrote",
        PROJECT_NAME: "Give another --out, or save your project under another name and delete this one",
        TABLE_NAME: "Give another --out, or move the table out of this folder (what is filled in there stays there)",
    }
    for name, remedy in remedies.items():
        refuse_edited(out_dir / name, work / _RECORDS[name], remedy)
