"""Which damage every frame truly shows, and where in the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import Polygon

from geo.camera.pinhole import Camera
from pipelines.sample.damage import Damage
from pipelines.sample.view import View

Array = NDArray[np.float64]

RANGE_M = 25.0
SMALLEST_PX = 10.0
LEAST_VISIBLE = 0.15

Bounds = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class TrueBox:
    """One visible damage in one frame.

    Attributes:
        damage: which.
        xyxy_px: left, top, right, bottom in px of the frame.
        forward_m: distance ahead of the damage's middle.
        visible: share of its area on the road that is in the picture and in range, 0 to 1.
    """

    damage: Damage
    xyxy_px: tuple[float, float, float, float]
    forward_m: float
    visible: float


def visible_boxes(view: View, damages: Sequence[Damage]) -> list[TrueBox]:
    """Tight boxes of every damage that is near, large and whole enough to be seen."""
    found = []
    view_ground = ground_in_view(view.camera)
    for damage in damages:
        forward, right = view.ahead_m(np.array(damage.decal.xy_m))[0]
        if not -3 < forward < RANGE_M + 4 or abs(right) > RANGE_M:
            continue
        seen = _seen(view, damage.outline, view_ground)
        if seen is not None:
            bounds, visible = seen
            found.append(TrueBox(damage, bounds, float(forward), visible))
    return found


def ground_in_view(camera: Camera) -> Polygon:
    """The road that a picture shows up to `RANGE_M`: forward and right, m."""
    low = camera.to_ground(np.array([[0.0, camera.height_px], [camera.width_px, camera.height_px]]))
    far_row = camera.to_image(np.array([[RANGE_M, 0.0]]))[0, 1]
    far = camera.to_ground(np.array([[camera.width_px, far_row], [0.0, far_row]]))
    return Polygon(np.vstack([low, far]))


def _seen(view: View, outline: Polygon, view_ground: Polygon) -> tuple[Bounds, float] | None:
    """Bounds in px of what is seen of a map outline, and the share of it; None if too little."""
    ground = Polygon(view.ahead_m(shapely.get_coordinates(outline.exterior))).buffer(0)
    shown = shapely.intersection(ground, view_ground)
    if shown.is_empty or shown.area < LEAST_VISIBLE * ground.area:
        return None
    px = view.camera.to_image(shapely.get_coordinates(shown))
    (x1, y1), (x2, y2) = px.min(axis=0), px.max(axis=0)
    if max(x2 - x1, y2 - y1) < SMALLEST_PX or min(x2 - x1, y2 - y1) < SMALLEST_PX / 4:
        return None
    return (float(x1), float(y1), float(x2), float(y2)), float(shown.area / ground.area)
