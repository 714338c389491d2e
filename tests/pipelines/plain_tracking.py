"""Following defects with arrays, frame by frame, as the method is written down: what `tracking.follow` must agree with.

Slower than `pipelines.road.tracking` by a factor of six; it draws nothing and tests nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from pipelines.road.sightings import Array, Index, Sightings
from pipelines.road.tracking import Gates, drift_variance, invert


def follow(sightings: Sightings, passes: Index, gates: Gates) -> Index:
    """Chain sightings of each pass into runs.

    Args:
        sightings: n of them, in order of time.
        passes: (n,) int64, the pass each was made in.
        gates: what may be the same.

    Returns:
        (n,) int64: the run each sighting belongs to, numbered from 0 in no stated order.
    """
    run = np.full(len(sightings), -1, np.int64)
    starts = np.flatnonzero(np.diff(sightings.frame, prepend=-1))
    live = _Live()
    previous = -1
    for start, end in zip(starts[::-1], np.append(starts[1:], len(sightings))[::-1], strict=True):
        if passes[start] != previous:
            live, previous = _Live(first=live.next_run), int(passes[start])
        live.forget(sightings.pose_m[start], gates.reach_m)
        rows = np.arange(start, end)
        chosen = _associate(sightings, rows, live, gates)
        run[rows] = live.take(sightings, rows, chosen)
    return run


@dataclass(slots=True)
class _Live:
    """Defects within reach, as information matrices and vectors (the inverse-covariance form adds up)."""

    first: int = 0
    next_run: int = field(init=False)
    run: Index = field(default_factory=lambda: np.empty(0, np.int64))
    info: Array = field(default_factory=lambda: np.empty((0, 2, 2)))
    vector: Array = field(default_factory=lambda: np.empty((0, 2)))
    extent_m: Array = field(default_factory=lambda: np.empty((0, 2)))
    family: Index = field(default_factory=lambda: np.empty(0, np.int64))
    pose_m: Array = field(default_factory=lambda: np.empty((0, 2)))

    def __post_init__(self) -> None:
        self.next_run = self.first

    def cov(self) -> Array:
        return invert(self.info)

    def xy_m(self) -> Array:
        return np.asarray(np.einsum("nij,nj->ni", self.cov(), self.vector))

    def forget(self, pose_m: Array, reach_m: float) -> None:
        """Let go of what can no longer be seen from here."""
        if len(self.run):
            near = np.square(self.xy_m() - pose_m).sum(axis=1) <= reach_m**2
            if not near.all():
                self._keep(near)

    def take(self, sightings: Sightings, rows: Index, chosen: Index) -> Index:
        """Add each sighting to its defect, or begin one where `chosen` is -1; the runs they went to."""
        info = invert(sightings.cov_view[rows])
        vector = np.einsum("nij,nj->ni", info, sightings.xy_m[rows])
        old, new = np.flatnonzero(chosen >= 0), np.flatnonzero(chosen < 0)
        to = chosen[old]
        self.info[to] += info[old]
        self.vector[to] += vector[old]
        # The nearest sighting came first, and its size is the least inflated.
        runs = np.empty(len(rows), np.int64)
        runs[old] = self.run[to]
        self.pose_m[to] = sightings.pose_m[rows[0]]
        self.family[to] |= sightings.family[rows[old]]
        if len(new):
            runs[new] = np.arange(self.next_run, self.next_run + len(new))
            self.next_run += len(new)
            self.run = np.append(self.run, runs[new])
            self.info = np.concatenate([self.info, info[new]])
            self.vector = np.concatenate([self.vector, vector[new]])
            self.extent_m = np.concatenate([self.extent_m, sightings.extent_m[rows[new]]])
            self.family = np.append(self.family, sightings.family[rows[new]])
            self.pose_m = np.concatenate([self.pose_m, sightings.pose_m[rows[new]]])
        return runs

    def _keep(self, mask: NDArray[np.bool_]) -> None:
        self.run, self.info, self.vector = self.run[mask], self.info[mask], self.vector[mask]
        self.extent_m, self.family, self.pose_m = self.extent_m[mask], self.family[mask], self.pose_m[mask]


def _associate(sightings: Sightings, rows: Index, live: _Live, gates: Gates) -> Index:
    """(b,) int64: for each box of one frame the place of its defect among the live ones, -1 for a new one."""
    if not len(live.run):
        return np.full(len(rows), -1, np.int64)
    ahead = sightings.ahead[rows[0]]
    residual = sightings.xy_m[rows][:, None] - live.xy_m()[None]
    own, pitch_sd = _split_pitch(sightings.cov_view[rows], ahead, gates.pitch_share)
    spread = _innovation(own, sightings.extent_m[rows], live, ahead, gates)
    driven = np.linalg.norm(live.pose_m - sightings.pose_m[rows[0]], axis=1)
    drift = drift_variance(sightings.track_sd_m[rows[0]] ** 2, driven, gates.track_memory_m)
    spread = spread + drift[None, :, None, None] * np.eye(2)
    precision = invert(spread)
    lever = np.square(sightings.forward_m[rows])
    kappa_sd = float(np.median(pitch_sd / np.maximum(lever, 1.0)))
    allowed = _allowed(residual, spread, lever * kappa_sd, ahead, gates)
    allowed &= (sightings.family[rows][:, None] & live.family[None]) > 0
    kappa = _common_shift(residual, precision, allowed, (lever, ahead, kappa_sd), gates.gate_sigmas**2)
    cost = _squared(residual - kappa * lever[:, None, None] * ahead, precision)
    return assign(np.where(allowed, cost, np.inf), gates.gate_sigmas**2)


def _split_pitch(cov_view: Array, ahead: Array, share: float) -> tuple[Array, Array]:
    """Take the part that a frame's boxes share out of their covariances: the rest (b, 2, 2) m², and its sd (b,) m."""
    along = np.einsum("i,nij,j->n", ahead, cov_view, ahead)
    shared = share * along
    return cov_view - shared[:, None, None] * np.outer(ahead, ahead), np.sqrt(shared)


def _innovation(own: Array, extent_m: Array, live: _Live, ahead: Array, gates: Gates) -> Array:
    """(b, t, 2, 2) m²: how far a box may lie from a defect that it shows."""
    right = np.array([ahead[1], -ahead[0]])
    size = gates.extent_share * np.minimum(extent_m[:, None], live.extent_m[None])
    spread = own[:, None] + live.cov()[None] + gates.model_sd_m**2 * np.eye(2)
    for axis, unit in enumerate((ahead, right)):
        spread = spread + np.square(size[..., axis, None, None]) * np.outer(unit, unit)
    return spread


def _allowed(residual: Array, spread: Array, pitch_m: Array, ahead: Array, gates: Gates) -> NDArray[np.bool_]:
    """(b, t) bool: no farther apart than `same_m` once twice the standard deviation in that direction is granted."""
    distance = np.maximum(np.linalg.norm(residual, axis=2), 1e-9)
    unit = residual / distance[..., None]
    variance = np.einsum("bti,btij,btj->bt", unit, spread, unit) + np.square(pitch_m[:, None] * (unit @ ahead))
    return np.asarray(distance <= gates.same_m + 2 * np.sqrt(variance))


def _common_shift(
    residual: Array, precision: Array, allowed: NDArray[np.bool_], pitch: tuple[Array, Array, float], gate: float
) -> float:
    """The κ (1/m) under which the frame's boxes fit best, each misfit capped at the gate, κ itself at its own cost."""
    lever, ahead, kappa_sd = pitch
    box, defect = np.nonzero(allowed)
    if not len(box) or kappa_sd <= 0:
        return 0.0
    # One pair's best κ trades its misfit against the size of κ (generalised least squares in one unknown).
    direction = lever[box, None] * ahead
    weighted = np.einsum("ni,nij->nj", direction, precision[box, defect])
    fit = (weighted * residual[box, defect]).sum(axis=1) / ((weighted * direction).sum(axis=1) + kappa_sd**-2)
    tried = np.unique(np.append(fit[np.abs(fit) <= 3 * kappa_sd], 0.0))
    shifted = residual[None] - tried[:, None, None, None] * (lever[:, None] * ahead)[None, :, None]
    cost = np.where(allowed[None], _squared(shifted, precision[None]), gate)
    total = np.minimum(cost.min(axis=2), gate).sum(axis=1) + np.square(tried / kappa_sd)
    return float(tried[np.lexsort((tried, np.abs(tried), total))[0]])


def _squared(residual: Array, precision: Array) -> Array:
    """Squared Mahalanobis distances over the last axis."""
    return np.asarray(np.einsum("...i,...ij,...j->...", residual, precision, residual))


def assign(cost: Array, gate: float) -> Index:
    """One-to-one assignment of least total cost, where staying alone costs `gate`."""
    rows, columns = cost.shape
    alone = np.where(np.eye(rows, dtype=bool), gate, np.inf)
    row, column = linear_sum_assignment(np.minimum(np.hstack([cost, alone]), gate * (rows + 1) * 10))
    chosen = np.full(rows, -1, np.int64)
    good = column < columns
    good[good] = cost[row[good], column[good]] < gate
    chosen[row[good]] = column[good]
    return chosen
