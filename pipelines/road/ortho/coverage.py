"""The ground that an orthophoto shows, where it was looked at."""

from collections.abc import Iterator
from typing import Final

import geopandas as gpd
import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import shapes

from geo.raster import Grid
from geo.raster.grid import CELL_PX

__all__ = ["photographed"]

Flags = NDArray[np.bool_]
_CELL_M: Final = 0.25
_PIECE_M: Final = 20.0
"""Areas of this side are quick to cut with one another; one polygon of a whole flight is not."""


def photographed(grid: Grid, cells: Flags, name: str) -> gpd.GeoDataFrame:
    """The ground that was photographed and looked at, as `road.coverage.seen_ground` gives that of a drive.

    Args:
        grid: the orthophoto's.
        cells: from `pipelines.orthophoto.Scanned`.
        name: stands in `frame`.

    Returns:
        `frame`, `t_s` (NaN), `heading_deg` (NaN: from above) and Polygons in the plane that do not overlap.
    """
    merged = max(1, round(_CELL_M / (CELL_PX * max(grid.pixel_m))))
    coarse = _merged(cells, merged)
    piece = max(1, round(_PIECE_M / (merged * CELL_PX * max(grid.pixel_m))))
    inside = shapely.box(0, 0, *grid.inside_px)
    outlines = [shapely.intersection(one, inside) for one in _outlines(coarse, piece, merged * CELL_PX)]
    places = [_on_map(one, grid) for one in outlines if one.area > 0]
    table = {"frame": [name] * len(places), "t_s": np.nan, "heading_deg": np.nan}
    return gpd.GeoDataFrame(table, geometry=gpd.GeoSeries(places, crs=grid.ortho.plane), crs=grid.ortho.plane)


def _merged(cells: Flags, n: int) -> Flags:
    """Blocks of n × n cells of which at least half were photographed; beyond the last ones all is as they are."""
    rows, columns = (-length % n for length in cells.shape)
    padded = np.pad(cells, ((0, rows), (0, columns)), mode="edge").view(np.uint8)
    # Slices are added up in a tenth of the time that a sum over the short axes of blocks takes.
    seen = np.zeros((padded.shape[0] // n, padded.shape[1] // n), np.uint16)
    for row in range(n):
        for column in range(n):
            seen += padded[row::n, column::n]
    return np.asarray(2 * seen >= n * n, bool)


def _outlines(coarse: Flags, piece: int, side_px: int) -> Iterator[shapely.Geometry]:
    """Polygons in grid pixels, none larger than `piece` × `piece` cells of `side_px`."""
    for top in range(0, coarse.shape[0], piece):
        for left in range(0, coarse.shape[1], piece):
            part = coarse[top : top + piece, left : left + piece]
            place = Affine(side_px, 0, left * side_px, 0, side_px, top * side_px)
            for outline, _ in shapes(part.astype(np.uint8), mask=part, connectivity=4, transform=place):
                yield shapely.Polygon(outline["coordinates"][0], outline["coordinates"][1:])


def _on_map(outline: shapely.Geometry, grid: Grid) -> shapely.Geometry:
    return shapely.transform(outline, grid.to_plane)
