"""Roads from an OpenStreetMap extract (.osm, .osm.gz, .osm.bz2, .osm.pbf), split at junctions."""

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import osmium
from osmium.filter import EntityFilter, KeyFilter
from shapely import LineString, box

from geo.errors import NetworkError
from geo.network.classes import DEFAULT_WIDTH_M

LonLatBox = tuple[float, float, float, float]

_ROADS = {"road", "busway"} | set(DEFAULT_WIDTH_M)


@dataclass(frozen=True, slots=True)
class _Way:
    """A drivable way: node ids, and longitude and latitude of each, None for nodes that the extract left out."""

    id: int
    tags: dict[str, str]
    nodes: Sequence[int]
    places: Sequence[tuple[float, float] | None]


def read_osm(path: Path, bounds: LonLatBox | None = None) -> gpd.GeoDataFrame:
    """Drivable roads of an extract as links between junctions.

    A junction is a node that two drivable ways share, or that one passes twice: bridges do not count. A link's id is
    `<way id>-<number of the piece along the way>`; it depends on the extract's ways alone, not on `bounds`.

    Args:
        path: the extract.
        bounds: west, south, east, north in degrees; ways that do not reach into it are left out.

    Returns:
        GeoDataFrame in EPSG:4326 with OpenStreetMap's tags as columns (`link`, `name`, `name:ja`, `name:en`,
        `highway`, `lanes`, `width`).

    Raises:
        NetworkError: not an OpenStreetMap file, or a damaged one.
    """
    refs = array("q")
    kept: list[_Way] = []
    window = None if bounds is None else box(*bounds)
    try:
        for way in _ways(path):
            refs.extend(way.nodes)
            known = [place for place in way.places if place is not None]
            if len(known) > 1 and (window is None or LineString(known).intersects(window)):
                kept.append(way)
    except RuntimeError as error:  # libosmium knows no narrower one
        raise NetworkError(
            f"not a readable OpenStreetMap extract ({error})", where=path, remedy="Download the extract again"
        ) from error
    return _frame(kept, _junctions(refs))


def _ways(path: Path) -> Iterator[_Way]:
    reader = osmium.FileProcessor(str(path)).with_locations()
    for way in reader.with_filter(EntityFilter(osmium.osm.WAY)).with_filter(KeyFilter("highway")):
        tags = dict(way.tags)
        if tags["highway"].removesuffix("_link") in _ROADS and tags.get("area") != "yes":
            places = [(n.location.lon, n.location.lat) if n.location.valid() else None for n in way.nodes]
            yield _Way(way.id, tags, [n.ref for n in way.nodes], places)


def _junctions(refs: "array[int]") -> set[int]:
    nodes, count = np.unique(np.frombuffer(refs, dtype=np.int64), return_counts=True)
    return set(nodes[count > 1].tolist())


def _frame(ways: list[_Way], junctions: set[int]) -> gpd.GeoDataFrame:
    keys = ("name", "name:ja", "name:en", "highway", "lanes", "width")
    rows: dict[str, list[object]] = {key: [] for key in ("link", *keys, "geometry")}
    for way in sorted(ways, key=lambda one: one.id):
        for number, piece in enumerate(_pieces(way, junctions)):
            known = [place for place in piece if place is not None]
            if len(known) < 2:
                continue
            rows["link"].append(f"{way.id}-{number}")
            for key in keys:
                rows[key].append(way.tags.get(key, ""))
            rows["geometry"].append(LineString(known))
    return gpd.GeoDataFrame(rows, geometry="geometry", crs="EPSG:4326")


def _pieces(way: _Way, junctions: set[int]) -> Iterator[Sequence[tuple[float, float] | None]]:
    start = 0
    for k in range(1, len(way.nodes)):
        if way.nodes[k] in junctions or k == len(way.nodes) - 1:
            yield way.places[start : k + 1]
            start = k
