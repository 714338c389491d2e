"""What a photo may show: the road surface around a defect. All else is reduced to a few mean colours.

The concealed part of a picture is rebuilt from at most `_CELLS` × `_CELLS` mean colours (pixelated, then blurred), so
no sharpening brings a face or a plate back: the information is not in the file. Above the horizon, beside the road
and beyond the defect nothing but the defect's own box is shown; whatever stands beyond the last shown metre of road
has its feet above that line in the picture, and is concealed whole.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from geo.camera.pinhole import Camera
from geo.errors import CameraError
from pipelines.report.content import BlurRoadUsers, Box, Picture, ReportParams

Mask = NDArray[np.bool_]

_CELLS = 24
_FEATHER_SHARE = 0.006
_NEAR_M = 1.0
_USER_MARGIN = 0.15


def conceal(picture: Picture, visible: Mask) -> Picture:
    """The picture with everything outside `visible` reduced to mean colours.

    Args:
        picture: (h, w, 3) uint8 RGB.
        visible: (h, w) bool, what may be shown.

    Returns:
        (h, w, 3) uint8 RGB. The edge is faded inwards, never outwards: no hidden pixel contributes to the result but
        through the mean colour of its cell.
    """
    height, width = picture.shape[:2]
    feather = max(2, round(_FEATHER_SHARE * width))
    size = (2 * feather + 1, 2 * feather + 1)
    inner = cv2.erode(visible.astype(np.uint8), np.ones(size, np.uint8), borderValue=1)
    weight = cv2.blur(inner.astype(np.float32), size, borderType=cv2.BORDER_REPLICATE) * visible.astype(np.float32)
    cells = cv2.resize(picture, _grid(width, height), interpolation=cv2.INTER_AREA)
    hidden = cv2.resize(cv2.GaussianBlur(cells, (0, 0), 0.8), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.blendLinear(picture, hidden, weight, 1 - weight), np.uint8)


def visible_road(camera: Camera, box: Box, params: ReportParams) -> Mask:
    """Which pixels show the road surface around a defect.

    Args:
        camera: how the frame looks onto the road.
        box: the defect, x1, y1, x2, y2 px.
        params: road width and how far beyond the defect may be seen.

    Returns:
        (h, w) bool. The defect's own box belongs to it even where that reaches beside the road, without a margin; but
        nothing at or above the horizon does.
    """
    left_m, right_m = corridor(params)
    far_m = _far_m(camera, box, params)
    outline = camera.to_image(np.array([[_NEAR_M, left_m], [far_m, left_m], [far_m, right_m], [_NEAR_M, right_m]]))
    mask = np.zeros((camera.height_px, camera.width_px), np.uint8)
    if np.isfinite(outline).all():
        cv2.fillConvexPoly(mask, np.rint(outline).astype(np.int32), 1)
    x1, y1, x2, y2 = _rounded(box, camera.width_px, camera.height_px)
    mask[y1:y2, x1:x2] = 1
    return mask.astype(bool) & _below_horizon(camera)


def corridor(params: ReportParams) -> tuple[float, float]:
    """How far the road reaches to the left (negative) and right of a vehicle in the middle of its lane, m."""
    near_m, away_m = params.lane_width_m / 2, params.road_width_m - params.lane_width_m / 2
    return (-near_m, away_m) if params.drives_on == "left" else (-away_m, near_m)


def without_road_users(picture: Picture, visible: Mask, find: BlurRoadUsers | None) -> Mask:
    """`visible` less the people and vehicles that stand on the road.

    Args:
        picture: (h, w, 3) uint8 RGB.
        visible: (h, w) bool.
        find: gives their boxes; None where no street model is there.
    """
    shown = visible.copy()
    for box in () if find is None else find(picture):
        x1, y1, x2, y2 = _rounded(widened(box, _USER_MARGIN), picture.shape[1], picture.shape[0])
        shown[y1:y2, x1:x2] = False
    return shown


def fitted(camera: Camera | None, picture: Picture) -> Camera | None:
    """The camera at the picture's size; None where none is known or the picture has another shape."""
    if camera is None:
        return None
    try:
        return camera.scaled(picture.shape[1], picture.shape[0])
    except CameraError:
        return None


def widened(box: Box, share: float, least_px: float = 8.0) -> Box:
    """The box with a margin on every side of `share` of its size, at least `least_px`."""
    x1, y1, x2, y2 = box
    dx, dy = max(share * (x2 - x1), least_px), max(share * (y2 - y1), least_px)
    return x1 - dx, y1 - dy, x2 + dx, y2 + dy


def surroundings(picture: Picture, box: Box, share: float = 0.5) -> tuple[Picture, Box]:
    """A crop of the box's surroundings alone, and the box in it: all that may be shown where the horizon is unknown."""
    x1, y1, x2, y2 = _rounded(widened(box, share, 16.0), picture.shape[1], picture.shape[0])
    return picture[y1:y2, x1:x2], (box[0] - x1, box[1] - y1, box[2] - x1, box[3] - y1)


def _grid(width: int, height: int) -> tuple[int, int]:
    """Columns and rows of mean colours, near-square cells, `_CELLS` along the longer side."""
    cell = max(width, height) / _CELLS
    return max(1, round(width / cell)), max(1, round(height / cell))


def _far_m(camera: Camera, box: Box, params: ReportParams) -> float:
    x1, y1, x2, y2 = box
    middle = (x1 + x2) / 2
    edges = camera.to_ground(np.array([[middle, y1], [middle, y2]]))[:, 0]
    reached = edges[np.isfinite(edges) & (edges > 0)]
    beyond = (reached.max() if len(reached) else 0.0) + params.far_margin_m
    return float(np.clip(beyond, _NEAR_M + params.far_margin_m, params.max_forward_m))


def _below_horizon(camera: Camera) -> Mask:
    """(h, w) bool: pixels whose whole area lies below the horizon."""
    ends = np.array([camera.horizon_px(0.0), camera.horizon_px(float(camera.width_px))])
    horizon = np.interp(np.arange(camera.width_px) + 0.5, [0, camera.width_px], ends)
    return np.asarray(np.arange(camera.height_px)[:, None] >= np.ceil(horizon)[None, :] + 1)


def _rounded(box: Box, width: int, height: int) -> tuple[int, int, int, int]:
    """Whole pixels inside the picture, at least one of them."""
    x1, y1 = int(np.clip(np.floor(box[0]), 0, width - 1)), int(np.clip(np.floor(box[1]), 0, height - 1))
    x2, y2 = int(np.clip(np.ceil(box[2]), x1 + 1, width)), int(np.clip(np.ceil(box[3]), y1 + 1, height))
    return x1, y1, x2, y2
