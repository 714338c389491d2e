"""How a phone's camera app writes the newest fix into a picture.

Android's `ExifInterface.setGpsInfo` is the model: latitude and longitude to a ten-thousandth of a second of arc, speed
in km/h, and the fix's own time, which EXIF has in UTC. It states no course and no accuracy.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Self

import numpy as np
from PIL import ExifTags
from PIL.TiffImagePlugin import IFDRational

from geo.crs import require_crs, to_lonlat
from pipelines.sample.journey import Array, ReceiverFixes
from pipelines.sample.town import EPSG

_TAG = ExifTags.GPS
_ARC_PARTS = 10_000


@dataclass(frozen=True, slots=True)
class PhoneFixes:
    """What the phone's receiver said, (n,) float64 each, in order of time: s since 1970 UTC, degrees, m/s."""

    t_s: Array
    lon: Array
    lat: Array
    speed_mps: Array

    @classmethod
    def of(cls, fixes: ReceiverFixes) -> Self:
        """The receiver's fixes in degrees."""
        lon, lat = to_lonlat(require_crs(f"EPSG:{EPSG}"), *fixes.xy_m.T)
        return cls(fixes.t_s, lon, lat, fixes.speed_mps)

    def newest(self, t_s: float) -> dict[int, object]:
        """The GPS tags of a picture taken at `t_s`; none before the first fix."""
        k = int(np.searchsorted(self.t_s, t_s, side="right")) - 1
        if k < 0:
            return {}
        moment = dt.datetime.fromtimestamp(float(self.t_s[k]), dt.UTC)
        return {
            _TAG.GPSLatitudeRef: "N" if self.lat[k] >= 0 else "S",
            _TAG.GPSLatitude: _arc(float(self.lat[k])),
            _TAG.GPSLongitudeRef: "E" if self.lon[k] >= 0 else "W",
            _TAG.GPSLongitude: _arc(float(self.lon[k])),
            _TAG.GPSTimeStamp: tuple(IFDRational(part) for part in (moment.hour, moment.minute, moment.second)),
            _TAG.GPSSpeedRef: "K",
            _TAG.GPSSpeed: IFDRational(round(float(self.speed_mps[k]) * 3600), 1000),
            _TAG.GPSDateStamp: f"{moment:%Y:%m:%d}",
        }


def _arc(degrees: float) -> tuple[IFDRational, IFDRational, IFDRational]:
    """Degrees, minutes and seconds of arc, without sign."""
    parts = round(abs(degrees) * 3600 * _ARC_PARTS)
    minutes, seconds = divmod(parts, 60 * _ARC_PARTS)
    return IFDRational(minutes // 60), IFDRational(minutes % 60), IFDRational(seconds, _ARC_PARTS)
