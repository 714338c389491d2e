"""The model card: what a model sees, what it was taught on, how good it is and where it stops."""

import hashlib
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, ValidationInfo, field_validator, model_validator

from models.errors import CardError, WeightsError

__all__ = [
    "Band",
    "InputCard",
    "ModelCard",
    "ObjectClass",
    "Suppression",
    "Thresholds",
    "TilesCard",
    "TrainingSource",
    "load_card",
    "sha256_of",
    "verify_weights",
    "write_card",
]

CARD_NAME = "card.yaml"
WEIGHTS_NAME = "model.onnx"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ObjectClass(_Section):
    """One class: its code, its title in both languages, and its largest extent in metres where one is known."""

    name: str = Field(min_length=1)
    title_en: str
    title_ja: str
    largest_m: float | None = Field(default=None, gt=0)


class Band(_Section):
    """The part of a frame that is looked at, as fractions of its height and width from the top-left corner."""

    top: float = Field(default=0.0, ge=0, lt=1)
    bottom: float = Field(default=1.0, gt=0, le=1)
    left: float = Field(default=0.0, ge=0, lt=1)
    right: float = Field(default=1.0, gt=0, le=1)

    @model_validator(mode="after")
    def _has_area(self) -> Self:
        if self.top >= self.bottom or self.left >= self.right:
            raise ValueError("the band has no area: top must be above bottom and left before right")
        return self


class InputCard(_Section):
    """How a frame becomes the network's input: cropped to `band`, scaled, padded on the right and at the bottom.

    `long_side_px` is the length the band's longer side is scaled to; without it the band keeps its scale unless it is
    longer than `max_side_px`. `enlarge` lets a band smaller than `long_side_px` grow.
    """

    stride: int = Field(default=32, gt=0)
    band: Band = Band()
    long_side_px: int | None = Field(default=None, ge=32)
    enlarge: bool = True
    max_side_px: int = Field(default=2048, ge=32)
    pad_value: int = Field(default=114, ge=0, le=255)
    channels: Literal["RGB"] = "RGB"
    scaling: Literal["1/255"] = "1/255"


class TilesCard(_Section):
    """How a picture from above is looked at: in tiles of `side_px`, sharing `overlap_px` (both px of the network).

    `zoom` is the enlargement of a picture whose ground sampling distance nobody knows; where it is known, pictures are
    scaled to the card's own `gsd_m`.
    """

    side_px: int = Field(default=640, ge=64)
    overlap_px: int = Field(default=128, ge=0)
    zoom: float = Field(default=1.0, gt=0)

    @model_validator(mode="after")
    def _covers(self) -> Self:
        if self.overlap_px >= self.side_px:
            raise ValueError("tiles must be larger than what they share")
        return self


class Suppression(_Section):
    """How overlapping boxes of one class become one.

    `labels` "all" keeps every class that an anchor scores high enough in (classes with thresholds of their own, or
    that overlap by nature); "best" keeps the highest alone.
    """

    iou: float = Field(default=0.6, gt=0, lt=1)
    labels: Literal["all", "best"] = "all"
    max_boxes: int = Field(default=300, gt=0)


class Thresholds(_Section):
    """The score from which a box counts, per class name, and how those scores were chosen.

    `count` is, for classes that are counted, the score from which as many boxes count as there are objects, misses and
    false ones taken together.
    """

    score: dict[str, float]
    chosen: str = Field(min_length=1)
    count: dict[str, float] = Field(default_factory=dict)


class TrainingSource(_Section):
    """A data set the model was taught on, its licence, its address or citation, and how many pictures it gave."""

    name: str
    licence: str
    source: str
    n: int = Field(ge=0)


class ModelCard(_Section):
    """All that a user of a model should know, checked when it is read.

    `architecture` is the network's description as ultralytics names it (`yolo11n`). `gsd_m` is the ground sampling
    distance that pictures from above are read at; `tiles` is there for models that know such pictures. `metrics` is
    free, but every entry states the `command` that made it. `limits_ja` says the same as `limits`, in Japanese.
    `sha256` is that of the weights beside the card.
    """

    task: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    name: str
    architecture: str
    classes: list[ObjectClass] = Field(min_length=1)
    input: InputCard = InputCard()
    tiles: TilesCard | None = None
    suppression: Suppression = Suppression()
    thresholds: Thresholds
    gsd_m: float | None = Field(default=None, gt=0)
    training: list[TrainingSource]
    metrics: dict[str, Any]
    limits: list[str]
    limits_ja: list[str] = []
    made_on: str = Field(pattern=r"^\d{4}-\d{2}-\d{2}$")
    weights: str = Field(default=WEIGHTS_NAME, pattern=r"^[\w.-]+$")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")

    @field_validator("thresholds")
    @classmethod
    def _in_order_of_classes(cls, thresholds: Thresholds, info: ValidationInfo) -> Thresholds:
        """Class ids are places in the list of classes: a card whose thresholds were sorted by name means the same."""
        places = {one.name: place for place, one in enumerate(info.data.get("classes", []))}

        def ordered(scores: dict[str, float]) -> dict[str, float]:
            return dict(sorted(scores.items(), key=lambda item: places.get(item[0], len(places))))

        return thresholds.model_copy(update={"score": ordered(thresholds.score), "count": ordered(thresholds.count)})

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        names = self.class_names
        if len(set(names)) != len(names):
            raise ValueError("two classes have the same name")
        if set(self.thresholds.score) != set(names):
            raise ValueError(f"thresholds.score must name each of the classes {', '.join(names)}, and no other")
        if set(self.thresholds.count) - set(names):
            raise ValueError("thresholds.count names a class that the model has not")
        if not all(0 <= score <= 1 for score in (*self.thresholds.score.values(), *self.thresholds.count.values())):
            raise ValueError("thresholds must lie between 0 and 1")
        if self.limits_ja and len(self.limits_ja) != len(self.limits):
            raise ValueError("limits_ja must say the same as limits, sentence by sentence")
        return self

    def limits_in(self, lang: str) -> list[str]:
        """What the model cannot do, in `ja` where that is written, else in English."""
        return self.limits_ja if lang == "ja" and self.limits_ja else self.limits

    @property
    def class_names(self) -> list[str]:
        """The classes' codes in the order of their ids."""
        return [one.name for one in self.classes]

    @property
    def score_thresholds(self) -> list[float]:
        """The score from which a box counts, in the order of the class ids."""
        return [self.thresholds.score[name] for name in self.class_names]

    @property
    def largest_m(self) -> float | None:
        """The largest extent of any class in metres, where stated."""
        known = [one.largest_m for one in self.classes if one.largest_m is not None]
        return max(known, default=None)


def load_card(folder: Path) -> ModelCard:
    """Read the card in `folder`.

    Raises:
        CardError: when there is none, or when it says something impossible; the first fault is named.
    """
    path = folder / CARD_NAME
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise CardError("there is no model card here", where=path, remedy="Name a folder with card.yaml.") from error
    except (OSError, ValueError, yaml.YAMLError) as error:  # PyYAML raises ValueError for a date that does not exist
        reason = str(error).splitlines()[0]
        raise CardError(f"the model card cannot be read ({reason})", where=path) from error
    try:
        return ModelCard.model_validate(raw)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "card"
        raise CardError(f"{field}: {first['msg']}", where=path, remedy="Correct the model card.") from error


def write_card(card: ModelCard, folder: Path) -> Path:
    """Write `card` into `folder` in the order of its fields, as people read it."""
    path = folder / CARD_NAME
    text = yaml.safe_dump(card.model_dump(mode="json"), allow_unicode=True, sort_keys=False, width=110)
    path.write_text(text, encoding="utf-8")
    return path


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def verify_weights(card: ModelCard, folder: Path) -> Path:
    """The weights that `card` describes.

    Raises:
        WeightsError: when they are absent, or are not the ones described: figures on the card would be untrue.
    """
    path = folder / card.weights
    try:
        found = sha256_of(path)
    except OSError as error:
        remedy = "Restore the file from the release the card came with."
        raise WeightsError("the weights are absent or cannot be read", where=path, remedy=remedy) from error
    if found != card.sha256:
        what = f"the weights are not those of the card (sha256 {found[:12]}…, card says {card.sha256[:12]}…)"
        remedy = "Restore both files from the same release, or run `michisora export` to write a card for these."
        raise WeightsError(what, where=path, remedy=remedy)
    return path
