"""From an orthophoto with known crowns to a stand map."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import geopandas as gpd
import numpy as np
import pyogrio
import pytest
import rasterio
import shapely
from affine import Affine
from foresting import GSD_M, JAPAN_NORTH_WEST, ExactDetector, plant, write_ortho
from pyproj import CRS

from geo.geopackage import read_layer
from geo.raster import Grid, open_heights, open_ortho
from models.detections import Detections
from pipelines.cli.main import main
from pipelines.errors import OutputError
from pipelines.forest.crowns import crown_frame
from pipelines.forest.delineate import delineate
from pipelines.forest.gaps import gap_ground, gaps
from pipelines.forest.ground import Ground
from pipelines.forest.heights import with_heights
from pipelines.forest.job import ForestInput, ForestJob, run_forest
from pipelines.forest.mesh import mesh_names
from pipelines.forest.params import CanopyParams, ForestParams, GapParams, StandParams
from pipelines.forest.register import read_register
from pipelines.forest.stands import COLUMNS, CountError, count_error, crowns_in, stand_table
from pipelines.orthophoto import OrthoParams

sys.path.append(str(Path(__file__).parents[1] / "models"))

from spot_network import write_spot_model

EAST, NORTH = JAPAN_NORTH_WEST
PLANE = CRS(6677)
FLOWN = (EAST, NORTH - 129.6, EAST + 169.6, NORTH)


@pytest.fixture(scope="module")
def forest():
    return plant(1696, 1296)


@pytest.fixture(scope="module")
def ortho(forest, tmp_path_factory):
    return write_ortho(tmp_path_factory.mktemp("forest") / "午前の森.tif", forest.picture)


@pytest.fixture(scope="module")
def spot_model(tmp_path_factory):
    return write_spot_model(tmp_path_factory.mktemp("spots"))


@pytest.fixture(scope="module")
def survey(ortho, tmp_path_factory):
    out = tmp_path_factory.mktemp("survey") / "out"
    return run_forest(ForestInput(ortho, date="2026-05-01"), _job(out))


def _job(out: Path, detector=None, workers=2):
    params = ForestParams(orthophoto=OrthoParams(tile_px=640))
    return ForestJob(out, detector or ExactDetector(), params, workers)


def _ground(seen, cover=None, cell_m=0.5):
    return Ground(PLANE, EAST, NORTH, cell_m, seen, np.zeros_like(seen) if cover is None else cover & seen)


def _crowns(xy, diameter_m=3.0, **columns):
    shapes = shapely.buffer(shapely.points(xy), diameter_m / 2)
    table = {"counted": True, "crown_diameter_m": diameter_m, "area_m2": shapely.area(shapes), "seen_by": "image"}
    table |= {"uuid": [str(k) for k in range(len(xy))], "class": "crown", "score": 0.9, **columns}
    return gpd.GeoDataFrame(table | {"top_x_m": xy[:, 0], "top_y_m": xy[:, 1]}, geometry=shapes, crs=PLANE)


def _stands(origin, *boxes):
    """Rectangles between left, top, right and bottom, m from the north-west corner."""
    shapes = [shapely.box(EAST + left, NORTH - low, EAST + right, NORTH - top) for left, top, right, low in boxes]
    table = {"stand": [f"S{k}" for k in range(1, len(boxes) + 1)], "origin": origin}
    return gpd.GeoDataFrame(table, geometry=shapes, crs=PLANE)


def _map(xy_px):
    return np.column_stack([EAST + GSD_M * xy_px[:, 0], NORTH - GSD_M * xy_px[:, 1]])


def test_every_crown_is_on_the_map_where_it_stands(forest, survey):
    _, published = survey
    crowns = read_layer(published.geopackage, "crowns")
    assert len(crowns) == len(forest.xyxy)
    assert crowns.crs.to_epsg() == 6677
    middle = shapely.get_coordinates(crowns.centroid)
    truth = _map((forest.xyxy[:, :2] + forest.xyxy[:, 2:]) / 2)
    order, wanted = (np.lexsort(np.rint(4 * xy).T) for xy in (middle, truth))
    np.testing.assert_allclose(middle[order], truth[wanted], atol=0.02)
    assert crowns["uuid"].is_unique
    box_area = np.prod(forest.xyxy[:, 2:] - forest.xyxy[:, :2], axis=1).sum() * GSD_M**2
    assert crowns.area.sum() == pytest.approx(np.pi / 4 * box_area, rel=1e-3)


def test_mesh_stands_and_extent_count_the_same_crowns(survey):
    results, published = survey
    layers = [name for name, _ in pyogrio.list_layers(published.geopackage)]
    assert layers[:7] == ["tops", "crowns", "gaps", "rejected", "mesh20m", "stands", "survey_extent"]
    mesh, stands, extent = (read_layer(published.geopackage, name) for name in ("mesh20m", "stands", "survey_extent"))
    n = len(read_layer(published.geopackage, "tops"))
    assert n == mesh["stems"].sum() == stands["n_crowns"].sum() == extent["n_crowns"][0] == results.n_counted
    assert extent["area_ha"][0] == pytest.approx(1.696 * 1.296, rel=0.01)
    assert (stands["stem_density_low_ha"] < stands["stem_density_ha"]).all()
    assert (stands["stem_density_ha"] < stands["stem_density_high_ha"]).all()
    assert str(stands["survey_date"][0]) == "2026-05-01"
    assert (stands["model_sha256"] == "0" * 64).all()
    lower_left = shapely.get_coordinates(mesh.geometry.to_numpy()).min(axis=0)
    np.testing.assert_array_equal(lower_left % 20, [0, 0])


def test_equal_input_gives_equal_bytes_however_many_readers_and_interruptions(ortho, survey, tmp_path):
    first = survey[1].geopackage.read_bytes()
    given = ForestInput(ortho, date="2026-05-01")
    with pytest.raises(KeyboardInterrupt):
        run_forest(given, _job(tmp_path / "out", ExactDetector(die_after=5), workers=1))
    again = ExactDetector()
    _, published = run_forest(given, _job(tmp_path / "out", again, workers=4))
    assert published.geopackage.read_bytes() == first
    assert published.picture.read_bytes() == survey[1].picture.read_bytes()
    assert 0 < again.looked_at < 12


def test_a_map_that_was_edited_is_not_overwritten(ortho, tmp_path):
    _, published = run_forest(ForestInput(ortho), _job(tmp_path / "out"))
    with published.geopackage.open("ab") as file:
        file.write(b"edited")
    with pytest.raises(OutputError, match="edited since"):
        run_forest(ForestInput(ortho), _job(tmp_path / "out"))


def test_a_table_that_was_filled_in_is_not_overwritten(ortho, tmp_path):
    _, published = run_forest(ForestInput(ortho), _job(tmp_path / "out"))
    table = published.reports.table
    with table.open("ab") as file:
        file.write("スギ,45\r\n".encode())
    filled = table.read_bytes()
    with pytest.raises(OutputError, match=r"stands\.csv: .*edited since.*move the table out"):
        run_forest(ForestInput(ortho), _job(tmp_path / "out"))
    assert table.read_bytes() == filled
    table.rename(tmp_path / "stands.csv")
    run_forest(ForestInput(ortho), _job(tmp_path / "out"))
    assert table.exists()


_KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from foresting import ExactDetector
from pipelines.forest.job import ForestInput, ForestJob, run_forest
from pipelines.forest.params import ForestParams
from pipelines.orthophoto import OrthoParams

class Slow(ExactDetector):
    def submit(self, picture, min_score=0.01):
        print("look", flush=True)
        time.sleep(float(sys.argv[4]))
        return super().submit(picture, min_score)

params = ForestParams(orthophoto=OrthoParams(tile_px=640))
given = ForestInput(Path(sys.argv[2]), date="2026-05-01")
run_forest(given, ForestJob(Path(sys.argv[3]), Slow(), params, 1))
"""


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(ortho, survey, tmp_path, checkout):
    arguments = [sys.executable, "-c", _KILLED, str(checkout / "tests"), str(ortho), str(tmp_path / "out")]
    with subprocess.Popen([*arguments, "0.3"], stdout=subprocess.PIPE, cwd=checkout) as process:
        shards = tmp_path / ".work" / "out" / "tiles"
        while not list(shards.glob("*/*.parquet")):
            assert process.poll() is None
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
    done = len(list(shards.glob("*/*.parquet")))
    assert 0 < done < 3
    again = subprocess.run([*arguments, "0"], stdout=subprocess.PIPE, cwd=checkout, check=True)
    assert again.stdout.count(b"look") < 12
    assert (tmp_path / "out" / "forest.gpkg").read_bytes() == survey[1].geopackage.read_bytes()


def test_a_registers_ids_and_columns_are_kept_and_its_faults_named(ortho, tmp_path):
    west, south = EAST + 10, NORTH - 110
    bow = shapely.Polygon([(west, south), (west + 30, south + 30), (west + 30, south), (west, south + 30)])
    shapes = [shapely.box(west, south, west + 40, south + 90), bow, None, shapely.box(0, 0, 10, 10)]
    names = ["い-7", "は-2", "ろ-1", "に-9"]
    frame = gpd.GeoDataFrame({"小班": names, "Area_ha": 0.4, "樹種": "スギ"}, geometry=shapes, crs=6677)
    frame.to_crs(4612).to_file(tmp_path / "register.gpkg", layer="stands")
    register = read_register(tmp_path / "register.gpkg", PLANE, frozenset(COLUMNS), FLOWN)
    assert register.id_column == "小班"
    told = "\n".join(register.lines)
    assert "は-2 (Self-intersection" in told
    assert "no polygon and are left out: ろ-1" in told
    assert "reprojected" in told
    results, _ = run_forest(ForestInput(ortho, stands=tmp_path / "register.gpkg"), _job(tmp_path / "out"))
    stands = results.stands.set_index("stand")
    assert list(stands.index) == ["い-7", "は-2", "に-9"]
    assert list(stands["樹種"]) == ["スギ"] * 3
    assert list(stands["reg_Area_ha"]) == [0.4] * 3
    assert stands.loc["い-7", "area_ha"] == pytest.approx(0.36, rel=1e-3)
    assert stands.loc["い-7", "n_crowns"] > 50
    assert stands.loc["に-9"].isna()["stem_density_ha"], "nothing was photographed there: null, not zero"


def test_heights_are_read_and_trees_that_only_the_heights_show_are_added(tmp_path):
    xy = np.array([[EAST + x, NORTH - y] for x in range(10, 90, 12) for y in range(10, 60, 12)], float)
    height = np.linspace(6, 20, len(xy))
    x, y = np.meshgrid(EAST + np.arange(0.25, 100, 0.5), NORTH - np.arange(0.25, 70, 0.5))
    surface = np.zeros_like(x)
    for (cx, cy), top in zip(xy, height, strict=True):
        surface = np.maximum(surface, top * (1 - (np.hypot(x - cx, y - cy) / 4) ** 2))
    path = tmp_path / "chm.tif"
    profile = {"driver": "GTiff", "width": 200, "height": 140, "count": 1, "dtype": "float32", "crs": "EPSG:6677"}
    with rasterio.open(path, "w", transform=Affine(0.5, 0, EAST, 0, -0.5, NORTH), **profile) as target:
        target.write(surface.astype("float32"), 1)
    crowns = _crowns(np.vstack([xy[5:], [[EAST + 97.0, NORTH - 66]]]), 5.0)  # five unseen, one that is no tree
    model = open_heights(path, PLANE, (EAST, NORTH - 70, EAST + 100, NORTH))
    found = with_heights(crowns, model, CanopyParams())
    by = found["seen_by"].value_counts()
    assert (by["both"], by["chm"], by["image"]) == (len(xy) - 5, 5, 1)
    assert not found.loc[found["seen_by"] == "image", "counted"].any()
    counted = found[found["counted"]].sort_values("height_m")
    np.testing.assert_allclose(counted["height_m"], height, atol=0.3)
    added = found[found["seen_by"] == "chm"]
    np.testing.assert_allclose(added["crown_diameter_m"], 2 * 4 * np.sqrt(0.5), atol=0.7)  # where it is half as high
    tops = added[["top_x_m", "top_y_m"]].to_numpy()
    assert all(np.hypot(*(xy[:5] - top).T).min() < 0.8 for top in tops)


def test_an_opening_is_found_with_its_area_and_slivers_between_crowns_are_not():
    seen = np.ones((240, 240), bool)
    cover = np.ones_like(seen)
    cover[40:60, 100:130] = False  # 10 × 15 m
    cover[100:102] = False  # a metre wide
    cover[200:206, 200:206] = False  # 9 m²
    found = gaps(_ground(seen, cover), GapParams())
    assert len(found) == 1
    assert found["area_m2"][0] == pytest.approx(150, rel=0.03)
    assert found["kind"][0] == "gap"
    assert not found["at_edge"][0]


def test_a_stands_share_of_gaps_is_that_of_the_layer_and_open_land_is_none_of_it():
    seen = np.ones((240, 240), bool)
    cover = np.ones_like(seen)
    cover[40:60, 100:130] = False  # 10 × 15 m
    cover[100:200, 100:200] = False  # 50 × 50 m
    ground, params = _ground(seen, cover), GapParams()
    found = gaps(ground, params)
    assert list(found["kind"]) == ["open", "gap"]
    whole = _stands("register", (0, 0, 120, 120))
    table = stand_table(whole, ground, _crowns(np.empty((0, 2))), gap_ground(ground, params), CountError(0.1, "stated"))
    assert table["gap_pct"][0] == pytest.approx(100 * found["area_m2"][1] / 120**2)


def test_stands_of_other_density_are_told_apart_and_fit_together():
    rng = np.random.default_rng(0)
    dense, sparse = rng.uniform([0, 0], [120, 200], (1400, 2)), rng.uniform([120, 0], [240, 200], (350, 2))
    crowns = _crowns(np.vstack([dense, sparse]) * [1, -1] + [EAST, NORTH])
    seen = np.zeros((400, 480), bool)
    seen[:, :470] = True
    cover = rasterio.features.rasterize(crowns.geometry, seen.shape, transform=_ground(seen).transform) > 0
    ground = _ground(seen, cover)
    stands = delineate(ground, crowns, StandParams())
    assert len(stands) == 2
    assert shapely.coverage_is_valid(stands.geometry.to_numpy())
    assert stands.area.sum() == pytest.approx(200 * 235, rel=1e-6)
    border = shapely.intersection(*stands.geometry.boundary)
    assert abs(border.centroid.x - (EAST + 120)) < 6
    table = stand_table(
        stands.assign(origin="delineated"), ground, crowns, np.zeros(seen.shape, bool), CountError(0.1, "stated")
    )
    assert sorted(np.rint(table["stem_density_ha"] / 100)) == [1, 6]


def test_a_crown_is_of_one_delineated_stand_and_of_all_stands_of_a_register_that_overlap_there():
    places = np.array([[20, 30], [20, 30.5], [50, 10], [100.8, 10], [101.2, 10], [5, 5]], float)
    places = places * [1, -1] + [EAST, NORTH]  # on a border, beside it, in the second, beyond by 0.8 and by 1.2 m
    two = ((0, 0, 100, 30), (0, 30, 100, 60), (40, 0, 100, 30))

    def crowns_of(origin, *boxes):
        return [crowns.tolist() for crowns in crowns_in(_stands(origin, *boxes), places, np.ones(len(places)))]

    assert crowns_of("delineated", *two[:2]) == [[0, 2, 3, 5], [1]]
    assert crowns_of("delineated", *two[1::-1]) == [[0, 1], [2, 3, 5]]
    assert crowns_of("register", *two) == [[0, 2, 5], [1], [2]]
    assert crowns_of("register") == []


@pytest.mark.parametrize(("cell_m", "ground_m"), [(7, 0.5), (8, 2.5), (15, 0.5), (20, 5)])
def test_stands_of_cells_of_any_side_fill_the_ground(cell_m, ground_m):
    seen = np.ones((round(180 / ground_m), round(140 / ground_m)), bool)  # whole meshes, but no whole cells
    lone = _crowns(np.array([[EAST + 50.0, NORTH - 50]]))
    stands = delineate(_ground(seen, cell_m=ground_m), lone, StandParams(cell_m=cell_m))
    assert stands.area.sum() == pytest.approx(180 * 140)


def test_small_stands_join_a_neighbour():
    seen = np.ones((200, 200), bool)
    lone = _crowns(np.array([[EAST + 50.0, NORTH - 50]]))
    stands = delineate(_ground(seen), lone, StandParams(smallest_ha=2.0, differ=0.01))
    assert len(stands) == 1


def test_the_spread_of_counts_is_the_cards_or_said_to_be_assumed():
    card = ExactDetector().card
    assert "assumed" in count_error(card, StandParams()).source
    stems = {"stems": {"ha_mae": 40.0, "ha_mean_true": 200.0}}
    stated = count_error(card.model_copy(update={"metrics": {"command": "x", "plots": stems}}), StandParams())
    assert stated.sd == pytest.approx(0.2507, abs=1e-4)
    assert "40 of 200 stems/ha on plots" in stated.source
    assert count_error(card, StandParams(), 0.3).known
    assert not count_error(card, StandParams(), 0.33).known, "more than 3.2 times the model's 10 cm"


def test_meshes_are_named_by_the_sheets_of_the_national_base_map():
    ground = _ground(np.ones((40, 40), bool))
    # Zone 9, 20 km west and 30 km south of the origin: sheet LD, north-west corner of its 1:5,000 sheet 05
    assert mesh_names(ground, np.array([0, 1]), np.array([0, 0])) == ["09LD05-000-000", "09LD05-001-000"]
    abroad = Ground(CRS(32611), 440_000.0, 5_526_560.0, 0.5, ground.seen, ground.cover)
    assert mesh_names(abroad, np.array([1]), np.array([2])) == ["E440040N5526520"]
    former = Ground(CRS(2451), ground.west_m, ground.north_m, 0.5, ground.seen, ground.cover)
    assert mesh_names(former, np.array([0]), np.array([0])) == ["09LD05-000-000"]


def test_nothing_found_is_a_map_all_the_same(tmp_path):
    path = write_ortho(tmp_path / "bare.tif", np.full((700, 700, 3), (40, 60, 30), np.uint8))
    results, published = run_forest(ForestInput(path), _job(tmp_path / "out"))
    assert results.n_counted == 0
    stands = read_layer(published.geopackage, "stands")
    assert list(stands["stem_density_ha"]) == [0]
    assert stands["stem_density_high_ha"][0] == pytest.approx(3 / 0.49, rel=0.01)
    assert len(read_layer(published.geopackage, "crowns")) == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"count": 1}, "one band, but red, green and blue are needed"),
        ({"crs": None}, "has no coordinate reference system. Say it with --crs EPSG"),
        ({"nodata": 0, "empty": True}, "nothing but nodata"),
    ],
)
def test_the_command_refuses_with_one_line(change, said, tmp_path, capsys, spot_model):
    picture = np.zeros((64, 64, change.pop("count", 3)), np.uint8) + (0 if change.pop("empty", False) else 9)
    path = write_ortho(tmp_path / "bad.tif", picture, **change)
    with pytest.raises(SystemExit) as left:
        main(["forest", str(path), "--out", str(tmp_path / "out"), "--model", str(spot_model)])
    assert left.value.code == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    assert said in lines[0]


def test_crowns_in_degrees_keep_their_shape(tmp_path, forest):
    degree = 0.1 / 111_000
    path = write_ortho(
        tmp_path / "deg.tif", forest.picture, crs="EPSG:6668", transform=Affine(degree, 0, 139.6, 0, -degree, 35.73)
    )
    grid = Grid(open_ortho(path), 0.1)
    assert grid.x_scale / grid.y_scale == pytest.approx(np.cos(np.radians(35.73)), rel=0.01)
    boxes = Detections(np.array([[100, 100, 140, 140]]), np.array([0.9]), np.array([0]))
    crowns = crown_frame(boxes, grid, ExactDetector().card)
    assert crowns["crown_diameter_m"][0] == pytest.approx(4.0, rel=1e-3)
    west, south, east, north = crowns.total_bounds
    assert (east - west) / (north - south) == pytest.approx(1, rel=0.03)
    assert crowns["area_m2"][0] == pytest.approx(np.pi * 4, rel=0.01)
