"""The smoothed vehicle between its fixes."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geo.track.kalman import Smoothed
from geo.track.motion import POSITION, VELOCITY, Motion
from geo.track.poses import Array

_OUT = [*range(POSITION.start, POSITION.stop), *range(VELOCITY.start, VELOCITY.stop)]
_CHUNK = 4096


@dataclass(frozen=True, slots=True)
class SmoothedStates:
    """The exact posterior of position and velocity at any time, given the smoothed states at the fixes.

    Between two fixes the vehicle is the motion model's bridge pinned at both (Barfoot 2017, State Estimation for
    Robotics, § 3.4, interpolation of Gauss–Markov processes), so the standard deviation grows in a gap and shrinks
    again.

    Attributes:
        t_s: float64 (n,), the fixes' times.
        motion: the motion model.
        smoothed: the states at the fixes.
        origin_m: float64 (2,), what the states' positions are relative to.
        shared_sd_m: float64 (n,), the part of the receiver's error that all fixes share and no smoothing shows, m.
    """

    t_s: Array
    motion: Motion
    smoothed: Smoothed
    origin_m: Array
    shared_sd_m: Array

    def at(self, t_s: Array) -> tuple[Array, Array]:
        """Mean (n, 4) ``[x_m, y_m, vx_mps, vy_mps]`` and covariance (n, 4, 4) at times within or near the fixes."""
        mean, cov = np.empty((len(t_s), 4)), np.empty((len(t_s), 4, 4))
        for start in range(0, len(t_s), _CHUNK):
            part = slice(start, start + _CHUNK)
            mean[part], cov[part] = self._between(t_s[part])
        mean[:, :2] += self.origin_m
        shared = np.interp(t_s, self.t_s, self.shared_sd_m) ** 2
        cov[:, [0, 1], [0, 1]] += shared[:, None]
        self._go_on_straight(t_s, mean, cov)
        return mean, cov

    def _between(self, t_s: Array) -> tuple[Array, Array]:
        inside = np.clip(t_s, self.t_s[0], self.t_s[-1])
        k = np.clip(np.searchsorted(self.t_s, inside, side="right") - 1, 0, len(self.t_s) - 2)
        before, after = inside - self.t_s[k], self.t_s[k + 1] - inside
        q1, f1, f2 = self.motion.noise(before), self.motion.transition(before), self.motion.transition(after)
        # Not the transition over the whole gap, which counts as an hour where it is longer: the bridge must hold.
        whole_f = f2 @ f1
        whole_q = f2 @ q1 @ _t(f2) + self.motion.noise(after)
        from_next = _t(np.linalg.solve(whole_q, f2 @ q1))
        from_last = f1 - from_next @ whole_f
        last, following, lag = self.smoothed.cov[k], self.smoothed.cov[k + 1], self.smoothed.lag[k]
        mixed = from_last @ lag @ _t(from_next)
        cov = from_last @ last @ _t(from_last) + from_next @ following @ _t(from_next) + mixed + _t(mixed)
        cov += q1 - from_next @ f2 @ q1
        mean = (from_last @ self.smoothed.mean[k][..., None] + from_next @ self.smoothed.mean[k + 1][..., None])[..., 0]
        return mean[:, _OUT], cov[:, _OUT][:, :, _OUT]

    def _go_on_straight(self, t_s: Array, mean: Array, cov: Array) -> None:
        """Beyond the first and the last fix: constant velocity, with the noise of the time gone by."""
        beyond = t_s - np.clip(t_s, self.t_s[0], self.t_s[-1])
        out = np.flatnonzero(beyond)
        mean[out, :2] += mean[out, 2:] * beyond[out, None]
        onward = np.tile(np.eye(4), (len(out), 1, 1))
        onward[:, [0, 1], [2, 3]] = beyond[out, None]
        noise = self.motion.noise(np.abs(beyond[out]))[:, _OUT][:, :, _OUT]
        cov[out] = onward @ cov[out] @ _t(onward) + noise


def _t(matrices: npt.NDArray[np.floating]) -> Array:
    return np.asarray(np.swapaxes(matrices, -1, -2), np.float64)
