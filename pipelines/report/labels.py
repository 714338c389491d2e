"""Maps' common ground: where numbered marks go so that none hides another, the map's extent, and a round scale bar."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from shapely import LineString, MultiLineString, get_coordinates

from pipelines.report.content import ReportContent
from pipelines.report.items import Item

Array = NDArray[np.float64]

_RINGS = (1.6, 2.4, 3.2, 4.2, 5.4, 6.8, 8.4)
_DIRECTIONS = 16


@dataclass(frozen=True, slots=True)
class Extent:
    """A rectangle of the map, m in the report's plane CRS."""

    x1: float
    y1: float
    x2: float
    y2: float

    @property
    def width(self) -> float:
        """East to west, m."""
        return self.x2 - self.x1

    @property
    def height(self) -> float:
        """South to north, m."""
        return self.y2 - self.y1


def extent_of(content: ReportContent, items: Iterable[Item], aspect: tuple[float, float]) -> Extent:
    """What a map must show: track, sections and defects, or the ground that was seen from above, with a margin.

    Args:
        content: the report's content.
        items: the defects.
        aspect: least and greatest width ÷ height; the shorter side grows to fit.
    """
    parts = [np.array([[item.x_m, item.y_m] for item in items], np.float64).reshape(-1, 2)]
    parts += [get_coordinates(content.sections.geometry.to_numpy())] if len(content.sections) else []
    parts += [get_coordinates(content.track)] if content.track is not None else []
    above = content.summary.from_above and content.coverage is not None
    parts += [get_coordinates(content.coverage.geometry.to_numpy())] if above and content.coverage is not None else []
    points = np.concatenate(parts)
    points = points[np.isfinite(points).all(axis=1)]
    if not len(points):
        points = np.zeros((1, 2))
    (x1, y1), (x2, y2) = points.min(axis=0), points.max(axis=0)
    # A flight may cover a car park: 25 m around it would leave it a spot on the map.
    margin = max(0.06 * max(x2 - x1, y2 - y1), 2.0 if above else 25.0)
    wide, tall = x2 - x1 + 2 * margin, y2 - y1 + 2 * margin
    wide, tall = max(wide, aspect[0] * tall), max(tall, wide / aspect[1])
    mx, my = (x1 + x2) / 2, (y1 + y2) / 2
    return Extent(mx - wide / 2, my - tall / 2, mx + wide / 2, my + tall / 2)


def spread(points: Array, radius: float, extent: Extent) -> Array:
    """Where round marks go so that they do not overlap: on their points, else as near as there is room.

    Args:
        points: (n, 2) float64, x and y in m; earlier ones have the first choice.
        radius: of a mark, m on the map.
        extent: marks stay inside it.

    Returns:
        (n, 2) float64, x and y in m. A mark for which there is no room stays on its point.
    """
    placed: Array = np.empty_like(points)
    offsets = _offsets() * radius
    low, high = (extent.x1 + radius, extent.y1 + radius), (extent.x2 - radius, extent.y2 - radius)
    for i, point in enumerate(points):
        tries = point + offsets
        gaps = np.hypot(*(tries[:, None] - placed[None, :i]).transpose(2, 0, 1)).min(axis=1, initial=math.inf)
        free = (gaps >= 2.05 * radius) & (tries >= low).all(axis=1) & (tries <= high).all(axis=1)
        placed[i] = tries[int(free.argmax())]
    return placed


def bar_length_m(extent_m: float, share: float = 0.22) -> float:
    """A round length (1, 2 or 5 × 10ⁿ m) near to but not above `share` of the map's width."""
    wanted = max(share * extent_m, 1.0)
    power = 10.0 ** math.floor(math.log10(wanted))
    return power * max(step for step in (1, 2, 5) if step * power <= wanted)


def metres(value: float) -> str:
    """A length as a scale bar names it."""
    return f"{value / 1000:g} km" if value >= 1000 else f"{value:g} m"


def polylines(geometry: LineString | MultiLineString | None, tolerance_m: float = 0.0) -> list[Array]:
    """The lines of a geometry, (n, 2) float64 each, thinned to `tolerance_m`."""
    if geometry is None or geometry.is_empty:
        return []
    parts = getattr(geometry.simplify(tolerance_m), "geoms", None) or [geometry.simplify(tolerance_m)]
    return [get_coordinates(part) for part in parts if part.geom_type == "LineString"]


def _offsets() -> Array:
    """(k, 2) float64 in radii: the point itself, then rings around it."""
    turn = np.arange(_DIRECTIONS) * 2 * np.pi / _DIRECTIONS
    circle = np.column_stack([np.cos(turn), np.sin(turn)])
    return np.concatenate([np.zeros((1, 2)), *(ring * circle for ring in _RINGS)])
