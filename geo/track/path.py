"""A track that is known: a curve through given points."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.interpolate import Akima1DInterpolator

from geo.errors import TrackError
from geo.track.poses import Array


@dataclass(frozen=True, slots=True)
class PathStates:
    """A curve through points known with the standard deviation `sd_m` per axis."""

    t_s: Array
    curve: Akima1DInterpolator
    sd_m: float

    @classmethod
    def through(cls, t_s: npt.ArrayLike, x_m: npt.ArrayLike, y_m: npt.ArrayLike, sd_m: float) -> "PathStates":
        """The modified Akima curve through the points: smooth in bends, without overshoot where the vehicle stands."""
        times = np.asarray(t_s, float)
        xy = np.stack([np.asarray(x_m, float), np.asarray(y_m, float)], axis=-1)
        if len(times) < 2 or (np.diff(times) <= 0).any() or not np.isfinite(xy).all():
            raise TrackError("a path needs two or more points at strictly increasing times")
        return cls(times, Akima1DInterpolator(times, xy, method="makima"), sd_m)

    def at(self, t_s: Array) -> tuple[Array, Array]:
        """Mean (n, 4) and covariance (n, 4, 4); beyond the ends it goes straight on."""
        inside = np.clip(t_s, self.t_s[0], self.t_s[-1])
        velocity = self.curve(inside, 1)
        position = self.curve(inside) + velocity * (t_s - inside)[:, None]
        cov = np.zeros((len(t_s), 4, 4))
        cov[:, [0, 1], [0, 1]] = self.sd_m**2
        return np.concatenate([position, velocity], axis=1), cov
