"""Which damage every frame truly shows, and where in the picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import Polygon, box

from pipelines.sample.damage import Damage
from pipelines.sample.view import View

Array = NDArray[np.float64]

RANGE_M = 25.0
SMALLEST_PX = 10.0
_NEAR_M = 0.8


@dataclass(frozen=True, slots=True)
class TrueBox:
    """One visible damage in one frame.

    Attributes:
        damage: which.
        xyxy_px: left, top, right, bottom in px of the frame.
        forward_m: distance ahead of the damage's middle.
        visible: share of its outline on the road that is in the picture and in range, 0 to 1.
    """

    damage: Damage
    xyxy_px: tuple[float, float, float, float]
    forward_m: float
    visible: float


def visible_boxes(view: View, damages: Sequence[Damage]) -> list[TrueBox]:
    """Tight boxes of every damage that is near, large and whole enough to be seen."""
    found = []
    picture = box(0, 0, view.camera.width_px, view.camera.height_px)
    for damage in damages:
        forward, right = view.ahead_m(np.array(damage.decal.xy_m))[0]
        if not -3 < forward < RANGE_M + 4 or abs(right) > RANGE_M:
            continue
        seen = _seen(view, damage.outline, picture)
        if seen is not None:
            bounds, visible = seen
            found.append(TrueBox(damage, bounds, float(forward), visible))
    return found


def _seen(view: View, outline: Polygon, picture: Polygon) -> tuple[tuple[float, float, float, float], float] | None:
    """Bounds in px of what is seen of a map outline, and its share; None if too little."""
    ground = Polygon(view.ahead_m(shapely.get_coordinates(outline.exterior)))
    in_range = shapely.intersection(ground.buffer(0), box(_NEAR_M, -RANGE_M, RANGE_M, RANGE_M))
    parts = [p for p in shapely.get_parts(in_range) if p.geom_type == "Polygon" and not p.is_empty]
    if not parts:
        return None
    projected = [Polygon(view.camera.to_image(shapely.get_coordinates(p.exterior))).buffer(0) for p in parts]
    whole = shapely.union_all(projected)
    in_picture = shapely.intersection(whole, picture)
    if in_picture.is_empty or whole.area <= 0:
        return None
    x1, y1, x2, y2 = (float(v) for v in in_picture.bounds)
    share = float(in_picture.area / whole.area * in_range.area / ground.buffer(0).area)
    large = x2 - x1 >= SMALLEST_PX and y2 - y1 >= SMALLEST_PX / 4 and share > 0.25
    return ((x1, y1, x2, y2), share) if large else None
