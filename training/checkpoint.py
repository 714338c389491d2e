"""A run's checkpoint: written whole or not at all, and read as tensors and nothing else."""

import hashlib
import io
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from training.errors import RunError
from training.recipe import Recipe, stages_begun

__all__ = [
    "CHECKPOINT",
    "fingerprint",
    "load_checkpoint",
    "machines_of",
    "may_resume",
    "read_tensors",
    "standing",
    "why_unreadable",
    "write_checkpoint",
]

CHECKPOINT = "last.pt"
HELD = {"network", "average", "average_steps", "optimizer", "done", "steps", "recipe", "begun"}
AGAIN = "Remove it to begin anew, or put back a copy of it."


def load_checkpoint(path: Path) -> dict[str, Any]:
    """The checkpoint's content: `average` is the state dict to ship, `recipe` the text of the recipe.

    Raises:
        RunError: when there is none, it cannot be read, or it holds anything but tensors, numbers and text.
    """
    try:
        content = read_tensors(path)
    except FileNotFoundError as error:
        raise RunError("there is no checkpoint", where=path, remedy="Run `michisora train` first.") from error
    except Exception as error:
        raise RunError(f"the checkpoint cannot be read: {why_unreadable(error)}", where=path, remedy=AGAIN) from error
    if not isinstance(content, dict) or not set(content) >= HELD:
        raise RunError("the file is no checkpoint of a training run", where=path, remedy=AGAIN)
    return content


def machines_of(content: Mapping[str, Any]) -> list[str]:
    """The machines that a checkpoint's run was taught on, in the order of time, each with its precision."""
    if "machines" in content:
        return list(content["machines"])
    return [f"{content['machine']}, {content['precision']}"]  # as written until 2026-11-28


def read_tensors(path: Path) -> Any:
    """What torch saved in a file, if it is tensors, numbers and text; else torch's own errors: `why_unreadable`."""
    with warnings.catch_warnings():
        # Of pickles that torch did not write: they are refused all the same.
        warnings.simplefilter("ignore")
        return torch.load(path, map_location="cpu", weights_only=True)


def why_unreadable(error: Exception) -> str:
    """Why torch could not read a file of tensors, in a few words."""
    said = str(error)
    if "GLOBAL" in said:
        return "it is a pickle that holds more than tensors, which could run code when it is read"
    if "central directory" in said or "PytorchStreamReader" in said or isinstance(error, EOFError):
        return "it is cut short or damaged"
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return "it is no file of tensors as torch.save writes it"


def write_checkpoint(content: Mapping[str, Any], path: Path) -> None:
    """Write it beside the former one and put it in its place once it is on the disk.

    Raises:
        RunError: when it cannot be written; the former one is as it was.
    """
    held = io.BytesIO()
    torch.save(dict(content), held)
    part = path.with_suffix(".part")
    try:
        with part.open("wb") as file:
            file.write(held.getbuffer())
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        before = f" The one of epoch {content['done'] - 1} is as it was:" if path.exists() else ""
        remedy = f"Free {held.tell() / 1e6:.0f} MB there.{before} the same command goes on." if before else None
        what = f"the checkpoint of epoch {content['done']} cannot be written ({error.strerror or error})"
        raise RunError(what, where=path, remedy=remedy or f"Free {held.tell() / 1e6:.0f} MB there.") from error


def may_resume(recipe: Recipe, content: Mapping[str, Any]) -> bool:
    """Whether a checkpoint's content was made by the stages that the recipe begins with."""
    done = content["done"]
    total = sum(stage.epochs for stage in recipe.stages)
    return bool(done <= total and content["begun"] == fingerprint(recipe, stages_begun(recipe, done)))


def standing(out: Path, recipe: Recipe) -> str:
    """From where the run in the folder `out` would go on, as a line for people."""
    total = sum(stage.epochs for stage in recipe.stages)
    done = load_checkpoint(out / CHECKPOINT)["done"] if (out / CHECKPOINT).exists() else 0
    if not done:
        return "no epoch is done: the same command begins with the first"
    if done == total:
        return f"all {total} epochs are done"
    return f"{done} of {total} epochs are done: the same command goes on with epoch {done + 1}"


def fingerprint(recipe: Recipe, stages: int) -> str:
    """What the first `stages` stages of a recipe amount to: stages still to come may change between two starts.

    What is left at its default does not count, so that a checkpoint outlives a new field of the recipe.
    """
    part = recipe.model_copy(update={"stages": recipe.stages[:stages]})
    return hashlib.sha256(part.model_dump_json(exclude={"card"}, exclude_defaults=True).encode()).hexdigest()
