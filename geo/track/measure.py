"""What the fixes measure, in the plane."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from pyproj import CRS

from geo.crs import grid_convergence_deg, to_plane
from geo.track.fixes import Fixes
from geo.track.kalman import Measurements
from geo.track.motion import ACCELERATION, ERROR, POSITION, SIZE, VELOCITY
from geo.track.poses import Array, unit_vectors

STANDING_MPS = 0.5
ALONG, ACROSS = 2, 3


@dataclass(frozen=True, slots=True)
class Noise:
    """How well a receiver measures.

    Attributes:
        white_m: the part of the position error that is new at every fix, m per axis.
        wander_m: the part that consecutive fixes share for a while, m per axis.
        speed_mps: standard deviation of the receiver's speed, m/s.
        bearing_deg: standard deviation of its bearing while moving, degrees.
        lag_s: by how much its speed and bearing trail its position, s.
    """

    white_m: float
    wander_m: float
    speed_mps: float
    bearing_deg: float
    lag_s: float


@dataclass(frozen=True, slots=True)
class PlaneFixes:
    """Fixes in a plane CRS: times (n,), positions (n, 2) relative to `origin_m`, speed and grid heading (n,) or nan.

    `spread` (n,) is each fix's stated standard deviation over the track's median one, 1 where none is stated.
    """

    t_s: Array
    xy_m: Array
    origin_m: Array
    speed_mps: Array
    heading_deg: Array
    spread: Array

    @classmethod
    def of(cls, fixes: Fixes, crs: CRS) -> "PlaneFixes":
        """Project the fixes, and turn their bearings from true to grid north."""
        xy = np.stack(to_plane(crs, fixes.lon, fixes.lat), axis=-1)
        origin = np.round(xy.mean(axis=0))
        heading = fixes.bearing_deg - grid_convergence_deg(crs, fixes.lon, fixes.lat)
        stated = np.isfinite(fixes.sd_m) & (fixes.sd_m > 0)
        spread = np.ones(len(fixes))
        if stated.any():
            spread[stated] = fixes.sd_m[stated] / np.median(fixes.sd_m[stated])
        return cls(fixes.t_s, xy - origin, origin, fixes.speed_mps, heading % 360.0, np.clip(spread, 0.2, 20.0))

    @property
    def moving(self) -> npt.NDArray[np.bool_]:
        """Where the receiver gives a speed at which a direction means something."""
        return np.isfinite(self.speed_mps) & (self.speed_mps >= STANDING_MPS)

    @property
    def standing(self) -> npt.NDArray[np.bool_]:
        """Where the receiver says that it stands."""
        return np.isfinite(self.speed_mps) & (self.speed_mps < STANDING_MPS)

    def where(self, rows: slice) -> "PlaneFixes":
        """Some consecutive ones of them."""
        arrays = (self.speed_mps[rows], self.heading_deg[rows], self.spread[rows])
        return PlaneFixes(self.t_s[rows], self.xy_m[rows], self.origin_m, *arrays)


def measurements(fixes: PlaneFixes, noise: Noise, direction_deg: Array, weight: Array) -> Measurements:
    """Rows east, north, along and across: the position, the speed along the direction of travel, no speed across it.

    That a vehicle does not slide sideways is the fourth row: its velocity across the receiver's bearing is zero. Where
    the receiver gives no bearing the speed is laid along `direction_deg` and nothing is said across; where it stands,
    both rows say that it does, and no direction is believed. A receiver's velocity comes out of a low-pass filter:
    it is taken as v - lag · a, the first-order response.

    Args:
        fixes: the fixes, n of them.
        noise: how well the receiver measures.
        direction_deg: float64 (n,), the direction of travel over the grid where the receiver gives none.
        weight: float64 (n, 2), ≤ 1: how far to believe each position and each velocity (see `noise.weights`).
    """
    n = len(fixes.t_s)
    given = np.isfinite(fixes.heading_deg) & fixes.moving
    ahead = unit_vectors(np.where(given, fixes.heading_deg, np.nan_to_num(direction_deg)))
    right = np.stack([ahead[:, 1], -ahead[:, 0]], axis=-1)
    value, matrix = np.zeros((n, 4)), np.zeros((n, 4, SIZE))
    value[:, :2] = fixes.xy_m
    matrix[:, [0, 1], [POSITION.start, POSITION.start + 1]] = 1.0
    matrix[:, [0, 1], [ERROR.start, ERROR.start + 1]] = 1.0
    along = fixes.standing | (fixes.moving & (given | np.isfinite(direction_deg)))
    value[along, ALONG] = np.where(fixes.moving, fixes.speed_mps, 0.0)[along]
    for row, vector, used in ((ALONG, ahead, along), (ACROSS, right, given | fixes.standing)):
        matrix[used, row, VELOCITY] = vector[used]
        matrix[used, row, ACCELERATION] = -noise.lag_s * vector[used]
    variance = _variance(fixes, noise, weight)
    variance[~matrix.any(axis=-1)] = 1.0  # not measured: it must not weigh in the likelihood
    return Measurements(value, matrix, variance)


def _variance(fixes: PlaneFixes, noise: Noise, weight: Array) -> Array:
    speed = np.where(fixes.moving, fixes.speed_mps, 0.0)
    variance = np.empty((len(speed), 4))
    variance[:, :2] = ((noise.white_m * fixes.spread) ** 2)[:, None]
    variance[:, ALONG] = noise.speed_mps**2
    variance[:, ACROSS] = noise.speed_mps**2 + (speed * np.radians(noise.bearing_deg)) ** 2
    variance[:, :2] /= weight[:, :1]
    variance[:, 2:] /= weight[:, 1:]
    return variance


def directions(t_s: Array, xy_m: Array, reach_m: float = 10.0) -> Array:
    """The direction of travel through positions (n, 2), degrees (n,); nan where nothing moves `reach_m` around a fix.

    Taken over the nearest fixes that lie `reach_m` apart, because between two neighbours noise has a direction too.
    """
    n = len(t_s)
    out = np.full(n, np.nan)
    index = np.arange(n)
    for reach in range(1, min(n, 6)):
        a, b = np.maximum(index - reach, 0), np.minimum(index + reach, n - 1)
        chord = xy_m[b] - xy_m[a]
        found = np.isnan(out) & (np.hypot(chord[:, 0], chord[:, 1]) >= reach_m)
        out[found] = (np.degrees(np.arctan2(chord[:, 0], chord[:, 1])) % 360.0)[found]
    return out
