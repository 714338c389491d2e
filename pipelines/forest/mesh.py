"""The 20 m mesh in which Japan's prefectures exchange forest resources, on the plane's own 20 m lines."""

from typing import Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from geo.crs import JAPAN_PLANE_ZONES, JGD2000_PLANE_ZONES
from pipelines.forest.ground import HEIGHTS_SHARE, MESH_M, Ground
from pipelines.forest.params import MeshParams

__all__ = ["mesh20m", "mesh_names"]

Ints = NDArray[np.int64]
_SHEET_M: Final = (40_000, 30_000)
"""A sheet 1:50,000 of the national base map, east × north; 1:5,000 sheets are a tenth of it both ways."""


def mesh20m(ground: Ground, crowns: gpd.GeoDataFrame, params: MeshParams) -> gpd.GeoDataFrame:
    """Stems, density, cover and sizes of every mesh that was photographed, north to south, west to east.

    Args:
        ground: what was photographed and covered.
        crowns: with `counted`, and `height_m` where a height model was read.
        params: from which share seen figures are given; below it they are null, not zero. So are heights where the
            height model covers less than half of what was seen.

    Returns:
        `mesh`, `seen_pct`, `stems`, `stems_ha`, `cover_pct`, `crown_diameter_m`, `height_m`, `height_max_m`, polygon.
    """
    seen, cover = ground.blocks(ground.seen, MESH_M), ground.blocks(ground.cover, MESH_M)
    rows, columns = np.nonzero(seen > 0)
    counted = crowns[crowns["counted"]]
    row, column = ground.place(counted["top_x_m"].to_numpy(), counted["top_y_m"].to_numpy(), MESH_M)
    inside = (row >= 0) & (row < seen.shape[0]) & (column >= 0) & (column < seen.shape[1])
    counted, block = counted[inside], (row * seen.shape[1] + column)[inside]
    groups = counted.groupby(block)
    at = rows * seen.shape[1] + columns
    area = seen[rows, columns]
    share = area / MESH_M**2
    enough = share >= params.seen_share

    def figure(series: "pd.Series[float]") -> NDArray[np.float64]:
        return np.asarray(series.reindex(at), np.float64)

    stems = groups.size().reindex(at, fill_value=0).to_numpy(np.int64)
    table = {
        "mesh": mesh_names(ground, rows, columns),
        "seen_pct": np.rint(1000 * share) / 10,
        "stems": pd.array(stems, pd.Int32Dtype()),
        "stems_ha": np.where(enough, 1e4 * stems / area, np.nan),
        "cover_pct": np.where(enough, 100 * cover[rows, columns] / area, np.nan),
        "crown_diameter_m": figure(groups["crown_diameter_m"].mean()),
    }
    if "height_m" in crowns:
        high = _measured(ground)[rows, columns] >= HEIGHTS_SHARE * area
        mean, most = (figure(one) for one in (groups["height_m"].mean(), groups["height_m"].max()))
        table |= {"height_m": np.where(high, mean, np.nan), "height_max_m": np.where(high, most, np.nan)}
    west, north = ground.west_m + MESH_M * columns, ground.north_m - MESH_M * rows
    shapes = shapely.box(west, north - MESH_M, west + MESH_M, north)
    return gpd.GeoDataFrame(pd.DataFrame(table), geometry=shapes, crs=ground.crs)


def _measured(ground: Ground) -> NDArray[np.float64]:
    """Area, m², of what was seen and has heights, by mesh."""
    known = ground.seen if ground.measured is None else ground.seen & ground.measured
    return ground.blocks(known, MESH_M)


def mesh_names(ground: Ground, rows: Ints, columns: Ints) -> list[str]:
    """What meshes are called.

    In Japan by the sheet of the national base map that they are in (zone, 1:50,000 sheet, 1:5,000 sheet), then row from
    the north and column from the west in it: `09LD34-012-101`. Elsewhere, and without a place, by their south-west
    corner in metres.
    """
    west = (ground.west_m + MESH_M * columns).astype(np.int64)
    north = (ground.north_m - MESH_M * rows).astype(np.int64)
    code = ground.crs.to_epsg()
    zones = next((zones for zones in (JAPAN_PLANE_ZONES, JGD2000_PLANE_ZONES) if code in zones), None)
    if zones is None or not ground.placed:
        return [f"E{x}N{y - MESH_M}" for x, y in zip(west.tolist(), north.tolist(), strict=True)]
    zone = code - zones.start + 1
    return [_sheet_name(zone, x, y) for x, y in zip(west.tolist(), north.tolist(), strict=True)]


def _sheet_name(zone: int, west_m: int, north_m: int) -> str:
    """Sheets are lettered from 300 km north and 160 km west of the zone's origin: rows A to T, columns A to H."""
    east, south = west_m + 160_000, 300_000 - north_m
    wide, high = _SHEET_M
    column, row = east // wide, south // high
    if not (0 <= column < 8 and 0 <= row < 20):
        return f"{zone:02d}E{west_m}N{north_m - MESH_M}"
    small_wide, small_high = wide // 10, high // 10
    fine = f"{south % high // small_high}{east % wide // small_wide}"
    place = f"{south % small_high // MESH_M:03d}-{east % small_wide // MESH_M:03d}"
    return f"{zone:02d}{chr(65 + row)}{chr(65 + column)}{fine}-{place}"
