"""Photos from an orthophoto: the concealed ground with the defect outlined, a scale bar and a north arrow."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from pipelines.report import privacy
from pipelines.report.content import BlurRoadUsers, Overhead
from pipelines.report.fonts import picture_font
from pipelines.report.labels import bar_length_m, metres

__all__ = ["photograph_above"]

Array = NDArray[np.float64]

_MARK, _HALO, _INK, _PAPER = "#ffd400", "#000000", "#111827", "#ffffff"
_PAD_PX, _TEXT_PX = 14, 20
_NORTH_PX = 26


def photograph_above(view: Overhead, find: BlurRoadUsers | None) -> Image.Image:
    """One defect's photo.

    Args:
        view: the ground around it.
        find: gives the boxes of people and vehicles on it; None where no street model is there.
    """
    shown = privacy.without_road_users(view.picture, view.shown, find)
    image = Image.fromarray(privacy.conceal(view.picture, shown))
    draw = ImageDraw.Draw(image)
    _outline(draw, view.outline)
    _bar(draw, image.size, view.metre_px)
    _north(draw, image.size, np.asarray(view.north, np.float64))
    return image


def _outline(draw: ImageDraw.ImageDraw, rings: Sequence[Array]) -> None:
    """Every dark line before every bright one: rings may cross."""
    for ink, thick in ((_HALO, 5), (_MARK, 3)):
        for ring in rings:
            draw.line([tuple(point) for point in ring.tolist()], fill=ink, width=thick, joint="curve")


def _bar(draw: ImageDraw.ImageDraw, size: tuple[int, int], metre_px: float) -> None:
    """A round length in the lower left corner, on a dark plate that any ground leaves readable."""
    length_m = bar_length_m(size[0] / metre_px)
    long, font = length_m * metre_px, picture_font(_TEXT_PX)
    text = metres(length_m)
    wide = draw.textlength(text, font=font)
    left, bottom = _PAD_PX, size[1] - _PAD_PX
    top = bottom - _TEXT_PX - _PAD_PX
    draw.rounded_rectangle((left, top, left + long + wide + 3 * _PAD_PX, bottom), 5, fill=_INK)
    start, middle = left + _PAD_PX, (top + bottom) / 2
    draw.line([(start, middle), (start + long, middle)], fill=_PAPER, width=3)
    for x in (start, start + long):
        draw.line([(x, middle - 7), (x, middle + 7)], fill=_PAPER, width=3)
    draw.text((start + long + _PAD_PX / 2 + 3, middle), text, font=font, fill=_PAPER, anchor="lm")


def _north(draw: ImageDraw.ImageDraw, size: tuple[int, int], north: Array) -> None:
    """An arrow and an N on a dark disc in the upper right corner."""
    middle = np.array([size[0] - _PAD_PX - _NORTH_PX, _PAD_PX + _NORTH_PX], np.float64)
    right = np.array([-north[1], north[0]])
    reach = _NORTH_PX - 5
    tip, tail = middle + reach * north, middle - 0.1 * reach * north
    draw.ellipse([*(middle - _NORTH_PX).tolist(), *(middle + _NORTH_PX).tolist()], fill=_INK)
    wings = [tip, tail - 0.35 * reach * right, tail + 0.35 * reach * right]
    draw.polygon([tuple(point) for point in np.array(wings).tolist()], fill=_PAPER)
    letter = middle - 0.55 * reach * north
    draw.text((float(letter[0]), float(letter[1])), "N", font=picture_font(16), fill=_PAPER, anchor="mm")
