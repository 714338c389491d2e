"""What became of every box and every truth of a picture: right, taken for another class, false, missed.

Unlike `models.measures.match`, which judges one class at a time, this also tells what an object was taken for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.detections import Detections
from models.measures import Truth, box_iou

__all__ = ["Outcomes", "outcomes_of"]

IOU = 0.5
INSIDE = 0.5
Indices = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Outcomes:
    """One picture's truths and boxes, by their index there.

    Attributes:
        pairs: int64 (p, 2), a truth and the box that found it, if by another class's name.
        false: int64 (f,), boxes where nothing is.
        missed: int64 (m,), truths that nothing found.
    """

    pairs: Indices
    false: Indices
    missed: Indices


def outcomes_of(truth: Truth, boxes: Detections, thresholds: Sequence[float]) -> Outcomes:
    """Pair boxes with truths: first those of one class, the highest score first, then what is left, by overlap.

    Boxes below their class's threshold, of classes that were not labelled on the picture, or mostly in a region that
    nobody labelled count neither way.

    Args:
        truth: what is there.
        boxes: what was seen.
        thresholds: score from which a box counts, by class id.
    """
    least = np.asarray(thresholds, np.float64)
    known = np.flatnonzero(truth.labelled[truth.class_id])
    said = np.flatnonzero((boxes.score >= least[boxes.class_id]) & truth.labelled[boxes.class_id])
    said = said[np.argsort(-boxes.score[said], kind="stable")]
    overlap = box_iou(boxes.xyxy[said], truth.xyxy[known])
    same = boxes.class_id[said][:, None] == truth.class_id[known][None, :]
    pairs = _claims(np.where(same, overlap, 0.0))
    left = overlap.copy()
    left[[row for row, _ in pairs], :] = 0
    left[:, [column for _, column in pairs]] = 0
    pairs += _claims(left)
    rows, columns = {row for row, _ in pairs}, {column for _, column in pairs}
    lone = [row for row in range(len(said)) if row not in rows]
    lone = [row for row in lone if not _ignored(boxes.xyxy[said[row]], truth.ignored)]
    return Outcomes(
        pairs=np.array([(known[column], said[row]) for row, column in pairs], np.int64).reshape(-1, 2),
        false=said[lone].astype(np.int64),
        missed=known[[column for column in range(len(known)) if column not in columns]].astype(np.int64),
    )


def _claims(overlap: NDArray[np.float64]) -> list[tuple[int, int]]:
    """(row, column) of each row, in order, and the free column it overlaps most, if by at least `IOU`."""
    free = overlap.copy()
    pairs = []
    for row in range(len(free)):
        column = int(free[row].argmax()) if free.shape[1] else 0
        if free.shape[1] and free[row, column] >= IOU:
            pairs.append((row, column))
            free[:, column] = 0
    return pairs


def _ignored(box: NDArray[np.float32], regions: NDArray[np.float32]) -> bool:
    low, high = np.maximum(box[:2], regions[:, :2]), np.minimum(box[2:], regions[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=1).max(initial=0)
    return bool(len(regions) and shared >= INSIDE * float(np.prod(box[2:] - box[:2])))
