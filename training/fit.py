"""The training run: stages of epochs, a checkpoint after each, resumed where it was killed."""

import csv
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.card import ModelCard, TrainingSource
from training.average import RunningAverage
from training.batches import Album, Batch, epoch_batches, memory_share, smallest_batch
from training.checkpoint import (
    CHECKPOINT,
    fingerprint,
    load_checkpoint,
    machines_of,
    may_resume,
    write_checkpoint,
)
from training.distil import Teacher
from training.errors import RunError
from training.hardware import Hardware
from training.loss import Family, LabelledClassLoss
from training.machine import Machine, gpus, look_around
from training.network import keep_norms, network_of, start_from
from training.onward import go_on_from, read_exported, restore_norms
from training.ranks import Ranks, share, together
from training.recipe import Recipe, Stage, stages_begun
from training.sources.samples import Sample
from training.widen import widen

__all__ = ["CHECKPOINT", "LOG", "Run", "fit", "load_checkpoint", "may_resume", "untaught"]

LOG = "log.csv"
MAX_GRADIENT = 10.0
LOOKED_AT = 8
"""Batches from which batch norm learns what it meets, where a run goes on from an exported model."""
LOSSES = ("box", "class", "distribution")
Progress = Callable[[int, int], None]
EpochLog = Callable[[int, Mapping[str, object]], None]
Row = Mapping[str, object]


@dataclass(slots=True)
class Run:
    """A run under way: what a checkpoint holds, and what computes it.

    `before` is what the model that it goes on from was taught on, `machines` what it was taught on so far, `began` the
    average that a stage with `keep` began with, `cold` the step the optimizer began with.
    """

    recipe: Recipe
    architecture: str
    machine: Machine
    ranks: Ranks
    network: nn.Module
    optimizer: torch.optim.Optimizer
    average: RunningAverage
    scaler: torch.amp.GradScaler
    teacher: Teacher | None = None
    before: Sequence[TrainingSource] = ()
    machines: Sequence[str] = ()
    began: Mapping[str, Tensor] | None = None
    done: int = 0
    steps: int = 0
    cold: int = 0


@dataclass(frozen=True, slots=True)
class _Order:
    """What every process of a run is told. `base` is a plain state dict, or the folder of a model."""

    recipe: Recipe
    samples: Mapping[str, Sequence[Sample]]
    base: Path
    out: Path
    hardware: Hardware


def fit(
    recipe: Recipe,
    samples: Mapping[str, Sequence[Sample]],
    base: Path,
    out: Path,
    progress: Progress | None = None,
    log: EpochLog | None = None,
    hardware: Hardware | None = None,
) -> Path:
    """Teach the recipe's network, from `base` or from the checkpoint in `out`; returns the path of the checkpoint.

    Where there are several GPUs, as many processes teach together; the crops are the same for any number.

    Args:
        recipe: what to do.
        samples: labelled pictures of each data set the recipe names.
        base: plain state dict to start from, or the folder of a model to go on from.
        out: the run's folder: checkpoint and log.
        progress: called after every epoch with epochs done and in all.
        log: called after every epoch with its number, from 0, and its row of the log.
        hardware: what to compute on; by default what is there.

    Raises:
        RunError: when the checkpoint in `out` was made by another recipe, the losses are no numbers any more, or the
            checkpoint cannot be written. The last checkpoint is as it was.
        SourceError: when a picture cannot be read.
    """
    out.mkdir(parents=True, exist_ok=True)
    total = sum(stage.epochs for stage in recipe.stages)

    def hear(said: tuple[int, Row]) -> None:
        done, row = said
        _log(out / LOG, row)
        if log is not None:
            log(done - 1, row)
        if progress is not None:
            progress(done, total)

    order = _Order(recipe, samples, base, out, hardware or Hardware())
    n, backend = _processes(order.hardware, recipe)
    if n == 1:
        _teach(Ranks(), hear, order)
    else:
        together(n, backend, _teach, (order,), hear)
    return out / CHECKPOINT


def untaught(recipe: Recipe, base: Path, out: Path, hardware: Hardware | None = None) -> Path:
    """Write the recipe's network as it starts, as a checkpoint of no epoch; returns its path.

    With a teacher it sees what the base weights see: something to compare a taught one with.
    """
    out.mkdir(parents=True, exist_ok=True)
    run = _start(_Order(recipe, {}, base, out, hardware or Hardware()), Ranks())
    write_checkpoint(_content(run), out / CHECKPOINT)
    return out / CHECKPOINT


def _processes(hardware: Hardware, recipe: Recipe) -> tuple[int, str]:
    """How many processes teach, and how they are connected. Each needs a picture of every batch."""
    there = gpus(hardware.device)
    wished = hardware.processes or max(1, there)
    if there and wished > there:
        raise RunError(f"{wished} processes need as many GPUs: there are {there}", remedy="Lower --processes.")
    return min(wished, smallest_batch(recipe)), "nccl" if there else "gloo"


def _teach(ranks: Ranks, say: Callable[[tuple[int, Row]], None], order: _Order) -> None:
    """All epochs that are left; rank 0 writes the checkpoint after each, and then says its number and its row."""
    recipe, path = order.recipe, order.out / CHECKPOINT
    run = _start(order, ranks)
    _resume(run, path)
    album = Album(order.samples, memory_share(ranks.n))
    schedule = [(index, epoch) for index, stage in enumerate(recipe.stages) for epoch in range(stage.epochs)]
    joined = None
    for index, epoch in schedule[run.done :]:
        grown = _grow(run, recipe.architecture_after(run.done + 1))
        if joined is None or grown:
            joined = ranks.joined(run.network)
            loss = LabelledClassLoss(run.network, teaching=recipe.teacher, ranks=ranks)
        stage = recipe.stages[index]
        if epoch == 0:
            run.began = run.average.copied() if stage.keep else None
        row = _epoch(run, joined, album, loss, index, epoch)
        run.done += 1
        if run.began is not None and epoch + 1 == stage.epochs:
            run.average.keep(run.began, stage.keep)
            run.began = None
        if ranks.keeps_books:
            write_checkpoint(_content(run), path)
            say((run.done, row))


def _start(order: _Order, ranks: Ranks) -> Run:
    recipe, base = order.recipe, order.base
    torch.manual_seed(recipe.seed)
    machine = look_around(order.hardware, ranks.rank, ranks.n)
    network = network_of(recipe, recipe.architecture)
    before: Sequence[TrainingSource] = ()
    machines: tuple[str, ...] = ()
    if base.is_dir():
        card = _go_on(network, order, machine)
        before, machines = card.training, tuple(str(one) for one in [card.metrics.get("machine")] if one)
    else:
        start_from(network, base, recipe.base_classes)
    network = _ready(network, recipe, machine)
    teacher = None
    if recipe.teacher is not None:
        teacher = Teacher(recipe.architecture, base, recipe.base_classes, machine.device)
    average = RunningAverage(network, recipe.average)
    optimizer = _optimizer(network, recipe)
    return Run(
        recipe=recipe,
        architecture=recipe.architecture,
        machine=machine,
        ranks=ranks,
        network=network,
        optimizer=optimizer,
        average=average,
        scaler=machine.scaler,
        teacher=teacher,
        before=before,
        machines=machines,
    )


def _go_on(network: nn.Module, order: _Order, machine: Machine) -> ModelCard:
    """Start as the model in the folder `base`; its norms learn what they meet in crops of the first stage.

    Returns:
        That model's card.
    """
    recipe = order.recipe
    if recipe.teacher is not None:
        remedy = "Take `teacher` out of the recipe, or start from base weights."
        raise RunError("a recipe with a teacher starts from the teacher's own weights", where=order.base, remedy=remedy)
    exported = read_exported(order.base)
    go_on_from(network, exported, recipe.classes)
    if order.samples and not (order.out / CHECKPOINT).exists():
        batches = islice(epoch_batches(Album(order.samples), recipe, 0, 0, machine.cutters), LOOKED_AT)
        restore_norms(network, (_pictures(one, torch.device("cpu")) for one in batches))
    return exported.card


def _pictures(batch: Batch, device: torch.device) -> Tensor:
    return torch.from_numpy(batch.pictures).to(device).permute(0, 3, 1, 2).float().div_(255)


def _ready(network: nn.Module, recipe: Recipe, machine: Machine) -> nn.Module:
    network = network.to(machine.device, memory_format=torch.channels_last)
    network.train()
    if recipe.norms == "keep":
        keep_norms(network)
    return network


def _grow(run: Run, architecture: str) -> bool:
    """Go on with a wider network that computes the same, and with a new optimizer; returns whether that was needed."""
    if architecture == run.architecture:
        return False
    narrow, wide = run.network, network_of(run.recipe, architecture)
    average = widen(narrow, wide, run.average.state, run.recipe.seed)
    wide.load_state_dict(widen(narrow, wide, narrow.state_dict(), run.recipe.seed))
    _install(run, wide, architecture)
    run.average.state = {name: one.to(run.machine.device) for name, one in average.items()}
    run.cold = run.steps
    return True


def _install(run: Run, network: nn.Module, architecture: str) -> None:
    run.network, run.architecture = _ready(network, run.recipe, run.machine), architecture
    run.optimizer = _optimizer(run.network, run.recipe)


def _optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """AdamW; biases and batch norm are not decayed."""
    taught = [one for one in network.parameters() if one.requires_grad]
    groups = [
        {"params": [one for one in taught if one.ndim > 1], "weight_decay": recipe.weight_decay},
        {"params": [one for one in taught if one.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.stages[0].rate, betas=(0.9, 0.999))


def _epoch(
    run: Run, joined: nn.Module, album: Album, loss: LabelledClassLoss, index: int, epoch: int
) -> dict[str, object]:
    stage = run.recipe.stages[index]
    per_epoch = math.ceil(stage.crops / run.recipe.batch)
    loss.families = [
        Family(run.recipe.classes.index(whole), tuple(run.recipe.classes.index(kind) for kind in kinds))
        for whole, kinds in stage.kinds.items()
    ]
    began, seen, sums = time.perf_counter(), 0, torch.zeros(3)
    for number, batch in enumerate(epoch_batches(album, run.recipe, index, epoch, run.machine.cutters)):
        rate = _rate(stage, (epoch * per_epoch + number) / (stage.epochs * per_epoch))
        try:
            losses = _step(run, joined, loss, share(batch, run.ranks), rate)
        except torch.OutOfMemoryError as error:
            raise _too_large(run, stage) from error
        if not losses.isfinite().all():
            raise _diverged(run, stage, epoch, losses)
        sums += losses * len(batch.pictures)
        seen += len(batch.pictures)
    seconds = time.perf_counter() - began
    means = dict(zip(LOSSES, (round(float(one), 4) for one in sums / seen), strict=True))
    where = {"stage": stage.name, "epoch": epoch + 1, "steps": run.steps, "rate": f"{rate:.3g}"}
    return {**where, **means, "seconds": round(seconds, 1), "seconds_a_crop": round(seconds / seen, 4)}


def _rate(stage: Stage, part: float) -> float:
    """The learning rate after `part` (0 to 1) of a stage: half a cosine from `rate` to `final_rate`."""
    return stage.final_rate + (stage.rate - stage.final_rate) * (1 + math.cos(math.pi * min(part, 1))) / 2


def _step(run: Run, joined: nn.Module, loss: LabelledClassLoss, batch: Batch, rate: float) -> Tensor:
    """One step of the optimizer; returns the three losses a picture of the whole batch.

    Where they, or the gradient in full precision, are no numbers, no step is made and the losses returned are none.
    """
    warm = min(1.0, (run.steps - run.cold + 1) / run.recipe.warm_up_steps)
    for group in run.optimizer.param_groups:
        group["lr"] = rate * warm
    pictures = _pictures(batch, run.machine.device)
    target: dict[str, Any] = {
        "batch_idx": torch.from_numpy(batch.index),
        "cls": torch.from_numpy(batch.class_id).float(),
        "kind": torch.from_numpy(batch.kind_id),
        "bboxes": torch.from_numpy(batch.xywh),
        "labelled": torch.from_numpy(batch.labelled),
        "ignored": torch.from_numpy(batch.ignored),
    }
    with run.machine.autocast:
        raw = joined(pictures)
        if run.teacher is not None:
            target["answers"] = run.teacher.answers(pictures)
    total, log = loss({name: _float(one) for name, one in raw.items()}, target)
    losses = torch.stack([one.cpu() for one in log.values()])
    if not losses.isfinite().all():
        return losses
    run.optimizer.zero_grad(set_to_none=True)
    run.scaler.scale(total.sum()).backward()
    run.scaler.unscale_(run.optimizer)
    length = nn.utils.clip_grad_norm_(run.network.parameters(), MAX_GRADIENT)
    # In float16 some steps overflow: the scaler leaves those out and scales less.
    if not (run.scaler.is_enabled() or length.isfinite()):
        return losses.fill_(float("nan"))
    run.scaler.step(run.optimizer)
    run.scaler.update()
    run.steps += 1
    if run.ranks.keeps_books:
        run.average.update(run.network)
    return losses


def _float(raw: Any) -> Any:
    return [one.float() for one in raw] if isinstance(raw, list) else raw.float()


def _too_large(run: Run, stage: Stage) -> RunError:
    what = f"{run.machine.name} has too little memory for {run.recipe.batch} crops of {stage.side_px} px"
    kept = f"The checkpoint of epoch {run.done} is as it was. " if run.done else ""
    return RunError(what, remedy=f"{kept}Try a smaller batch or side_px, or stop what else runs there.")


def _diverged(run: Run, stage: Stage, epoch: int, losses: Tensor) -> RunError:
    said = ", ".join(f"{name} {float(one):.3g}" for name, one in zip(LOSSES, losses, strict=True))
    what = f"the losses are no numbers any more in stage {stage.name}, epoch {epoch + 1}, step {run.steps + 1} ({said})"
    tries = [f"a lower rate for stage {stage.name} (it is {stage.rate:g})", "more warm_up_steps"]
    if run.machine.precision is not torch.float32:
        tries.insert(0, "--precision f32")
    kept = f"The checkpoint of epoch {run.done} is as it was. " if run.done else ""
    return RunError(what, remedy=f"{kept}Try {', '.join(tries[:-1])}, or {tries[-1]}.")


def _content(run: Run) -> dict[str, Any]:
    scaler = {"scaler": run.scaler.state_dict()} if run.scaler.is_enabled() else {}
    before = {"before": [one.model_dump() for one in run.before]} if run.before else {}
    began = {"began": run.began} if run.began is not None else {}
    return {
        "network": run.network.state_dict(),
        "average": run.average.state,
        "average_steps": run.average.steps,
        "optimizer": run.optimizer.state_dict(),
        "done": run.done,
        "steps": run.steps,
        "cold": run.cold,
        "recipe": run.recipe.model_dump_json(exclude={"card"}),
        "begun": fingerprint(run.recipe, stages_begun(run.recipe, run.done)),
        "machines": _machines(run),
        **scaler,
        **before,
        **began,
    }


def _machines(run: Run) -> list[str]:
    """What the run was taught on, in the order of time; what goes on where it was is named once."""
    here = f"{run.machine.name}, {str(run.machine.precision).removeprefix('torch.')}"
    return [*run.machines, *([] if run.machines[-1:] == (here,) else [here])]


def _resume(run: Run, path: Path) -> None:
    if not path.exists():
        return
    content = load_checkpoint(path)
    if not may_resume(run.recipe, content):
        whose = Recipe.model_validate_json(content["recipe"]).task
        other = "another recipe" if whose == run.recipe.task else f"another recipe, of {whose}"
        remedy = "Name another --out folder, or restore the recipe it was begun with."
        raise RunError(f"the checkpoint here was made by {other}", where=path, remedy=remedy)
    architecture = run.recipe.architecture_after(content["done"])
    if architecture != run.architecture:
        _install(run, network_of(run.recipe, architecture), architecture)
    run.network.load_state_dict(content["network"])
    run.optimizer.load_state_dict(content["optimizer"])
    run.average.state = {name: one.to(run.machine.device) for name, one in content["average"].items()}
    run.average.steps, run.done, run.steps = content["average_steps"], content["done"], content["steps"]
    run.cold, run.machines = content.get("cold", 0), tuple(machines_of(content))
    if "began" in content:
        run.began = {name: one.to(run.machine.device) for name, one in content["began"].items()}
    if run.scaler.is_enabled() and "scaler" in content:
        run.scaler.load_state_dict(content["scaler"])


def _log(path: Path, row: Row) -> None:
    new = not path.exists()
    try:
        with path.open("a", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, fieldnames=list(row))
            if new:
                writer.writeheader()
            writer.writerow(row)
    except OSError as error:
        what = f"the log cannot be written ({error.strerror or error})"
        raise RunError(what, where=path, remedy="The checkpoint is: the same command goes on.") from error
