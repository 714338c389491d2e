"""Less of a recipe: enough to compare ways of teaching, at the same cost for each."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from training.recipe import Recipe

__all__ = ["Cap", "capped", "with_caps"]

WARM_UP_PART = 10
"""At most this part of a short run's steps goes into warming up."""

Cap = Callable[[Recipe], Recipe]
"""Leaves less of a recipe."""


def capped(recipe: Recipe, epochs: int | None = None, crops: int | None = None, side_px: int | None = None) -> Recipe:
    """The recipe with at most so many epochs a stage, crops an epoch and pixels a side; None: as it is."""
    if epochs is crops is side_px is None:
        return recipe
    stages = tuple(
        stage.model_copy(
            update={
                "epochs": min(stage.epochs, epochs or stage.epochs),
                "crops": min(stage.crops, crops or stage.crops),
                "side_px": min(stage.side_px, (side_px or stage.side_px) // 32 * 32),
            }
        )
        for stage in recipe.stages
    )
    steps = sum(stage.epochs * stage.crops for stage in stages) // recipe.batch
    warm_up = max(1, min(recipe.warm_up_steps, steps // WARM_UP_PART))
    return recipe.model_copy(update={"stages": stages, "warm_up_steps": warm_up})


def with_caps(verb: Callable[..., None]) -> Callable[..., None]:
    """Options that leave less of a recipe; the verb gets them as one argument, `cap`, to call with the recipe."""

    @click.option("--epochs", type=click.IntRange(1), default=None, help="Epochs of each stage at most.")
    @click.option("--crops", type=click.IntRange(1), default=None, help="Crops of an epoch at most.")
    @click.option("--side", type=click.IntRange(64), default=None, help="Side of crops at most, px.")
    @wraps(verb)
    def with_one_argument(epochs: int | None, crops: int | None, side: int | None, **others: Any) -> None:
        verb(cap=lambda recipe: capped(recipe, epochs, crops, side), **others)

    return with_one_argument
