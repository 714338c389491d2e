"""Pixel masks, one picture a class: a box around each connected piece that a mask marks.

DNIT ships a folder a frame, `NAME/NAME_RAW.jpg` beside `NAME_CRACK.png`; others a folder a class, `crack/NAME.png`.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.errors import SourceError
from training.sources.boxes import Box, Labelled, Place, pictures_in
from training.sources.catalogue import Pieces
from training.sources.pictures import picture_size

__all__ = ["boxes_of_mask", "load_dnit", "load_masks"]

ONE_PIECE = Pieces()


def load_masks(place: Place, folders: Mapping[str, Path], pieces: Mapping[str, Pieces]) -> list[Labelled]:
    """Every picture of a split with the boxes of its masks.

    Args:
        place: the split.
        folders: by label, the folder of its masks below `place.annotations`.
        pieces: by label, what a piece of its mask is.

    Raises:
        SourceError: when a mask is missing, or of another size than its picture.
    """
    labelled = []
    for one in pictures_in(place.images):
        masks = {label: place.annotations / folder / f"{one.stem}.png" for label, folder in folders.items()}
        labelled.append(Labelled(one, one.stem, _boxes(one, masks, pieces)))
    return labelled


def load_dnit(place: Place, labels: Iterable[str], pieces: Mapping[str, Pieces]) -> list[Labelled]:
    """Every frame of DNIT's own folders with the boxes of its masks, `NAME_LABEL.png`.

    Args:
        place: the split.
        labels: the masks to read, as the file names have them (`CRACK`, `POTHOLE`).
        pieces: by label, what a piece of its mask is.

    Raises:
        SourceError: when a mask is missing, or of another size than its picture.
    """
    wanted, labelled = tuple(labels), []
    for one in sorted(place.images.glob("*/*_RAW.jpg")):
        name = one.stem.removesuffix("_RAW")
        masks = {label: one.with_name(f"{name}_{label}.png") for label in wanted}
        labelled.append(Labelled(one, name, _boxes(one, masks, pieces)))
    return labelled


def boxes_of_mask(mask: NDArray[np.bool_], pieces: Pieces = ONE_PIECE) -> list[Box]:
    """A box around each connected piece of a mask, left to right, then top to bottom.

    Args:
        mask: bool (h, w).
        pieces: what is one piece, and which are too small to count.
    """
    join_px = pieces.join_px
    kernel = np.ones((join_px, join_px), np.uint8)
    joined = cv2.morphologyEx(np.pad(mask.astype(np.uint8), join_px), cv2.MORPH_CLOSE, kernel)
    _, label = cv2.connectedComponents(joined[join_px:-join_px, join_px:-join_px], connectivity=8)
    # The closing adds pixels between pieces; the box is around what the mask itself marks.
    label = np.where(mask, label, 0)
    rows, columns = np.nonzero(label)
    piece = label[rows, columns]
    boxes = []
    for one in np.unique(piece):
        y, x = rows[piece == one], columns[piece == one]
        if len(x) >= pieces.least_px:
            boxes.append((float(x.min()), float(y.min()), float(x.max() + 1), float(y.max() + 1)))
    return sorted(boxes)


def _boxes(picture: Path, masks: Mapping[str, Path], pieces: Mapping[str, Pieces]) -> list[tuple[str, Box]]:
    size = picture_size(picture)
    found = []
    for label, path in masks.items():
        if not path.is_file():
            raise SourceError("the mask is missing", where=path, remedy="Without it nobody knows what is not there.")
        with Image.open(path) as image:
            mask = np.asarray(image.convert("L")) > 0
        if mask.shape != (size[1], size[0]):
            what = f"the mask is {mask.shape[1]} × {mask.shape[0]} px, its picture {size[0]} × {size[1]}"
            raise SourceError(what, where=path)
        found += [(label, box) for box in boxes_of_mask(mask, pieces.get(label, ONE_PIECE))]
    return found
