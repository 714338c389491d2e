"""Following defects through one pass: which sightings of neighbouring frames show the same thing.

Within a pass the track's error is shared by neighbouring frames, so only the view's own error separates two
sightings. The
largest part of that, the vehicle's pitching, is in turn shared by all boxes of one frame: it shifts them together, by
κ·forward² (small angles over a flat road). Each frame is therefore associated jointly: the κ under which its boxes
fit the
defects known so far is sought first, then boxes are assigned one to one (joint compatibility: Neira & Tardós 2001).

Frames are taken backwards in time. Then a defect is first met where it was nearest and best located, and its far,
uncertain
sightings come last.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment
from scipy.spatial import KDTree

from pipelines.road.sightings import Array, Index, Sightings


@dataclass(frozen=True, slots=True)
class Gates:
    """What may be the same defect within a pass; see `consolidate.ConsolidateParams`, whose names these are."""

    same_m: float
    gate_sigmas: float
    model_sd_m: float
    extent_share: float
    track_memory_m: float
    pitch_share: float
    reach_m: float


def follow(sightings: Sightings, passes: Index, gates: Gates) -> Index:
    """Chain sightings of each pass into runs.

    Args:
        sightings: n of them, in order of time.
        passes: (n,) int64, the pass each was made in.
        gates: what may be the same.

    Returns:
        (n,) int64: the run each sighting belongs to, numbered from 0 in no stated order.
    """
    views = _views(sightings, gates)
    frames = np.split(np.arange(len(sightings)), np.flatnonzero(np.diff(sightings.frame)) + 1)
    run = np.full(len(sightings), -1, np.int64)
    live: list[_Defect] = []
    previous, next_run = -1, 0
    for rows in reversed(frames if len(sightings) else []):
        boxes = views[rows[0] : rows[-1] + 1]
        if passes[rows[0]] != previous:
            live, previous = [], int(passes[rows[0]])
        at, reach = boxes[0], gates.reach_m**2
        live = [one for one in live if (one.x - at.lens_x) ** 2 + (one.y - at.lens_y) ** 2 <= reach]
        for row, box, known in zip(rows, boxes, _associate(boxes, live, gates), strict=True):
            if known is None:
                live.append(_Defect.of(box, next_run))
                run[row], next_run = next_run, next_run + 1
            else:
                known.add(box)
                run[row] = known.run
    return run


class _View(NamedTuple):
    """One sighting in plain numbers.

    A frame has a handful of boxes and a handful of defects in reach: numpy would spend its time on calls, not on
    numbers. The loop over frames takes a sixth of the time it takes with arrays, with the same result.

    Attributes:
        x: map m; `y` likewise.
        own_xx: m², the view's covariance without what a frame's boxes share, plus what no model explains; `own_xy` …
        info_xx: 1/m², inverse of the view's covariance; `info_xy`, `info_yy`.
        lever: m², the shift per κ.
        kappa_sd: 1/m, sd of the frame's κ.
        ahead_x: unit vector of the heading; `ahead_y`.
        along_m: extent along the heading; `across_m`.
        family: bits.
        lens_x: map m; `lens_y`.
        track_var: m² per axis.
    """

    x: float
    y: float
    own_xx: float
    own_xy: float
    own_yy: float
    info_xx: float
    info_xy: float
    info_yy: float
    lever: float
    kappa_sd: float
    ahead_x: float
    ahead_y: float
    along_m: float
    across_m: float
    family: int
    lens_x: float
    lens_y: float
    track_var: float


def _views(sightings: Sightings, gates: Gates) -> list[_View]:
    """All sightings as plain numbers."""
    own, pitch_sd = _split_pitch(sightings.cov_view, sightings.ahead, gates.pitch_share)
    info = invert(sightings.cov_view)
    lever = np.square(sightings.forward_m)
    kappa_sd = pd.Series(pitch_sd / np.maximum(lever, 1.0)).groupby(sightings.frame).transform("median")
    model = gates.model_sd_m**2
    columns = (
        *sightings.xy_m.T,
        *(own[:, 0, 0] + model, own[:, 0, 1], own[:, 1, 1] + model),
        *(info[:, 0, 0], info[:, 0, 1], info[:, 1, 1]),
        *(lever, kappa_sd.to_numpy(np.float64)),
        *(*sightings.ahead.T, *sightings.extent_m.T),
        *(sightings.family, *sightings.pose_m.T, np.square(sightings.track_sd_m)),
    )
    return list(map(_View._make, zip(*(column.tolist() for column in columns), strict=True)))


@dataclass(slots=True)
class _Defect:
    """A defect within reach: its information matrix and vector (the inverse-covariance form adds up), and the rest.

    `x`, `y` and `cov_xx` … follow from them; extent is the nearest sighting's, which came first; the lens is the one
    that saw it last.
    """

    run: int
    info_xx: float
    info_xy: float
    info_yy: float
    vector_x: float
    vector_y: float
    along_m: float
    across_m: float
    family: int
    lens_x: float
    lens_y: float
    x: float = 0.0
    y: float = 0.0
    cov_xx: float = 0.0
    cov_xy: float = 0.0
    cov_yy: float = 0.0

    @classmethod
    def of(cls, view: _View, run: int) -> _Defect:
        """A defect that one sighting begins."""
        new = cls(run, 0.0, 0.0, 0.0, 0.0, 0.0, view.along_m, view.across_m, 0, 0.0, 0.0)
        new.add(view)
        return new

    def add(self, view: _View) -> None:
        """One more sighting."""
        self.info_xx += view.info_xx
        self.info_xy += view.info_xy
        self.info_yy += view.info_yy
        self.vector_x += view.info_xx * view.x + view.info_xy * view.y
        self.vector_y += view.info_xy * view.x + view.info_yy * view.y
        self.family |= view.family
        self.lens_x, self.lens_y = view.lens_x, view.lens_y
        determinant = self.info_xx * self.info_yy - self.info_xy**2
        self.cov_xx, self.cov_yy = self.info_yy / determinant, self.info_xx / determinant
        self.cov_xy = -self.info_xy / determinant
        self.x = self.cov_xx * self.vector_x + self.cov_xy * self.vector_y
        self.y = self.cov_xy * self.vector_x + self.cov_yy * self.vector_y


class _Pair(NamedTuple):
    """A box and a defect that it may show; the misfit is a parabola in κ.

    Attributes:
        box: its place in the frame; `defect`: among the live ones.
        constant: squared Mahalanobis distance at κ = 0.
        linear: minus half of its slope there; `square`: half of its second derivative.
    """

    box: int
    defect: int
    constant: float
    linear: float
    square: float

    def misfit(self, kappa: float) -> float:
        """Squared Mahalanobis distance under a shift of κ·lever ahead."""
        return self.constant - kappa * (2 * self.linear - kappa * self.square)


def _associate(boxes: list[_View], live: list[_Defect], gates: Gates) -> list[_Defect | None]:
    """For each box of one frame the defect that it shows, None for a new one."""
    drift = [_drift(boxes[0], one, gates) for one in live]
    pairs = [
        pair
        for i, box in enumerate(boxes)
        for j, one in enumerate(live)
        if box.family & one.family and (pair := _pair((i, box), (j, one), drift[j], gates))
    ]
    if not pairs:
        return [None] * len(boxes)
    gate = gates.gate_sigmas**2
    kappa = _common_shift(pairs, boxes[0].kappa_sd, gate)
    cost = np.full((len(boxes), len(live)), np.inf)
    for pair in pairs:
        cost[pair.box, pair.defect] = pair.misfit(kappa)
    return [live[j] if j >= 0 else None for j in assign(cost, gate)]


def _drift(view: _View, defect: _Defect, gates: Gates) -> float:
    """What the track's error changed since a defect was seen last, m² per axis: `drift_variance` of one."""
    apart = math.hypot(defect.lens_x - view.lens_x, defect.lens_y - view.lens_y)
    return -2 * view.track_var * math.expm1(-((apart / gates.track_memory_m) ** 2) / 2)


def _pair(numbered: tuple[int, _View], known: tuple[int, _Defect], drift: float, gates: Gates) -> _Pair | None:
    """A box and a defect, if no farther apart than `same_m` once twice the sd in that direction is granted."""
    (i, view), (j, defect) = numbered, known
    x, y = view.x - defect.x, view.y - defect.y
    ax, ay = view.ahead_x, view.ahead_y
    along = (gates.extent_share * min(view.along_m, defect.along_m)) ** 2
    across = (gates.extent_share * min(view.across_m, defect.across_m)) ** 2
    xx = view.own_xx + defect.cov_xx + along * ax * ax + across * ay * ay + drift
    xy = view.own_xy + defect.cov_xy + (along - across) * ax * ay
    yy = view.own_yy + defect.cov_yy + along * ay * ay + across * ax * ax + drift
    squared = max(x * x + y * y, 1e-18)
    pitch = view.lever * view.kappa_sd * (x * ax + y * ay)
    variance = (x * x * xx + 2 * x * y * xy + y * y * yy + pitch * pitch) / squared
    if math.sqrt(squared) > gates.same_m + 2 * math.sqrt(variance):
        return None
    determinant = xx * yy - xy * xy
    to_x, to_y = (ax * yy - ay * xy) / determinant, (ay * xx - ax * xy) / determinant
    constant = (x * x * yy - 2 * x * y * xy + y * y * xx) / determinant
    return _Pair(i, j, constant, view.lever * (to_x * x + to_y * y), view.lever**2 * (to_x * ax + to_y * ay))


def _common_shift(pairs: list[_Pair], kappa_sd: float, gate: float) -> float:
    """The κ (1/m) under which the frame's boxes fit best, each misfit capped at the gate, κ itself at its own cost."""
    if kappa_sd <= 0:
        return 0.0
    # One pair's best κ trades its misfit against the size of κ (generalised least squares in one unknown).
    fits = (pair.linear / (pair.square + kappa_sd**-2) for pair in pairs)
    tried = {0.0, *(fit for fit in fits if abs(fit) <= 3 * kappa_sd)}
    return min((_total(pairs, kappa, gate) + (kappa / kappa_sd) ** 2, abs(kappa), kappa) for kappa in tried)[2]


def _total(pairs: list[_Pair], kappa: float, gate: float) -> float:
    """Misfit of a frame's boxes, each from the defect that it fits best; those without a pair cost the same always."""
    best: dict[int, float] = {}
    for pair in pairs:
        misfit = pair.misfit(kappa)
        if misfit < best.get(pair.box, gate):
            best[pair.box] = misfit
    return sum(best.values()) - gate * len(best)


def drift_variance(variance: Array | float, apart_m: Array, memory_m: float) -> Array:
    """How much a track's error changes between two places.

    Twice the variance less the covariance of a smooth stationary process, whose correlation falls as
    exp(−d²/2·memory²).

    Args:
        variance: of the track's error, m² per axis.
        apart_m: (n,) float64, driving between the places.
        memory_m: over which the error keeps its value.

    Returns:
        (n,) float64, m² per axis.
    """
    return np.asarray(-2 * variance * np.expm1(-np.square(apart_m / memory_m) / 2))


def _split_pitch(cov_view: Array, ahead: Array, share: float) -> tuple[Array, Array]:
    """Take the part that a frame's boxes share out of their covariances: the rest (n, 2, 2) m², and its sd (n,) m."""
    shared = share * np.einsum("ni,nij,nj->n", ahead, cov_view, ahead)
    return cov_view - shared[:, None, None] * ahead[:, :, None] * ahead[:, None, :], np.sqrt(shared)


def assign(cost: Array, gate: float) -> Index:
    """One-to-one assignment of least total cost, where staying alone costs `gate`.

    Args:
        cost: (a, b) float64, inf where impossible.
        gate: cost of leaving a row unassigned.

    Returns:
        (a,) int64: column of each row, -1 where it stays alone.
    """
    rows, columns = cost.shape
    if not columns:
        return np.full(rows, -1, np.int64)
    # Where no two rows want the same column, each has its own best: nothing is left to solve.
    best = cost.argmin(axis=1)
    best = np.where(cost[np.arange(rows), best] < gate, best, -1)
    wanted = best[best >= 0]
    if len(set(wanted.tolist())) == len(wanted):
        return np.asarray(best, np.int64)
    alone = np.full((rows, rows), np.inf)
    np.fill_diagonal(alone, gate)
    # The solver refuses rows without a finite way out, and slows down over infinities: a large finite cost serves.
    large = gate * (rows + 1) * 10
    square = np.minimum(np.hstack([cost, alone]), large)
    row, column = linear_sum_assignment(square)
    chosen = np.full(rows, -1, np.int64)
    taken = (column < columns) & (square[row, np.minimum(column, columns + rows - 1)] < gate)
    chosen[row[taken]] = column[taken]
    return chosen


def invert(matrices: Array) -> Array:
    """Inverses of symmetric (..., 2, 2) matrices; five times as fast as `np.linalg.inv` on a handful of them."""
    a, b, c = matrices[..., 0, 0], matrices[..., 0, 1], matrices[..., 1, 1]
    inverse = np.empty_like(matrices)
    determinant = a * c - b * b
    inverse[..., 0, 0], inverse[..., 1, 1] = c / determinant, a / determinant
    inverse[..., 0, 1] = inverse[..., 1, 0] = -b / determinant
    return inverse


def passes_of(
    pose_m: Array,
    t_s: Array,
    *,
    gap_s: float,
    apart_m: float,
    parked_s: float = 3600.0,
    back_m: float = 100.0,
    cell_m: float = 15.0,
) -> Index:
    """Cut a survey's frames into passes: a new one begins after a gap in time or on coming back to a place.

    Who waits at a light and goes on from there is on the same pass.

    Args:
        pose_m: (n, 2) float64, map m, in order of time.
        t_s: (n,) float64, s.
        gap_s: a longer gap between frames begins a new pass, if they are farther apart than `apart_m`,
        parked_s: or if it is longer than this.
        apart_m: see `gap_s`.
        back_m: coming near a place that was left more than this way of driving ago is coming back.
        cell_m: how near that is.

    Returns:
        (n,) int64, non-decreasing from 0.
    """
    if not len(t_s):
        return np.empty(0, np.int64)
    driven = np.cumsum(np.hypot(*np.diff(pose_m, axis=0, prepend=pose_m[:1]).T))
    gap, moved = np.diff(t_s, prepend=t_s[0]), np.diff(driven, prepend=driven[0])
    cut = ((gap > gap_s) & (moved > apart_m)) | (gap > parked_s)
    # One frame in two metres is enough to tell, and a vehicle that stands still costs nothing.
    sparse, of_frame = np.unique(np.floor(driven / 2), return_index=True, return_inverse=True)[1:]
    last = _last_visit(pose_m[sparse], driven[sparse], cell_m, back_m)[of_frame]
    near = np.where(last >= 0, sparse[last], -1)
    number, start = 0, 0
    passes = np.empty(len(t_s), np.int64)
    for i in range(len(t_s)):
        if cut[i] or near[i] >= start:
            number, start = number + 1, i
        passes[i] = number
    return passes


def _last_visit(pose_m: Array, driven: Array, cell_m: float, back_m: float) -> Index:
    """(n,) int64: the latest frame near each one that was left more than `back_m` of driving before; -1 for none."""
    latest = np.full(len(pose_m), -1, np.int64)
    tree = KDTree(pose_m)
    for i, neighbours in enumerate(tree.query_ball_point(pose_m, cell_m)):
        found = np.asarray(neighbours)
        earlier = found[driven[found] < driven[i] - back_m]
        latest[i] = earlier.max() if len(earlier) else -1
    return latest
