"""Which places of a height model are tree tops, and how far their crowns reach."""

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from affine import Affine
from pyproj import CRS

from geo.raster import open_heights
from pipelines.forest.heights import with_heights
from pipelines.forest.params import CanopyParams

PLANE = CRS(6677)
PIXEL_M = 0.5


def _found(tmp_path, trees, params=None):
    """Trees that a model of cones (x, y, height, radius; m) shows where the picture showed none."""
    x, y = np.meshgrid(np.arange(0.25, 30, PIXEL_M), np.arange(0.25, 20, PIXEL_M))
    surface = np.zeros_like(x)
    for cx, cy, top, radius in trees:
        surface = np.maximum(surface, top * (1 - np.hypot(x - cx, y - cy) / radius))
    profile = {"driver": "GTiff", "width": 60, "height": 40, "count": 1, "dtype": "float32", "crs": "EPSG:6677"}
    path = tmp_path / "chm.tif"
    with rasterio.open(path, "w", transform=Affine(PIXEL_M, 0, 0, 0, -PIXEL_M, 20), **profile) as target:
        target.write(surface[::-1].astype(np.float32), 1)
    columns = {"uuid": str, "class": str, "score": float, "crown_diameter_m": float, "area_m2": float}
    columns |= {"seen_by": str, "counted": bool, "top_x_m": float, "top_y_m": float}
    empty = {name: np.empty(0, object if kind is str else kind) for name, kind in columns.items()}
    none = gpd.GeoDataFrame(empty, geometry=[], crs=PLANE)
    return with_heights(none, open_heights(path, PLANE, (0, 0, 30, 20)), params or CanopyParams())


def test_a_shoulder_on_the_flank_of_a_taller_tree_is_no_top_but_a_neighbour_is(tmp_path):
    tall = (10.25, 10.25, 15.0, 4.0)
    shoulder = (11.25, 10.25, 12.5, 2.0)
    assert len(_found(tmp_path, [tall, shoulder])) == 1
    neighbour = (14.75, 10.25, 12.5, 3.0)
    assert len(_found(tmp_path, [tall, neighbour])) == 2


def test_of_two_equally_high_places_side_by_side_one_is_the_top(tmp_path):
    assert len(_found(tmp_path, [(10.25, 10.25, 8.0, 3.0), (11.25, 10.25, 8.0, 3.0)])) == 1


def test_small_trees_are_found_and_reach_down_to_half_their_height(tmp_path):
    trees = [(x + 0.25, y + 0.25, 2.6, 1.6) for x in (4, 9, 14, 19, 24) for y in (5, 10, 15)]
    found = _found(tmp_path, trees)
    assert len(found) == 15 and found["counted"].all()
    # Where a cone is half as high it is half as wide, give or take a pixel of 0.5 m.
    assert found["crown_diameter_m"].mean() == pytest.approx(1.6, abs=0.5)
    assert len(_found(tmp_path, trees, CanopyParams(smooth_m=0.8))) < 15
