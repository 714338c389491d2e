"""People and vehicles in a frame, found so that no photo shows them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.band import see
from models.detector import Detector
from pipelines.report.content import Box, Picture

__all__ = ["RoadUsers"]


# Shares of the picture from which on a box at its lower edge is the camera's own vehicle: a windscreen camera's own
# dashboard is found as a vehicle 0.93 of the picture wide and more; a lorry that near would reach far higher.
_OWN_WIDTH, _OWN_HEIGHT = 0.8, 0.6
_EDGE_PX = 4.0


class RoadUsers:
    """Finds people and vehicles with the street model; the vehicle that carries the camera is none of them.

    Several defects are often photographed on one frame, one after another: the last frame's answer is kept.
    """

    def __init__(self, detector: Detector, min_score: float) -> None:
        """Look with `detector`; what it believes less than `min_score` is nobody."""
        self._detector = detector
        self._min_score = min_score
        self._frame: Picture | None = None
        self._boxes: Sequence[Box] = ()

    def __call__(self, frame: Picture) -> Sequence[Box]:
        """Their boxes, x1, y1, x2, y2 px each, in a frame (h, w, 3) uint8 RGB."""
        if self._frame is not frame:
            found = see(self._detector, frame, self._min_score)
            others = found.xyxy[~_own_vehicle(found.xyxy, frame.shape[1], frame.shape[0])]
            self._frame, self._boxes = frame, [(x1, y1, x2, y2) for x1, y1, x2, y2 in others.tolist()]
        return self._boxes


def _own_vehicle(xyxy: NDArray[np.float32], width_px: int, height_px: int) -> NDArray[np.bool_]:
    """(n,) bool: which boxes (n, 4) px are the dashboard or bonnet before the lens."""
    wide = xyxy[:, 2] - xyxy[:, 0] >= _OWN_WIDTH * width_px
    low = xyxy[:, 3] - xyxy[:, 1] <= _OWN_HEIGHT * height_px
    return np.asarray(wide & low & (xyxy[:, 3] >= height_px - _EDGE_PX))
