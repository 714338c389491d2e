"""What is known of a defect from all its sightings: place, size, class, dates, and where it is best seen."""

from __future__ import annotations

import datetime as dt
import uuid
from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from pipelines.road.classes import name_en, name_ja
from pipelines.road.merging import Fused
from pipelines.road.sightings import Array, Index, Sightings
from pipelines.road.votes import Belief

NAMESPACE = uuid.UUID("6f0a3c1e-7d0b-5f57-9a55-2f6c0f6b7f0d")

DEFECT_COLUMNS = [
    *("uuid", "class", "class_ja", "class_en", "length_m", "width_m", "area_m2", "size_sd_m", "depth", "score"),
    *(
        "confidence",
        "position_sd_m",
        "n_seen",
        "n_looked",
        "n_passes",
        "first_seen",
        "last_seen",
        "link",
        "chainage_m",
        "offset_m",
        "heading_deg",
    ),
    *("frame", "box_x1", "box_y1", "box_x2", "box_y2", "footprint", "geometry"),
]
_BOX = ["x1", "y1", "x2", "y2"]
_SIZES = ["length_m", "width_m"]
_CUT = ["length_cut", "width_cut"]
_EDGE_SD_PX = 2.0
"""How well a box's edges are drawn, whatever agrees with it."""


@dataclass(frozen=True, slots=True)
class Labels:
    """To what each of n sightings belongs, all (n,) int64 numbered without gaps."""

    defect: Index
    run: Index
    passes: Index


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of n defects from their runs and boxes.

    Attributes:
        labels: what belongs together.
        place: where they lie, from the runs of all passes.
        named: the class of each.
        belief: how far each can be believed.
    """

    labels: Labels
    place: Fused
    named: list[str]
    belief: Belief


def defect_table(
    observations: gpd.GeoDataFrame,
    sightings: Sightings,
    found: Found,
    photo_forward_m: float,
    zone: dt.tzinfo = dt.UTC,
) -> gpd.GeoDataFrame:
    """One row per defect, in order of label.

    Args:
        observations: table `observations`.
        sightings: the observations' sightings.
        found: what is known of the defects.
        photo_forward_m: see `consolidate.ConsolidateParams`.
        zone: the time zone that days are counted in.
    """
    labels, names = found.labels, found.named
    seen = pd.DataFrame(observations.drop(columns=observations.geometry.name)).iloc[sightings.row]
    seen = seen.reset_index(drop=True)
    n = int(labels.defect.max()) + 1
    xy, cov = found.place.xy_m, found.place.cov
    best = _best_views(seen, labels.defect, photo_forward_m)
    size, size_sd = _sizes(seen, labels.defect, n)
    days = _days(seen["t_s"], zone)
    by_defect = days.groupby(labels.defect)
    table = pd.DataFrame(
        {
            "uuid": _uuids(seen, sightings, labels.defect),
            "class": names,
            "class_ja": [name_ja(name) for name in names],
            "class_en": [name_en(name) for name in names],
            "length_m": size[:, 0],
            "width_m": size[:, 1],
            "area_m2": size[:, 2],
            "size_sd_m": size_sd,
            "depth": "unknown",
            "score": _scores(sightings.score, labels, n),
            "confidence": found.belief.confidence,
            "position_sd_m": np.sqrt(np.trace(cov, axis1=1, axis2=2) / 2),
            "n_seen": np.bincount(labels.defect, minlength=n),
            "n_looked": found.belief.n_looked,
            "n_passes": pd.Series(labels.passes).groupby(labels.defect).nunique().to_numpy(),
            "first_seen": by_defect.min().to_numpy(),
            "last_seen": by_defect.max().to_numpy(),
            "link": _links(sightings, labels.defect, n),
            **_best_columns(seen.iloc[best]),
        }
    )
    places = _footprints(observations, sightings, best, xy)
    table["footprint"] = np.array(places, object)
    table["chainage_m"], table["offset_m"] = _along_link(seen, sightings, labels.defect, table["link"].to_numpy(), xy)
    points = gpd.GeoSeries(gpd.points_from_xy(xy[:, 0], xy[:, 1]), crs=observations.crs)
    return gpd.GeoDataFrame(table, geometry=points, crs=observations.crs)[DEFECT_COLUMNS]


def _uuids(seen: pd.DataFrame, sightings: Sightings, defect: Index) -> list[str]:
    """A uuid from each defect's first sighting: what it shows, in which frame, when and where."""
    first = np.unique(defect, return_index=True)[1]
    rows = seen.iloc[first]
    boxes = rows[_BOX].to_numpy(np.float64)
    keys = zip(rows["frame"], rows["t_s"], boxes, sightings.xy_m[first], strict=True)
    return [
        str(uuid.uuid5(NAMESPACE, f"{frame}|{t:.3f}|{','.join(f'{v:.1f}' for v in (*box, *xy))}"))
        for frame, t, box, xy in keys
    ]


def _scores(score: Array, labels: Labels, n: int) -> Array:
    """Chance that any pass saw it rightly: sightings of a pass repeat one another, passes are independent."""
    best = np.zeros(int(labels.run.max()) + 1)
    np.maximum.at(best, labels.run, score)
    of_run = np.zeros(len(best), np.int64)
    of_run[labels.run] = labels.defect
    wrong = np.bincount(of_run, np.log1p(-np.clip(best, 0, 0.9999)), minlength=n)
    return np.asarray(-np.expm1(wrong))


def _sizes(seen: pd.DataFrame, defect: Index, n: int) -> tuple[Array, Array]:
    """Length, width, area (n, 3), weighted medians that trust near views, and the sd (n,) m of their mean.

    A pixel covers ground in proportion to the square of the distance along the road, so that a box's size has a
    variance that grows with its fourth power. What the picture's edge cuts short says only how large a thing is at
    least: it counts where nothing shows a thing whole, and then the largest does.
    """
    weight = np.maximum(seen["forward_m"].to_numpy(np.float64), 2.0) ** -4.0
    values, cut = seen[_SIZES].to_numpy(np.float64), seen[_CUT].to_numpy(bool)
    sides = np.column_stack([_size(values[:, k], weight, cut[:, k], defect, n) for k in range(2)])
    whole = np.where(cut.any(axis=1), 0.0, weight)
    area = weighted_median(seen["area_m2"].to_numpy(np.float64), whole, defect, n)
    area = np.where(np.isnan(area), sides.prod(axis=1), area)
    # Where no box is whole their scatter is that of where the edge cuts.
    counted = np.where(np.bincount(defect, whole, n)[defect] > 0, whole, weight)
    off = np.abs(values.mean(axis=1) - sides.mean(axis=1)[defect])
    spread = 1.4826 * weighted_median(off, counted, defect, n)
    # One sighting says nothing of its own scatter: a quarter of the size stands for it, shrinking as sightings agree.
    count = np.bincount(defect, counted > 0, n)
    guess = 0.25 * sides.mean(axis=1)
    drawn = _EDGE_SD_PX * weighted_median(_metres_a_pixel(seen), counted, defect, n)
    variance = (spread**2 * (count - 1) + guess**2) / count + drawn**2
    return np.column_stack([sides, area]), np.sqrt(variance)


def _size(values: Array, weight: Array, cut: NDArray[np.bool_], defect: Index, n: int) -> Array:
    """(n,) m: the weighted median of what is whole, else the largest of what is cut."""
    largest = np.full(n, np.nan)
    np.fmax.at(largest, defect, values)
    whole = weighted_median(values, np.where(cut, 0.0, weight), defect, n)
    return np.where(np.isnan(whole), largest, whole)


def _metres_a_pixel(seen: pd.DataFrame) -> Array:
    """(sightings,) m: what a pixel of each box covers on the road, the mean of along and across it."""
    box = seen[_BOX].to_numpy(np.float64)
    sides_px = np.maximum(box[:, [3, 2]] - box[:, [1, 0]], 1.0)
    return np.asarray((seen[_SIZES].to_numpy(np.float64) / sides_px).mean(axis=1), np.float64)


def weighted_median(values: Array, weight: Array, group: Index, n: int) -> Array:
    """(n,) float64: per group the value at which half of the weight is reached; NaN where a group has none."""
    good = np.isfinite(values) & (weight > 0)
    values, weight, group = values[good], weight[good], group[good]
    order = np.lexsort((weight, values, group))
    values, weight, group = values[order], weight[order], group[order]
    median = np.full(n, np.nan)
    if not len(values):
        return median
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    total = np.add.reduceat(weight, starts)
    before = np.cumsum(weight) - np.repeat(np.cumsum(np.append(0, total[:-1])), np.diff(np.append(starts, len(group))))
    reached = before >= np.repeat(total, np.diff(np.append(starts, len(group)))) / 2 * (1 - 1e-12)
    first = np.flatnonzero(reached)
    which, at = np.unique(group[first], return_index=True)
    median[which] = values[first[at]]
    return median


def _best_views(seen: pd.DataFrame, defect: Index, forward_m: float) -> Index:
    """(n,) int64: the sighting to show: whole in the picture, near the best distance, sure."""
    cut = seen[_CUT].to_numpy(bool).any(axis=1)
    away = np.abs(np.log(np.maximum(seen["forward_m"].to_numpy(np.float64), 0.5) / forward_m))
    worth = seen["score"].to_numpy(np.float64) / (1 + away) * np.where(cut, 0.5, 1.0)
    order = np.lexsort((np.arange(len(seen)), -worth, defect))
    return order[np.unique(defect[order], return_index=True)[1]]


def _best_columns(rows: pd.DataFrame) -> dict[str, NDArray[np.generic]]:
    named = {"frame": rows["frame"].to_numpy(), "heading_deg": rows["heading_deg"].to_numpy()}
    return named | {f"box_{edge}": rows[edge].to_numpy(np.float64) for edge in _BOX}


def _days(t_s: pd.Series[float], zone: dt.tzinfo) -> pd.Series[pd.Timestamp]:
    """Days in a zone, without it."""
    return pd.to_datetime(t_s, unit="s", utc=True).dt.tz_convert(zone).dt.tz_localize(None).dt.floor("D")


def _links(sightings: Sightings, defect: Index, n: int) -> list[str]:
    """The link most sightings were snapped to, near ones weighing more."""
    weight = 1 / np.maximum(sightings.forward_m, 1.0)
    votes = pd.DataFrame({"defect": defect, "link": sightings.link, "weight": weight})
    total = votes.groupby(["defect", "link"], sort=True)["weight"].sum().reset_index()
    total["none"] = total["link"] == ""
    ranked = total.sort_values(["defect", "none", "weight", "link"], ascending=[True, True, False, True])
    return ranked.drop_duplicates("defect")["link"].tolist()[:n]


def _along_link(
    seen: pd.DataFrame, sightings: Sightings, defect: Index, link: NDArray[np.object_], xy: Array
) -> tuple[Array, Array]:
    """Chainage and offset of each defect (n,), from the sighting on its link nearest to its fused position."""
    off = np.linalg.norm(sightings.xy_m - xy[defect], axis=1) + np.where(sightings.link == link[defect], 0.0, 1e6)
    order = np.lexsort((np.arange(len(off)), off, defect))
    rows = order[np.unique(defect[order], return_index=True)[1]]
    return seen["chainage_m"].to_numpy(np.float64)[rows], seen["offset_m"].to_numpy(np.float64)[rows]


def _footprints(observations: gpd.GeoDataFrame, sightings: Sightings, best: Index, xy: Array) -> list[object]:
    """The best view's polygon on the road, moved to the fused position."""
    shapes = observations.geometry.to_numpy()[sightings.row[best]]
    return [
        None if shape is None else shapely.transform(shape, lambda at, by=move: at + by)
        for shape, move in zip(shapes, xy - sightings.xy_m[best], strict=True)
    ]
