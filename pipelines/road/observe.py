"""From boxes in pictures to observations on the road: what was seen, where it lies, how well that is known.

A box is laid on the flat road by its four corners. Its *footprint* is the figure between them, its place the middle of
the footprint. Length, width and area are the box's, hence upper bounds: a crack that runs slantwise fills little of it.
"""

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from geo.camera.locate import CameraErrors, locate
from geo.camera.pinhole import Camera
from geo.errors import CameraError
from geo.network import Roads
from geo.track import Poses, Trajectory

__all__ = ["OBSERVATION_COLUMNS", "Scene", "fits", "frame_table", "observe"]

Array = NDArray[np.float64]
Texts = NDArray[np.object_]

OBSERVATION_COLUMNS = [
    *("frame", "t_s", "class", "score", "x1", "y1", "x2", "y2", "located", "why_not", "forward_m", "right_m"),
    *("x_m", "y_m", "cov_xx", "cov_xy", "cov_yy", "sd_m", "length_m", "width_m", "area_m2"),
    *("length_cut", "width_cut"),
    *("link", "chainage_m", "offset_m", "heading_deg"),
]


_EDGE_PX = 3.0
"""A box that ends this near to the picture's edge may be cut off by it."""


@dataclass(frozen=True, slots=True)
class Scene:
    """What places boxes: the track, the camera and its errors, and the roads."""

    trajectory: Trajectory
    camera: Camera
    errors: CameraErrors
    roads: Roads


@dataclass(frozen=True, slots=True)
class _Footprints:
    """Boxes on the ground: `middle` (n, 2) forward, right, m; sizes (n,) m; `corners` (n, 4, 2); `why_not` (n,).

    `length_cut` and `width_cut`, (n,) bool, tell sizes that the picture's edge or the range cuts short.
    """

    middle: Array
    length_m: Array
    width_m: Array
    length_cut: NDArray[np.bool_]
    width_cut: NDArray[np.bool_]
    corners: Array
    why_not: Texts


def fits(camera: Camera, width_px: int, height_px: int) -> bool:
    """Whether frames of this size can come from the camera, enlarged or made smaller."""
    try:
        camera.scaled(width_px, height_px)
    except CameraError:
        return False
    return True


def frame_table(looked: pd.DataFrame, t_s: Array, scene: Scene) -> pd.DataFrame:
    """The table `frames`: where the vehicle was at each frame looked at.

    Args:
        looked: `frame`, `n_boxes`, one row per frame in order of time.
        t_s: float64 (n,), the frames' times on the track's clock.
        scene: track and roads.
    """
    poses = scene.trajectory.at(t_s)
    matched = scene.roads.match(poses)
    return pd.DataFrame(
        {
            "frame": looked["frame"].to_numpy(object),
            **{
                name: getattr(poses, name)
                for name in ("t_s", "x_m", "y_m", "heading_deg", "speed_mps", "sd_m", "valid")
            },
            "n_boxes": looked["n_boxes"].to_numpy(np.int64),
            "link": matched.link,
            "chainage_m": matched.chainage_m,
        }
    )


def observe(boxes: pd.DataFrame, frames: pd.DataFrame, scene: Scene) -> gpd.GeoDataFrame:
    """The table `observations`: one row per box, placed on the road where it can be.

    Args:
        boxes: `frame`, `width_px`, `height_px`, `class`, `score`, `x1`, `y1`, `x2`, `y2` (px of the full frame).
        frames: table `frames`, with a row for every frame that a box names.
        scene: track, camera and roads.
    """
    of_frame = frames.set_index("frame").loc[boxes["frame"]]
    poses = scene.trajectory.at(of_frame["t_s"].to_numpy(np.float64))
    edges = _full_size(boxes, scene.camera)
    ground = _footprints(edges, scene)
    located = locate(scene.camera, poses, scene.camera.to_image(ground.middle), scene.errors)
    why_not = _why_not(ground.why_not, poses, located.in_range)
    usable = why_not == ""
    table = boxes[["frame", "class", "score", "x1", "y1", "x2", "y2"]].reset_index(drop=True)
    table = table.assign(t_s=poses.t_s, heading_deg=poses.heading_deg, located=usable, why_not=why_not)
    numbers = {
        "forward_m": located.forward_m,
        "right_m": located.right_m,
        "x_m": located.xy_m[:, 0],
        "y_m": located.xy_m[:, 1],
        "cov_xx": located.cov[:, 0, 0],
        "cov_xy": located.cov[:, 0, 1],
        "cov_yy": located.cov[:, 1, 1],
        "sd_m": located.sd_m,
        "length_m": ground.length_m,
        "width_m": ground.width_m,
        "area_m2": ground.length_m * ground.width_m,
    }
    table = table.assign(**{name: np.where(usable, values, np.nan) for name, values in numbers.items()})
    table = table.assign(length_cut=ground.length_cut & usable, width_cut=ground.width_cut & usable)
    table = table.assign(**_snapped(table, of_frame["link"].to_numpy(object), scene.roads))
    shapes = gpd.GeoSeries(_polygons(ground.corners, poses, usable), crs=scene.trajectory.crs)
    return gpd.GeoDataFrame(table[OBSERVATION_COLUMNS], geometry=shapes, crs=scene.trajectory.crs)


def _full_size(boxes: pd.DataFrame, camera: Camera) -> Array:
    """(n, 4) x1, y1, x2, y2 in px of the camera; frames of one drive may come in several sizes."""
    edges = boxes[["x1", "y1", "x2", "y2"]].to_numpy(np.float64)
    x_scale = camera.width_px / boxes["width_px"].to_numpy(np.float64)
    y_scale = camera.height_px / boxes["height_px"].to_numpy(np.float64)
    scaled: Array = edges * np.column_stack([x_scale, y_scale, x_scale, y_scale])
    return scaled


def _footprints(edges: Array, scene: Scene) -> _Footprints:
    """Boxes laid on the road: cut at the range where they reach beyond it, not placed where they begin beyond it."""
    camera, reach = scene.camera, scene.errors.max_range_m
    x1, y1, x2, y2 = edges.T
    bottom = camera.to_ground(np.column_stack([(x1 + x2) / 2, y2]))[:, 0]
    reach_px = _row_at(camera, (x1 + x2) / 2, reach)
    top_px = np.maximum(y1, reach_px)
    corners_px = np.stack([[x1, y2], [x2, y2], [x2, top_px], [x1, top_px]]).transpose(2, 0, 1)
    corners = camera.to_ground(corners_px.reshape(-1, 2)).reshape(-1, 4, 2)
    near, far = corners[:, :2].mean(axis=1), corners[:, 2:].mean(axis=1)
    middle = (near + far) / 2
    across = (
        np.linalg.norm(corners[:, 1] - corners[:, 0], axis=1) + np.linalg.norm(corners[:, 2] - corners[:, 3], axis=1)
    ) / 2
    why_not = np.full(len(edges), "", object)
    with np.errstate(invalid="ignore"):
        why_not[~(bottom <= reach)] = "beyond_range"
    why_not[~np.isfinite(bottom)] = "above_horizon"
    middle[why_not != ""] = np.nan
    length_cut = (y2 > camera.height_px - _EDGE_PX) | (y1 < reach_px)
    width_cut = (x1 < _EDGE_PX) | (x2 > camera.width_px - _EDGE_PX)
    return _Footprints(middle, far[:, 0] - near[:, 0], across, length_cut, width_cut, corners, why_not)


def _row_at(camera: Camera, x_px: Array, forward_m: float) -> Array:
    """(n,) px: the picture row that shows the road `forward_m` ahead, at columns `x_px`."""
    row: Array = camera.to_image(np.array([[forward_m, -5.0], [forward_m, 5.0]]))
    slope = (row[1, 1] - row[0, 1]) / (row[1, 0] - row[0, 0])
    return np.asarray(row[0, 1] + slope * (x_px - row[0, 0]), np.float64)


def _why_not(of_box: Texts, poses: Poses, in_range: NDArray[np.bool_]) -> Texts:
    why = of_box.copy()
    why[(why == "") & ~poses.valid] = "track_invalid"
    why[(why == "") & ~in_range] = "beyond_range"
    return why


def _snapped(table: pd.DataFrame, link: Texts, roads: Roads) -> dict[str, NDArray[np.generic]]:
    xy = table[["x_m", "y_m"]].to_numpy(np.float64)
    snapped = roads.snap(xy[:, 0], xy[:, 1], table["heading_deg"].to_numpy(), table["sd_m"].to_numpy(), link)
    return {"link": snapped.link, "chainage_m": snapped.chainage_m, "offset_m": snapped.offset_m}


def _polygons(corners: Array, poses: Poses, usable: NDArray[np.bool_]) -> Texts:
    """(n,) Polygon on the map; empty where a box is not placed."""
    heading = np.radians(poses.heading_deg)[:, None]
    forward, right = corners[..., 0], corners[..., 1]
    x = poses.x_m[:, None] + forward * np.sin(heading) + right * np.cos(heading)
    y = poses.y_m[:, None] + forward * np.cos(heading) - right * np.sin(heading)
    shapes = np.full(len(corners), shapely.Polygon(), object)
    shapes[usable] = shapely.polygons(np.stack([x, y], axis=-1)[usable])
    return shapes
