"""Curves of a model on validation pictures, as tables that `dvc plots` draws (templates in `.dvc/plots`).

Every class is counted over the pictures that label it, all data sets together, at IoU 0.5.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.measures import Hits, match, operating_point
from training.contact_sheet import contact_sheet, worst_errors
from training.judge import Judged, rounded
from training.outcomes import outcomes_of

__all__ = ["BACKGROUND", "confusion_rows", "count_bias_rows", "f1_rows", "precision_recall_rows", "write_plots"]

BACKGROUND = "background"
THRESHOLDS = np.round(np.arange(0.01, 1, 0.01), 2)
RECALLS = np.round(np.linspace(0, 1, 101), 2)
Rows = list[dict[str, Any]]
ByClass = Mapping[str, Hits]


def write_plots(judged: Mapping[str, Judged], thresholds: Mapping[str, float], folder: Path) -> None:
    """Write all tables and the contact sheet of the worst errors to `folder`.

    Args:
        judged: by data set, its pictures with truths and boxes.
        thresholds: score from which a box counts, by class name in the order of the class ids.
        folder: where to.
    """
    pooled = sum(judged.values(), Judged([], [], []))
    hits = {name: match(pooled.truths, pooled.found, class_id, ious=(0.5,)) for class_id, name in enumerate(thresholds)}
    tables = {
        "precision_recall": precision_recall_rows(hits),
        "f1": f1_rows(hits),
        "count_bias": count_bias_rows(hits),
        "confusion": confusion_rows(pooled, thresholds),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in tables.items():
        (folder / f"{name}.json").write_text(json.dumps(rounded(rows)) + "\n", encoding="utf-8")
    contact_sheet(worst_errors(pooled, thresholds), list(thresholds)).save(folder / "worst.png")


def precision_recall_rows(hits: ByClass) -> Rows:
    """By class, the best precision at each of 101 recalls or beyond: the area below is AP at IoU 0.5."""
    rows = []
    for name, one in _present(hits):
        true = np.cumsum(one.hit[:, 0])
        precision = np.maximum.accumulate((true / np.arange(1, len(true) + 1))[::-1])[::-1]
        place = np.searchsorted(true / one.n_true, RECALLS, side="left")
        best = np.append(precision, 0.0)[np.minimum(place, len(precision))]
        rows += [{"class": name, "recall": r, "precision": p} for r, p in zip(RECALLS.tolist(), best, strict=True)]
    return rows


def f1_rows(hits: ByClass) -> Rows:
    """By class and threshold, F1, precision and recall; precision has no value where nothing is said."""
    rows = []
    for name, one in _present(hits):
        for point in (operating_point(one, float(threshold)) for threshold in THRESHOLDS):
            figures = {"f1": point.f1, "precision": point.precision, "recall": point.recall}
            rows.append({"class": name, "threshold": point.threshold, **figures})
    return rows


def count_bias_rows(hits: ByClass) -> Rows:
    """By class and threshold, (counted − true) / true: 0 is where counts are right on the whole."""
    return [
        {"class": name, "threshold": float(at), "bias": (int((one.score >= at).sum()) - one.n_true) / one.n_true}
        for name, one in _present(hits)
        for at in THRESHOLDS
    ]


def confusion_rows(judged: Judged, thresholds: Mapping[str, float]) -> Rows:
    """A row a box or missed truth: what was there, what it was taken for; `background` where there was nothing."""
    names = list(thresholds)
    rows = []
    for truth, boxes in zip(judged.truths, judged.found, strict=True):
        one = outcomes_of(truth, boxes, list(thresholds.values()))
        there, seen = truth.class_id, boxes.class_id
        rows += [_took(names[there[t]], names[seen[b]]) for t, b in one.pairs]
        rows += [_took(BACKGROUND, names[seen[b]]) for b in one.false]
        rows += [_took(names[there[t]], BACKGROUND) for t in one.missed]
    return rows


def _took(actual: str, predicted: str) -> dict[str, Any]:
    return {"actual": actual, "predicted": predicted}


def _present(hits: ByClass) -> Sequence[tuple[str, Hits]]:
    return [(name, one) for name, one in hits.items() if one.n_true]
