"""Squares in place of road sections, where nobody said where the roads are."""

from typing import Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from pipelines.road.classes import CRACKS, POTHOLE
from pipelines.road.sections import SECTION_COLUMNS, SectionParams, clipped_unions, diagnosis, mci, there

__all__ = ["rate_squares"]

_INSET_M: Final = 0.5
"""Squares are drawn this far inside themselves, so that a neighbour's colour does not hide theirs."""
_LEAST_M2: Final = 1.0


def rate_squares(defects: gpd.GeoDataFrame, seen: gpd.GeoDataFrame, params: SectionParams) -> gpd.GeoDataFrame:
    """The table `sections` for squares of the plane instead of pieces of road.

    All that was photographed counts as pavement: where it is none, crack ratios are too low.

    Args:
        defects: judged, with `footprint`; those that are gone, closed or not listed do not count.
        seen: as from `coverage.photographed`.
        params: `length_m` is the squares' side.

    Returns:
        `SECTION_COLUMNS`; `section` is named by the square's south-west corner in the plane, `link` is empty, and the
        geometry is the square's outline as a LineString.
    """
    squares = _squares(seen, params.length_m)
    ground = _parts(squares, seen.geometry.to_numpy())
    kept = shapely.area(ground) >= _LEAST_M2
    squares, ground = squares[kept], ground[kept]
    area = shapely.area(ground)
    share = 100 * area / params.length_m**2
    rated = share >= max(params.min_coverage_pct, 1e-9)
    defects = defects[there(defects)]
    cracks = defects["footprint"][defects["class"].isin(CRACKS)].dropna().to_numpy(object)
    cracked = shapely.area(_parts(ground, shapely.make_valid(cracks)))
    ratio = np.where(rated, np.minimum(100 * cracked / np.maximum(area, 1e-9), 100), np.nan)
    table = {
        "section": _names(squares),
        "link": "",
        "from_m": np.nan,
        "to_m": np.nan,
        "crack_ratio_pct": ratio,
        "mci": mci(ratio),
        "diagnosis": diagnosis(ratio, params),
        "n_potholes": pd.array(np.where(rated, _potholes(squares, defects), 0), dtype="Int64"),
        "coverage_pct": np.minimum(share, 100.0),
        "area_seen_m2": area,
    }
    frame = gpd.GeoDataFrame(
        pd.DataFrame(table, index=pd.RangeIndex(len(squares))), geometry=_drawn(squares), crs=seen.crs
    )
    frame.loc[~rated, "n_potholes"] = pd.NA
    return frame[SECTION_COLUMNS]


def _squares(seen: gpd.GeoDataFrame, side_m: float) -> NDArray[np.object_]:
    """Squares on whole multiples of their side, those that any ground seen reaches, from the north, then the west."""
    if not len(seen):
        return np.empty(0, object)
    west, south, east, north = seen.total_bounds
    x = side_m * np.arange(np.floor(west / side_m), np.ceil(east / side_m))
    y = side_m * np.arange(np.floor(south / side_m), np.ceil(north / side_m))[::-1]
    left, bottom = (grid.ravel() for grid in np.meshgrid(x, y))
    squares = shapely.box(left, bottom, left + side_m, bottom + side_m)
    reached = shapely.STRtree(seen.geometry.to_numpy()).query(squares, predicate="intersects")[0]
    return np.asarray(squares[np.unique(reached)], object)


def _parts(within: NDArray[np.object_], shapes: NDArray[np.object_]) -> NDArray[np.object_]:
    """(n,) what the shapes cover of each area."""
    owner, shape = shapely.STRtree(shapes).query(within, predicate="intersects")
    return clipped_unions(within, owner, shapes[shape])


def _potholes(squares: NDArray[np.object_], defects: gpd.GeoDataFrame) -> NDArray[np.int64]:
    holes = defects[(defects["class"] == POTHOLE).to_numpy(bool)]
    owner = shapely.STRtree(squares).query(holes.geometry.to_numpy(), predicate="intersects")
    # A hole on a border belongs to the first of its squares.
    first = np.unique(owner[0], return_index=True)[1]
    return np.bincount(owner[1][first], minlength=len(squares)).astype(np.int64)


def _names(squares: NDArray[np.object_]) -> list[str]:
    corners = shapely.bounds(squares).reshape(-1, 4)[:, :2]
    return [f"E{x:.0f}N{y:.0f}" for x, y in corners.tolist()]


def _drawn(squares: NDArray[np.object_]) -> list[shapely.LineString]:
    return list(shapely.boundary(shapely.buffer(squares, -_INSET_M, join_style="mitre")))
