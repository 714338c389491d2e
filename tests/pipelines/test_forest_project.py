"""The stand map as a QGIS project: what is in it, that it can be moved, and that equal input gives equal bytes."""

import datetime as dt
import sqlite3
import zipfile
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import geopandas as gpd
import numpy as np
import pytest
import rasterio
import shapely
from stand_maps import StandMap, make_stand_map

from geo.geopackage import Layer
from geo.styles import Single, Symbol
from pipelines.archive import write_zip
from pipelines.errors import OutputError
from pipelines.forest.backdrop import Backdrop
from pipelines.forest.project import forest_project, write_photo
from pipelines.forest.publish import layers
from pipelines.report.labels import Extent

STYLED = ("renderer-v2", "labeling", "aliases", "fieldConfiguration", "editable", "mapTip", "previewExpression")


def _project(bundle: Path) -> ElementTree.Element:
    with zipfile.ZipFile(bundle) as archive, archive.open("forest.qgz") as inner, zipfile.ZipFile(inner) as project:
        assert project.namelist() == ["forest.qgs"]
        return ElementTree.fromstring(project.read("forest.qgs"))


def _layers(root: ElementTree.Element) -> dict[str, ElementTree.Element]:
    """Layer's table, or the picture's file, → its element."""
    found = {str(one.findtext("datasource")): one for one in root.findall("projectlayers/maplayer")}
    return {source.rpartition("=")[2].removeprefix("./"): element for source, element in found.items()}


def _backdrop(results_crs: object, side: int = 40) -> Backdrop:
    rgba = np.zeros((side, side, 4), np.uint8)
    rgba[..., :3], rgba[: side // 2, :, 3] = (200, 40, 40), 255
    return Backdrop(rgba, Extent(0.0, 0.0, 1200.0, 1200.0), results_crs)


def test_the_bundle_holds_the_files_beside_it_and_only_relative_paths(stand_map: StandMap) -> None:
    folder = stand_map.published.bundle.parent
    with zipfile.ZipFile(stand_map.published.bundle) as archive:
        assert sorted(archive.namelist()) == ["forest.gpkg", "forest.qgz", "forest_photo.tif"]
        assert all(archive.read(name) == (folder / name).read_bytes() for name in archive.namelist())
    root = _project(stand_map.published.bundle)
    sources = [one.findtext("datasource") for one in root.findall("projectlayers/maplayer")]
    sources += [one.get("source") for one in root.iter("layer-tree-layer") if one.get("source") is not None]
    assert len(sources) == 16
    assert all(str(source).startswith("./") for source in sources)
    text = ElementTree.tostring(root, encoding="unicode")
    assert str(folder) not in text
    assert root.findtext("properties/Paths/Absolute") == "false"


def test_every_layer_of_the_geopackage_is_there_in_the_style_it_has_there(stand_map: StandMap) -> None:
    found = _layers(_project(stand_map.published.bundle))
    with sqlite3.connect(stand_map.published.geopackage) as base:
        styles = dict(base.execute("SELECT f_table_name, styleQML FROM layer_styles"))
    assert set(found) == {*styles, "forest_photo.tif"}
    for name, qml in styles.items():
        own = ElementTree.fromstring(qml)
        for part in STYLED:
            one, other = own.find(part), found[name].find(part)
            assert (one is None) == (other is None), (name, part)
            if one is not None:
                assert _canonical(one) == _canonical(other), (name, part)
    assert found["stands"].find("labeling") is not None


def test_a_registers_columns_are_not_given_the_maps_names_nor_its_rounding(stand_map: StandMap) -> None:
    results = stand_map.results
    known = {"type": "官行造林", "stems_ha": 1234.5, "score": 5.55555, "area_m2": 1.23456}
    stands = results.stands.assign(**known)
    given = replace(results, stands=stands, register_columns=(*results.register_columns, *known))
    made = {layer.name: layer for layer in layers(given)}
    assert not set(known) & set(made["stands"].aliases)
    assert made["stands"].frame["area_m2"][0] == 1.23456
    assert made["crowns"].aliases["score"] == ("検出スコア", "Detection score")
    np.testing.assert_array_equal(made["gaps"].frame["area_m2"], results.gaps["area_m2"].round(2))


def _canonical(element: ElementTree.Element) -> str:
    return ElementTree.canonicalize(ElementTree.tostring(element), strip_text=True)


def test_ids_are_long_enough_for_qgis_to_keep_them(stand_map: StandMap) -> None:
    root = _project(stand_map.published.bundle)
    ids = [str(one.findtext("id")) for one in root.findall("projectlayers/maplayer")]
    assert len(set(ids)) == len(ids)
    assert all(len(one) > 10 for one in ids)
    assert {one.get("id") for one in root.iter("layer-tree-layer")} == set(ids)


def test_the_sheet_is_at_a_round_scale_and_its_legend_names_what_is_drawn(stand_map: StandMap) -> None:
    root = _project(stand_map.published.bundle)
    names = [sheet.get("name") for sheet in root.findall("Layouts/Layout")]
    assert names == ["A3横 日本語", "A3 landscape, English"]
    for sheet, extent_words, counts in zip(
        root.findall("Layouts/Layout"), ("調査範囲", "Survey extent"), ("本数：", "Counts: "), strict=True
    ):
        items = {str(item.get("id")): item for item in sheet.iter("LayoutItem")}
        extent = items["map"].find("Extent")
        width_m = float(extent.get("xmax")) - float(extent.get("xmin"))
        assert 1000 * width_m / 302 == pytest.approx(500, abs=1e-3)
        entries = [one.get("name") for one in items["legend"].iter("layer-tree-layer")]
        assert extent_words in entries
        assert not any("メッシュ" in str(name) or "mesh" in str(name) for name in entries), (
            "hidden layers are not there"
        )
        assert "40" in str(items["notes"].get("labelText"))
        assert counts in str(items["notes"].get("labelText"))
        assert "2026-05-01" in str(items["under"].get("labelText"))
        assert "午前の森.tif" in str(items["source"].get("labelText"))


def test_crowns_are_left_out_of_sheets_at_scales_where_they_run_together(stand_map: StandMap) -> None:
    results = stand_map.results
    wide = _backdrop(results.ground.crs)
    project = forest_project(results, layers(results), wide, ("forest.gpkg", "forest_photo.tif"))
    assert "樹冠" not in [entry.title for entry in project.sheets[0].entries]
    near = replace(wide, extent=Extent(0.0, 0.0, 120.0, 120.0))
    project = forest_project(results, layers(results), near, ("forest.gpkg", "forest_photo.tif"))
    assert "樹冠" in [entry.title for entry in project.sheets[0].entries]


def test_a_layer_that_the_project_does_not_know_is_shown_all_the_same(stand_map: StandMap) -> None:
    results = stand_map.results
    frame = gpd.GeoDataFrame({"n": [1]}, geometry=[shapely.box(0, 0, 9, 9)], crs=results.ground.crs)
    more = Layer("surprise", frame, Single("polygon", Symbol("#56b4e9")), "意外", "Surprise")
    project = forest_project(
        results, [*layers(results), more], _backdrop(results.ground.crs), ("forest.gpkg", "forest_photo.tif")
    )
    assert project.groups[0].title == "その他 Other"
    assert [one.title for one in project.groups[0].layers] == ["意外 Surprise"]
    assert "Surprise" in [entry.title for entry in project.sheets[1].entries]


def test_the_reduced_orthophoto_lies_where_the_survey_does_and_is_clear_elsewhere(
    stand_map: StandMap, tmp_path: Path
) -> None:
    write_photo(tmp_path / "photo.tif", _backdrop(stand_map.results.ground.crs))
    with rasterio.open(tmp_path / "photo.tif") as photo:
        assert tuple(photo.bounds) == (0.0, 0.0, 1200.0, 1200.0)
        assert photo.crs.to_epsg() == 6677
        mask = photo.dataset_mask()
        red = photo.read(1)
    assert (mask[:20] == 255).all()
    assert (mask[20:] == 0).all()
    assert abs(int(np.median(red[:16])) - 200) < 12
    assert not (tmp_path / "photo.tif.msk").exists(), "the mask travels inside the file"


@pytest.fixture(scope="module")
def again(tmp_path_factory: pytest.TempPathFactory) -> StandMap:
    return make_stand_map(tmp_path_factory.mktemp("again"))


def test_equal_input_gives_equal_bytes_of_every_product(stand_map: StandMap, again: StandMap) -> None:
    first = stand_map.published.geopackage.parent
    names = sorted(path.name for path in first.iterdir())
    assert names == sorted(path.name for path in again.published.geopackage.parent.iterdir())
    assert {"forest.qgz", "forest.zip", "stand_map.html", "stand_map_ja.pdf", "stands.csv"} < set(names)
    different = [n for n in names if (first / n).read_bytes() != (again.published.summary.parent / n).read_bytes()]
    assert different == []


def test_a_project_that_people_saved_is_not_overwritten(again: StandMap) -> None:
    project = again.published.project
    written = project.read_bytes()
    project.write_bytes(written + b"saved")
    with pytest.raises(OutputError, match=r"forest\.qgz: .*edited since.*save your project under another name"):
        make_stand_map(project.parent.parent)
    project.write_bytes(written)


def test_a_zip_depends_on_its_members_alone_also_before_its_calendar_begins(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(bytes(range(256)) * 9000)
    for k, day in enumerate((dt.date(1970, 1, 1), dt.date(1980, 1, 1), dt.date(2026, 5, 1))):
        write_zip(tmp_path / f"{k}.zip", {"a.bin": tmp_path / "a.bin", "b.txt": "林班"}, day)
        (tmp_path / "a.bin").touch()
    one, other, later = ((tmp_path / f"{k}.zip").read_bytes() for k in range(3))
    assert one == other != later
    with zipfile.ZipFile(tmp_path / "2.zip") as archive:
        assert archive.testzip() is None
        assert archive.read("b.txt").decode() == "林班"
        assert archive.getinfo("a.bin").date_time == (2026, 5, 1, 0, 0, 0)
