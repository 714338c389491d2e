"""Before anything long begins: is this survey usable, and what will it give?

Everything a survey names is opened, so that a wrong file is refused in seconds with its remedy, not after an hour.
"""

import datetime as dt
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from geo.camera.calibrate import Calibration
from geo.crs import plane_crs
from geo.errors import TrackError
from geo.network import Roads, SnapParams, read_roads
from geo.track import (
    Fixes,
    ReadCounts,
    SmoothParams,
    Trajectory,
    clean,
    fixes_from_photos,
    fixes_from_videos,
    photo_times,
    read_fixes,
    smooth,
)
from geo.track.clean import NULL_ISLAND, OUT_OF_RANGE
from pipelines.errors import SurveyError
from pipelines.files import as_text
from pipelines.frames import FrameSource, open_frames, select_by_distance
from pipelines.frames.videos import VIDEO_SUFFIXES
from pipelines.overlap import REASONS, WEEKS_ROUND, clock, require_times, rolled_over, unplaced
from pipelines.params import RoadParams
from pipelines.report.words import REASONS as FIX_REASONS
from pipelines.report.words import name
from pipelines.road.observe import Scene
from pipelines.survey import Survey
from pipelines.view import find_camera
from pipelines.zone import day_of, zone_line, zone_of

__all__ = ["Ready", "preflight"]

Array = NDArray[np.float64]
Texts = NDArray[np.object_]
REJECTED_COLUMNS = ["item", "reason", "detail", "lon", "lat"]
_WORTH_TELLING_S = 0.25
_WEEK_S = 7 * 86_400.0
_NOT_ON_TRACK = {
    "no_time": "do not say when they were taken",
    "no_zone": "state a local time but not its zone (say it with timezone in survey.yaml, or --timezone)",
    "outside_track": "lie outside the track's time",
    "track_gap": "lie in gaps of the track, where nobody knows how the vehicle went,",
}
_ROADS_MARGIN_M = 60.0
"""Roads farther from the track than a box can be, its position's uncertainty included."""


@dataclass(frozen=True, slots=True)
class Ready:
    """A survey, opened.

    Attributes:
        survey: as stated.
        source: its frames.
        chosen: int64 (n,), the frames to look at, in order of time.
        t_s: float64 (n,), their times on the track's clock.
        scene: track, camera and roads.
        calibration: where the camera's angles come from; None where the manifest states them.
        rejected: `item`, `reason`, `detail`, `lon`, `lat`: frames and fixes that take no part; nan where what a fix
            states is no place, and would lie thousands of kilometres off in a plane.
        date: the day of the survey.
        zone: the time zone that days are counted in.
        lines: what to tell people, one sentence each.
    """

    survey: Survey
    source: FrameSource
    chosen: NDArray[np.int64]
    t_s: Array
    scene: Scene
    calibration: Calibration | None
    rejected: pd.DataFrame
    date: dt.date
    zone: dt.tzinfo
    lines: list[str] = field(default_factory=list)


def preflight(survey: Survey, params: RoadParams) -> Ready:
    """Open a survey, find its camera's angles, and choose the frames to look at.

    Args:
        survey: from `load_survey` or `survey_from_parts`.
        params: how tracks are cleaned and smoothed, cameras calibrated and roads matched.

    Raises:
        SurveyError: no frames, no GPS, no fix that can be believed, no times, frames outside the track's time, or films
            of the same time.
        TrackError: a track that cannot be read.
        NetworkError: roads that cannot be read, or none near the track.
        CrsError: roads without a CRS.
    """
    source = _opened(survey)
    t_s = np.array([frame.t_s for frame in source.frames], np.float64) + survey.clock_offset_s
    files = [frame.source for frame in source.frames]
    if not _videos(source):
        require_times(t_s, files, survey)
    fixes = _fixes(survey, source)
    weeks = WEEKS_ROUND * rolled_over(fixes, t_s)
    fixes = fixes.shifted(weeks * _WEEK_S)
    kept, dropped = clean(fixes, params.clean)
    if not len(kept):
        raise _none_believed(survey, dropped)
    crs = plane_crs(float(np.median(kept.lon)), float(np.median(kept.lat)))
    zone = zone_of(survey, crs)
    trajectory = smooth(kept, crs, _with_clock(params.track, source))
    why_not = unplaced(t_s, trajectory, survey, files, filmed=bool(_videos(source)))
    chosen = select_by_distance(source.frames, trajectory, params.drive.spacing_m, survey.clock_offset_s)
    camera, calibration = find_camera(survey, source, chosen, params.calibration)
    errors = params.camera
    if calibration is not None:
        errors = errors.with_calibration(calibration.pitch_sd_deg, calibration.yaw_sd_deg)
    roads = _roads(survey, trajectory, params.network)
    rejected = pd.concat(
        [_refused_files(source), _unplaced(source, why_not), _refused_fixes(dropped)], ignore_index=True
    )
    ready = Ready(
        survey=survey,
        source=source,
        chosen=chosen,
        t_s=t_s[chosen],
        scene=Scene(trajectory, camera, errors, roads),
        calibration=calibration,
        rejected=rejected.reindex(columns=REJECTED_COLUMNS),
        date=survey.date or day_of(float(t_s[chosen][0]), zone),
        zone=zone,
    )
    ready.lines.extend(_told(ready, why_not, fixes.counts))
    taken = day_of(float(ready.t_s[0]), zone)
    if abs(ready.date - taken) > dt.timedelta(days=1):
        ready.lines.append(f"date: the survey is stated to be of {ready.date}, its frames were taken on {taken}")
    if weeks:
        ready.lines.append(
            f"the track is dated {weeks} weeks before the frames: its receiver lost count of GPS weeks, which is mended"
        )
    return ready


def _opened(survey: Survey) -> FrameSource:
    start_s = math.nan if survey.start_s is None else survey.start_s
    source = open_frames(survey.frames, _picture_times(survey), start_s)
    if not source.frames:
        raise SurveyError("not one of the frames can be read", where=survey.where, remedy=str(source.refused[0]))
    for first, second, both_s in source.overlaps():
        names = " and ".join(as_text(path.name) for path in (first, second))
        raise SurveyError(
            f"{names} say that they were taken at the same time, for {both_s:.0f} s",
            where=survey.where,
            remedy="Name the films of one camera alone; where times are wrong, survey each with its clock_offset_s",
        )
    return source


def _with_clock(params: SmoothParams, source: FrameSource) -> SmoothParams:
    """The smoothing of a track that is asked for times which are known no better than the frames' clock."""
    return params.model_copy(update={"latency_sd_s": math.hypot(params.latency_sd_s, source.clock_sd_s)})


def _picture_times(survey: Survey) -> Callable[[Sequence[Path]], Array]:
    zone = _zone(survey)
    return lambda paths: photo_times(paths, zone)


def _zone(survey: Survey) -> ZoneInfo | None:
    return ZoneInfo(survey.timezone) if survey.timezone else None


def _fixes(survey: Survey, source: FrameSource) -> Fixes:
    if survey.track is not None:
        return read_fixes(survey.track, _zone(survey))
    files, videos = _files(source), _videos(source)
    try:
        return fixes_from_videos(videos) if videos else fixes_from_photos(files, _zone(survey))
    except TrackError as error:
        raise SurveyError(
            f"no GPS: no track is given and the frames carry no positions ({error.what})",
            where=survey.where,
            remedy="Name the position log (GPX, CSV or NMEA) as track, or with --track",
        ) from error


def _files(source: FrameSource) -> list[Path]:
    return list(dict.fromkeys(frame.source for frame in source.frames))


def _videos(source: FrameSource) -> list[Path]:
    return [path for path in _files(source) if path.suffix.lower() in VIDEO_SUFFIXES]


def _roads(survey: Survey, trajectory: Trajectory, params: SnapParams) -> Roads:
    if survey.roads is None:
        sd_m = float(np.nanmedian(trajectory.at(trajectory.travel.t_s).sd_m))
        return Roads(Roads.from_track(trajectory, sd_m).links, params)
    west, south, east, north = trajectory.line().bounds
    m = _ROADS_MARGIN_M
    return Roads(read_roads(survey.roads, trajectory.crs, (west - m, south - m, east + m, north + m)).links, params)


def _refused_files(source: FrameSource) -> pd.DataFrame:
    rows = [
        {"item": as_text(Path(str(bad.where)).name), "reason": bad.code, "detail": bad.detail} for bad in source.refused
    ]
    return pd.DataFrame(rows, columns=REJECTED_COLUMNS)


def _unplaced(source: FrameSource, why_not: Texts) -> pd.DataFrame:
    rows = [
        {"item": frame.name, "reason": why, "detail": REASONS[why]}
        for frame, why in zip(source.frames, why_not, strict=True)
        if why
    ]
    return pd.DataFrame(rows, columns=REJECTED_COLUMNS)


def _refused_fixes(dropped: pd.DataFrame) -> pd.DataFrame:
    table = dropped.assign(item=[f"fix {clock(t)}" for t in dropped["t_s"]], detail="a fix that is not believed")
    table.loc[table["reason"].isin([NULL_ISLAND, OUT_OF_RANGE]), ["lon", "lat"]] = math.nan
    return table.reindex(columns=REJECTED_COLUMNS)


def _none_believed(survey: Survey, dropped: pd.DataFrame) -> SurveyError:
    counts = ", ".join(
        f"{n} {name(FIX_REASONS, str(why), 'en')}" for why, n in dropped["reason"].value_counts().items()
    )
    return SurveyError(
        f"not one of the {len(dropped)} fixes can be believed: {counts}",
        where=survey.track or survey.where,
        remedy="Look at the times and positions in the track; name another one with --track",
    )


def _told(ready: Ready, why_not: Texts, counts: ReadCounts) -> list[str]:
    scene, camera = ready.scene, ready.scene.camera
    angles = "as stated" if ready.calibration is None else f"from {ready.calibration.source}"
    lines = [
        f"{len(ready.source)} frames, {len(ready.chosen)} to look at, "
        f"along {scene.trajectory.line().length / 1000:.2f} km",
        f"camera {camera.height_m:g} m high, pitch {camera.pitch_deg:.1f}°, yaw {camera.yaw_deg:.1f}° ({angles})",
    ]
    if (assumed := zone_line(ready.survey, ready.zone)) is not None:
        lines.append(assumed)
    if (n := counts.no_position + counts.unreadable) > 0:
        lines.append(f"{n} points of the track have no time or no place, or cannot be read, and are left out")
    if counts.astray > 0:
        lines.append(f"{counts.astray} positions in pictures are old ones of another place, and are left out")
    lines += ready.source.losses
    for why, where in _NOT_ON_TRACK.items():
        if n := int((why_not == why).sum()):
            lines.append(f"{n} frames {where} and are left out")
    if ready.source.clock_sd_s > _WORTH_TELLING_S:
        speed_mps = scene.trajectory.length_m / max(scene.trajectory.end_s - scene.trajectory.start_s, 1.0)
        lines.append(
            "the video states its start to the second only: places along the road are uncertain by "
            f"{ready.source.clock_sd_s * speed_mps:.1f} m more (sd; a clock_offset_s found at a landmark mends it)"
        )
    return lines
