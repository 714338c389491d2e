"""From the network's raw output to boxes: the same arithmetic whatever back end ran it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from models.card import Suppression
from models.detections import Detections
from models.types import RawOutput

__all__ = ["decode", "suppress"]

MAX_CANDIDATES = 3000
"""Boxes that enter suppression at most, highest scores first: ten times what a card keeps of one picture."""


def decode(raw: RawOutput, min_score: float, labels: str) -> Detections:
    """Boxes of every anchor and class scored at or above `min_score`, in input pixels, not yet suppressed.

    Args:
        raw: float32 (4 + classes, anchors), centre x, y, width, height, then scores.
        min_score: scores below are dropped.
        labels: "all" takes every class of an anchor that reaches `min_score`, "best" its highest alone.
    """
    scores = raw[4:]
    if labels == "best":
        class_id = scores.argmax(axis=0)
        anchor = np.flatnonzero(scores.max(axis=0) >= min_score)
        class_id = class_id[anchor]
    else:
        class_id, anchor = np.nonzero(scores >= min_score)
    score = scores[class_id, anchor]
    if len(score) > MAX_CANDIDATES:
        highest = np.argsort(-score, kind="stable")[:MAX_CANDIDATES]
        class_id, anchor, score = class_id[highest], anchor[highest], score[highest]
    x, y, half_width, half_height = raw[0, anchor], raw[1, anchor], raw[2, anchor] / 2, raw[3, anchor] / 2
    xyxy = np.stack([x - half_width, y - half_height, x + half_width, y + half_height], axis=1)
    return Detections(xyxy, np.clip(score, 0, 1), class_id.astype(np.int16))


def suppress(boxes: Detections, rule: Suppression) -> Detections:
    """The boxes that remain when, class by class, each drops those it overlaps by more than `rule.iou`.

    Ties are broken by coordinates, so the order of the anchors does not matter.
    """
    ordered = boxes.sorted()
    if not len(ordered):
        return ordered
    boxes_xywh, scores, classes = _as_xywh(ordered.xyxy).tolist(), ordered.score.tolist(), ordered.class_id.tolist()
    kept = cv2.dnn.NMSBoxesBatched(boxes_xywh, scores, classes, 0.0, rule.iou)
    return ordered.where(np.sort(np.asarray(kept, np.intp))[: rule.max_boxes])


def _as_xywh(xyxy: NDArray[np.float32]) -> NDArray[np.float64]:
    left_top = xyxy[:, :2].astype(np.float64)
    return np.hstack([left_top, xyxy[:, 2:] - left_top])
