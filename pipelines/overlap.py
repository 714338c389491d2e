"""Which frames of a drive the track places, and what to do where it places none."""

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from geo.track import Fixes, Trajectory, photo_times
from pipelines.errors import SurveyError
from pipelines.survey import Survey

__all__ = ["REASONS", "clock", "require_times", "rolled_over", "unplaced"]

Array = NDArray[np.float64]
Texts = NDArray[np.object_]
_QUARTER_HOUR_S = 900.0
_WIDEST_ZONE_S = 14 * 3600.0
_DAY_S = 86_400.0
_EXACT_S = 2.0
"""At 10 m/s, half of this is 10 m: an offset that is known no better is for people to find."""
WEEKS_ROUND = 1024
"""GPS counts its weeks in ten bits: a receiver that does not know how often it came round dates them back by these."""

_TABLES = {".csv", ".tsv", ".txt"}
_GAP_REMEDY = (
    "Give a track with a fix every 10 s or better; of a receiver that is always this uncertain, raise track.max_sd_m"
)

REASONS = {
    "no_time": "nothing says when the frame was taken",
    "no_zone": "it states a local time but not its zone: say it with timezone in survey.yaml, or --timezone",
    "outside_track": "the frame was taken before or after the track",
    "track_gap": "the frame was taken in a gap of the track, where nobody knows how the vehicle went",
}
"""Why a frame has no place: code → what is said of it."""


def require_times(t_s: Array, pictures: Sequence[Path], survey: Survey) -> None:
    """Refuse pictures none of which says when it was taken, with what would tell.

    Args:
        t_s: float64 (n,), the frames' times.
        pictures: their files, n of them.
        survey: as stated.

    Raises:
        SurveyError: no time is known.
    """
    if np.isfinite(t_s).any():
        return
    if _zoneless(t_s, pictures, survey).any():
        what = "the pictures state local times and not of which time zone"
        remedy = "State the zone that the camera's clock was set to: timezone: Asia/Tokyo in survey.yaml, or --timezone"
    else:
        what = "no frame says when it was taken"
        remedy = "Keep the camera's original files: their EXIF header holds the time"
    raise SurveyError(what, where=survey.where, remedy=remedy)


def _zoneless(t_s: Array, files: Sequence[Path], survey: Survey) -> NDArray[np.bool_]:
    """Which frames have a local time and nothing that says its zone, bool (n,), of times and files (n,)."""
    untimed = list(dict.fromkeys(path for path, known in zip(files, np.isfinite(t_s), strict=True) if not known))
    local = {} if survey.timezone else dict(zip(untimed, photo_times(untimed, ZoneInfo("UTC")), strict=True))
    return np.isfinite([local.get(path, np.nan) for path in files])


def unplaced(t_s: Array, trajectory: Trajectory, survey: Survey, files: Sequence[Path], *, filmed: bool) -> Texts:
    """Why frames have no place on the track: (n,) a code of `REASONS`, "" for those that have one.

    Args:
        t_s: float64 (n,), the frames' times on the track's clock; of pictures, as `require_times` lets pass.
        trajectory: the track.
        survey: as stated.
        files: that the frames are of, n of them.
        filmed: whether any of the frames are a video's.

    Raises:
        SurveyError: not one of them has a place; the remedy is what would mend it.
    """
    reason = np.full(len(t_s), "", object)
    reason[~trajectory.at(t_s).valid] = "track_gap"
    reason[~trajectory.spans(t_s)] = "outside_track"
    reason[~np.isfinite(t_s)] = "no_time"
    reason[_zoneless(t_s, files, survey)] = "no_zone"
    if (reason == "").any():
        return reason
    if not np.isfinite(t_s).any():
        what = "the video does not say when it began"
        raise SurveyError(what, where=survey.where, remedy=_start_remedy(trajectory))
    if (reason == "track_gap").any():
        what = (
            "all frames were taken in gaps of the track, or where its receiver knows its place to no better than "
            f"{trajectory.max_sd_m:g} m, or before or after it"
        )
        raise SurveyError(what, where=survey.where, remedy=_GAP_REMEDY)
    first, last = float(np.nanmin(t_s)), float(np.nanmax(t_s))
    raise SurveyError(
        f"all frames lie outside the track's time: frames {clock(first)} to {clock(last)}, "
        f"track {clock(trajectory.start_s)} to {clock(trajectory.end_s)} UTC",
        where=survey.where,
        remedy=_offset_remedy(first, last, trajectory, survey, filmed=filmed),
    )


def rolled_over(fixes: Fixes, t_s: Array) -> int:
    """How many times GPS's count of weeks came round, which the receiver missed: fixes are 1024 weeks early for each.

    Args:
        fixes: the track's.
        t_s: float64 (n,), the frames' times on the track's clock, nan where not known.
    """
    known = t_s[np.isfinite(t_s)]
    if not len(known) or not len(fixes):
        return 0
    round_s = WEEKS_ROUND * 7 * _DAY_S
    apart_s = float(np.median(known) - np.median(fixes.t_s))
    times = round(apart_s / round_s)
    return times if times > 0 and abs(apart_s - times * round_s) < _DAY_S else 0


def clock(t_s: float) -> str:
    """A time as people read it, in UTC; in seconds since 1970 where that is no date."""
    try:
        return dt.datetime.fromtimestamp(float(t_s), dt.UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return f"{t_s:.6g} s"


def _start_remedy(trajectory: Trajectory) -> str:
    example = dt.datetime.fromtimestamp(trajectory.start_s, dt.UTC).isoformat(timespec="seconds")
    return (
        "Keep the camera's original file, or state when its first frame was taken, as the camera's display shows it: "
        f"start: {example} in survey.yaml, or --start (the track begins then)"
    )


def _offset_remedy(first: float, last: float, trajectory: Trajectory, survey: Survey, *, filmed: bool) -> str:
    """The offset that lays the frames on the track: of a time zone where one alone is enough, else what it can be."""
    least, most = sorted((trajectory.start_s - first, trajectory.end_s - last))
    whole = _zone_apart(least, most, min(last - first, trajectory.end_s - trajectory.start_s))
    least, most = least + survey.clock_offset_s, most + survey.clock_offset_s
    if whole is None and most - least <= _EXACT_S:
        return f"State {_offset_option((least + most) / 2)} if both are of the same drive"
    if whole is None:
        return (
            f"If both are of the same drive, clock_offset_s in survey.yaml, or --clock-offset, is between {least:.0f} "
            f"and {most:.0f}: find it at a landmark, as the track's time there less the frame's"
        )
    offset = _offset_option(survey.clock_offset_s + whole)
    if survey.timezone and survey.track is not None and survey.track.suffix.lower() in _TABLES:
        return f"They fit when moved by {whole / 3600:+g} h: if the track's times are UTC, call their column time_utc"
    cause = (
        f"the camera writes its local time into videos (state {offset})"
        if filmed
        else f"the camera's time zone is probably missing (state timezone, or {offset})"
    )
    return f"They fit when moved by {whole / 3600:+g} h: {cause}"


def _zone_apart(least: float, most: float, shorter: float) -> float | None:
    """The one time zone's offset, s, that lays most of the frames on the track; None where none or several do.

    Args:
        least: the smallest offset, s, that lays all frames on the track, or all of the track on frames.
        most: the largest.
        shorter: how long the shorter of both is, s: by so much an offset may be beyond and some frames still fit.
    """
    offsets = np.arange(-_WIDEST_ZONE_S, _WIDEST_ZONE_S + 1, _QUARTER_HOUR_S)
    offsets = offsets[offsets != 0]
    beyond = np.maximum(0.0, np.maximum(least - offsets, offsets - most))
    if beyond.min() > shorter:
        return None
    best = offsets[beyond == beyond.min()]
    for step in (4, 2, 1):
        if len(found := best[best % (step * _QUARTER_HOUR_S) == 0]):
            return float(found[0]) if len(found) == 1 else None
    return None


def _offset_option(seconds: float) -> str:
    return f"clock_offset_s: {seconds:.0f} in survey.yaml, or --clock-offset {seconds:.0f}"
