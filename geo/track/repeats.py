"""Positions that are stated again after the vehicle has left them."""

from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from geo.track.fixes import Array, Fixes
from geo.track.sphere import distance_m

_MOVING_MPS: Final = 1.0


def new_fixes(t_s: Array, said: Array) -> npt.NDArray[np.int64]:
    """Places, in order of time, of the records that do not say the same as the one before them.

    Args:
        t_s: float64 (n,), when the records were written, in any order.
        said: float64 (n, k), what each says of its fix.
    """
    order = np.argsort(t_s, kind="stable")
    in_time = said[order]
    repeated = np.append(np.zeros(min(len(order), 1), bool), (in_time[1:] == in_time[:-1]).all(axis=1))
    return np.asarray(order[~repeated])


def without_repeats(fixes: Fixes) -> Fixes:
    """The fixes without those that repeat a position while the vehicle moves, which count as duplicates.

    A logger of ten rows a second that has a fix a second writes each ten times: nine rows lie behind the vehicle. Where
    it stands the repeats are true, and stay: a position counts as left at once if the way to the next one, over the
    time until then, is faster than a walk. The last position counts as left if the one before does and it is
    stated no longer than usual: a vehicle that has just stopped stands.
    """
    new = new_fixes(fixes.t_s, np.column_stack([fixes.lon, fixes.lat]))
    if len(new) < 2:
        return fixes
    lon, lat = fixes.lon[new], fixes.lat[new]
    step_m = distance_m(lon[:-1], lat[:-1], lon[1:], lat[1:])
    stayed_s = np.append(fixes.t_s[new[1:]], fixes.t_s[-1]) - fixes.t_s[new]
    left = step_m > _MOVING_MPS * stayed_s[:-1]
    left = np.append(left, left[-1] and stayed_s[-1] <= np.median(stayed_s[:-1]))
    first = np.zeros(len(fixes), bool)
    first[new] = True
    keep = first | ~left[np.cumsum(first) - 1]
    counts = replace(fixes.counts, duplicates=fixes.counts.duplicates + int((~keep).sum()))
    return replace(fixes.where(keep), counts=counts)
