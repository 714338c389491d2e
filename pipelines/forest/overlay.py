"""Two maps laid over one another: the offset taken off, crowns paired, what is lost and gained."""

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from rasterio.features import rasterize
from scipy import ndimage

from pipelines.forest.chance import CELL_M, Tally
from pipelines.forest.ground import Ground, covered
from pipelines.forest.offset import Offset, Places, find_offset
from pipelines.forest.pairing import pair_crowns
from pipelines.forest.params import CanopyParams, ChangeParams
from pipelines.forest.previous import Previous

__all__ = ["Overlay", "centres", "overlaid"]

Flags = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Overlay:
    """The two maps on the same ground.

    Attributes:
        ground: of the new flight.
        offset: what was added to the old map's places.
        both: bool (rows, columns) of `ground`, photographed by both flights.
        inner: bool (rows, columns), of those where crowns are compared: not nearer than `edge_m` to the border.
        edge_m: in whole cells.
        cover: bool (rows, columns), of those under a crown in the old map.
        old: old counted crowns that are compared, where they belong in the new map, with `lost`.
        standing: the new map's crowns that stand, whatever their score.
        gained: new counted crowns that were not there before.
        n_now: new counted crowns on the ground that is compared.
    """

    ground: Ground
    offset: Offset
    both: Flags
    inner: Flags
    edge_m: float
    cover: Flags
    old: gpd.GeoDataFrame
    standing: gpd.GeoDataFrame
    gained: gpd.GeoDataFrame
    n_now: int

    def tally(self) -> Tally:
        """The crowns by 5 m cell."""
        shape = tuple(round(length * self.ground.cell_m / CELL_M) for length in self.ground.seen.shape)
        cells = []
        for crowns in (self.old, self.gained):
            x, y = centres(crowns).T
            row, column = self.ground.place(x, y, CELL_M)
            cells.append(row * shape[1] + column)
        score = pd.to_numeric(self.old["score"], errors="coerce").to_numpy(np.float64, na_value=np.nan)
        return Tally((shape[0], shape[1]), cells[0], score, self.old["lost"].to_numpy(bool), cells[1])


def overlaid(
    previous: Previous, crowns: gpd.GeoDataFrame, ground: Ground, params: ChangeParams, canopy: CanopyParams
) -> Overlay:
    """Lay an earlier map over a new one.

    A crown that the new flight saw at any score, counted or not, is not lost; one that lies down, by the heights of
    both flights, is. Trees that only a height model shows are compared where both flights have one.

    Args:
        previous: the earlier map.
        crowns: of the new one, with `counted`, in the same plane.
        ground: of the new one.
        params: how far and how near.
        canopy: from which height on a crown is a tree.
    """
    then, now = previous.crowns, crowns
    if not (_has_heights(then) and _has_heights(now)):
        then, now = (one[one["seen_by"] != "chm"].reset_index(drop=True) for one in (then, now))
    standing = now[~(_heights(now) < canopy.lowest_m)].reset_index(drop=True)
    old_places, new_places = _places(then), _places(standing)
    offset = find_offset(old_places, new_places, params.search_m)
    shifts = offset.shifts(old_places.xy_m)
    then = _moved(then, shifts)
    match = pair_crowns(Places(old_places.xy_m + shifts, old_places.diameter_m), new_places)
    fallen = _fallen(_heights(then), _heights(standing), match, params.fallen_share)
    both = ground.seen & _seen_before(previous, offset, ground)
    edge_cells = max(1, round(params.edge_m / ground.cell_m))
    inner = ndimage.binary_erosion(both, iterations=edge_cells)
    fresh = np.ones(len(standing), bool)
    fresh[match[match >= 0]] = False
    compared = standing["counted"].to_numpy(bool) & _on(inner, ground, standing)
    old = then.assign(lost=(match < 0) | fallen)[then["counted"].to_numpy(bool) & _on(inner, ground, then)]
    upright = np.ones(len(standing), bool)
    upright[match[fallen]] = False
    return Overlay(
        ground,
        offset,
        both,
        inner,
        edge_cells * ground.cell_m,
        _cover(then, ground) & both,
        old.reset_index(drop=True),
        standing[upright].reset_index(drop=True),
        standing[fresh & compared].reset_index(drop=True),
        int(compared.sum()),
    )


def _fallen(then_m: Floats, now_m: Floats, match: NDArray[np.int64], share: float) -> Flags:
    """Old crowns that were found again, but lower than `share` of what they were, bool (n,)."""
    found = np.zeros(len(then_m), bool)
    pairs = np.flatnonzero(match >= 0)
    found[pairs] = now_m[match[pairs]] < share * then_m[pairs]
    return found


def _has_heights(crowns: gpd.GeoDataFrame) -> bool:
    return bool(np.isfinite(_heights(crowns)).any())


def _heights(crowns: gpd.GeoDataFrame) -> Floats:
    if "height_m" not in crowns:
        return np.full(len(crowns), np.nan)
    heights = pd.to_numeric(crowns["height_m"], errors="coerce")
    return np.asarray(heights.to_numpy(np.float64, na_value=np.nan), np.float64)


def centres(crowns: gpd.GeoDataFrame) -> Floats:
    """Middles of crowns, float64 (n, 2) m; not their tops, which a height model moves."""
    middles = shapely.get_coordinates(shapely.centroid(crowns.geometry.to_numpy()))
    return np.asarray(middles, np.float64)


def _places(crowns: gpd.GeoDataFrame) -> Places:
    return Places(centres(crowns), crowns["crown_diameter_m"].to_numpy(np.float64))


def _moved(crowns: gpd.GeoDataFrame, shifts: Floats) -> gpd.GeoDataFrame:
    """Each crown moved by its own shift (n, 2)."""
    shapes = crowns.geometry.to_numpy().copy()
    corners, whose = shapely.get_coordinates(shapes, return_index=True)
    return crowns.set_geometry(shapely.set_coordinates(shapes, corners + shifts[whose]), crs=crowns.crs)


def _seen_before(previous: Previous, offset: Offset, ground: Ground) -> Flags:
    corners = shapely.get_coordinates(previous.extent) + np.array([offset.east_m, offset.north_m])
    extent = shapely.set_coordinates(previous.extent, corners)
    return np.asarray(rasterize([extent], ground.seen.shape, transform=ground.transform, dtype=np.uint8) > 0, bool)


def _on(mask: Flags, ground: Ground, crowns: gpd.GeoDataFrame) -> Flags:
    """Whether each crown's centre is in the mask, bool (n,)."""
    x, y = centres(crowns).T
    row, column = ground.place(x, y, ground.cell_m)
    inside = (row >= 0) & (row < mask.shape[0]) & (column >= 0) & (column < mask.shape[1])
    found = np.zeros(len(crowns), bool)
    found[inside] = mask[row[inside], column[inside]]
    return found


def _cover(crowns: gpd.GeoDataFrame, ground: Ground) -> Flags:
    shapes = crowns.geometry.to_numpy()[crowns["counted"].to_numpy(bool)]
    return covered(shapes, ground.transform, ground.seen.shape)
