"""A candidate takes the place of the model that is shipped, if it is no worse; the former can come back."""

import datetime
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.card import CARD_NAME, ModelCard, load_card, verify_weights, write_card
from models.detector import open_detector
from models.errors import WeightsError
from training.compare import TOO_FEW_PLACES, Comparison, Side, compare
from training.errors import PromotionError
from training.evaluate import judge_all
from training.publish import NOT_CHOSEN
from training.recipe import CardPart
from training.sources.licences import refuse_unshippable_training
from training.sources.samples import Sets

__all__ = ["CHANGELOG", "Request", "Shelf", "promote", "roll_back"]

CHANGELOG = "CHANGELOG.md"
PROMOTION = "promotion"
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Shelf:
    """Where a task's models lie.

    Attributes:
        task: the task.
        current: folder of the model that is shipped, the only one git holds.
        kept: folder of former ones, `kept/TASK/SHA256/`; git and DVC leave it alone.
    """

    task: str
    current: Path
    kept: Path

    def folder_of(self, sha256: str) -> Path:
        """Where the model of these weights is kept."""
        return self.kept / self.task / sha256


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for: the `candidate` folder, on which `today`, and why even if it is worse (`override`)."""

    candidate: Path
    today: datetime.date
    override: str | None = None


def promote(
    shelf: Shelf, request: Request, part: CardPart, sets: Sets, progress: Progress | None = None
) -> tuple[ModelCard, str]:
    """Put the candidate in the place of the current model; returns its card and the line of the changelog.

    Args:
        shelf: where the task's models lie.
        request: which candidate, and why even if it is worse.
        part: the recipe's `card`: the validation sets and the metric.
        sets: the data sets.
        progress: called with pictures looked at and in all.

    Raises:
        LicenceError: when the candidate was taught on what keeps it in the house.
        PromotionError: when it is of another task, half made, the current one itself, or worse beyond noise, or when
            its place or that of the former cannot be written.
    """
    card = load_card(request.candidate)
    verify_weights(card, request.candidate)
    _mend(shelf)
    if card.task != shelf.task:
        raise PromotionError(f"the candidate is a model for {card.task}, not {shelf.task}", where=request.candidate)
    if card.thresholds.chosen == NOT_CHOSEN:
        remedy = "Its export was broken off: run `michisora export` again."
        raise PromotionError("the candidate's thresholds were never chosen", where=request.candidate, remedy=remedy)
    refuse_unshippable_training(card.training, sets.catalogue.values())
    former = load_card(shelf.current) if (shelf.current / CARD_NAME).is_file() else None
    if former is not None and former.sha256 == card.sha256:
        raise PromotionError("the candidate is the current model", where=request.candidate)
    _refuse_unwritable(shelf)
    comparison = None if former is None else _compare(shelf.current, request.candidate, part, sets, progress)
    if former is not None and comparison is not None:
        _refuse_worse(former, card, comparison, request.override)
    record = _record(former, comparison, request, part)
    card = card.model_copy(update={"metrics": {**card.metrics, PROMOTION: record}})
    line = _line(card, former, comparison, request)
    _install(card, request.candidate, shelf, former)
    _note(shelf, line)
    return card, line


def roll_back(shelf: Shelf, today: datetime.date) -> tuple[ModelCard, str]:
    """Put the model back that the current one took the place of; returns its card and the line of the changelog.

    Raises:
        PromotionError: when the current model has no former one, or that is not kept here.
    """
    _mend(shelf)
    current = load_card(shelf.current)
    sha256 = (current.metrics.get(PROMOTION) or {}).get("former")
    if not sha256:
        raise PromotionError("the current model took no other's place", where=shelf.current)
    folder = shelf.folder_of(sha256)
    if not (folder / CARD_NAME).is_file():
        remedy = f"It is in the history of git: `git log -- {shelf.current}`."
        raise PromotionError("the former model is not kept here", where=folder, remedy=remedy)
    former = load_card(folder)
    verify_weights(former, folder)
    line = f"- {today.isoformat()} `{former.sha256[:12]}` restored in place of `{current.sha256[:12]}`"
    _install(former, folder, shelf, current)
    _note(shelf, line)
    return former, line


def _compare(current: Path, candidate: Path, part: CardPart, sets: Sets, progress: Progress | None) -> Comparison:
    sides = []
    for folder in (current, candidate):
        detector = open_detector(folder, precision="f32")
        try:
            judged = judge_all(detector, part.validation, sets, progress=progress)
        finally:
            detector.close()
        sides.append(Side(judged, detector.card.thresholds.score))
    return compare(sides[0], sides[1], part.metric)


def _refuse_unwritable(shelf: Shelf) -> None:
    """Try both folders, or what they would be made in, before minutes of comparing."""
    for folder in (shelf.current, shelf.kept):
        there = next(one for one in (folder, *folder.absolute().parents) if one.exists())
        try:
            with tempfile.TemporaryFile(dir=there):
                pass
        except OSError as error:
            remedy = "Name another folder with --current or --kept, or do it as who may write here."
            what = f"no model can be put here ({error.strerror or error})"
            raise PromotionError(what, where=folder, remedy=remedy) from error


def _refuse_worse(former: ModelCard, card: ModelCard, comparison: Comparison, override: str | None) -> None:
    lost = [name for name in former.class_names if name not in card.class_names]
    if override:
        return
    remedy = 'Say why it should take its place all the same: --override "why"; the card will repeat it.'
    if lost:
        raise PromotionError(f"the candidate does not know {', '.join(lost)}, the current model does", remedy=remedy)
    if comparison.worse:
        how = "worse beyond noise" if comparison.n_places >= TOO_FEW_PLACES else "worse"
        raise PromotionError(f"the candidate is {how}: {comparison}", remedy=remedy)


def _record(
    former: ModelCard | None, comparison: Comparison | None, request: Request, part: CardPart
) -> Mapping[str, Any]:
    """What the card keeps of its promotion."""
    record: dict[str, Any] = {
        "command": "michisora promote TASK --candidate DIR --data DATA",
        "on": request.today.isoformat(),
        "former": None if former is None else former.sha256,
        "validation": list(part.validation),
    }
    if comparison is not None:
        record |= {
            "metric": comparison.metric,
            "former_value": round(comparison.current, 4),
            "value": round(comparison.candidate, 4),
            "difference": round(comparison.difference, 4),
            "interval_95": [round(comparison.low, 4), round(comparison.high, 4)],
            "places": comparison.n_places,
            "pictures": comparison.n_pictures,
            "draws": comparison.draws,
        }
    return {**record, "override": request.override} if request.override else record


def _line(card: ModelCard, former: ModelCard | None, comparison: Comparison | None, request: Request) -> str:
    took = "the first" if former is None else f"in place of `{former.sha256[:12]}`: {comparison}"
    why = f"; overridden: {' '.join(request.override.split())}" if request.override else ""
    return f"- {request.today.isoformat()} `{card.sha256[:12]}` {took}{why}"


def _install(card: ModelCard, source: Path, shelf: Shelf, former: ModelCard | None) -> None:
    """Keep what is there, then put weights and card in its place, each whole or not at all.

    Killed between the two, weights and card disagree; every back end refuses such a folder, and the next promotion or
    rollback mends it first (`_mend`).
    """
    if former is not None:
        _keep(former, shelf)
    shelf.current.mkdir(parents=True, exist_ok=True)
    part = shelf.current / f".{card.weights}.part"
    shutil.copyfile(source / card.weights, part)
    staging = shelf.current / ".card"
    staging.mkdir(exist_ok=True)
    written = write_card(card, staging)
    part.replace(shelf.current / card.weights)
    written.replace(shelf.current / CARD_NAME)
    staging.rmdir()
    verify_weights(card, shelf.current)
    if former is not None and former.weights != card.weights:
        (shelf.current / former.weights).unlink(missing_ok=True)


def _mend(shelf: Shelf) -> None:
    """After a promotion that was killed when the weights were in place and the card not yet: the former weights again.

    Raises:
        WeightsError: weights and card disagree, and those of the card are not kept.
    """
    if not (shelf.current / CARD_NAME).is_file():
        return
    card = load_card(shelf.current)
    try:
        verify_weights(card, shelf.current)
    except WeightsError:
        kept = shelf.folder_of(card.sha256)
        if not (kept / card.weights).is_file():
            raise
        verify_weights(card, kept)
        part = shelf.current / f".{card.weights}.part"
        shutil.copyfile(kept / card.weights, part)
        part.replace(shelf.current / card.weights)


def _keep(card: ModelCard, shelf: Shelf) -> None:
    verify_weights(card, shelf.current)
    folder = shelf.folder_of(card.sha256)
    staging = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    for name in (card.weights, CARD_NAME):
        shutil.copyfile(shelf.current / name, staging / name)
    # The same weights may have been kept with an older card: the card of today says by whom they were replaced.
    shutil.rmtree(folder, ignore_errors=True)
    staging.replace(folder)


def _note(shelf: Shelf, line: str) -> None:
    """Add a line to the model's changelog, the latest on top."""
    path, head = shelf.current / CHANGELOG, f"# Models for {shelf.task}, the latest first\n\n"
    former = path.read_text(encoding="utf-8").removeprefix(head) if path.is_file() else ""
    part = path.with_suffix(".part")
    part.write_text(f"{head}{line}\n{former}", encoding="utf-8")
    part.replace(path)
