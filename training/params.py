"""The part of `params.yaml` that models are made by: profile, where data lie, base weights, and a recipe a task.

    profile: full
    sets: {folder: data/sets, mirror: null, catalogue: null}
    base: {yolo11n: data/base/yolo11n.pt}
    training:
      road: {...}     # a recipe, as `training.recipe` has it

The file's other sections are those of the jobs.
"""

from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from geo.yaml_files import read_yaml
from training.errors import RecipeError
from training.profile import ProfileName, shrink
from training.recipe import Recipe, recipe_from

__all__ = ["PARAMS", "SetsParams", "TrainingParams", "read_params"]

PARAMS = Path("params.yaml")
# What holds outside a checkout: beside this file in a wheel, above it in an editable installation.
_CAME_WITH = (Path(__file__).with_name("params.yaml"), Path(__file__).parents[1] / "params.yaml")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SetsParams(_Section):
    """Where data sets lie: `folder` has what was fetched; what it lacks is read from `mirror`, in place.

    `catalogue` names data sets of one's own, beside the built-in ones. Paths are below the working directory.
    """

    folder: Path = Path("data/sets")
    mirror: Path | None = None
    catalogue: Path | None = None


class TrainingParams(_Section):
    """What `params.yaml` says of making models.

    Attributes:
        profile: how much of a recipe is done (`training.profile`).
        sets: where data sets lie.
        base: by architecture, the plain state dict that training starts from, where a recipe names no other.
        training: by task, its recipe as it is written, unchecked: a fault in one task's leaves the others be.
    """

    profile: ProfileName = "full"
    sets: SetsParams = SetsParams()
    base: Mapping[str, Path] = Field(default_factory=dict)
    training: Mapping[str, Any] = Field(default_factory=dict)

    def recipe(self, task: str) -> Recipe:
        """The task's recipe, shrunk to the profile.

        Raises:
            RecipeError: when there is none, or it says something impossible; the first fault is named.
        """
        if task not in self.training:
            near = get_close_matches(task, self.training, n=1)
            known = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(self.training) or 'none'}."
            remedy = f"{known} Name the parameters with --params, or a recipe's file with --recipe."
            raise RecipeError(f"there is no recipe training.{task} in the parameters", remedy=remedy)
        return shrink(recipe_from(self.training[task], f"training.{task}"), self.profile)

    def base_of(self, recipe: Recipe) -> Path:
        """What a recipe's network starts from.

        Raises:
            RecipeError: when none are named.
        """
        path = self.base.get(recipe.architecture) if recipe.base is None else Path(recipe.base)
        if path is None:
            remedy = "Name a plain state dict there, or a model to go on from with --base."
            raise RecipeError(f"the parameters have no base.{recipe.architecture}", remedy=remedy)
        return path


def read_params(path: Path) -> TrainingParams:
    """Read the sections that are about training; those of the installation where `path` is the usual one and absent.

    Raises:
        RecipeError: when the file cannot be read, or a knob is unknown or turned too far.
    """
    if path == PARAMS and not path.exists():
        path = next((came for came in _CAME_WITH if came.exists()), path)
    content = read_yaml(path, "parameters", RecipeError)
    if not isinstance(content, dict):
        raise RecipeError("the parameters hold no sections", where=path)
    try:
        known = {name: content[name] for name in TrainingParams.model_fields if content.get(name) is not None}
        return TrainingParams.model_validate(known)
    except ValidationError as error:
        first = error.errors()[0]
        raise RecipeError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}", where=path) from error
