"""Which fixes are believed: the physically impossible ones are rejected, each with its reason."""

import datetime as dt
from dataclasses import dataclass, replace
from typing import Final, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from geo.track.fixes import Array, Fixes
from geo.track.sphere import on_sphere
from geo.track.units import KMH_MPS

NO_DATE: Final = "no_date"
OUT_OF_RANGE: Final = "out_of_range"
NULL_ISLAND: Final = "null_island"
JUMP: Final = "jump"
STALE: Final = "stale"

_FIRST_S: Final = dt.datetime(1980, 1, 1, tzinfo=dt.UTC).timestamp()
_END_S: Final = dt.datetime(2200, 1, 1, tzinfo=dt.UTC).timestamp()
"""Satellites have told the time since 1980; what is later than any drive is a unit misread or a row cut short."""
_LOOK_BACK: Final = 4096
_APART_S: Final = 3600.0
_FEW: Final = 2
_FEW_SHARE: Final = 0.05
"""Of the longest piece: where all pieces are as short, such as of pictures taken one by one, none is left over."""


class CleanLimits(BaseModel):
    """What a road vehicle and a receiver cannot do."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_speed_kmh: float = Field(default=200.0, gt=0, description="a faster step between two fixes is a jump")
    noise_m: float = Field(default=10.0, ge=0, description="distance that the receiver's error alone may add to a step")
    null_island_deg: float = Field(default=0.01, ge=0, description="this near 0° N 0° E there is no road")


def clean(fixes: Fixes, limits: CleanLimits | None = None) -> tuple[Fixes, pd.DataFrame]:
    """Reject what cannot be true, and unset speeds and courses that cannot.

    Of fixes that contradict each other by their distance, the fewest are rejected that leave no jump: one outlier
    goes alone, rather than all that follow it; and so does a first fix left over from the last drive. Where that drive
    was so long ago that the vehicle may have come from there, it is known by being alone: one or two fixes, more than
    an hour from the others.

    Args:
        fixes: as read.
        limits: the defaults suit a road vehicle.

    Returns:
        The believed fixes, and the others: `t_s`, `lon`, `lat`, `reason` (`no_date`, `out_of_range`, `null_island`,
        `jump`, `stale`).
    """
    limits = CleanLimits() if limits is None else limits
    reason = np.full(len(fixes), "", dtype=object)
    near_null = np.maximum(np.abs(fixes.lon), np.abs(fixes.lat)) < limits.null_island_deg
    reason[near_null] = NULL_ISLAND
    reason[(np.abs(fixes.lat) > 90) | (np.abs(fixes.lon) > 180)] = OUT_OF_RANGE
    reason[(fixes.t_s < _FIRST_S) | (fixes.t_s >= _END_S)] = NO_DATE
    rest = np.flatnonzero(reason == "")
    candidates = fixes.where(rest)
    reason[rest[~_consistent(candidates, limits)]] = JUMP
    believed = np.flatnonzero(reason == "")
    reason[believed[_left_over(fixes.t_s[believed])]] = STALE
    gone = reason != ""
    table = {"t_s": fixes.t_s[gone], "lon": fixes.lon[gone], "lat": fixes.lat[gone], "reason": reason[gone]}
    return _plausible_motion(fixes.where(~gone), limits), pd.DataFrame(table)


def _left_over(t_s: Array) -> npt.NDArray[np.bool_]:
    """Mask (n,) of the one or two fixes, at times (n,) in order, that lie more than an hour from all the others."""
    piece = np.cumsum(np.diff(t_s, prepend=t_s[:1]) > _APART_S)
    size = np.bincount(piece)
    few = (size <= _FEW) & (size <= _FEW_SHARE * size.max(initial=0))
    return np.asarray(few[piece], bool)


def _plausible_motion(fixes: Fixes, limits: CleanLimits) -> Fixes:
    """Unset what cannot be a speed or a course; phones write -1 for either where they do not know it."""
    speed, bearing, sd = fixes.speed_mps, fixes.bearing_deg, fixes.sd_m
    return replace(
        fixes,
        speed_mps=np.where((speed >= 0) & (speed <= limits.max_speed_kmh * KMH_MPS), speed, np.nan),
        bearing_deg=np.where((bearing >= 0) & (bearing <= 360), bearing % 360, np.nan),
        sd_m=np.where(sd > 0, sd, np.nan),
    )


@dataclass(slots=True)
class _Chains:
    """For each fix, the best sequence of fixes without a jump that ends there: its count, metres, and last but one."""

    t_s: Array
    place: Array
    count: npt.NDArray[np.int64]
    way_m: Array
    previous: npt.NDArray[np.int64]

    @classmethod
    def of(cls, fixes: Fixes) -> Self:
        n = len(fixes)
        place = on_sphere(fixes.lon, fixes.lat)
        return cls(fixes.t_s, place, np.ones(n, np.int64), np.zeros(n), np.full(n, -1, np.int64))

    def append(self, i: int, last: int, distance_m: float) -> None:
        self.previous[i], self.count[i], self.way_m[i] = last, self.count[last] + 1, self.way_m[last] + distance_m

    def append_to_best(self, i: int, limits: CleanLimits) -> None:
        """Continue the longest sequence that fix i can be reached from; of equals, the one that makes the way short."""
        first = max(0, i - _LOOK_BACK)
        distance_m = np.linalg.norm(self.place[first:i] - self.place[i], axis=1)
        possible = _possible(distance_m, self.t_s[i] - self.t_s[first:i], limits)
        if possible.any():
            count = np.where(possible, self.count[first:i], 0)
            way_m = np.where(count == count.max(), self.way_m[first:i] + distance_m, np.inf)
            best = int(way_m.argmin())
            self.append(i, first + best, float(distance_m[best]))

    def longest(self) -> npt.NDArray[np.bool_]:
        """Mask (n,) of the fixes of the longest sequence; of equals, the shortest in metres."""
        keep = np.zeros(len(self.t_s), bool)
        at = int(np.lexsort((-self.way_m, self.count))[-1]) if len(keep) else -1
        while at >= 0:
            keep[at] = True
            at = int(self.previous[at])
        return keep


def _consistent(fixes: Fixes, limits: CleanLimits) -> npt.NDArray[np.bool_]:
    """Mask (n,) of the most fixes that leave no jump.

    While the last fix ends the one longest sequence and the step from it is possible, there is nothing to choose; only
    elsewhere are earlier fixes looked at.
    """
    chains = _Chains.of(fixes)
    step_m = np.linalg.norm(np.diff(chains.place, axis=0), axis=1)
    possible = _possible(step_m, np.diff(fixes.t_s), limits)
    longest_before = 0
    for i in range(1, len(fixes)):
        if possible[i - 1] and chains.count[i - 1] > longest_before:
            chains.append(i, i - 1, float(step_m[i - 1]))
        else:
            chains.append_to_best(i, limits)
        longest_before = max(longest_before, int(chains.count[i - 1]))
    return chains.longest()


def _possible(distance_m: Array, dt_s: Array, limits: CleanLimits) -> npt.NDArray[np.bool_]:
    return np.asarray(distance_m <= limits.max_speed_kmh * KMH_MPS * dt_s + limits.noise_m)
