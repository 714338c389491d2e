"""Links cut into sections of equal length, the unit that a road's condition is stated for."""

from itertools import pairwise

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import LineString

from geo.network.values import NO_LINK, Floats, Ints

SECTION_COLUMNS = ("section", "link", "from_m", "to_m", "width_m", "geometry")


def cut_points(length_m: float, section_m: float) -> Floats:
    """Chainages (k + 1,) where a link of a length is cut into k ≥ 1 sections.

    Every section is `section_m` long but for the last one, which takes what is left: half a section to one and a half.
    """
    count = max(1, int(np.floor(length_m / section_m + 0.5)))
    return np.append(np.arange(count) * section_m, length_m)


def sections_of(links: gpd.GeoDataFrame, section_m: float) -> gpd.GeoDataFrame:
    """Sections of all links.

    Args:
        links: as `Roads.links`.
        section_m: nominal length of a section in metres.

    Returns:
        GeoDataFrame[section, link, from_m, to_m, width_m, geometry]; `section` is the link's id and the section's
        number along it from 0; sections of a link follow each other in the direction of growing chainage.
    """
    rows: list[tuple[object, ...]] = []
    for link, width, line in zip(links["link"], links["width_m"], links.geometry, strict=True):
        cuts = cut_points(line.length, section_m)
        pieces = zip(pairwise(cuts.tolist()), _cut(line, cuts), strict=True)
        for k, ((start, end), piece) in enumerate(pieces):
            rows.append((_name(link, k), link, start, end, width, piece))
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(SECTION_COLUMNS)
    data = dict(zip(SECTION_COLUMNS, columns, strict=True))
    return gpd.GeoDataFrame(data, geometry="geometry", crs=links.crs)


def _cut(line: LineString, cuts: Floats) -> list[LineString]:
    """The pieces of a line between chainages (k + 1,) that rise from 0 to its length.

    All at once: `shapely.ops.substring` walks the whole line for every piece, which takes minutes on a long drive.
    """
    vertices = shapely.get_coordinates(line)
    at = np.append(0.0, np.cumsum(np.hypot(*np.diff(vertices, axis=0).T)))
    bounds = np.append(cuts[:-1], at[-1])
    ends = np.column_stack([np.interp(bounds, at, vertices[:, axis]) for axis in (0, 1)])
    after = np.searchsorted(at, bounds[:-1], side="right")
    before = np.searchsorted(at, bounds[1:], side="left")
    return [
        LineString(np.vstack([ends[k], vertices[after[k] : before[k]], ends[k + 1]])) for k in range(len(bounds) - 1)
    ]


def section_at(
    link: NDArray[np.object_], chainage_m: Floats, lengths_m: dict[str, float], section_m: float
) -> NDArray[np.object_]:
    """Names of the sections that hold places on links.

    Args:
        link: object (n,) link ids, "" = none.
        chainage_m: float64 (n,) along the links.
        lengths_m: length of every link by its id.
        section_m: the length the sections were cut with.

    Returns:
        object (n,) section ids, "" where there is no link.
    """
    length = np.array([lengths_m.get(one, 0.0) for one in link], dtype=np.float64)
    last = np.maximum(np.floor(length / section_m + 0.5), 1.0).astype(np.int64) - 1
    number: Ints = np.clip(np.floor(np.nan_to_num(chainage_m) / section_m).astype(np.int64), 0, last)
    names = [_name(one, k) if one != NO_LINK else "" for one, k in zip(link, number, strict=True)]
    return np.array(names, dtype=object)


def _name(link: object, number: int) -> str:
    return f"{link}:{number:04d}"


def lengths(links: gpd.GeoDataFrame) -> dict[str, float]:
    """Length in metres of every link, by its id."""
    return dict(zip(links["link"], shapely.length(links.geometry.to_numpy()), strict=True))
