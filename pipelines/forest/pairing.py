"""Which crown of one map is which of another.

Pairs are made best first: two crowns that are each other's best partner are one, then the rest choose again. An
assignment that minimises the sum (Hungarian) would rather shift a whole row of crowns by one place than leave a lost
tree without a partner, which hides losses; and it takes minutes where this takes a second.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from pipelines.forest.offset import Places

__all__ = ["pair_crowns"]

Ints = NDArray[np.int64]

_APART_M: Final = 0.5
_APART_SHARE: Final = 0.5
"""Centres of one crown seen twice lie nearer than 0.5 m and half its diameter: boxes' noise, and tall trees lean away
from where the aircraft was."""
_FARTHEST_M: Final = 4.0
_SIZE_RATIO: Final = 2.0


def pair_crowns(old: Places, new: Places) -> Ints:
    """The new crown that each old one is, int64 (old,), -1 for none; one to one.

    Args:
        old: after the offset is taken off.
        new: in the same plane.
    """
    match = np.full(len(old), -1, np.int64)
    if not len(old) or not len(new):
        return match
    found = cKDTree(old.xy_m).sparse_distance_matrix(cKDTree(new.xy_m), _FARTHEST_M, output_type="ndarray")
    i, j = found["i"].astype(np.int64), found["j"].astype(np.int64)
    gate = _APART_M + _APART_SHARE * (old.diameter_m[i] + new.diameter_m[j]) / 2
    size = np.log(old.diameter_m[i] / new.diameter_m[j]) / np.log(_SIZE_RATIO)
    near = (found["v"] <= np.minimum(gate, _FARTHEST_M)) & (np.abs(size) <= 1)
    i, j, cost = i[near], j[near], ((found["v"] / gate) ** 2 + size**2)[near]
    order = np.lexsort((j, i, cost))
    i, j = i[order], j[order]
    while len(i):
        first_of_old, first_of_new = (np.unique(side, return_index=True)[1] for side in (i, j))
        best = np.intersect1d(first_of_old, first_of_new)
        match[i[best]] = j[best]
        free = ~(np.isin(i, i[best]) | np.isin(j, j[best]))
        i, j = i[free], j[free]
    return match
