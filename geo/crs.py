"""The metric plane in which every length, area and position is computed.

In Japan that is the JGD2011 plane rectangular system (EPSG:6669–6687), elsewhere UTM on WGS 84. The nineteen Japanese
zones are assigned by prefecture in law (Ministry of Land, Notice No. 9 of 2002); this module knows their EPSG areas of
use and origins only, so near a border between two prefectures it may choose the neighbouring zone. Both zones are
correct there to the same millimetres; pass the office's own zone where sheets must match.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from pyproj import CRS, Geod, Proj, Transformer
from pyproj.aoi import AreaOfInterest
from pyproj.database import query_utm_crs_info
from pyproj.exceptions import CRSError as ProjCrsError

from geo.errors import CrsError

WGS84 = CRS.from_epsg(4326)
JAPAN_PLANE_ZONES = range(6669, 6688)
JGD2000_PLANE_ZONES = range(2443, 2462)
"""The same zones before the earthquake of 2011; many offices still keep their maps in them."""
_GEOD = Geod(ellps="GRS80")

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Zone:
    """A Japanese plane zone: its bounds (west, south, east, north) and origin, in degrees."""

    epsg: int
    bounds: tuple[float, float, float, float]
    lon: float
    lat: float

    def holds(self, lon: float, lat: float) -> bool:
        west, south, east, north = self.bounds
        return west <= lon <= east and south <= lat <= north

    def distance_m(self, lon: float, lat: float) -> float:
        return float(_GEOD.inv(self.lon, self.lat, lon, lat)[2])


@lru_cache(maxsize=1)
def _japan_zones() -> tuple[_Zone, ...]:
    zones = []
    for epsg in JAPAN_PLANE_ZONES:
        crs = CRS.from_epsg(epsg)
        area, projection = crs.area_of_use, crs.coordinate_operation
        if area is None or projection is None:  # pragma: no cover - only a damaged PROJ database
            raise CrsError(f"EPSG:{epsg} has no area of use", remedy="Reinstall pyproj: its database is damaged")
        origin = {parameter.name: parameter.value for parameter in projection.params}
        zones.append(
            _Zone(
                epsg,
                area.bounds,
                lon=origin["Longitude of natural origin"],
                lat=origin["Latitude of natural origin"],
            )
        )
    return tuple(zones)


@lru_cache(maxsize=256)
def plane_crs(lon: float, lat: float) -> CRS:
    """The metric plane CRS for a place: a JGD2011 plane zone in Japan, else UTM on WGS 84.

    Where the areas of several Japanese zones overlap, the one with the nearest origin is taken (see the module's note
    on prefectures).

    Args:
        lon: longitude, degrees east, WGS 84 or JGD2011.
        lat: latitude, degrees north.

    Raises:
        CrsError: the place is not on Earth, or no such CRS covers it (the poles).
    """
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        raise CrsError(f"longitude {lon}, latitude {lat} is not a place on Earth", remedy="Check the order: lon, lat")
    zones = [zone for zone in _japan_zones() if zone.holds(lon, lat)]
    if zones:
        return CRS.from_epsg(min(zones, key=lambda zone: zone.distance_m(lon, lat)).epsg)
    place = AreaOfInterest(lon, lat, lon, lat)
    found = query_utm_crs_info(datum_name="WGS 84", area_of_interest=place)
    if not found:
        raise CrsError(f"no UTM zone covers longitude {lon}, latitude {lat}", remedy="UTM ends at 84° N and 80° S")
    return CRS.from_epsg(min(int(info.code) for info in found))


@lru_cache(maxsize=64)
def transformer(source: CRS, target: CRS) -> Transformer:
    """The cached transformation between two CRSs, x (east, longitude) always first."""
    return Transformer.from_crs(source, target, always_xy=True)


def to_plane(crs: CRS, lon: npt.ArrayLike, lat: npt.ArrayLike) -> tuple[Array, Array]:
    """WGS 84 longitude and latitude, degrees, (n,), to ``x_m`` east and ``y_m`` north in `crs`, float64 (n,)."""
    x_m, y_m = transformer(WGS84, crs).transform(np.asarray(lon, float), np.asarray(lat, float))
    return np.asarray(x_m, float), np.asarray(y_m, float)


def to_lonlat(crs: CRS, x_m: npt.ArrayLike, y_m: npt.ArrayLike) -> tuple[Array, Array]:
    """``x_m`` east and ``y_m`` north in `crs`, (n,), to WGS 84 longitude and latitude, degrees, float64 (n,)."""
    lon, lat = transformer(crs, WGS84).transform(np.asarray(x_m, float), np.asarray(y_m, float))
    return np.asarray(lon, float), np.asarray(lat, float)


def grid_convergence_deg(crs: CRS, lon: npt.ArrayLike, lat: npt.ArrayLike) -> Array:
    """The angle from true north to the grid north of `crs`, degrees clockwise, float64 (n,).

    A heading over the grid is a true bearing minus this angle (Snyder 1987, Map Projections, USGS PP 1395, eq. 8-15).
    """
    factors = _proj(crs).get_factors(np.asarray(lon, float), np.asarray(lat, float))
    return np.asarray(factors.meridian_convergence, float)


@lru_cache(maxsize=64)
def _proj(crs: CRS) -> Proj:
    return Proj(crs)


def require_crs(crs: object, *, where: object = None) -> CRS:
    """A `CRS` from what a file or a manifest gave (a CRS, an EPSG code, WKT), or a `CrsError` with the remedy."""
    remedy = "Assign its CRS (QGIS: Layer > Set CRS; GDAL: -a_srs EPSG:6677) and run again"
    if crs is None or crs == "":
        raise CrsError("has no coordinate reference system", where=where, remedy=remedy)
    try:
        return CRS.from_user_input(crs)
    except ProjCrsError as error:
        raise CrsError(f"unusable coordinate reference system {crs!r}", where=where, remedy=remedy) from error


def require_metric(crs: object, *, where: object = None) -> CRS:
    """Like `require_crs`, and the axes must be metres on a plane, because lengths and areas are computed in them."""
    usable = require_crs(crs, where=where)
    units = {axis.unit_name for axis in usable.axis_info[:2]}
    if not usable.is_projected or units != {"metre"}:
        remedy = "Reproject it to a plane in metres, for instance JGD2011 plane rectangular (EPSG:6669 to 6687) or UTM"
        raise CrsError(f"{usable.name} is not a plane in metres", where=where, remedy=remedy)
    return usable
