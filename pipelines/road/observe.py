"""From boxes in pictures to observations on the road: what was seen, where it lies, how well that is known.

A box is laid on the flat road by its four corners. Its *footprint* is the trapezoid between them, its place the middle of
the footprint. Length, width and area are those of the box, hence upper bounds: a crack that runs slantwise fills little
of its box.
"""

from dataclasses import dataclass, replace

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from geo.camera.locate import CameraErrors, Located, locate
from geo.camera.pinhole import Camera
from geo.network import Roads
from geo.track import Poses, Trajectory

Array = NDArray[np.float64]

OBSERVATION_COLUMNS = (
    *("frame", "t_s", "class", "score", "x1", "y1", "x2", "y2", "located", "why_not", "forward_m", "right_m"),
    *("x_m", "y_m", "cov_xx", "cov_xy", "cov_yy", "sd_m", "length_m", "width_m", "area_m2"),
    *("link", "chainage_m", "offset_m", "heading_deg"),
)


@dataclass(frozen=True, slots=True)
class Scene:
    """What places boxes: the track, the camera with its errors, and the roads."""

    trajectory: Trajectory
    camera: Camera
    errors: CameraErrors
    roads: Roads


def frame_table(looked: pd.DataFrame, scene: Scene) -> pd.DataFrame:
    """The table `frames`: where the vehicle was at each frame looked at.

    Args:
        looked: one row per frame in order of time: `frame`, `t_s` (the track's clock), `width_px`, `height_px`, `n_boxes`.
        scene: track and roads.
    """
    poses = scene.trajectory.at(looked["t_s"].to_numpy(np.float64))
    matched = scene.roads.match(poses)
    return pd.DataFrame(
        {
            "frame": looked["frame"].to_numpy(object),
            "t_s": poses.t_s,
            "x_m": poses.x_m,
            "y_m": poses.y_m,
            "heading_deg": poses.heading_deg,
            "speed_mps": poses.speed_mps,
            "sd_m": poses.sd_m,
            "valid": poses.valid,
            "n_boxes": looked["n_boxes"].to_numpy(np.int64),
            "link": matched.link,
            "chainage_m": matched.chainage_m,
        }
    )


def observe(boxes: pd.DataFrame, frames: pd.DataFrame, scene: Scene) -> gpd.GeoDataFrame:
    """The table `observations`: one row per box, on the road where it can be placed.

    Args:
        boxes: `frame`, `width_px`, `height_px`, `class`, `score`, `x1`, `y1`, `x2`, `y2` (px of the full frame).
        frames: table `frames`, holding every box's frame.
        scene: track, camera and roads.
    """
    by_frame = frames.set_index("frame").loc[boxes["frame"]]
    poses = scene.trajectory.at(by_frame["t_s"].to_numpy(np.float64))
    placed = _place(boxes, poses, scene)
    table = boxes[["frame", "class", "score", "x1", "y1", "x2", "y2"]].reset_index(drop=True)
    table["t_s"] = poses.t_s
    table["heading_deg"] = poses.heading_deg
    for name, values in placed.columns.items():
        table[name] = values
    snapped = scene.roads.snap(
        table["x_m"].to_numpy(),
        poses.heading_deg,
        poses.heading_deg,
        table["sd_m"].to_numpy(),
    ) if False else _snap(table, poses, by_frame["link"].to_numpy(object), scene.roads)
    for name, values in snapped.items():
        table[name] = values
    crs = scene.trajectory.crs
    return gpd.GeoDataFrame(table[list(OBSERVATION_COLUMNS)], geometry=gpd.GeoSeries(placed.footprint, crs=crs), crs=crs)
