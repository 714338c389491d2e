"""Stands told apart by what their crowns are like, where no register says where they are."""

import geopandas as gpd
import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from scipy import ndimage

from pipelines.forest.ground import Ground
from pipelines.forest.params import StandParams
from pipelines.forest.regions import merged_regions
from pipelines.forest.shapes import areas_of, extent_of

__all__ = ["delineate"]

Floats = NDArray[np.float64]
_MOST_CELLS = 60_000
"""Merging takes about 30 µs a cell; larger surveys get cells of twice the side."""


def delineate(ground: Ground, crowns: gpd.GeoDataFrame, params: StandParams) -> gpd.GeoDataFrame:
    """Stands that fill the photographed ground without gaps or overlaps: `stand` (S1, S2, …), polygon.

    Cells are like each other in stem density, crown cover, crown diameter and, where known, height. Borders that two
    stands share are smoothed together, so that they still fit.
    """
    side = ground.cell_m * round(params.cell_m / ground.cell_m)
    seen = ground.blocks(ground.seen, side)
    while np.count_nonzero(seen) > _MOST_CELLS:
        side *= 2
        seen = ground.blocks(ground.seen, side)
    inside = seen >= 0.25 * side**2
    if not inside.any():
        return gpd.GeoDataFrame({"stand": np.empty(0, object)}, geometry=[], crs=ground.crs)
    features = _features(ground, crowns, side, seen, params)
    number = np.full(inside.shape, -1)
    number[inside] = np.arange(inside.sum())
    regions = merged_regions(
        features[inside], _touching(number), params.differ, max(1, round(1e4 * params.smallest_ha / side**2))
    )
    labels = np.zeros(inside.shape, np.int32)
    labels[inside] = regions + 1
    labels = np.where(inside, _without_strips(labels, params.narrowest_m / 2 / side), 0).astype(np.int32)
    shapes = _smooth(labels, Affine(side, 0, ground.west_m, 0, -side, ground.north_m), ground, side)
    names = np.array([f"S{k}" for k in range(1, len(shapes) + 1)], object)
    return gpd.GeoDataFrame({"stand": names}, geometry=shapes, crs=ground.crs)


def _features(ground: Ground, crowns: gpd.GeoDataFrame, side: float, seen: Floats, params: StandParams) -> Floats:
    """What a cell and its surroundings are like, float64 (rows, columns, f), in units of a difference that counts."""
    counted = crowns[crowns["counted"]]
    row, column = ground.place(counted["top_x_m"].to_numpy(), counted["top_y_m"].to_numpy(), side)
    there = (row >= 0) & (row < seen.shape[0]) & (column >= 0) & (column < seen.shape[1])
    sigma = params.smooth_m / side

    def spread(values: Floats) -> Floats:
        return np.asarray(ndimage.gaussian_filter(values, sigma, mode="constant"), np.float64)

    def total(weights: Floats) -> Floats:
        sums = np.zeros(seen.shape)
        np.add.at(sums, (row[there], column[there]), weights[there])
        return spread(sums)

    area = np.maximum(spread(seen), 1e-6)
    stems = total(np.ones(len(counted)))
    cover = spread(ground.blocks(ground.cover, side))
    parts = [np.sqrt(1e4 * stems / area) / params.stems_root, 100 * cover / area / params.cover_pct]
    sizes = [("crown_diameter_m", params.diameter_m)]
    if "height_m" in counted:
        sizes.append(("height_m", params.height_m))
    for name, unit in sizes:
        values = counted[name].to_numpy(np.float64)
        known = np.isfinite(values)
        weight = total(known.astype(np.float64))
        usual = float(values[known].mean()) if known.any() else 0.0
        # A quarter of a stem of the usual size: where hardly anything stands, size tells nothing apart.
        parts.append((total(np.where(known, values, 0)) + 0.25 * usual) / (weight + 0.25) / unit)
    return np.stack(parts, axis=-1)


def _touching(number: NDArray[np.int64]) -> NDArray[np.int64]:
    pairs = [
        np.column_stack([number[:, :-1].ravel(), number[:, 1:].ravel()]),
        np.column_stack([number[:-1].ravel(), number[1:].ravel()]),
    ]
    joined = np.concatenate(pairs)
    return joined[(joined >= 0).all(axis=1)]


def _without_strips(labels: NDArray[np.int32], half_width: float) -> NDArray[np.int32]:
    """Regions too narrow to be stands, given to what lies nearest: smoothing makes a strip of every sharp border.

    Args:
        labels: int32 (rows, columns), 0 outside.
        half_width: cells; a region none of whose cells is farther than this from its edge is a strip.
    """
    rim = np.zeros(labels.shape, bool)
    for one, other, low, high in (
        (labels[1:], labels[:-1], np.s_[1:], np.s_[:-1]),
        (labels[:, 1:], labels[:, :-1], np.s_[:, 1:], np.s_[:, :-1]),
    ):
        apart = (one != other) & (one > 0) & (other > 0)
        rim[low] |= apart
        rim[high] |= apart
    if not rim.any():
        return labels
    depth = ndimage.distance_transform_edt(~rim) + 1
    numbers = np.arange(1, labels.max() + 1)
    wide = ndimage.maximum(depth, labels, numbers) > half_width
    if not wide.any():
        return labels
    kept = np.concatenate([[False], wide])[labels]
    nearest = ndimage.distance_transform_edt(~kept, return_distances=False, return_indices=True)
    return np.asarray(labels[tuple(nearest)], np.int32)


def _smooth(labels: NDArray[np.int32], transform: Affine, ground: Ground, side: float) -> list[shapely.Geometry]:
    """Regions as polygons with smooth shared borders, cut to the photographed ground."""
    wide = np.pad(labels, 2)
    nearest = ndimage.distance_transform_edt(wide == 0, return_distances=False, return_indices=True)
    wide = wide[tuple(nearest)].astype(np.int32)
    a, b, c, d, e, f = transform[:6]
    outlines = areas_of(wide, Affine(a, b, c - 2 * side, d, e, f + 2 * side))
    smooth = shapely.coverage_simplify(list(outlines.values()), 1.5 * side)
    extent = extent_of(ground.seen, ground.transform)
    cut = [_polygons(shapely.intersection(shape, extent)) for shape in smooth]
    return [shape for shape in cut if not shape.is_empty]


def _polygons(shape: shapely.Geometry) -> shapely.Geometry:
    """What of a geometry has an area."""
    parts = [part for part in shapely.get_parts(shape) if part.geom_type == "Polygon" and part.area >= 1.0]
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)
