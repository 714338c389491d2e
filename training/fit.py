"""The training run: stages of epochs, a checkpoint after each, resumed where it was killed."""

import csv
import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from training.average import RunningAverage
from training.batches import Album, Batch, epoch_batches
from training.distil import Teacher
from training.errors import RunError
from training.loss import Family, LabelledClassLoss
from training.machine import Machine, look_around
from training.network import keep_norms, network_of, start_from
from training.recipe import Recipe, Stage
from training.sources.samples import Sample

__all__ = ["CHECKPOINT", "LOG", "Run", "fit", "load_checkpoint", "may_resume"]

CHECKPOINT = "last.pt"
LOG = "log.csv"
MAX_GRADIENT = 10.0
Progress = Callable[[int, int], None]
EpochLog = Callable[[int, Mapping[str, object]], None]


@dataclass(slots=True)
class Run:
    """A run under way: what a checkpoint holds."""

    recipe: Recipe
    machine: Machine
    network: nn.Module
    optimizer: torch.optim.Optimizer
    average: RunningAverage
    teacher: Teacher | None = None
    done: int = 0
    steps: int = 0


def fit(
    recipe: Recipe,
    samples: Mapping[str, Sequence[Sample]],
    base: Path,
    out: Path,
    progress: Progress | None = None,
    log: EpochLog | None = None,
) -> Path:
    """Teach the recipe's network, from `base` or from the checkpoint in `out`; returns the path of the checkpoint.

    Args:
        recipe: what to do.
        samples: labelled pictures of each data set the recipe names.
        base: plain state dict to start from.
        out: the run's folder: checkpoint and log.
        progress: called after every epoch with epochs done and in all.
        log: called after every epoch with its number, from 0, and its row of the log.

    Raises:
        RunError: when the checkpoint in `out` was made by another recipe.
    """
    out.mkdir(parents=True, exist_ok=True)
    run = _start(recipe, base)
    _resume(run, out / CHECKPOINT)
    album = Album(samples)
    schedule = [(index, epoch) for index, stage in enumerate(recipe.stages) for epoch in range(stage.epochs)]
    loss = LabelledClassLoss(run.network, teaching=recipe.teacher)
    for index, epoch in schedule[run.done :]:
        row = _epoch(run, album, loss, index, epoch)
        run.done += 1
        _save(run, out / CHECKPOINT)
        _log(out / LOG, row)
        if log is not None:
            log(run.done - 1, row)
        if progress is not None:
            progress(run.done, len(schedule))
    return out / CHECKPOINT


def load_checkpoint(path: Path) -> dict[str, Any]:
    """The checkpoint's content: `average` is the state dict to ship, `recipe` the text of the recipe.

    Raises:
        RunError: when there is none or it cannot be read.
    """
    try:
        content: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise RunError("there is no checkpoint", where=path, remedy="Run `michisora train` first.") from error
    except Exception as error:
        raise RunError("the checkpoint cannot be read", where=path) from error
    return content


def may_resume(recipe: Recipe, content: Mapping[str, Any]) -> bool:
    """Whether a checkpoint's content was made by the stages that the recipe begins with."""
    done = content["done"]
    total = sum(stage.epochs for stage in recipe.stages)
    return bool(done <= total and content["begun"] == _fingerprint(recipe, _stages_begun(recipe, done)))


def _start(recipe: Recipe, base: Path) -> Run:
    torch.manual_seed(recipe.seed)
    machine = look_around()
    network = network_of(recipe)
    start_from(network, base, recipe.base_classes)
    network = network.to(machine.device, memory_format=torch.channels_last)
    network.train()
    if recipe.norms == "keep":
        keep_norms(network)
    teacher = None
    if recipe.teacher is not None:
        teacher = Teacher(recipe.architecture, base, recipe.base_classes, machine.device)
    return Run(recipe, machine, network, _optimizer(network, recipe), RunningAverage(network, recipe.average), teacher)


def _optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """AdamW; biases and batch norm are not decayed."""
    taught = [one for one in network.parameters() if one.requires_grad]
    groups = [
        {"params": [one for one in taught if one.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [one for one in taught if one.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.stages[0].rate, betas=(0.9, 0.999))


def _epoch(run: Run, album: Album, loss: LabelledClassLoss, index: int, epoch: int) -> dict[str, object]:
    stage = run.recipe.stages[index]
    per_epoch = math.ceil(stage.crops / run.recipe.batch)
    loss.families = [
        Family(run.recipe.classes.index(whole), tuple(run.recipe.classes.index(kind) for kind in kinds))
        for whole, kinds in stage.kinds.items()
    ]
    began, seen, sums = time.perf_counter(), 0, torch.zeros(3)
    for number, batch in enumerate(epoch_batches(album, run.recipe, index, epoch)):
        rate = _rate(stage, (epoch * per_epoch + number) / (stage.epochs * per_epoch))
        sums += _step(run, loss, batch, rate) * len(batch.pictures)
        seen += len(batch.pictures)
    seconds = time.perf_counter() - began
    losses = dict(zip(("box", "class", "distribution"), (round(float(one), 4) for one in sums / seen), strict=True))
    where = {"stage": stage.name, "epoch": epoch + 1, "steps": run.steps, "rate": f"{rate:.3g}"}
    return {**where, **losses, "seconds": round(seconds, 1), "seconds_a_crop": round(seconds / seen, 4)}


def _rate(stage: Stage, part: float) -> float:
    """The learning rate after `part` (0 to 1) of a stage: half a cosine from `rate` to `final_rate`."""
    return stage.final_rate + (stage.rate - stage.final_rate) * (1 + math.cos(math.pi * min(part, 1))) / 2


def _step(run: Run, loss: LabelledClassLoss, batch: Batch, rate: float) -> Tensor:
    """One step of the optimizer; returns the three losses a picture."""
    warm = min(1.0, (run.steps + 1) / run.recipe.warm_up_steps)
    for group in run.optimizer.param_groups:
        group["lr"] = rate * warm
    pictures = torch.from_numpy(batch.pictures).to(run.machine.device).permute(0, 3, 1, 2).float().div_(255)
    target: dict[str, Any] = {
        "batch_idx": torch.from_numpy(batch.index),
        "cls": torch.from_numpy(batch.class_id).float(),
        "bboxes": torch.from_numpy(batch.xywh),
        "labelled": torch.from_numpy(batch.labelled),
        "ignored": torch.from_numpy(batch.ignored),
    }
    with run.machine.autocast:
        raw = run.network(pictures)
        if run.teacher is not None:
            target["answers"] = run.teacher.answers(pictures)
    total, log = loss({name: _float(one) for name, one in raw.items()}, target)
    run.optimizer.zero_grad(set_to_none=True)
    total.sum().backward()
    nn.utils.clip_grad_norm_(run.network.parameters(), MAX_GRADIENT)
    run.optimizer.step()
    run.steps += 1
    run.average.update(run.network)
    return torch.stack([one.cpu() for one in log.values()])


def _float(raw: Any) -> Any:
    return [one.float() for one in raw] if isinstance(raw, list) else raw.float()


def _fingerprint(recipe: Recipe, stages: int) -> str:
    """What the first `stages` stages of a recipe amount to: stages still to come may change between two starts.

    What is left at its default does not count, so that a checkpoint outlives a new field of the recipe.
    """
    part = recipe.model_copy(update={"stages": recipe.stages[:stages]})
    return hashlib.sha256(part.model_dump_json(exclude={"card"}, exclude_defaults=True).encode()).hexdigest()


def _stages_begun(recipe: Recipe, done: int) -> int:
    begun, epochs = 0, 0
    while epochs < done:
        epochs += recipe.stages[begun].epochs
        begun += 1
    return begun


def _save(run: Run, path: Path) -> None:
    content = {
        "network": run.network.state_dict(),
        "average": run.average.state,
        "average_steps": run.average.steps,
        "optimizer": run.optimizer.state_dict(),
        "done": run.done,
        "steps": run.steps,
        "recipe": run.recipe.model_dump_json(exclude={"card"}),
        "begun": _fingerprint(run.recipe, _stages_begun(run.recipe, run.done)),
        "machine": run.machine.name,
        "precision": str(run.machine.precision).removeprefix("torch."),
    }
    part = path.with_suffix(".part")
    torch.save(content, part)
    part.replace(path)


def _resume(run: Run, path: Path) -> None:
    if not path.exists():
        return
    content = load_checkpoint(path)
    if not may_resume(run.recipe, content):
        remedy = "Name another --out folder, or restore the recipe it was begun with."
        raise RunError("the checkpoint here was made by another recipe", where=path, remedy=remedy)
    run.network.load_state_dict(content["network"])
    run.optimizer.load_state_dict(content["optimizer"])
    run.average.state = {name: one.to(run.machine.device) for name, one in content["average"].items()}
    run.average.steps, run.done, run.steps = content["average_steps"], content["done"], content["steps"]


def _log(path: Path, row: Mapping[str, object]) -> None:
    new = not path.exists()
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(row))
        if new:
            writer.writeheader()
        writer.writerow(row)
