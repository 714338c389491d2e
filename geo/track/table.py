"""Tables of fixes: CSV and its relatives, whatever the columns are called."""

import csv
import io
import re
import unicodedata
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pandas as pd

from geo.errors import TrackError
from geo.track.fixes import Fixes, ReadCounts
from geo.track.repeats import without_repeats
from geo.track.sphere import distance_m
from geo.track.units import KMH_MPS, KNOT_MPS, MPH_MPS, sd_of_radius

Array = npt.NDArray[np.float64]

_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "lon": ("lon", "lng", "long", "longitude", "経度"),
    "lat": ("lat", "latitude", "緯度"),
    "time": ("t_s", "time", "timestamp", "datetime", "date_time", "utc", "unixtime", "unix", "epoch", "日時", "時刻"),
    "date": ("date", "日付"),
    "speed": ("speed", "velocity", "speed_over_ground", "sog", "速度"),
    "bearing": ("bearing", "course", "heading", "cog", "course_over_ground", "azimuth", "方位", "進行方向"),
    "radius": ("accuracy", "horizontal_accuracy", "hacc", "h_acc", "haccuracy"),
    "sd": ("sd", "std", "sigma"),
    "lat_ref": ("lat_ref", "latitude_ref", "lat_dir", "lat_direction", "lat_hemisphere", "n_s", "ns", "ns_indicator"),
    "lon_ref": ("lon_ref", "longitude_ref", "lon_dir", "lon_direction", "lon_hemisphere", "e_w", "ew", "ew_indicator"),
}
_COMPASS: Final = frozenset({"heading", "azimuth", "方位"})
"""Names that may be of a compass's direction, which in a car is no course; a column called a course goes before."""
_HEMISPHERES: Final = {
    "lat": {"n": 1.0, "north": 1.0, "北": 1.0, "北緯": 1.0, "s": -1.0, "south": -1.0, "南": -1.0, "南緯": -1.0},
    "lon": {"e": 1.0, "east": 1.0, "東": 1.0, "東経": 1.0, "w": -1.0, "west": -1.0, "西": -1.0, "西経": -1.0},
}
_SIDED: Final = re.compile(
    r"^\s*(?P<before>[^\W\d_]*)\s*(?P<number>[+-]?[\d.]+(?:[eE][+-]?\d+)?)\s*[°度]?\s*(?P<after>[^\W\d_]*)\s*$"
)
"""Degrees with a hemisphere before or after them: 22.9S, N 35.1°, 北緯35.1."""
_TEXTS: Final = frozenset({"time", "date", "lat", "lon", "lat_ref", "lon_ref"})
_PREFIXES: Final = ("gps_", "location_", "position_", "gnss_")
_SUFFIXES: Final = (
    "_deg",
    "_degrees",
    "_utc",
    "_gps",
    "_gmt",
    "_wgs84",
    "_s",
    "_sec",
    "_ms",
    "_us",
    "_ns",
    "_m",
    "_度",
    "_n_s",
    "_e_w",
)
_SPEED_UNITS: Final = {
    "_mps": 1.0,
    "_m_s": 1.0,
    "_ms": 1.0,
    "_kmh": KMH_MPS,
    "_km_h": KMH_MPS,
    "_kph": KMH_MPS,
    "_knots": KNOT_MPS,
    "_knot": KNOT_MPS,
    "_kn": KNOT_MPS,
    "_kt": KNOT_MPS,
    "_kts": KNOT_MPS,
    "_mph": MPH_MPS,
}
_EPOCH_UNITS: Final = ((1e17, 1e-9), (1e14, 1e-6), (1e11, 1e-3))
_DECIMAL_COMMA: Final = re.compile(r"(?<=\d),(?=\d+\D*$)")
_COMPACT: Final = re.compile(r"^((?:19|20)\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(?:\.(\d+)|(\d{3}))?(Z|[+-]\d\d:?\d\d)?$")
"""YYYYMMDDhhmmss, or with milliseconds: no count of s, ms, µs or ns since 1970 has 14 or 17 digits before 2286."""
_UTC: Final = ZoneInfo("UTC")
_UTC_NAME: Final = re.compile("utc|gmt|gps", re.IGNORECASE)
_STATED_ZONE: Final = re.compile(r"[T ]\s*\d.*(?:Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)$", re.IGNORECASE)
_FROM_UTC: Final = re.compile(r"\s*(?:UTC|GMT)\s*([+-])(\d{1,2})(?::?(\d\d))?$", re.IGNORECASE)
"""What parsers take for POSIX, where the sign means the contrary; people mean that clocks are ahead by so much."""
_MOVING_MPS: Final = 2.0
_ENOUGH_STEPS: Final = 5


@dataclass(frozen=True, slots=True)
class _Columns:
    """Which column of a table holds what, and by what the speed is to be multiplied (None: its unit is not stated)."""

    found: dict[str, str]
    speed_factor: float | None


def read_table(path: Path, timezone: ZoneInfo | None = None) -> Fixes:
    """The fixes of a CSV file, separated by comma, semicolon, tab or bar, in UTF-8 or Shift_JIS.

    Longitude, latitude and time are needed, under any of their usual names (``lat``, ``Latitude``, ``緯度``,
    ``gps_time``...), with decimal points or commas; hemispheres may be letters beside the degrees or in columns of
    their own (``N/S``, ``lon_ref``). Times are ISO 8601, ``20260401090000`` or seconds,
    ms, µs or ns since 1970; date and time may be in two columns. The speed's unit is the one in its column's name, else
    the one that fits the distances. Rows that repeat a position while the vehicle moves count as duplicates.

    Args:
        path: the file.
        timezone: of times that state no zone, UTC if not given; in a column called after UTC, GMT or GPS they are UTC.

    Raises:
        TrackError: not a table, a column is missing, or no row has time and position.
    """
    bad_rows: list[list[str]] = []
    frame = _frame(path, bad_rows)
    columns = _columns([str(name) for name in frame.columns], path)
    number = {key: _numbers(frame, name) for key, name in columns.found.items() if key not in _TEXTS}
    number |= {key: _degrees(frame, columns, key) for key in _HEMISPHERES}
    t_s = _times(frame, columns, timezone)
    usable = np.isfinite(t_s) & np.isfinite(number["lon"]) & np.isfinite(number["lat"])
    if not usable.any():
        which = "position" if np.isfinite(t_s).any() else "time"
        remedy = "Write times as 2026-04-01T09:00:00Z or seconds since 1970, positions as decimal degrees"
        raise TrackError(f"none of the {len(frame)} rows has a readable {which}", where=path, remedy=remedy)
    fixes = Fixes.of(
        t_s,
        number["lon"],
        number["lat"],
        speed_mps=number.get("speed"),
        bearing_deg=number.get("bearing"),
        sd_m=number["sd"] if "sd" in number else sd_of_radius(number.get("radius", np.full(len(frame), np.nan))),
        source=str(path),
        counts=ReadCounts(unreadable=len(bad_rows)),
    )
    fixes = without_repeats(fixes)
    # Not before: a position that is written ten times seems to stand for nine steps and to leap in the tenth.
    return replace(fixes, speed_mps=fixes.speed_mps * (columns.speed_factor or _fitting_factor(fixes)))


def _frame(path: Path, bad_rows: list[list[str]]) -> pd.DataFrame:
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("cp932", "replace")
    # Loggers put remarks above the header, and a delimiter after the last field, which pandas warns of.
    text = re.sub(r"\A(?:\s*#[^\n]*\n)+", "", text).lstrip()
    delimiter = max(",;\t|", key=text.partition("\n")[0].count)
    try:
        with warnings.catch_warnings(action="ignore", category=pd.errors.ParserWarning):
            return pd.read_csv(
                io.StringIO(text),
                sep=delimiter,
                dtype=str,
                engine="python",
                skipinitialspace=True,
                index_col=False,
                on_bad_lines=bad_rows.append,
            )
    except (pd.errors.ParserError, pd.errors.EmptyDataError, csv.Error, ValueError) as error:
        raise TrackError("not readable as a table", where=path, remedy="Export the track as GPX or CSV") from error


def _columns(names: list[str], path: Path) -> _Columns:
    found: dict[str, str] = {}
    factor: float | None = None
    for name in names:
        plain, unit = _plain(name)
        for key, aliases in _NAMES.items():
            course = key == "bearing" and plain not in _COMPASS and _plain(found.get(key, name))[0] in _COMPASS
            if plain in aliases and (key not in found or course):
                found[key] = name
                factor = unit if key == "speed" else factor
    if "time" not in found and "date" in found:
        found["time"] = found.pop("date")
    missing = [key for key in ("time", "lon", "lat") if key not in found]
    if missing:
        remedy = "Name the columns time, lon and lat"
        shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
        raise TrackError(f"no column for {' and '.join(missing)} among: {shown}", where=path, remedy=remedy)
    return _Columns(found, factor)


def _plain(name: str) -> tuple[str, float | None]:
    """A column's name without unit and prefix, and the factor to m/s if it ends in a unit of speed."""
    plain = re.sub(r"[^\w]+", "_", unicodedata.normalize("NFKC", name).strip()).strip("_")
    plain = re.sub(r"(?<=[a-z])(?=[A-Z][a-z])", "_", plain).lower()
    for prefix in _PREFIXES:
        plain = plain.removeprefix(prefix)
    known = {alias for aliases in _NAMES.values() for alias in aliases}
    if plain in known:
        return plain, None
    for unit, factor in _SPEED_UNITS.items():
        if plain.removesuffix(unit) in _NAMES["speed"]:
            return plain.removesuffix(unit), factor
    for suffix in _SUFFIXES:
        if plain.removesuffix(suffix) in known:
            return plain.removesuffix(suffix), None
    return plain, None


def _numbers(frame: pd.DataFrame, name: str) -> Array:
    return np.asarray(pd.to_numeric(_with_points(frame[name]), errors="coerce"), np.float64)


def _degrees(frame: pd.DataFrame, columns: _Columns, key: str) -> Array:
    """Longitude or latitude (n,), negative in the west or south; nan where its hemisphere is none."""
    sides = _HEMISPHERES[key]
    parts = _with_points(frame[columns.found[key]]).str.extract(_SIDED).fillna("")
    degrees = np.array(pd.to_numeric(parts["number"], errors="coerce"), np.float64)
    said = [parts["before"], parts["after"]]
    if (name := columns.found.get(f"{key}_ref")) is not None:
        column = frame[name].fillna("").str.strip()
        # A column "ns" without any hemisphere is of nanoseconds or the like.
        if column.str.lower().isin(sides).any():
            said.append(column.where(column != "", "?"))
    for text in said:
        sign = text.str.lower().map({**sides, "": np.nan}).to_numpy(np.float64)
        named = (text != "").to_numpy(bool)
        degrees[named] = np.abs(degrees[named]) * sign[named]
    return degrees


def _with_points(text: "pd.Series[str]") -> "pd.Series[str]":
    """Decimal commas made points. A comma within a field is one: where it separates fields, it is not within one."""
    return text.str.replace(_DECIMAL_COMMA, ".", regex=True)


def _times(frame: pd.DataFrame, columns: _Columns, timezone: ZoneInfo | None) -> Array:
    text = frame[columns.found["time"]].str.strip()
    clock_only = text.str.match(r"\d{1,2}:\d\d", na=False)
    if clock_only.any() and "date" in columns.found:
        text = text.where(~clock_only, frame[columns.found["date"]].str.strip() + " " + text)
    text = _with_points(text).str.replace(_COMPACT, r"\1-\2-\3T\4:\5:\6.\7\g<8>0\9", regex=True)
    seconds = np.array(pd.to_numeric(text, errors="coerce"), np.float64)
    seconds[~np.isfinite(seconds)] = np.nan
    if np.isfinite(seconds).sum() <= text.notna().sum() / 2:
        in_utc = _UTC_NAME.search(columns.found["time"])
        return _parsed(text, _UTC if in_utc or timezone is None else timezone)
    size = float(np.nanmedian(np.abs(seconds)))
    return seconds * next((unit for least, unit in _EPOCH_UNITS if size >= least), 1.0)


def _parsed(text: "pd.Series[str]", timezone: ZoneInfo) -> Array:
    """Seconds since 1970 of dates that begin with the year, in `timezone` where they state none.

    The order of day and month is anyone's guess in others; and so is an hour that a zone's clocks show twice, or never.
    """
    text = text.where(text.str.match(r"\d{4}[-/.]?\d", na=False)).str.replace(_FROM_UTC, _offset, regex=True)
    times = pd.to_datetime(text, utc=True, format="ISO8601", errors="coerce")
    if times.notna().sum() < text.notna().sum():
        times = times.fillna(pd.to_datetime(text, utc=True, format="mixed", errors="coerce"))
    bare = ~text.str.contains(_STATED_ZONE, na=False)
    local = times[bare].dt.tz_localize(None).dt.tz_localize(timezone, ambiguous="NaT", nonexistent="NaT")
    times = times.where(~bare, local.dt.tz_convert("UTC"))
    return np.asarray((times - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1), np.float64)


def _offset(said: re.Match[str]) -> str:
    return f"{said[1]}{int(said[2]):02d}:{said[3] or '00'}"


def _fitting_factor(fixes: Fixes) -> float:
    """The unit of speed, as a factor to m/s, that agrees best with the distances; nan where too little moves."""
    lon, lat, speed = fixes.lon, fixes.lat, fixes.speed_mps
    travelled = distance_m(lon[:-1], lat[:-1], lon[1:], lat[1:]) / np.diff(fixes.t_s)
    stated = (speed[:-1] + speed[1:]) / 2
    moving = (travelled > _MOVING_MPS) & (stated > 0)
    if moving.sum() < _ENOUGH_STEPS:
        return float("nan")
    ratio = float(np.median(travelled[moving] / stated[moving]))
    return min((1.0, KMH_MPS, KNOT_MPS, MPH_MPS), key=lambda factor: abs(np.log(factor / ratio)))
