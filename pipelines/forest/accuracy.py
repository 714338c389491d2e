"""A stand map against what people know on the ground, plot by plot."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import geopandas as gpd
import numpy as np
import pyogrio
import shapely
from numpy.typing import NDArray

from geo.errors import LayerError
from geo.geopackage import read_layer
from models.plots import PlotFigures, assigned
from pipelines.errors import SurveyError
from pipelines.forest.previous import placed, sized
from pipelines.forest.truth import FieldTruth, TruthRequest, read_truth

__all__ = ["Judged", "TreeMap", "judge_map", "judge_plots"]

Ints = NDArray[np.int64]
_IOU: Final = 0.4
"""A crown is right where its box overlaps that of a true one by more (NeonTreeEvaluation)."""
_SEEN_SHARE: Final = 0.95
"""A plot of which less was photographed tells nothing of the count."""


@dataclass(frozen=True, slots=True)
class TreeMap:
    """What a map says of trees.

    Attributes:
        crowns: those that count as stems: `crown_diameter_m`, `top_x_m`, `top_y_m`, polygons.
        matched: those that are compared one by one; by the protocol all that the model's detection threshold lets
            through, on a finished map those that are counted.
        extent: what was photographed.
    """

    crowns: gpd.GeoDataFrame
    matched: gpd.GeoDataFrame
    extent: shapely.Geometry


@dataclass(frozen=True, slots=True)
class Judged:
    """Figures of the plots that the map shows, and the names of those that it does not."""

    plots: list[PlotFigures]
    outside: list[str]


def judge_map(path: Path, request: TruthRequest) -> Judged:
    """A finished stand map against an office's own plots.

    Raises:
        SurveyError: no stand map, or the truth cannot be used or lies elsewhere.
        CrsError: the truth has no CRS.
    """
    trees = _read_map(path)
    truth = read_truth(request, trees.crowns.crs, trees.extent)
    judged = judge_plots(trees, truth)
    if not judged.plots:
        what = f"none of the {len(judged.outside)} plots was photographed to {100 * _SEEN_SHARE:.0f} %"
        raise SurveyError(what, where=request.plots or request.path, remedy=f"Check its CRS: the map is {path}")
    return judged


def judge_plots(trees: TreeMap, truth: FieldTruth) -> Judged:
    """Stems, cover, diameter and crowns one to one, of every plot that was photographed.

    A tree is in the plot that its top is in: of true crowns, their middle. Cover is what of the plot lies under crowns,
    those that stand outside and reach in among them.
    """
    shapes = truth.plots.geometry.to_numpy()
    seen = shapely.area(shapely.intersection(shapes, trees.extent)) >= _SEEN_SHARE * shapely.area(shapes)
    names = truth.plots["plot"].tolist()
    counted, matched = _Side.of(trees.crowns, _tops(trees.crowns)), _Side.of(trees.matched, _tops(trees.matched))
    true = None if truth.trees is None else _Side.of(truth.trees, _middles(truth.trees))
    figures = []
    for row in np.flatnonzero(seen):
        shape = shapes[row]
        known = truth.plots.iloc[row]
        inside = counted.inside(shape)
        one = {
            "stems": float(len(inside)),
            "cover_pct": counted.cover_pct(shape),
            "diameter_m": _mean(counted.diameter_m[inside]),
            "stems_true": float(known["stems"]),
            "cover_pct_true": float(known["cover_pct"]),
            "diameter_m_true": float(known["diameter_m"]),
        }
        if true is not None:
            one |= _singly(matched, true, shape)
        figures.append(PlotFigures(name=names[row], area_ha=float(shape.area) / 1e4, **one))
    return Judged(figures, [name for name, good in zip(names, seen, strict=True) if not good])


@dataclass(frozen=True, slots=True)
class _Side:
    """Trees on the map or on the ground: shapes, the place (n, 2) of each, trees of both, crown diameters (n,)."""

    shapes: NDArray[np.object_]
    place: NDArray[np.float64]
    places: shapely.STRtree
    outlines: shapely.STRtree
    diameter_m: NDArray[np.float64]

    @classmethod
    def of(cls, frame: gpd.GeoDataFrame, place: NDArray[np.float64]) -> "_Side":
        shapes = frame.geometry.to_numpy()
        bounds = shapely.bounds(shapes)
        sides = (bounds[:, 2:] - bounds[:, :2]).mean(axis=1)
        diameter = frame["crown_diameter_m"].to_numpy(np.float64) if "crown_diameter_m" in frame else sides
        points = shapely.points(place) if len(place) else np.empty(0, object)
        return cls(shapes, place, shapely.STRtree(points), shapely.STRtree(shapes), diameter)

    @property
    def has_area(self) -> bool:
        """Whether the trees are crowns rather than stems."""
        return bool((shapely.area(self.shapes) > 0).all())

    def inside(self, plot: shapely.Geometry) -> Ints:
        """Trees, by number, that stand in a plot."""
        return np.sort(np.asarray(self.places.query(plot, predicate="intersects"), np.int64))

    def cover_pct(self, plot: shapely.Geometry) -> float:
        """Part of a plot under crowns."""
        over = self.shapes[self.outlines.query(plot, predicate="intersects")]
        return 100 * float(shapely.intersection(shapely.union_all(over), plot).area / plot.area)


def _singly(seen: _Side, true: _Side, plot: shapely.Geometry) -> dict[str, float]:
    """What is known where every tree of a plot was mapped."""
    mine, theirs = seen.inside(plot), true.inside(plot)
    first, second, worth = _pairs(seen, true, mine, theirs)
    right = int(assigned(first, second, worth).sum()) if not true.has_area else _right(first, second, worth)
    known = {
        "stems_true": float(len(theirs)),
        "precision": right / len(mine) if len(mine) else np.nan,
        "recall": right / len(theirs) if len(theirs) else np.nan,
    }
    if true.has_area:
        known |= {"cover_pct_true": true.cover_pct(plot), "diameter_m_true": _mean(true.diameter_m[theirs])}
    return known


def _right(first: Ints, second: Ints, iou: NDArray[np.float64]) -> int:
    return int((assigned(first, second, iou) & (iou > _IOU)).sum())


def _pairs(seen: _Side, true: _Side, mine: Ints, theirs: Ints) -> tuple[Ints, Ints, NDArray[np.float64]]:
    """Pairs of a crown on the map and a true tree, and what each is worth.

    Of crowns the overlap of their boxes; of a stem that it is in the crown, and a little more the nearer to its top.
    """
    a, b = np.array([], np.int64), np.array([], np.int64)
    if len(mine) and len(theirs):
        tree = shapely.STRtree(true.shapes[theirs])
        a, b = tree.query(seen.shapes[mine], predicate=None if true.has_area else "intersects")
    a, b = mine[a], theirs[b]
    if true.has_area:
        worth = _box_iou(shapely.bounds(seen.shapes[a]), shapely.bounds(true.shapes[b]))
    else:
        worth = 1 + 1e-6 / (1 + np.hypot(*(seen.place[a] - true.place[b]).T))
    over = worth > 0
    return a[over], b[over], worth[over]


def _box_iou(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Overlap (n,) of boxes (n, 4), pair by pair."""
    a, b = a.reshape(-1, 4), b.reshape(-1, 4)
    shared = np.clip(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0, None).prod(axis=1)
    own = (a[:, 2:] - a[:, :2]).prod(axis=1) + (b[:, 2:] - b[:, :2]).prod(axis=1)
    return np.asarray(shared / (own - shared), np.float64)


def _mean(values: NDArray[np.float64]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _tops(crowns: gpd.GeoDataFrame) -> NDArray[np.float64]:
    """Tops (n, 2); of crowns that people drew, which have none, their middles."""
    stated = crowns[["top_x_m", "top_y_m"]].to_numpy(np.float64)
    return np.where(np.isfinite(stated), stated, _middles(crowns))


def _middles(trees: gpd.GeoDataFrame) -> NDArray[np.float64]:
    return np.asarray(shapely.get_coordinates(shapely.centroid(trees.geometry.to_numpy())), np.float64)


def _read_map(path: Path) -> TreeMap:
    try:
        layers = {str(name) for name, _ in pyogrio.list_layers(path)} if path.exists() else set()
    except pyogrio.errors.DataSourceError:
        layers = set()
    if not {"crowns", "survey_extent"} <= layers:
        what = "no such file" if not path.exists() else "no stand map: it lacks the layers crowns and survey_extent"
        raise SurveyError(what, where=path, remedy="Give the forest.gpkg that `michisora forest` writes")
    try:
        crowns, extent = read_layer(path, "crowns"), read_layer(path, "survey_extent")
        crowns = sized(placed(crowns))
        counted = crowns[crowns["counted"]].reset_index(drop=True)
        return TreeMap(counted, counted, shapely.union_all(extent.geometry.to_numpy()))
    except (LayerError, KeyError) as error:
        raise SurveyError(f"the map cannot be read ({error})", where=path) from error
