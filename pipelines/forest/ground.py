"""The survey's ground as a raster of small cells: what was photographed, and what crowns cover."""

from dataclasses import dataclass
from typing import Final

import geopandas as gpd
import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.features import rasterize
from rasterio.warp import Resampling, reproject

from geo.raster import Grid
from geo.raster.grid import CELL_PX

__all__ = ["HEIGHTS_SHARE", "MESH_M", "Ground", "covered", "ground_of"]

Flags = NDArray[np.bool_]
MESH_M: Final = 20
HEIGHTS_SHARE: Final = 0.5
"""Mean heights are given where the height model covers at least this much of what was photographed."""
_SIDES_M: Final = (0.5, 1.0, 2.5, 5.0)
"""Cells of these sides fill a mesh of 20 m, stands' cells of 10 m, and the cells of 5 m that changes are found in."""
_MOST_CELLS: Final = 30_000_000
_AT_ONCE: Final = 5_000


@dataclass(frozen=True, slots=True)
class Ground:
    """Cells in the plane, rows from the north; the north-west corner lies on a corner of the 20 m mesh.

    Attributes:
        crs: the plane.
        west_m: west edge.
        north_m: north edge.
        cell_m: side of a cell.
        seen: bool (rows, columns), photographed; whole meshes both ways.
        cover: bool (rows, columns), photographed and under a crown.
        measured: bool (rows, columns), covered by the height model; None where there is none.
        placed: whether the plane's coordinates are a place on Earth; else the map lies at its origin.
    """

    crs: CRS
    west_m: float
    north_m: float
    cell_m: float
    seen: Flags
    cover: Flags
    measured: Flags | None = None
    placed: bool = True

    @property
    def transform(self) -> Affine:
        """Cell corners to the plane."""
        return Affine(self.cell_m, 0, self.west_m, 0, -self.cell_m, self.north_m)

    @property
    def cell_m2(self) -> float:
        """Area of a cell."""
        return self.cell_m**2

    @property
    def measured_share(self) -> float:
        """Share of the photographed ground that the height model covers; nan where there is none of either."""
        seen = int(self.seen.sum())
        return np.nan if self.measured is None or not seen else float((self.measured & self.seen).sum()) / seen

    def blocks(self, values: NDArray[np.generic], side_m: float) -> NDArray[np.float64]:
        """Area, m², where `values` (rows, columns) hold, in blocks of `side_m`: float64 (rows, columns) of blocks.

        The last blocks may reach beyond the cells; `side_m` is a multiple of theirs.
        """
        n = round(side_m / self.cell_m)
        rows, columns = (-(-length // n) for length in values.shape)
        beyond = [(0, whole * n - length) for whole, length in zip((rows, columns), values.shape, strict=True)]
        values = np.pad(values, beyond) if np.any(beyond) else values
        counts = values.reshape(rows, n, columns, n).sum(axis=(1, 3), dtype=np.float64)
        return np.asarray(counts * self.cell_m2, np.float64)

    def around(self, shape: shapely.Geometry) -> tuple[tuple[slice, slice], Affine]:
        """Rows and columns of the cells that hold a polygon's bounds (none where it lies outside), and their corner."""
        height, width = self.seen.shape
        if shape.is_empty:
            return (slice(0, 0), slice(0, 0)), self.transform
        west, south, east, north = shape.bounds
        rows = [int((self.north_m - y) // self.cell_m) for y in (north, south)]
        columns = [int((x - self.west_m) // self.cell_m) for x in (west, east)]
        part = (
            slice(min(max(0, rows[0]), height), max(0, min(height, rows[1] + 1))),
            slice(min(max(0, columns[0]), width), max(0, min(width, columns[1] + 1))),
        )
        return part, self.from_cell(part[0].start, part[1].start)

    def from_cell(self, row: int, column: int) -> Affine:
        """Cell corners to the plane, counted from that row and column."""
        west, north = self.west_m + self.cell_m * column, self.north_m - self.cell_m * row
        return Affine(self.cell_m, 0, west, 0, -self.cell_m, north)

    def place(self, x_m: NDArray[np.float64], y_m: NDArray[np.float64], side_m: float) -> tuple[NDArray[np.int64], ...]:
        """Row and column, int64 (n,), of the block of `side_m` that each place is in; may lie outside."""
        row = np.floor((self.north_m - y_m) / side_m).astype(np.int64)
        return row, np.floor((x_m - self.west_m) / side_m).astype(np.int64)


def ground_of(grid: Grid, cells: Flags, crowns: gpd.GeoDataFrame) -> Ground:
    """The ground of a survey.

    Args:
        grid: the orthophoto's.
        cells: from `pipelines.orthophoto.Scanned`.
        crowns: polygons in the same plane.
    """
    west, south, east, north = plane_bounds(grid)
    side = next((one for one in _SIDES_M if (east - west) * (north - south) / one**2 <= _MOST_CELLS), _SIDES_M[-1])
    west_m, north_m = MESH_M * np.floor(west / MESH_M), MESH_M * np.ceil(north / MESH_M)
    columns, rows = (
        int(np.ceil(length / MESH_M)) * round(MESH_M / side) for length in (east - west_m, north_m - south)
    )
    transform = Affine(side, 0, west_m, 0, -side, north_m)
    seen = _seen(grid, cells, transform, (rows, columns))
    cover = covered(crowns.geometry.to_numpy(), transform, seen.shape) & seen
    place = grid.ortho.place
    return Ground(place.plane, float(west_m), float(north_m), side, seen, cover, placed=not place.free)


def covered(shapes: NDArray[np.object_], transform: Affine, size: tuple[int, ...]) -> Flags:
    """Cells whose middle lies in one of the shapes, bool of `size`."""
    cover = np.zeros(size, np.uint8)
    # Some at a time: rasterio first writes all of them out as lists of Python numbers, 3 kB a crown.
    for start in range(0, len(shapes), _AT_ONCE):
        rasterize(shapes[start : start + _AT_ONCE], out=cover, transform=transform)
    return cover.view(bool)


def plane_bounds(grid: Grid) -> tuple[float, float, float, float]:
    """West, south, east, north of an orthophoto in its plane, m."""
    west, south, east, north = _footprint(grid).bounds
    return float(west), float(south), float(east), float(north)


def _footprint(grid: Grid) -> shapely.Polygon:
    """The orthophoto's own rectangle in the plane: its last cells reach beyond it."""
    width, height = grid.inside_px
    along = np.linspace(0, 1, 20, endpoint=False)
    sides = [(along, 0 * along), (0 * along + 1, along), (1 - along, 0 * along + 1), (0 * along, 1 - along)]
    edge = np.concatenate([np.column_stack(side) for side in sides]) * (width, height)
    return shapely.Polygon(grid.to_plane(edge))


def _seen(grid: Grid, cells: Flags, transform: Affine, shape: tuple[int, int]) -> Flags:
    place = grid.ortho.place
    a, b, c, d, e, f = place.transform[:6]
    wide, high = CELL_PX / grid.x_scale, CELL_PX / grid.y_scale
    seen = np.zeros(shape, np.uint8)
    reproject(
        cells.astype(np.uint8),
        seen,
        src_transform=Affine(a * wide, b * high, c, d * wide, e * high, f),
        src_crs=place.crs.to_wkt(),
        dst_transform=transform,
        dst_crs=place.plane.to_wkt(),
        resampling=Resampling.nearest,
    )
    inside = rasterize([_footprint(grid)], shape, transform=transform, dtype=np.uint8)
    return np.asarray((seen > 0) & (inside > 0), bool)
