"""Labelled pictures as people see them: upright, in eight bits of red, green and blue.

Tools for labelling turn a picture as its EXIF says, so that boxes are of the upright picture. Everything that learns,
judges or shows reads pictures here.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from training.errors import SourceError

__all__ = ["Picture", "picture_size", "read_upright"]

Picture = NDArray[np.uint8]
"""uint8 (h, w, 3) RGB."""
SIXTEEN_TO_EIGHT = 257
"""65535 / 255."""


def picture_size(path: Path) -> tuple[int, int]:
    """Width and height of the upright picture in px; its pixels are not read.

    Raises:
        SourceError: when it is no picture.
    """
    try:
        with Image.open(path) as image:
            width, height = image.size
            # Pillow itself turns a TIFF.
            lies = image.format != "TIFF" and _orientation(image) in (5, 6, 7, 8)
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise SourceError("the picture cannot be read", where=path) from error
    return (height, width) if lies else (width, height)


def read_upright(path: Path) -> Picture:
    """The picture's pixels, turned as its EXIF says.

    Grey pixels of 16 bits become 8, black and white staying what they are.

    Raises:
        SourceError: when it is not there, cannot be read to its end, or has pixels that have no white.
    """
    try:
        with Image.open(path) as image:
            turned = image if _orientation(image) == 1 else ImageOps.exif_transpose(image)
            if turned.mode in ("I", "F"):
                remedy = "Save it with 8 or 16 bits a channel."
                raise SourceError(
                    "the picture has pixels of 32 bits, whose white nobody knows", where=path, remedy=remedy
                )
            if turned.mode.startswith("I;16"):
                grey = np.rint(np.asarray(turned) / SIXTEEN_TO_EIGHT).astype(np.uint8)
                return np.repeat(grey[..., None], 3, axis=2)
            return np.array(turned.convert("RGB"))
    except FileNotFoundError as error:
        remedy = "Put it back, or take its label away."
        raise SourceError("the picture is not there any more", where=path, remedy=remedy) from error
    except (OSError, SyntaxError) as error:
        remedy = "Fetch it again, or take picture and label away."
        raise SourceError(f"the picture cannot be read ({error})", where=path, remedy=remedy) from error


def _orientation(image: Image.Image) -> int:
    """EXIF's orientation from 1 (upright) to 8, as far as it stands before the pixels: they need not be read for it."""
    if image.format == "PNG" and "exif" not in image.info:
        return 1
    said = image.getexif().get(ExifTags.Base.Orientation, 1)
    return said if said in range(1, 9) else 1
