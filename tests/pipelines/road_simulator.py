"""A drive on a computer: defects at known places, a pitching camera, a drifting track, a detector that misses.

It draws nothing and tests nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from geo.camera.locate import CameraErrors, locate
from geo.camera.pinhole import Camera

CRS = "EPSG:6677"
EPOCH_S = 1_700_000_000.0
CRACKS = ("D00", "D10", "D20", "crack")


@dataclass(frozen=True)
class Drive:
    """How the road, the camera, the track and the detector behave."""

    length_m: float = 1500.0
    n_defects: int = 120
    passes: int = 2
    spacing_m: float = 5.0
    pitch_jitter_deg: float = 0.4
    yaw_jitter_deg: float = 0.3
    pixel_sd_px: float = 2.0
    track_sd_m: float = 1.2
    track_memory_m: float = 250.0
    miss: float = 0.25
    crack_share: float = 0.4
    days_apart: int = 1
    seed: int = 1
    camera: Camera = field(
        default_factory=lambda: Camera(
            width_px=1280, height_px=720, focal_px=900.0, cx_px=640, cy_px=360, height_m=1.35, pitch_deg=4.0
        )
    )


@dataclass(frozen=True)
class _Poses:
    x_m: NDArray[np.float64]
    y_m: NDArray[np.float64]
    heading_deg: NDArray[np.float64]
    sd_m: NDArray[np.float64]
    heading_sd_deg: NDArray[np.float64]
    valid: NDArray[np.bool_]


def road_at(
    s: NDArray[np.float64], right: NDArray[np.float64] | float = 0.0
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A gently winding road: position (n, 2) m and heading (n,) rad at distance `s`."""
    heading = 0.6 * np.sin(s / 180.0) + 0.4
    fine = np.arange(0.0, float(np.max(s)) + 1.5, 0.5)
    turn = 0.6 * np.sin(fine / 180.0) + 0.4
    x = np.concatenate([[0], np.cumsum(0.5 * np.sin(turn))])[:-1]
    y = np.concatenate([[0], np.cumsum(0.5 * np.cos(turn))])[:-1]
    xy = np.column_stack([np.interp(s, fine, x), np.interp(s, fine, y)])
    side = np.column_stack([np.cos(heading), -np.sin(heading)])
    return xy + side * np.broadcast_to(right, s.shape)[:, None], heading


def true_defects(drive: Drive) -> gpd.GeoDataFrame:
    """Defects as they are: clumped as real ones are, but never one on the other (2 m from each other)."""
    rng = np.random.default_rng([drive.seed, 1])
    places: list[tuple[float, float]] = []
    while len(places) < drive.n_defects:
        if places and rng.random() < 0.35:
            base = places[rng.integers(len(places))]
            s, right = base[0] + rng.normal(0, 3.0), base[1] + rng.normal(0, 1.2)
        else:
            s, right = rng.uniform(25, drive.length_m - 5), rng.uniform(-1.6, 3.4)
        inside = 25 < s < drive.length_m - 5 and -1.8 < right < 3.6
        if inside and all(np.hypot(s - a, right - b) > 2.0 for a, b in places):
            places.append((s, right))
    s, right = np.array(places).T
    crack = rng.random(len(s)) < drive.crack_share
    kind = np.where(crack, rng.choice(["D00", "D10", "D20"], len(s)), "D40")
    length = np.where(
        crack, np.where(kind == "D10", 0.3, rng.uniform(0.8, 2.0, len(s))), rng.lognormal(np.log(0.4), 0.4, len(s))
    )
    width = np.where(
        crack, np.where(kind == "D00", 0.3, rng.uniform(0.8, 1.8, len(s))), length * rng.uniform(0.8, 1.2, len(s))
    )
    xy, heading = road_at(s, right)
    table = {"id": np.arange(len(s)), "class": kind, "length_m": length, "width_m": width, "heading": heading, "s": s}
    return gpd.GeoDataFrame(table, geometry=gpd.points_from_xy(*xy.T), crs=CRS)


def survey(
    drive: Drive, truth: gpd.GeoDataFrame | None = None
) -> tuple[gpd.GeoDataFrame, pd.DataFrame, gpd.GeoDataFrame]:
    """Tables `observations` (with the true id of each box in `truth`) and `frames`, and the true defects."""
    truth = true_defects(drive) if truth is None else truth
    parts = [_one_pass(drive, truth, number) for number in range(drive.passes)]
    observations = pd.concat([part[0] for part in parts], ignore_index=True)
    frames = pd.concat([part[1] for part in parts], ignore_index=True)
    return gpd.GeoDataFrame(observations, geometry="geometry", crs=CRS), frames, truth


def _one_pass(drive: Drive, truth: gpd.GeoDataFrame, number: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    rng = np.random.default_rng([drive.seed, 2, number])
    s = np.arange(0.0, drive.length_m, drive.spacing_m) + rng.uniform(0, drive.spacing_m)
    lane = rng.uniform(-0.2, 0.4)
    xy, heading = road_at(s, lane)
    error = _drift(rng, len(s), drive)
    t = EPOCH_S + number * drive.days_apart * 86_400 + s / 12.0
    names = [f"pass{number}/{i:05d}.jpg" for i in range(len(s))]
    stated = xy + error
    frames = pd.DataFrame(
        {
            "frame": names,
            "t_s": t,
            "x_m": stated[:, 0],
            "y_m": stated[:, 1],
            "heading_deg": np.degrees(heading) % 360,
            "speed_mps": 12.0,
            "sd_m": drive.track_sd_m,
            "valid": True,
            "n_boxes": 0,
            "link": "A",
            "chainage_m": s,
        }
    )
    rows = []
    for i in range(len(s)):
        rows += _boxes(drive, rng, truth, (xy[i], heading[i]), i)
    table = pd.DataFrame(rows, columns=["i", "truth", "class", "score", "x1", "y1", "x2", "y2"])
    return _placed(drive, table, frames), frames


def _drift(rng: np.random.Generator, n: int, drive: Drive) -> NDArray[np.float64]:
    """A smoothed track's error (n, 2) m: first-order Gauss-Markov from fix to fix (one in 3 s), smooth between them."""
    fix_m = 36.0
    count = int(n * drive.spacing_m / fix_m) + 3
    keep = np.exp(-fix_m / drive.track_memory_m)
    error = rng.normal(0, drive.track_sd_m, (count, 2))
    for i in range(1, count):
        error[i] = keep * error[i - 1] + np.sqrt(1 - keep**2) * error[i]
    return CubicSpline(np.arange(count) * fix_m, error)(np.arange(n) * drive.spacing_m)


def _boxes(
    drive: Drive, rng: np.random.Generator, truth: gpd.GeoDataFrame, pose: tuple[NDArray[np.float64], float], i: int
) -> list[tuple]:
    at, heading = pose
    camera = replace(
        drive.camera,
        pitch_deg=drive.camera.pitch_deg + rng.normal(0, drive.pitch_jitter_deg),
        yaw_deg=drive.camera.yaw_deg + rng.normal(0, drive.yaw_jitter_deg),
    )
    offset = np.column_stack([truth.geometry.x, truth.geometry.y]) - at
    forward = offset @ [np.sin(heading), np.cos(heading)]
    right = offset @ [np.cos(heading), -np.sin(heading)]
    found = []
    for k in np.flatnonzero((forward > 3.5) & (forward < 26)):
        row = truth.iloc[k]
        half_l, half_w = row["length_m"] / 2, row["width_m"] / 2
        corners = np.array([[forward[k] + a * half_l, right[k] + b * half_w] for a in (-1, 1) for b in (-1, 1)])
        px = camera.to_image(corners)
        box = np.concatenate([px.min(axis=0), px.max(axis=0)]) + rng.normal(0, drive.pixel_sd_px, 4)
        inside = (
            box[0] > 0
            and box[2] < camera.width_px
            and box[3] < camera.height_px
            and box[3] > box[1] + 1
            and box[2] > box[0] + 1
        )
        if not inside or rng.random() < drive.miss + 0.25 * (forward[k] > 18):
            continue
        kind = row["class"]
        if kind != "D40" and rng.random() < 0.3:
            kind = CRACKS[rng.integers(4)]
        found.append((i, int(row["id"]), kind, float(np.clip(rng.normal(0.6, 0.15), 0.26, 0.98)), *box))
    return found


def _placed(drive: Drive, table: pd.DataFrame, frames: pd.DataFrame) -> pd.DataFrame:
    camera, box = drive.camera, table[["x1", "y1", "x2", "y2"]].to_numpy()
    pose = frames.iloc[table["i"]].reset_index(drop=True)
    middle_x = box[:, [0, 2]].mean(axis=1)
    near, far = (camera.to_ground(np.column_stack([middle_x, box[:, k]])) for k in (3, 1))
    px = camera.to_image((near + far) / 2)
    px = np.where(np.isfinite(px), px, -1.0)
    poses = _Poses(
        *(pose[c].to_numpy() for c in ("x_m", "y_m", "heading_deg", "sd_m")),
        np.full(len(pose), 0.3),
        np.ones(len(pose), bool),
    )
    errors = CameraErrors(
        pixel_sd_px=drive.pixel_sd_px, pitch_sd_deg=drive.pitch_jitter_deg, yaw_sd_deg=drive.yaw_jitter_deg
    )
    at = locate(camera, poses, px, errors)
    left, rightmost = (camera.to_ground(np.column_stack([box[:, k], box[:, 3]]))[:, 1] for k in (0, 2))
    length, width = far[:, 0] - near[:, 0], rightmost - left
    out = table.drop(columns="i").assign(
        frame=pose["frame"],
        t_s=pose["t_s"],
        located=at.in_range & np.isfinite(length),
        why_not="",
        forward_m=at.forward_m,
        right_m=at.right_m,
        x_m=at.xy_m[:, 0],
        y_m=at.xy_m[:, 1],
        cov_xx=at.cov[:, 0, 0],
        cov_xy=at.cov[:, 0, 1],
        cov_yy=at.cov[:, 1, 1],
        sd_m=at.sd_m,
        length_m=length,
        width_m=width,
        area_m2=length * width,
        length_cut=False,
        width_cut=False,
        link="A",
        chainage_m=pose["chainage_m"] + at.forward_m,
        offset_m=at.right_m,
        heading_deg=pose["heading_deg"],
    )
    out["geometry"] = _rectangles(at.xy_m, length, width, np.radians(pose["heading_deg"].to_numpy()))
    return out


def _rectangles(xy, length, width, heading) -> list[shapely.Polygon]:  # type: ignore[no-untyped-def]
    ahead, right = (
        np.column_stack([np.sin(heading), np.cos(heading)]),
        np.column_stack([np.cos(heading), -np.sin(heading)]),
    )
    shapes = []
    for at, a, b, u, v in zip(np.nan_to_num(xy), np.nan_to_num(length, nan=0.1), width, ahead, right, strict=True):
        corners = [at + i * a / 2 * u + j * b / 2 * v for i, j in ((-1, -1), (-1, 1), (1, 1), (1, -1))]
        shapes.append(shapely.Polygon(corners))
    return shapes
