"""Where the camera points, from the lane lines of a whole drive.

On a straight road the lines meet where the vehicle is heading, so the vanishing point is the picture of the heading
itself (Caprile and Torre 1990): its row gives the pitch, its column the yaw. Single frames nod and bend; the drive's
median does not.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from geo.camera.pinhole import Array, Camera
from geo.camera.vanishing import Image, VanishingParams, vanishing_point


class CalibrationParams(BaseModel):
    """How a drive's vanishing points become a pitch and a yaw (params.yaml, section `calibration`).

    Attributes:
        lines: how one frame's vanishing point is found.
        fewest_frames: with fewer usable frames the camera is left as it was.
        near_deg: frames farther than this from the drive's median were bending or mistaken.
        smallest_sd_deg: no calibration is believed to be better than this.
        default_pitch_sd_deg: standard deviation of a pitch that nothing confirmed.
        default_yaw_sd_deg: standard deviation of a yaw that nothing confirmed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    lines: VanishingParams = VanishingParams()
    fewest_frames: int = Field(default=8, ge=1)
    near_deg: float = Field(default=1.5, gt=0)
    smallest_sd_deg: float = Field(default=0.1, gt=0)
    default_pitch_sd_deg: float = Field(default=3.0, gt=0)
    default_yaw_sd_deg: float = Field(default=3.0, gt=0)


@dataclass(frozen=True, slots=True)
class Calibration:
    """A camera pointed, and how well.

    Attributes:
        camera: the camera with its pitch and yaw.
        pitch_sd_deg: standard deviation of the mean pitch, degrees; bouncing comes on top.
        yaw_sd_deg: standard deviation of the mean yaw, degrees.
        n_frames_used: frames whose lane lines agreed.
        source: `lane lines`, or `default` where too few frames agreed.
    """

    camera: Camera
    pitch_sd_deg: float
    yaw_sd_deg: float
    n_frames_used: int
    source: str


def calibrate(frames: Iterable[Image], camera: Camera, params: CalibrationParams | None = None) -> Calibration:
    """Find pitch and yaw from the lane lines of a drive.

    Args:
        frames: (height, width, 3) uint8 RGB each, best those taken while driving straight; thirty to a hundred over the
            whole drive are enough. Read once, one at a time.
        camera: its height and lens; its pitch and yaw are kept where the lines do not tell.
        params: limits.

    Returns:
        The pointed camera. Roll is left as it is.
    """
    params = params or CalibrationParams()
    angles = np.array([a for a in (_angles(f, camera, params.lines) for f in frames) if a is not None]).reshape(-1, 2)
    agreed = _agreed(angles, params.near_deg)
    if len(agreed) < params.fewest_frames:
        return Calibration(camera, params.default_pitch_sd_deg, params.default_yaw_sd_deg, len(agreed), "default")
    pitch, yaw = (float(v) for v in np.median(agreed, axis=0))
    # The median's standard error: 1.253 sd / sqrt(n), with sd = 1.4826 times the median absolute deviation.
    spread = 1.4826 * np.median(np.abs(agreed - [pitch, yaw]), axis=0)
    pitch_sd, yaw_sd = np.maximum(1.253 * spread / math.sqrt(len(agreed)), params.smallest_sd_deg)
    return Calibration(camera.pointed(pitch, yaw), float(pitch_sd), float(yaw_sd), len(agreed), "lane lines")


def pointing(camera: Camera, x_px: float, y_px: float) -> tuple[float, float]:
    """Pitch and yaw, degrees, of a camera that sees the vehicle's heading at a picture point.

    Args:
        camera: its lens and roll; its pitch and yaw do not matter.
        x_px: column of the vanishing point.
        y_px: row of the vanishing point.
    """
    x, y = (x_px - camera.cx_px) / camera.focal_px, (y_px - camera.cy_px) / camera.focal_px
    c, s = math.cos(math.radians(camera.roll_deg)), math.sin(math.radians(camera.roll_deg))
    x, y = c * x - s * y, s * x + c * y
    pitch = math.atan(-y)
    return math.degrees(pitch), math.degrees(math.atan(-x * math.cos(pitch)))


def _angles(frame: Image, camera: Camera, params: VanishingParams) -> tuple[float, float] | None:
    fitting = camera.scaled(frame.shape[1], frame.shape[0])
    point = vanishing_point(frame, fitting.focal_px, (fitting.cx_px, fitting.cy_px), params)
    return None if point is None else pointing(fitting, point.x_px, point.y_px)


def _agreed(angles: Array, near_deg: float) -> Array:
    """The frames around the densest pitch and yaw; bends scatter, straights repeat."""
    if not len(angles):
        return angles
    close = np.hypot(*(angles[:, None, :] - angles[None, :, :]).transpose(2, 0, 1)) < near_deg
    densest = angles[int(np.argmax(close.sum(axis=1)))]
    for _ in range(5):
        kept = angles[np.hypot(*(angles - densest).T) < near_deg]
        densest = np.median(kept, axis=0)
    return np.asarray(kept, np.float64)
