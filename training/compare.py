"""Is one model better than another, or is it chance? A paired bootstrap over places.

Frames of one place look alike, so that a validation set of 72 frames is far fewer than 72 draws. Whole stretches of
road (or plots, or sessions) are drawn with replacement, the metric is computed anew for both models on the very same
draw, and the spread of its difference over many draws is the noise. Efron and Tibshirani, "An Introduction to the
Bootstrap", 1993; paired as in Koehn, "Statistical Significance Tests for Machine Translation Evaluation", EMNLP 2004.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from models.measures import Hits, PlotScore, match, mean_average_precision, one_to_one, plot_f1
from training.errors import PromotionError
from training.judge import Judged

__all__ = ["TOO_FEW_PLACES", "Comparison", "MetricName", "Side", "compare"]

MetricName = Literal["ap50", "crown_f1"]
Counts = NDArray[np.int64]
Measure = Callable[[Counts], float]
DRAWS = 2000
FEW_PLACES, TOO_FEW_PLACES = 10, 3
"""Places with something to find: of fewer the interval is rough, or says nothing."""


@dataclass(frozen=True, slots=True)
class Side:
    """One model's results: what it saw of each data set, and its thresholds by class name in the order of its ids."""

    judged: Mapping[str, Judged]
    thresholds: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Comparison:
    """A metric of two models on the same pictures.

    Attributes:
        metric: which.
        current: its value for the current model.
        candidate: its value for the candidate.
        low: lower end of the 95 % interval of candidate − current.
        high: its upper end.
        n_places: how many of the stretches that were drawn from hold something to find; few make the interval itself
            uncertain.
        n_pictures: how many pictures they hold.
        draws: how many times.
    """

    metric: MetricName
    current: float
    candidate: float
    low: float
    high: float
    n_places: int
    n_pictures: int
    draws: int

    @property
    def difference(self) -> float:
        """Candidate − current."""
        return self.candidate - self.current

    @property
    def worse(self) -> bool:
        """Whether the candidate is worse by more than noise: the whole interval lies below 0.

        Of too few places nobody knows the noise: there, whether it is worse at all.
        """
        return self.difference < 0 if self.n_places < TOO_FEW_PLACES else self.high < 0

    def __str__(self) -> str:
        few = "; few places, so the interval is rough" if self.n_places < FEW_PLACES else ""
        few = "; too few places to tell a difference from noise" if self.n_places < TOO_FEW_PLACES else few
        return (
            f"{self.metric} {self.current:.3f} → {self.candidate:.3f} ({self.difference:+.3f}, 95 % interval "
            f"{self.low:+.3f} to {self.high:+.3f}, {self.n_places} places, {self.n_pictures} pictures{few})"
        )


def compare(current: Side, candidate: Side, metric: MetricName, draws: int = DRAWS) -> Comparison:
    """Compare two models on the same labelled pictures, over the classes that both know.

    Args:
        current: the model that is shipped.
        candidate: the one to take its place.
        metric: `ap50`, the mean over classes of average precision at IoU 0.5, or `crown_f1`, plot by plot.
        draws: bootstrap draws.

    Raises:
        PromotionError: when the two share no class, or nothing labelled can be measured.
    """
    shared = [name for name in candidate.thresholds if name in current.thresholds]
    groups = _stretches(current.judged)
    pictures = sum(len(one.samples) for one in current.judged.values())
    stretch = np.concatenate([np.empty(0, np.int64), *groups])
    of_set = _once(groups)
    measures = [_MEASURES[metric](side, shared, stretch) for side in (current, candidate)]
    n = int(stretch.max(initial=-1)) + 1
    whole = [measure(np.ones(n, np.int64)) for measure in measures]
    if not shared or np.isnan(whole).any():
        remedy = "See `card.validation` of the recipe: it must label a class that both models know."
        raise PromotionError("the two models cannot be compared on these pictures", remedy=remedy)
    rng = np.random.default_rng(0)
    drawn = [_draw(of_set, n, rng) for _ in range(draws)]
    differences = np.array([measures[1](counts) - measures[0](counts) for counts in drawn])
    low, high = np.nanpercentile(differences, [2.5, 97.5])
    places = _n_places(current, shared, stretch)
    return Comparison(metric, whole[0], whole[1], float(low), float(high), places, pictures, draws)


def _n_places(side: Side, names: Sequence[str], stretch: Counts) -> int:
    """In how many stretches there is something to find of the classes that are measured."""
    class_ids = [list(side.thresholds).index(name) for name in names]
    truths = [one for part in side.judged.values() for one in part.truths]
    there = [any(one.labelled[at] and (one.class_id == at).any() for at in class_ids) for one in truths]
    return len(np.unique(stretch[np.array(there, bool)]))


def _stretches(judged: Mapping[str, Judged]) -> list[Counts]:
    """By data set, the number of each picture's stretch; a picture whose place is not told is one of its own."""
    numbers: dict[str, int] = {}
    return [
        np.array([numbers.setdefault(one.stretch or str(one.picture), len(numbers)) for one in part.samples], np.int64)
        for part in judged.values()
    ]


def _once(groups: Sequence[Counts]) -> list[Counts]:
    """By data set, the stretches that it has and no set before it: one of several sets is one place all the same."""
    known = np.empty(0, np.int64)
    fresh = []
    for one in groups:
        fresh.append(np.setdiff1d(one, known))
        known = np.union1d(known, one)
    return fresh


def _draw(of_set: Sequence[Counts], n: int, rng: np.random.Generator) -> Counts:
    """How often each of the `n` stretches is drawn: as many from each data set as it has (`_once`)."""
    picks = [some[rng.integers(len(some), size=len(some))] for some in of_set if len(some)]
    return np.bincount(np.concatenate(picks), minlength=n)


def _ap50(side: Side, names: Sequence[str], stretch: Counts) -> Measure:
    """Mean AP at IoU 0.5 over the classes that have truths, of any draw of stretches."""
    order = list(side.thresholds)
    classes = [_ranked(side, order.index(name), stretch) for name in names]

    def measure(counts: Counts) -> float:
        hits = [
            Hits(
                np.repeat(one.score, counts[at]),
                np.repeat(one.hit, counts[at], axis=0),
                int(n_true @ counts),
                np.repeat(one.ignored, counts[at], axis=0),
            )
            for one, at, n_true in classes
        ]
        return float(mean_average_precision(hits)[0]) if hits else float("nan")

    return measure


def _ranked(side: Side, class_id: int, stretch: Counts) -> tuple[Hits, Counts, Counts]:
    """One class's boxes, highest score first, the stretch each is of, and the truths of each stretch."""
    truths = [one for part in side.judged.values() for one in part.truths]
    found = [one for part in side.judged.values() for one in part.found]
    parts = [match([truth], [boxes], class_id, (0.5,)) for truth, boxes in zip(truths, found, strict=True)]
    score = np.concatenate([np.empty(0), *(one.score for one in parts)])
    hit, ignored = (
        np.concatenate([np.empty((0, 1), bool), *some])
        for some in ([one.hit for one in parts], [one.ignored for one in parts])
    )
    at = np.repeat(stretch, [len(one.score) for one in parts])
    n_true = np.bincount(stretch, [one.n_true for one in parts]).astype(np.int64)
    order = np.argsort(-score, kind="stable")
    return Hits(score[order], hit[order], int(n_true.sum()), ignored[order]), at[order], n_true


def _crown_f1(side: Side, names: Sequence[str], stretch: Counts) -> Measure:
    """NeonTreeEvaluation's F1 of the first class, at the threshold of the model's card, of any draw of stretches."""
    if not names:
        return lambda _: float("nan")
    class_id, threshold = list(side.thresholds).index(names[0]), side.thresholds[names[0]]
    pairs = [pair for part in side.judged.values() for pair in zip(part.truths, part.found, strict=True)]
    plots = [
        one_to_one(truth, boxes, class_id, threshold)
        if truth.labelled[class_id]
        else PlotScore(float("nan"), float("nan"))
        for truth, boxes in pairs
    ]

    def measure(counts: Counts) -> float:
        return plot_f1([one for one, n in zip(plots, counts[stretch], strict=True) for _ in range(n)])

    return measure


_MEASURES: Mapping[MetricName, Callable[[Side, Sequence[str], Counts], Measure]] = {
    "ap50": _ap50,
    "crown_f1": _crown_f1,
}
