"""What offices have beside an orthophoto: registers and heights as they come, and files that are a little damaged."""

import csv
import io
import os
import zipfile
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import fromstring

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import rasterio
import shapely
from foresting import JAPAN_NORTH_WEST, ExactDetector, plant, write_ortho
from pypdf import PdfReader
from pyproj import CRS
from stand_maps import write_heights

from geo.errors import RasterError
from geo.geopackage import Layer, read_layer
from geo.raster import Grid, Stated, open_ortho
from models.card import ModelCard, ObjectClass, Thresholds
from models.detections import Detections
from pipelines.errors import OutputError, SurveyError
from pipelines.forest.crowns import crown_frame
from pipelines.forest.figures import figures_of
from pipelines.forest.ground import _SIDES_M
from pipelines.forest.job import ForestInput, ForestJob, run_forest
from pipelines.forest.labelled import _trees
from pipelines.forest.losses import CELL_M
from pipelines.forest.params import ForestParams, StandParams
from pipelines.forest.register import read_register
from pipelines.forest.reports import write_reports
from pipelines.forest.rows import rows_of
from pipelines.forest.stands import COLUMNS
from pipelines.forest.succession import CHANGE_COLUMNS
from pipelines.frames.rasters import read_raster
from pipelines.frames.types import BadFrame
from pipelines.orthophoto import OrthoParams

EAST, NORTH = JAPAN_NORTH_WEST
FLOWN = (EAST, NORTH - 100, EAST + 100, NORTH)


@pytest.fixture(scope="module")
def forest():
    return plant(900, 700)


@pytest.fixture(scope="module")
def ortho(forest, tmp_path_factory):
    return write_ortho(tmp_path_factory.mktemp("inputs") / "forest.tif", forest.picture)


def _job(out: Path) -> ForestJob:
    return ForestJob(out, ExactDetector(), ForestParams(orthophoto=OrthoParams(tile_px=640)))


def _register(path: Path, shapes: list, **columns: object) -> Path:
    gpd.GeoDataFrame({"小班": range(1, len(shapes) + 1), **columns}, geometry=shapes, crs=6677).to_file(path)
    return path


def _read(path: Path):
    return read_register(path, CRS(6677), frozenset(COLUMNS), FLOWN)


def test_a_registers_figures_stay_as_they_are(ortho, tmp_path):
    stand = shapely.box(EAST + 10, NORTH - 60, EAST + 60, NORTH - 10)
    register = _register(tmp_path / "register.gpkg", [stand], 面積_ha=0.0437, site_m=1.2345)
    _, published = run_forest(ForestInput(ortho, stands=register), _job(tmp_path / "out"))
    stands = read_layer(published.geopackage, "stands")
    assert stands["面積_ha"][0] == 0.0437
    assert stands["site_m"][0] == 1.2345


def test_stands_that_were_flown_over_come_first(ortho, tmp_path):
    elsewhere = shapely.box(EAST + 1000, NORTH - 900, EAST + 1900, NORTH)
    shapes = [elsewhere, shapely.box(EAST + 10, NORTH - 60, EAST + 60, NORTH - 10)]
    register = _register(tmp_path / "register.gpkg", shapes)
    said: list[str] = []
    job = ForestJob(tmp_path / "out", ExactDetector(), ForestParams(), tell=said.append)
    results, _ = run_forest(ForestInput(ortho, stands=register), job)
    assert [row.stand for row in rows_of(results)] == ["2", "1"]
    assert "1 of the register's 2 polygons lie on the orthophoto" in said


def test_an_earlier_stand_map_is_a_register_whose_figures_are_not_taken_for_those_of_this_flight(ortho, tmp_path):
    flown_then = {"stand": ["い-1"], "kind": ["open"], "lost": [7], "loss_ha": [0.5], "previous_stand": ["S9"]}
    stand = shapely.box(EAST + 10, NORTH - 60, EAST + 60, NORTH - 10)
    frame = gpd.GeoDataFrame(flown_then, geometry=[stand], crs=6677)
    frame.to_file(tmp_path / "earlier.gpkg", layer="stands")
    results, _ = run_forest(ForestInput(ortho, stands=tmp_path / "earlier.gpkg"), _job(tmp_path / "out"))
    assert not set(CHANGE_COLUMNS) & set(results.stands.columns)
    assert (results.stands["reg_lost"][0], results.stands["reg_loss_ha"][0]) == (7, 0.5)
    assert results.stands["reg_previous_stand"][0] == "S9"


def test_columns_keep_names_of_their_own_however_often_they_were_renamed(tmp_path):
    columns = {"reg_kind": ["a"], "kind": ["b"], "Reg_Kind_2": ["c"], "面積": [1.0]}
    frame = gpd.GeoDataFrame(columns, geometry=[shapely.box(EAST, NORTH - 20, EAST + 20, NORTH)], crs=6677)
    frame.to_file(tmp_path / "register.gpkg")
    read = _read(tmp_path / "register.gpkg").frame
    kept = {name: read[name][0] for name in read if name.lower().startswith("reg")}
    assert kept == {"reg_kind": "a", "reg_kind_3": "b", "Reg_Kind_2": "c"}
    Layer("stands", read)  # no two columns clash


def test_a_register_of_another_place_is_refused(ortho, tmp_path):
    register = _register(tmp_path / "register.gpkg", [shapely.box(0, 0, 50, 50)])
    with pytest.raises(SurveyError, match=r"none of its polygons lies on the orthophoto \(x 0 to 50"):
        run_forest(ForestInput(ortho, stands=register), _job(tmp_path / "out"))


@pytest.mark.parametrize("encoding", ["cp932", "utf-8"])
def test_a_shapefile_that_does_not_name_its_encoding_is_read_in_japanese(encoding, tmp_path):
    shapes = [shapely.box(EAST + k, NORTH - 20, EAST + k + 5, NORTH) for k in (0, 10)]
    frame = gpd.GeoDataFrame({"林班": ["12", "12"], "小班": ["い", "ろ"], "樹種": "スギ"}, geometry=shapes, crs=6677)
    path = tmp_path / "register.shp"
    frame.to_file(path, encoding=encoding)
    path.with_suffix(".cpg").unlink()
    table = bytearray(path.with_suffix(".dbf").read_bytes())
    table[29] = 0
    path.with_suffix(".dbf").write_bytes(table)
    register = _read(path)
    assert list(register.frame["stand"]) == ["12-い", "12-ろ"]
    assert list(register.frame["樹種"]) == ["スギ"] * 2
    assert any(f"read as {encoding}" in line for line in register.lines)


def test_of_several_layers_the_stands_are_read_and_the_others_named(tmp_path):
    path = tmp_path / "map.gpkg"
    box = shapely.box(EAST, NORTH - 20, EAST + 20, NORTH)
    for layer, stand in (("crowns", "no stand"), ("stands", "い-1")):
        gpd.GeoDataFrame({"stand": [stand]}, geometry=[box], crs=6677).to_file(path, layer=layer)
    register = _read(path)
    assert list(register.frame["stand"]) == ["い-1"]
    assert "the register has several layers: stands is read, not crowns" in register.lines


def test_a_sliver_that_collapses_when_it_is_repaired_is_left_out_and_named(tmp_path):
    flat = shapely.Polygon([(EAST, NORTH), (EAST + 9, NORTH), (EAST + 4, NORTH), (EAST, NORTH)])
    register = _read(_register(tmp_path / "register.gpkg", [flat, shapely.box(EAST, NORTH - 20, EAST + 20, NORTH)]))
    assert list(register.frame["stand"]) == ["2"]
    assert "1 rows of the register have no polygon and are left out: 1" in register.lines


def test_a_polygon_with_an_impossible_coordinate_is_left_out_and_named(tmp_path):
    good = gpd.GeoSeries([shapely.box(EAST, NORTH - 20, EAST + 20, NORTH)], crs=6677).to_crs(6668)
    beyond_the_pole = shapely.box(139.0, 95.0, 139.1, 96.0)
    frame = gpd.GeoDataFrame({"小班": ["い", "ろ"]}, geometry=[good[0], beyond_the_pole], crs=6668)
    frame.to_file(tmp_path / "register.gpkg")
    register = _read(tmp_path / "register.gpkg")
    assert list(register.frame["stand"]) == ["い"]
    assert "1 polygons of the register have impossible coordinates and are left out: ろ" in register.lines
    frame.iloc[1:].to_file(tmp_path / "nowhere.gpkg")
    with pytest.raises(SurveyError, match="no polygon of it lies where JGD2011"):
        _read(tmp_path / "nowhere.gpkg")


def test_surface_and_terrain_give_the_heights_that_lie_between_them(ortho, forest, tmp_path):
    chm = write_heights(tmp_path / "chm.tif", forest)
    with rasterio.open(chm) as source:
        heights, profile = source.read(1), source.profile
    slope = np.linspace(300, 340, heights.shape[1], dtype=np.float32)[None].repeat(heights.shape[0], 0)
    with rasterio.open(tmp_path / "dsm.tif", "w", **profile) as target:
        target.write(heights + slope, 1)
    with rasterio.open(tmp_path / "dtm.tif", "w", **profile) as target:
        target.write(slope, 1)
    dsm, dtm = tmp_path / "dsm.tif", tmp_path / "dtm.tif"
    one, _ = run_forest(ForestInput(ortho, chm=chm), _job(tmp_path / "one"))
    other, _ = run_forest(ForestInput(ortho, dsm=dsm, dtm=dtm), _job(tmp_path / "other"))
    assert one.crowns["height_m"].notna().sum() > 50
    pd.testing.assert_series_equal(one.crowns["height_m"], other.crowns["height_m"], atol=1e-3)
    for given, said in (
        ({"dsm": dsm}, "--dsm is given without --dtm"),
        ({"dtm": dtm}, "--dtm is given without --dsm"),
        ({"chm": chm, "dsm": dsm, "dtm": dtm}, "heights are given twice"),
    ):
        with pytest.raises(SurveyError, match=said):
            run_forest(ForestInput(ortho, **given), _job(tmp_path / "refused"))


def test_mean_heights_are_given_where_the_height_model_covers_half_of_the_ground_and_its_share_is_said(
    ortho, forest, tmp_path
):
    chm = write_heights(tmp_path / "chm.tif", forest)
    with rasterio.open(chm) as source:
        heights, profile = source.read(1), source.profile
    left = {**profile, "width": 60}  # 30 of 90 m
    with rasterio.open(tmp_path / "left.tif", "w", **left) as target:
        target.write(np.where(heights > 0, heights, np.nan)[:, :60], 1)  # bare ground is left out, as by some models
    stands = [shapely.box(EAST + x, NORTH - 70, EAST + x + 30, NORTH) for x in (0, 20, 60)]
    register = _register(tmp_path / "register.gpkg", stands)
    results, published = run_forest(
        ForestInput(ortho, chm=tmp_path / "left.tif", stands=register), _job(tmp_path / "out")
    )
    names = ["height_m", "height_p50_m", "height_p95_m", "height_max_m"]
    assert results.stands[names].notna().all(axis=1).tolist() == [True, False, False]
    west = results.mesh.bounds["minx"].to_numpy()
    assert results.mesh["height_m"].notna().tolist() == (west < EAST + 40).tolist()
    assert np.isnan(figures_of(results).height_m)
    assert results.ground.measured_share == pytest.approx(1 / 3, abs=0.06)
    share = f"{100 * results.ground.measured_share:.3g} %"
    assert f"heights cover {share}" in published.summary.read_text(encoding="utf-8")
    assert f"Heights cover {share}" in published.reports.page.read_text(encoding="utf-8")
    whole, _ = run_forest(ForestInput(ortho, chm=chm, stands=register), _job(tmp_path / "whole"))
    assert whole.stands["height_m"].notna().all() and np.isfinite(figures_of(whole).height_m)


def test_a_picture_without_a_place_gets_no_degrees_and_no_national_mesh_numbers(forest, tmp_path):
    path = write_ortho(tmp_path / "free.tif", forest.picture, crs=None, transform=None)
    results, published = run_forest(ForestInput(path, stated=Stated("6677", 0.1)), _job(tmp_path / "out"))
    rows = list(csv.DictReader(io.StringIO(published.reports.table.read_text(encoding="utf-8-sig"))))
    assert rows and {(row["代表点_緯度"], row["代表点_経度"]) for row in rows} == {("", "")}
    assert results.mesh["mesh"].iloc[0] == "E0N60"
    said = "The picture has no place"
    assert said in published.reports.page.read_text(encoding="utf-8")
    assert said in zipfile.ZipFile(published.project).read("forest.qgs").decode()
    pages = PdfReader(published.reports.documents["en"]).pages
    assert said in " ".join(" ".join(page.extract_text().split()) for page in pages)


def test_an_orthophoto_named_with_control_characters_makes_a_project_that_qgis_reads(tmp_path):
    path = write_ortho(tmp_path / "a\x08b.tif", np.full((30, 30, 3), (40, 60, 30), np.uint8))
    results, published = run_forest(ForestInput(path), _job(tmp_path / "out"))
    assert results.survey == r"a\x08b.tif"
    root = fromstring(zipfile.ZipFile(published.project).read("forest.qgs"))
    assert results.survey in (root.findtext("title") or "")


def test_an_orthophoto_whose_name_is_not_in_utf_8_is_refused_in_one_line(tmp_path):
    path = Path(os.fsdecode(bytes(tmp_path) + b"/ab\xe9.tif"))
    write_ortho(tmp_path / "p.tif", np.full((30, 30, 3), (40, 60, 30), np.uint8)).rename(path)
    with pytest.raises(RasterError, match=r"ab\\xe9\.tif: GDAL opens no path that is not in UTF-8\. Rename it"):
        run_forest(ForestInput(path), _job(tmp_path / "out"))
    with pytest.raises(BadFrame, match="not in UTF-8"):
        read_raster(path)


def _two_classes() -> ModelCard:
    """Cedar counts from 0.2, cypress from 0.9; the thresholds are written in another order than the classes."""
    names = (("sugi", "スギ", "cedar"), ("hinoki", "ヒノキ", "cypress"))
    classes = [ObjectClass(name=name, title_ja=ja, title_en=en, largest_m=8.4) for name, ja, en in names]
    thresholds = Thresholds(score={"hinoki": 0.9, "sugi": 0.2}, chosen="by construction")
    return ExactDetector().card.model_copy(update={"classes": classes, "thresholds": thresholds})


def test_crowns_count_by_the_threshold_of_their_own_class(ortho):
    boxes = Detections(
        np.array([[100, 100, 140, 140], [300, 100, 340, 140]], np.float32),
        np.array([0.5, 0.5], np.float32),
        np.array([0, 1], np.int16),
    )
    crowns = crown_frame(boxes, Grid(open_ortho(ortho), 0.1), _two_classes())
    assert dict(zip(crowns["class"], crowns["counted"], strict=True)) == {"sugi": True, "hinoki": False}


def test_trees_of_the_height_model_alone_are_of_no_class_of_a_model_that_has_several(forest, tmp_path):
    bare = write_ortho(tmp_path / "bare.tif", np.full_like(forest.picture, (40, 60, 30)))
    card = _two_classes()
    job = replace(_job(tmp_path / "out"), detector=ExactDetector(card))
    results, _ = run_forest(ForestInput(bare, chm=write_heights(tmp_path / "chm.tif", forest)), job)
    assert len(results.crowns) > 50
    assert set(results.crowns["class"]) == {"unknown"}
    trees = _trees(results, card)
    assert (len(trees.crowns), len(trees.matched)) == (len(results.crowns), 0)


def test_a_picture_too_small_for_stands_is_a_map_without_them(tmp_path):
    path = write_ortho(tmp_path / "tiny.tif", np.full((30, 30, 3), (40, 60, 30), np.uint8))
    results, published = run_forest(ForestInput(path), _job(tmp_path / "out"))
    assert len(results.stands) == 0
    assert {"stem_density_ha", "crown_cover_pct", "area_ha"} <= set(read_layer(published.geopackage, "stands"))


def test_a_part_that_cannot_be_decoded_costs_that_part_alone(tmp_path):
    rng = np.random.default_rng(0)
    path = write_ortho(tmp_path / "damaged.tif", rng.integers(0, 255, (1600, 1600, 3)).astype(np.uint8))
    with rasterio.open(path) as source:
        at = int(source.get_tag_item("BLOCK_OFFSET_1_1", "TIFF", bidx=1))
        size = int(source.get_tag_item("BLOCK_SIZE_1_1", "TIFF", bidx=1))
    with path.open("r+b") as file:
        file.seek(at)
        file.write(os.urandom(size))
    results, published = run_forest(ForestInput(path), _job(tmp_path / "out"))
    assert len(results.rejected) >= 1
    assert published.picture.stat().st_size > 10_000


def test_edits_of_a_map_whose_report_failed_are_not_overwritten(ortho, tmp_path, monkeypatch):
    def full(*_args: object) -> None:
        raise OutputError("no space left")

    monkeypatch.setattr("pipelines.forest.publish.write_reports", full)
    with pytest.raises(OutputError, match="no space"):
        run_forest(ForestInput(ortho), _job(tmp_path / "out"))
    monkeypatch.setattr("pipelines.forest.publish.write_reports", write_reports)
    with (tmp_path / "out" / "forest.gpkg").open("ab") as file:
        file.write(b"edited")
    with pytest.raises(OutputError, match="edited since"):
        run_forest(ForestInput(ortho), _job(tmp_path / "out"))


def test_cells_fill_the_cells_that_stands_and_changes_are_made_of():
    for side in _SIDES_M:
        for whole in (20.0, StandParams().cell_m, CELL_M):
            assert whole / side == round(whole / side), (side, whole)


def test_an_out_that_cannot_be_written_to_is_refused_before_anything_is_looked_at(ortho, tmp_path):
    (tmp_path / "out").write_text("a file stands here")
    looked = []
    job = replace(_job(tmp_path / "out"), looking=lambda *done: looked.append(done))
    with pytest.raises(OutputError, match="cannot be written"):
        run_forest(ForestInput(ortho), job)
    assert not looked
