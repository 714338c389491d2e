"""What every drawn map carries: a scale bar and a north arrow, readable on paper and over a photograph."""

from __future__ import annotations

from typing import Any, Final

from matplotlib.font_manager import FontProperties
from matplotlib.transforms import offset_copy

from pipelines.report import labels
from pipelines.report.fonts import font_path

__all__ = ["font", "north_arrow", "scale_bar"]

_INK, _PAPER = "#1f2933", "#ffffff"
_BOX: Final = {"boxstyle": "square,pad=0.15", "facecolor": _PAPER, "edgecolor": "none", "alpha": 0.85}
_ABOVE: Final = 9
"""Drawn over everything else: the highest zorder of the maps' own marks is lower."""


def font(size: float) -> FontProperties:
    """The reports' font, `size` points high."""
    return FontProperties(fname=str(font_path()), size=size)


def scale_bar(axes: Any, extent: labels.Extent) -> None:
    """A bar of a round length in the lower left corner, half filled, with its length beside it."""
    length = labels.bar_length_m(extent.width)
    left, low = extent.x1 + 0.02 * extent.width, extent.y1 + 0.035 * extent.height
    for start, stop, colour, width in ((0.0, 1.0, _PAPER, 9), (0.0, 1.0, _INK, 6), (0.5, 1.0, _PAPER, 4)):
        ends = [left + start * length, left + stop * length]
        axes.plot(ends, [low, low], color=colour, linewidth=width, solid_capstyle="butt", zorder=_ABOVE)
    axes.annotate(
        labels.metres(length),
        (left + length, low),
        xytext=(8, 0),
        textcoords="offset points",
        va="center",
        color=_INK,
        fontproperties=font(9),
        bbox=_BOX,
        zorder=_ABOVE + 1,
    )


def north_arrow(axes: Any) -> None:
    """An arrow to the map's north in the upper right corner; its place is in points, as maps differ in height."""

    def below(points: float) -> Any:
        return offset_copy(axes.transAxes, axes.figure, -18, -points, units="points")

    axes.text(
        1,
        1,
        "N\n\n",
        transform=below(32),
        ha="center",
        va="center",
        color=_INK,
        bbox=_BOX,
        fontproperties=font(11),
        zorder=_ABOVE,
    )
    style = {"arrowstyle": "-|>,head_width=0.35,head_length=0.7", "color": _INK, "lw": 1.8}
    axes.annotate("", (1, 1), (1, 1), xycoords=below(28), textcoords=below(52), arrowprops=style, zorder=_ABOVE + 1)
