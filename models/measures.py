"""How detections are judged: average precision, F1, image-level recall, count bias, and crowns plot by plot.

Matching follows COCO: boxes are taken from the highest score down, over all pictures of a class, and each claims the
unclaimed truth it overlaps most, if by at least the IoU asked for. Pictures on which a class was not labelled do not
enter that class's figures, and a box that mostly lies in a region nobody labelled counts neither way.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from models.detections import Detections

__all__ = [
    "COCO_IOUS",
    "Hits",
    "OperatingPoint",
    "PlotScore",
    "Truth",
    "average_precision",
    "best_threshold",
    "box_iou",
    "count_bias",
    "counted",
    "image_level",
    "image_level_curve",
    "match",
    "mean_average_precision",
    "one_to_one",
    "operating_point",
    "operating_points",
    "plot_f1",
]

Floats = NDArray[np.float64]
COCO_IOUS = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
IGNORED_SHARE = 0.5
RECALLS = np.linspace(0, 1, 101)


def _no_boxes() -> NDArray[np.float32]:
    return np.empty((0, 4), np.float32)


@dataclass(frozen=True, slots=True)
class Truth:
    """What people labelled on one picture.

    Attributes:
        xyxy: float32 (n, 4) px, corners.
        class_id: int16 (n,).
        labelled: bool (classes,), True where every instance of the class is labelled on this picture.
        ignored: float32 (m, 4) px, regions in which nobody labelled anything.
    """

    xyxy: NDArray[np.float32]
    class_id: NDArray[np.int16]
    labelled: NDArray[np.bool_]
    ignored: NDArray[np.float32] = field(default_factory=_no_boxes)


@dataclass(frozen=True, slots=True)
class Hits:
    """One class's boxes over many pictures, highest score first.

    Attributes:
        score: float64 (n,).
        hit: bool (n, ious), whether the box found a truth at that IoU.
        n_true: how many truths there were.
        ignored: bool (n, ious), whether it counts neither way at that IoU, as it lies in a region nobody labelled; at
            the first IoU none does.
    """

    score: Floats
    hit: NDArray[np.bool_]
    n_true: int
    ignored: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class OperatingPoint:
    """Precision, recall and F1 of what scores at or above `threshold`; nan where a ratio has no denominator."""

    threshold: float
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True, slots=True)
class PlotScore:
    """One plot's precision and recall at a threshold; nan where nothing was said, or nothing is there."""

    precision: float
    recall: float


def box_iou(first: NDArray[np.floating], second: NDArray[np.floating]) -> Floats:
    """Intersection over union (n, m) of boxes (n, 4) and (m, 4), px corners; 0 where both are empty."""
    shared = _shared_area(first, second)
    union = _area(first)[:, None] + _area(second)[None, :] - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def match(
    truths: Sequence[Truth], found: Sequence[Detections], class_id: int, ious: Sequence[float] = COCO_IOUS
) -> Hits:
    """Which boxes of one class found a truth, over all pictures on which that class is labelled.

    Args:
        truths: what is there, a picture each.
        found: what was seen, in the same order.
        class_id: the class.
        ious: the overlaps at which a box counts as a hit.
    """
    scores, hits, dark, n_true = [], [], [], 0
    for truth, boxes in zip(truths, found, strict=True):
        if not truth.labelled[class_id]:
            continue
        there = truth.xyxy[truth.class_id == class_id]
        n_true += len(there)
        seen = boxes.where(boxes.class_id == class_id).sorted()
        hit = _claim(box_iou(seen.xyxy, there), ious)
        ignored = ~hit & _mostly_inside(seen.xyxy, truth.ignored)[:, None]
        counts = ~ignored[:, 0]
        scores.append(seen.score[counts].astype(np.float64))
        hits.append(hit[counts])
        dark.append(ignored[counts])
    score = np.concatenate([np.empty(0), *scores])
    hit, ignored = (np.concatenate([np.empty((0, len(ious)), bool), *some]) for some in (hits, dark))
    order = np.argsort(-score, kind="stable")
    return Hits(score[order], hit[order], n_true, ignored[order])


def average_precision(hits: Hits) -> Floats:
    """Average precision (ious,), COCO's: mean over 101 recalls of the best precision at that recall or beyond.

    nan where there is no truth: a class that is not there has no precision to average.
    """
    n_ious = hits.hit.shape[1]
    if hits.n_true == 0:
        return np.full(n_ious, np.nan)
    averages = np.zeros(n_ious)
    for column in range(n_ious):
        counts = ~hits.ignored[:, column]
        true = np.cumsum(hits.hit[counts, column])
        precision = np.maximum.accumulate((true / np.arange(1, len(true) + 1))[::-1])[::-1]
        place = np.searchsorted(true / hits.n_true, RECALLS, side="left")
        averages[column] = np.append(precision, 0.0)[np.minimum(place, len(precision))].mean()
    return averages


def mean_average_precision(hits: Sequence[Hits]) -> Floats:
    """Mean over the classes that have truths, (ious,); nan where none has."""
    present = [average_precision(one) for one in hits if one.n_true]
    return np.mean(present, axis=0) if present else np.full(hits[0].hit.shape[1], np.nan)


def operating_points(hits: Hits) -> list[OperatingPoint]:
    """The point at each distinct score, at the first of the IoUs, highest threshold first."""
    last = np.flatnonzero(np.append(np.diff(hits.score) != 0, True))[: len(hits.score)]
    true = np.cumsum(hits.hit[:, 0])
    return [_point(float(hits.score[at]), int(true[at]), at + 1, hits.n_true) for at in last]


def operating_point(hits: Hits, threshold: float) -> OperatingPoint:
    """The point at a threshold chosen beforehand, at the first of the IoUs."""
    n = int((hits.score >= threshold).sum())
    return _point(threshold, int(hits.hit[:n, 0].sum()), n, hits.n_true)


def best_threshold(hits: Hits) -> OperatingPoint | None:
    """The point of highest F1; among equals the highest threshold. None where nothing was found or nothing is there."""
    points = [one for one in operating_points(hits) if not np.isnan(one.f1)]
    return max(points, key=lambda one: (one.f1, one.threshold), default=None) if hits.n_true else None


def image_level(
    truths: Sequence[Truth], found: Sequence[Detections], class_id: int, threshold: float
) -> OperatingPoint:
    """How well "this picture shows one" is told, over pictures on which the class is labelled."""
    there, best = _by_picture(truths, found, class_id)
    said = best >= threshold
    return _point(threshold, int((said & there).sum()), int(said.sum()), int(there.sum()))


def image_level_curve(truths: Sequence[Truth], found: Sequence[Detections], class_id: int) -> list[OperatingPoint]:
    """The same at every threshold that changes anything, highest first."""
    _, best = _by_picture(truths, found, class_id)
    return [image_level(truths, found, class_id, float(one)) for one in np.unique(best[best > 0])[::-1]]


def one_to_one(truth: Truth, boxes: Detections, class_id: int, threshold: float, iou: float = 0.4) -> PlotScore:
    """One plot by the protocol of NeonTreeEvaluation.

    Boxes and truths are assigned one to one (the Hungarian assignment), for the largest sum of overlaps; a pair is
    right when it overlaps by more than `iou`. Weinstein et al., "A benchmark dataset for canopy crown detection and
    delineation in co-registered airborne RGB, LiDAR and hyperspectral imagery", PLOS Computational Biology 2021.

    Args:
        truth: what is there.
        boxes: what was seen.
        class_id: the class.
        threshold: score from which a box counts.
        iou: overlap above which a pair is right.
    """
    there = truth.xyxy[truth.class_id == class_id]
    seen = boxes.where((boxes.class_id == class_id) & (boxes.score >= threshold))
    overlap = box_iou(seen.xyxy, there)
    rows, columns = linear_sum_assignment(overlap, maximize=True)
    right = np.zeros(len(seen), bool)
    right[rows] = overlap[rows, columns] > iou
    n = int((right | ~_mostly_inside(seen.xyxy, truth.ignored)).sum())
    n_right, nan = int(right.sum()), float("nan")
    return PlotScore(n_right / n if n else nan, n_right / len(there) if len(there) else nan)


def plot_f1(scores: Sequence[PlotScore]) -> float:
    """F1 of precision and recall, each first averaged over the plots that have it; nan where no plot has both."""
    precision = np.array([one.precision for one in scores if not np.isnan(one.precision)])
    recall = np.array([one.recall for one in scores if not np.isnan(one.recall)])
    if not len(recall):
        return float("nan")
    p, r = float(precision.mean()) if len(precision) else 0.0, float(recall.mean())
    return 2 * p * r / (p + r) if p + r else 0.0


def counted(truth: Truth, xyxy: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Which boxes (n, 4), seen or true, enter a count, bool (n,): those not mostly in a region nobody labelled."""
    return ~_mostly_inside(xyxy, truth.ignored)


def count_bias(found: Sequence[int], true: Sequence[int]) -> float:
    """Signed error of a count, as a part of the truth: (found - true) / true over all pictures; nan without truth."""
    total = sum(true)
    return (sum(found) - total) / total if total else float("nan")


def _by_picture(
    truths: Sequence[Truth], found: Sequence[Detections], class_id: int
) -> tuple[NDArray[np.bool_], Floats]:
    """Whether each picture has one, bool (n,), and the highest score there, float64 (n,), 0 where none."""
    there, best = [], []
    for truth, boxes in zip(truths, found, strict=True):
        if truth.labelled[class_id]:
            there.append(bool((truth.class_id == class_id).any()))
            best.append(float(boxes.score[boxes.class_id == class_id].max(initial=0)))
    return np.array(there, dtype=bool), np.array(best, dtype=np.float64)


def _claim(overlap: Floats, ious: Sequence[float]) -> NDArray[np.bool_]:
    """Hits (n, ious) for overlaps (n, m) of boxes in falling order of score with truths."""
    n, m = overlap.shape
    hit = np.zeros((n, len(ious)), bool)
    if m == 0:
        return hit
    for column, wanted in enumerate(ious):
        free = np.ones(m, bool)
        for row in range(n):
            left = np.where(free, overlap[row], -1.0)
            nearest = int(left.argmax())
            if left[nearest] >= wanted:
                free[nearest] = False
                hit[row, column] = True
    return hit


def _point(threshold: float, n_hit: int, n_said: int, n_true: int) -> OperatingPoint:
    nan = float("nan")
    return OperatingPoint(
        threshold=threshold,
        precision=n_hit / n_said if n_said else nan,
        recall=n_hit / n_true if n_true else nan,
        f1=2 * n_hit / (n_said + n_true) if n_said + n_true else nan,
    )


def _mostly_inside(xyxy: NDArray[np.floating], regions: NDArray[np.floating]) -> NDArray[np.bool_]:
    if not len(regions):
        return np.zeros(len(xyxy), bool)
    inside = _shared_area(xyxy, regions).max(axis=1, initial=0)
    return np.asarray(inside >= IGNORED_SHARE * _area(xyxy), dtype=bool)


def _shared_area(first: NDArray[np.floating], second: NDArray[np.floating]) -> Floats:
    low = np.maximum(first[:, None, :2], second[None, :, :2]).astype(np.float64)
    high = np.minimum(first[:, None, 2:], second[None, :, 2:]).astype(np.float64)
    return np.asarray(np.prod(np.clip(high - low, 0, None), axis=2), dtype=np.float64)


def _area(xyxy: NDArray[np.floating]) -> Floats:
    extent = xyxy[:, 2:].astype(np.float64) - xyxy[:, :2].astype(np.float64)
    return np.asarray(np.prod(extent, axis=1), dtype=np.float64)
