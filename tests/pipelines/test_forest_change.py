"""A second flight over the same forest: what its map says of the first."""

import contextlib
import datetime as dt
import shutil
import sqlite3

import geopandas as gpd
import numpy as np
import pytest
import shapely
from affine import Affine
from foresting import GROUND, GSD_M, JAPAN_NORTH_WEST, ExactDetector, plant, write_ortho

from geo.geopackage import read_layer
from pipelines.cli.main import main
from pipelines.errors import OutputError, SurveyError
from pipelines.forest.job import ForestInput, ForestJob, run_forest
from pipelines.forest.params import ForestParams
from pipelines.forest.succession import CHANGE_COLUMNS, succeeded
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


def test_the_border_that_is_left_out_is_said_with_both_areas(second):
    change = second[0].change
    wide, tall = 1696 * GSD_M, 1296 * GSD_M
    assert change.shared_ha == pytest.approx(wide * tall / 1e4, rel=0.01)
    assert change.compared_ha == pytest.approx((wide - 6) * (tall - 6) / 1e4, rel=0.01)
    said = f"{change.shared_ha:.2f} ha; crowns are compared on {change.compared_ha:.2f} ha of them, those within 3 m"
    assert said in second[1].summary.read_text(encoding="utf-8")


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


def _edited(path, folder, **frames):
    """The map with layers changed as people do in QGIS."""
    copy = folder / "edited.gpkg"
    shutil.copy(path, copy)
    for name, frame in frames.items():
        frame.to_file(copy, layer=name, driver="GPKG")
    return copy


def test_what_people_wrote_beside_a_stand_stays_with_it_and_open_to_edits(first, after, tmp_path):
    stands = read_layer(first, "stands").assign(備考="枯損木あり", planted=1987)
    earlier = _edited(first, tmp_path, stands=stands)
    before = earlier.read_bytes()
    published = run_forest(ForestInput(after, previous=earlier), _job(tmp_path / "out"))[1]
    table = read_layer(published.geopackage, "stands")
    assert list(table["備考"]) == ["枯損木あり"]
    assert list(table["planted"]) == [1987]
    assert list(table["previous_stand"]) == list(stands["stand"])
    told = published.summary.read_text(encoding="utf-8")
    assert "1 stands are those of the earlier map and keep 備考, planted" in told
    with contextlib.closing(sqlite3.connect(published.geopackage)) as base:
        (style,) = base.execute("SELECT styleQML FROM layer_styles WHERE f_table_name = 'stands'").fetchone()
    assert 'name="備考" editable="1"' in style
    assert 'name="lost" editable="0"' in style
    assert earlier.read_bytes() == before


def test_a_registers_stands_are_found_by_their_ids(forest, after, tmp_path):
    halves = [shapely.box(EAST + x, NORTH - 120, EAST + x + 75, NORTH - 5) for x in (5, 85)]
    register = gpd.GeoDataFrame({"小班": ["い-1", "ろ-2"]}, geometry=halves, crs=6677)
    register.to_file(tmp_path / "register.gpkg")
    before = write_ortho(tmp_path / "2025.tif", forest.picture)
    given = ForestInput(before, stands=tmp_path / "register.gpkg", date="2025-05-01")
    earlier = run_forest(given, _job(tmp_path / "first"))[1].geopackage
    # The second register swaps the rows, and its second polygon has moved far enough to lie in neither half.
    swapped = register.iloc[::-1].assign(geometry=[halves[1].buffer(-2), halves[0].buffer(1)])
    swapped.to_file(tmp_path / "later.gpkg")
    given = ForestInput(after, stands=tmp_path / "later.gpkg", previous=earlier, date="2026-05-01")
    stands = run_forest(given, _job(tmp_path / "second"))[0].stands
    assert list(stands["stand"]) == ["ろ-2", "い-1"]
    assert list(stands["previous_stand"]) == ["ろ-2", "い-1"]
    assert stands.loc[1, "lost"] > 30 > stands.loc[0, "lost"]
    assert stands.loc[1, "loss_ha"] > 0.1


def _one_stand(origin, **columns):
    table = {"stand": ["S1" if origin == "delineated" else "い-1"], "origin": [origin], **columns}
    return gpd.GeoDataFrame(table, geometry=[shapely.box(EAST, NORTH - 100, EAST + 100, NORTH)], crs=6677)


@pytest.mark.parametrize(("then", "was"), [("register", "of a register"), ("delineated", "without a register")])
def test_what_was_written_goes_on_to_stands_of_the_same_origin_alone(then, was):
    old = _one_stand(then, 林齢=[55])
    same = succeeded(_one_stand(then), old, (0.0, 0.0))
    assert (same.kept, list(same.stands["林齢"])) == (("林齢",), [55])
    other = succeeded(_one_stand({"register": "delineated", "delineated": "register"}[then]), old, (0.0, 0.0))
    assert "林齢" not in other.stands and not other.kept
    assert list(other.stands["previous_stand"]) == list(old["stand"])
    (said,) = other.lines
    assert said.startswith(f"林齢 of stands {was} stay in the earlier map alone")


def test_a_column_that_people_called_like_a_figure_of_the_map_is_named_and_not_dropped_silently():
    measured = succeeded(_one_stand("delineated"), _one_stand("delineated", Height_m=[21.5], lost=[3]), (0.0, 0.0))
    assert not measured.kept
    assert measured.lines[0].startswith("Height_m, lost of stands stay in the earlier map alone")
    figures = {name: [1.0] for name in (*CHANGE_COLUMNS, "height_m", "height_p50_m", "height_p95_m", "height_max_m")}
    assert not succeeded(_one_stand("delineated"), _one_stand("delineated", **figures), (0.0, 0.0)).lines


def test_a_map_in_another_plane_is_brought_into_this_one(first, after, second, tmp_path):
    moved = {name: read_layer(first, name).to_crs(6676) for name in ("crowns", "stands", "survey_extent")}
    earlier = _edited(first, tmp_path, **moved)
    results, _ = run_forest(ForestInput(after, previous=earlier, date="2026-05-01"), _job(tmp_path / "out"))
    offset = results.change.offset
    assert np.hypot(offset.east_m - SHIFT[0], offset.north_m - SHIFT[1]) < 0.1
    assert results.change.lost == second[0].change.lost


def test_the_earlier_map_is_not_overwritten(first, after, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    shutil.copy(first, out / "forest.gpkg")
    before = (out / "forest.gpkg").read_bytes()
    with pytest.raises(OutputError, match="the earlier map would be overwritten"):
        run_forest(ForestInput(after, previous=out / "forest.gpkg"), _job(out))
    assert (out / "forest.gpkg").read_bytes() == before
    shutil.move(out / "forest.gpkg", out / "2025.gpkg")
    run_forest(ForestInput(after, previous=out / "2025.gpkg"), _job(out))
    assert (out / "2025.gpkg").read_bytes() == before


def _without_crowns(first):
    return {"crowns": read_layer(first, "crowns").iloc[:0]}


def _newer(first):
    return {"survey_extent": read_layer(first, "survey_extent").assign(map_version=2)}


def _elsewhere(first):
    extent = read_layer(first, "survey_extent")
    return {"survey_extent": extent.set_geometry(extent.translate(5000, 0))}


def _foreign(first):
    return {"crowns": read_layer(first, "crowns").drop(columns="counted")}


def _later(first):
    return {"survey_extent": read_layer(first, "survey_extent").assign(survey_date=dt.date(2027, 1, 1))}


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (_without_crowns, "the earlier map holds no crowns"),
        (_newer, "the earlier map is of version 2, newer than 1"),
        (_elsewhere, "the earlier map shows other ground than the orthophoto"),
        (_foreign, "not a forest map: its crowns have no counted"),
        (_later, "the earlier map is of 2027-01-01, after this flight of 2026-05-01"),
    ],
)
def test_a_map_that_cannot_be_compared_with_is_refused_in_one_line(edit, said, first, after, tmp_path):
    earlier = _edited(first, tmp_path, **edit(first))
    job = _job(tmp_path / "out")
    with pytest.raises(SurveyError) as refused:
        run_forest(ForestInput(after, previous=earlier, date="2026-05-01"), job)
    assert not job.detector.looked_at
    assert said in str(refused.value)
    assert str(earlier) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_is_no_forest_map_is_refused(after, tmp_path):
    (tmp_path / "notes.txt").write_text("no map")
    gpd.GeoDataFrame({"a": [1]}, geometry=[shapely.Point(0, 0)], crs=6677).to_file(tmp_path / "road.gpkg")
    for name, said in (("notes.txt", "cannot be read"), ("road.gpkg", "cannot be read"), ("none.gpkg", "no such")):
        with pytest.raises(SurveyError, match=said):
            run_forest(ForestInput(after, previous=tmp_path / name), _job(tmp_path / "out"))


def test_what_is_no_forest_map_is_refused_before_the_model_is_opened(after, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["forest", str(after), "--out", str(tmp_path / "out"), "--previous", "none.gpkg", "--model", "no_model"])
    assert "none.gpkg: the earlier map cannot be read: no such GeoPackage" in capsys.readouterr().err


@pytest.mark.parametrize("verb", ["forest", "road"])
def test_what_people_may_have_edited_is_refused_before_the_model_is_opened(verb, after, tmp_path, capsys):
    (tmp_path / f"{verb}.gpkg").write_bytes(b"somebody's work")
    with pytest.raises(SystemExit):
        main([verb, str(after), "--out", str(tmp_path), "--model", "no_model"])
    assert f"{verb}.gpkg: these results were moved here, or made by somebody else" in capsys.readouterr().err


def test_a_run_of_the_same_flight_is_refused(first, forest, tmp_path):
    again = write_ortho(tmp_path / "again.tif", forest.picture)
    with pytest.raises(SurveyError, match="shows this very flight"):
        run_forest(ForestInput(again, previous=first, date="2026-05-01"), _job(tmp_path / "out"))
