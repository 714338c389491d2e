"""What every reader of a layout gives, and the checks that all of them share."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from training.errors import SourceError

__all__ = [
    "PICTURES",
    "Box",
    "Labelled",
    "Place",
    "clip",
    "find_picture",
    "pictures_in",
    "read_labels",
    "refuse_other_size",
]

PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}

LEAST_PX = 0.1
"""Nobody draws a box so small: it is in other units."""
Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in px of the picture, corners."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A picture and its labels, before the catalogue says which class each label is.

    Attributes:
        picture: path of the picture.
        key: its path below the split's folder, without suffix: what a place is read from.
        boxes: (label as the data set writes it, box in px).
        ignored: regions in which nobody labelled anything, px.
    """

    picture: Path
    key: str
    boxes: list[tuple[str, Box]]
    ignored: tuple[Box, ...] = ()


@dataclass(frozen=True, slots=True)
class Place:
    """Where the parts of one split lie: the folder of its `images`, and its `annotations`, a folder or a file."""

    images: Path
    annotations: Path


def pictures_in(folder: Path) -> list[Path]:
    """The pictures of a folder, by name."""
    return sorted(path for path in folder.glob("*") if path.suffix.lower() in PICTURES)


def find_picture(folder: Path, name: str, said_by: object) -> Path:
    """The picture that a label file names.

    Raises:
        SourceError: when it is not there, or the name leads out of the folder.
    """
    path = folder / name
    if ".." in Path(name).parts or not path.is_file():
        raise SourceError(f"the picture {name} is missing from {folder}", where=said_by)
    return path


def refuse_other_size(stated: tuple[float, float], size_px: tuple[int, int], where: object) -> None:
    """Refuse labels that say that they were drawn on a picture of another size; 0 says nothing.

    Raises:
        SourceError: naming both sizes.
    """
    (width, height), (columns, rows) = stated, size_px
    if not width or not height or (width == columns and height == rows):
        return
    what = f"labels are of {width:g} × {height:g} px, their picture has {columns} × {rows}"
    remedy = "Give the picture that was labelled, or correct the stated size."
    if width == rows and height == columns:
        remedy = "They were drawn on the picture lying: label it upright, as its EXIF shows it."
    raise SourceError(what, where=where, remedy=remedy)


def read_labels(path: Path) -> str:
    """The text of a file of labels, without the mark that some editors put before it (a BOM).

    Raises:
        SourceError: when it cannot be read, or is no UTF-8.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        remedy = "Save it as UTF-8."
        raise SourceError("the labels are no UTF-8 text", where=path, remedy=remedy) from error
    except OSError as error:
        raise SourceError("the annotations cannot be read", where=path) from error


def clip(box: Box, size_px: tuple[float, float], where: object) -> Box | None:
    """The part of a box inside the picture, None where it has no area.

    Raises:
        SourceError: when no part of the box touches the picture, or a corner is no number: labels of another picture.
            When its corners are the wrong way round, or it is too small to be of px: labels in another form.
    """
    left, top, right, bottom = box
    if right < left or bottom < top:
        remedy = "Correct the label: x1 y1 is the corner at the top left."
        raise SourceError(f"the box ({_corners(box)}) has a negative width or height", where=where, remedy=remedy)
    width, height = size_px
    if not np.isfinite(box).all() or left > width or top > height or right < 0 or bottom < 0:
        what = f"the box ({_corners(box)}) lies outside its picture of {width:g} × {height:g} px"
        remedy = "Correct the label, or see whether it belongs to another picture."
        raise SourceError(what, where=where, remedy=remedy)
    if 0 < right - left < LEAST_PX or 0 < bottom - top < LEAST_PX:
        remedy = "Correct the label, or see whether it is in other units than its data set."
        raise SourceError(f"the box ({_corners(box)}) is under {LEAST_PX:g} px", where=where, remedy=remedy)
    inside = (max(0.0, left), max(0.0, top), min(float(width), right), min(float(height), bottom))
    # What is left of a box at the edge is held to the same, or it could not be read again as it was written.
    return inside if min(inside[2] - inside[0], inside[3] - inside[1]) >= LEAST_PX else None


def _corners(box: Box) -> str:
    return ", ".join(f"{one:g}" for one in box)
