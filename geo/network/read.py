"""Roads files: GeoPackage, GeoJSON, Shapefile and OpenStreetMap extracts, brought to one table of links."""

from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import pyproj
import shapely
from pyogrio.errors import DataLayerError, DataSourceError
from shapely import box

from geo.errors import CrsError, NetworkError
from geo.network.links import to_links
from geo.network.osm import read_osm
from geo.network.roads import Roads

Bounds = tuple[float, float, float, float]

_OSM_SUFFIXES = (".osm", ".pbf", ".osm.gz", ".osm.bz2")
_ROAD_WORDS = ("road", "link", "street", "highway", "道路", "路線")
_WIDEST_M = 100.0
"""No carriageway is wider; of an extract, widths are known only of the ways that were kept."""
_LINES = ("LineString", "MultiLineString")


def read_roads(path: Path, crs: pyproj.CRS, bounds: Bounds | None = None, beside_m: float = 0.0) -> Roads:
    """Read a road network into the map frame.

    Args:
        path: GeoPackage, GeoJSON, Shapefile or whatever else GDAL reads as lines, or an OpenStreetMap extract.
        crs: the metric plane CRS of the survey.
        bounds: x_min, y_min, x_max, y_max of the survey in `crs`, metres; links whose carriageway does not reach into
            it are left out. None reads the whole file.
        beside_m: what counts as carriageway on either side of it, metres.

    Raises:
        CrsError: the file does not say which CRS its coordinates are in.
        NetworkError: no such file, not a roads file, no line in it, or none within `bounds`.
    """
    path = Path(path)
    if not path.exists():
        raise NetworkError("no such roads file", where=path, remedy="Check --roads, or `roads` in the manifest")
    raw = _read_extract(path, crs, bounds, beside_m) if path.name.lower().endswith(_OSM_SUFFIXES) else _read_lines(path)
    _refuse_empty(raw, path)
    raw = raw.to_crs(crs)
    if not np.isfinite(raw.total_bounds).all():
        raise CrsError(f"coordinates cannot be brought to {crs.name}", where=path, remedy="Check the file's CRS")
    # Ids are told apart in the whole file: they must not depend on how far a survey reaches.
    links = to_links(raw)
    _refuse_empty(links, path)
    return Roads(_within(links, path, bounds, beside_m))


def _refuse_empty(lines: gpd.GeoDataFrame, path: Path) -> None:
    if lines.empty:
        raise NetworkError("there is no road in the file", where=path, remedy="Give a file of road centre lines")


def _read_extract(path: Path, crs: pyproj.CRS, bounds: Bounds | None, beside_m: float) -> gpd.GeoDataFrame:
    """The roads of an extract; all of them when none is within bounds, so that the distance can be told."""
    if bounds is None:
        return read_osm(path)
    west, south, east, north = bounds
    reach = _WIDEST_M / 2 + beside_m
    wide = west - reach, south - reach, east + reach, north + reach
    lonlat = pyproj.Transformer.from_crs(crs, "EPSG:4326", always_xy=True).transform_bounds(*wide)
    near = read_osm(path, lonlat)
    return read_osm(path) if near.empty else near


def _read_lines(path: Path) -> gpd.GeoDataFrame:
    try:
        layer = _line_layer(path)
        frame = pyogrio.read_dataframe(path, layer=layer, fid_as_index=True)
    except (DataSourceError, DataLayerError) as error:
        raise NetworkError(
            "not a file of roads that can be read",
            where=path,
            remedy="Give a GeoPackage, GeoJSON, Shapefile or OpenStreetMap extract",
        ) from error
    _refuse_missing_crs(frame, path)
    geometry = shapely.force_2d(frame.geometry.to_numpy())
    lines = np.isin([getattr(one, "geom_type", "") for one in geometry], _LINES) & ~shapely.is_empty(geometry)
    return frame.set_geometry(gpd.GeoSeries(geometry, index=frame.index, crs=frame.crs))[lines]


def _line_layer(path: Path) -> str:
    """The layer of lines; if there are several, one named like roads before others, then the first."""
    layers = [(str(name), str(kind)) for name, kind in pyogrio.list_layers(path) if kind is not None]
    lines = [name for name, kind in layers if "Line" in kind] or [name for name, kind in layers if kind == "Unknown"]
    if not lines:
        held = ", ".join(f"{name} ({kind})" for name, kind in layers) or "nothing"
        raise NetworkError(
            f"no layer of lines, only {held}", where=path, remedy="Give the roads' centre lines, not areas or points"
        )
    return next((name for name in lines if any(word in name.lower() for word in _ROAD_WORDS)), lines[0])


def _refuse_missing_crs(frame: gpd.GeoDataFrame, path: Path) -> None:
    crs = frame.crs
    if crs is None or not (crs.is_geographic or crs.is_projected):
        raise CrsError(
            "the roads file does not say which coordinate reference system it is in",
            where=path,
            remedy="Set it in QGIS (Layer > Set CRS, then Export), or put the .prj beside the Shapefile",
        )


def _within(links: gpd.GeoDataFrame, path: Path, bounds: Bounds | None, beside_m: float) -> gpd.GeoDataFrame:
    if bounds is None:
        return links
    window = box(*bounds)
    reach = links["width_m"].to_numpy(np.float64) / 2 + beside_m
    near = links[shapely.dwithin(links.geometry.to_numpy(), window, reach)]
    if near.empty:
        away = float(shapely.distance(links.geometry.to_numpy(), window).min())
        raise NetworkError(
            f"the roads lie {away / 1000:.1f} km from the survey" if away >= 1000 else f"no road within {away:.0f} m",
            where=path,
            remedy="Give the roads of the area surveyed, or none: a drive's track is then numbered itself",
        )
    return near.reset_index(drop=True)
