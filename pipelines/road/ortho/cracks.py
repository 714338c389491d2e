"""One row per crack, from the boxes that show it."""

import datetime as dt
import uuid

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from pipelines.road.classes import name_en, name_ja
from pipelines.road.consolidate import Consolidated, empty_defects
from pipelines.road.evidence import Looks, Watch, boxes_of, confidence
from pipelines.road.features import DEFECT_COLUMNS, NAMESPACE
from pipelines.road.ortho.joining import JoinRule, join, near, rectangle_m, united
from pipelines.road.ortho.observe import Sheet

__all__ = ["cracks_of"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Shapes = NDArray[np.object_]

_SIZE_SHARE = 0.25
"""Standard deviation of a size that was seen once, as a share of it: as for drives (`features`)."""


def cracks_of(
    observations: gpd.GeoDataFrame, sheet: Sheet, date: dt.date, rule: JoinRule, watch: Watch
) -> Consolidated:
    """Join the boxes of each crack.

    A crack's place is the middle of its footprint, moved onto the line that leads through its boxes' middles: boxes of
    a crack that runs slantwise are mostly sound road, their middles lie on the crack. `length_m` is the diameter of
    the smallest circle around it, `width_m` the shorter side of the narrowest rectangle, `area_m2` that of its boxes
    together: a crack that runs straight is no longer, no wider and no larger. Its boxes count as repeated looks of one
    pass (`evidence`).

    Args:
        observations: as from `observe_boxes`; rows with a `why_not` take no part.
        sheet: places them.
        date: of the flight.
        rule: which boxes are one crack.
        watch: what scores are worth.
    """
    names = pd.Series("", index=observations.index, dtype=object)
    shown = observations[(observations["why_not"] == "").to_numpy()]
    if not len(shown):
        return Consolidated(empty_defects(observations.crs), names)
    label = join(shown.geometry.to_numpy(), shown["class"].to_numpy(object), rule)
    places = _places(shown.geometry.to_numpy(), label, rule.touch_m)
    table = _table(shown, label, places, sheet, watch)
    table["first_seen"] = table["last_seen"] = pd.Timestamp(date)
    names.loc[shown.index] = table["uuid"].to_numpy(object)[label]
    return Consolidated(table[DEFECT_COLUMNS], names)


def _table(shown: gpd.GeoDataFrame, label: Ints, xy: Floats, sheet: Sheet, watch: Watch) -> gpd.GeoDataFrame:
    footprint = united(shown.geometry.to_numpy(), label)
    best = _best(shown["score"].to_numpy(np.float64), label)
    kind = shown["class"].to_numpy(object)[best]
    width = rectangle_m(footprint)[1]
    length = 2 * shapely.minimum_bounding_radius(footprint)
    boxes = pd.DataFrame(shown[["x1", "y1", "x2", "y2"]]).groupby(label)
    table = {
        "uuid": _uuids(shown.iloc[best], xy),
        "class": kind,
        "class_ja": [name_ja(one) for one in kind],
        "class_en": [name_en(one) for one in kind],
        "length_m": length,
        "width_m": width,
        "area_m2": shapely.area(footprint),
        "size_sd_m": _SIZE_SHARE * (length + width) / 2,
        "depth": "unknown",
        "score": shown["score"].to_numpy(np.float64)[best],
        "confidence": _confidence(shown, label, len(xy), watch),
        "position_sd_m": sheet.sd_m,
        "n_seen": 1,
        "n_looked": 1,
        "n_passes": 1,
        **_links(shown, best, sheet, xy),
        "heading_deg": np.nan,
        "frame": sheet.name,
        **{f"box_{edge}": boxes[edge].min().to_numpy() for edge in ("x1", "y1")},
        **{f"box_{edge}": boxes[edge].max().to_numpy() for edge in ("x2", "y2")},
        "footprint": footprint,
    }
    return gpd.GeoDataFrame(pd.DataFrame(table), geometry=list(shapely.points(xy)), crs=shown.crs)


def _best(score: Floats, label: Ints) -> Ints:
    """(n,) the row of each crack's highest score."""
    order = np.lexsort((np.arange(len(score)), -score, label))
    return order[np.unique(label[order], return_index=True)[1]]


def _places(shapes: Shapes, label: Ints, touch_m: float) -> Floats:
    """(n, 2) m: the middle of each crack's boxes, moved onto the lines from middle to middle of boxes that touch."""
    middles = shapely.centroid(shapes)
    pairs = near(shapes, touch_m)
    pairs = pairs[label[pairs[:, 0]] == label[pairs[:, 1]]]
    ways = shapely.linestrings(shapely.get_coordinates(middles)[pairs])
    order = np.argsort(np.concatenate([label, label[pairs[:, 0]]]), kind="stable")
    owner = np.concatenate([label, label[pairs[:, 0]]])[order]
    along = shapely.geometrycollections(np.concatenate([middles, ways])[order], indices=owner)
    ways = shapely.shortest_line(along, shapely.centroid(united(shapes, label)))
    return np.asarray(shapely.get_coordinates(shapely.get_point(ways, 0)), np.float64)


def _confidence(shown: gpd.GeoDataFrame, label: Ints, n: int, watch: Watch) -> Floats:
    """A box seen straight from above is a look from near: the distance that evidence asks for is none."""
    gain = boxes_of(pd.DataFrame(shown.drop(columns="geometry")).assign(forward_m=0.0), watch).weight
    one = np.ones(len(shown))
    return confidence(Looks(label, np.zeros(len(shown), np.int64), one.astype(bool), gain, one), n, watch.params)


def _links(shown: gpd.GeoDataFrame, best: Ints, sheet: Sheet, xy: Floats) -> dict[str, NDArray[np.generic]]:
    """Where cracks lie along the roads: by their middles, else by their best boxes."""
    columns = ("link", "chainage_m", "offset_m")
    values = {name: shown[name].to_numpy()[best] for name in columns}
    if sheet.streets is not None:
        found = sheet.streets.snap(xy, sheet.sd_m)
        values = {name: np.where(found.found, getattr(found, name), values[name]) for name in columns}
    return values


def _uuids(best: pd.DataFrame, xy: Floats) -> list[str]:
    """A uuid from where each crack's best box lies in which file."""
    boxes = best[["x1", "y1", "x2", "y2"]].to_numpy(np.float64)
    return [
        str(uuid.uuid5(NAMESPACE, f"{name}|{','.join(f'{v:.1f}' for v in box)}|{x:.2f},{y:.2f}"))
        for name, box, (x, y) in zip(best["frame"], boxes, xy, strict=True)
    ]
