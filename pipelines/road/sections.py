"""The road's condition by sections: crack ratio, MCI, diagnosis, and how much of each was seen at all.

MCI is the maintenance control index of Japan's Public Works Research Institute in the form that needs the crack ratio
alone, MCI = 10 − 2.23 · C^0.3 with C in % (舗装の維持修繕に関する技術指針). The diagnosis is that of the inspection
guideline for pavements (舗装点検要領, 2016): II from 20 %, III from 40 %.

A crack's area is that of its defect's footprint: the box of its best view laid on the road, once, however often it was
seen. The box holds the crack and sound road around it, which makes the ratio too high; cracks that were missed or are
too doubtful to be listed make it too low.
"""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from geo.network import Roads
from geo.network.chainage import heading_deg, undirected_diff_deg
from pipelines.road.classes import CRACKS, POTHOLE
from pipelines.road.status import CLOSED

Array = NDArray[np.float64]
Shapes = NDArray[np.object_]

SECTION_COLUMNS = [
    *("section", "link", "from_m", "to_m", "crack_ratio_pct", "mci", "diagnosis"),
    *("n_potholes", "coverage_pct", "area_seen_m2", "geometry"),
]


class SectionParams(BaseModel):
    """How road sections are cut and rated (params.yaml, section `sections`).

    Attributes:
        length_m: nominal length of a section.
        min_coverage_pct: sections of whose lanes less was seen are not rated.
        reach_m: sections farther than this from all that was seen are left out.
        along_deg: a frame shows a section only if the vehicle's heading differs from the road's by no more: who
            crosses a road has not inspected it.
        ii_pct: crack ratio from which on a section is diagnosed II.
        iii_pct: crack ratio from which on a section is diagnosed III.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    length_m: float = Field(default=20.0, gt=0)
    min_coverage_pct: float = Field(default=30.0, ge=0, le=100)
    reach_m: float = Field(default=40.0, ge=0)
    along_deg: float = Field(default=45.0, gt=0, le=90)
    ii_pct: float = Field(default=20.0, gt=0)
    iii_pct: float = Field(default=40.0, gt=0)


def rate_sections(
    roads: Roads,
    defects: gpd.GeoDataFrame,
    seen: gpd.GeoDataFrame,
    params: SectionParams | None = None,
) -> gpd.GeoDataFrame:
    """The table `sections`: what was seen of every section of the roads driven, and its condition.

    A road counts as driven where at least one of its sections was seen well enough to be rated; of such roads the
    sections within reach are kept. What was hardly seen has no crack ratio, MCI, diagnosis or pothole count: null.

    Args:
        roads: the network.
        defects: table `defects` with `footprint`; those that are gone, closed or not listed do not count.
        seen: as from `coverage.seen_ground`.
        params: length, limits.

    Returns:
        `SECTION_COLUMNS`, in order of link and chainage. `area_seen_m2` is lane area; a crack ratio is the area of
        the union of all cracks' footprints on the lanes seen by that area.
    """
    knobs = params or SectionParams()
    table = _near(roads, seen, knobs)
    lanes = shapely.buffer(table.geometry.to_numpy(), table["width_m"].to_numpy(np.float64) / 2, cap_style="flat")
    ground = _ground_seen(table, lanes, seen, knobs.along_deg)
    table["area_seen_m2"] = shapely.area(ground)
    table["coverage_pct"] = 100.0 * np.minimum(table["area_seen_m2"] / np.maximum(shapely.area(lanes), 1e-9), 1.0)
    table["n_potholes"] = _potholes(roads, table, defects, knobs.length_m)
    rated = table["coverage_pct"].to_numpy() >= np.maximum(knobs.min_coverage_pct, 1e-9)
    cracked = _cracked_area(table, ground, defects)
    ratio = np.where(rated, 100.0 * cracked / np.maximum(shapely.area(ground), 1e-9), np.nan)
    table["crack_ratio_pct"] = np.minimum(ratio, 100.0)
    table["mci"] = mci(table["crack_ratio_pct"].to_numpy())
    table["diagnosis"] = diagnosis(table["crack_ratio_pct"].to_numpy(), knobs)
    # A pothole in a section hardly seen is news; none in it is not.
    table.loc[~rated & (table["n_potholes"] == 0), "n_potholes"] = pd.NA
    driven = table["link"].isin(set(table["link"][rated]))
    return table.loc[driven, SECTION_COLUMNS].reset_index(drop=True)


def mci(crack_ratio_pct: Array) -> Array:
    """(n,) float64 maintenance control index from crack ratios in %; NaN stays NaN."""
    return np.asarray(10.0 - 2.23 * np.power(crack_ratio_pct, 0.3), np.float64)


def diagnosis(crack_ratio_pct: Array, params: SectionParams) -> NDArray[np.object_]:
    """(n,) object `I`, `II` or `III` from crack ratios in %; None for NaN."""
    level = np.digitize(crack_ratio_pct, [params.ii_pct, params.iii_pct])
    named = np.array(["I", "II", "III"], object)[np.minimum(level, 2)]
    named[np.isnan(crack_ratio_pct)] = None
    return named


def _near(roads: Roads, seen: gpd.GeoDataFrame, params: SectionParams) -> gpd.GeoDataFrame:
    """Sections within reach of any ground seen; only links in reach are cut, a network may be a whole prefecture."""
    tree = shapely.STRtree(seen.geometry.to_numpy())

    def reached(shapes: Shapes) -> NDArray[np.int64]:
        return np.unique(tree.query(shapes, predicate="dwithin", distance=params.reach_m)[0])

    # By their frames alone: measuring the distance to a link of a hundred kilometres costs more than cutting it.
    links = roads.links.iloc[reached(shapely.box(*shapely.bounds(roads.links.geometry.to_numpy()).T))]
    table = Roads(links, roads.params).sections(params.length_m)
    return table.iloc[reached(table.geometry.to_numpy())].reset_index(drop=True)


def _ground_seen(table: gpd.GeoDataFrame, lanes: Shapes, seen: gpd.GeoDataFrame, along_deg: float) -> Shapes:
    """(n,) the part of each section's lanes that frames show."""
    lines = table.geometry.to_numpy()
    section, frame = shapely.STRtree(seen.geometry.to_numpy()).query(lanes, predicate="intersects")
    road = heading_deg(lines, shapely.length(lines) / 2)
    across = undirected_diff_deg(road[section], seen["heading_deg"].to_numpy(np.float64)[frame]) > along_deg
    # What was seen from above has no heading, and shows roads in every direction.
    along = ~across
    return clipped_unions(lanes, section[along], seen.geometry.to_numpy()[frame[along]])


def _cracked_area(table: gpd.GeoDataFrame, ground: Shapes, defects: gpd.GeoDataFrame) -> Array:
    """(n,) m²: union of the cracks' footprints on each section's seen lanes; those of another road do not count."""
    cracks = defects[there(defects) & defects["class"].isin(CRACKS).to_numpy()]
    shapes = cracks["footprint"].to_numpy(object)  # None of what is only carried over from an earlier survey
    section, which = shapely.STRtree(shapes).query(ground, predicate="intersects")
    same = table["link"].to_numpy(object)[section] == cracks["link"].to_numpy(object)[which]
    valid = shapely.make_valid(shapes[which[same]])
    return np.asarray(shapely.area(clipped_unions(ground, section[same], valid)), np.float64)


def there(defects: gpd.GeoDataFrame) -> NDArray[np.bool_]:
    """(n,) bool: what is on the road now, as far as it is believed."""
    left = pd.Series(True, index=defects.index)
    if "change" in defects.columns:
        left &= ~defects["change"].isin(["gone"])
    if "status" in defects.columns:
        left &= ~defects["status"].isin(CLOSED)
    if "listed" in defects.columns:
        left &= defects["listed"].astype(bool)
    return left.to_numpy(bool)


def clipped_unions(within: Shapes, owner: NDArray[np.int64], shapes: Shapes) -> Shapes:
    """(n,) the union of the shapes of each owner, clipped to it; empty for owners without any."""
    out = np.full(len(within), shapely.Polygon(), object)
    order = np.argsort(owner, kind="stable")
    owners, first = np.unique(owner[order], return_index=True)
    for one, members in zip(owners, np.split(order, first[1:]) if len(owners) else [], strict=True):
        out[one] = shapely.intersection(shapely.union_all(shapes[members]), within[one])
    return out


def _potholes(roads: Roads, table: gpd.GeoDataFrame, defects: gpd.GeoDataFrame, length_m: float) -> pd.Series[int]:
    """Int64 (n,): potholes that are there now, by the section their chainage lies in."""
    holes = defects[there(defects) & ((defects["class"] == POTHOLE) & (defects["link"].fillna("") != "")).to_numpy()]
    names = roads.section_at(holes["link"].to_numpy(object), holes["chainage_m"].to_numpy(np.float64), length_m)
    counts = pd.Series(names, dtype=object).value_counts()
    found = table["section"].map(counts)
    return pd.Series(pd.array(found.fillna(0).to_numpy(np.int64), dtype="Int64"), index=table.index)
