"""How much of a recipe is done: all of it, or a few steps that show whether the chain holds.

`profile` in `params.yaml` chooses. Here, and nowhere else, is what `smoke` leaves of a recipe.
"""

from typing import Any, Literal

from training.recipe import Recipe

__all__ = ["ProfileName", "pictures_of", "shrink"]

ProfileName = Literal["full", "smoke"]
PICTURES = 8
"""Of each data set and split."""
EPOCHS, CROPS, SIDE_PX, BATCH = 1, 8, 96, 4
"""Of each stage."""
LOOK_PX = 320
"""The longer side of a picture that the model is judged on."""


def pictures_of(profile: ProfileName) -> int | None:
    """How many pictures of each data set and split are used; None for all."""
    return PICTURES if profile == "smoke" else None


def shrink(recipe: Recipe, profile: ProfileName) -> Recipe:
    """What the profile leaves of a recipe: all its stages and data sets, but little of each."""
    if profile == "full":
        return recipe
    content: dict[str, Any] = recipe.model_dump(exclude_unset=True)
    content["batch"] = min(recipe.batch, BATCH)
    for stage in content["stages"]:
        stage |= {"epochs": EPOCHS, "crops": min(stage["crops"], CROPS), "side_px": min(stage["side_px"], SIDE_PX)}
    if recipe.card is not None:
        look = recipe.card.input
        smaller = {"long_side_px": min(look.long_side_px or LOOK_PX, LOOK_PX), "max_side_px": LOOK_PX}
        content["card"]["input"] = {**look.model_dump(exclude_unset=True), **smaller}
    return Recipe.model_validate(content)
