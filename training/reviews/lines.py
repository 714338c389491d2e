"""Reviews as lines of a file: what a person said about a box, or about a whole picture."""

import csv
import datetime as dt
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from training.errors import ReviewError
from training.sources.boxes import Box

__all__ = ["Corrections", "Detection", "Review", "read_detections", "read_reviews"]


def _numbers(value: object) -> object:
    """A box as people write it in a table: four numbers with commas or blanks between them."""
    if isinstance(value, str):
        return value.replace(",", " ").strip("[]() ").split() or None
    return value


def _as_utc(text: str) -> str:
    """An ISO 8601 time in UTC, so that times compare as text; one without a zone is taken to be in UTC."""
    if not text:
        return text
    try:
        when = dt.datetime.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no ISO 8601 time (2026-05-01T09:00:00+09:00)") from error
    return (when if when.tzinfo else when.replace(tzinfo=dt.UTC)).astimezone(dt.UTC).isoformat()


def _blank_is_none(value: object) -> object:
    return None if value == "" else value


Corners = Annotated[Box | None, BeforeValidator(_numbers)]
When = Annotated[str, AfterValidator(_as_utc)]
Text = Annotated[str | None, BeforeValidator(_blank_is_none)]


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


Line = TypeVar("Line", bound=_Line)


class Detection(_Line):
    """A box that a model drew: `detection` is its id, `bbox` x1 y1 x2 y2 in px of the picture `image`."""

    detection: str
    image: str
    name: str = Field(alias="class")
    bbox: Annotated[Box, BeforeValidator(_numbers)]


class Review(_Line):
    """What one person said.

    Of a box: `accept` (it is a `class`), `reject` (there is no `class` here), `fix` (it is a `class`, and lies at
    `bbox`). Of a whole picture, which has neither detection nor bbox: `accept` (all there is has been marked), `reject`
    (there is nothing on it); with a `class`, all of that class, or nothing of it.
    """

    detection: Text = None
    image: Text = None
    bbox: Corners = None
    verdict: Literal["accept", "reject", "fix"]
    name: Text = Field(default=None, alias="class")
    reviewer: str = ""
    when: When = ""

    @model_validator(mode="after")
    def _is_about_something(self) -> Self:
        if self.detection is None and self.image is None:
            raise ValueError("name a detection, or an image with or without a bbox")
        if self.verdict == "fix" and self.name is None and self.bbox is None:
            raise ValueError("a fix says which class, or which bbox, is right")
        if self.verdict == "fix" and self.detection is None and self.bbox is None:
            raise ValueError("a fix is of a box: name a detection, or a bbox")
        return self


@dataclass(frozen=True, slots=True)
class Corrections:
    """What reviews and edited surveys come to, before pictures are looked at.

    Attributes:
        image: the picture's name.
        verdict: accept, reject or fix; None for a box that nobody reviewed.
        boxes: where: the box there is or is not, and for a fix also the box as it was.
        name: class that is there, or that is not; None: of all classes at once (a rejection of everything, a picture
            looked through for everything).
        reviewer: who.
        when: ISO 8601 in UTC, later goes before earlier; "" is earlier than any.
        former: for a fix, the class that the box had, where that is known and another.
    """

    image: str
    verdict: Literal["accept", "reject", "fix"] | None
    boxes: tuple[Box, ...]
    name: str | None
    reviewer: str = ""
    when: str = ""
    former: str | None = None


def read_detections(path: Path) -> dict[str, Detection]:
    """The model's boxes by id, from a CSV or JSONL file with detection, image, class and bbox.

    Raises:
        ReviewError: when a line is no detection; it is named.
    """
    return {one.detection: one for one in (_valid(Detection, row, at) for row, at in _rows(path))}


def read_reviews(path: Path, detections: Mapping[str, Detection]) -> list[Corrections]:
    """The reviews of a CSV or JSONL file.

    Args:
        path: the file; its columns or keys are those of `Review`.
        detections: the model's boxes that reviews may name.

    Raises:
        ReviewError: when a line is no review or names a detection that is not among those; it is named.
    """
    return [_resolved(_valid(Review, row, at), detections, at) for row, at in _rows(path)]


def _resolved(review: Review, detections: Mapping[str, Detection], where: str) -> Corrections:
    known = None
    if review.detection is not None:
        known = detections.get(review.detection)
        if known is None:
            remedy = "Give the table of the model's boxes with --detections."
            raise ReviewError(f"no detection is called {review.detection}", where=where, remedy=remedy)
    image = known.image if known is not None else review.image or ""
    boxes = tuple(box for box in (review.bbox, known.bbox if known is not None else None) if box is not None)
    if any(box[2] <= box[0] or box[3] <= box[1] for box in boxes):
        raise ReviewError("the box has no area: bbox is x1 y1 x2 y2", where=where)
    name = review.name or (known.name if known is not None else None)
    if name is None and boxes:
        raise ReviewError("the class is missing", where=where, remedy="Say which class is there, or is not.")
    former = known.name if known is not None and review.verdict == "fix" and known.name != name else None
    return Corrections(image, review.verdict, boxes, name, review.reviewer, review.when, former)


def _valid(kind: type[Line], row: Mapping[str, Any], where: str) -> Line:
    try:
        return kind.model_validate(row)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"]) or "line"
        raise ReviewError(f"{field}: {first['msg']}", where=where) from error


def _rows(path: Path) -> Iterable[tuple[Mapping[str, Any], str]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise ReviewError("the file cannot be read", where=path) from error
    if path.suffix.lower() == ".csv":
        for number, row in enumerate(csv.DictReader(text.splitlines()), start=2):
            yield {name: value or "" for name, value in row.items() if name}, f"{path}, line {number}"
        return
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError as error:
                raise ReviewError("the line is no JSON", where=f"{path}, line {number}") from error
            yield row, f"{path}, line {number}"
