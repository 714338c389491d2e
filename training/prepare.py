"""A look over the data sets before hours are spent on them."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from training.errors import SourceError
from training.prepared import Part
from training.recipe import Recipe
from training.sources.catalogue import Source, read_catalogue
from training.sources.licences import why_not
from training.sources.pictures import read_upright
from training.sources.places import unplaced
from training.sources.samples import Sample, Sets, Tally

__all__ = ["look_over", "refuse_shared_places", "summarise", "unshown", "wanted"]

NOTES = "notes"


def wanted(recipe: Recipe) -> list[Part]:
    """Every data set and split that a recipe learns from or is judged by, once each."""
    judged = [(name, "val") for name in (recipe.card.validation if recipe.card else ())]
    return list(dict.fromkeys([*_learned_from(recipe), *judged]))


def summarise(recipe: Recipe, sets: Sets) -> dict[str, Any]:
    """What each data set of a recipe holds: pictures, boxes a class, pictures that label each class, known faults.

    The entry `notes` has a line for each thing that is no fault but should be known: a class without a box, a set whose
    places nobody can tell, a licence that keeps the weights in the house.

    Raises:
        SourceError: when one is absent or unreadable, or a picture or a place is both learned from and judged by.
    """
    return look_over(recipe, sets)[0]


def look_over(recipe: Recipe, sets: Sets) -> tuple[dict[str, Any], dict[Part, list[Sample]]]:
    """The summary, and the samples of every data set and split that it is about."""
    tallies = {part: Tally() for part in wanted(recipe)}
    parts = {
        (name, split): sets.samples(name, split, recipe.classes, tally) for (name, split), tally in tallies.items()
    }
    learned = {part: parts[part] for part in _learned_from(recipe)}
    judged = {(name, "val"): parts[name, "val"] for name in (recipe.card.validation if recipe.card else ())}
    _refuse_leaks(_all(learned), _all(judged))
    refuse_shared_places(_all(learned), _all(judged))
    _refuse_broken(_all(parts))
    summary = {
        f"{name}/{split}": _describe(samples, recipe.classes, sets.source(name))
        for (name, split), samples in parts.items()
    }
    notes = [*_notes(recipe, sets, summary, learned), *_labels_left_out(sets, tallies)]
    return {**summary, NOTES: notes}, parts


def _learned_from(recipe: Recipe) -> list[Part]:
    return list({(name, share.split): None for stage in recipe.stages for name, share in stage.sources.items()})


def unshown(recipe: Recipe, learned: Mapping[Any, Sequence[Sample]]) -> list[str]:
    """The classes that have no box on any picture: only a teacher could teach them."""
    taught = {int(class_id) for one in _all(learned) for class_id in one.class_id}
    return [name for class_id, name in enumerate(recipe.classes) if class_id not in taught]


def refuse_shared_places(learned: Iterable[Sample], judged: Iterable[Sample]) -> None:
    """Refuse a split that has a place on both sides: a model that saw a road in training knows it in validation.

    Raises:
        SourceError: naming the place and a picture of each side.
    """
    known = {one.place: one.picture for one in learned if one.place}
    for one in judged:
        twin = known.get(one.place)
        if twin is not None:
            remedy = "Split by place: `divide` or `without` in the catalogue keeps a place on one side."
            what = f"the place {one.place} is in training data too ({twin})"
            raise SourceError(what, where=one.picture, remedy=remedy)


def _describe(samples: Sequence[Sample], classes: Sequence[str], source: Source) -> dict[str, Any]:
    boxes = Counter(int(class_id) for one in samples for class_id in one.class_id)
    return {
        "pictures": len(samples),
        "places": len({one.place for one in samples if one.place}),
        "licence": source.licence,
        "boxes": {name: boxes[class_id] for class_id, name in enumerate(classes)},
        "pictures_labelling": {
            name: sum(bool(one.labelled[class_id]) for one in samples) for class_id, name in enumerate(classes)
        },
        "faults": list(source.faults),
    }


def _notes(
    recipe: Recipe, sets: Sets, summary: Mapping[str, Any], learned: Mapping[Part, Sequence[Sample]]
) -> list[str]:
    notes = [
        f"{part}: no box of {name}, which the set labels"
        for part, one in summary.items()
        for name, n in one["boxes"].items()
        if n == 0 and one["pictures_labelling"][name]
    ]
    notes += [f"no picture that is learned from shows {name}" for name in unshown(recipe, learned)]
    used = {part.rpartition("/")[0]: sets.source(part.rpartition("/")[0]) for part in summary}
    notes += [
        f"{name}: its entry tells no places, so nobody can say whether its split is clean"
        for name in unplaced(used.items())
    ]
    reasons = {name: why_not(sets.source(name).licence, sets.source(name).may_ship) for name, _ in learned}
    return notes + [f"{name}: weights may not be given away: {why}" for name, why in reasons.items() if why]


def _labels_left_out(sets: Sets, tallies: Mapping[Part, Tally]) -> list[str]:
    """What of the labels became no box; the built-in sets leave out on purpose, and are silent about it."""
    known = read_catalogue()
    own = {name: sets.source(name) for name, _ in tallies if sets.source(name) != known.get(name)}
    notes = [
        f"{name}: `labels` of its entry names {label}, which none of its `classes` is: it teaches no absence of any"
        for name, source in own.items()
        for label in source.labels
        if label not in source.classes.values()
    ]
    for (name, split), tally in tallies.items():
        if tally.twice:
            notes.append(f"{name}/{split}: {tally.twice} boxes are labelled twice, word by word, and count as two")
        if name in own:
            notes += [
                *(
                    f"{name}/{split}: {n} boxes of {label}, which is no class of the recipe"
                    for label, n in tally.unknown.items()
                ),
                *(
                    f"{name}/{split}: {n} boxes of the label {label}, which its entry maps to no class"
                    for label, n in (+tally.unmapped).items()
                ),
            ]
    return notes


def _all(parts: Mapping[Any, Sequence[Sample]]) -> list[Sample]:
    return [one for some in parts.values() for one in some]


def _refuse_leaks(learned: Iterable[Sample], judged: Iterable[Sample]) -> None:
    known = {digest: one.picture for one in learned for digest in _digests(one)}
    for one in judged:
        twin = next((known[digest] for digest in _digests(one) if digest in known), None)
        if twin is not None:
            remedy = "Split by place: a picture that was learned from judges nothing."
            raise SourceError(f"the same picture is in training data ({twin})", where=one.picture, remedy=remedy)


def _refuse_broken(samples: Sequence[Sample]) -> None:
    """Refuse a picture that cannot be read to its end: hours later it would end the run, or the export after it."""
    with ThreadPoolExecutor(thread_name_prefix="pictures") as pool:
        for _ in pool.map(_read_through, samples):
            pass


def _read_through(sample: Sample) -> None:
    # The pixels are not returned, so that memory holds a picture a thread.
    read_upright(sample.picture)


def _digests(sample: Sample) -> set[str]:
    """Of a picture's file, and of the file it is a copy of where its data set says so, as those of corrections do."""
    with sample.picture.open("rb") as file:
        own = hashlib.file_digest(file, "sha256").hexdigest()
    return {own, sample.facts.get("copied_from") or own}
