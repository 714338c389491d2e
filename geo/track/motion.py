"""How a road vehicle moves between two fixes, and how its receiver's error wanders meanwhile.

Per axis the state is ``[position m, velocity m/s, acceleration m/s², receiver error m]``.

* The vehicle: Singer's model of exponentially correlated acceleration with time constant τ and standing deviation σ
  (Singer 1970, Estimating optimal tracking filter performance for manned maneuvering targets, IEEE Trans. AES-6(4)).
  Against white acceleration it keeps a brake or a bend going for a few seconds, and against constant acceleration it
  does not run away in a gap of 20 s.
* The receiver: consecutive fixes share most of their error (multipath, the receiver's own filter), so a part of it is a
  first-order Gauss–Markov process and only the rest is white (Niu et al. 2014, GPS Solutions 18; Brown & Hwang 2012,
  Introduction to Random Signals and Applied Kalman Filtering, ch. 5). Taking all of it as white makes a smoother boast.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

AXES = 2
PER_AXIS = 4
SIZE = AXES * PER_AXIS
POSITION, VELOCITY, ACCELERATION, ERROR = slice(0, 2), slice(2, 4), slice(4, 6), slice(6, 8)

# A longer step counts as one of this length: position and speed are unknown after it anyway, some 300 km and 170 m/s by
# the model, and its cube, after days, leaves nothing of the fixes' precision in a 64-bit matrix.
LONGEST_STEP_S = 3600.0

# Gauss-Legendre integration of the process noise: exact to rounding for steps up to some 10 τ, and, unlike the closed
# form, free of cancellation for steps of milliseconds.
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)


@dataclass(frozen=True, slots=True)
class Motion:
    """The vehicle's acceleration (σ m/s² per axis, τ s) and the receiver's wandering error (m per axis, s)."""

    accel_sd_mps2: float
    accel_tau_s: float
    wander_sd_m: float
    wander_tau_s: float

    def transition(self, dt_s: Array) -> Array:
        """The state's transition over `dt_s` (n,), (n, 8, 8); order: positions, velocities, accelerations, errors."""
        dt, tau = np.minimum(np.asarray(dt_s, float), LONGEST_STEP_S), self.accel_tau_s
        to_v = -tau * np.expm1(-dt / tau)
        axis = np.zeros((*dt.shape, PER_AXIS, PER_AXIS))
        axis[..., 0, 0] = axis[..., 1, 1] = 1.0
        axis[..., 0, 1] = dt
        axis[..., 0, 2] = tau * (dt - to_v)
        axis[..., 1, 2] = to_v
        axis[..., 2, 2] = np.exp(-dt / tau)
        axis[..., 3, 3] = np.exp(-dt / self.wander_tau_s)
        return _both_axes(axis)

    def noise(self, dt_s: Array) -> Array:
        """The process noise gathered over `dt_s` (n,), (n, 8, 8): ∫ g(s) g(s)ᵀ ds, g the response to acceleration."""
        dt, tau = np.minimum(np.asarray(dt_s, float), LONGEST_STEP_S), self.accel_tau_s
        s = dt[..., None] * (_NODES + 1) / 2
        weight = dt[..., None] * _WEIGHTS / 2 * (2 * self.accel_sd_mps2**2 / tau)
        to_v = -tau * np.expm1(-s / tau)
        response = np.stack([tau * (s - to_v), to_v, np.exp(-s / tau)], axis=-1)
        axis = np.zeros((*dt.shape, PER_AXIS, PER_AXIS))
        axis[..., :3, :3] = np.einsum("...ki,...kj,...k->...ij", response, response, weight)
        axis[..., 3, 3] = -(self.wander_sd_m**2) * np.expm1(-2 * dt / self.wander_tau_s)
        return _both_axes(axis)

    def standing(self, position_sd_m: float, speed_sd_mps: float) -> Array:
        """The covariance (8, 8) before anything is measured."""
        sds = [position_sd_m, speed_sd_mps, self.accel_sd_mps2, self.wander_sd_m]
        return np.diag(np.repeat(np.square(sds), AXES))


def _both_axes(axis: Array) -> Array:
    """Blocks (n, k, k) of one axis to (n, 2 k, 2 k) of both, the axes independent."""
    return np.asarray(np.einsum("...ij,ab->...iajb", axis, np.eye(AXES)).reshape(*axis.shape[:-2], SIZE, SIZE))
