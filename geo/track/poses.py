"""Where the vehicle was, which way it faced and how well that is known."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Poses:
    """The vehicle at some moments; arrays of (n,) in the order of the moments asked for, nan where not `valid`.

    Attributes:
        t_s: float64, seconds since 1970-01-01 UTC.
        x_m: float64, metres east in the track's plane CRS.
        y_m: float64, metres north.
        heading_deg: float64, clockwise from grid north, 0 ≤ h < 360; held while the vehicle stands.
        speed_mps: float64, m/s over ground.
        sd_m: float64, standard deviation of the position per axis, m. The 68 % radius is 1.515 × this.
        heading_sd_deg: float64, standard deviation of the heading, degrees.
        valid: bool, False outside the track's time, and where the position is known too badly (`Trajectory.max_sd_m`).
    """

    t_s: Array
    x_m: Array
    y_m: Array
    heading_deg: Array
    speed_mps: Array
    sd_m: Array
    heading_sd_deg: Array
    valid: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.t_s)


def unit_vectors(heading_deg: npt.ArrayLike) -> Array:
    """Headings, degrees clockwise from grid north, (n,), to float64 (n, 2) unit vectors east, north."""
    angle = np.radians(np.asarray(heading_deg, float))
    return np.stack([np.sin(angle), np.cos(angle)], axis=-1)


def heading_of(vector: Array) -> Array:
    """Vectors (n, 2) east, north to float64 (n,) headings, degrees clockwise from grid north, 0 ≤ h < 360."""
    heading = np.degrees(np.arctan2(vector[..., 0], vector[..., 1])) % 360.0
    return np.where(heading >= 360.0, 0.0, heading)
