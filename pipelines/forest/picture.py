"""The stand map at a glance: the orthophoto, crowns, gaps and stands on one PNG."""

import io
from typing import Any, Final

import numpy as np
import rasterio
import shapely
from affine import Affine
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import EllipseCollection, LineCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.warp import reproject

from geo.raster import Grid, OrthoReader
from geo.raster.ortho import Ortho
from geo.styles import OKABE_ITO
from pipelines.forest.results import Results
from pipelines.report import labels
from pipelines.report.fonts import font_path, printable

__all__ = ["quick_look"]

_WIDTH_IN, _DPI = 11.0, 150
_HEAD_IN, _FOOT_IN, _SIDE_IN = 0.75, 0.6, 0.25
_TALLEST: Final = 1.6
_BACKGROUND_PX: Final = 1600
_MOST_OUTLINES: Final = 20_000
_INK, _PAPER = "#1f2933", "#ffffff"
_SEEN: Final = {"image": OKABE_ITO["yellow"], "both": OKABE_ITO["orange"], "chm": OKABE_ITO["sky"]}
_NAMES: Final = {
    "image": "樹冠（画像）crown, image",
    "both": "樹冠（画像＋樹冠高）crown, image and heights",
    "chm": "樹冠（樹冠高のみ）crown, heights alone",
}


def quick_look(results: Results, ortho: Ortho) -> bytes:
    """A PNG of the survey: the orthophoto beneath crowns (up to 20,000), gaps and stands.

    Raises:
        BadWindow: the orthophoto cannot be read.
    """
    ground = results.ground
    rows, columns = ground.seen.shape
    west, north = ground.west_m, ground.north_m
    east, south = west + columns * ground.cell_m, north - rows * ground.cell_m
    if ground.seen.any():
        used_rows, used_columns = np.flatnonzero(ground.seen.any(axis=1)), np.flatnonzero(ground.seen.any(axis=0))
        west, east = (ground.west_m + ground.cell_m * (used_columns[k] + k % 2) for k in (0, -1))
        north, south = (ground.north_m - ground.cell_m * (used_rows[k] + k % 2) for k in (0, -1))
    inner = _WIDTH_IN - 2 * _SIDE_IN
    if north - south > _TALLEST * (east - west):
        grow = ((north - south) / _TALLEST - (east - west)) / 2
        west, east = west - grow, east + grow
    tall = inner * (north - south) / (east - west)
    height = tall + _HEAD_IN + _FOOT_IN
    figure = Figure(figsize=(_WIDTH_IN, height), dpi=_DPI, facecolor=_PAPER)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((_SIDE_IN / _WIDTH_IN, _FOOT_IN / height, inner / _WIDTH_IN, tall / height))
    axes.set(xlim=(west, east), ylim=(south, north), xticks=[], yticks=[], facecolor="#e8eaed")
    picture, place = _background(ortho, ground.crs.to_wkt(), (west, south, east, north))
    axes.imshow(picture, extent=place, interpolation="bilinear", aspect="auto", zorder=0)
    _crowns(axes, results)
    _areas(axes, results)
    labels_extent = labels.Extent(west, south, east, north)
    _bar(axes, labels_extent)
    _words(figure, results, height)
    buffer = io.BytesIO()
    canvas.print_png(buffer, metadata={"Software": None})
    return buffer.getvalue()


def _background(
    ortho: Ortho, crs: str, bounds: tuple[float, float, float, float]
) -> tuple[NDArray[np.uint8], tuple[float, float, float, float]]:
    """The orthophoto from far above, in the plane: uint8 (h, w, 4), and its left, right, bottom, top."""
    west, south, east, north = bounds
    longest = max(ortho.width_px * ortho.place.ground_m[0], ortho.height_px * ortho.place.ground_m[1])
    grid = Grid(ortho, max(longest / _BACKGROUND_PX, min(ortho.place.ground_m)))
    width, height = grid.size_px
    with OrthoReader(grid, fill=255) as reader:
        patch = reader.read(0, 0, width, height)
    a, b, c, d, e, f = ortho.place.transform[:6]
    source = Affine(a / grid.x_scale, b / grid.y_scale, c, d / grid.x_scale, e / grid.y_scale, f)
    pixel = max(east - west, north - south) / _BACKGROUND_PX
    shape = max(1, round((north - south) / pixel)), max(1, round((east - west) / pixel))
    target = Affine((east - west) / shape[1], 0, west, 0, -(north - south) / shape[0], north)
    bands = np.concatenate([np.moveaxis(patch.rgb, -1, 0), 255 * patch.valid[None].astype(np.uint8)])
    seen = np.zeros((4, *shape), np.uint8)
    with rasterio.Env():
        reproject(
            bands,
            seen,
            src_transform=source,
            src_crs=ortho.place.crs.to_wkt(),
            dst_transform=target,
            dst_crs=crs,
            resampling=Resampling.bilinear,
        )
    return np.moveaxis(seen, 0, -1), (west, east, south, north)


def _crowns(axes: Any, results: Results) -> None:
    for kind, colour in _SEEN.items():
        chosen = results.crowns[(results.crowns["seen_by"] == kind) & results.crowns["counted"]]
        if not len(chosen) or len(results.crowns) > _MOST_OUTLINES:
            continue
        rings = [shapely.get_coordinates(shape.exterior) for shape in chosen.geometry]
        axes.add_collection(
            PolyCollection(rings, facecolors="none", edgecolors=colour, linewidths=_thin(len(results.crowns)), zorder=3)
        )
    if len(results.crowns) > _MOST_OUTLINES:
        tops = results.crowns.loc[results.crowns["counted"], ["top_x_m", "top_y_m"]].to_numpy(np.float64)
        size = np.full(len(tops), 1.0)
        axes.add_collection(
            EllipseCollection(
                size,
                size,
                0 * size,
                offsets=tops,
                units="points",
                facecolors=_SEEN["image"],
                transOffset=axes.transData,
            )
        )


def _thin(n: int) -> float:
    return 0.9 if n < 1500 else 0.5


def _areas(axes: Any, results: Results) -> None:
    openings = results.gaps[results.gaps["kind"] == "gap"]
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
            point.x, point.y, text, ha="center", va="center", color=_INK, fontproperties=_font(8), bbox=box, zorder=7
        ).set_parse_math(False)


def _bar(axes: Any, extent: labels.Extent) -> None:
    length = labels.bar_length_m(extent.width)
    left, low = extent.x1 + 0.02 * extent.width, extent.y1 + 0.03 * extent.height
    axes.plot([left, left + length], [low, low], color=_PAPER, linewidth=7, solid_capstyle="butt", zorder=9)
    axes.plot([left, left + length], [low, low], color=_INK, linewidth=4, solid_capstyle="butt", zorder=10)
    box = {"boxstyle": "square,pad=0.15", "facecolor": _PAPER, "edgecolor": "none", "alpha": 0.85}
    axes.annotate(
        labels.metres(length),
        (left + length, low),
        xytext=(8, 0),
        textcoords="offset points",
        va="center",
        color=_INK,
        fontproperties=_font(9),
        bbox=box,
        zorder=10,
    )
    style = {"arrowstyle": "-|>,head_width=0.35,head_length=0.7", "color": _INK, "lw": 1.8}
    ends = {"xycoords": "axes fraction", "textcoords": "axes fraction"}
    axes.text(
        0.975, 0.93, "N\n\n", transform=axes.transAxes, ha="center", va="center", bbox=box, color=_INK, zorder=9,
        fontproperties=_font(11),
    )  # fmt: skip
    axes.annotate("", (0.975, 0.95), (0.975, 0.9), **ends, arrowprops=style, zorder=10)


def _words(figure: Any, results: Results, height: float) -> None:
    left = _SIDE_IN / _WIDTH_IN
    figure.text(left, 1 - 0.33 / height, "林分図　Stand map", color=_INK, va="center", fontproperties=_font(17))
    date = results.date or "撮影日不明 date unknown"
    stems = results.n_counted / results.area_ha if results.area_ha else 0.0
    under = f"{results.survey}　{date}　{results.area_ha:,.2f} ha　樹冠 crowns {results.n_counted:,}　{stems:,.0f}/ha"
    line = figure.text(left, 1 - 0.6 / height, printable(under), color=_INK, va="center", fontproperties=_font(10))
    line.set_parse_math(False)
    kinds = [kind for kind in _SEEN if (results.crowns["seen_by"] == kind).any()]
    marks: list[Any] = [Line2D([], [], color=_SEEN[kind], linewidth=2, label=_NAMES[kind]) for kind in kinds]
    marks.append(Patch(facecolor=OKABE_ITO["vermilion"], alpha=0.5, label="ギャップ gap"))
    marks.append(Line2D([], [], color=OKABE_ITO["blue"], linewidth=2, label="林分界 stand border"))
    figure.legend(
        handles=marks,
        loc="lower left",
        bbox_to_anchor=(left - 0.01, 0.1 / height),
        ncols=len(marks),
        frameon=True,
        facecolor="#c9d2c2",
        edgecolor="none",
        prop=_font(9),
        handlelength=1.4,
    )


def _font(size: float) -> FontProperties:
    return FontProperties(fname=str(font_path()), size=size)
