"""How far a trajectory is from a surveyed one, and how honest its standard deviation is."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from geo.track.poses import Poses

# A circular normal error of standard deviation s per axis lies within s · sqrt(-2 ln(1 - p)) with probability p
# (the Rayleigh distribution's quantile).
RADIUS_68 = float(np.sqrt(-2.0 * np.log(1.0 - 0.6827)))


@dataclass(frozen=True, slots=True)
class Score:
    """Distances of poses from the truth, m, and the share of them within their own stated 68 % radius."""

    median_m: float
    p95_m: float
    coverage: float


def score(poses: Poses, x_m: npt.ArrayLike, y_m: npt.ArrayLike) -> Score:
    """Compare valid poses with the true positions (n,) of the same moments, in the same CRS."""
    valid = poses.valid
    error = np.hypot(poses.x_m - np.asarray(x_m, float), poses.y_m - np.asarray(y_m, float))[valid]
    within = error <= RADIUS_68 * poses.sd_m[valid]
    return Score(float(np.median(error)), float(np.percentile(error, 95)), float(within.mean()))
