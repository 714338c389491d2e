"""How far one flight's map lies from another's, told from the crowns themselves.

Every pair of an old and a new crown votes for the shift that would lay one on the other; crowns that are the same agree
on one shift, all others scatter. That is the cross-correlation of the two crown maps, with similar diameters weighing
more, and it needs neither rasters nor a common frame: it bears any number of crowns that one flight alone shows, since
those only raise the floor. What the peak says to a decimetre or two is refined by the pairs themselves, and
what an orthophoto is warped by is followed by the median of neighbouring pairs.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

__all__ = ["Offset", "Places", "find_offset"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_BIN_M: Final = 0.5
_BLUR_M: Final = 0.6
"""Crowns seen twice lie some 0.4 m apart per axis: the peak is looked for at that width."""
_LN_SIZE: Final = 0.35
"""Diameters of one crown seen twice differ by about a third at most (sd of the logarithm)."""
_MOST_VOTERS: Final = 20_000
_CLEAR: Final = 9.0
"""Standard deviations of chance by which the peak stands out of the floor: 40 pairs of unrelated forests stayed below
6, 40 of the same forest began at 24."""
_AHEAD: Final = 7.0
_RIVAL: Final = 0.8
"""In a plantation's rows every step of the grid has a peak. The best must be ahead of the next by so many standard
deviations, and the next below this share of it: 240 pairs of unrelated rows stayed below 6.3; of the same rows, those
whose trees stand 0.3 m off the grid (sd) or more were all ahead by 8."""
_NEAR_M: Final = 1.5
_GATE_M: Final = 2.0
_LEAST_PAIRS: Final = 12
_BLOCK_M: Final = 40.0
_AROUND, _FEWEST, _REACH_M = 25, 10, 80.0


@dataclass(frozen=True, slots=True)
class Places:
    """Crowns: centres `xy_m` float64 (n, 2) and diameters `diameter_m` float64 (n,) in one plane."""

    xy_m: Floats
    diameter_m: Floats

    def __len__(self) -> int:
        return len(self.xy_m)


@dataclass(frozen=True, slots=True)
class Offset:
    """What is added to the old map's places so that they lie on the new one's.

    Attributes:
        east_m: shift as a whole; 0 where it cannot be told.
        north_m: likewise.
        sd_m: its standard deviation per axis; nan where it cannot be told.
        why_not: why it cannot be told; "" where it can.
        n_pairs: crowns of both maps that it rests on.
        residual_m: median distance that is left between the two of a pair, after shift and local field.
        residual_p95_m: its 95th percentile.
        at_m: float64 (n_pairs, 2), where the pairs lie in the new map.
        local_m: float64 (n_pairs, 2), what is left there after the shift as a whole.
    """

    east_m: float = 0.0
    north_m: float = 0.0
    sd_m: float = float("nan")
    why_not: str = ""
    n_pairs: int = 0
    residual_m: float = float("nan")
    residual_p95_m: float = float("nan")
    at_m: Floats = field(default_factory=lambda: np.empty((0, 2)))
    local_m: Floats = field(default_factory=lambda: np.empty((0, 2)))

    @property
    def told(self) -> bool:
        """Whether the shift is known."""
        return not self.why_not

    @property
    def length_m(self) -> float:
        """Of the shift as a whole."""
        return float(np.hypot(self.east_m, self.north_m))

    def shifts(self, xy_m: Floats) -> Floats:
        """What to add to old places (n, 2): the shift as a whole and what the nearest pairs leave, float64 (n, 2)."""
        whole = np.array([self.east_m, self.north_m])
        if not self.n_pairs or not len(xy_m):
            return np.tile(whole, (len(xy_m), 1))
        return whole + _field(self.at_m, self.local_m, xy_m + whole)


def find_offset(old: Places, new: Places, search_m: float) -> Offset:
    """The shift between two maps of the same ground, or why it cannot be told.

    Args:
        old: crowns of the earlier map, in the plane of the new one.
        new: crowns of the new map.
        search_m: no shift is longer.
    """
    if min(len(old), len(new)) < _LEAST_PAIRS:
        return Offset(why_not=f"{min(len(old), len(new))} crowns in one of the maps are too few")
    votes = _votes(old, new, search_m)
    start, why_not = _peak(votes, search_m)
    if start is None:
        return Offset(why_not=why_not)
    return _refined(old, new, start)


def _votes(old: Places, new: Places, search_m: float) -> Floats:
    """Weights of shifts, float64 (k, k): rows north, columns east, the middle bin around no shift."""
    half = int(np.ceil(search_m / _BIN_M))
    side = 2 * half + 1
    votes = np.zeros(side * side)
    tree = cKDTree(new.xy_m)
    voters = np.linspace(0, len(old) - 1, min(len(old), _MOST_VOTERS)).astype(np.int64)
    for chunk in np.array_split(voters, max(1, len(voters) // 2_000)):
        found = cKDTree(old.xy_m[chunk]).sparse_distance_matrix(tree, search_m, output_type="ndarray")
        i, j = chunk[found["i"]], found["j"]
        bins = np.rint((new.xy_m[j] - old.xy_m[i]) / _BIN_M).astype(np.int64) + half
        alike = np.log(new.diameter_m[j] / old.diameter_m[i]) / _LN_SIZE
        votes += np.bincount(bins[:, 1] * side + bins[:, 0], np.exp(-0.5 * alike**2), minlength=side * side)
    blurred = ndimage.gaussian_filter(votes.reshape(side, side), _BLUR_M / _BIN_M, mode="constant")
    return np.asarray(blurred, np.float64)


def _peak(votes: Floats, search_m: float) -> tuple[Floats | None, str]:
    """The shift with the most votes, float64 (2,) m, or why none is trusted."""
    half = votes.shape[0] // 2
    north, east = (axis * _BIN_M for axis in np.mgrid[-half : half + 1, -half : half + 1])
    inside = np.hypot(east, north) <= search_m - _BIN_M
    row, column = np.unravel_index(int(np.argmax(np.where(inside, votes, -1))), votes.shape)
    at = np.array([east[row, column], north[row, column]])
    others = votes[inside & (np.hypot(east - at[0], north - at[1]) > _NEAR_M)]
    floor = float(np.median(others))
    # Votes fall like rain: of a Poisson count blurred by a Gaussian the variance is the mean / (4 π blur²).
    chance = max(float(np.sqrt(others.mean() * _BIN_M**2 / (4 * np.pi * _BLUR_M**2))), 1e-9)
    height, rival = float(votes[row, column]) - floor, float(others.max()) - floor
    if height < _CLEAR * chance:
        return None, f"the crowns of the two maps agree on no shift within {search_m:g} m"
    if rival > _RIVAL * height or height - rival < _AHEAD * chance:
        return None, "several shifts fit the crowns about as well, as in regular rows"
    if np.hypot(*at) > search_m - 2 * _BIN_M:
        return None, f"the maps lie farther apart than the {search_m:g} m that were searched"
    return at, ""


def _refined(old: Places, new: Places, start: Floats) -> Offset:
    shift, gate = start, _GATE_M
    tree = cKDTree(new.xy_m)
    for _ in range(8):
        i, j = _mutual(old.xy_m + shift, new.xy_m, tree, gate)
        if len(i) < _LEAST_PAIRS:
            return Offset(why_not=f"{len(i)} crowns found in both maps are too few")
        left = new.xy_m[j] - old.xy_m[i] - shift
        length = np.hypot(*left.T)
        weight = (1 - (length / gate) ** 2) ** 2  # Tukey's biweight
        shift = shift + (weight[:, None] * left).sum(axis=0) / weight.sum()
        gate = float(np.clip(4.0 * np.median(length), 1.0, _GATE_M))
    return _with_field(old, new, shift)


def _with_field(old: Places, new: Places, shift: Floats) -> Offset:
    """Pairs, and what is left at them: once as they are, once more where the first field lays them."""
    tree = cKDTree(new.xy_m)
    moved = old.xy_m + shift
    for _ in range(2):
        i, j = _mutual(moved, new.xy_m, tree, _GATE_M)
        at, local = new.xy_m[j], new.xy_m[j] - old.xy_m[i] - shift
        moved = old.xy_m + shift + _field(at, local, old.xy_m + shift)
    left = np.hypot(*(new.xy_m[j] - moved[i]).T)
    p50, p95 = np.percentile(left, [50, 95])
    east, north = shift.tolist()
    return Offset(east, north, _sd(at, local), "", len(i), float(p50), float(p95), at, local)


def _mutual(moved: Floats, new: Floats, tree: cKDTree, gate: float) -> tuple[Ints, Ints]:
    """Pairs that are each other's nearest, nearer than `gate`."""
    distance, nearest = tree.query(moved)
    back = cKDTree(moved).query(new)[1]
    i = np.flatnonzero((back[nearest] == np.arange(len(moved))) & (distance < gate))
    return i, nearest[i]


def _field(at: Floats, local: Floats, where: Floats) -> Floats:
    """Median of what the nearest pairs leave, float64 (n, 2); none where few are near."""
    count = min(_AROUND, len(at))
    distance, nearest = cKDTree(at).query(where, k=np.arange(1, count + 1))
    values = np.where((distance <= _REACH_M)[..., None], local[nearest], np.nan)
    known = (distance <= _REACH_M).sum(axis=1) >= _FEWEST
    left = np.zeros_like(where)
    left[known] = np.nanmedian(values[known], axis=1)
    return left


def _sd(at: Floats, local: Floats) -> float:
    """Per axis, m: of the mean over blocks of 40 m, since an orthophoto's warp is the same for neighbours.

    The linearised (sandwich) variance of a clustered mean: Särndal, Swensson and Wretman 1992, section 8.
    """
    local = np.clip(local, -_GATE_M, _GATE_M)
    centred = local - local.mean(axis=0)
    block = np.unique(np.floor(at / _BLOCK_M).astype(np.int64), axis=0, return_inverse=True)[1].ravel()
    n_blocks = int(block.max()) + 1
    sums = np.column_stack([np.bincount(block, centred[:, axis]) for axis in (0, 1)])
    clustered = (sums**2).sum() / 2 / len(at) ** 2 * n_blocks / max(1, n_blocks - 1)
    plain = (centred**2).sum() / 2 / len(at) ** 2
    return float(np.sqrt(max(clustered, plain)))
