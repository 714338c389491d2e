"""A detector's figures on labelled pictures, through the very path that a survey takes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.band import see_all
from models.detections import Detections
from models.detector import Detector
from models.measures import (
    Hits,
    OperatingPoint,
    Truth,
    average_precision,
    image_level_curve,
    match,
    mean_average_precision,
    operating_point,
    operating_points,
)
from models.tiles import see_tiled
from training.recipe import PictureDemand
from training.sources.pictures import Picture, read_upright
from training.sources.samples import Sample

__all__ = ["Judged", "against", "choose_threshold", "class_figures", "look", "rounded"]

Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Judged:
    """Pictures of one data set, what people labelled on them, and what the detector saw, in the same order."""

    samples: list[Sample]
    truths: list[Truth]
    found: list[Detections]

    def __add__(self, other: "Judged") -> "Judged":
        return Judged(self.samples + other.samples, self.truths + other.truths, self.found + other.found)


def look(detector: Detector, samples: Sequence[Sample], progress: Progress | None = None) -> Judged:
    """Run the detector over the pictures, cropped and scaled as its card wants, down to the lowest score it gives.

    Args:
        detector: the one to judge.
        samples: labelled pictures.
        progress: called with pictures done and in all.
    """
    found = []
    for boxes in _seen(detector, samples):
        found.append(boxes)
        if progress is not None:
            progress(len(found), len(samples))
    truths = [Truth(one.xyxy, one.class_id, one.labelled, one.ignored) for one in samples]
    return Judged(list(samples), truths, found)


def against(judged: Judged, reference: Judged, least: float, classes: Sequence[str], known: Sequence[str]) -> Judged:
    """The same pictures and boxes, with what another model sees on them in place of what people labelled.

    Classes go by their names; of those that the other does not know it says nothing.

    Args:
        judged: what the model to judge saw.
        reference: what the other saw on the same pictures.
        least: the score from which the other's boxes count.
        classes: the classes of the model to judge, in the order of their ids.
        known: those of the other.
    """
    ours = np.array([classes.index(name) if name in classes else -1 for name in known], np.int16)
    labelled = np.array([name in known for name in classes])
    truths = []
    for boxes in reference.found:
        one = boxes.where((boxes.score >= least) & (ours[boxes.class_id] >= 0))
        truths.append(Truth(one.xyxy, ours[one.class_id], labelled))
    return Judged(judged.samples, truths, judged.found)


def class_figures(judged: Judged, thresholds: Mapping[str, float]) -> dict[str, Any]:
    """Average precision and F1, per class and over all that are labelled here.

    Args:
        judged: pictures with truths and boxes.
        thresholds: score from which a box counts, by class name in the order of the class ids.
    """
    hits = [match(judged.truths, judged.found, class_id) for class_id in range(len(thresholds))]
    classes = {}
    for class_id, (name, threshold) in enumerate(thresholds.items()):
        if any(truth.labelled[class_id] for truth in judged.truths):
            classes[name] = _class(hits[class_id], threshold)
    means = mean_average_precision(hits)
    total = _pooled_f1(hits, list(thresholds.values()))
    return {"classes": classes, "map50": means[0], "map50_95": float(np.mean(means)), **total}


def choose_threshold(judged: Judged, class_id: int, demand: PictureDemand | None = None) -> OperatingPoint | None:
    """The threshold of highest F1 at IoU 0.5, among those that tell pictures with the class as well as demanded.

    Args:
        judged: validation pictures.
        class_id: the class.
        demand: what to ask for at the level of pictures. Where no threshold gives it, it is not asked for: a model
            that cries wolf is of more use than one that says nothing.
    """
    points = [one for one in operating_points(match(judged.truths, judged.found, class_id, ious=(0.5,))) if one.recall]
    if demand is not None:
        curve = image_level_curve(judged.truths, judged.found, class_id)
        good = {one.threshold for one in curve if one.precision >= demand.precision and one.recall >= demand.recall}
        points = [one for one in points if _told_at(one.threshold, curve) in good] or points
    return max(points, key=lambda one: (one.f1, one.threshold), default=None)


def rounded(figures: Any, digits: int = 4) -> Any:
    """The same figures, as JSON and YAML can hold them: rounded, and None for what has no value."""
    if isinstance(figures, Mapping):
        return {str(name): rounded(one, digits) for name, one in figures.items()}
    if isinstance(figures, list | tuple):
        return [rounded(one, digits) for one in figures]
    if isinstance(figures, float | np.floating):
        return None if np.isnan(figures) else round(float(figures), digits)
    return int(figures) if isinstance(figures, np.integer) else figures


def _seen(detector: Detector, samples: Sequence[Sample]) -> Iterator[Detections]:
    """Boxes on each picture: in tiles where it looks down and the model knows such pictures, else in one look."""
    tiles = detector.card.tiles
    if tiles is None or not all(one.above for one in samples):
        yield from see_all(detector, _pictures(samples))
        return

    def see(sample: Sample) -> Detections:
        zoom = tiles.zoom if sample.gsd_m is None else sample.gsd_m / (detector.card.gsd_m or sample.gsd_m)
        picture = next(_pictures([sample]))
        return see_tiled(detector, picture, zoom=zoom, tile_px=tiles.side_px, overlap_px=tiles.overlap_px)

    with ThreadPoolExecutor(detector.runtime.threads, thread_name_prefix="tiles") as pool:
        yield from pool.map(see, samples)


def _pictures(samples: Sequence[Sample]) -> Iterator[Picture]:
    for sample in samples:
        yield read_upright(sample.picture)


def _told_at(threshold: float, curve: Sequence[OperatingPoint]) -> float | None:
    """The threshold of the picture curve that says the same of every picture as `threshold` does."""
    return min((one.threshold for one in curve if one.threshold >= threshold), default=None)


def _class(hits: Hits, threshold: float) -> dict[str, Any]:
    precision = average_precision(hits)
    point = operating_point(hits, threshold)
    return {
        "n": hits.n_true,
        "ap50": precision[0],
        "ap50_95": float(np.mean(precision)),
        "threshold": threshold,
        "precision": point.precision,
        "recall": point.recall,
        "f1": point.f1,
    }


def _pooled_f1(hits: Sequence[Hits], thresholds: Sequence[float]) -> dict[str, float]:
    """F1 at IoU 0.5 and class over all boxes of all classes, as the road damage challenges count it."""
    said = [one.hit[one.score >= threshold, 0] for one, threshold in zip(hits, thresholds, strict=True)]
    n_hit, n_said = sum(int(one.sum()) for one in said), sum(len(one) for one in said)
    n_true = sum(one.n_true for one in hits)
    nan = float("nan")
    return {
        "precision": n_hit / n_said if n_said else nan,
        "recall": n_hit / n_true if n_true else nan,
        "f1": 2 * n_hit / (n_said + n_true) if n_said + n_true else nan,
    }
