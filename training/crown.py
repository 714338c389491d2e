"""What only crowns are judged by: plots, stem counts, cover and crown diameter."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.card import Thresholds
from models.measures import OperatingPoint, Truth, count_bias, counted, one_to_one, plot_f1
from models.plots import errors_of, mean_of, stems_summary
from training.judge import Judged
from training.sources.pictures import picture_size

__all__ = ["CROWN", "count_threshold", "crown_figures", "plot_threshold"]

CROWN = "crown"
SCORES = np.round(np.arange(0.03, 0.8, 0.005), 3)
"""Scores that thresholds are looked for among."""


def crown_figures(judged: Judged, thresholds: Thresholds, class_id: int = 0) -> dict[str, Any]:
    """The figures of crowns: precision, recall and F1 by plot, then what a stand map is made of.

    Crowns count for `plots` from the card's score, for stems, cover and diameter from its `count` score if it has one.
    Cover is the part of a plot under the ellipses inscribed in its boxes, diameter the mean of a box's sides. Both
    compare boxes with boxes: how far boxes are from crowns they do not tell.

    Args:
        judged: plots with truths and boxes.
        thresholds: the card's.
        class_id: the class of crowns.
    """
    at = thresholds.score[CROWN]
    stems_at = thresholds.count.get(CROWN, at)
    scores = [one_to_one(truth, boxes, class_id, at) for truth, boxes in zip(judged.truths, judged.found, strict=True)]
    there = [_counted(truth, truth.xyxy[truth.class_id == class_id]) for truth in judged.truths]
    seen = [
        _counted(truth, boxes.xyxy[(boxes.class_id == class_id) & (boxes.score >= stems_at)])
        for truth, boxes in zip(judged.truths, judged.found, strict=True)
    ]
    n_there, n_seen = [len(one) for one in there], [len(one) for one in seen]
    return {
        "plots": {
            "threshold": at,
            "precision": mean_of(one.precision for one in scores),
            "recall": mean_of(one.recall for one in scores),
            "f1": plot_f1(scores),
        },
        "stems": {"threshold": stems_at, **_stems(judged, n_seen, n_there)},
        **_cover_and_diameter(judged, seen, there),
    }


def plot_threshold(judged: Judged, class_id: int) -> OperatingPoint:
    """The score of highest F1 by plot, each of `SCORES` tried."""
    points = [_by_plot(judged, class_id, float(one)) for one in SCORES]
    return max(points, key=lambda one: (one.f1, one.threshold))


def count_threshold(judged: Judged, class_id: int) -> float:
    """The score from which as many boxes count as there are objects, over all pictures together."""
    pairs = list(zip(judged.truths, judged.found, strict=True))
    scores = np.concatenate(
        [boxes.score[(boxes.class_id == class_id) & counted(truth, boxes.xyxy)] for truth, boxes in pairs]
    )
    n = sum(len(_counted(truth, truth.xyxy[truth.class_id == class_id])) for truth, _ in pairs)
    ranked = np.sort(scores)[::-1]
    return float(ranked[min(n, len(ranked)) - 1]) if len(ranked) and n else float(SCORES[0])


def _by_plot(judged: Judged, class_id: int, threshold: float) -> OperatingPoint:
    pairs = zip(judged.truths, judged.found, strict=True)
    scores = [one_to_one(truth, boxes, class_id, threshold) for truth, boxes in pairs]
    precision, recall = mean_of(one.precision for one in scores), mean_of(one.recall for one in scores)
    return OperatingPoint(threshold, precision, recall, plot_f1(scores))


def _counted(truth: Truth, xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
    return xyxy[counted(truth, xyxy)]


def _stems(judged: Judged, seen: list[int], there: list[int]) -> dict[str, float]:
    """Bias of the count over all plots, and errors per hectare over those whose pixels have a known size."""
    hectares = [_hectares(judged, at) for at in range(len(judged.samples))]
    return {**stems_summary(list(zip(seen, there, hectares, strict=True))), "bias": count_bias(seen, there)}


def _cover_and_diameter(judged: Judged, seen: list[Any], there: list[Any]) -> dict[str, Any]:
    cover, diameter = [], []
    for at, sample in enumerate(judged.samples):
        size = picture_size(judged.samples[at].picture)
        cover.append((_cover(seen[at], size), _cover(there[at], size)))
        if sample.gsd_m is not None and len(seen[at]) and len(there[at]):
            diameter.append((_diameter(seen[at]) * sample.gsd_m, _diameter(there[at]) * sample.gsd_m))
    return {"cover_pct": errors_of(cover), "diameter_m": errors_of(diameter)}


def _cover(xyxy: NDArray[np.float32], size_px: tuple[int, int]) -> float:
    """The part of a plot under the ellipses inscribed in boxes, in per cent."""
    width, height = size_px
    covered = np.zeros((height, width), bool)
    for left, top, right, bottom in xyxy.tolist():
        first, last = max(int(left), 0), min(math.ceil(right), width)
        upper, lower = max(int(top), 0), min(math.ceil(bottom), height)
        x, y = np.arange(first, last) + 0.5, np.arange(upper, lower)[:, None] + 0.5
        across, down = (2 * x - left - right) / (right - left), (2 * y - top - bottom) / (bottom - top)
        covered[upper:lower, first:last] |= across**2 + down**2 <= 1
    return 100 * float(covered.mean())


def _diameter(xyxy: NDArray[np.float32]) -> float:
    return float((xyxy[:, 2:] - xyxy[:, :2]).mean())


def _hectares(judged: Judged, at: int) -> float:
    gsd_m, (width, height) = judged.samples[at].gsd_m, picture_size(judged.samples[at].picture)
    return 0.0 if gsd_m is None else width * height * gsd_m**2 / 1e4
