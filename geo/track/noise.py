"""How well a receiver measured on one drive, estimated from the drive's own fixes.

Receivers differ fivefold and seldom say how good they are. Their fixes do: positions that do not follow from each other
and from the speeds show the noise, by maximum likelihood. Sixty fixes tell less than six thousand, so what is known of
road receivers beforehand enters as a log-normal prior, and a short drive stays near it.

Gross errors would widen the noise of all the others. Each position and each velocity is therefore Student-t with
`FREEDOM` degrees of freedom, solved by iteratively reweighting Gaussians (Agamennoni, Nieto & Nebot 2012, Approximate
inference in state-space models with heavy-tailed noise, IEEE Trans. Signal Processing 60(10)).
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize

from geo.track.kalman import Measurements, Model, Smoothed, log_likelihood, smooth_states
from geo.track.measure import Noise, PlaneFixes, measurements
from geo.track.motion import SIZE, Motion
from geo.track.poses import Array

FREEDOM = 4.0
ROUNDS = 2
WINDOW_FIXES, MAX_WINDOWS = 100, 6
STEP = 1e-4
UNKNOWN = (1e3, 50.0)  # position m and speed m/s before the first fix: nothing is known


@dataclass(frozen=True, slots=True)
class Prior:
    """What is known of a receiver before its fixes are seen: medians, and how widely receivers scatter about them.

    Every quantity is log-normal: 95 % of receivers lie within a factor of exp(2 · `scatter`) of the median.

    Attributes:
        position_m: the whole position error that changes within a drive, m per axis. Under open sky about a metre, in
            a street or from a phone several; data sheets give 1.5 to 2.5 m CEP, which is 1.3 to 2.1 m per axis.
        wander_to_white: the lasting part of it over the part new at every fix. Multipath and the receiver's own filter
            last for many seconds, its thermal noise of some decimetres does not: four fifths of the variance last.
        speed_mps: data sheets say 0.05 m/s from Doppler, phones reach half a metre per second.
        bearing_deg: likewise, at speeds where a bearing means something.
        lag_s: a receiver's filter delays velocity by a fraction of a second, in some phones by 2 s.
        scatter: of the five, in this order, as the standard deviation of the natural logarithm.
    """

    position_m: float = 1.5
    wander_to_white: float = 2.0
    speed_mps: float = 0.2
    bearing_deg: float = 1.5
    lag_s: float = 0.3
    scatter: tuple[float, float, float, float, float] = (0.7, 0.4, 1.0, 0.7, 1.0)

    def noise(self, z: Array) -> Noise:
        """The noise at the standard-normal coordinates `z` (5,)."""
        medians = (self.position_m, self.wander_to_white, self.speed_mps, self.bearing_deg, self.lag_s)
        position, ratio, speed, bearing, lag = (np.array(medians) * np.exp(np.array(self.scatter) * z)).tolist()
        white = position / float(np.hypot(1.0, ratio))
        return Noise(white, white * ratio, speed, bearing, lag)


PRIOR = Prior()


@dataclass(frozen=True, slots=True)
class Kinematics:
    """The part of the motion model that the fixes do not decide: see `motion`."""

    accel_sd_mps2: float
    accel_tau_s: float
    wander_tau_s: float

    def motion(self, noise: Noise) -> Motion:
        """The whole motion model for a receiver of such noise."""
        return Motion(self.accel_sd_mps2, self.accel_tau_s, noise.wander_m, self.wander_tau_s)


@dataclass(frozen=True, slots=True)
class Fit:
    """The smoothed states at the fixes, and the noise and weights (n, 2) that they were smoothed with."""

    smoothed: Smoothed
    noise: Noise
    motion: Motion
    weight: Array


@dataclass(frozen=True, slots=True)
class _Window:
    """A stretch of fixes whose likelihood is taken."""

    fixes: PlaneFixes
    direction_deg: Array
    weight: Array


def fit(fixes: PlaneFixes, direction_deg: Array, kinematics: Kinematics, prior: Prior = PRIOR) -> Fit:
    """Estimate the noise, smooth, reweight, and again with the weights found.

    Args:
        fixes: two or more fixes.
        direction_deg: float64 (n,), the direction of travel where the receiver gives none, see `measure.directions`.
        kinematics: how road vehicles move.
        prior: what is known of receivers.
    """
    weight = np.ones((len(fixes.t_s), 2))
    z = np.zeros(5)
    for _ in range(ROUNDS):
        z = _most_probable(z, _windows(fixes, direction_deg, weight), kinematics, prior)
        noise = prior.noise(z)
        motion = kinematics.motion(noise)
        model = _model(fixes, motion)
        measured = measurements(fixes, noise, direction_deg, weight)
        weight = weights(smooth_states(model, measured), measured, weight)
    measured = measurements(fixes, noise, direction_deg, weight)
    return Fit(smooth_states(model, measured), noise, motion, weight)


def weights(smoothed: Smoothed, measured: Measurements, weight: Array) -> Array:
    """How far to believe each position and each velocity, float64 (n, 2), ≤ 1, given the residuals of smoothing.

    (ν + 2) / (ν + d²), d² the expected squared residual over the unweighted variance.
    """
    h = measured.matrix
    residual = measured.value - (h @ smoothed.mean[..., None])[..., 0]
    expected = residual**2 + np.einsum("nij,njk,nik->ni", h, smoothed.cov, h)
    expected = np.where(h.any(axis=-1), expected / measured.variance, 0.0) / np.repeat(weight, 2, axis=1)
    distance = np.stack([expected[:, :2].sum(axis=1), expected[:, 2:].sum(axis=1)], axis=-1)
    return np.asarray(np.minimum((FREEDOM + 2.0) / (FREEDOM + distance), 1.0))


def _most_probable(start: Array, windows: list[_Window], kinematics: Kinematics, prior: Prior) -> Array:
    """The noise of greatest posterior probability, in the prior's coordinates (5,)."""
    steps = np.concatenate([np.zeros((1, len(start))), STEP * np.eye(len(start))])
    transition, still, wandering = _motions(windows, kinematics)

    def cost_and_slope(z: Array) -> tuple[float, Array]:
        noises = [prior.noise(tried) for tried in z + steps]
        parts = [measurements(w.fixes, noise, w.direction_deg, w.weight) for noise in noises for w in windows]
        wander = np.repeat([noise.wander_m**2 for noise in noises], len(windows))[:, None, None]
        many = (len(noises), 1, 1)
        model = Model(
            np.tile([_start(w.fixes) for w in windows], (len(noises), 1)),
            np.array([kinematics.motion(noise).standing(*UNKNOWN) for noise in noises for _ in windows]),
            np.tile(transition, many),
            np.tile(still, many) + wander * np.tile(wandering, many),
        )
        fits = log_likelihood(model, _together(parts)).reshape(len(noises), len(windows)).sum(axis=1)
        costs = 0.5 * np.square(z + steps).sum(axis=1) - fits
        return float(costs[0]), (costs[1:] - costs[0]) / STEP

    options = {"maxiter": 25, "ftol": 1e-4}
    bounds = [(-3.0, 3.0)] * len(start)
    found = minimize(cost_and_slope, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    return np.asarray(found.x, float)


def _motions(windows: list[_Window], kinematics: Kinematics) -> tuple[Array, Array, Array]:
    """Transition, process noise of the vehicle alone and of a wandering of 1 m alone, each (n - 1, windows, s, s)."""
    dt = np.stack([np.diff(w.fixes.t_s) for w in windows], axis=-1)
    still = Motion(kinematics.accel_sd_mps2, kinematics.accel_tau_s, 0.0, kinematics.wander_tau_s)
    vehicle = still.noise(dt)
    return still.transition(dt), vehicle, replace(still, wander_sd_m=1.0).noise(dt) - vehicle


def _together(parts: list[Measurements]) -> Measurements:
    return Measurements(
        np.stack([part.value for part in parts], axis=1),
        np.stack([part.matrix for part in parts], axis=1),
        np.stack([part.variance for part in parts], axis=1),
    )


def _windows(fixes: PlaneFixes, direction_deg: Array, weight: Array) -> list[_Window]:
    """The drive in stretches of equal length; of a long drive some of them, spread over it."""
    n = len(fixes.t_s)
    many = min(-(-n // WINDOW_FIXES), MAX_WINDOWS)
    length = min(n // many, WINDOW_FIXES)
    starts = np.linspace(0, n - length, many).astype(int).tolist()
    rows = [slice(start, start + length) for start in starts]
    return [_Window(fixes.where(row), direction_deg[row], weight[row]) for row in rows]


def _model(fixes: PlaneFixes, motion: Motion) -> Model:
    dt = np.diff(fixes.t_s)
    return Model(_start(fixes), motion.standing(*UNKNOWN), motion.transition(dt), motion.noise(dt))


def _start(fixes: PlaneFixes) -> Array:
    start = np.zeros(SIZE)
    start[:2] = fixes.xy_m[0]
    return start
