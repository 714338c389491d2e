"""NMEA 0183 logs, read sentence by sentence through pynmea2."""

import datetime as dt
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
import pynmea2

from geo.errors import TrackError
from geo.track.fixes import Array, Fixes, ReadCounts
from geo.track.units import KMH_MPS, KNOT_MPS

_READ: Final = frozenset({"RMC", "GGA", "VTG", "GST"})
_DAY_S: Final = 86_400.0
_NAN: Final = float("nan")


@dataclass(slots=True)
class _Epoch:
    """What the sentences of one moment say together; nan where none of them says it."""

    clock_s: float
    day: float = _NAN
    lon: float = _NAN
    lat: float = _NAN
    speed_mps: float = _NAN
    bearing_deg: float = _NAN
    sd_m: float = _NAN

    def fill(self, **said: float) -> None:
        """Take what is not known yet; the first sentence that says a thing is believed."""
        for name, value in said.items():
            if np.isnan(getattr(self, name)):
                setattr(self, name, value)


def read_nmea(path: Path) -> Fixes:
    """The fixes of an NMEA log: RMC and GGA by their time, VTG with the sentence before it, GST for the error.

    Sentences whose checksum does not match are left out and counted as unreadable; other kinds are passed over.

    Raises:
        TrackError: no sentence with a position, or none with a date.
    """
    epochs: list[_Epoch] = []
    unreadable = 0
    for line in path.read_bytes().decode("ascii", "replace").splitlines():
        start = line.find("$")
        if start < 0 or line[start + 3 : start + 6] not in _READ:
            continue
        try:
            _add(pynmea2.parse(line[start:].strip()), epochs)
        except (ValueError, TypeError, AttributeError, LookupError):
            unreadable += 1
    return _fixes(epochs, unreadable, path)


def _add(sentence: Any, epochs: list[_Epoch]) -> None:
    kind = sentence.sentence_type
    if kind == "VTG":
        if epochs:
            epochs[-1].fill(bearing_deg=_number(sentence.true_track), speed_mps=_vtg_speed(sentence))
        return
    clock_s = _clock_s(sentence.timestamp)
    said = {"RMC": _rmc, "GGA": _gga, "GST": _gst}[kind](sentence)
    if not epochs or epochs[-1].clock_s != clock_s:
        epochs.append(_Epoch(clock_s))
    epochs[-1].fill(**said)


def _rmc(sentence: Any) -> dict[str, float]:
    said: dict[str, float] = {}
    if isinstance(sentence.datestamp, dt.date):
        said["day"] = float((sentence.datestamp - dt.date(1970, 1, 1)).days)
    if sentence.status != "A":
        return said
    speed, course = _number(sentence.spd_over_grnd) * KNOT_MPS, _number(sentence.true_course)
    return said | _position(sentence) | {"speed_mps": speed, "bearing_deg": course}


def _gga(sentence: Any) -> dict[str, float]:
    return _position(sentence) if _number(sentence.gps_qual) > 0 else {}


def _gst(sentence: Any) -> dict[str, float]:
    north, east = _number(sentence.std_dev_latitude), _number(sentence.std_dev_longitude)
    return {"sd_m": float(np.sqrt((north**2 + east**2) / 2))}


def _position(sentence: Any) -> dict[str, float]:
    if not (sentence.lat and sentence.lon):
        return {}
    return {"lon": float(sentence.longitude), "lat": float(sentence.latitude)}


def _vtg_speed(sentence: Any) -> float:
    knots = _number(sentence.spd_over_grnd_kts)
    return _number(sentence.spd_over_grnd_kmph) * KMH_MPS if np.isnan(knots) else knots * KNOT_MPS


def _clock_s(time: dt.time | None) -> float:
    """Seconds since midnight; nan where a receiver without a fix does not know the time."""
    if time is None:
        return _NAN
    return time.hour * 3600 + time.minute * 60 + time.second + time.microsecond / 1e6


def _number(value: Any) -> float:
    return _NAN if value in {None, ""} else float(value)


def _fixes(epochs: list[_Epoch], unreadable: int, path: Path) -> Fixes:
    rows = np.array([[getattr(epoch, f.name) for f in fields(_Epoch)] for epoch in epochs]).reshape(-1, 7)
    clock_s, day, lon, lat, speed, bearing, sd = rows.T
    if not np.isfinite(lon).any():
        remedy = "The receiver may have had no fix; check the log"
        broken = f" ({unreadable} could not be read)" if unreadable else ""
        raise TrackError(f"no NMEA sentence states a position{broken}", where=path, remedy=remedy)
    if not np.isfinite(day + clock_s).any():
        raise TrackError("no NMEA sentence states a date", where=path, remedy="Let the receiver write RMC sentences")
    return Fixes.of(
        _absolute(clock_s, day),
        lon,
        lat,
        speed_mps=speed,
        bearing_deg=bearing,
        sd_m=sd,
        source=str(path),
        counts=ReadCounts(unreadable=unreadable),
    )


def _absolute(clock_s: Array, day: Array) -> Array:
    """Seconds since 1970 from times of day; a sentence without a date is within half a day of the nearest with one."""
    dated = np.flatnonzero(np.isfinite(day + clock_s))
    place = np.arange(len(day))
    after = np.clip(np.searchsorted(dated, place), 0, len(dated) - 1)
    before = np.maximum(after - 1, 0)
    closer = np.abs(dated[before] - place) < np.abs(dated[after] - place)
    nearest = dated[np.where(closer, before, after)]
    reference = (day * _DAY_S + clock_s)[nearest]
    t_s = day[nearest] * _DAY_S + clock_s
    return np.asarray(t_s + np.round((reference - t_s) / _DAY_S) * _DAY_S)
