"""One camera at one place over the sample town: the projections that drawing needs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from geo.camera.pinhole import Camera

Array = NDArray[np.float64]


@dataclass(frozen=True)
class View:
    """A camera above a point of the plane, looking along a heading.

    Attributes:
        camera: the true camera of this frame, its bounce included.
        east_m: lens position.
        north_m: lens position.
        heading_rad: the vehicle's heading, clockwise from grid north.
    """

    camera: Camera
    east_m: float
    north_m: float
    heading_rad: float

    @cached_property
    def projection(self) -> Array:
        """(3, 3) float64: from (east, north, up) minus the lens position to homogeneous picture px."""
        camera, s, c = self.camera, np.sin(self.heading_rad), np.cos(self.heading_rad)
        vehicle = np.array([[c, -s, 0.0], [0.0, 0.0, -1.0], [s, c, 0.0]])
        lens = np.array([[camera.focal_px, 0, camera.cx_px], [0, camera.focal_px, camera.cy_px], [0, 0, 1.0]])
        return np.asarray(lens @ camera.rotation().T @ vehicle, np.float64)

    @property
    def lens_m(self) -> Array:
        """(3,) float64: east, north, up."""
        return np.array([self.east_m, self.north_m, self.camera.height_m])

    @cached_property
    def ground(self) -> Array:
        """(3, 3) float64 homography from (east - lens, north - lens, 1) on the road to picture px."""
        m = self.projection
        return np.column_stack([m[:, 0], m[:, 1], -self.camera.height_m * m[:, 2]])

    def of_plane(self, to_map: Array) -> Array:
        """(3, 3) homography to picture px of a flat picture whose `to_map` gives plane metres."""
        local = to_map.copy()
        local[0, 2] -= self.east_m
        local[1, 2] -= self.north_m
        return np.asarray(self.ground @ local, np.float64)

    def ahead_m(self, xy_m: Array) -> Array:
        """(n, 2) float64 forward and right of plane positions (n, 2)."""
        away = np.atleast_2d(xy_m) - [self.east_m, self.north_m]
        s, c = np.sin(self.heading_rad), np.cos(self.heading_rad)
        return np.column_stack([away @ [s, c], away @ [c, -s]])

    def on_map(self, ground: Array) -> Array:
        """(n, 2) float64 plane positions of (n, 2) forward and right."""
        s, c = np.sin(self.heading_rad), np.cos(self.heading_rad)
        offset = np.column_stack([ground @ [s, c], ground @ [c, -s]])
        return np.asarray(offset + np.array([self.east_m, self.north_m]), np.float64)


def apply(homography: Array, points: Array) -> Array:
    """(n, 2) float64 points through a (3, 3) homography."""
    homogeneous = points @ homography[:, :2].T + homography[:, 2]
    return np.asarray(homogeneous[:, :2] / homogeneous[:, 2:], np.float64)


def centred(homography: Array, *, supersampling: int = 1, top_px: int = 0) -> Array:
    """The same homography between array indices instead of corner coordinates.

    Index `i` is the pixel that covers `[i, i + 1]`, so its centre is at `i + 0.5`; forgetting this half shifts a
    picture by half a pixel.

    Args:
        homography: (3, 3) from picture corners (or metres) of the source to px of the frame.
        supersampling: frame pixels per side that one target pixel is divided into.
        top_px: frame row where the target array begins.
    """
    k = float(supersampling)
    target = np.array([[k, 0, -0.5], [0, k, -0.5 - k * top_px], [0, 0, 1.0]])
    return np.asarray(target @ homography, np.float64)


FROM_INDEX = np.array([[1.0, 0, 0.5], [0, 1.0, 0.5], [0, 0, 1.0]])
"""From array indices to corner coordinates."""
