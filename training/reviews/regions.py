"""What a picture's reviews let it teach, and where: the rest is painted over.

A review says something of one box. Around it, and of other classes, nobody said anything: a picture shown whole would
teach that all else on it is nothing. Hence a picture that nobody looked through gives clippings: the reviewed boxes
with what a reviewer saw around them, everything else grey, and only the classes that were asked about.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.measures import box_iou
from training.reviews.lines import Corrections
from training.sources.boxes import Box

__all__ = ["Clipping", "clippings", "settled", "whole_picture"]

SAME_IOU = 0.5
PAD = 114
Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Clipping:
    """A part of a picture that teaches.

    Attributes:
        window: left, top, right, bottom in whole px of the picture.
        shown: what of the picture is left to be seen, px of the picture; the rest of the window is painted over.
        hidden: parts of `shown` that are painted over all the same: boxes that nobody reviewed.
        boxes: (class, box in px of the picture) of what is there.
        labelled: the classes whose absence elsewhere in it is known.
    """

    window: tuple[int, int, int, int]
    shown: tuple[Box, ...]
    hidden: tuple[Box, ...]
    boxes: tuple[tuple[str, Box], ...]
    labelled: tuple[str, ...]

    def cut(self, picture: Picture) -> Picture:
        """The clipping's pixels uint8 (h, w, 3), grey where nothing was reviewed."""
        left, top, right, bottom = self.window
        seen = np.zeros(picture.shape[:2], bool)
        for boxes, shows in ((self.shown, True), (self.hidden, False)):
            for x1, y1, x2, y2 in (_whole(box) for box in boxes):
                seen[y1:y2, x1:x2] = shows
        for x1, y1, x2, y2 in (_whole(box) for _, box in self.boxes):
            seen[y1:y2, x1:x2] = True
        part = np.where(seen[..., None], picture, np.uint8(PAD))
        return np.asarray(part[top:bottom, left:right], np.uint8)


def settled(said: Iterable[Corrections]) -> list[Corrections]:
    """The latest word on each box: of two reviews of one (IoU 0.5), the later `when` counts, then the later line.

    What was said of no box stands beside it.
    """
    kept: list[Corrections] = []
    for one in sorted(said, key=lambda review: review.when):
        if one.boxes:
            kept = [other for other in kept if not (other.boxes and _same(one, other))]
        kept.append(one)
    return kept


def whole_picture(said: Sequence[Corrections]) -> bool:
    """Whether somebody looked through the picture and said that nothing else is on it."""
    return any(not one.boxes for one in said)


def clippings(
    said: Sequence[Corrections], classes: Sequence[str], size_px: tuple[int, int], context: float
) -> list[Clipping]:
    """What a picture that nobody looked through may teach.

    Args:
        said: the settled reviews of the picture, those of nobody (verdict None) included.
        classes: the classes of the task.
        size_px: width and height of the picture.
        context: how much a reviewer is taken to have seen around a box, as a part of its sides, each way.
    """
    reviewed = [one for one in said if one.verdict is not None and one.boxes]
    unknown = tuple(one.boxes[0] for one in said if one.verdict is None)
    there = [(one.name, one.boxes[0]) for one in reviewed if one.verdict != "reject" and one.name is not None]
    found = []
    for known in sorted({_known(one, classes) for one in reviewed}):
        regions = [_region(one, size_px, context) for one in reviewed if _known(one, classes) == known]
        for cluster in _clusters(regions):
            boxes = tuple((name, box) for name, box in there if name in known and _inside(box, cluster))
            # What is known to be there but only half shown, or of which nobody knows, must not pass for nothing.
            half = [box for name, box in there if name in known and not _inside(box, cluster)]
            window = np.array([_whole(box) for box in cluster])
            left, top = window[:, :2].min(axis=0).tolist()
            right, bottom = window[:, 2:].max(axis=0).tolist()
            found.append(Clipping((left, top, right, bottom), tuple(cluster), (*unknown, *half), boxes, known))
    return found


def _known(one: Corrections, classes: Sequence[str]) -> tuple[str, ...]:
    return tuple(classes) if one.name is None else (one.name,)


def _region(one: Corrections, size_px: tuple[int, int], context: float) -> Box:
    """The box, and for a fix also where it was, with what lies around them, within the picture."""
    corners = np.array(one.boxes, np.float64)
    low, high = corners[:, :2].min(axis=0), corners[:, 2:].max(axis=0)
    margin = context * (high - low)
    (x1, y1), (x2, y2) = np.maximum(low - margin, 0), np.minimum(high + margin, size_px)
    return (float(x1), float(y1), float(x2), float(y2))


def _clusters(regions: Sequence[Box]) -> list[list[Box]]:
    """Regions that touch, together."""
    clusters: list[list[Box]] = []
    for one in regions:
        near = [some for some in clusters if any(_touch(one, other) for other in some)]
        clusters = [some for some in clusters if some not in near] + [[one, *(box for some in near for box in some)]]
    return clusters


def _touch(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]


def _inside(box: Box, regions: Sequence[Box]) -> bool:
    return any(r[0] <= box[0] and r[1] <= box[1] and box[2] <= r[2] and box[3] <= r[3] for r in regions)


def _same(one: Corrections, other: Corrections) -> bool:
    if one.verdict is None or other.verdict is None:
        return False
    # "No D40" and "a D20" are both said of one place; a fix, or a rejection of everything, speaks of all classes.
    all_classes = None in (one.name, other.name) or "fix" in (one.verdict, other.verdict)
    if not all_classes and one.name != other.name:
        return False
    return bool(box_iou(np.array(one.boxes), np.array(other.boxes)).max() >= SAME_IOU)


def _whole(box: Box) -> tuple[int, int, int, int]:
    left, top, right, bottom = box
    return int(np.floor(left)), int(np.floor(top)), int(np.ceil(right)), int(np.ceil(bottom))
