"""The map as a PNG: sections by diagnosis, defects numbered by rank, roads beneath."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from pipelines.report import labels
from pipelines.report.content import ReportContent
from pipelines.report.fonts import printable
from pipelines.report.furniture import font, north_arrow, scale_bar
from pipelines.report.items import Item
from pipelines.report.words import DIAGNOSES, DIAGNOSIS_COLOURS, JUDGEMENT_COLOURS, JUDGEMENTS, name, say

_WIDTH_IN, _DPI = 11.0, 150
_HEAD_IN, _FOOT_IN, _SIDE_IN = 0.75, 0.95, 0.25
_ASPECT = (0.9, 2.2)
_MARK_IN = 0.125
_NAME_GAP_PX = 20
_NAME_LETTERS = 300
"""More letters than a line holds."""
_AGAIN_MARKER = "D"
_MARKERS = {"repair": "^", "damage": "o", "none": "o"}
# Wider as it gets worse, so that the diagnosis also reads without colour.
_SECTION_WIDTHS = {"I": 3.0, "II": 5.0, "III": 7.0, "": 2.0}
_INK, _GREY, _ROAD, _PAPER = "#1f2933", "#5b6470", "#d5d9de", "#ffffff"


def map_png(content: ReportContent, items: list[Item], lang: str) -> bytes:
    """The map of a survey.

    Args:
        content: the report's content.
        items: the defects in rank order.
        lang: language of title and legend.

    Returns:
        PNG bytes, equal for equal content.
    """
    extent = labels.extent_of(content, items, _ASPECT)
    inner = _WIDTH_IN - 2 * _SIDE_IN
    tall = inner * extent.height / extent.width
    figure = Figure(figsize=(_WIDTH_IN, tall + _HEAD_IN + _FOOT_IN), dpi=_DPI, facecolor=_PAPER)
    canvas = FigureCanvasAgg(figure)
    height = float(figure.get_figheight())
    axes = figure.add_axes((_SIDE_IN / _WIDTH_IN, _FOOT_IN / height, inner / _WIDTH_IN, tall / height))
    axes.set(xlim=(extent.x1, extent.x2), ylim=(extent.y1, extent.y2), xticks=[], yticks=[], facecolor="#f7f8f9")
    for side in axes.spines.values():
        side.set(color="#c4cad1", linewidth=0.8)
    _lines(axes, content)
    _defects(axes, content, items, extent.width / inner * _MARK_IN)
    north_arrow(axes)
    scale_bar(axes, extent)
    _titles(figure, content, lang)
    _legend(figure, content, lang, items)
    buffer = io.BytesIO()
    canvas.print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def _lines(axes: Any, content: ReportContent) -> None:
    if content.roads is not None:
        roads = content.roads if content.roads.crs == content.crs else content.roads.to_crs(content.crs)
        parts = [line for shape in roads.geometry for line in labels.polylines(shape)]
        axes.add_collection(LineCollection(parts, colors=_ROAD, linewidths=6, capstyle="round", zorder=1))
    if content.coverage is not None and len(content.coverage):
        content.coverage.to_crs(content.crs).plot(ax=axes, color="#b9d3e6", alpha=0.6, aspect=None, zorder=2)
        axes.set(xlabel="", ylabel="")
    frame = content.sections
    for code, width in _SECTION_WIDTHS.items():
        chosen = frame[frame["diagnosis"].fillna("").eq(code)] if len(frame) else frame
        parts = [line for shape in chosen.geometry for line in labels.polylines(shape)]
        axes.add_collection(
            LineCollection(parts, colors=DIAGNOSIS_COLOURS[code], linewidths=width, capstyle="butt", zorder=3)
        )
    track = labels.polylines(content.track)
    axes.add_collection(LineCollection(track, colors=_INK, linewidths=0.7, linestyles=(0, (5, 4)), zorder=4))


def _defects(axes: Any, content: ReportContent, items: list[Item], radius_m: float) -> None:
    shown = content.params.map_numbers
    numbered = [item for item in items if item.rank is not None][:shown]
    others = [item for item in items if item.rank is None or item.rank not in {i.rank for i in numbered}]
    for item in reversed(others):
        axes.plot(
            item.x_m,
            item.y_m,
            _AGAIN_MARKER if item.look_again else _MARKERS.get(item.judgement, "o"),
            color=_PAPER if item.look_again else JUDGEMENT_COLOURS.get(item.judgement, _GREY),
            markersize=4.5,
            markeredgecolor=_GREY if item.look_again else _PAPER,
            markeredgewidth=0.8 if item.look_again else 0.5,
            zorder=5,
        )
    points = np.array([[item.x_m, item.y_m] for item in numbered], np.float64).reshape(-1, 2)
    extent = labels.Extent(*axes.get_xlim()[:1], *axes.get_ylim()[:1], *axes.get_xlim()[1:], *axes.get_ylim()[1:])
    places = labels.spread(points, radius_m, extent)
    for item, at, place in reversed(list(zip(numbered, points, places, strict=True))):
        _numbered(axes, item, at, place)


def _numbered(axes: Any, item: Item, at: labels.Array, place: labels.Array) -> None:
    colour = JUDGEMENT_COLOURS.get(item.judgement, _GREY)
    if not np.array_equal(at, place):
        axes.plot(*zip(at, place, strict=True), color=_INK, linewidth=0.8, zorder=6)
        axes.plot(*at, "o", color=colour, markersize=4, markeredgecolor=_PAPER, markeredgewidth=0.5, zorder=6)
    size = 19 if item.judgement == "repair" else 14.5
    axes.plot(
        *place,
        _MARKERS.get(item.judgement, "o"),
        color=_PAPER if item.judgement == "none" else colour,
        markersize=size,
        markeredgecolor=colour if item.judgement == "none" else _PAPER,
        markeredgewidth=1.0,
        zorder=7,
    )
    drop = -2.4 if item.judgement == "repair" else -0.4
    axes.annotate(
        item.label,
        place,
        xytext=(0, drop),
        textcoords="offset points",
        ha="center",
        va="center",
        color=_GREY if item.judgement == "none" else _PAPER,
        fontproperties=font(7.5 if len(item.label) < 3 else 5.5),
        zorder=8,
    )


def _titles(figure: Any, content: ReportContent, lang: str) -> None:
    height = figure.get_figheight()
    left, row = _SIDE_IN / _WIDTH_IN, 1 - 0.6 / height
    top = figure.text(left, 1 - 0.33 / height, say("map_title", lang), color=_INK, va="center", fontproperties=font(17))
    top.set_parse_math(False)
    plain = {"color": _GREY, "va": "center", "parse_math": False}
    right = figure.text(1 - left, row, say("number", lang), ha="right", fontproperties=font(9), **plain)
    # A survey may be named with a dollar sign, which is not a formula.
    under = figure.text(left, row, "", fontproperties=font(10), **plain)
    told = f"　{say('surveyed', lang)} {content.date.isoformat()}　{content.summary.extent}"
    _fit(under, printable(content.survey), told, right)


def _fit(text: Any, name: str, told: str, right: Any) -> None:
    """Write the name and what is told of it left of `right`; a name too long for that is cut."""
    shown, cut = name[:_NAME_LETTERS], ""
    while True:
        text.set_text(f"{shown}{cut}{told}")
        if not shown or text.get_window_extent().x1 < right.get_window_extent().x0 - _NAME_GAP_PX:
            return
        shown, cut = shown[:-1], "…"


def _legend(figure: Any, content: ReportContent, lang: str, items: list[Item]) -> None:
    there = {item.judgement for item in items if not item.look_again}
    marks = [
        Line2D(
            [],
            [],
            linestyle="",
            marker=_MARKERS[code],
            markersize=10,
            markerfacecolor=_PAPER if code == "none" else JUDGEMENT_COLOURS[code],
            markeredgecolor=JUDGEMENT_COLOURS[code],
            label=name(JUDGEMENTS, code, lang),
        )
        for code in JUDGEMENTS
        if code in there
    ]
    if any(item.look_again for item in items):
        hollow = Line2D([], [], linestyle="", marker=_AGAIN_MARKER, markersize=6, label=say("look_again", lang))
        hollow.set(markerfacecolor=_PAPER, markeredgecolor=_GREY)
        marks.append(hollow)
    sections = [
        Line2D(
            [],
            [],
            color=DIAGNOSIS_COLOURS[code],
            linewidth=width,
            solid_capstyle="butt",
            label=f"{code}　{name(DIAGNOSES, code, lang)}" if code else name(DIAGNOSES, code, lang),
        )
        for code, width in _SECTION_WIDTHS.items()
    ]
    others = []
    if content.track is not None:
        others.append(Line2D([], [], color=_INK, linewidth=0.9, linestyle=(0, (5, 4)), label=say("track", lang)))
    if content.coverage is not None:
        others.append(Line2D([], [], color="#d0e1ee", linewidth=8, label=say("seen_surface", lang)))
    if content.roads is not None:
        others.append(Line2D([], [], color=_ROAD, linewidth=6, label=say("roads", lang)))
    figure.legend(
        handles=[*marks, *sections, *others],
        loc="lower left",
        bbox_to_anchor=(_SIDE_IN / _WIDTH_IN, 0.02),
        ncols=5,
        frameon=False,
        prop=font(9.5),
        labelcolor=_INK,
        borderaxespad=0,
        columnspacing=1.8,
        handlelength=1.8,
    )
