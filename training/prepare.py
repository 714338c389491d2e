"""A look over the data sets before hours are spent on them."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from training.errors import SourceError
from training.recipe import Recipe
from training.sources.catalogue import Source
from training.sources.samples import Sample, Sets

__all__ = ["summarise"]


def summarise(recipe: Recipe, sets: Sets) -> dict[str, Any]:
    """What each data set of a recipe holds: pictures, boxes a class, pictures that label each class, known faults.

    Raises:
        SourceError: when one is absent or unreadable, or a picture is both learned from and judged by.
    """
    shares = {name: share.split for stage in recipe.stages for name, share in stage.sources.items()}
    judged_by = recipe.card.validation if recipe.card else ()
    wanted = [*shares.items(), *((name, "val") for name in judged_by)]
    pictures = {(name, split): sets.samples(name, split, recipe.classes) for name, split in wanted}
    learned = [one for (name, split), some in pictures.items() if split != "val" for one in some]
    _refuse_leaks(learned, [one for (_, split), some in pictures.items() if split == "val" for one in some])
    return {
        f"{name}/{split}": _describe(samples, recipe.classes, sets.source(name))
        for (name, split), samples in pictures.items()
    }


def _describe(samples: Sequence[Sample], classes: Sequence[str], source: Source) -> dict[str, Any]:
    boxes = Counter(int(class_id) for one in samples for class_id in one.class_id)
    return {
        "pictures": len(samples),
        "licence": source.licence,
        "boxes": {name: boxes[class_id] for class_id, name in enumerate(classes)},
        "pictures_labelling": {
            name: sum(bool(one.labelled[class_id]) for one in samples) for class_id, name in enumerate(classes)
        },
        "faults": list(source.faults),
    }


def _refuse_leaks(learned: Iterable[Sample], judged: Iterable[Sample]) -> None:
    known = {_digest(one.picture): one.picture for one in learned}
    for one in judged:
        twin = known.get(_digest(one.picture))
        if twin is not None:
            remedy = "Split by place: a picture that was learned from judges nothing."
            raise SourceError(f"the same picture is in training data ({twin})", where=one.picture, remedy=remedy)


def _digest(path: Path) -> bytes:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
