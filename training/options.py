"""What the verbs that make models have in common: where parameters, recipes and data sets come from."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any, Literal, get_args

import click

from models.detector import model_folder
from models.errors import CardError
from training.errors import RecipeError, RunError
from training.hardware import Hardware, PrecisionWish
from training.params import PARAMS, TrainingParams, read_params
from training.recipe import CardPart, Recipe, read_recipe
from training.sources.catalogue import read_catalogue, read_mirror
from training.sources.samples import Sample, Sets

__all__ = ["FILE", "FOLDER", "IfChanged", "Job", "job_of", "with_base", "with_hardware", "with_if_changed", "with_job"]

IfChanged = Literal["refuse", "anew"]
"""What to do with a run that was begun otherwise than it would be now."""

with_base = click.option(
    "--base",
    type=click.Path(path_type=Path),
    default=None,
    help="Plain state dict to start from, or a model to go on from: its folder, or its task. By default as the recipe "
    "says, else base.ARCHITECTURE.",
)

FOLDER = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)


@dataclass(frozen=True, slots=True)
class Job:
    """What a verb works with: the parameters, the data sets, and the file of a recipe, if one was named."""

    params: TrainingParams
    sets: Sets
    recipe_file: Path | None

    def recipe(self, task: str) -> Recipe:
        """The task's recipe; one of a file is done in full, whatever the profile.

        Raises:
            RecipeError: when there is none, it says something impossible, or the file's is of another task.
        """
        if self.recipe_file is None:
            return self.params.recipe(task)
        recipe = read_recipe(self.recipe_file)
        if recipe.task != task:
            remedy = f"Name the task it is of: {recipe.task}."
            raise RecipeError(f"the recipe is of {recipe.task}, not of {task}", where=self.recipe_file, remedy=remedy)
        return recipe

    def samples(self, recipe: Recipe) -> dict[str, list[Sample]]:
        """By data set, the labelled pictures that a recipe learns from."""
        shares = {name: share for stage in recipe.stages for name, share in stage.sources.items()}
        return {name: self.sets.samples(name, share.split, recipe.classes) for name, share in shares.items()}

    def base(self, recipe: Recipe, given: Path | None = None) -> Path:
        """What a recipe's network starts from: what is given, else as the recipe or the parameters say.

        Returns:
            The file of a plain state dict, or the folder of a model to go on from.

        Raises:
            RecipeError: when none are named.
            RunError: when there is no such file.
        """
        path = given or self.params.base_of(recipe)
        if path.is_file():
            return path
        try:
            return model_folder(path)
        except CardError as error:
            remedy = (
                f"Run `michisora fetch {recipe.architecture}`, or name another file, the folder of a model or its "
                "task: --base, or base in the parameters."
            )
            raise RunError("the base weights are absent", where=path, remedy=remedy) from error

    def card(self, task: str) -> CardPart:
        """What the task's recipe says for the model's card.

        Raises:
            RecipeError: when it says nothing.
        """
        part = self.recipe(task).card
        if part is None:
            raise RecipeError("the recipe has no section `card`", remedy="See training.road in params.yaml.")
        return part


def with_hardware(verb: Callable[..., None]) -> Callable[..., None]:
    """Options that say what to compute on; the verb gets them as one argument, `hardware`."""

    @click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda (all GPUs) or cuda:N.")
    @click.option("--precision", type=click.Choice(get_args(PrecisionWish)), default="auto", show_default=True)
    @click.option("--processes", type=click.IntRange(1), default=None, help="How many teach together; one a GPU.")
    @wraps(verb)
    def with_one_argument(device: str, precision: PrecisionWish, processes: int | None, **others: Any) -> None:
        verb(hardware=Hardware(device, precision, processes), **others)

    return with_one_argument


with_if_changed = click.option(
    "--if-changed",
    type=click.Choice(get_args(IfChanged)),
    default="refuse",
    show_default=True,
    help="What to do with a run in --out of another recipe, other pictures or another base.",
)


def with_job(verb: Callable[..., None]) -> Callable[..., None]:
    """Options that say where parameters and labelled pictures are; the verb gets them as one argument, `job`."""

    @click.option("--params", "params_path", type=FILE, default=PARAMS, show_default=True, help="The parameters.")
    @click.option("--recipe", type=FILE, default=None, help="A recipe's file, instead of the one in the parameters.")
    @click.option("--data", type=FOLDER, default=None, help="Where the sets lie; by default sets.folder.")
    @click.option("--catalogue", type=FILE, default=None, help="Sets of your own; by default sets.catalogue.")
    @click.option("--mirror", type=FOLDER, default=None, help="Has what --data lacks; by default sets.mirror.")
    @wraps(verb)
    def with_one_argument(params_path: Path, recipe: Path | None, **others: Any) -> None:
        data, catalogue, mirror = (others.pop(name) for name in ("data", "catalogue", "mirror"))
        verb(job=job_of(params_path, recipe, data, catalogue, mirror), **others)

    return with_one_argument


def job_of(
    params_path: Path = PARAMS,
    recipe: Path | None = None,
    data: Path | None = None,
    catalogue: Path | None = None,
    mirror: Path | None = None,
) -> Job:
    """The job that these options ask for; what is None is as the parameters say."""
    params = read_params(params_path)
    own = catalogue or params.sets.catalogue
    near = mirror or read_mirror(own) or params.sets.mirror
    return Job(params, Sets(read_catalogue(own), data or params.sets.folder, near), recipe)
