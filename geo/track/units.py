"""Units that position logs are written in."""

from typing import Final

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

KMH_MPS: Final = 1 / 3.6
KNOT_MPS: Final = 1852 / 3600
MPH_MPS: Final = 1609.344 / 3600

# Of a circular normal distribution, P(r < R) = 1 - exp(-R² / 2 sd²); loggers state the R of 68 %.
_RADIUS_68: Final = float(np.sqrt(-2 * np.log(1 - 0.68)))


def sd_of_radius(radius_m: npt.ArrayLike) -> Array:
    """Standard deviation per axis, m, from the radius that holds 68 % of positions (Android, iOS); nan if not > 0."""
    radius = np.asarray(radius_m, float)
    return np.asarray(np.where(radius > 0, radius, np.nan) / _RADIUS_68)
