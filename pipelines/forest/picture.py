"""The stand map at a glance: the orthophoto, crowns, gaps and stands on one PNG."""

import io
from dataclasses import dataclass
from typing import Any, Final

import geopandas as gpd
import numpy as np
import shapely
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import EllipseCollection, LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from geo.styles import OKABE_ITO
from pipelines.forest.backdrop import Backdrop
from pipelines.forest.layers import TITLES
from pipelines.forest.results import Results
from pipelines.forest.words import LANGUAGES, say
from pipelines.report import labels
from pipelines.report.fonts import printable
from pipelines.report.furniture import font, north_arrow, scale_bar

__all__ = ["plain_map", "quick_look"]

_LEGEND_ROW_IN: Final = 0.24
_LEGEND_COLUMNS: Final = 3
_MOST_OUTLINES: Final = 20_000
_INK, _PAPER = "#1f2933", "#ffffff"
_LOSS: Final = "#9c1f7a"
_MOST_LABELS: Final = 20
_SEEN: Final = {"image": OKABE_ITO["yellow"], "both": OKABE_ITO["orange"], "chm": OKABE_ITO["sky"]}


@dataclass(frozen=True, slots=True)
class _Paper:
    """What a map is drawn on: width, margin left and right, room for a heading (all in inches), and pixels an inch."""

    width_in: float
    side_in: float
    head_in: float
    dpi: int


_ALONE: Final = _Paper(11.0, 0.25, 0.75, 150)
_IN_A_PAGE: Final = _Paper(7.5, 0.02, 0.02, 220)
"""As wide as a page's text: its letters are printed in the size that they are drawn in."""


def quick_look(results: Results, beneath: Backdrop) -> bytes:
    """A PNG of the survey with a heading, in both languages: crowns (up to 20,000), gaps and stands."""
    return _drawn(results, beneath, LANGUAGES, _ALONE)


def plain_map(results: Results, beneath: Backdrop, lang: str) -> bytes:
    """The same map in one language and without a heading, for a page that has its own."""
    return _drawn(results, beneath, (lang,), _IN_A_PAGE)


def _drawn(results: Results, beneath: Backdrop, languages: tuple[str, ...], paper: _Paper) -> bytes:
    extent = beneath.extent
    marks = _marks(results, languages)
    foot = 0.15 + _LEGEND_ROW_IN * -(-len(marks) // _LEGEND_COLUMNS)
    inner = paper.width_in - 2 * paper.side_in
    tall = inner * extent.height / extent.width
    height = tall + paper.head_in + foot
    figure = Figure(figsize=(paper.width_in, height), dpi=paper.dpi, facecolor=_PAPER)
    canvas = FigureCanvasAgg(figure)
    left = paper.side_in / paper.width_in
    axes = figure.add_axes((left, foot / height, inner / paper.width_in, tall / height))
    axes.set(xlim=(extent.x1, extent.x2), ylim=(extent.y1, extent.y2), xticks=[], yticks=[], facecolor="#e8eaed")
    place = (extent.x1, extent.x2, extent.y1, extent.y2)
    axes.imshow(beneath.rgba, extent=place, interpolation="bilinear", aspect="auto", zorder=0)
    _crowns(axes, results)
    _areas(axes, results)
    _losses(axes, results)
    north_arrow(axes)
    scale_bar(axes, extent)
    if paper.head_in > _LEGEND_ROW_IN:
        _heading(figure, results, left, height)
    _legend(figure, marks, left, height)
    buffer = io.BytesIO()
    canvas.print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def _drawn_crowns(results: Results) -> dict[str, gpd.GeoDataFrame]:
    """The crowns on the map by what they are seen in, those kinds alone that there are."""
    counted = results.crowns[results.crowns["counted"]]
    kinds = {kind: counted[counted["seen_by"] == kind] for kind in _SEEN}
    return {kind: crowns for kind, crowns in kinds.items() if len(crowns)}


def _drawn_gaps(results: Results) -> gpd.GeoDataFrame:
    return results.gaps[results.gaps["kind"] == "gap"]


def _crowns(axes: Any, results: Results) -> None:
    for kind, crowns in _drawn_crowns(results).items():
        if len(results.crowns) > _MOST_OUTLINES:
            tops = crowns[["top_x_m", "top_y_m"]].to_numpy(np.float64)
            axes.add_collection(
                EllipseCollection(
                    size := np.full(len(tops), 1.0),
                    size,
                    0 * size,
                    offsets=tops,
                    units="points",
                    facecolors=_SEEN[kind],
                    transOffset=axes.transData,
                )
            )
            continue
        rings = [shapely.get_coordinates(shape.exterior) for shape in crowns.geometry]
        thin = _thin(len(results.crowns))
        axes.add_collection(PolyCollection(rings, facecolors="none", edgecolors=_SEEN[kind], linewidths=thin, zorder=3))


def _thin(n: int) -> float:
    return 0.9 if n < 1500 else 0.5


def _areas(axes: Any, results: Results) -> None:
    openings = _drawn_gaps(results)
    gap = OKABE_ITO["vermilion"]
    if len(openings):  # with their holes: crowns stand in openings
        openings.plot(ax=axes, facecolor=gap, alpha=0.25, edgecolor="none", aspect=None, zorder=2)
        openings.boundary.plot(ax=axes, color=gap, linewidth=0.8, aspect=None, zorder=4)
        axes.set(xlabel="", ylabel="")
    lines = [line for shape in results.stands.geometry for line in labels.polylines(shapely.boundary(shape))]
    axes.add_collection(LineCollection(lines, colors=_PAPER, linewidths=3.2, zorder=5))
    axes.add_collection(LineCollection(lines, colors=OKABE_ITO["blue"], linewidths=1.8, zorder=6))
    for name, density, shape in zip(
        results.stands["stand"], results.stands["stem_density_ha"], results.stands.geometry, strict=True
    ):
        if not np.isfinite(density) or len(results.stands) > 60:
            continue
        inside = shapely.intersection(
            shape, shapely.box(*axes.get_xlim()[:1], *axes.get_ylim()[:1], axes.get_xlim()[1], axes.get_ylim()[1])
        )
        if inside.is_empty:
            continue
        point = inside.representative_point()
        text = f"{printable(str(name))}\n{density:,.0f}/ha"
        box = {"boxstyle": "round,pad=0.25", "facecolor": _PAPER, "edgecolor": OKABE_ITO["blue"], "alpha": 0.85}
        axes.text(
            point.x, point.y, text, ha="center", va="center", color=_INK, fontproperties=font(8), bbox=box, zorder=7
        ).set_parse_math(False)


def _losses(axes: Any, results: Results) -> None:
    """Canopy lost since the earlier flight, hatched, the twenty largest with their numbers and hectares."""
    if results.change is None or not len(results.change.areas):
        return
    areas = results.change.areas
    areas.plot(ax=axes, facecolor="none", edgecolor=_LOSS, hatch="xxx", linewidth=0, aspect=None, zorder=4)
    areas.boundary.plot(ax=axes, color=_PAPER, linewidth=4.0, aspect=None, zorder=6)
    areas.boundary.plot(ax=axes, color=_LOSS, linewidth=2.2, aspect=None, zorder=6)
    axes.set(xlabel="", ylabel="")
    box = {"boxstyle": "round,pad=0.25", "facecolor": _PAPER, "edgecolor": _LOSS, "alpha": 0.9}
    for number, area, shape in zip(areas["change"], areas["area_m2"], areas.geometry, strict=True):
        if number <= _MOST_LABELS:
            west, _, east, north = shape.bounds
            axes.annotate(
                f"No. {number}　{area / 1e4:,.2f} ha", ((west + east) / 2, north), xytext=(0, 4), zorder=8, bbox=box,
                textcoords="offset points", ha="center", va="bottom", color=_INK, fontproperties=font(8),
            )  # fmt: skip


def _heading(figure: Any, results: Results, left: float, height: float) -> None:
    figure.text(left, 1 - 0.33 / height, "林分図　Stand map", color=_INK, va="center", fontproperties=font(17))
    date = results.date or "撮影日不明 date unknown"
    stems = results.n_counted / results.area_ha if results.area_ha else 0.0
    under = f"{results.survey}　{date}　{results.area_ha:,.2f} ha　樹冠 crowns {results.n_counted:,}　{stems:,.0f}/ha"
    line = figure.text(left, 1 - 0.6 / height, printable(under), color=_INK, va="center", fontproperties=font(10))
    line.set_parse_math(False)


def _marks(results: Results, languages: tuple[str, ...]) -> list[Any]:
    """What the legend explains, with its words: what is on the map."""

    def named(key: str) -> str:
        return " ".join(say(key, lang) for lang in languages)

    kinds = _drawn_crowns(results)
    marks: list[Any] = [Line2D([], [], color=_SEEN[kind], linewidth=2, label=named(f"crown_{kind}")) for kind in kinds]
    if len(_drawn_gaps(results)):
        marks.append(Patch(facecolor=OKABE_ITO["vermilion"], alpha=0.5, label=named("gap")))
    if len(results.stands):
        marks.append(Line2D([], [], color=OKABE_ITO["blue"], linewidth=2, label=named("stand_border")))
    if results.change is not None and len(results.change.areas):
        loss = " ".join(TITLES["changes"][LANGUAGES.index(lang)] for lang in languages)
        marks.append(Patch(facecolor="none", edgecolor=_LOSS, hatch="xxx", label=loss))
    return marks


def _legend(figure: Any, marks: list[Any], left: float, height: float) -> None:
    if not marks:
        return
    figure.legend(
        handles=marks,
        loc="lower left",
        bbox_to_anchor=(left, 0.06 / height),
        ncols=_LEGEND_COLUMNS,
        frameon=True,
        facecolor="#c9d2c2",
        edgecolor="none",
        prop=font(9),
        handlelength=1.4,
        borderaxespad=0,
    )
