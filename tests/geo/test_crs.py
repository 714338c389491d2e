"""The plane in which everything is measured."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import CRS

from geo.crs import grid_convergence_deg, plane_crs, require_crs, require_metric, to_lonlat, to_plane
from geo.errors import CrsError


@pytest.mark.parametrize(
    ("lon", "lat", "epsg"),
    [
        (139.77, 35.68, 6677),  # Tokyo, zone IX
        (135.50, 34.69, 6674),  # Osaka, zone VI
        (141.35, 43.06, 6680),  # Sapporo, zone XII
        (127.68, 26.21, 6683),  # Naha, zone XV
        (-122.45, 37.72, 32610),  # San Francisco
        (174.76, -36.85, 32760),  # Auckland
    ],
)
def test_a_place_gets_its_legal_zone_in_japan_and_utm_elsewhere(lon: float, lat: float, epsg: int) -> None:
    assert plane_crs(lon, lat).to_epsg() == epsg


@settings(deadline=None)
@given(lon=st.floats(130.0, 145.0), lat=st.floats(31.0, 45.0))
def test_positions_survive_the_plane_and_back(lon: float, lat: float) -> None:
    crs = plane_crs(lon, lat)
    back_lon, back_lat = to_lonlat(crs, *to_plane(crs, [lon], [lat]))
    assert back_lon[0] == pytest.approx(lon, abs=1e-9)
    assert back_lat[0] == pytest.approx(lat, abs=1e-9)


def test_convergence_turns_true_north_into_grid_north() -> None:
    """A step due north must have the grid heading that the convergence says, east and west of the central meridian."""
    crs = plane_crs(139.77, 35.68)
    for lon in (139.0, 140.6):
        x_m, y_m = to_plane(crs, [lon, lon], [35.68, 35.681])
        heading = np.degrees(np.arctan2(x_m[1] - x_m[0], y_m[1] - y_m[0]))
        assert -grid_convergence_deg(crs, [lon], [35.68])[0] == pytest.approx(heading, abs=1e-3)
        assert abs(heading) > 0.3


@pytest.mark.parametrize(("lon", "lat"), [(35.68, 139.77), (0.0, 89.0), (float("nan"), 35.0)])
def test_a_place_without_a_plane_is_refused(lon: float, lat: float) -> None:
    with pytest.raises(CrsError):
        plane_crs(lon, lat)


@pytest.mark.parametrize("crs", [None, "", 4326, 2263, "no such thing"], ids=str)
def test_what_is_no_plane_in_metres_is_refused_with_a_remedy(crs: object) -> None:
    with pytest.raises(CrsError) as caught:
        require_metric(crs, where="roads.gpkg")
    assert caught.value.remedy
    assert "roads.gpkg" in str(caught.value)


def test_a_crs_is_taken_in_every_form_that_files_give() -> None:
    assert require_crs("EPSG:6677") == require_crs(6677) == require_metric(CRS.from_epsg(6677).to_wkt())
