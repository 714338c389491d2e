"""Areas of a raster as polygons."""

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import shapes

__all__ = ["areas_of", "extent_of"]


def areas_of(labels: NDArray[np.int32], transform: Affine) -> dict[int, shapely.Geometry]:
    """Polygon, with holes and perhaps of several parts, of each label above 0; edges follow the cells."""
    parts: dict[int, list[shapely.Geometry]] = {}
    for outline, value in shapes(labels, mask=labels > 0, connectivity=4, transform=transform):
        rings = outline["coordinates"]
        parts.setdefault(int(value), []).append(shapely.Polygon(rings[0], rings[1:]))
    return {label: _joined(several) for label, several in sorted(parts.items())}


def extent_of(seen: NDArray[np.bool_], transform: Affine) -> shapely.Geometry:
    """The ground that was photographed, its ragged edges drawn straighter; empty where there is none."""
    found = areas_of(seen.astype(np.int32), transform)
    return shapely.simplify(found.get(1, shapely.MultiPolygon()), 2 * transform.a)


def _joined(parts: list[shapely.Geometry]) -> shapely.Geometry:
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)
