"""Which fixes are believed: the physically impossible ones are rejected, each with its reason."""

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from geo.track.fixes import Array, Fixes
from geo.track.sphere import on_sphere
from geo.track.units import KMH_MPS

OUT_OF_RANGE: Final = "out_of_range"
NULL_ISLAND: Final = "null_island"
JUMP: Final = "jump"

_LOOK_BACK: Final = 4096


class CleanLimits(BaseModel):
    """What a road vehicle and a receiver cannot do."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    max_speed_kmh: float = Field(default=200.0, gt=0, description="a faster step between two fixes is a jump")
    noise_m: float = Field(default=15.0, ge=0, description="distance that the receiver's error alone may add to a step")
    null_island_deg: float = Field(default=0.01, ge=0, description="this near 0° N 0° E there is no road")


def clean(fixes: Fixes, limits: CleanLimits | None = None) -> tuple[Fixes, pd.DataFrame]:
    """Reject what cannot be true, and unset speeds and courses that cannot.

    Of fixes that contradict each other by their distance, the fewest are rejected that leave no jump: one outlier
    goes alone, rather than all that follow it; and so does a first fix left over from the last drive.

    Args:
        fixes: as read.
        limits: the defaults suit a road vehicle.

    Returns:
        The believed fixes, and the others: `t_s`, `lon`, `lat`, `reason` (`out_of_range`, `null_island`, `jump`).
    """
    limits = CleanLimits() if limits is None else limits
    reason = np.full(len(fixes), "", dtype=object)
    near_null = np.maximum(np.abs(fixes.lon), np.abs(fixes.lat)) < limits.null_island_deg
    reason[near_null] = NULL_ISLAND
    reason[(np.abs(fixes.lat) > 90) | (np.abs(fixes.lon) > 180)] = OUT_OF_RANGE
    rest = np.flatnonzero(reason == "")
    candidates = fixes.where(rest)
    reason[rest[~_consistent(candidates, limits)]] = JUMP
    gone = reason != ""
    table = {"t_s": fixes.t_s[gone], "lon": fixes.lon[gone], "lat": fixes.lat[gone], "reason": reason[gone]}
    return _plausible_motion(fixes.where(~gone), limits), pd.DataFrame(table)


def _plausible_motion(fixes: Fixes, limits: CleanLimits) -> Fixes:
    """Unset what cannot be a speed or a course; phones write -1 for either where they do not know it."""
    speed, bearing, sd = fixes.speed_mps, fixes.bearing_deg, fixes.sd_m
    return replace(
        fixes,
        speed_mps=np.where((speed >= 0) & (speed <= limits.max_speed_kmh * KMH_MPS), speed, np.nan),
        bearing_deg=np.where((bearing >= 0) & (bearing <= 360), bearing % 360, np.nan),
        sd_m=np.where(sd > 0, sd, np.nan),
    )


def _consistent(fixes: Fixes, limits: CleanLimits) -> npt.NDArray[np.bool_]:
    """Mask (n,) of the longest sequence of fixes whose every step is slow enough.

    `length[i]` is that of the longest such sequence that ends at fix i. While the sequence so far is the longest of
    all and its next step is possible, there is nothing to choose; only elsewhere are earlier fixes looked at.
    """
    keep = np.zeros(len(fixes), bool)
    if len(fixes) == 0:
        return keep
    place = on_sphere(fixes.lon, fixes.lat)
    length, previous = np.ones(len(fixes), np.int64), np.full(len(fixes), -1)
    possible = _possible(place[:-1], place[1:], np.diff(fixes.t_s), limits)
    longest = 1
    for i in range(1, len(fixes)):
        if possible[i - 1] and length[i - 1] == longest:
            previous[i] = i - 1
        else:
            first = max(0, i - _LOOK_BACK)
            ok = _possible(place[first:i], place[i], fixes.t_s[i] - fixes.t_s[first:i], limits)
            choice = np.where(ok, length[first:i], 0)[::-1]
            best = int(choice.argmax())
            previous[i] = i - 1 - best if choice[best] else -1
        length[i] = length[previous[i]] + 1 if previous[i] >= 0 else 1
        longest = max(longest, int(length[i]))
    at = int(length.argmax())
    while at >= 0:
        keep[at] = True
        at = int(previous[at])
    return keep


def _possible(start: Array, end: Array, dt_s: Array, limits: CleanLimits) -> npt.NDArray[np.bool_]:
    distance = np.linalg.norm(end - start, axis=-1)
    return np.asarray(distance <= limits.max_speed_kmh * KMH_MPS * dt_s + limits.noise_m)
