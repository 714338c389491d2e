"""Figures of a detector on the data sets of the catalogue: needs no torch, runs what is shipped."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from models.card import Thresholds
from models.detector import Detector
from training.crown import CROWN, crown_figures
from training.errors import SourceError
from training.judge import Judged, class_figures, look
from training.road import POTHOLE, road_figures
from training.sources.catalogue import Source
from training.sources.samples import Sets

__all__ = ["as_text", "figures_of", "judge_all", "refuse_unmeasured"]

BEYOND_CLASSES = (
    *("pothole_pictures", "crack_merged_ap50", "types_by_shape", "crack_ratio"),
    *("plots", "stems", "cover_pct", "diameter_m"),
)
Progress = Callable[[int, int], None]


def judge_all(
    detector: Detector,
    names: Sequence[str],
    sets: Sets,
    split: str = "val",
    progress: Progress | None = None,
) -> dict[str, Judged]:
    """What the detector sees in one split of each data set, beside its truth."""
    pictures = {name: sets.samples(name, split, detector.card.class_names) for name in names}
    total, done, judged = sum(len(one) for one in pictures.values()), 0, {}
    for name, samples in pictures.items():
        before = done
        report = None if progress is None else lambda n, _, start=before: progress(start + n, total)
        judged[name] = look(detector, samples, report)
        done += len(samples)
    return judged


def figures_of(judged: Judged, thresholds: Thresholds, source: Source) -> dict[str, Any]:
    """All figures of one data set: per class, over all, and those of the task."""
    figures = {"n_pictures": len(judged.samples), **class_figures(judged, thresholds.score)}
    if POTHOLE in thresholds.score:
        figures |= road_figures(judged, thresholds.score, source)
    if CROWN in thresholds.score:
        figures |= crown_figures(judged, thresholds)
    return figures


def refuse_unmeasured(judged: Mapping[str, Judged], classes: Sequence[str]) -> None:
    """Refuse a data set on which no class of the model is known: a table of dashes looks like a result.

    Raises:
        SourceError: naming the set and the classes.
    """
    for name, one in judged.items():
        if not any(truth.labelled.any() for truth in one.truths):
            what = f"{name} tells nothing of the classes that the model knows ({', '.join(classes)})"
            raise SourceError(what, remedy="Name the model of the data set's task, or a data set of the model's.")


def as_text(name: str, figures: Mapping[str, Any]) -> str:
    """The figures of one data set as a table for people; a dash where there is nothing to measure."""
    lines = [f"{name}: {figures['n_pictures']} pictures"]
    head = ("class", "n", "AP50", "AP50-95", "score ≥", "precision", "recall", "F1")
    rows = [
        (label, one["n"], one["ap50"], one["ap50_95"], one["threshold"], one["precision"], one["recall"], one["f1"])
        for label, one in figures["classes"].items()
    ]
    over_all = (
        "all",
        "",
        figures["map50"],
        figures["map50_95"],
        "",
        *(figures[key] for key in ("precision", "recall", "f1")),
    )
    lines += ["  " + "".join(f"{_cell(one):>11}" for one in row) for row in (head, *rows, over_all)]
    for key in BEYOND_CLASSES:
        if key in figures:
            lines.append(f"  {key.replace('_', ' ')}: {_inline(figures[key])}")
    return "\n".join(lines)


def _cell(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _inline(value: object) -> str:
    if isinstance(value, Mapping) and any(isinstance(one, Mapping) for one in value.values()):
        return "; ".join(f"{key}: {_inline(one)}" for key, one in value.items())
    if isinstance(value, Mapping):
        return ", ".join(f"{key.replace('_', ' ')} {_cell(one)}" for key, one in value.items())
    return _cell(value)
