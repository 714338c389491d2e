"""Symbols for points, lines and areas that the colour-blind can tell apart, by shape as well as by colour."""

import re
from dataclasses import dataclass, replace
from typing import Literal

Kind = Literal["point", "line", "polygon"]

OKABE_ITO = {
    "black": "#000000",
    "orange": "#e69f00",
    "sky": "#56b4e9",
    "green": "#009e73",
    "yellow": "#f0e442",
    "blue": "#0072b2",
    "vermilion": "#d55e00",
    "purple": "#cc79a7",
    "grey": "#999999",
}
"""M. Okabe and K. Ito, "Color Universal Design" (2008), with a neutral grey added."""

POINT_SHAPES = ("circle", "square", "triangle", "diamond", "star", "pentagon", "hexagon", "cross_fill")
LINE_SHAPES = ("solid", "dash", "dot", "dash dot", "dash dot dot")
POLYGON_SHAPES = ("solid", "f_diagonal", "b_diagonal", "horizontal", "vertical", "cross", "diagonal_x", "dense5")
SHAPES: dict[Kind, tuple[str, ...]] = {"point": POINT_SHAPES, "line": LINE_SHAPES, "polygon": POLYGON_SHAPES}
"""QGIS's names of markers, pen styles and brush styles, most distinct first."""

_ORDER = ("vermilion", "blue", "orange", "green", "purple", "sky", "yellow", "grey")
_COLOUR = re.compile(r"#[0-9a-f]{6}")


@dataclass(frozen=True, slots=True)
class Symbol:
    """One symbol. Sizes are on the ground, in metres, but never drawn smaller or larger than stated on the screen.

    Attributes:
        colour: `#rrggbb`, lower case.
        shape: a marker, pen style or brush style out of `SHAPES`.
        size_m: diameter of a point or width of a line on the ground.
        min_mm: smallest size on paper or screen.
        max_mm: largest size on paper or screen.
        outline: `#rrggbb` around points and areas.
        outline_mm: its width on paper or screen.
        opacity: of the whole symbol, 0 to 1.
        fill_opacity: of an area's inside alone, 0 to 1.
    """

    colour: str
    shape: str = "solid"
    size_m: float = 3.0
    min_mm: float = 2.4
    max_mm: float = 6.0
    outline: str = "#222222"
    outline_mm: float = 0.3
    opacity: float = 1.0
    fill_opacity: float = 1.0

    def __post_init__(self) -> None:
        for colour in (self.colour, self.outline):
            if not _COLOUR.fullmatch(colour):
                raise ValueError(f"{colour!r} is not a colour #rrggbb")
        if not 0 < self.min_mm <= self.max_mm:
            raise ValueError(f"sizes {self.min_mm} to {self.max_mm} mm are out of order")


def distinct(kind: Kind, count: int) -> list[Symbol]:
    """Symbols for up to eight classes, each with a colour and, as far as there are any, a shape of its own."""
    shapes = SHAPES[kind]
    colours = [OKABE_ITO[name] for name in _ORDER[:count]]
    if count > len(_ORDER):
        raise ValueError(f"no more than {len(_ORDER)} classes can be told apart, not {count}")
    symbols = [Symbol(colour, shapes[k % len(shapes)]) for k, colour in enumerate(colours)]
    if kind == "line":
        return [replace(one, size_m=2.5, min_mm=0.7, max_mm=2.0) for one in symbols]
    # A hatched area ends where its outline of the same colour does; a pale marker needs a dark one.
    return [replace(one, outline=one.colour) for one in symbols] if kind == "polygon" else symbols
