"""A second flight over the same forest: what its map says of the first."""

import numpy as np
import pytest
import shapely
from affine import Affine
from foresting import GROUND, GSD_M, JAPAN_NORTH_WEST, ExactDetector, plant, write_ortho

from geo.geopackage import read_layer
from pipelines.forest.job import ForestInput, ForestJob, run_forest
from pipelines.forest.params import ForestParams
from pipelines.orthophoto import OrthoParams

EAST, NORTH = JAPAN_NORTH_WEST
SHIFT = (3.4, -1.8)
FELLED = shapely.Point(EAST + 60, NORTH - 70).buffer(22)


@pytest.fixture(scope="module")
def forest():
    return plant(1696, 1296)


@pytest.fixture(scope="module")
def first(forest, tmp_path_factory):
    folder = tmp_path_factory.mktemp("first")
    ortho = write_ortho(folder / "2025.tif", forest.picture)
    return run_forest(ForestInput(ortho, date="2025-05-01"), _job(folder / "out"))[1].geopackage


@pytest.fixture(scope="module")
def after(forest, tmp_path_factory):
    """The second orthophoto: a round of forest is felled, and everything lies elsewhere by `SHIFT`."""
    picture = forest.picture.copy()
    middle = (forest.xyxy[:, :2] + forest.xyxy[:, 2:]) / 2 * GSD_M * [1, -1] + [EAST, NORTH]
    for left, top, right, bottom in forest.xyxy[shapely.contains_xy(FELLED, *middle.T)].astype(int):
        picture[top:bottom, left:right] = GROUND
    place = Affine(GSD_M, 0, EAST + SHIFT[0], 0, -GSD_M, NORTH + SHIFT[1])
    return write_ortho(tmp_path_factory.mktemp("after") / "2026.tif", picture, transform=place)


@pytest.fixture(scope="module")
def second(first, after, tmp_path_factory):
    folder = tmp_path_factory.mktemp("second")
    return run_forest(ForestInput(after, previous=first, date="2026-05-01"), _job(folder / "out"))


def _job(out):
    return ForestJob(out, ExactDetector(), ForestParams(orthophoto=OrthoParams(tile_px=640)))


def test_a_felled_round_is_one_area_where_it_is_and_as_large_as_it_is(second):
    results, published = second
    areas = read_layer(published.geopackage, "changes")
    truth = shapely.transform(FELLED, lambda xy: xy + SHIFT)
    assert len(areas) == 1
    shared = areas.geometry[0].intersection(truth).area
    assert shared > 0.85 * truth.area
    assert shared > 0.85 * areas.geometry[0].area
    assert areas["confidence"][0] > 0.95
    assert areas["lost_share"][0] > 0.95
    assert areas["cover_pct"][0] < 2
    assert areas["cover_before_pct"][0] > 25
    assert not areas["at_edge"][0]
    assert areas["area_m2"][0] == pytest.approx(areas.area[0], rel=0.03)
    assert results.change is not None


def test_the_offset_of_the_flights_is_found_and_said(second):
    offset = second[0].change.offset
    assert np.hypot(offset.east_m - SHIFT[0], offset.north_m - SHIFT[1]) < 0.05
    told = second[1].summary.read_text(encoding="utf-8")
    assert "the earlier map was moved 3.4" in told
    assert "1.8" in told.split("moved")[1].split("south")[0]
    assert "canopy loss beyond chance: 1 areas" in told


def test_meshes_and_stands_count_the_lost_on_ground_of_both_flights_alone(first, second):
    results, published = second
    mesh, stands = read_layer(published.geopackage, "mesh20m"), read_layer(published.geopackage, "stands")
    assert mesh["lost"].sum() == stands["lost"].sum() == results.change.lost
    assert mesh["gained"].sum() == results.change.gained == 0, "crowns beyond the first flight's border are not new"
    felled = mesh.clip(shapely.transform(FELLED.buffer(-12), lambda xy: xy + SHIFT)).index
    assert (mesh.loc[felled, "cover_change_pct"] < -8).all()
    assert mesh.loc[mesh["compared_pct"] < 50, "lost"].isna().all()
    assert (stands["loss_ha"].sum() * 1e4) == pytest.approx(
        read_layer(published.geopackage, "changes").area.sum(), rel=0.02
    )
    assert (mesh["lost_limit"].dropna() >= mesh["lost_chance"].dropna()).all()


def test_equal_flights_give_equal_bytes(first, after, second, tmp_path):
    again = run_forest(ForestInput(after, previous=first, date="2026-05-01"), _job(tmp_path / "out"))[1]
    assert again.geopackage.read_bytes() == second[1].geopackage.read_bytes()
    assert again.picture.read_bytes() == second[1].picture.read_bytes()
