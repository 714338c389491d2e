"""What cannot be used is refused in one line, in seconds, with the remedy."""

import sys
from dataclasses import replace
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from affine import Affine
from foresting import JAPAN_NORTH_WEST
from paving import GSD_M, card, exact, pave, write_pavement, write_roads
from shapely import Point

from geo.errors import MichisoraError
from geo.network import read_roads
from geo.raster import Stated, open_ortho
from models.card import ObjectClass
from pipelines.cli.main import main
from pipelines.errors import OutputError, SurveyError
from pipelines.orthophoto import OrthoParams, plan_scan
from pipelines.params import ParamsError, RoadParams
from pipelines.road.job import Job
from pipelines.road.ortho.job import RoadOrtho, run_road_ortho

sys.path.append(str(Path(__file__).parents[1] / "models"))

from spot_network import write_spot_model

EAST, NORTH = JAPAN_NORTH_WEST
CRACK = [(0.5, 1.0, 2.5, 1.2)]


@pytest.fixture(scope="module")
def pavement():
    return pave(1600, 1000, CRACK).counted


@pytest.fixture(scope="module")
def ortho(pavement, tmp_path_factory):
    return write_pavement(tmp_path_factory.mktemp("road") / "road.tif", pavement)


@pytest.fixture(scope="module")
def spot_model(tmp_path_factory):
    return write_spot_model(tmp_path_factory.mktemp("spots"))


def _job(out, tell=lambda _line: None):
    return Job(out, exact(), RoadParams(), workers=1, languages=("en",), tell=tell)


def _scaled(times):
    return {"transform": Affine(times * GSD_M, 0, EAST, 0, -times * GSD_M, NORTH)}


def _refused(capsys, arguments):
    with pytest.raises(SystemExit) as left:
        main(["road", *map(str, arguments)])
    assert left.value.code == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert len(lines) == 1
    return lines[0]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"crs": None}, "has no coordinate reference system. Say it with --crs EPSG"),
        ({"nodata": 0, "empty": True}, "there is nothing but nodata in it"),
    ],
)
def test_the_command_refuses_with_one_line(change, said, tmp_path, capsys, spot_model):
    picture = np.full((96, 96, 3), 0 if change.pop("empty", False) else 9, np.uint8)
    path = write_pavement(tmp_path / "bad.tif", picture, **change)
    line = _refused(capsys, [path, "--out", tmp_path / "out", "--model", spot_model, "--street", spot_model])
    assert said in line


def test_the_day_of_the_flight_is_asked_for(ortho, tmp_path):
    said = "the file does not say when it was flown. State the day of the flight with --date"
    with pytest.raises(SurveyError, match=said):
        run_road_ortho(RoadOrtho(ortho), _job(tmp_path / "out"))


def test_an_out_that_cannot_be_written_to_is_refused_before_anything_is_opened(ortho, tmp_path):
    (tmp_path / "out").write_text("a file stands here")
    with pytest.raises(OutputError, match="cannot be written"):
        run_road_ortho(RoadOrtho(ortho), _job(tmp_path / "out"))


def test_a_newer_previous_survey_is_refused_before_a_tile_is_looked_at(ortho, tmp_path):
    newer = tmp_path / "newer.gpkg"
    row = {"uuid": ["a"], "class": ["crack"], "last_seen": ["2026-06-01"]}
    gpd.GeoDataFrame(row, geometry=[Point(EAST, NORTH)], crs="EPSG:6677").to_file(newer, layer="defects")
    looked = []
    job = replace(_job(tmp_path / "out"), looking=lambda *done: looked.append(done))
    with pytest.raises(SurveyError, match="saw its defects until 2026-06-01, after this one of 2026-05-01"):
        run_road_ortho(RoadOrtho(ortho, previous=newer, date="2026-05-01"), job)
    assert not looked


@pytest.mark.parametrize("drive", [False, True])
def test_what_is_no_road_map_is_refused_before_models_are_opened(drive, ortho, tmp_path, capsys):
    survey = ["--frames", tmp_path, "--camera-height", 1.35, "--hfov", 84] if drive else [ortho]
    other = tmp_path / "forest.gpkg"
    gpd.GeoDataFrame({"a": [1]}, geometry=[Point(0, 0)], crs="EPSG:6677").to_file(other, layer="crowns")
    line = _refused(capsys, [*survey, "--out", tmp_path / "out", "--previous", other, "--model", "no_model"])
    assert "forest.gpkg: the previous survey cannot be read" in line
    assert "Give the road.gpkg of an earlier run" in line


def test_what_is_no_road_map_is_refused_before_anything_is_opened(tmp_path):
    given = RoadOrtho(tmp_path / "none.tif", previous=tmp_path / "none.gpkg")
    with pytest.raises(SurveyError, match="previous survey cannot be read"):
        run_road_ortho(given, _job(tmp_path / "out"))


def test_a_truncated_file_is_named_as_such(ortho, tmp_path, capsys, spot_model):
    cut = tmp_path / "cut.tif"
    cut.write_bytes(ortho.read_bytes()[:-3000])
    line = _refused(capsys, [cut, "--out", tmp_path / "out", "--model", spot_model, "--street", spot_model])
    assert "cut.tif" in line
    assert "cut off" in line or "cannot be read" in line


def test_an_orthophoto_that_shows_no_cracks_is_refused_with_the_height_to_fly_at(pavement, tmp_path):
    coarse = write_pavement(tmp_path / "coarse.tif", pavement, **_scaled(50 / 3))
    with pytest.raises(SurveyError) as refused:
        run_road_ortho(RoadOrtho(coarse, date="2026-05-01"), _job(tmp_path / "out"))
    line = str(refused.value)
    assert "coarse.tif" in line
    assert "has 50 mm a pixel, too coarse: the model needs 3 mm, and cracks are gone from 6 mm on" in line
    assert "Fly 17 times lower: about 10 m with a usual drone camera" in line
    assert "\n" not in line
    assert not (tmp_path / "out").exists()


def test_a_somewhat_coarse_one_is_looked_at_with_a_warning(pavement, tmp_path):
    told = []
    somewhat = write_pavement(tmp_path / "somewhat.tif", pavement, **_scaled(1.5))
    run_road_ortho(RoadOrtho(somewhat, date="2026-05-01"), _job(tmp_path / "out", told.append))
    assert any("warning: 4.5 mm a pixel, the model was made for 3 mm: hairline cracks are missed" in t for t in told)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ([(9000.0, 1.0), (9100.0, 1.0)], "the roads lie 9.0 km from the survey"),
        ([(300.0, 1.0), (400.0, 1.0)], "no road within 295 m"),
    ],
)
def test_roads_of_another_place_are_refused(line, said, ortho, tmp_path):
    roads = write_roads(tmp_path / "far.gpkg", [line])
    with pytest.raises(MichisoraError, match=said):
        run_road_ortho(RoadOrtho(ortho, roads, date="2026-05-01"), _job(tmp_path / "out"))


def test_roads_over_what_was_not_photographed_are_refused(tmp_path):
    picture = pave(3200, 2400, []).counted
    picture[:1800] = 0
    path = write_pavement(tmp_path / "half.tif", picture, nodata=0)
    roads = write_roads(tmp_path / "roads.gpkg", [[(-2.0, 0.2), (12.0, 0.2)]], 1.0)
    with pytest.raises(SurveyError, match="nothing was photographed where the roads are"):
        run_road_ortho(RoadOrtho(path, roads, date="2026-05-01"), _job(tmp_path / "out"))


def test_roads_in_another_system_are_the_same_roads(ortho, tmp_path):
    found = []
    for crs in (6677, 4326):
        roads = write_roads(tmp_path / f"roads{crs}.gpkg", [[(-0.5, 1.2), (5.5, 1.2)]], 4.0, crs)
        results, _ = run_road_ortho(RoadOrtho(ortho, roads, date="2026-05-01"), _job(tmp_path / str(crs)))
        found.append(results)
    for name in ("chainage_m", "offset_m"):
        np.testing.assert_allclose(found[0].defects[name], found[1].defects[name], atol=1e-3)
    assert found[0].sections["crack_ratio_pct"][0] == pytest.approx(found[1].sections["crack_ratio_pct"][0], rel=1e-3)


def test_a_place_that_the_command_states_is_taken(pavement, tmp_path):
    path = write_pavement(tmp_path / "bare.tif", pavement, crs=None)
    given = RoadOrtho(path, stated=Stated("EPSG:6677"), date="2026-05-01")
    results, _ = run_road_ortho(given, _job(tmp_path / "out"))
    assert results.crs.to_epsg() == 6677
    assert len(results.defects) == 1


def test_a_model_for_roads_is_refused(ortho, tmp_path, capsys):
    arguments = [ortho, "--out", tmp_path / "out", "--model", "road", "--date", "2026-05-01", "--backend", "onnx"]
    assert "the model was not made for orthophotos" in _refused(capsys, arguments)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--track", "t.gpx"], "--track belongs to a drive, but this is an orthophoto. Leave --track out"),
        (["--hfov", "84", "--camera-height", "1.4"], "Leave --camera-height, --hfov out"),
        (["--frames", "f"], "--frames belongs to a drive"),
        (["--clock-offset", "3"], "--clock-offset belongs to a drive"),
    ],
)
def test_what_belongs_to_a_drive_is_refused(options, said, ortho, tmp_path, capsys):
    assert said in _refused(capsys, [ortho, "--out", tmp_path / "out", *options])


def test_what_belongs_to_an_orthophoto_is_refused_for_a_drive(tmp_path, capsys):
    line = _refused(capsys, [tmp_path, "--out", tmp_path / "out", "--crs", "6677", "--date", "2026-05-01"])
    assert "--crs says something of an orthophoto, but a drive is surveyed. Leave --crs, --date out" in line


def test_an_orthophoto_that_is_not_there_is_named(tmp_path, capsys, spot_model):
    arguments = [tmp_path / "gone.tif", "--out", tmp_path / "out", "--model", spot_model, "--street", spot_model]
    line = _refused(capsys, arguments)
    assert "gone.tif" in line
    assert "no such file" in line


def test_a_file_that_is_no_raster_is_named(tmp_path, capsys, spot_model):
    (tmp_path / "notes.txt").write_text("cracks at the gate")
    arguments = [tmp_path / "notes.txt", "--out", tmp_path / "out", "--model", spot_model, "--street", spot_model]
    assert "not a raster that can be read" in _refused(capsys, arguments)


def test_an_unknown_knob_is_offered_the_nearest(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("road: {orthophoto: {touchm: 0.1}}")
    with pytest.raises(ParamsError, match=r"no knob road\.orthophoto\.touchm.*'touch_m'"):
        RoadParams.read(path)


def test_tiles_beside_the_streets_are_left_out_and_the_rest_is_as_before(ortho, tmp_path):
    opened = open_ortho(ortho)
    small = card(classes=[ObjectClass(name="crack", title_en="crack", title_ja="ひび割れ", largest_m=0.2)])
    whole = plan_scan(opened, small, OrthoParams(tile_px=320, margin_m=0.0))
    roads = read_roads(write_roads(tmp_path / "r.gpkg", [[(-1.0, 0.3), (9.0, 0.3)]], 0.4), opened.plane)
    corridor = roads.links.geometry.iloc[0].buffer(0.2, cap_style="flat")
    some = plan_scan(opened, small, OrthoParams(tile_px=320, margin_m=0.0), corridor)
    tops = whole.tiles[:, 1] * GSD_M
    touching = (tops < 0.5) & (whole.tiles[:, 3] * GSD_M > 0.1)
    np.testing.assert_array_equal(some.tiles, whole.tiles[touching])
    assert some.n_left_out == len(whole.tiles) - touching.sum() > 0
    assert whole.n_left_out == 0


def test_the_command_makes_the_list_with_the_models_that_are_shipped(tmp_path, capsys):
    path = write_pavement(tmp_path / "quay.tif", pave(1600, 1000, CRACK).asphalt())
    roads = write_roads(tmp_path / "roads.gpkg", [[(-4.0, 1.2), (9.0, 1.2)]])
    out = tmp_path / "out"
    with pytest.raises(SystemExit) as left:
        main(["road", str(path), "--out", str(out), "--roads", str(roads), "--date", "2026-05-01", "--lang", "en"])
    assert left.value.code == 0
    said = capsys.readouterr()
    printed = [line.split()[1] for line in said.out.strip().splitlines()]
    assert printed == [
        str(out / name)
        for name in ("repair_list.html", "repair_list.xlsx", "repair_list_en.pdf", "map_en.png", "road.gpkg")
    ]
    assert all(Path(name).is_file() for name in printed)
    assert "2 tiles, 14 m²" in said.err
    assert "cracks in pavement seen from a drone" in (out / "repair_list.html").read_text()
