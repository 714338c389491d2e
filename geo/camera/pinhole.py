"""A pinhole camera over a flat road: picture pixels to metres on the ground, and back.

Frames of reference (see docs/design/camera.md): picture px are corners, x right, y down; the camera has x right,
y down, z forward; the ground has `forward` along the vehicle's heading and `right` across it, origin under the lens.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from geo.errors import CameraError

Array = NDArray[np.float64]

# A ray this flat meets the road kilometres away: it counts as the horizon, not as ground.
_MIN_DOWN = 1e-6
_MAX_ASPECT_CHANGE = 0.01


@dataclass(frozen=True, slots=True)
class Camera:
    """Where a camera looks, and through what lens.

    Attributes:
        width_px: picture width, px.
        height_px: picture height, px.
        focal_px: focal length, px, the same along x and y (square pixels).
        cx_px: principal point, px from the left edge; the middle of a picture is `width_px / 2`.
        cy_px: principal point, px from the top edge.
        height_m: height of the lens above the road, m.
        pitch_deg: how far the optical axis points below the horizontal, degrees.
        yaw_deg: how far the optical axis points right of the vehicle's heading, degrees.
        roll_deg: rotation about the optical axis, degrees; positive lowers the camera's right side.
    """

    width_px: int
    height_px: int
    focal_px: float
    cx_px: float
    cy_px: float
    height_m: float
    pitch_deg: float = 0.0
    yaw_deg: float = 0.0
    roll_deg: float = 0.0

    def __post_init__(self) -> None:
        sizes = (self.width_px, self.height_px, self.focal_px, self.height_m)
        if not all(math.isfinite(v) and v > 0 for v in sizes):
            raise CameraError(
                f"width, height, focal length and camera height must be positive, got {sizes}",
                remedy="State camera.height_m and camera.hfov_deg in survey.yaml",
            )
        if not all(math.isfinite(v) for v in (self.cx_px, self.cy_px, self.yaw_deg, self.roll_deg)):
            raise CameraError("the camera's principal point and angles must be finite numbers")
        if not abs(self.pitch_deg) < 90:
            raise CameraError(f"pitch must lie between -90 and 90 degrees, got {self.pitch_deg}")

    @classmethod
    def from_fov(cls, width_px: int, height_px: int, hfov_deg: float, *, height_m: float, **angles: float) -> Self:
        """A camera by its horizontal field of view, principal point in the middle of the picture.

        Args:
            width_px: picture width, px.
            height_px: picture height, px.
            hfov_deg: angle between the left and the right picture edge, degrees.
            height_m: height of the lens above the road, m.
            **angles: any of `pitch_deg`, `yaw_deg`, `roll_deg`.

        Raises:
            CameraError: the field of view is not between 0 and 180 degrees.
        """
        if not 0 < hfov_deg < 180:
            raise CameraError(
                f"a pinhole camera's field of view lies between 0 and 180 degrees, got {hfov_deg}",
                remedy="State camera.hfov_deg in survey.yaml; a fisheye lens must be rectified first",
            )
        focal_px = width_px / 2 / math.tan(math.radians(hfov_deg) / 2)
        return cls(width_px, height_px, focal_px, width_px / 2, height_px / 2, height_m, **angles)

    @property
    def hfov_deg(self) -> float:
        """Angle between the left and the right picture edge, degrees."""
        left = math.atan(self.cx_px / self.focal_px)
        return math.degrees(left + math.atan((self.width_px - self.cx_px) / self.focal_px))

    def pointed(self, pitch_deg: float, yaw_deg: float) -> Self:
        """The same camera looking elsewhere, degrees."""
        return replace(self, pitch_deg=pitch_deg, yaw_deg=yaw_deg)

    def scaled(self, width_px: int, height_px: int) -> Self:
        """The camera of the same picture resized to `width_px` × `height_px`.

        Raises:
            CameraError: the new size has another shape than the old, as after a crop.
        """
        sx, sy = width_px / self.width_px, height_px / self.height_px
        if abs(sx / sy - 1) > _MAX_ASPECT_CHANGE:
            raise CameraError(
                f"a {self.width_px}×{self.height_px} camera cannot be scaled to {width_px}×{height_px}: "
                "the shape differs",
                remedy="Give the survey one camera per picture shape",
            )
        size: dict[str, Any] = {"width_px": width_px, "height_px": height_px, "focal_px": self.focal_px * sx}
        return replace(self, **size, cx_px=self.cx_px * sx, cy_px=self.cy_px * sy)

    def rotation(self) -> Array:
        """(3, 3) float64: columns are the camera's axes in the vehicle's (right, down, forward)."""
        return _about_down(self.yaw_deg) @ _about_right(self.pitch_deg) @ _about_forward(self.roll_deg)

    def rays(self, px: Array) -> Array:
        """Viewing directions through picture points, not normalised.

        Args:
            px: (n, 2) float64, x and y in px.

        Returns:
            (n, 3) float64: right, down, forward in the vehicle's frame.
        """
        px = np.asarray(px, np.float64).reshape(-1, 2)
        x = (px[:, 0] - self.cx_px) / self.focal_px
        y = (px[:, 1] - self.cy_px) / self.focal_px
        return np.column_stack([x, y, np.ones(len(px))]) @ self.rotation().T

    def to_ground(self, px: Array) -> Array:
        """Where picture points lie on the flat road.

        Args:
            px: (n, 2) float64, x and y in px.

        Returns:
            (n, 2) float64: forward and right, m; NaN at and above the horizon.
        """
        right, down, forward = self.rays(px).T
        scale = np.divide(self.height_m, down, out=np.full(len(down), np.nan), where=down > _MIN_DOWN)
        return np.column_stack([forward * scale, right * scale])

    def to_image(self, ground: Array) -> Array:
        """Where points on the flat road appear in the picture, also outside its edges.

        Args:
            ground: (n, 2) float64, forward and right, m.

        Returns:
            (n, 2) float64: x and y in px; NaN for points behind the camera.
        """
        ground = np.asarray(ground, np.float64).reshape(-1, 2)
        return self.project(np.column_stack([ground[:, 1], np.full(len(ground), self.height_m), ground[:, 0]]))

    def project(self, points: Array) -> Array:
        """Where points in space appear in the picture.

        Args:
            points: (n, 3) float64: right, down, forward of the lens in the vehicle's frame, m.

        Returns:
            (n, 2) float64: x and y in px; NaN for points behind the camera.
        """
        x, y, depth = (np.asarray(points, np.float64).reshape(-1, 3) @ self.rotation()).T
        scale = np.divide(self.focal_px, depth, out=np.full(len(depth), np.nan), where=depth > _MIN_DOWN)
        return np.column_stack([self.cx_px + x * scale, self.cy_px + y * scale])

    def horizon_px(self, x_px: float) -> float:
        """The picture row, px, where the flat road ends in the distance at column `x_px`."""
        across, along, axis = (float(v) for v in self.rotation()[1])
        return self.cy_px - self.focal_px * (axis + across * (x_px - self.cx_px) / self.focal_px) / along


def _about_down(deg: float) -> Array:
    """Rotation that turns forward towards right."""
    c, s = math.cos(math.radians(deg)), math.sin(math.radians(deg))
    return np.array([[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]])


def _about_right(deg: float) -> Array:
    """Rotation that turns forward towards down."""
    c, s = math.cos(math.radians(deg)), math.sin(math.radians(deg))
    return np.array([[1.0, 0.0, 0.0], [0.0, c, s], [0.0, -s, c]])


def _about_forward(deg: float) -> Array:
    """Rotation that turns right towards down."""
    c, s = math.cos(math.radians(deg)), math.sin(math.radians(deg))
    return np.array([[c, -s, 0.0], [s, c, 0.0], [0.0, 0.0, 1.0]])
