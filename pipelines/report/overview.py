"""The overview map of the page: what the template needs to draw it as inline SVG."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import geopandas as gpd
import numpy as np

from pipelines.report import labels
from pipelines.report.content import ReportContent
from pipelines.report.items import Item
from pipelines.report.words import DIAGNOSES

_WIDTH = 1000.0
_ASPECT = (1.35, 2.2)
_RADIUS = 23.0
_THIN_PX = 0.5


@dataclass(frozen=True, slots=True)
class Mark:
    """A defect on the map; all places in SVG units. `number` is empty for a mark without one."""

    item: Item
    x: float
    y: float
    at_x: float
    at_y: float
    number: str

    @property
    def moved(self) -> bool:
        """Whether the mark stands beside its place and needs a leader."""
        return (self.x, self.y) != (self.at_x, self.at_y)


@dataclass(frozen=True, slots=True)
class Overview:
    """The map in SVG units, y down.

    Attributes:
        roads: path data; `track` likewise.
        sections: diagnosis code → path data.
        marks: in drawing order: the most urgent last, on top.
        bar: length of the scale bar, and `bar_text` what it says.
    """

    width: float
    height: float
    roads: str
    track: str
    sections: dict[str, str]
    marks: list[Mark]
    bar: float
    bar_text: str


def overview_of(content: ReportContent, items: list[Item]) -> Overview:
    """Lay the overview map out.

    Args:
        content: the report's content.
        items: the defects in rank order.
    """
    extent = labels.extent_of(content, items, _ASPECT)
    scale = _WIDTH / extent.width
    bar_m = labels.bar_length_m(extent.width)
    return Overview(
        width=_WIDTH,
        height=round(extent.height * scale, 1),
        roads=_path(_shapes(content.roads, content), extent, scale),
        track=_path([] if content.track is None else [content.track], extent, scale),
        sections=_sections(content, extent, scale),
        marks=_marks(content, items, extent, scale),
        bar=round(bar_m * scale, 1),
        bar_text=labels.metres(bar_m),
    )


def _shapes(frame: gpd.GeoDataFrame | None, content: ReportContent) -> list[object]:
    if frame is None or not len(frame):
        return []
    return list((frame if frame.crs == content.crs else frame.to_crs(content.crs)).geometry)


def _sections(content: ReportContent, extent: labels.Extent, scale: float) -> dict[str, str]:
    frame = content.sections
    paths = {}
    for code in DIAGNOSES:
        chosen = frame[frame["diagnosis"].fillna("").eq(code)] if len(frame) else frame
        paths[code] = _path(list(chosen.geometry) if len(chosen) else [], extent, scale)
    return paths


def _marks(content: ReportContent, items: list[Item], extent: labels.Extent, scale: float) -> list[Mark]:
    ranked = [item for item in items if item.rank is not None]
    numbered = ranked[: content.params.map_numbers]
    rest = [*ranked[content.params.map_numbers :], *(item for item in items if item.rank is None)]
    points = np.array([[item.x_m, item.y_m] for item in numbered], np.float64).reshape(-1, 2)
    places = _svg(labels.spread(points, _RADIUS / scale, extent), extent, scale).tolist()
    at = _svg(points, extent, scale).tolist()
    marks = [
        Mark(item, x, y, at_x, at_y, item.label)
        for item, (x, y), (at_x, at_y) in zip(numbered, places, at, strict=True)
    ]
    for item in rest:
        ((x, y),) = _svg(np.array([[item.x_m, item.y_m]]), extent, scale).tolist()
        marks.append(Mark(item, x, y, x, y, ""))
    return marks[::-1]


def _svg(points: labels.Array, extent: labels.Extent, scale: float) -> labels.Array:
    """Plane metres to SVG units, rounded to a tenth."""
    return np.round((points - (extent.x1, extent.y2)) * (scale, -scale), 1)


def _path(shapes: Iterable[object], extent: labels.Extent, scale: float) -> str:
    parts = [line for shape in shapes for line in labels.polylines(shape, _THIN_PX / scale)]
    drawn = (_svg(line, extent, scale).tolist() for line in parts)
    return "".join("M" + "L".join(f"{x:g} {y:g}" for x, y in line) for line in drawn)
