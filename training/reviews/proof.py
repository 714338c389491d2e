"""What corrections are worth, measured: teach without some pictures, review them, go on with the reviews.

Three models, judged on the recipe's validation sets: `before` was taught without the pictures held back; `with` went on
from there with the corrections of what `before` saw on them; `without` went on as long on what it knew already. The
gain is `with` against `before`; what of it is due to more steps alone, `without` tells.
"""

import hashlib
import json
import operator
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any

from models.detector import open_detector
from training.checkpoint import CHECKPOINT
from training.compare import Comparison, Side, compare
from training.errors import RecipeError
from training.evaluate import judge_all
from training.hardware import Hardware
from training.judge import class_figures, look, rounded
from training.recipe import CardPart, Recipe, Share
from training.reviews.build import CATALOGUE, Request, build
from training.reviews.playback import Playback, play_back
from training.sources.catalogue import read_catalogue
from training.sources.samples import Sample, Sets
from training.teach import teach

__all__ = ["Plan", "Proof", "hold_back", "prove"]

CORRECTIONS = "corrections"
LICENCE = "that of the pictures; for measurement alone"
Samples = Mapping[str, Sequence[Sample]]
Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Plan:
    """What is measured.

    Attributes:
        recipe: what `before` is taught by.
        base: the weights it starts from.
        out: the folder for runs, models, reviews and the report; an interrupted proof in it goes on.
        held: how many labelled pictures are held back, at least.
        epochs: how many more there are with the corrections, and without.
        share: the part of the crops that corrections give in those.
        looks_through: see `play_back`; else all but the reviewed boxes is unknown.
        hardware: what to compute on; by default what is there.
        of: the data sets to hold back from; by default all.
        unseen: data sets that `before` sees nothing of, like a town where nobody has driven yet: they are held back
            from, and what is left of them teaches nobody.
    """

    recipe: Recipe
    base: Path
    out: Path
    held: int = 200
    epochs: int = 4
    share: float = 0.12
    looks_through: bool = True
    hardware: Hardware | None = None
    of: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Proof:
    """What came out.

    Attributes:
        held: pictures held back, by data set.
        stretches: how many stretches they are of.
        corrections: what `training.reviews.build` says of the set made of them.
        added: objects that `before` had not seen, and the reviewer drew.
        gain: `with` against `before`.
        beyond: `with` against `without`.
        by_class: average precision at IoU 0.5 of each of the three, class by class over all validation pictures.
    """

    held: Mapping[str, int]
    stretches: int
    corrections: Mapping[str, Any]
    added: int
    gain: Comparison
    beyond: Comparison
    by_class: Mapping[str, Mapping[str, float]]

    def __str__(self) -> str:
        said, of = self.corrections["reviews"], ", ".join(f"{name} {n}" for name, n in self.held.items())
        return "\n".join(
            [
                f"held back: {sum(self.held.values())} pictures ({of}) of {self.stretches} stretches",
                f"reviews: {said['accept'] - self.added} boxes accepted, {said['fix']} put right, {said['reject']} "
                f"rejected, {self.added} missed objects added; {self.corrections['pictures']} pictures to learn from, "
                f"{self.corrections['hard_negatives']} of them hard negatives",
                f"gain, before → with corrections: {self.gain}",
                f"of it corrections, as many steps without → with: {self.beyond}",
                *(
                    f"AP50 {name}: " + ", ".join(f"{kind} {value:.3f}" for kind, value in classes.items())
                    for name, classes in self.by_class.items()
                ),
            ]
        )


def prove(plan: Plan, sets: Sets, say: Say) -> Proof:
    """Measure the gain of corrections; writes `report.json` into the plan's folder.

    Args:
        plan: what to measure.
        sets: the data sets.
        say: called with a line before each step.

    Raises:
        RecipeError: when the recipe names no validation sets, or has too few pictures to hold any back.
    """
    part = plan.recipe.card
    if part is None:
        raise RecipeError("the recipe has no section `card`: nothing says what to judge by")
    shares = {name: share.split for stage in plan.recipe.stages for name, share in stage.sources.items()}
    samples = {name: sets.samples(name, split, plan.recipe.classes) for name, split in shares.items()}
    kept, held = hold_back(samples, plan.held, plan.of, plan.unseen)
    say(f"before: {sum(map(len, kept.values()))} pictures, {len(held)} held back")
    first = _without(plan.recipe, plan.unseen)
    before = _taught(plan, first, kept, sets, "before")
    played = _reviewed(before, held, sets, plan)
    corrections, about = _corrections(plan, played, sets)
    sides = {"before": _side(before, part, sets)}
    for name, more in (("with", {CORRECTIONS: corrections}), ("without", {})):
        say(f"{name} corrections: {plan.epochs} epochs more")
        recipe = _longer(plan, first, held, corrected=bool(more))
        _begin(plan.out / name, plan.out / "before")
        sides[name] = _side(_taught(plan, recipe, {**kept, **more}, sets, name), part, sets)
    proof = Proof(
        held={name: n for name in samples if (n := sum(one.source == name for one in held))},
        stretches=len({_stretch(one) for one in held}),
        corrections=about,
        added=played.added,
        gain=compare(sides["before"], sides["with"], part.metric),
        beyond=compare(sides["without"], sides["with"], part.metric),
        by_class={name: _by_class(side) for name, side in sides.items()},
    )
    _report(plan, proof)
    return proof


def hold_back(
    samples: Samples, n: int, of: Sequence[str] = (), unseen: Sequence[str] = ()
) -> tuple[dict[str, list[Sample]], list[Sample]]:
    """What is left to learn from, and about `n` labelled pictures that are not: whole stretches, chosen by hash.

    Frames of one stretch look alike: a model that saw half of them has little to learn from the others' reviews. With
    `of`, only pictures of those data sets are held back; with `unseen`, only of those, and nothing of them is left.

    Raises:
        RecipeError: when more than half of the labelled pictures would be held back (of `unseen` sets, more than there
            are), or a set is not of the recipe.
    """
    unknown = next((name for name in (*of, *unseen) if name not in samples), None)
    if unknown is not None:
        raise RecipeError(f"the recipe learns nothing from {unknown}", remedy=f"It learns from {', '.join(samples)}.")
    labelled = [one for name in unseen or of or samples for one in samples[name] if one.labelled.any()]
    if (1 if unseen else 2) * n > len(labelled):
        what = f"{n} of {len(labelled)} labelled pictures cannot be held back"
        raise RecipeError(what, remedy=f"Hold back {'fewer' if unseen else 'fewer than half'}: --held.")
    order = sorted({_stretch(one) for one in labelled}, key=lambda one: hashlib.sha256(one.encode()).digest())
    sizes = {name: sum(_stretch(one) == name for one in labelled) for name in order}
    chosen: set[str] = set()
    for name in order:
        if sum(sizes[one] for one in chosen) >= n:
            break
        # A stretch that would take far more than is wanted stays.
        if sum(sizes[one] for one in chosen) + sizes[name] <= 1.25 * n or not chosen:
            chosen.add(name)
    held = [one for one in labelled if _stretch(one) in chosen]
    left_out = {one.picture for one in held}
    seen = {name: some for name, some in samples.items() if name not in unseen}
    return {name: [one for one in some if one.picture not in left_out] for name, some in seen.items()}, held


def _without(recipe: Recipe, unseen: Sequence[str]) -> Recipe:
    """The recipe without some of its data sets; stages that learn from no other are left out."""
    stages = []
    for stage in recipe.stages:
        if sources := {name: share for name, share in stage.sources.items() if name not in unseen}:
            stages.append(stage.model_copy(update={"sources": sources}))
    if not stages:
        raise RecipeError("nothing is left to learn from", remedy="Leave one of the recipe's data sets seen.")
    return recipe.model_copy(update={"stages": tuple(stages)})


def _stretch(one: Sample) -> str:
    return one.stretch or str(one.picture)


def _taught(plan: Plan, recipe: Recipe, samples: Samples, sets: Sets, name: str) -> Path:
    """The model of a run."""
    return teach(recipe, samples, plan.base, plan.out / name, sets, hardware=plan.hardware, unnamed={CORRECTIONS})


def _begin(out: Path, before: Path) -> None:
    """Let a run go on from where another ended."""
    if not (out / CHECKPOINT).exists():
        out.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(before / CHECKPOINT, out / CHECKPOINT)


def _side(model: Path, part: CardPart, sets: Sets) -> Side:
    with open_detector(model, precision="f32") as detector:
        return Side(judge_all(detector, part.validation, sets), detector.card.thresholds.score)


def _by_class(side: Side) -> dict[str, float]:
    everything = reduce(operator.add, side.judged.values())
    return {name: one["ap50"] for name, one in class_figures(everything, side.thresholds)["classes"].items()}


def _reviewed(model: Path, held: Sequence[Sample], sets: Sets, plan: Plan) -> Playback:
    with open_detector(model, precision="f32") as detector:
        judged = look(detector, held)
        thresholds = detector.card.thresholds.score
    names = [_name(one, sets) for one in held]
    return play_back(judged, thresholds, names, looks_through=plan.looks_through)


def _name(one: Sample, sets: Sets) -> str:
    return one.picture.relative_to(sets.root(one.source)).as_posix()


def _corrections(plan: Plan, played: Playback, sets: Sets) -> tuple[list[Sample], dict[str, Any]]:
    """The set that `michisora reviews build` makes of the reviews."""
    data = plan.out / "data"
    data.mkdir(parents=True, exist_ok=True)
    files = {"reviews": plan.out / "reviews.jsonl", "detections": plan.out / "detections.jsonl"}
    for name, lines in (("reviews", played.reviews), ("detections", played.detections)):
        files[name].write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    folders = tuple(one for one in (sets.data, sets.mirror) if one is not None)
    request = Request(
        (files["reviews"],),
        folders,
        data / CORRECTIONS,
        data,
        LICENCE,
        plan.recipe.classes,
        detections=files["detections"],
    )
    about = build(request)
    made = Sets(read_catalogue(data / CORRECTIONS / CATALOGUE), data)
    return made.samples(CORRECTIONS, "train", plan.recipe.classes), about


def _longer(plan: Plan, recipe: Recipe, held: Sequence[Sample], *, corrected: bool) -> Recipe:
    """The recipe with one stage more, like its last: with the corrections among its data sets, or without."""
    last = recipe.stages[-1]
    sources = dict(last.sources)
    if corrected:
        weight = sum(one.weight for one in sources.values()) * plan.share / (1 - plan.share)
        # Most of what was held back tells at which scale the pictures are to be seen.
        shares = {name: share for stage in plan.recipe.stages for name, share in stage.sources.items()}
        often = max(shares, key=lambda name: sum(one.source == name for one in held))
        sources[CORRECTIONS] = Share(weight=weight, scale=shares[often].scale)
    more = {"name": "more", "epochs": plan.epochs, "rate": last.rate / 2, "sources": sources}
    stage = last.model_copy(update=more)
    return recipe.model_copy(update={"stages": (*recipe.stages, stage)})


def _report(plan: Plan, proof: Proof) -> None:
    told = {
        "task": plan.recipe.task,
        "held": proof.held,
        "stretches": proof.stretches,
        "unseen": list(plan.unseen),
        "added": proof.added,
        "corrections": {name: one for name, one in proof.corrections.items() if name != "licence"},
        "epochs": plan.epochs,
        "share": plan.share,
        "ap50": proof.by_class,
        **{
            name: {
                "metric": one.metric,
                "from": one.current,
                "to": one.candidate,
                "difference": one.difference,
                "interval_95": [one.low, one.high],
                "places": one.n_places,
                "pictures": one.n_pictures,
            }
            for name, one in (("gain", proof.gain), ("beyond_more_steps", proof.beyond))
        },
    }
    text = json.dumps(rounded(told), indent=2, ensure_ascii=False)
    (plan.out / "report.json").write_text(f"{text}\n", encoding="utf-8")
