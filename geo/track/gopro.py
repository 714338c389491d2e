"""Positions and time that a GoPro writes into its videos, from HERO5 on (GPS5) and from HERO11 on (GPS9).

About once a second of video there is a payload of telemetry. GPS5 states a row per fix (latitude, longitude, altitude,
speed over ground, speed in space) and once a payload the UTC of its first fix (GPSU), what kind of fix the receiver
has (GPSF) and its dilution of precision (GPSP, in hundredths). GPS9 states all that for every fix.

The receiver's time is exact but may jump: before it has heard of the leap seconds it is seconds off, and a delayed
message leaves the last second's time standing. The video's own time is even, but begins anywhere. So the one difference
that most fixes agree on is the video's clock, and a fix whose time strays from it takes the video's.
"""

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
import numpy.typing as npt
from av.stream import Discard
from scipy.stats import theilslopes

from geo.errors import TrackError
from geo.track.fixes import Array, Fixes, ReadCounts
from geo.track.gpmf import Entry, GpmfError, first_number, measured, streams

CLOCK_SD_S: Final = 0.2
"""A payload says when it was written, not when its fixes were measured: cameras differ by up to a third of a second."""

_FORMAT: Final = "mp4"
_DAY_S: Final = 86_400.0
_EPOCH_2000_S: Final = dt.datetime(2000, 1, 1, tzinfo=dt.UTC).timestamp()
_NAN: Final = float("nan")

_LEAST_LOCK: Final = 2.0
"""0 is no fix, 2 one without height, 3 a whole one."""
_WORST_DOP: Final = 10.0
"""GoPro calls less than 5 good; beyond 10 a position is not worth having, and 99.99 stands for none."""
_RANGE_ERROR_M: Final = 1.5
"""Of one satellite's range, m: dilution of precision makes it that of the position in space."""
_STRAY_S: Final = 0.5
"""A late message leaves the time a second behind, and leap seconds that a receiver lacks are whole ones."""
_MOST_PAIRS: Final = 200
_REMEDY: Final = "Name the drive's position log (GPX, CSV or NMEA) as the track"


@dataclass(frozen=True, slots=True)
class VideoClock:
    """What a video's own time is in UTC.

    Attributes:
        zero_s: seconds since 1970-01-01 UTC at the video's time 0.
        rate: seconds that pass in a second of video; not 1 in a time lapse.
        sd_s: how well that is known, s.
    """

    zero_s: float
    rate: float = 1.0
    sd_s: float = CLOCK_SD_S

    def at(self, video_s: npt.ArrayLike) -> Array:
        """UTC of times in the video, float64 (n,)."""
        return np.asarray(self.zero_s + self.rate * np.asarray(video_s, float))


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What a video says of where it was taken, on the clock that its frames are on too."""

    fixes: Fixes
    clock: VideoClock


@dataclass(frozen=True, slots=True)
class _Payload:
    """A piece of telemetry and the stretch of video it was written with, s."""

    start_s: float
    duration_s: float
    data: bytes


_COLUMNS: Final = ("video_s", "utc_s", "since_s", "lat", "lon", "speed_mps", "dop", "lock")
"""Of a table of fixes: `since_s` is how much later in the video the fix is than the moment that `utc_s` states."""
_VIDEO, _UTC, _SINCE, _LAT, _LON, _SPEED, _DOP, _LOCK = range(len(_COLUMNS))


def read_gopro(path: Path) -> Fixes:
    """The fixes in a GoPro's video.

    Fixes without lock or of poor geometry are left out and counted as without position; a payload that cannot be read
    counts as one unreadable record. `sd_m` follows the dilution of precision.

    Args:
        path: an MP4 of the camera's, unaltered: editing programs drop the telemetry.

    Raises:
        TrackError: no video, no telemetry in it, no GPS in that, no usable fix, or times that contradict each other.
    """
    return read_telemetry(path).fixes


def fixes_from_videos(paths: Sequence[Path]) -> Fixes:
    """The fixes of a recording's chapters, or of several recordings, as one track.

    A chapter without usable fixes is passed over where another one has some.

    Raises:
        TrackError: as `read_gopro` of the first video, where none has usable fixes.
    """
    found: list[Fixes] = []
    failed: list[TrackError] = []
    for path in paths:
        try:
            found.append(read_gopro(path))
        except TrackError as error:
            failed.append(error)
    if not found:
        raise failed[0] if failed else TrackError("no videos were named", remedy=_REMEDY)
    columns = {name: np.concatenate([getattr(one, name) for one in found]) for name in ("t_s", "lon", "lat")}
    more = {name: np.concatenate([getattr(one, name) for one in found]) for name in ("speed_mps", "sd_m")}
    counts = ReadCounts(
        unreadable=sum(one.counts.unreadable for one in found), no_position=sum(one.counts.no_position for one in found)
    )
    return Fixes.of(**columns, **more, source=", ".join(one.source for one in found), counts=counts)


def video_clock(path: Path) -> VideoClock | None:
    """The clock of a video by its telemetry; None for a video without usable telemetry."""
    try:
        return read_telemetry(path).clock
    except TrackError:
        return None


def read_telemetry(path: Path) -> Telemetry:
    """The fixes in a GoPro's video, and what its time is in UTC.

    Raises:
        TrackError: as `read_gopro`.
    """
    rows, unreadable = _rows(path)
    usable = ~(rows[:, _LOCK] < _LEAST_LOCK) & ~(rows[:, _DOP] > _WORST_DOP) & _has_position(rows)
    if not usable.any():
        what = f"the video's receiver had no usable fix ({len(rows)} recorded)"
        raise TrackError(what, where=path, remedy=f"Let the camera find satellites before driving. {_REMEDY}")
    good = rows[usable]
    if not np.isfinite(good[:, _UTC]).any():
        raise TrackError("the video's telemetry states no time", where=path, remedy=_REMEDY)
    clock = _clock(good, path)
    by_video, by_satellite = clock.at(good[:, _VIDEO]), good[:, _UTC] + clock.rate * good[:, _SINCE]
    fixes = Fixes.of(
        np.where(np.abs(by_satellite - by_video) <= _STRAY_S, by_satellite, by_video),
        good[:, _LON],
        good[:, _LAT],
        speed_mps=good[:, _SPEED],
        sd_m=np.where(good[:, _DOP] > 0, good[:, _DOP], np.nan) * _RANGE_ERROR_M / np.sqrt(3),
        source=str(path),
        counts=ReadCounts(unreadable=unreadable, no_position=int((~usable).sum())),
    )
    return Telemetry(fixes, clock)


def _has_position(rows: Array) -> npt.NDArray[np.bool_]:
    """(n,) bool: rows that state a place; a receiver that never had one writes zeros."""
    return np.asarray(np.isfinite(rows[:, [_LAT, _LON]]).all(axis=1) & rows[:, [_LAT, _LON]].any(axis=1))


def _clock(rows: Array, path: Path) -> VideoClock:
    """The difference of UTC and video time that most rows share; with a rate where no difference alone is shared."""
    timed = rows[np.isfinite(rows[:, _UTC])]
    video_s, utc_s = timed[:, _VIDEO] - timed[:, _SINCE], timed[:, _UTC]
    origin_s = utc_s[0]  # differences of numbers near 1e9 would lose the milliseconds that slopes are made of
    for rate in (1.0, _rate(video_s, utc_s - origin_s)):
        zero_s = float(np.median(utc_s - origin_s - rate * video_s))
        straying = np.abs(utc_s - origin_s - zero_s - rate * video_s) > _STRAY_S
        if rate > 0 and straying.mean() < 0.5:
            return VideoClock(float(origin_s) + zero_s, rate)
    raise TrackError(
        "the times of the video's telemetry do not follow the video (a TimeWarp of changing speed?)",
        where=path,
        remedy="Film at normal speed, or in a time lapse of one interval",
    )


def _rate(video_s: Array, utc_s: Array) -> float:
    """The median slope between pairs of rows (Theil 1950, Sen 1968): one wrong time in four changes nothing."""
    picked = np.unique(np.linspace(0, len(video_s) - 1, min(len(video_s), _MOST_PAIRS)).astype(int))
    if len(np.unique(video_s[picked])) < 2:
        return 1.0
    return float(theilslopes(utc_s[picked], video_s[picked])[0])


def _rows(path: Path) -> tuple[Array, int]:
    """Every fix recorded, float64 (n, columns as `_COLUMNS`), and how many payloads could not be read."""
    payloads = list(_payloads(path))
    if not payloads:
        raise TrackError("the video carries no telemetry", where=path, remedy=_REMEDY)
    # Before a gap a payload stays until the next one; its fixes are of its first second all the same.
    usual_s = float(np.median([payload.duration_s for payload in payloads]))
    tables: list[Array] = []
    unreadable = 0
    for payload in payloads:
        try:
            tables.extend(_of_payload(replace(payload, duration_s=min(payload.duration_s, usual_s))))
        except GpmfError:
            unreadable += 1
    if not tables:
        broken = f" ({unreadable} of {len(payloads)} payloads cannot be read)" if unreadable else ""
        remedy = f"Switch GPS on in the camera. {_REMEDY}"
        raise TrackError(f"the video's telemetry holds no GPS{broken}", where=path, remedy=remedy)
    return np.concatenate(tables), unreadable


def _payloads(path: Path) -> Iterator[_Payload]:
    """The telemetry of a video, in order; other data tracks (time code, file recovery) do not begin with a device."""
    try:
        with av.open(str(path), format=_FORMAT) as container:
            for stream in container.streams:
                if stream.type != "data":
                    stream.discard = Discard.all  # gigabytes of pictures need not be read for it
            tracks = container.streams.data
            for packet in container.demux(*tracks) if tracks else ():
                if packet.pts is not None and bytes(packet)[:4] == b"DEVC":
                    yield _payload(packet)
    except (av.FFmpegError, OSError) as error:
        what = f"the video cannot be read ({error.strerror or error})"
        raise TrackError(what, where=path, remedy="Copy it anew from the camera") from error


def _payload(packet: Any) -> _Payload:
    unit_s = float(packet.time_base)
    return _Payload(packet.pts * unit_s, (packet.duration or 0) * unit_s, bytes(packet))


def _of_payload(payload: _Payload) -> Iterable[Array]:
    """The fixes of a payload, float64 (n, columns): those of GPS9 where a camera writes both kinds."""
    found = [stream for stream in streams(payload.data) if stream.keys() & {"GPS5", "GPS9"}]
    whole = [stream for stream in found if "GPS9" in stream]
    if whole:
        return [_gps9(stream, payload) for stream in whole]
    return [_gps5(stream, payload) for stream in found]


def _gps9(stream: Mapping[str, Entry], payload: _Payload) -> Array:
    """Columns: latitude, longitude, altitude, two speeds, days since 2000, seconds of the day, DOP, kind of fix."""
    table = measured(stream, "GPS9", 9)
    lat, lon, _, speed, _, days, seconds, dop, lock = table.T
    video_s = payload.start_s + _spread(len(table), payload)
    utc_s = np.where(days > 0, _EPOCH_2000_S + days * _DAY_S + seconds, np.nan)
    return np.stack([video_s, utc_s, np.zeros(len(table)), lat, lon, speed, dop, lock], axis=-1)


def _gps5(stream: Mapping[str, Entry], payload: _Payload) -> Array:
    table = measured(stream, "GPS5", 5)
    lat, lon, _, speed, _ = table.T
    later_s = _spread(len(table), payload)
    once = (_gpsu_s(stream.get("GPSU")), first_number(stream, "GPSP") / 100.0, first_number(stream, "GPSF"))
    utc_s, dop, lock = (np.full(len(table), value) for value in once)
    return np.stack([payload.start_s + later_s, utc_s, later_s, lat, lon, speed, dop, lock], axis=-1)


def _spread(n: int, payload: _Payload) -> Array:
    """Seconds from a payload's first fix to each of n: they are taken to be evenly apart."""
    return np.arange(n) / max(n, 1) * payload.duration_s


def _gpsu_s(entry: Entry | None) -> float:
    """Seconds since 1970 of `yymmddhhmmss.sss`; nan where not stated, or where the receiver had no time."""
    try:
        text = entry.data[:16].decode("ascii") if entry else ""
        return dt.datetime.strptime(text, "%y%m%d%H%M%S.%f").replace(tzinfo=dt.UTC).timestamp()
    except ValueError:
        return _NAN
