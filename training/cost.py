"""What models of one task are worth against what they cost: quality beside time, all in one run.

Time is that of the network alone, on the very pictures that it gets of the validation sets. Models take turns, so that
a slow minute of the machine slows all of them; the ratio of two is taken within each round. What a picture would take
on a machine with nothing else to do is reckoned from the processor's time, spread over the detector's threads.
"""

import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.card import ModelCard, load_card
from models.detections import Detections
from models.detector import LOWEST_SCORE, Detector, Picture, Runtime, open_detector
from models.timing import Interleaved, interleaved
from models.types import BackendName, PrecisionName
from training.bars import Progress
from training.compare import Comparison, Side, compare
from training.errors import RecipeError
from training.evaluate import judge_all
from training.judge import look, rounded
from training.recipe import CardPart
from training.sources.samples import Sample, Sets

__all__ = ["Cost", "Terms", "as_table", "as_values", "weigh"]


@dataclass(frozen=True, slots=True)
class Terms:
    """How models are weighed.

    Attributes:
        pictures: of all validation sets, how many are looked at for the time; 0 leaves it out.
        rounds: how often each model takes its turn.
        backend: what runs them.
        precision: in which they run; quality is judged in the same.
    """

    pictures: int = 12
    rounds: int = 5
    backend: BackendName = "openvino"
    precision: PrecisionName = "auto"


@dataclass(frozen=True, slots=True)
class Cost:
    """One model, beside the first.

    Attributes:
        name: what it is called in the table.
        architecture: ultralytics' name.
        megabytes: its weights as they lie on the disk.
        comparison: its metric on the validation pictures beside the first's.
        ms_per_mpx: milliseconds for a million pixels of network input on an idle machine; NaN where nothing was timed.
        ms_per_picture: and for one picture of the validation sets.
        ratio: its time by the first's, median over rounds.
        ratio_range: lowest and highest of them.
    """

    name: str
    architecture: str
    megabytes: float
    comparison: Comparison
    ms_per_mpx: float
    ms_per_picture: float
    ratio: float
    ratio_range: tuple[float, float]


@dataclass(frozen=True, slots=True)
class _Timed:
    """What a model's turn is: the pictures its network gets, their megapixels, and of how many pictures they are."""

    pictures: list[Picture]
    megapixels: float
    of_pictures: int


def weigh(
    models: Mapping[str, Path], part: CardPart, sets: Sets, terms: Terms, progress: Progress | None = None
) -> list[Cost]:
    """Weigh models of one task, the first of which the others are compared with.

    Args:
        models: by what they are called, model folders.
        part: the recipe's `card`: validation sets and metric.
        sets: the data sets.
        terms: how.
        progress: called with what is done and what there is: pictures looked at, then rounds.

    Raises:
        CardError: when a folder holds no model.
        RecipeError: when two models are for different tasks.
        PromotionError: when two know no class in common.
    """
    _refuse_strangers(list(models.values()))
    detectors = [open_detector(folder, terms.backend, terms.precision) for folder in models.values()]
    try:
        sides = [
            Side(judge_all(one, part.validation, sets, progress=progress), one.card.thresholds.score)
            for one in detectors
        ]
        turns = [_turn(one, sides[0], terms.pictures) for one in detectors]
        contestants: dict[str, Callable[[], object]] = {
            str(number): partial(_run, one, turn)
            for number, (one, turn) in enumerate(zip(detectors, turns, strict=True))
        }
        report = progress or (lambda _done, _total: None)
        times = interleaved(contestants, terms.rounds, report) if terms.pictures else Interleaved({}, {})
        return [
            _cost(model, one, turn, times, number, compare(sides[0], sides[number], part.metric))
            for number, (model, one, turn) in enumerate(zip(models.items(), detectors, turns, strict=True))
        ]
    finally:
        for one in detectors:
            one.close()


def as_table(costs: Sequence[Cost]) -> str:
    """The models as a table for people, and which of them another beats in both."""
    metric, first = costs[0].comparison.metric, costs[0].name
    head = ("model", "network", "MB", metric, "difference (95 %)", "ms/Mpx", "ms/picture", f"time by {first}'s")
    rows = [head, *(_row(one, one is costs[0]) for one in costs)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    lines = ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines += [
        f"{one.name} is no better than {other.name} and no faster"
        for one in costs
        for other in costs
        if one is not other and _beaten(one, other)
    ]
    return "\n".join(lines)


def as_values(costs: Sequence[Cost]) -> list[Any]:
    """The same as JSON can hold it."""
    return [rounded(asdict(one)) for one in costs]


def _row(one: Cost, is_first: bool) -> tuple[str, ...]:
    said = one.comparison
    apart = "–" if is_first else f"{said.difference:+.3f} ({said.low:+.3f} to {said.high:+.3f})"
    low, high = one.ratio_range
    timed = not np.isnan(one.ms_per_mpx)
    return (
        one.name,
        one.architecture,
        f"{one.megabytes:.1f}",
        f"{said.candidate:.3f}",
        apart,
        f"{one.ms_per_mpx:.1f}" if timed else "–",
        f"{one.ms_per_picture:.1f}" if timed else "–",
        f"{one.ratio:.2f} ({low:.2f}–{high:.2f})" if timed else "–",
    )


def _beaten(one: Cost, other: Cost) -> bool:
    worse = one.comparison.candidate <= other.comparison.candidate and one.ratio >= other.ratio
    return worse and (one.comparison.candidate, one.ratio) != (other.comparison.candidate, other.ratio)


def _refuse_strangers(folders: Sequence[Path]) -> None:
    cards = [load_card(folder) for folder in folders]
    for card, folder in zip(cards, folders, strict=True):
        if card.task != cards[0].task:
            what = f"this is a model for {card.task}, the first is one for {cards[0].task}"
            raise RecipeError(what, where=folder, remedy="Weigh models of one task against each other.")


class _Recorder:
    """A detector that keeps the pictures its network is given."""

    def __init__(self, detector: Detector) -> None:
        self.detector = detector
        self.given: list[Picture] = []

    @property
    def card(self) -> ModelCard:
        return self.detector.card

    @property
    def runtime(self) -> Runtime:
        return self.detector.runtime

    def submit(self, picture: Picture, min_score: float = LOWEST_SCORE) -> "Future[Detections]":
        self.given.append(picture)
        return self.detector.submit(picture, min_score)

    def predict(self, batch: NDArray[np.uint8], min_score: float = LOWEST_SCORE) -> list[Detections]:
        self.given.extend(batch)
        return self.detector.predict(batch, min_score)

    def stream(self, pictures: Iterable[Picture], min_score: float = LOWEST_SCORE) -> Iterator[Detections]:
        for picture in pictures:
            yield self.submit(picture, min_score).result()

    def close(self) -> None:
        """The detector it stands for is closed by who opened it."""


def _turn(detector: Detector, side: Side, n: int) -> _Timed:
    """Of every validation set as many pictures, spread over it, as its network gets them."""
    some = [one for part in side.judged.values() for one in _spread(part.samples, -(-n // len(side.judged)))]
    recorder = _Recorder(detector)
    look(recorder, some)
    return _Timed(recorder.given, sum(one.shape[0] * one.shape[1] for one in recorder.given) / 1e6, len(some))


def _spread(samples: Sequence[Sample], n: int) -> list[Sample]:
    if not n or not samples:
        return []
    return [samples[int(at)] for at in np.unique(np.linspace(0, len(samples) - 1, n).round())]


def _run(detector: Detector, turn: _Timed) -> None:
    for _ in detector.stream(turn.pictures, min(detector.card.score_thresholds)):
        pass


def _cost(
    model: tuple[str, Path], detector: Detector, turn: _Timed, times: Interleaved, number: int, comparison: Comparison
) -> Cost:
    name, folder = model
    key, nan = str(number), float("nan")
    ms, ratios = nan, [nan]
    if times.seconds:
        ms = statistics.median(times.cpu_seconds[key]) * 1000 / detector.runtime.threads
        ratios = [one / other for one, other in zip(times.cpu_seconds[key], times.cpu_seconds["0"], strict=True)]
    return Cost(
        name=name,
        architecture=detector.card.architecture,
        megabytes=(folder / detector.card.weights).stat().st_size / 1e6,
        comparison=comparison,
        ms_per_mpx=ms / turn.megapixels if turn.megapixels else nan,
        ms_per_picture=ms / turn.of_pictures if turn.of_pictures else nan,
        ratio=statistics.median(ratios),
        ratio_range=(min(ratios), max(ratios)),
    )
