"""When and where pictures were taken, by their EXIF headers."""

import datetime as dt
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
from PIL import ExifTags, Image

from geo.errors import TrackError
from geo.track.fixes import Array, Fixes, ReadCounts
from geo.track.repeats import new_fixes
from geo.track.units import KMH_MPS, KNOT_MPS, MPH_MPS, sd_of_radius

PICTURE_SUFFIXES: Final = frozenset({".jpg", ".jpeg", ".png", ".webp"})

_GPS: Final = ExifTags.GPS
_TAG: Final = ExifTags.Base
_SPEED_UNITS: Final = {"K": KMH_MPS, "M": MPH_MPS, "N": KNOT_MPS}
_OFFSET: Final = re.compile(r"([+-])(\d\d):?(\d\d)")
_QUARTER_S: Final = 900.0
_CUT_OFF_S: Final = 1.0
"""Most cameras write whole seconds, and satellite times always are: a picture may seem to be older than its fix."""
_WIDEST_ZONE_S: Final = 14 * 3600
_LEFT_OVER_S: Final = 60.0
"""A fix that is older when a picture first has it is the last one that the phone knew, of another place."""
_NAN: Final = float("nan")


@dataclass(frozen=True, slots=True)
class _Header:
    """A picture's EXIF: the tags about the photograph, and those about the position."""

    photo: Mapping[int, Any]
    gps: Mapping[int, Any]


def photo_times(paths: Sequence[Path], timezone: ZoneInfo | None = None) -> npt.NDArray[np.float64]:
    """When pictures were taken: DateTimeOriginal with SubSecTimeOriginal and OffsetTimeOriginal.

    Pictures that state no offset are in `timezone`; without one, or in the hour that its clocks show twice or never,
    they share the offset, in steps of the quarter of an hour that all zones are in, that most of their GPS fixes, whose
    times are UTC, tell. A picture without DateTimeOriginal takes its GPS time.

    Args:
        paths: the pictures of one series, (n,).
        timezone: of pictures that state no offset.

    Returns:
        float64 (n,), seconds since 1970-01-01 UTC; nan where neither pictures nor `timezone` tell.
    """
    return _times([_header(path) for path in paths], timezone)


def fixes_from_photos(paths: Sequence[Path], timezone: ZoneInfo | None = None) -> Fixes:
    """The positions that pictures state, on the clock of the times that `photo_times` tells.

    A phone writes its newest fix into every picture, with the fix's own time where it is careful: at one fix in three
    seconds two pictures in three repeat a position that the vehicle has left. A position repeated from one picture to
    the next is therefore one fix, at the satellites' time where stated, else at that of the first of these pictures.
    A fix left over from before the drive is left out and counted as `astray`.

    Args:
        paths: the pictures, in any order.
        timezone: as for `photo_times`.

    Raises:
        TrackError: no picture states a position, or none with a position states a time.
    """
    headers = [_header(path) for path in paths]
    where = paths[0].parent if paths else None
    lon, lat = (
        (np.array(column) for column in zip(*(_position(h.gps) for h in headers), strict=True)) if paths else ((), ())
    )
    placed = np.isfinite(lon) & np.isfinite(lat)
    if not placed.any():
        remedy = "Name the drive's own track (GPX, CSV or NMEA)"
        raise TrackError(f"none of the {len(paths)} pictures states a GPS position", where=where, remedy=remedy)
    taken = _times(headers, timezone)
    if not np.isfinite(taken[placed]).any():
        remedy = "State the timezone that the camera's clock was set to"
        raise TrackError("no picture with a position states when it was taken", where=where, remedy=remedy)
    fixed = np.array([_gps_time(header.gps) for header in headers])
    newest = new_fixes(taken, np.column_stack([lon, lat, np.nan_to_num(fixed)]))
    made, left_over = _fix_times(taken, fixed)
    kept = newest[~left_over[newest]]
    counts = ReadCounts(duplicates=len(headers) - len(newest), astray=len(newest) - len(kept))
    headers = [headers[place] for place in kept]
    return Fixes.of(
        made[kept],
        np.asarray(lon)[kept],
        np.asarray(lat)[kept],
        speed_mps=[_speed(header.gps) for header in headers],
        bearing_deg=[_course(header.gps) for header in headers],
        sd_m=sd_of_radius([_number(header.gps.get(_GPS.GPSHPositioningError)) for header in headers]),
        source="EXIF",
        counts=counts,
    )


def _fix_times(taken: Array, fixed: Array) -> tuple[Array, npt.NDArray[np.bool_]]:
    """When fixes were made, on the clock that pictures were taken by, and which are left over from before the drive.

    A fix is as old as the pictures are apart, or younger, when a picture first has it. Where most are not, the two
    clocks differ. A receiver that has not heard of the leap seconds yet is ahead of time: its fixes are as old as their
    pictures.

    Args:
        taken: float64 (n,), when pictures were taken, nan where not known.
        fixed: float64 (n,), the satellites' times of their fixes, nan where not stated.

    Returns:
        float64 (n,) and bool (n,).
    """
    first = _first_seen(taken, fixed)
    if not len(first):
        return taken, np.zeros(len(taken), bool)
    ages_s = (taken - fixed)[first]
    known = np.sort(taken[np.isfinite(taken)])
    apart_s = float(np.median(np.diff(known))) if len(known) > 1 else 0.0
    usual_s = float(np.quantile(ages_s, 0.5, method="lower"))
    agreeing = ages_s[np.abs(ages_s - usual_s) <= apart_s + _CUT_OFF_S]
    ahead_s = 0.0 if -_CUT_OFF_S <= usual_s <= apart_s + _CUT_OFF_S else float(agreeing.min())
    age_s = taken - fixed - ahead_s
    first_age_s = dict(zip(fixed[first].tolist(), age_s[first].tolist(), strict=True))
    left_over = np.array([first_age_s.get(time, 0.0) > max(_LEFT_OVER_S, apart_s) for time in fixed.tolist()], bool)
    return np.where(age_s >= -_CUT_OFF_S, fixed + ahead_s, taken), left_over


def _first_seen(taken: Array, fixed: Array) -> npt.NDArray[np.int64]:
    """Places of the pictures that first have a fix, by times (n,) of pictures and of fixes, nan where unknown."""
    both = np.flatnonzero(np.isfinite(taken) & np.isfinite(fixed))
    in_time = both[np.argsort(taken[both], kind="stable")]
    return np.asarray(in_time[np.unique(fixed[in_time], return_index=True)[1]], np.int64)


def _header(path: Path) -> _Header:
    """What a picture states; nothing where it cannot be read, which the reader of its pixels reports."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as image:
            exif = image.getexif()
            photo = {**exif, **exif.get_ifd(ExifTags.IFD.Exif)}
            return _Header(photo, dict(exif.get_ifd(ExifTags.IFD.GPSInfo)))
    except Exception:  # Pillow raises errors of many kinds on malformed headers; each states nothing
        return _Header({}, {})


def _times(headers: Sequence[_Header], timezone: ZoneInfo | None) -> Array:
    """When pictures were taken, float64 (n,), see `photo_times`."""
    fixed = np.array([_gps_time(header.gps) for header in headers], np.float64)
    clocks = [_local_time(header.photo) for header in headers]
    local = np.array([_NAN if clock is None else _utc(clock) for clock in clocks], np.float64)
    offset = np.array([_stated_offset_s(header.photo) for header in headers], np.float64)
    bare = ~np.isfinite(offset)
    if timezone is not None:
        offset[bare] = [_zone_offset_s(clock, timezone) for clock, none in zip(clocks, bare, strict=True) if none]
    told = _told_offset_s(local[bare], fixed[bare])
    taken = local - np.where(np.isfinite(offset), offset, told)
    return np.where(np.isfinite(local), taken, fixed)


def _stated_offset_s(photo: Mapping[int, Any]) -> float:
    offset = _OFFSET.fullmatch(_text(photo.get(_TAG.OffsetTimeOriginal, photo.get(_TAG.OffsetTime))))
    if not offset:
        return _NAN
    seconds = int(offset[2]) * 3600 + int(offset[3]) * 60
    return seconds if offset[1] == "+" else -seconds


def _zone_offset_s(clock: dt.datetime | None, timezone: ZoneInfo) -> float:
    """What a zone's clocks are ahead of UTC, s; nan in an hour that they show twice, or never."""
    if clock is None:
        return _NAN
    either = [clock.replace(tzinfo=timezone, fold=fold).utcoffset() for fold in (0, 1)]
    return either[0].total_seconds() if either[0] is not None and either[0] == either[1] else _NAN


def _told_offset_s(local: Array, fixed: Array) -> float:
    """What clocks that showed `local` (n,) are ahead of most fixes' times (n,), in whole quarters of an hour, or nan.

    Of equally many the least: a fix may be old, but never is younger than its picture.
    """
    first = _first_seen(local, fixed)
    ahead_s = np.round((local - fixed)[first] / _QUARTER_S) * _QUARTER_S
    values, votes = np.unique(ahead_s[np.abs(ahead_s) <= _WIDEST_ZONE_S], return_counts=True)
    return float(values[votes.argmax()]) if len(values) else _NAN


def _utc(local: dt.datetime) -> float:
    return local.replace(tzinfo=dt.UTC).timestamp()


def _local_time(photo: Mapping[int, Any]) -> dt.datetime | None:
    try:
        whole = dt.datetime.strptime(_text(photo.get(_TAG.DateTimeOriginal)), "%Y:%m:%d %H:%M:%S")
    except ValueError:
        return None
    digits = _text(photo.get(_TAG.SubsecTimeOriginal))
    fraction = round(float(f"0.{digits}") * 1e6) if digits.isascii() and digits.isdigit() else 0
    return whole + dt.timedelta(microseconds=fraction)


def _gps_time(gps: Mapping[int, Any]) -> float:
    try:
        day = dt.datetime.strptime(_text(gps.get(_GPS.GPSDateStamp)).replace("-", ":"), "%Y:%m:%d")
        hours, minutes, seconds = (float(part) for part in gps[_GPS.GPSTimeStamp])
    except (KeyError, TypeError, ValueError, ZeroDivisionError):
        return _NAN
    return _utc(day) + hours * 3600 + minutes * 60 + seconds


def _position(gps: Mapping[int, Any]) -> tuple[float, float]:
    """Longitude and latitude, degrees; nan where not stated, of no stated hemisphere, or declared void."""
    if _text(gps.get(_GPS.GPSStatus)) == "V":
        return _NAN, _NAN
    lon = _degrees(gps.get(_GPS.GPSLongitude), _text(gps.get(_GPS.GPSLongitudeRef)), "EW")
    return lon, _degrees(gps.get(_GPS.GPSLatitude), _text(gps.get(_GPS.GPSLatitudeRef)), "NS")


def _degrees(parts: Any, reference: str, sides: str) -> float:
    side = sides.find(reference.upper()[:1] or "?")
    if side < 0:
        return _NAN
    try:
        degrees, minutes, seconds = (float(part) for part in parts)
    except (TypeError, ValueError, ZeroDivisionError):
        return _NAN
    value = degrees + minutes / 60 + seconds / 3600
    return -value if side else value


def _speed(gps: Mapping[int, Any]) -> float:
    return _number(gps.get(_GPS.GPSSpeed)) * _SPEED_UNITS.get(_text(gps.get(_GPS.GPSSpeedRef)).upper(), KMH_MPS)


def _course(gps: Mapping[int, Any]) -> float:
    """The direction of movement; that of the picture (GPSImgDirection) is a compass's, and is not taken."""
    return _NAN if _text(gps.get(_GPS.GPSTrackRef)).upper() == "M" else _number(gps.get(_GPS.GPSTrack))


def _number(value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError, ZeroDivisionError):
        return _NAN


def _text(value: Any) -> str:
    text = value.decode("ascii", "replace") if isinstance(value, bytes) else str(value or "")
    return text.strip("\0 ")
