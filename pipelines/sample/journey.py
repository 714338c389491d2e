"""How the survey vehicle drove through the sample town, and what its receiver said about it."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import LineString

from geo.camera.pinhole import Camera
from pipelines.sample.randomness import stream
from pipelines.sample.scene import LANE_OFFSET_M
from pipelines.sample.town import Path, Town
from pipelines.sample.view import View

Array = NDArray[np.float64]

START = dt.datetime(2026, 4, 21, 10, 12, 5, tzinfo=dt.timezone(dt.timedelta(hours=9)))
CRUISE_MPS, SIDE_ACCELERATION = 8.3, 1.6
STOP_S = 10.0
FIX_INTERVAL_S = 3.0
RECEIVER_SD_M, RECEIVER_MEMORY_S, RECEIVER_JITTER_M = 1.5, 60.0, 0.5
PITCH_BOUNCE_DEG, YAW_BOUNCE_DEG = 0.15, 0.10

SAMPLE_CAMERA = Camera.from_fov(1280, 720, 70.0, height_m=1.4, pitch_deg=5.2, yaw_deg=0.8)
"""The true camera. The survey states its height and field of view; pitch and yaw are for calibration to find."""


@dataclass(frozen=True, slots=True)
class Journey:
    """The true drive.

    Attributes:
        path: where the lens went.
        s_m: (n,) float64, distance at each moment of `t_s`, standing included.
        t_s: (n,) float64, seconds since 1970-01-01 UTC.
    """

    path: Path
    s_m: Array
    t_s: Array

    def time_at(self, s_m: Array) -> Array:
        """(n,) float64 moments of leaving each distance, seconds since 1970-01-01 UTC."""
        moving = np.r_[True, np.diff(self.s_m) > 0]
        return np.interp(s_m, self.s_m[moving], self.t_s[moving])

    def distance_at(self, t_s: Array) -> Array:
        """(n,) float64 distance travelled at each moment, m."""
        return np.interp(t_s, self.t_s, self.s_m)

    def speed_at(self, t_s: Array) -> Array:
        """(n,) float64 speed over ground, m/s."""
        return (self.distance_at(t_s + 0.25) - self.distance_at(t_s - 0.25)) / 0.5


@dataclass(frozen=True, slots=True)
class TrueFrame:
    """One picture's truth: when, from where, and with which camera."""

    name: str
    number: int
    t_s: float
    s_m: float
    view: View


def sample_journey(town: Town, seed: int) -> Journey:
    """The drive in the left lane, slower in bends, with one stop before the second corner."""
    rng = stream(seed, "journey")
    s = np.arange(2.0, town.laps_m, 0.5)
    wander = 0.12 * np.sin(s / 23.0 + rng.uniform(0, 6)) + 0.08 * np.sin(s / 9.1 + rng.uniform(0, 6))
    path = Path.along(LineString(town.loop.at(s % town.loop.length_m, LANE_OFFSET_M + wander)))
    turning = np.abs(np.gradient(path.heading_rad, path.s_m))
    wanted = np.minimum(CRUISE_MPS, np.sqrt(SIDE_ACCELERATION / np.maximum(turning, 1e-3)))
    wide = np.ones(81) / 81
    speed = np.convolve(np.pad(wanted, 40, mode="edge"), wide, mode="valid")
    t = START.timestamp() + np.r_[0.0, np.cumsum(np.diff(path.s_m) / speed[:-1])]
    stop = int(np.searchsorted(path.s_m, town.spans[1][1] - 26.0))
    late = t + np.where(np.arange(len(t)) > stop, STOP_S, 0.0)
    s_m = np.insert(path.s_m, stop + 1, path.s_m[stop])
    return Journey(path, s_m, np.insert(late, stop + 1, late[stop] + STOP_S))


def true_frames(journey: Journey, camera: Camera, count: int, seed: int) -> list[TrueFrame]:
    """Frames at equal distances, the camera nodding and swaying a little about its mounting."""
    rng = stream(seed, "bounce")
    nod = _wandering(rng, count, 0.5) * PITCH_BOUNCE_DEG
    sway = _wandering(rng, count, 0.5) * YAW_BOUNCE_DEG
    s = np.linspace(0.0, journey.path.length_m - 1.0, count)
    t = np.round(journey.time_at(s), 3)
    s = journey.distance_at(t)
    xy, heading = journey.path.at(s), journey.path.heading_at(s)
    frames = []
    for k in range(count):
        bounced = camera.pointed(camera.pitch_deg + float(nod[k]), camera.yaw_deg + float(sway[k]))
        view = View(bounced, float(xy[k, 0]), float(xy[k, 1]), float(heading[k]))
        frames.append(TrueFrame(f"frame_{k + 1:04}.jpg", k, float(t[k]), float(s[k]), view))
    return frames


@dataclass(frozen=True, slots=True)
class ReceiverFixes:
    """What the receiver wrote: one fix per 3 s, (n,) each, in the plane CRS and with grid headings."""

    t_s: Array
    xy_m: Array
    speed_mps: Array
    heading_deg: Array


def receiver_fixes(journey: Journey, seed: int) -> ReceiverFixes:
    """Fixes whose error wanders (Gauss-Markov) rather than jumps, as a phone's does between houses."""
    rng = stream(seed, "receiver")
    t = np.arange(np.ceil(journey.t_s[0]) - 3, journey.t_s[-1] + 3, FIX_INTERVAL_S)
    s = journey.distance_at(t)
    memory = float(np.exp(-FIX_INTERVAL_S / RECEIVER_MEMORY_S))
    drift = np.column_stack([_wandering(rng, len(t), memory) for _ in range(2)]) * RECEIVER_SD_M
    xy = journey.path.at(s) + drift + rng.normal(0, RECEIVER_JITTER_M, (len(t), 2))
    speed = np.maximum(0.0, journey.speed_at(t) + rng.normal(0, 0.12, len(t)))
    heading = np.degrees(journey.path.heading_at(s)) + rng.normal(0, 1.5, len(t))
    return ReceiverFixes(t, xy, np.where(speed < 0.3, 0.0, speed), heading % 360)


def _wandering(rng: np.random.Generator, count: int, memory: float) -> Array:
    """(n,) float64 first-order autoregressive noise of unit variance."""
    values, kick = rng.standard_normal(count), np.sqrt(1 - memory**2)
    for k in range(1, count):
        values[k] = memory * values[k - 1] + kick * values[k]
    return values
