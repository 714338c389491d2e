"""Which type a crack is of, told from the shape of its mask on the road.

Some sets draw every crack and name no types; their masks tell most of them. Seen on a flat road before the camera, a
thin one along the road is longitudinal, a thin one across it transverse, and what is as wide as a wheel's path is a net
of cracks. What lies between is left open. The limits are those that people draw by, not the outcome of a search.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from training.sources.catalogue import RoadView

__all__ = ["Shape", "shape_of"]

Shape = Literal["along", "across", "net"]
LEAST_PX = 60
LEAST_LENGTH_M = 0.5
NET_WIDTH_M, THIN_M = 0.35, 0.22
"""At least so wide is a net; at most so wide, and a third of its length, a single crack: widths of even strips."""
SLENDER = 3.0
ALONG_DEG, ACROSS_DEG = 30.0, 60.0


def shape_of(mask: NDArray[np.bool_], box: NDArray[np.float32], view: RoadView) -> Shape | None:
    """What the mask inside a box looks like on the road; None where that is not clear.

    Length and width are those of an even strip with the same spread along its principal axes, each pixel counted by
    the ground that it covers.

    Args:
        mask: bool (h, w), pixels of cracks.
        box: float32 (4,) px, corners.
        view: how the camera sees the road.
    """
    height, width = mask.shape
    left, top, right, bottom = (max(0, round(float(one))) for one in box)
    rows, columns = np.nonzero(mask[top:bottom, left:right])
    if len(rows) < LEAST_PX:
        return None
    below = np.maximum(rows + top + 0.5 - view.horizon * height, 1.0)
    aside = columns + left + 0.5 - width / 2
    ground = np.column_stack([aside, np.full(len(aside), view.focal * width)]) * (view.height_m / below)[:, None]
    weight = below**-3.0
    weight /= weight.sum()
    spread = ground - weight @ ground
    variance, axes = np.linalg.eigh((spread * weight[:, None]).T @ spread)
    wide, long = np.sqrt(12 * np.maximum(variance, 0))
    if long < LEAST_LENGTH_M:
        return None
    if wide >= NET_WIDTH_M:
        return "net"
    if wide > THIN_M or long < SLENDER * wide:
        return None
    angle = np.degrees(np.arctan2(abs(axes[0, 1]), abs(axes[1, 1])))
    if angle <= ALONG_DEG:
        return "along"
    return "across" if angle >= ACROSS_DEG else None
