"""Heights of crowns from a canopy height model, and the trees that only the height model shows."""

from dataclasses import dataclass
from typing import Any, Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize
from scipy import ndimage
from scipy.spatial import cKDTree
from skimage.feature import peak_local_max
from skimage.segmentation import watershed

from geo.raster import HeightModel, Heights, reading
from geo.raster.heights import HeightReader
from geo.raster.place import apply
from pipelines.forest.crowns import crown_id
from pipelines.forest.params import CanopyParams
from pipelines.forest.shapes import areas_of

__all__ = ["fine_enough", "with_heights"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_BLOCK_PX: Final = 1024
_REPROJECTED: Final = 1.02
"""Pixels of a metre are a little longer or shorter in another plane."""
_EDGE_SHARE: Final = 0.5
"""A crown ends where the canopy is less than half as high as its top."""


@dataclass(frozen=True, slots=True)
class _Block:
    """A block of heights with a rim around its core: rows and columns of the core within it."""

    heights: Heights
    smooth: NDArray[np.float32]
    core: tuple[slice, slice]

    def in_core(self, row: Ints, column: Ints) -> NDArray[np.bool_]:
        rows, columns = self.core
        inside = (row >= rows.start) & (row < rows.stop) & (column >= columns.start) & (column < columns.stop)
        return np.asarray(inside, bool)


def with_heights(
    crowns: gpd.GeoDataFrame, model: HeightModel, params: CanopyParams, name: str = "crown"
) -> gpd.GeoDataFrame:
    """Crowns with heights, and more crowns where the height model has tops that no crown holds.

    A crown's height is the highest value within it, and its top is there; a crown lower than `lowest_m` is not counted:
    what was seen is no tree, or stood not yet (or no more) when the heights were measured. A top that lies in no crown
    becomes a crown of its own, seen by the height model alone, as far as the canopy falls away from it on all sides.

    Args:
        crowns: from `crown_frame`, in the model's plane.
        model: heights above ground.
        params: how it is read.
        name: class of the crowns that the height model alone shows.

    Returns:
        As `crowns`, with `height_m` (nan outside the model), `height_from`, `n_tops`, sorted like `crowns`.

    Raises:
        RasterError: a part of the model cannot be decoded.
    """
    crowns = crowns.assign(height_m=np.nan, n_tops=0, height_from="")
    found = []
    with reading(model) as reader:
        middle = shapely.get_coordinates(shapely.centroid(crowns.geometry.to_numpy()))
        column, row = _pixels(reader, middle)
        rim = _rim_px(crowns, model)
        width, height = reader.size_px
        for top in range(0, height, _BLOCK_PX):
            for left in range(0, width, _BLOCK_PX):
                block = _read(reader, left, top, rim, params.smooth_m / model.pixel_m)
                own = (row >= top) & (row < top + _BLOCK_PX) & (column >= left) & (column < left + _BLOCK_PX)
                near = (row >= top - rim) & (row < top + _BLOCK_PX + rim)
                near &= (column >= left - rim) & (column < left + _BLOCK_PX + rim)
                _measure(crowns, np.flatnonzero(near), own, block)
                if fine_enough(model, params):
                    found.extend(_tops(crowns, np.flatnonzero(near), own, block, params, model.pixel_m))
    low = (crowns["height_m"] < params.lowest_m).to_numpy()
    crowns["counted"] = crowns["counted"] & ~low
    known = crowns["height_m"].notna().to_numpy()
    crowns["seen_by"] = np.where(known & ~low, "both", crowns["seen_by"])
    crowns["height_from"] = np.where(known, f"highest of the height model within the crown, {model.pixel_m:.3g} m", "")
    return _sorted(_joined(crowns, found, model, name))


def fine_enough(model: HeightModel, params: CanopyParams) -> bool:
    """Whether tree tops can be found in a height model."""
    return model.pixel_m <= _REPROJECTED * params.tops_pixel_m


def _pixels(reader: HeightReader, xy: Floats) -> tuple[Ints, Ints]:
    x, y = apply(~reader.transform, xy[:, 0], xy[:, 1])
    return np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)


def _rim_px(crowns: gpd.GeoDataFrame, model: HeightModel) -> int:
    largest = float(crowns["crown_diameter_m"].max()) if len(crowns) else 0.0
    return int(np.ceil(max(largest, 10.0) / model.pixel_m)) + 2


def _read(reader: HeightReader, left: int, top: int, rim: int, sigma_px: float) -> _Block:
    width, height = reader.size_px
    heights = reader.read(left - rim, top - rim, left + _BLOCK_PX + rim, top + _BLOCK_PX + rim)
    first_row, first_column = top - max(0, top - rim), left - max(0, left - rim)
    core = (
        slice(first_row, first_row + min(_BLOCK_PX, height - top)),
        slice(first_column, first_column + min(_BLOCK_PX, width - left)),
    )
    filled = np.nan_to_num(heights.values)
    return _Block(heights, ndimage.gaussian_filter(filled, sigma_px) if sigma_px > 0 else filled, core)


def _numbered(crowns: gpd.GeoDataFrame, near: Ints, block: _Block) -> NDArray[np.int32]:
    """Number in `near`, from 1, of the crown that each pixel is in: the smallest where several are."""
    shape = block.smooth.shape
    if not len(near) or 0 in shape:
        return np.zeros(shape, np.int32)
    order = np.argsort(-crowns["area_m2"].to_numpy()[near], kind="stable")
    shapes = ((crowns.geometry.to_numpy()[near[k]], int(k) + 1) for k in order)
    return np.asarray(rasterize(shapes, shape, transform=block.heights.transform, dtype=np.int32), np.int32)


def _measure(crowns: gpd.GeoDataFrame, near: Ints, own: NDArray[np.bool_], block: _Block) -> None:
    """Write height and top of the block's own crowns."""
    numbers = _numbered(crowns, near, block)
    values = np.where(np.isnan(block.heights.values), -1, block.heights.values)
    wanted = np.flatnonzero(own[near]) + 1
    wanted = wanted[np.isin(wanted, numbers)]
    if not len(wanted):
        return
    highest = ndimage.maximum(values, numbers, wanted)
    place = np.array(ndimage.maximum_position(values, numbers, wanted), np.int64).reshape(-1, 2)
    known = np.asarray(highest, np.float64) >= 0
    rows = near[wanted - 1][known]
    x, y = apply(block.heights.transform, place[known, 1] + 0.5, place[known, 0] + 0.5)
    columns = [crowns.columns.get_loc(name) for name in ("height_m", "top_x_m", "top_y_m")]
    crowns.iloc[rows, columns] = np.column_stack([np.asarray(highest, np.float64)[known], x, y])


def _tops(
    crowns: gpd.GeoDataFrame,
    near: Ints,
    own: NDArray[np.bool_],
    block: _Block,
    params: CanopyParams,
    pixel_m: float,
) -> list[dict[str, Any]]:
    """Count tops in the block's own crowns, and make crowns of those that lie in none."""
    smooth = block.smooth
    if min(smooth.shape, default=0) < 3:
        return []
    tops = _highest_around(smooth, params, pixel_m)
    if not len(tops):
        return []
    numbers = _numbered(crowns, near, block)
    holder = numbers[tops[:, 0], tops[:, 1]]
    counts = np.bincount(holder, minlength=len(near) + 1)[1:]
    mine = near[own[near]]
    crowns.iloc[mine, crowns.columns.get_loc("n_tops")] = counts[own[near]]
    free = (holder == 0) & block.in_core(tops[:, 0], tops[:, 1])
    if not free.any():
        return []
    markers = np.zeros(smooth.shape, np.int32)
    markers[tops[:, 0], tops[:, 1]] = np.arange(1, len(tops) + 1)
    basins = watershed(-smooth, markers, mask=smooth >= params.lowest_m * _EDGE_SHARE)
    level = np.concatenate([[np.inf], smooth[tops[:, 0], tops[:, 1]] * _EDGE_SHARE])
    basins[(smooth < level[basins]) | (numbers > 0)] = 0
    chosen = np.where(np.concatenate([[False], free]), np.arange(len(tops) + 1), 0)
    outlines = areas_of(chosen[basins].astype(np.int32), block.heights.transform)
    found = []
    for number, outline in outlines.items():
        row, column = tops[number - 1].tolist()
        x, y = apply(block.heights.transform, np.array([column + 0.5]), np.array([row + 0.5]))
        shape = _part_at(outline, float(x[0]), float(y[0]), pixel_m)
        if shape is not None and shape.area >= params.smallest_m2:
            height = float(np.nan_to_num(block.heights.values[row, column]))
            found.append({"geometry": shape, "height_m": height, "top_x_m": float(x[0]), "top_y_m": float(y[0])})
    return found


def _highest_around(smooth: NDArray[np.float32], params: CanopyParams, pixel_m: float) -> Ints:
    """Row and column, int64 (n, 2), of the places that are the highest within a distance that grows with height."""
    tops = np.asarray(
        peak_local_max(smooth, min_distance=1, threshold_abs=params.lowest_m, exclude_border=False), np.int64
    )
    height = smooth[tops[:, 0], tops[:, 1]].astype(np.float64)
    order = np.lexsort((tops[:, 1], tops[:, 0], -height))
    tops, height = tops[order], height[order]
    reach = (params.apart_m + params.apart_share * height) / pixel_m
    highest = _overlooked_by_none(smooth, tops, reach)
    tops, reach = tops[highest], reach[highest]
    tree = cKDTree(tops) if len(tops) else None
    kept = np.ones(len(tops), bool)  # of several that are equally high, the first
    for k, around in enumerate(tree.query_ball_point(tops, reach) if tree is not None else []):
        if kept[k]:
            kept[[other for other in around if other > k]] = False
    return tops[kept]


def _overlooked_by_none(smooth: NDArray[np.float32], tops: Ints, reach: Floats) -> NDArray[np.bool_]:
    """Whether nothing within its reach, px, is higher than each of `tops`: not another top, nor the flank of one."""
    rim = int(reach.max(initial=0))
    wide = np.pad(smooth, rim, constant_values=-np.inf)
    row, column = (tops + rim).T
    height, highest = wide[row, column], np.ones(len(tops), bool)
    for down, right in np.argwhere(np.ones((2 * rim + 1, 2 * rim + 1), bool)) - rim:
        near = np.hypot(down, right) <= reach
        highest &= ~near | (wide[row + down, column + right] <= height)
    return highest


def _part_at(outline: shapely.Geometry, x: float, y: float, pixel_m: float) -> shapely.Geometry | None:
    """The part of an outline that holds its top, without holes, its stairs smoothed."""
    point = shapely.Point(x, y)
    parts = [part for part in shapely.get_parts(outline) if part.intersects(point)]
    if not parts:
        return None
    smooth = shapely.simplify(shapely.Polygon(parts[0].exterior), 0.8 * pixel_m)
    return smooth if smooth.geom_type == "Polygon" and not smooth.is_empty else None


def _joined(crowns: gpd.GeoDataFrame, found: list[dict[str, Any]], model: HeightModel, name: str) -> gpd.GeoDataFrame:
    if not found:
        return crowns
    more = gpd.GeoDataFrame(found, geometry="geometry", crs=crowns.crs)
    area = shapely.area(more.geometry.to_numpy())
    more = more.assign(
        area_m2=area,
        crown_diameter_m=2 * np.sqrt(area / np.pi),
        score=np.nan,
        seen_by="chm",
        counted=True,
        n_tops=1,
        height_from=f"top of the height model, {model.pixel_m:.3g} m",
    )
    more["class"] = name
    more["uuid"] = crown_id(more)
    joined = pd.concat([crowns, more[crowns.columns]], ignore_index=True)
    return gpd.GeoDataFrame(joined, geometry="geometry", crs=crowns.crs)


def _sorted(crowns: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    middle = shapely.get_coordinates(shapely.centroid(crowns.geometry.to_numpy()))
    return crowns.iloc[np.lexsort((middle[:, 0], -middle[:, 1]))].reset_index(drop=True)
