"""What changed in each mesh and each stand, beside what chance alone would do there."""

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize

from pipelines.forest.chance import Chance
from pipelines.forest.ground import MESH_M
from pipelines.forest.overlay import Overlay, centres
from pipelines.forest.stands import crowns_in

__all__ = ["cover_noise", "loss_ha", "mesh_changes", "stand_changes"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Counts:
    """By piece of ground, float64 (n,): crowns, and m² photographed by both flights and under crowns."""

    before: Floats
    lost: Floats
    risk: Floats
    gained: Floats
    shared_m2: Floats
    was_m2: Floats
    now_m2: Floats


def mesh_changes(mesh: gpd.GeoDataFrame, over: Overlay, chance: Chance, seen_share: float) -> gpd.GeoDataFrame:
    """The meshes with `CHANGE_COLUMNS`; nulls where both flights photographed less than `seen_share`."""
    ground = over.ground
    corners = shapely.bounds(mesh.geometry.to_numpy()).reshape(-1, 4)
    row, column = ground.place(corners[:, 0] + MESH_M / 2, corners[:, 3] - MESH_M / 2, MESH_M)
    areas = [ground.blocks(layer, MESH_M) for layer in (over.both, over.both & over.cover, over.both & ground.cover)]
    wide = areas[0].shape[1]
    crowns = []
    for one in (over.old, over.gained):
        x, y = centres(one).T
        rows, columns = ground.place(x, y, MESH_M)
        crowns.append(rows * wide + columns)
    lost, risk = over.old["lost"].to_numpy(np.float64), over.old["risk"].to_numpy(np.float64)
    size = areas[0].size
    sums = [
        np.bincount(crowns[0], minlength=size),
        np.bincount(crowns[0], lost, minlength=size),
        np.bincount(crowns[0], risk, minlength=size),
        np.bincount(crowns[1], minlength=size),
    ]
    numbers = row * wide + column
    counts = _Counts(*(np.asarray(one, np.float64).ravel()[numbers] for one in (*sums, *areas)))
    return _with_columns(mesh, counts, np.full(len(mesh), float(MESH_M**2)), chance, seen_share)


def stand_changes(stands: gpd.GeoDataFrame, over: Overlay, chance: Chance) -> gpd.GeoDataFrame:
    """The stands with `CHANGE_COLUMNS`; nulls where nothing was photographed by both flights."""
    shapes = stands.geometry.to_numpy()
    rows = []
    old, gained = (
        crowns_in(stands, centres(one), one["crown_diameter_m"].to_numpy(np.float64) / 2)
        for one in (over.old, over.gained)
    )
    lost, risk = over.old["lost"].to_numpy(np.float64), over.old["risk"].to_numpy(np.float64)
    for shape, inside, new in zip(shapes, old, gained, strict=True):
        rows.append((len(inside), lost[inside].sum(), risk[inside].sum(), len(new), *_covers(shape, over)))
    counts = _Counts(*np.array(rows, np.float64).reshape(-1, 7).T)
    return _with_columns(stands, counts, shapely.area(shapes), chance, 0.0)


def _covers(shape: shapely.Geometry, over: Overlay) -> tuple[float, float, float]:
    """M² of a polygon: photographed by both flights, covered then, covered now."""
    ground = over.ground
    part, corner = ground.around(shape)
    both = over.both[part]
    if 0 in both.shape:
        return 0.0, 0.0, 0.0
    inside = (rasterize([shape], both.shape, transform=corner, dtype=np.uint8) > 0) & both
    sums = [
        float(one.sum()) * ground.cell_m2 for one in (inside, inside & over.cover[part], inside & ground.cover[part])
    ]
    return sums[0], sums[1], sums[2]


def _with_columns(
    frame: gpd.GeoDataFrame, counts: _Counts, area_m2: Floats, chance: Chance, least_share: float
) -> gpd.GeoDataFrame:
    share = np.divide(counts.shared_m2, area_m2, out=np.zeros_like(area_m2), where=area_m2 > 0)
    known = (counts.shared_m2 > 0) & (share >= least_share)

    def number(values: Floats) -> Floats:
        return np.where(known, values, np.nan)

    def whole(values: Floats) -> "pd.Series[int]":
        return pd.Series(number(values), frame.index).astype(pd.Int32Dtype())

    with np.errstate(invalid="ignore", divide="ignore"):
        change = 100 * (counts.now_m2 - counts.was_m2) / counts.shared_m2
        lost_share = counts.lost / counts.before
    return frame.assign(
        compared_pct=np.minimum(100.0, 100 * share),
        cover_change_pct=number(change),
        n_before=whole(counts.before),
        lost=whole(counts.lost),
        lost_share=number(lost_share),
        lost_chance=number(counts.risk),
        lost_limit=number(chance.limit(counts.before, counts.risk)),
        gained=whole(counts.gained),
        gained_chance=number(chance.gained * counts.before),
    )


def loss_ha(stands: gpd.GeoDataFrame, areas: gpd.GeoDataFrame) -> Floats:
    """Hectares of canopy loss in each stand, null where nothing was compared, float64 (stands,)."""
    shapes = stands.geometry.to_numpy()
    found = np.where(stands["n_before"].isna(), np.nan, 0.0)
    which, area = shapely.STRtree(areas.geometry.to_numpy()).query(shapes, predicate="intersects")
    shared = shapely.area(shapely.intersection(shapes[which], areas.geometry.to_numpy()[area])) / 1e4
    np.add.at(found, which, shared)
    return found


def cover_noise(mesh: gpd.GeoDataFrame, areas: gpd.GeoDataFrame) -> float:
    """Standard deviation of the change in cover of meshes without canopy loss, points; nan where there are too few."""
    hurt = shapely.STRtree(areas.geometry.to_numpy()).query(mesh.geometry.to_numpy(), predicate="intersects")[0]
    calm = mesh["cover_change_pct"].drop(mesh.index[np.unique(hurt)]).dropna().to_numpy(np.float64)
    return float(np.sqrt(np.mean(calm**2))) if len(calm) >= 10 else float("nan")
