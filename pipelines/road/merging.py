"""One defect from the runs of one or several passes.

Within a pass a run may have broken (a sighting fell outside the gate): its pieces are stitched where they lie
together and
never share a frame. Between passes the track's error is not shared: everything that one pass saw around a place is
shifted
against what another saw there, all by nearly the same amount. That common shift is estimated first, from the pattern
of the
neighbours, and removed before runs are assigned to known defects one to one.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from pipelines.road.sightings import Array, Index, Sightings, family_mask
from pipelines.road.tracking import assign, drift_variance, invert

# A pass's shift is sought among neighbours this near.
_WINDOW_M = 50.0
# What remains between two passes once their common shift is removed.
_PATTERN_SD_M = 0.5
_MOST_TRIED = 64
# A family of classes with less of a run's evidence is a slip of the detector, not what the run may be.
_CONTESTED = 1 / 3
# Pieces that cover the same ground differ no more in area: far off, a side is uncertain by half of itself.
_ALIKE = 1 / 3
_LEAST_SIDE_M = 0.2
# Driving between two pieces of one broken run: half of how far a camera sees.
_PIECES_APART_M = 10.0


@dataclass(frozen=True, slots=True)
class MergeGates:
    """What may be the same defect in two runs; see `consolidate.ConsolidateParams`, whose names these are."""

    same_m: float
    gate_sigmas: float
    model_sd_m: float
    extent_share: float
    track_memory_m: float
    view_correlation: float


@dataclass(frozen=True, slots=True)
class Runs:
    """n runs: what single passes know of defects.

    Attributes:
        xy_m: (n, 2) float64, map m.
        cov_view: (n, 2, 2) float64, m²: camera and box only.
        track_sd_m: (n,) float64, m per axis: the track's part, which more sightings do not shrink.
        extent_m: (n,) float64: half of length plus width, of the nearest sighting.
        family: (n,) int64, one bit for each family of classes that it may be.
        passes: (n,) int64.
        frames: n sets of frame numbers.
        links: n sets of the links its sightings were snapped to; empty off the network.
    """

    xy_m: Array
    cov_view: Array
    track_sd_m: Array
    extent_m: Array
    family: Index
    passes: Index
    frames: list[frozenset[int]]
    links: list[frozenset[str]]

    def __len__(self) -> int:
        return len(self.family)

    @property
    def cov(self) -> Array:
        """(n, 2, 2) float64, m²: view and track together."""
        return self.cov_view + np.square(self.track_sd_m)[:, None, None] * np.eye(2)


@dataclass(frozen=True, slots=True)
class Fused:
    """Places of n defects: (n, 2) float64, map m, and covariance (n, 2, 2) float64, m²."""

    xy_m: Array
    cov: Array


def runs_of(sightings: Sightings, label: Index, passes: Index, view_correlation: float) -> Runs:
    """Fuse the sightings of each run by inverse covariance of the view's part.

    Args:
        sightings: n sightings.
        label: (n,) int64, the run of each, numbered without gaps.
        passes: (n,) int64, the pass of each.
        view_correlation: correlation of the view errors of two sightings in one run (camera height, mean pitch): the
            variance of a mean of n equals (1 + (n − 1)·ρ)/n of one.
    """
    n = int(label.max()) + 1 if len(label) else 0
    info, vector = np.zeros((n, 2, 2)), np.zeros((n, 2))
    each = invert(sightings.cov_view)
    np.add.at(info, label, each)
    np.add.at(vector, label, np.einsum("nij,nj->ni", each, sightings.xy_m))
    count = np.bincount(label, minlength=n)
    cov = invert(info)
    first = _nearest(sightings, label)
    return Runs(
        xy_m=np.einsum("nij,nj->ni", cov, vector),
        cov_view=cov * (1 + (count - 1) * view_correlation)[:, None, None],
        track_sd_m=np.bincount(label, sightings.track_sd_m, minlength=n) / np.maximum(count, 1),
        extent_m=sightings.extent_m[first].sum(axis=1) / 2,
        family=_families(sightings.evidence, label, n),
        passes=passes[first],
        frames=_sets(label, sightings.frame, n),
        links=[found - {""} for found in _sets(label, sightings.link, n)],
    )


def fuse(runs: Runs, defect: Index) -> Fused:
    """Where defects lie, from the runs of all passes.

    Sightings of a pass were fused by the view's part, and its share of the track's error is added once; passes, whose
    errors have nothing in common, are fused by the sum.

    Args:
        runs: the runs.
        defect: (runs,) int64, the defect of each, numbered without gaps.
    """
    n = int(defect.max(initial=-1)) + 1
    each = invert(runs.cov)
    info, vector = np.zeros((n, 2, 2)), np.zeros((n, 2))
    np.add.at(info, defect, each)
    np.add.at(vector, defect, np.einsum("nij,nj->ni", each, runs.xy_m))
    cov = invert(info)
    return Fused(np.einsum("nij,nj->ni", cov, vector), cov)


def _families(evidence: Array, label: Index, n: int) -> Index:
    """(n,) int64 bits: the families that carry a fair part of a run's evidence."""
    total = np.zeros((n, evidence.shape[1]))
    np.add.at(total, label, evidence)
    fair = np.minimum(_CONTESTED * total.sum(axis=1), total.max(axis=1))
    return family_mask(total >= np.maximum(fair, 1e-12)[:, None])


def _nearest(sightings: Sightings, label: Index) -> Index:
    """(n,) int64: the sighting of each run that was made nearest to it."""
    order = np.lexsort((sightings.row, sightings.forward_m, label))
    return np.asarray(order[np.unique(label[order], return_index=True)[1]], np.int64)


def _sets(label: Index, values: NDArray[np.generic], n: int) -> list[frozenset]:  # type: ignore[type-arg]
    found: list[set[object]] = [set() for _ in range(n)]
    for which, value in zip(label.tolist(), values.tolist(), strict=True):
        found[which].add(value)
    return [frozenset(one) for one in found]


@dataclass(frozen=True, slots=True)
class Outlines:
    """The ground that n runs cover, as their nearest sightings show it.

    Attributes:
        sides_m: (n, 2) float64, along and across the heading, m.
        ahead: (n, 2) float64, unit vector of the heading.
    """

    sides_m: Array
    ahead: Array


def outlines_of(sightings: Sightings, label: Index) -> Outlines:
    """The outlines of runs.

    Args:
        sightings: n sightings.
        label: (n,) int64, the run of each, numbered without gaps.
    """
    first = _nearest(sightings, label)
    return Outlines(np.maximum(sightings.extent_m[first], _LEAST_SIDE_M), sightings.ahead[first])


def stitch(runs: Runs, outlines: Outlines, gates: MergeGates) -> Index:
    """Join the pieces of broken runs within each pass, the likeliest first.

    Pieces of one run never share a frame. They lie together after uncertainty, or the smaller lies on the larger (a
    long crack is cut by the picture's edge as the vehicle nears it). Pieces of different families are one only where
    they cover about the same ground: far off a crack is often taken for a hole, and a hole in a crack is smaller.

    Returns:
        (n,) int64, equal for runs that are pieces of one, numbered without gaps.
    """
    reach = max(gates.same_m, float(outlines.sides_m.max(initial=0.0)))
    i, j = near_pairs(runs.xy_m, runs.xy_m, reach)
    kept = (i < j) & (runs.passes[i] == runs.passes[j])
    i, j = i[kept], j[kept]
    drift = drift_variance(np.square(runs.track_sd_m[i]), np.full(len(i), _PIECES_APART_M), gates.track_memory_m)
    spread = _spread(runs, i, j, gates, gates.model_sd_m) + drift[:, None, None] * np.eye(2)
    offset = runs.xy_m[i] - runs.xy_m[j]
    cost = _distance(offset, spread)
    together = (cost < gates.gate_sigmas**2) & (np.linalg.norm(offset, axis=1) <= gates.same_m)
    area = outlines.sides_m.prod(axis=1)
    alike = np.minimum(area[i], area[j]) >= _ALIKE * np.maximum(area[i], area[j])
    larger = np.where(area[i] >= area[j], i, j)
    named = (runs.family[i] & runs.family[j]) > 0
    near = np.where(named, together | _lies_on(offset, spread, outlines, larger), together & alike)
    return _joined(runs, (i[near], j[near]), cost[near] + np.where(named, 0.0, gates.gate_sigmas**2)[near])


def _joined(runs: Runs, pairs: tuple[Index, Index], cost: Array) -> Index:
    """(n,) int64: groups made of the pairs, the cheapest first; runs that share a frame or no link stay apart."""
    i, j = pairs
    group = list(range(len(runs)))
    members = {k: {k} for k in group}
    frames = dict(enumerate(runs.frames))
    for k in np.lexsort((j, i, cost)):
        a, b = group[i[k]], group[j[k]]
        if a != b and not frames[a] & frames[b] and _meet(runs.links[a], runs.links[b]):
            frames[a] |= frames.pop(b)
            for member in members[b]:
                group[member] = a
            members[a] |= members.pop(b)
    return np.unique(np.array(group, np.int64), return_inverse=True)[1].astype(np.int64)


def _lies_on(offset: Array, spread: Array, outlines: Outlines, larger: Index) -> NDArray[np.bool_]:
    """(pairs,) bool: the smaller's middle lies on the larger's rectangle, a standard deviation granted."""
    ahead = outlines.ahead[larger]
    inside = np.ones(len(offset), bool)
    for side, unit in enumerate((ahead, np.column_stack([ahead[:, 1], -ahead[:, 0]]))):
        sd = np.sqrt(np.einsum("ni,nij,nj->n", unit, spread, unit))
        inside &= np.abs((offset * unit).sum(axis=1)) <= outlines.sides_m[larger, side] / 2 + sd
    return inside


def merge(runs: Runs, gates: MergeGates) -> Index:
    """Say which runs of different passes show the same defect.

    Passes are taken in order of time; each is assigned to what the earlier ones found.

    Returns:
        (n,) int64: the defect of each run, numbered without gaps.
    """
    root = np.arange(len(runs))
    info = invert(runs.cov)
    vector = np.einsum("nij,nj->ni", info, runs.xy_m)
    links, family = list(runs.links), runs.family.copy()
    known = np.empty(0, np.int64)
    for number in np.unique(runs.passes):
        rows = np.flatnonzero(runs.passes == number)
        cov = invert(info[known])
        xy = np.einsum("nij,nj->ni", cov, vector[known])
        for row, to in _match(runs, rows, (known, xy, cov), (links, family), gates):
            root[row] = to
            info[to] += info[row]
            vector[to] += vector[row]
            links[to] |= links[row]
            family[to] |= family[row]
        known = np.append(known, rows[root[rows] == rows])
    return np.unique(root, return_inverse=True)[1].astype(np.int64)


def _match(
    runs: Runs,
    rows: Index,
    known: tuple[Index, Array, Array],
    named: tuple[list[frozenset[str]], Index],
    gates: MergeGates,
) -> list[tuple[int, int]]:
    """Pairs (run, known defect) of one pass, one to one."""
    (root, xy, cov), (links, family) = known, named
    if not len(root) or not len(rows):
        return []
    total = np.sqrt(np.trace(runs.cov[rows], axis1=1, axis2=2).max() / 2 + np.trace(cov, axis1=1, axis2=2).max() / 2)
    i, j = near_pairs(runs.xy_m[rows], xy, gates.same_m + 2 * float(total))
    kept = runs.family[rows[i]] & family[root[j]] > 0
    kept &= np.array([_meet(runs.links[rows[a]], links[root[b]]) for a, b in zip(i, j, strict=True)], bool)
    i, j = i[kept], j[kept]
    offset = xy[j] - runs.xy_m[rows[i]]
    apart = np.linalg.norm(offset, axis=1)
    unit = offset / np.maximum(apart, 1e-9)[:, None]
    along = np.sqrt(np.einsum("ni,nij,nj->n", unit, runs.cov[rows[i]] + cov[j], unit))
    kept = apart <= gates.same_m + 2 * along
    i, j, offset = i[kept], j[kept], offset[kept]
    shift_var = np.square(runs.track_sd_m[rows]) + np.square(runs.track_sd_m[root].mean())
    shift = _shifts(runs.xy_m[rows], i, offset, shift_var, gates)
    spread = _spread(runs, rows[i], root[j], gates, _PATTERN_SD_M)
    cost = _distance(offset - shift[i], spread)
    return [(int(rows[a]), int(root[b])) for a, b in one_to_one(i, j, cost, gates.gate_sigmas**2)]


def near_pairs(a: Array, b: Array, radius: float) -> tuple[Index, Index]:
    """Indices of pairs no farther apart than `radius`, in order."""
    if not len(a) or not len(b):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    found = KDTree(a).sparse_distance_matrix(KDTree(b), radius, output_type="ndarray")
    order = np.lexsort((found["j"], found["i"]))
    return found["i"][order].astype(np.int64), found["j"][order].astype(np.int64)


def _spread(runs: Runs, i: Index, j: Index, gates: MergeGates, sd_m: float) -> Array:
    """(pairs, 2, 2) m²: how far apart two runs of one defect may lie, the tracks' errors aside."""
    size = gates.extent_share * np.minimum(runs.extent_m[i], runs.extent_m[j])
    return runs.cov_view[i] + runs.cov_view[j] + (sd_m**2 + size**2)[:, None, None] * np.eye(2)


def _distance(offset: Array, spread: Array) -> Array:
    """(pairs,) squared Mahalanobis distance."""
    return np.asarray(np.einsum("ni,nij,nj->n", offset, invert(spread), offset))


def _meet(a: frozenset[str], b: frozenset[str]) -> bool:
    """Whether two runs may lie on one link: near a junction a defect is snapped now to one, now to the other."""
    return bool(a & b) or not (a or b)


def _shifts(xy_m: Array, i: Index, offset: Array, shift_var: Array, gates: MergeGates) -> Array:
    """Common shift of a pass against what is known, at each of its runs.

    Args:
        xy_m: (n, 2) float64, the pass's runs.
        i: (pairs,) int64, the run of each candidate pair, ascending.
        offset: (pairs, 2) float64, known less seen, m.
        shift_var: (n,) float64, m²: prior variance of the shift per axis.
        gates: a misfit beyond `gate_sigmas` no longer counts.

    Returns:
        (n, 2) float64, m.
    """
    shift = np.zeros_like(xy_m)
    having = np.unique(i)
    if not len(having):
        return shift
    bounds = np.searchsorted(i, np.append(having, len(xy_m)))
    tree = KDTree(xy_m[having])
    for k, around in enumerate(tree.query_ball_point(xy_m[having], _WINDOW_M)):
        away = np.linalg.norm(xy_m[having[around]] - xy_m[having[k]], axis=1)
        near = np.lexsort((around, away))[:_MOST_TRIED]
        first = bounds[np.asarray(around)[near]]
        count = bounds[np.asarray(around)[near] + 1] - first
        starts = np.cumsum(count) - count
        pairs = np.arange(int(count.sum())) + np.repeat(first - starts, count)
        variance = float(shift_var[having[k]])
        misfit_var = 2 * _PATTERN_SD_M**2 + drift_variance(variance, away[near], gates.track_memory_m)
        votes = _Votes(offset[pairs], np.repeat(misfit_var, count), starts)
        shift[having[k]] = _best_shift(votes, variance, gates.gate_sigmas**2)
    return shift


@dataclass(frozen=True, slots=True)
class _Votes:
    """Offsets (m, 2) m to known defects that a run and its neighbours propose, variances (m,) m², each run's start."""

    offset: Array
    variance: Array
    starts: Index


def _best_shift(votes: _Votes, prior: float, gate: float) -> Array:
    """The shift (2,) m that explains most runs, a large one at its own cost."""
    tried = np.vstack([np.zeros((1, 2)), votes.offset[:_MOST_TRIED]])
    east, north = (votes.offset[None, :, axis] - tried[:, axis, None] for axis in (0, 1))
    misfit = (east * east + north * north) / votes.variance
    best = np.minimum(np.minimum.reduceat(misfit, votes.starts, axis=1), gate).sum(axis=1)
    winner = int(np.argmin(best + np.square(tried).sum(axis=1) / max(prior, 1e-6)))
    inlier = misfit[winner] < gate
    if not inlier.any():
        return np.asarray(tried[winner])
    # The mean of what agrees, drawn towards zero as far as the tracks' own claim warrants.
    weight = 1 / votes.variance[inlier]
    mean: Array = weight @ votes.offset[inlier] / (weight.sum() + 1 / max(prior, 1e-6))
    return mean


def one_to_one(i: Index, j: Index, cost: Array, gate: float) -> list[tuple[int, int]]:
    """Assignment of least cost over sparse candidate pairs, one connected group at a time."""
    near = cost < gate
    i, j, cost = i[near], j[near], cost[near]
    if not len(i):
        return []
    n = int(max(i.max(), j.max())) + 1
    graph = coo_array((np.ones(len(i), np.int8), (i, j + n)), shape=(2 * n, 2 * n))
    _, component = connected_components(graph, directed=False)
    order = np.lexsort((j, i, component[i]))
    cuts = np.flatnonzero(np.diff(component[i][order])) + 1
    pairs = []
    for part in np.split(order, cuts):
        left, a = np.unique(i[part], return_inverse=True)
        right, b = np.unique(j[part], return_inverse=True)
        dense = np.full((len(left), len(right)), np.inf)
        dense[a, b] = cost[part]
        chosen = assign(dense, gate)
        pairs += [(int(left[k]), int(right[c])) for k, c in enumerate(chosen) if c >= 0]
    return pairs
