"""GeoPackages are written whole, typed, styled, and with equal bytes for equal input."""

import contextlib
import datetime as dt
import hashlib
import resource
import sqlite3
import subprocess
import sys
import uuid
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from shapely import LineString, MultiPolygon, Point, box

from geo.errors import LayerError
from geo.geopackage import Layer, read_layer, write_geopackage
from geo.styles import Single, Symbol

CRS = "EPSG:6677"
DATE = dt.date(2024, 5, 1)
DOT = Single("point", Symbol("#d55e00", "circle"))


def _points(count: int = 3) -> gpd.GeoDataFrame:
    rng = np.random.default_rng(1)
    return gpd.GeoDataFrame(
        {
            "uuid": [str(uuid.uuid5(uuid.NAMESPACE_URL, str(k))) for k in range(count)],
            "rank": pd.array([None if k == 1 else k for k in range(count)], dtype="Int32"),
            "area_m2": np.where(np.arange(count) == 1, np.nan, 1.5),
            "first_seen": [dt.date(2024, 4, 1 + k % 28) for k in range(count)],
            "terms": [{"b": 1.0, "a": [k], "路": "穴"} for k in range(count)],
            "seen": pd.array([None if k == 1 else True for k in range(count)], dtype="boolean"),
            "name": ["本町通り" if k else None for k in range(count)],
        },
        geometry=gpd.points_from_xy(*rng.uniform(0, 1000, (2, count))),
        crs=CRS,
    )


def _layers(count: int = 3) -> list[Layer]:
    lines = gpd.GeoDataFrame({"section": ["a"]}, geometry=[LineString([(0, 0), (20, 0)])], crs=CRS)
    aliases = {"rank": ("順位", "Rank"), "absent": ("無", "None")}
    return [
        Layer("defects", _points(count), DOT, "損傷", "Defects", aliases),
        Layer("sections", lines),
        Layer("rejected", pd.DataFrame({"item": ["frame_1.jpg"], "reason": ["truncated"]})),
    ]


def _rows(path: Path, query: str) -> list[tuple]:
    with contextlib.closing(sqlite3.connect(path)) as base:
        return base.execute(query).fetchall()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "out" / "損傷.gpkg"
    write_geopackage(path, _layers(), DATE)
    return path


def test_values_and_types_come_back_as_they_were_written(written: Path) -> None:
    back = read_layer(written, "defects")
    put = _points()
    assert back.crs == put.crs
    assert back.geometry.geom_equals(put.geometry).all()
    assert back["rank"].dtype == "Int32"
    assert back["rank"].isna().tolist() == [False, True, False]
    assert back["seen"].tolist() == [True, pd.NA, True]
    assert back["first_seen"].tolist() == put["first_seen"].tolist()
    assert back["uuid"].tolist() == put["uuid"].tolist()
    assert back["terms"][0] == '{"a": [0], "b": 1.0, "路": "穴"}'
    assert back["area_m2"].isna().tolist() == [False, True, False]
    assert read_layer(written, "rejected").to_dict("records") == [{"item": "frame_1.jpg", "reason": "truncated"}]


def test_missing_numbers_are_null_and_dates_are_dates_in_the_table(written: Path) -> None:
    assert _rows(written, "SELECT rank, area_m2, seen FROM defects WHERE fid = 2") == [(None, None, None)]
    declared = {row[1]: row[2] for row in _rows(written, "PRAGMA table_info(defects)")}
    assert declared["first_seen"] == "DATE"
    assert declared["uuid"] == "TEXT"
    assert declared["rank"] == "MEDIUMINT"
    assert declared["seen"] == "BOOLEAN"


def test_the_file_is_a_geopackage_1_2_that_needs_no_second_file(written: Path) -> None:
    assert _rows(written, "PRAGMA user_version") == [(10200,)]
    assert _rows(written, "PRAGMA journal_mode") == [("delete",)]
    assert _rows(written, "PRAGMA integrity_check") == [("ok",)]
    assert [file.name for file in written.parent.iterdir()] == [written.name]


def test_contents_carry_titles_and_the_surveys_date_never_todays(written: Path) -> None:
    contents = _rows(written, "SELECT table_name, data_type, identifier, last_change FROM gpkg_contents")
    assert contents == [
        ("defects", "features", "損傷 Defects", "2024-05-01T00:00:00.000Z"),
        ("sections", "features", "sections", "2024-05-01T00:00:00.000Z"),
        ("rejected", "attributes", "rejected", "2024-05-01T00:00:00.000Z"),
        ("layer_styles", "attributes", "layer_styles", "2024-05-01T00:00:00.000Z"),
    ]


def test_styles_lie_where_qgis_looks_for_the_default_one(written: Path) -> None:
    query = "SELECT f_table_schema, f_table_name, f_geometry_column, useAsDefault, styleQML FROM layer_styles"
    [(schema, table, column, default, qml)] = _rows(written, query)
    assert (schema, table, column, default) == ("", "defects", "geom", 1)
    assert "順位 (Rank)" in qml


def test_columns_are_named_for_programs_that_know_no_qml(written: Path) -> None:
    query = "SELECT table_name, column_name, name, title FROM gpkg_data_columns"
    assert _rows(written, query) == [("defects", "rank", "順位 (Rank)", "順位 (Rank)")]
    extensions = _rows(written, "SELECT table_name FROM gpkg_extensions WHERE extension_name = 'gpkg_schema'")
    assert {name for (name,) in extensions} == {"gpkg_data_columns", "gpkg_data_column_constraints"}


_WRITE_AGAIN = """
import sys, datetime
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_geopackage import DATE, _layers
from geo.geopackage import write_geopackage
write_geopackage(Path(sys.argv[1]), _layers(2000), DATE)
"""


def test_equal_input_gives_equal_bytes_in_another_process_and_folder(tmp_path: Path) -> None:
    here, there = tmp_path / "here.gpkg", tmp_path / "other" / "there.gpkg"
    write_geopackage(here, _layers(2000), DATE)
    command = [sys.executable, "-W", "error", "-c", _WRITE_AGAIN, str(there), str(Path(__file__).parent)]
    subprocess.run(command, check=True, cwd=Path(__file__).parents[2])
    assert _sha256(here) == _sha256(there)


def test_writing_over_an_old_file_gives_the_same_bytes_as_a_new_one(written: Path, tmp_path: Path) -> None:
    first = _sha256(written)
    write_geopackage(written, _layers(500), DATE)
    assert _sha256(written) != first
    write_geopackage(written, _layers(), DATE)
    assert _sha256(written) == first


def test_the_date_is_all_that_a_later_survey_of_the_same_changes(written: Path, tmp_path: Path) -> None:
    later = tmp_path / "later.gpkg"
    write_geopackage(later, _layers(), dt.date(2024, 6, 1))
    assert _sha256(later) != _sha256(written)
    pd.testing.assert_frame_equal(read_layer(later, "defects"), read_layer(written, "defects"))


def test_an_empty_layer_keeps_its_columns_types_and_geometry(tmp_path: Path) -> None:
    empty = _points().astype({"first_seen": pd.ArrowDtype(pa.date32())}).iloc[:0]
    path = tmp_path / "empty.gpkg"
    write_geopackage(path, [Layer("defects", empty, DOT)], DATE)
    assert _rows(path, "SELECT geometry_type_name FROM gpkg_geometry_columns") == [("POINT",)]
    declared = {row[1]: row[2] for row in _rows(path, "PRAGMA table_info(defects)")}
    assert (declared["rank"], declared["first_seen"], declared["area_m2"]) == ("MEDIUMINT", "DATE", "REAL")
    assert len(read_layer(path, "defects")) == 0


def test_one_multipart_area_makes_the_whole_layer_multipart(tmp_path: Path) -> None:
    shapes = [box(0, 0, 1, 1), MultiPolygon([box(2, 0, 3, 1), box(4, 0, 5, 1)]), None]
    path = tmp_path / "areas.gpkg"
    write_geopackage(path, [Layer("areas", gpd.GeoDataFrame({"n": [1, 2, 3]}, geometry=shapes, crs=CRS))], DATE)
    assert _rows(path, "SELECT geometry_type_name FROM gpkg_geometry_columns") == [("MULTIPOLYGON",)]
    back = read_layer(path, "areas")
    assert back.geometry.area.tolist()[:2] == [1.0, 2.0]
    assert back.geometry.iloc[2] is None


@pytest.mark.parametrize(
    ("frame", "style", "message"),
    [
        (gpd.GeoDataFrame({"a": [1]}, geometry=[Point(0, 0)]), None, "no CRS"),
        (gpd.GeoDataFrame({"fid": [1]}, geometry=[Point(0, 0)], crs=CRS), None, "reserved: fid"),
        (pd.DataFrame([[1, 2]], columns=["A", "a"]), None, "clash"),
    ],
)
def test_a_layer_that_could_not_be_opened_again_is_refused(
    frame: pd.DataFrame, style: Single | None, message: str
) -> None:
    with pytest.raises(LayerError, match=message):
        Layer("layer", frame, style)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (gpd.GeoDataFrame({"a": ["x", 1]}, geometry=[Point(0, 0)] * 2, crs=CRS), "column a"),
        (gpd.GeoDataFrame({"a": [1, 2]}, geometry=[Point(0, 0), box(0, 0, 1, 1)], crs=CRS), "Point, Polygon"),
        (gpd.GeoDataFrame({"a": [1]}, geometry=[box(0, 0, 1, 1)], crs=CRS), "its style draws Point"),
    ],
)
def test_mixed_columns_and_geometry_are_refused_and_nothing_is_written(
    frame: gpd.GeoDataFrame, message: str, tmp_path: Path
) -> None:
    with pytest.raises(LayerError, match=message):
        write_geopackage(tmp_path / "x.gpkg", [Layer("layer", frame, DOT)], DATE)
    assert list(tmp_path.iterdir()) == []


def test_names_that_would_overwrite_each_other_are_refused(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": [1]})
    with pytest.raises(LayerError, match="several layers are called x"):
        write_geopackage(tmp_path / "x.gpkg", [Layer("x", frame), Layer("X", frame)], DATE)
    with pytest.raises(LayerError, match="no layer"):
        write_geopackage(tmp_path / "x.gpkg", [], DATE)
    with pytest.raises(LayerError, match="letters"):
        Layer("drop table", frame)


def _limit_files() -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (150_000, 150_000))


def test_a_full_disk_is_one_line_and_leaves_the_old_file_as_it_was(written: Path) -> None:
    before = _sha256(written)
    command = [sys.executable, "-c", _WRITE_AGAIN, str(written), str(Path(__file__).parent)]
    told = subprocess.run(
        command, cwd=Path(__file__).parents[2], preexec_fn=_limit_files, capture_output=True, text=True, check=False
    )
    last = told.stderr.strip().splitlines()[-1]
    assert last.startswith("geo.errors.LayerError")
    assert "cannot be written" in last
    assert "free space" in last
    assert _sha256(written) == before
    assert [file.name for file in written.parent.iterdir()] == [written.name]


def test_a_folder_that_cannot_be_written_to_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file where a folder should be", encoding="utf-8")
    with pytest.raises(LayerError, match="cannot be written") as caught:
        write_geopackage(tmp_path / "taken" / "x.gpkg", _layers(), DATE)
    assert "\n" not in str(caught.value)


def test_a_killed_writers_leavings_do_not_disturb_the_next_one(written: Path) -> None:
    before = _sha256(written)
    for suffix in ("", "-journal", "-wal"):
        (written.parent / f".{written.stem}.tmp.gpkg{suffix}").write_bytes(b"half a file")
    write_geopackage(written, _layers(), DATE)
    assert _sha256(written) == before
    assert [file.name for file in written.parent.iterdir()] == [written.name]


def test_reading_what_is_not_there_says_so(written: Path, tmp_path: Path) -> None:
    with pytest.raises(LayerError, match="no such GeoPackage"):
        read_layer(tmp_path / "none.gpkg", "defects")
    with pytest.raises(LayerError, match="layer crowns cannot be read"):
        read_layer(written, "crowns")
    (tmp_path / "text.gpkg").write_text("not a database", encoding="utf-8")
    with pytest.raises(LayerError, match="cannot be read"):
        read_layer(tmp_path / "text.gpkg", "defects")
