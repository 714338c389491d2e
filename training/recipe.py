"""The recipe: everything that decides what a run makes, in a section of `params.yaml` or a file of its own."""

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from geo.yaml_files import read_yaml
from models.card import InputCard, ObjectClass, Suppression, TilesCard
from training.errors import RecipeError
from training.kinds import Shape

__all__ = [
    "CardPart",
    "CropParams",
    "LightParams",
    "PictureDemand",
    "Recipe",
    "Share",
    "Stage",
    "TeacherParams",
    "TransplantParams",
    "read_recipe",
    "recipe_from",
    "stages_begun",
]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class CropParams(_Section):
    """How crops are cut.

    `scale` is the range of enlargement over the picture's own pixels, `stretch` the largest ratio of horizontal to
    vertical scale, `seek_boxes` the share of crops laid around a box, `min_visible` the part of a cut-off box that
    must be left for it to count, unless `large_px` squared pixels of it are. Without `upright` a crop is turned by any
    multiple of 90°, as pictures from straight above may be: their top is where the flight put it.
    """

    scale: tuple[float, float] = (0.6, 1.5)
    stretch: float = Field(default=1.25, ge=1)
    seek_boxes: float = Field(default=0.8, ge=0, le=1)
    min_visible: float = Field(default=0.3, ge=0, le=1)
    large_px: float = 40
    min_box_px: float = 3
    upright: bool = True


class LightParams(_Section):
    """How often each change of light, lens and codec is made (probabilities)."""

    tone: float = 0.8
    colour: float = 0.6
    shadow: float = 0.15
    blur: float = 0.25
    noise: float = 0.15
    jpeg: float = 0.3


class TransplantParams(_Section):
    """How objects are set into other pictures.

    `size_px` is the range of the square root of their box's area in the crop, `most` how many a crop gets at most.
    """

    size_px: tuple[float, float] = (9, 70)
    most: int = Field(default=3, gt=0)


class Share(_Section):
    """A data set of the catalogue, its part of all crops (relative weight), and its own crop scales."""

    weight: float = Field(gt=0)
    split: str = "train"
    scale: tuple[float, float] | None = None


class TeacherParams(_Section):
    """The base weights as a teacher for what a data set does not label (`training.distil`).

    `classes` names, for each of our classes, the base's classes (COCO's ids) that it is made of: each anchor's
    highest. The network starts as the first of them. `score` and `edges` are the gains of the two losses.
    """

    classes: dict[str, tuple[int, ...]]
    score: float = Field(default=1.0, ge=0)
    edges: float = Field(default=3.0, ge=0)


class Stage(_Section):
    """A stretch of the run: `epochs` of `crops` crops of `side_px`.

    The learning rate goes from `rate` to `final_rate` along half a cosine. `mosaic` is the share of crops put together
    from four of half the side, all of one data set and with the same classes labelled. `transplant` is, by class, the
    share of crops that get objects of that class cut out of other pictures (along their masks), with their light
    multiplied by a factor from the range `transplant_light`: a hole of another road may be darker. `kinds` names, for a
    class that tells no type, the classes that are its types (see `training.loss.LabelledClassLoss`). `shapes` names,
    for such a class, the type that a mask of each shape is of (`training.kinds`): its boxes teach that type, too, where
    the data set has masks and says how its camera sees the road. `architecture` is a wider network than so far, as
    yolo11s after yolo11n, which goes on from what the narrower one computes (`training.widen`). `keep` is the share
    that the weights the stage began with have in those it leaves to be shipped: between two that learned from other
    crops often lie better ones than either (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022).
    """

    name: str
    epochs: int = Field(gt=0)
    crops: int = Field(gt=0)
    side_px: int = Field(ge=64, multiple_of=32)
    rate: float = Field(gt=0)
    final_rate: float = Field(ge=0)
    sources: dict[str, Share] = Field(min_length=1)
    mosaic: float = Field(default=0, ge=0, le=1)
    transplant: dict[str, float] = Field(default_factory=dict)
    transplant_light: tuple[float, float] = (1, 1)
    kinds: dict[str, tuple[str, ...]] = Field(default_factory=dict)
    shapes: dict[str, dict[Shape, str]] = Field(default_factory=dict)
    architecture: str | None = None
    keep: float = Field(default=0, ge=0, lt=1)


class PictureDemand(_Section):
    """How well pictures that show a class must be told from those that do not."""

    precision: float = Field(ge=0, le=1)
    recall: float = Field(ge=0, le=1)


class CardPart(_Section):
    """What the model card says that no figure can: names, the way of looking, what the model is not good for.

    `validation` names the data sets (`val` split) that thresholds are chosen on. A class in `pictures` gets the
    best threshold among those that tell pictures as well as demanded, where there is one. `scores` sets thresholds that
    no labelled picture can tell. `metric` is what a candidate
    is compared with the current model by (`training.compare`).
    """

    name: str
    classes: tuple[ObjectClass, ...]
    gsd_m: float | None = Field(default=None, gt=0)
    input: InputCard = InputCard()
    tiles: TilesCard | None = None
    suppression: Suppression = Suppression()
    validation: tuple[str, ...] = Field(min_length=1)
    pictures: dict[str, PictureDemand] = Field(default_factory=dict)
    scores: dict[str, float] = Field(default_factory=dict)
    metric: Literal["ap50", "crown_f1"] = "ap50"
    limits: tuple[str, ...] = ()
    limits_ja: tuple[str, ...] = ()


class Recipe(_Section):
    """One model's making."""

    task: str
    architecture: str
    base: str | None = Field(
        default=None,
        description="what it starts from: a plain state dict, a model's folder, or a task whose model to go on from",
    )
    classes: tuple[str, ...]
    seed: int
    batch: int = Field(gt=0)
    weight_decay: float = 5e-4
    warm_up_steps: int = Field(default=100, gt=0)
    average: float = Field(default=0.998, gt=0, lt=1, description="decay of the running average of the weights, a step")
    equalise: float = Field(
        default=0,
        ge=0,
        le=1,
        description="share of crops whose picture is equalised first (`training.weather.equalise`)",
    )
    crop: CropParams = CropParams()
    light: LightParams = LightParams()
    transplant: TransplantParams = TransplantParams()
    teacher: TeacherParams | None = None
    as_wide_as: int | None = Field(
        default=None,
        gt=0,
        description="the class branch of the head gets the channels it has for so many classes; 80 with a teacher",
    )
    norms: Literal["learn", "keep"] = Field(
        default="learn", description="whether batch norm learns the new pictures' statistics or keeps the base's"
    )
    stages: tuple[Stage, ...] = Field(min_length=1)
    card: CardPart | None = None

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        if self.teacher is not None and set(self.teacher.classes) != set(self.classes):
            raise ValueError(f"teacher.classes must name each of {', '.join(self.classes)}, and no other")
        if self.card is not None and tuple(one.name for one in self.card.classes) != self.classes:
            raise ValueError(f"card.classes must be {', '.join(self.classes)}, in this order")
        for where, named in self._named():
            strange = next((name for name in named if name not in self.classes), None)
            if strange is not None:
                raise ValueError(f"{where}: {strange} is none of the classes {', '.join(self.classes)}")
        splits = {(name, one.split) for stage in self.stages for name, one in stage.sources.items()}
        twice = next((name for name, n in Counter(name for name, _ in splits).items() if n > 1), None)
        if twice is not None:
            raise ValueError(f"{twice} is named with several splits; name it with one in all stages")
        return self

    def _named(self) -> Iterator[tuple[str, Iterable[str]]]:
        """Where classes are named, and which."""
        for stage in self.stages:
            yield f"transplant of stage {stage.name}", stage.transplant
            for whole, kinds in stage.kinds.items():
                yield f"kinds of stage {stage.name}", (whole, *kinds)
            for whole, types in stage.shapes.items():
                yield f"shapes of stage {stage.name}", (whole, *types.values())
        if self.card is not None:
            yield "card.pictures", self.card.pictures
            yield "card.scores", self.card.scores

    def architecture_after(self, epochs: int) -> str:
        """The network that is being taught once so many epochs are done."""
        begun = self.stages[: stages_begun(self, epochs)]
        return next((one.architecture for one in reversed(begun) if one.architecture is not None), self.architecture)

    def with_architecture(self, architecture: str) -> "Recipe":
        """The same recipe for another network, taught from its first to its last stage, from its own base weights."""
        stages = tuple(stage.model_copy(update={"architecture": None}) for stage in self.stages)
        base = self.base if architecture == self.architecture else None
        return self.model_copy(update={"architecture": architecture, "stages": stages, "base": base})

    @property
    def base_classes(self) -> list[tuple[int, ...]]:
        """By class id, the base's classes it starts from; empty where the class names start anew."""
        return [] if self.teacher is None else [self.teacher.classes[name] for name in self.classes]


def stages_begun(recipe: Recipe, done: int) -> int:
    """How many stages `done` epochs have begun."""
    begun, epochs = 0, 0
    while epochs < done:
        epochs += recipe.stages[begun].epochs
        begun += 1
    return begun


def read_recipe(path: Path) -> Recipe:
    """The recipe in a file of its own.

    Raises:
        RecipeError: when there is none, or it says something impossible; the first fault is named.
    """
    return recipe_from(read_yaml(path, "recipe", RecipeError), str(path))


def recipe_from(content: object, where: str) -> Recipe:
    """The recipe that a mapping describes.

    Raises:
        RecipeError: when it says something impossible; the first fault is named.
    """
    if not isinstance(content, dict):
        raise RecipeError("the recipe says nothing", where=where, remedy="See training.road in params.yaml.")
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        said = first["msg"].removeprefix("Value error, ")
        reason = f"{field}: {said}" if field else said
        raise RecipeError(reason, where=where) from error
