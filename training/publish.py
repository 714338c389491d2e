"""From a checkpoint to a model folder: weights, thresholds chosen on validation pictures, figures, card."""

import datetime
import math
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from models.card import CARD_NAME, ModelCard, Thresholds, TrainingSource, sha256_of, write_card
from models.detector import open_detector
from training.crown import count_threshold, plot_threshold
from training.errors import RecipeError
from training.evaluate import figures_of, judge_all
from training.judge import Judged, choose_threshold, rounded
from training.recipe import CardPart, Recipe
from training.road import with_types_by_shape
from training.sources.catalogue import Source
from training.sources.samples import Sets

__all__ = ["NOT_CHOSEN", "ExportRequest", "publish"]

UNCHOSEN = 0.25
NOT_CHOSEN = "not chosen yet"
"""What a card says of its thresholds until pictures have told them: nothing is made of such a model."""
LOWEST = 0.01
WriteWeights = Callable[[Path, Path], Path]


@dataclass(frozen=True, slots=True)
class ExportRequest:
    """What is published: a `checkpoint`, by which `recipe`, judged on `sets`, to `out`.

    `trained` counts the pictures each data set gave, `before` is what the model it went on from was taught on,
    `made_on` is the date on the card, `machine` what it ran on.
    """

    checkpoint: Path
    recipe: Recipe
    sets: Sets
    out: Path
    trained: Mapping[str, int]
    machine: str
    made_on: datetime.date
    before: Sequence[TrainingSource] = ()


def publish(request: ExportRequest, write_weights: WriteWeights) -> ModelCard:
    """Write weights and card, both or, where it cannot be judged, neither; returns the card.

    Args:
        request: what to publish.
        write_weights: called with the checkpoint and the path of the file to write (`training.export.export_onnx`).

    Raises:
        RecipeError: when the recipe says nothing for the card.
        SourceError: when a validation picture cannot be read.
    """
    part = request.recipe.card
    if part is None:
        raise RecipeError("the recipe has no section `card`", remedy="Add one: see training.road in params.yaml.")
    staging = request.out.with_name(f".{request.out.name}.part")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    try:
        card = _made(request, part, staging, write_weights)
        request.out.mkdir(parents=True, exist_ok=True)
        for name in (card.weights, CARD_NAME):
            (staging / name).replace(request.out / name)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return card


def _made(request: ExportRequest, part: CardPart, folder: Path, write_weights: WriteWeights) -> ModelCard:
    weights = write_weights(request.checkpoint, folder / "model.onnx")
    flat = dict.fromkeys(request.recipe.classes, UNCHOSEN)
    card = _card(request, part, sha256_of(weights), Thresholds(score=flat, chosen=NOT_CHOSEN))
    write_card(card, folder)
    # Thresholds and figures come from the folder as it is shipped: its own weights, decoding and suppression.
    with_scores = open_detector(folder, precision="f32")
    try:
        judged = judge_all(with_scores, part.validation, request.sets)
    finally:
        with_scores.close()
    thresholds = _thresholds(request.recipe.classes, part, judged)
    figures = {name: figures_of(one, thresholds, request.sets.source(name)) for name, one in judged.items()}
    command = f"michisora evaluate {request.recipe.task} {' '.join(part.validation)} --data DATA --precision f32"
    metrics = {"command": command, "split": "val", "machine": request.machine, **rounded(figures)}
    card = card.model_copy(update={"thresholds": thresholds, "metrics": metrics})
    write_card(card, folder)
    return card


def _thresholds(classes: Sequence[str], part: CardPart, judged: Mapping[str, Judged]) -> Thresholds:
    pooled, shaped = Judged([], [], []), []
    for name, one in judged.items():
        by_shape = with_types_by_shape(one, classes)
        pooled = pooled + one + by_shape
        shaped += [name] if by_shape.samples else []
    score, count = {}, {}
    for class_id, name in enumerate(classes):
        best = choose_threshold(pooled, class_id, part.pictures.get(name))
        if part.metric == "crown_f1":
            best, count[name] = plot_threshold(pooled, class_id), _just_below(count_threshold(pooled, class_id))
        score[name] = UNCHOSEN if best is None else max(_just_below(best.threshold), LOWEST)
        score[name] = part.scores.get(name, score[name])
    if part.metric == "crown_f1":
        chosen = (
            f"highest F1 by plot at IoU 0.4; count: as many boxes as crowns; on val of {', '.join(part.validation)}"
        )
        return Thresholds(score=score, chosen=chosen, count=count)
    demands = "".join(
        f"; {name}: where any threshold does, with picture precision ≥ {one.precision} and recall ≥ {one.recall}"
        for name, one in part.pictures.items()
    )
    if shaped:
        demands += f"; types of cracks on {', '.join(shaped)} too, by the shape of their masks"
    demands += "".join(f"; {name}: {one:g}, set by the recipe" for name, one in part.scores.items())
    return Thresholds(score=score, chosen=f"highest F1 at IoU 0.5 on val of {', '.join(part.validation)}{demands}")


def _just_below(threshold: float) -> float:
    """Three digits, rounded down, so that the box that gave the threshold counts."""
    return math.floor(threshold * 1000) / 1000


def _card(request: ExportRequest, part: CardPart, digest: str, thresholds: Thresholds) -> ModelCard:
    return ModelCard(
        task=request.recipe.task,
        name=part.name,
        architecture=request.recipe.architecture,
        classes=list(part.classes),
        input=part.input,
        tiles=part.tiles,
        gsd_m=part.gsd_m,
        suppression=part.suppression,
        thresholds=thresholds,
        training=_training(request),
        metrics={},
        limits=list(part.limits),
        limits_ja=list(part.limits_ja),
        made_on=request.made_on.isoformat(),
        sha256=digest,
    )


def _training(request: ExportRequest) -> list[TrainingSource]:
    """What was learned from, and what else the model that was gone on from had learned from."""
    ours = [_source(request.sets.source(name), n) for name, n in request.trained.items()]
    known = {(one.name, one.licence, one.source) for one in ours}
    return [*ours, *(one for one in request.before if (one.name, one.licence, one.source) not in known)]


def _source(source: Source, n: int) -> TrainingSource:
    credit = f"{source.url} ({source.attribution})" if source.attribution else source.url
    return TrainingSource(name=source.title, licence=source.licence, source=credit, n=n)
