"""Openings in the canopy."""

import cv2
import geopandas as gpd
import numpy as np
import shapely
from scipy import ndimage

from pipelines.forest.ground import Ground
from pipelines.forest.params import GapParams
from pipelines.forest.shapes import areas_of

__all__ = ["gap_ground", "gaps"]

_ROWS = 256


def gaps(ground: Ground, params: GapParams) -> gpd.GeoDataFrame:
    """Openings of at least `smallest_m2`, the widest first.

    Ground that no crown covers, less what is narrower than `narrowest_m`: the slivers between neighbouring crowns.
    Ground that a crown covers which the model missed is an opening, too.

    Returns:
        `gap` (number), `kind` (gap, or open for open land), `area_m2`, `at_edge` (goes on outside the survey), polygon.
    """
    labels, area = _openings(ground, params)
    outlines = areas_of(labels, ground.transform)
    border = _beside_unseen(ground)
    touching = set(np.unique(labels[border]).tolist())
    rows = [
        {
            "area_m2": float(area[label]),
            "kind": "gap" if area[label] <= params.widest_m2 else "open",
            "at_edge": label in touching,
            "geometry": shapely.simplify(outline, ground.cell_m),
        }
        for label, outline in outlines.items()
    ]
    rows.sort(key=lambda row: (-row["area_m2"], shapely.bounds(row["geometry"]).tolist()))
    columns = ["gap", "kind", "area_m2", "at_edge"]
    frame = gpd.GeoDataFrame(rows, columns=[*columns[1:], "geometry"], geometry="geometry", crs=ground.crs)
    frame.insert(0, "gap", np.arange(1, len(frame) + 1, dtype=np.int32))
    return frame.astype({"kind": object, "area_m2": np.float64, "at_edge": bool})


def gap_ground(ground: Ground, params: GapParams) -> np.ndarray:
    """Cells in an opening of kind `gap`: bool (rows, columns), open land left out."""
    labels, area = _openings(ground, params)
    return np.asarray(((area > 0) & (area <= params.widest_m2))[labels], bool)


def _openings(ground: Ground, params: GapParams) -> tuple[np.ndarray, np.ndarray]:
    """Number of the opening that each cell is in, int32 (rows, columns), 0 for none; and m² by number, float64."""
    open_ground = ground.seen & ~ground.cover
    radius = params.narrowest_m / 2 / ground.cell_m
    if radius >= 1:
        # What a disc of that radius fits into, the survey's border no obstacle.
        free = (open_ground | ~ground.seen).view(np.uint8)
        open_ground &= cv2.morphologyEx(free, cv2.MORPH_OPEN, _disc(radius)).view(bool)
    labels = np.empty(open_ground.shape, np.int32)
    n = ndimage.label(open_ground, output=labels)
    area = _cells(labels, n) * ground.cell_m2
    keep = area >= params.smallest_m2
    keep[0] = False
    number = np.where(keep, np.cumsum(keep), 0).astype(np.int32)
    for row in labels:  # in place: a second array of a large survey is 120 MB
        row[:] = number[row]
    return labels, np.concatenate([[0.0], area[keep]])


def _disc(radius: float) -> np.ndarray:
    """Cells within a distance, cells, of the middle one, uint8."""
    reach = int(radius)
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return np.asarray(np.hypot(rows, columns) <= radius, np.uint8)


def _cells(labels: np.ndarray, n: int) -> np.ndarray:
    """How many cells have each number from 0 to n, int64; some rows at a time, since bincount widens what it counts."""
    counts = np.zeros(n + 1, np.int64)
    for start in range(0, len(labels), _ROWS):
        found = np.bincount(labels[start : start + _ROWS].ravel())
        counts[: len(found)] += found
    return counts


def _beside_unseen(ground: Ground) -> np.ndarray:
    inner = ndimage.binary_erosion(ground.seen, iterations=2, border_value=0)
    return np.asarray(ground.seen & ~inner, bool)
