"""YOLO label files, in fractions of the picture: a line is `class x y w h` (centre and size) or a polygon's corners."""

from pathlib import Path

from training.errors import SourceError
from training.sources.boxes import Box, Labelled, Place, clip, pictures_in, read_labels
from training.sources.pictures import picture_size

__all__ = ["Box", "load_yolo", "read_yolo"]

FARTHEST = 1.0
"""A label that reaches out of its picture by more than the picture's size is no fraction of it."""


def load_yolo(place: Place) -> list[Labelled]:
    """Every picture of a split; one without a label file shows nothing.

    Raises:
        SourceError: when a label file has no picture or lies among the pictures, or a line is no box.
    """
    pictures = pictures_in(place.images)
    stems = {one.stem for one in pictures}
    lone = next((one for one in sorted(place.annotations.glob("*.txt")) if one.stem not in stems), None)
    if lone is not None and pictures:
        raise SourceError(f"the picture of this label is missing from {place.images}", where=lone)
    amid = next((one for one in sorted(place.images.glob("*.txt")) if one.stem in stems), None)
    if amid is not None and place.images != place.annotations:
        raise SourceError(
            "this label lies among the pictures, where it is not read",
            where=amid,
            remedy=f"Move it to {place.annotations}.",
        )
    return [
        Labelled(one, one.stem, read_yolo(place.annotations / f"{one.stem}.txt", picture_size(one))) for one in pictures
    ]


def read_yolo(path: Path, size_px: tuple[int, int]) -> list[tuple[str, Box]]:
    """The boxes of one label file as (label, box), clipped to the picture; none when there is no file.

    A polygon (`class x1 y1 x2 y2 x3 y3 …`, at least three corners) gives the box around it.

    Args:
        path: the label file. YOLO writes none for a picture with nothing on it.
        size_px: width and height of its picture.

    Raises:
        SourceError: when a line is neither, or its box lies outside the picture; the line is named.
    """
    if not path.exists():
        return []
    width, height = size_px
    boxes = []
    for number, line in enumerate(read_labels(path).splitlines(), start=1):
        if not line.strip():
            continue
        fields, where = line.split(), f"{path}, line {number}"
        left, top, right, bottom = _fractions(fields[1:], where)
        if max(-left, -top, right - 1, bottom - 1) > FARTHEST:
            remedy = "YOLO's numbers are fractions of the picture's width and height: divide px by them."
            raise SourceError("the label reaches far out of its picture", where=where, remedy=remedy)
        inside = clip((left * width, top * height, right * width, bottom * height), size_px, where)
        if inside is not None:
            boxes.append((fields[0], inside))
    return boxes


def _fractions(fields: list[str], where: str) -> Box:
    """Left, top, right and bottom edge as fractions of the picture."""
    try:
        numbers = [float(field) for field in fields]
    except ValueError as error:
        raise SourceError("a label holds something that is no number", where=where) from error
    if len(numbers) == 4:
        x, y, w, h = numbers
        return (x - w / 2, y - h / 2, x + w / 2, y + h / 2)
    if len(numbers) < 6 or len(numbers) % 2:
        raise SourceError("a label is `class x y w h`, or a class and the corners of a polygon", where=where)
    return (min(numbers[::2]), min(numbers[1::2]), max(numbers[::2]), max(numbers[1::2]))
