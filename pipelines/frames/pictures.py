"""Reading one picture. Pillow decides whether it is whole: OpenCV decodes half a JPEG and says nothing."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError
from PIL.Image import open as open_image

from pipelines.frames.types import BadFrame, Picture

__all__ = ["MAX_PIXELS", "PICTURE_SUFFIXES", "picture_size", "read_picture"]

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
FORMATS = ("JPEG", "PNG", "WEBP")
"""What content may be, whatever the name says: cameras write WebP into .jpg files and the reverse."""

MAX_PIXELS = 100_000_000
"""A camera's largest picture and a margin; a few kilobytes can declare more and fill the memory."""

_ON_ITS_SIDE = frozenset({5, 6, 7, 8})
"""EXIF orientations whose rows are the upright picture's columns."""

_DEEP_MODES = ("I", "I;16", "I;16L", "I;16B", "I;16N")


def read_picture(path: Path) -> Picture:
    """The picture in a JPEG, PNG or WebP file, uint8 (h, w, 3) RGB, turned upright as its EXIF says.

    Raises:
        BadFrame: the file is empty, no such picture, damaged, cut short, too large, or cannot be read.
        MemoryError: the machine has too little left for it.
    """
    with _opened(path) as image:
        return _decode(image, path)


def picture_size(path: Path) -> tuple[int, int]:
    """Width and height, px, of the picture as `read_picture` gives it, by its header alone.

    Raises:
        BadFrame: as `read_picture`, but for what the header does not tell.
    """
    with _opened(path) as image:
        return (image.height, image.width) if _on_its_side(image) else image.size


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    """The picture, its header read; whatever goes wrong with it is a `BadFrame`."""
    try:
        if path.stat().st_size == 0:
            raise BadFrame("empty", "the file is empty", path)
        with open_image(path, formats=FORMATS) as image:
            _refuse_bomb(image.width * image.height, path)
            yield image
    except (BadFrame, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise BadFrame("too_many_pixels", _bomb_detail(), path) from error
    except UnidentifiedImageError as error:
        raise _unidentified(path) from error
    except OSError as error:
        if error.errno is None:  # not the system's but Pillow's own, which gives no other sign
            raise _unidentified(path) from error
        raise _unreadable(error, path) from error
    except Exception as error:  # a malformed header reaches code of every format, which raises anything
        raise BadFrame("damaged", f"the picture is damaged ({error})", path) from error


def _decode(image: Image.Image, path: Path) -> Picture:
    try:
        image.load()
    except MemoryError:  # the machine's want, not the picture's
        raise
    except Exception as error:  # malformed data reaches decoders of every format, which raise anything
        if isinstance(error, OSError) and error.errno is not None:
            raise _unreadable(error, path) from error
        if "truncated" in str(error):
            raise BadFrame("truncated", "the picture is cut short", path) from error
        raise BadFrame("damaged", f"the picture is damaged ({error})", path) from error
    return np.asarray(_upright(_rgb(image)), np.uint8)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode in _DEEP_MODES:  # Pillow's own conversion cuts 16 bits off at 255 instead of scaling them
        deep = np.asarray(image).astype(np.uint32)
        scaled = Image.fromarray((deep >> 8).astype(np.uint8), "L")
        scaled.info.update(image.info)
        return scaled.convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _upright(image: Image.Image) -> Image.Image:
    with suppress(Exception):  # EXIF too malformed to state an orientation states none; the pixels are whole
        ImageOps.exif_transpose(image, in_place=True)  # not in place, an upright picture would be copied
    return image


def _on_its_side(image: Image.Image) -> bool:
    try:
        return image.getexif().get(ExifTags.Base.Orientation) in _ON_ITS_SIDE
    except Exception:  # as in `_upright`
        return False


def _refuse_bomb(n_pixels: int, path: Path) -> None:
    if n_pixels > MAX_PIXELS:
        raise BadFrame("too_many_pixels", _bomb_detail(), path)


def _bomb_detail() -> str:
    return f"the picture declares more than {MAX_PIXELS // 1_000_000} megapixels"


def _unreadable(error: OSError, path: Path) -> BadFrame:
    return BadFrame("unreadable", f"the file cannot be read ({error.strerror or error})", path)


def _unidentified(path: Path) -> BadFrame:
    """No picture, or a WebP cut short: Pillow knows a WebP only when it is whole."""
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError as error:
        return _unreadable(error, path)
    if head[:4] == b"RIFF" and head[8:] == b"WEBP":
        declared = int.from_bytes(head[4:8], "little") + 8
        if path.stat().st_size < declared:
            return BadFrame("truncated", "the picture is cut short", path)
        return BadFrame("damaged", "the picture is damaged", path)
    return BadFrame("not_an_image", "the file is not a JPEG, PNG or WebP picture", path)
