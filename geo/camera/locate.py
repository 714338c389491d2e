"""From picture points to map positions, each with its own covariance.

First-order propagation (JCGM 100:2008, 5.1.2): the ground position is differentiated by everything that is not known
exactly, and the variances are summed. What comes from the camera and the box (`cov_view`) is kept apart from what comes
from the track: neighbouring frames share their track error, so averaging sightings does not shrink it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from geo.camera.pinhole import Camera
from geo.errors import CameraError

Array = NDArray[np.float64]


class CameraErrors(BaseModel):
    """How well the camera and the boxes are known (params.yaml, section `camera`).

    Attributes:
        pixel_sd_px: sd of a box edge, px of the full frame.
        pitch_sd_deg: sd of the pitch while driving: braking, bumps and the road's own grade, about the calibrated mean.
        yaw_sd_deg: sd of the yaw against the vehicle's heading.
        height_sd_m: sd of the lens height as somebody measured it with a tape.
        max_range_m: farther points are not located.
        max_forward_sd_m: points whose position along the view is less certain than this are not located.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    pixel_sd_px: float = Field(default=2.0, gt=0)
    pitch_sd_deg: float = Field(default=0.4, ge=0)
    yaw_sd_deg: float = Field(default=0.5, ge=0)
    height_sd_m: float = Field(default=0.05, ge=0)
    max_range_m: float = Field(default=22.0, gt=0)
    max_forward_sd_m: float = Field(default=3.0, gt=0)

    def with_calibration(self, pitch_sd_deg: float, yaw_sd_deg: float) -> CameraErrors:
        """The same errors plus those of a calibrated pitch and yaw, degrees."""
        return self.model_copy(
            update={
                "pitch_sd_deg": float(np.hypot(self.pitch_sd_deg, pitch_sd_deg)),
                "yaw_sd_deg": float(np.hypot(self.yaw_sd_deg, yaw_sd_deg)),
            }
        )


class PoseArrays(Protocol):
    """What locating needs of `geo.track.Poses`: one entry per point, (n,) float64 (`valid`: bool)."""

    @property
    def x_m(self) -> Array: ...  # noqa: D102
    @property
    def y_m(self) -> Array: ...  # noqa: D102
    @property
    def heading_deg(self) -> Array: ...  # noqa: D102
    @property
    def sd_m(self) -> Array: ...  # noqa: D102
    @property
    def heading_sd_deg(self) -> Array: ...  # noqa: D102
    @property
    def valid(self) -> NDArray[np.bool_]: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Located:
    """Positions of picture points in the plane CRS of the poses.

    Attributes:
        xy_m: (n, 2) float64, east and north; NaN above the horizon.
        cov: (n, 2, 2) float64, m²: everything together.
        cov_view: (n, 2, 2) float64, m²: the part of camera and box, without the track's.
        forward_m: (n,) float64, ahead of the lens.
        right_m: (n,) float64, right of the lens.
        in_range: (n,) bool: on the ground, near and certain enough, and the pose itself is valid.
    """

    xy_m: Array
    cov: Array
    cov_view: Array
    forward_m: Array
    right_m: Array
    in_range: NDArray[np.bool_]

    @property
    def sd_m(self) -> Array:
        """(n,) float64: standard deviation per axis, m."""
        return np.asarray(np.sqrt(np.trace(self.cov, axis1=1, axis2=2) / 2), np.float64)


def locate(camera: Camera, poses: PoseArrays, px: Array | Sequence[Sequence[float]], errors: CameraErrors) -> Located:
    """Place picture points on the map.

    Args:
        camera: the camera that took the pictures.
        poses: the vehicle at the moment of each point's picture, n entries; the lens is taken to be at the pose.
        px: (n, 2) float64, x and y in px of `camera`.
        errors: what is not known exactly.

    Returns:
        One position per point, `in_range` False where it must not be used.

    Raises:
        CameraError: there is not one pose per point.
    """
    points = np.asarray(px, np.float64).reshape(-1, 2)
    if len(poses.x_m) != len(points):
        raise CameraError(f"{len(points)} picture points need as many poses, got {len(poses.x_m)}")
    ground = camera.to_ground(points)
    turn = _ground_to_map(poses.heading_deg)
    offset = np.einsum("nij,nj->ni", turn, ground)
    view_ground = view_covariance(camera, points, errors)
    cov_view = turn @ view_ground @ turn.transpose(0, 2, 1)
    forward_sd = np.sqrt(view_ground[:, 0, 0])
    with np.errstate(invalid="ignore"):
        near = (ground[:, 0] > 0) & (ground[:, 0] <= errors.max_range_m) & (forward_sd <= errors.max_forward_sd_m)
    return Located(
        xy_m=np.column_stack([poses.x_m, poses.y_m]) + offset,
        cov=cov_view + _track_covariance(poses, offset),
        cov_view=cov_view,
        forward_m=ground[:, 0],
        right_m=ground[:, 1],
        in_range=near & poses.valid,
    )


def reach_m(camera: Camera, errors: CameraErrors) -> float:
    """How far ahead of the lens points on the road are near and certain enough to be located; 0 where none is.

    Straight ahead, to a decimetre; to the side it is the same within that.
    """
    forward = np.arange(0.1, errors.max_range_m + 0.05, 0.1)
    px = camera.to_image(np.column_stack([forward, np.zeros(len(forward))]))
    with np.errstate(invalid="ignore"):
        certain = np.sqrt(view_covariance(camera, px, errors)[:, 0, 0]) <= errors.max_forward_sd_m
    return float(min(forward[certain].max(initial=0.0), errors.max_range_m))


def view_covariance(camera: Camera, px: Array, errors: CameraErrors) -> Array:
    """Covariance of ground positions from pixel, pitch, yaw and height errors.

    Args:
        camera: the camera.
        px: (n, 2) float64, px.
        errors: standard deviations of the inputs.

    Returns:
        (n, 2, 2) float64, m², axes forward and right.
    """
    jacobian = ground_jacobian(camera, px)
    pitch, yaw = np.radians([errors.pitch_sd_deg, errors.yaw_sd_deg])
    sd = np.array([errors.pixel_sd_px, errors.pixel_sd_px, pitch, yaw, errors.height_sd_m])
    scaled: Array = jacobian * sd
    return scaled @ scaled.transpose(0, 2, 1)


def ground_jacobian(camera: Camera, px: Array) -> Array:
    """Derivatives of `Camera.to_ground` by what it depends on.

    Args:
        camera: the camera.
        px: (n, 2) float64, px.

    Returns:
        (n, 2, 5) float64: rows forward and right (m); columns x (px), y (px), pitch (rad), yaw (rad), height (m).
    """
    rotation, rays, ground = camera.rotation(), camera.rays(px), camera.to_ground(px)
    # Pitch turns the ray about the yawed camera's own right axis.
    yaw = np.radians(camera.yaw_deg)
    axis = np.array([np.cos(yaw), 0.0, -np.sin(yaw)])
    d_ray = np.stack(
        [
            np.broadcast_to(rotation[:, 0] / camera.focal_px, rays.shape),
            np.broadcast_to(rotation[:, 1] / camera.focal_px, rays.shape),
            np.cross(rays, axis),
        ],
        axis=2,
    )
    down = np.where(np.isfinite(ground[:, 0]), rays[:, 1], np.nan)[:, None]
    by_ray = [(camera.height_m * d_ray[:, k] - ground[:, i, None] * d_ray[:, 1]) / down for i, k in enumerate((2, 0))]
    by_yaw = np.stack([-ground[:, 1], ground[:, 0]], axis=1)[:, :, None]
    return np.concatenate([np.stack(by_ray, axis=1), by_yaw, ground[:, :, None] / camera.height_m], axis=2)


def _ground_to_map(heading_deg: Array) -> Array:
    """(n, 2, 2) rotations taking (forward, right) to (east, north)."""
    h = np.radians(np.asarray(heading_deg, np.float64))
    return np.stack([np.stack([np.sin(h), np.cos(h)], 1), np.stack([np.cos(h), -np.sin(h)], 1)], axis=1)


def _track_covariance(poses: PoseArrays, offset: Array) -> Array:
    """(n, 2, 2) m²: the pose's own position error plus its heading error swung over the distance looked."""
    swing = np.column_stack([offset[:, 1], -offset[:, 0]]) * np.radians(poses.heading_sd_deg)[:, None]
    own = np.square(poses.sd_m)[:, None, None] * np.eye(2)
    return own + swing[:, :, None] * swing[:, None, :]
