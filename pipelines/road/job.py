"""The road job: one drive in, a ranked repair list out.

survey → preflight → detect → observe → consolidate → compare → judge → rate sections → publish
"""

import math
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from geo.camera.pinhole import Camera
from geo.crs import to_plane
from models.card import ModelCard
from models.detector import Detector
from pipelines.drive import Looked, Looking, detect_drive, detection_key
from pipelines.edited import Admit, admit, refuse_edited, refuse_previous, work_folder
from pipelines.errors import OutputError, SurveyError
from pipelines.executor import READERS
from pipelines.files import content_of, ready_to_write
from pipelines.frames import FrameSource, Picture
from pipelines.journal import Journal, sole_writer
from pipelines.params import RoadParams
from pipelines.preflight import Ready, preflight
from pipelines.report.content import Provenance
from pipelines.report.photo import PHOTOS
from pipelines.report.road_users import RoadUsers
from pipelines.report.write import SHEET_NAME
from pipelines.road.consolidate import consolidate
from pipelines.road.coverage import seen_ground
from pipelines.road.evidence import Watch
from pipelines.road.judge import judge
from pipelines.road.observe import fits, frame_table, observe
from pipelines.road.previous import FrameHash, called_now, compare, on_roads, open_previous, refuse_newer
from pipelines.road.publish import GEOPACKAGE_NAME, PRODUCTS, Published, Results, publish
from pipelines.road.sections import rate_sections
from pipelines.survey import Survey

__all__ = [
    "Job",
    "admitting",
    "assess",
    "frame_hash_of",
    "provenance_of",
    "refuse_lost_work",
    "refuse_mixing",
    "run_road",
    "tell_same",
]

Progress = Callable[[int, int], None]

_RECORDS = {GEOPACKAGE_NAME: "published", SHEET_NAME: "published-workbook"}
"""Product that people edit → what was published of it, in the work folder, so that edits are noticed."""


def _silent(_line: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class Job:
    """How a road job is run.

    Attributes:
        out_dir: folder of the products; work in progress lies beside it (`work_folder`).
        detector: looks at the frames.
        street: finds people and vehicles on the frames that photos are made of, so that they are concealed.
        params: the knobs.
        workers: readers of frames; they change the speed alone.
        languages: of the reports, the first one first.
        looking: called with frames done and frames in all.
        writing: called with products done and products in all.
        tell: called with what preflight found, a sentence each.
    """

    out_dir: Path
    detector: Detector
    params: RoadParams
    street: Detector | None = None
    workers: int = READERS
    languages: tuple[str, ...] = ("ja", "en")
    looking: Progress | None = None
    writing: Progress | None = None
    tell: Callable[[str], None] = _silent


def run_road(survey: Survey, job: Job) -> tuple[Results, Published]:
    """Run the whole job; a killed one goes on where it stopped and ends with the same bytes.

    Raises:
        SurveyError: the survey cannot be used.
        OutputError: the results cannot be written, or would overwrite what people edited.
    """
    refuse_mixing(survey.frames, job.out_dir)
    work = work_folder(job.out_dir)
    with sole_writer(work):
        refuse_lost_work(survey.previous, job.out_dir, work)
        ready_to_write(job.out_dir)
        previous = open_previous(survey.previous)
        ready = preflight(survey, job.params)
        with ready.source:
            refuse_newer(previous, ready.date, survey.previous)
            for line in ready.lines:
                job.tell(line)
            results = assess(ready, _look(ready, job, work), job, previous)
            tell_same(results, previous, job)
            refuse_lost_work(survey.previous, job.out_dir, work)  # hours may have gone by
            published = publish(results, job.out_dir, job.writing, admitting(work))
    return results, published


def tell_same(results: Results, previous: gpd.GeoDataFrame | None, job: Job) -> None:
    """Say why nothing is compared where earlier results were given, and are those of these very pictures."""
    if previous is not None and len(results.defects) and not results.changes:
        job.tell(
            "the previous results are of these very pictures: what people set in them is kept, nothing is compared"
        )


def _look(ready: Ready, job: Job, work: Path) -> Looked:
    looking = Looking.of(job.detector, road_top(ready.scene.camera), job.workers)
    key = detection_key(ready.source, ready.chosen.tolist(), looking, job.params.drive)
    journal = Journal(work / "segments", key)
    return detect_drive(ready.source, ready.chosen, looking, journal, job.params.drive, progress=job.looking)


def road_top(camera: Camera) -> float:
    """From where down a frame can show road: the horizon, as a fraction of the frame's height.

    What lies above it is never placed, so the network need not look there: half the frame, half the time.
    """
    rows = [camera.horizon_px(x) for x in (0.0, float(camera.width_px))]
    # In whole hundredths: a hair's breadth in the calibration must not make finished segments void.
    return max(0.0, math.floor(100 * min(rows) / camera.height_px) / 100)


def assess(ready: Ready, looked: Looked, job: Job, previous: gpd.GeoDataFrame | None = None) -> Results:
    """From boxes in pictures to judged defects and rated sections, compared with those of a previous survey.

    Raises:
        SurveyError: not one frame could be used.
    """
    scene, params, survey = ready.scene, job.params, ready.survey
    shown, other = _of_the_camera(looked, ready)
    if shown.frames.empty:
        raise SurveyError("not one of the frames can be used", where=survey.where, remedy=_reasons(shown.rejected))
    times = dict(zip((ready.source.frames[i].name for i in ready.chosen), ready.t_s, strict=True))
    frames = frame_table(shown.frames, shown.frames["frame"].map(times).to_numpy(np.float64), scene)
    frames.attrs["crs"] = scene.trajectory.crs
    observations = observe(shown.boxes, frames, scene)
    coverage = params.coverage.within(scene.camera, scene.errors)
    seen = seen_ground(frames, scene.camera, coverage)
    watch = Watch(job.detector.card.thresholds.score, seen, params.evidence)
    defects, observations["defect"] = consolidate(observations, frames, params.consolidate, watch, zone=ready.zone)
    # Farther off little is found: not finding it there does not say that it is gone.
    near = coverage.model_copy(update={"far_m": min(coverage.far_m, params.evidence.look_m)})
    looked_at = seen_ground(frames, scene.camera, near)
    frame_hash = frame_hash_of({frame.name: frame.source for frame in ready.source.frames})
    compared = compare(defects, previous, looked_at, ready.date, params.previous, frame_hash)
    compared = on_roads(compared, scene.roads, params.previous)
    observations["defect"] = called_now(observations["defect"], compared)
    judged = judge(compared, scene.roads.links, params.judge)
    rejected = pd.concat([shown.rejected, other], ignore_index=True)
    return Results(
        survey=survey.name,
        date=ready.date,
        crs=scene.trajectory.crs,
        defects=judged,
        sections=rate_sections(scene.roads, judged, seen, params.sections),
        observations=observations,
        frames=frames,
        seen=seen,
        track=scene.trajectory.line(),
        rejected=_rejected(ready, rejected, times),
        read_frame=_reader(ready.source),
        provenance=provenance_of(job.detector.card),
        km=surveyed_m(scene.trajectory.distance_m(frames["t_s"].to_numpy(np.float64)), coverage.far_m) / 1000,
        camera=scene.camera,
        roads=scene.roads.links,
        blur_road_users=None if job.street is None else RoadUsers(job.street, params.report.road_user_score),
        languages=job.languages,
        report=params.report,
    )


def surveyed_m(distance_m: NDArray[np.float64], far_m: float) -> float:
    """How much of a drive its frames show, m: from each to the next, and no farther than it is looked.

    Args:
        distance_m: float64 (n,), travelled when each frame was taken, in any order.
        far_m: how far a frame is looked at.
    """
    return float(np.minimum(np.diff(np.sort(distance_m)), far_m).sum())


def _of_the_camera(looked: Looked, ready: Ready) -> tuple[Looked, pd.DataFrame]:
    """What frames of the camera's shape show, and those of another shape: a crop cannot be placed on the road."""
    sizes = looked.frames[["width_px", "height_px"]]
    fitting = {size: fits(ready.scene.camera, *size) for size in set(sizes.itertuples(index=False, name=None))}
    good = np.array([fitting[size] for size in sizes.itertuples(index=False, name=None)], bool)
    other = looked.frames.loc[~good]
    details = [f"{w}×{h} px is not the shape of the drive's other frames" for w, h in sizes.loc[~good].to_numpy()]
    table = pd.DataFrame({"item": other["frame"], "reason": "other_shape", "detail": details})
    kept = Looked(
        looked.frames.loc[good].reset_index(drop=True),
        looked.boxes[~looked.boxes["frame"].isin(other["frame"])].reset_index(drop=True),
        looked.rejected,
    )
    return kept, table


def _rejected(ready: Ready, frames: pd.DataFrame, times: dict[str, float]) -> gpd.GeoDataFrame:
    """Frames and fixes that took no part, where they are: fixes as received, frames by the track."""
    trajectory = ready.scene.trajectory
    poses = trajectory.at(frames["item"].map(times).to_numpy(np.float64))
    fixes = ready.rejected
    x_m, y_m = to_plane(trajectory.crs, fixes["lon"].to_numpy(np.float64), fixes["lat"].to_numpy(np.float64))
    table = pd.concat([frames, fixes.drop(columns=["lon", "lat"])], ignore_index=True)
    xy = np.column_stack([np.append(poses.x_m, x_m), np.append(poses.y_m, y_m)])
    points = np.full(len(table), None, object)
    known = np.isfinite(xy).all(axis=1)
    points[known] = shapely.points(xy[known])
    return gpd.GeoDataFrame(table, geometry=gpd.GeoSeries(points, crs=trajectory.crs), crs=trajectory.crs)


def _reader(source: FrameSource) -> Callable[[str], Picture]:
    numbers = {frame.name: number for number, frame in enumerate(source.frames)}
    return lambda name: source.read(numbers[name])


def frame_hash_of(files: Mapping[str, Path]) -> FrameHash:
    """What tells frames from others of the same name, by their files; only those asked for are read."""

    @cache
    def hashed(path: Path) -> str:
        with suppress(OSError):
            return content_of(path)
        return ""

    return lambda name: hashed(files[name]) if name in files else None


def provenance_of(card: ModelCard) -> Provenance:
    """What made the results, as reports state it."""
    return Provenance(
        card.name, card.sha256, {lang: card.limits_in(lang) for lang in ("ja", "en")}, version("michisora")
    )


def _reasons(rejected: pd.DataFrame) -> str:
    counts = rejected["reason"].value_counts()
    return "Reasons: " + (", ".join(f"{reason} {n}" for reason, n in sorted(counts.items())) or "none was taken")


def refuse_lost_work(previous: Path | None, out_dir: Path, work: Path) -> None:
    """Results that people have worked on since are not overwritten; nor is the previous survey by the new one.

    Raises:
        OutputError: they would be.
    """
    product = out_dir / GEOPACKAGE_NAME
    remedy = f"Give another --out, and --previous {product} to take over what people edited"
    refuse_previous(previous, product, "the previous survey's results would be overwritten", remedy)
    refuse_edited(product, work / _RECORDS[GEOPACKAGE_NAME], remedy)
    sheet = "Give another --out, or move the workbook out of this folder (what is filled in there stays there)"
    refuse_edited(out_dir / SHEET_NAME, work / _RECORDS[SHEET_NAME], sheet)


def admitting(work: Path) -> Admit:
    """What admits each product that people edit to its record in the work folder."""

    def admitted(product: Path, staged: Path) -> None:
        admit(work / _RECORDS[product.name], product, staged)

    return admitted


def refuse_mixing(pictures: Iterable[Path], out_dir: Path) -> None:
    """What is looked at, and the results, lie apart: neither is written over, nor taken for the other by the next run.

    Args:
        pictures: folders and files that a survey is made from.
        out_dir: folder of the products.

    Raises:
        OutputError: they would be mixed.
    """
    out = out_dir.resolve()
    for path in pictures:
        place = path.resolve()
        if place.is_relative_to(out / PHOTOS) or (place.parent == out and place.name in PRODUCTS):
            what = "the results would be written over the pictures that they are made from"
            raise OutputError(what, where=path, remedy="Give another --out")
        if out.is_relative_to(place):
            what = "the results would lie among the frames, and the next run would take them for frames"
            raise OutputError(what, where=out_dir, remedy="Give an --out beside the folder of the frames")
