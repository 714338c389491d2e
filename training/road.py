"""What only roads are judged by: potholes by picture, cracks of any type together, their types, and the crack ratio."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from models.card import Suppression
from models.detections import Detections
from models.measures import (
    OperatingPoint,
    Truth,
    average_precision,
    count_bias,
    counted,
    image_level,
    image_level_curve,
    match,
)
from models.postprocess import suppress
from training.judge import Judged, class_figures
from training.kinds import shape_of
from training.sources.catalogue import Source

__all__ = [
    "CRACKS",
    "POTHOLE",
    "UNTYPED",
    "crack_ratio",
    "crack_ratio_error",
    "merge_cracks",
    "road_figures",
    "with_types_by_shape",
]

UNTYPED = "crack"
CRACKS = ("D00", "D10", "D20", UNTYPED)
POTHOLE = "D40"
TYPE_OF_SHAPE: dict[str, str] = {"along": "D00", "across": "D10", "net": "D20"}
CELL_PX = 32
MIN_CRACKED_PX = 8
MIN_COVERED = 0.5
WANTED_PRECISION = 0.8
Mask = NDArray[np.bool_]


def road_figures(judged: Judged, thresholds: Mapping[str, float], source: Source) -> dict[str, Any]:
    """The figures of a road data set beyond those per class; each only where its labels allow it.

    Args:
        judged: pictures with truths and boxes.
        thresholds: score from which a box counts, by class name in the order of the class ids.
        source: the data set, which says what it labels and where its masks lie.
    """
    figures: dict[str, Any] = {}
    if POTHOLE in source.labels:
        figures["pothole_pictures"] = _pothole_pictures(judged, list(thresholds).index(POTHOLE), thresholds[POTHOLE])
    if set(CRACKS) & set(source.labels):
        merged = merge_cracks(judged, list(thresholds))
        figures["crack_merged_ap50"] = average_precision(match(merged.truths, merged.found, 0))[0]
    by_shape = with_types_by_shape(judged, list(thresholds))
    if by_shape.samples:
        figures["types_by_shape"] = _types(by_shape, thresholds)
    if {"crack", "lane"} <= set(source.masks):
        figures["crack_ratio"] = crack_ratio_error(judged, thresholds, source)
    return figures


def merge_cracks(judged: Judged, classes: Sequence[str]) -> Judged:
    """The same pictures with cracks of every type as the one class 0, and nothing else.

    A crack that was seen as two types is one crack: boxes are suppressed again, now among all types.
    """
    cracks = [class_id for class_id, name in enumerate(classes) if name in CRACKS]
    truths, found = [], []
    for truth, boxes in zip(judged.truths, judged.found, strict=True):
        is_crack = np.isin(truth.class_id, cracks)
        one_class = np.zeros(int(is_crack.sum()), np.int16)
        labelled = np.array([truth.labelled[cracks].any()])
        truths.append(replace(truth, xyxy=truth.xyxy[is_crack], class_id=one_class, labelled=labelled))
        seen = boxes.where(np.isin(boxes.class_id, cracks))
        found.append(suppress(Detections(seen.xyxy, seen.score, np.zeros(len(seen), np.int16)), Suppression()))
    return Judged(judged.samples, truths, found)


def with_types_by_shape(judged: Judged, classes: Sequence[str]) -> Judged:
    """The pictures on which people drew cracks without types, with the types that the shapes of their masks tell.

    `training.kinds` tells them on sets that say how they see the road; where the shape of a crack is not clear, every
    answer is taken. Other pictures, and other classes, are left out.
    """
    types = np.isin(classes, list(TYPE_OF_SHAPE.values()))
    samples, truths, found = [], [], []
    for sample, truth, boxes in zip(judged.samples, judged.truths, judged.found, strict=True):
        if sample.road_view is None or UNTYPED not in sample.masks or UNTYPED not in classes:
            continue
        cracks = truth.xyxy[truth.class_id == classes.index(UNTYPED)]
        if not len(cracks):
            continue
        mask = _mask(sample.masks[UNTYPED])
        named = [TYPE_OF_SHAPE.get(shape_of(mask, one, sample.road_view) or "") for one in cracks]
        told = np.array([one in classes for one in named])
        ids = np.array([classes.index(one) for one in named if one in classes], np.int16)
        samples.append(sample)
        truths.append(Truth(cracks[told], ids, types, np.vstack([truth.ignored, cracks[~told]])))
        found.append(boxes)
    return Judged(samples, truths, found)


def _types(judged: Judged, thresholds: Mapping[str, float]) -> dict[str, dict[str, Any]]:
    figures = class_figures(judged, thresholds)["classes"]
    kept = ("n", "ap50", "precision", "recall")
    return {name: {key: one[key] for key in kept} for name, one in figures.items() if one["n"]}


def crack_ratio(cracked: Mask, lane: Mask) -> float:
    """Cracked part of the lane in per cent, counted in cells as pavement surveys count half-metre squares.

    Args:
        cracked: bool (rows, columns), cells with a crack.
        lane: bool (rows, columns), cells of the lane.
    """
    return 100 * float((cracked & lane).sum() / lane.sum()) if lane.any() else float("nan")


def crack_ratio_error(judged: Judged, thresholds: Mapping[str, float], source: Source) -> dict[str, Any]:
    """Error of the crack ratio against pixel masks, in points of per cent, over pictures whose crack mask is not empty.

    A cell of 32 × 32 px is cracked where the mask marks 8 px of it, or where crack boxes cover half of it. Cells are
    of the picture, not of the road, so that near cells weigh more: it compares two views, it is no pavement survey.
    """
    true, seen = [], []
    for sample, boxes in zip(judged.samples, judged.found, strict=True):
        folder, name = sample.picture.parent.parent, f"{sample.picture.stem}.png"
        mask = _mask(folder / source.masks["crack"] / name)
        if not mask.any():
            continue
        lane = _cells(_mask(folder / source.masks["lane"] / name)) >= 0.5
        true.append(crack_ratio(_cells(mask) * CELL_PX**2 >= MIN_CRACKED_PX, lane))
        counts = _counting_cracks(boxes, thresholds)
        seen.append(crack_ratio(_cells(_painted(counts, mask.shape)) >= MIN_COVERED, lane))
    error = np.array(seen) - np.array(true)
    return {"n": len(true), "mean_true_pct": _mean(true), "mae_pct": _mean(np.abs(error)), "bias_pct": _mean(error)}


def _pothole_pictures(judged: Judged, class_id: int, threshold: float) -> dict[str, Any]:
    point = image_level(judged.truths, judged.found, class_id, threshold)
    curve = image_level_curve(judged.truths, judged.found, class_id)
    precise = [one for one in curve if one.precision >= WANTED_PRECISION]
    best = max(precise, key=lambda one: one.recall, default=None)
    found, there = [], []
    for truth, boxes in zip(judged.truths, judged.found, strict=True):
        if truth.labelled[class_id]:
            seen = boxes.xyxy[(boxes.class_id == class_id) & (boxes.score >= threshold)]
            found.append(int(counted(truth, seen).sum()))
            there.append(int(counted(truth, truth.xyxy[truth.class_id == class_id]).sum()))
    return {
        **_as_dict(point),
        "count_bias": count_bias(found, there),
        "best_recall_at_precision_0.8": None if best is None else best.recall,
    }


def _as_dict(point: OperatingPoint) -> dict[str, float]:
    return {"threshold": point.threshold, "precision": point.precision, "recall": point.recall, "f1": point.f1}


def _counting_cracks(boxes: Detections, thresholds: Mapping[str, float]) -> Detections:
    least = np.array([score if name in CRACKS else np.inf for name, score in thresholds.items()])
    return boxes.where(boxes.score >= least[boxes.class_id])


def _painted(boxes: Detections, shape: tuple[int, ...]) -> Mask:
    mask = np.zeros(shape, bool)
    for left, top, right, bottom in np.rint(boxes.xyxy).astype(int):
        mask[max(top, 0) : max(bottom, 0), max(left, 0) : max(right, 0)] = True
    return mask


def _cells(mask: Mask) -> NDArray[np.float64]:
    """The marked part of each whole cell, float64 (rows, columns)."""
    rows, columns = mask.shape[0] // CELL_PX, mask.shape[1] // CELL_PX
    whole = mask[: rows * CELL_PX, : columns * CELL_PX].reshape(rows, CELL_PX, columns, CELL_PX)
    return np.asarray(whole.mean(axis=(1, 3)), dtype=np.float64)


def _mask(path: Path) -> Mask:
    with Image.open(path) as image:
        return np.asarray(image) > 0


def _mean(values: Sequence[float] | NDArray[np.float64]) -> float:
    kept = np.asarray(values, dtype=np.float64)
    kept = kept[~np.isnan(kept)]
    return float(kept.mean()) if len(kept) else float("nan")
