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
_NAN: Final = float("nan")


@dataclass(frozen=True, slots=True)
class _Header:
    """A picture's EXIF: the tags about the photograph, and those about the position."""

    photo: Mapping[int, Any]
    gps: Mapping[int, Any]


def photo_times(paths: Sequence[Path], timezone: ZoneInfo | None = None) -> npt.NDArray[np.float64]:
    """When pictures were taken: DateTimeOriginal with SubSecTimeOriginal and OffsetTimeOriginal.

    A picture that states no offset takes it from its own GPS time, which is UTC, to the quarter of an hour that all
    zones are in steps of; else from `timezone`. One without DateTimeOriginal takes the GPS time.

    Args:
        paths: the pictures, (n,).
        timezone: of pictures that state no offset and no GPS time.

    Returns:
        float64 (n,), seconds since 1970-01-01 UTC; nan where neither picture nor `timezone` tells.
    """
    return np.array([_time(_header(path), timezone) for path in paths], np.float64)


def fixes_from_photos(paths: Sequence[Path], timezone: ZoneInfo | None = None) -> Fixes:
    """The positions that pictures state, on the clock of the times that `photo_times` tells.

    A phone writes its newest fix into every picture, with the fix's own time where it is careful: at one fix in three
    seconds two pictures in three repeat a position that the vehicle has left. A position repeated from one picture to
    the next is therefore one fix, at the satellites' time where stated, else at that of the first of these pictures.

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
    taken = np.array([_time(header, timezone) for header in headers])
    if not np.isfinite(taken[placed]).any():
        remedy = "State the timezone that the camera's clock was set to"
        raise TrackError("no picture with a position states when it was taken", where=where, remedy=remedy)
    fixed = np.array([_gps_time(header.gps) for header in headers])
    newest = new_fixes(taken, np.column_stack([lon, lat, np.nan_to_num(fixed)]))
    repeats = ReadCounts(duplicates=len(headers) - len(newest))
    headers = [headers[place] for place in newest]
    return Fixes.of(
        _fix_times(taken, fixed)[newest],
        np.asarray(lon)[newest],
        np.asarray(lat)[newest],
        speed_mps=[_speed(header.gps) for header in headers],
        bearing_deg=[_course(header.gps) for header in headers],
        sd_m=sd_of_radius([_number(header.gps.get(_GPS.GPSHPositioningError)) for header in headers]),
        source="EXIF",
        counts=repeats,
    )


def _fix_times(taken: Array, fixed: Array) -> Array:
    """When fixes were made, on the clock that pictures were taken by, float64 (n,).

    A fix is as old as the pictures are apart, or younger, in the freshest case. Where that case is outside of what
    this allows, it is the two clocks that differ.
    """
    both = np.isfinite(taken) & np.isfinite(fixed)
    if not both.any():
        return taken
    age_s = float((taken - fixed)[both].min())
    apart_s = float(np.median(np.diff(np.sort(taken[both])))) if both.sum() > 1 else 0.0
    ahead_s = 0.0 if -_CUT_OFF_S <= age_s <= apart_s + _CUT_OFF_S else age_s
    return np.where(both, fixed + ahead_s, taken)


def _header(path: Path) -> _Header:
    """What a picture states; nothing where it cannot be read, which the reader of its pixels reports."""
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path) as image:
            exif = image.getexif()
            photo = {**exif, **exif.get_ifd(ExifTags.IFD.Exif)}
            return _Header(photo, dict(exif.get_ifd(ExifTags.IFD.GPSInfo)))
    except Exception:  # Pillow raises errors of many kinds on malformed headers; each states nothing
        return _Header({}, {})


def _time(header: _Header, timezone: ZoneInfo | None) -> float:
    gps = _gps_time(header.gps)
    local = _local_time(header.photo)
    if local is None:
        return gps
    offset = _OFFSET.fullmatch(_text(header.photo.get(_TAG.OffsetTimeOriginal, header.photo.get(_TAG.OffsetTime))))
    if offset:
        seconds = int(offset[2]) * 3600 + int(offset[3]) * 60
        return _utc(local) - (seconds if offset[1] == "+" else -seconds)
    ahead = round((_utc(local) - gps) / _QUARTER_S) * _QUARTER_S if np.isfinite(gps) else np.inf
    if abs(ahead) <= _WIDEST_ZONE_S:
        return _utc(local) - ahead
    return local.replace(tzinfo=timezone).timestamp() if timezone else _NAN


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
    """Longitude and latitude, degrees; nan, nan where not stated or declared void."""
    if _text(gps.get(_GPS.GPSStatus)) == "V":
        return _NAN, _NAN
    lon = _degrees(gps.get(_GPS.GPSLongitude), _text(gps.get(_GPS.GPSLongitudeRef)), "W")
    return lon, _degrees(gps.get(_GPS.GPSLatitude), _text(gps.get(_GPS.GPSLatitudeRef)), "S")


def _degrees(parts: Any, reference: str, negative: str) -> float:
    try:
        degrees, minutes, seconds = (float(part) for part in parts)
    except (TypeError, ValueError, ZeroDivisionError):
        return _NAN
    value = degrees + minutes / 60 + seconds / 3600
    return -value if reference.upper() == negative else value


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
