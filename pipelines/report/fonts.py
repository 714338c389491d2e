"""The font of every report: IPAex Gothic (IPA Font License 1.0), which has Latin and Japanese letters."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from matplotlib.ft2font import FT2Font
from PIL import ImageFont

from pipelines.errors import OutputError


@lru_cache(maxsize=1)
def font_path() -> Path:
    """Where the font file lies.

    Raises:
        OutputError: the package that brings it is not installed.
    """
    # Looked up, not imported: importing the package changes matplotlib's settings for the whole process.
    spec = find_spec("matplotlib_fontja")
    folders = [] if spec is None else list(spec.submodule_search_locations or [])
    for folder in folders:
        path = Path(folder) / "fonts" / "ipaexg.ttf"
        if path.is_file():
            return path
    raise OutputError("the font for reports is missing", remedy="Install it: pip install matplotlib-fontja")


@lru_cache(maxsize=8)
def picture_font(size_px: int) -> ImageFont.FreeTypeFont:
    """The font for drawing on pictures, `size_px` high."""
    return ImageFont.truetype(str(font_path()), size_px)


def printable(text: str) -> str:
    """The text with 〓, the printers' mark for a missing letter, for every letter that the font lacks."""
    letters = _letters()
    return "".join(letter if letter == "\n" or ord(letter) in letters else "〓" for letter in text)


@lru_cache(maxsize=1)
def _letters() -> frozenset[int]:
    return frozenset(FT2Font(str(font_path())).get_charmap())
