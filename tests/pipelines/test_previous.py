"""What people wrote about a defect stays with it from survey to survey, and nothing is gone that nobody looked for."""

import contextlib
import datetime as dt
import json
import sqlite3
import uuid
from pathlib import Path
from typing import cast

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from driven import picture, survey_of, track
from road_simulator import CRS, Drive, survey, true_defects

from geo.crs import to_lonlat
from geo.geopackage import Layer, write_geopackage
from geo.network import Roads
from geo.network.links import to_links
from models.detector import Detector
from pipelines.errors import SurveyError
from pipelines.params import RoadParams
from pipelines.road.consolidate import consolidate, empty_defects
from pipelines.road.features import DEFECT_COLUMNS
from pipelines.road.job import Job, run_road
from pipelines.road.judge import judge
from pipelines.road.previous import PreviousParams, called_now, compare, on_roads, read_previous
from pipelines.road.sections import rate_sections

SPRING, AUTUMN = dt.date(2026, 4, 10), dt.date(2026, 10, 10)


def defects(*rows: dict[str, object], day: dt.date = SPRING) -> gpd.GeoDataFrame:
    """Potholes of 0.5 m, 20 m apart on link A, unless a row says otherwise; as `consolidate` gives them."""
    table = []
    for k, row in enumerate(rows):
        plain = {
            **{"uuid": f"{day:%m}-{k}", "class": "D40", "length_m": 0.5, "width_m": 0.5, "area_m2": 0.25},
            **{"size_sd_m": 0.05, "depth": "unknown", "score": 0.8, "position_sd_m": 0.8, "n_seen": 4, "n_passes": 1},
            **{"confidence": 0.9, "n_looked": 5},
            **{"first_seen": pd.Timestamp(day), "last_seen": pd.Timestamp(day), "link": "A", "chainage_m": 20.0 * k},
            **{
                "offset_m": 0.0,
                "heading_deg": 90.0,
                "frame": f"{k}.jpg",
                "class_ja": "",
                "class_en": "",
                "x": 20.0 * k,
            },
            **{"y": 0.0, "footprint": None, "box_x1": 1.0, "box_y1": 1.0, "box_x2": 9.0, "box_y2": 9.0},
        }
        table.append(plain | row)
    frame = pd.DataFrame(table)
    points = gpd.points_from_xy(frame.pop("x"), frame.pop("y"))
    return gpd.GeoDataFrame(frame, geometry=points, crs=CRS)[DEFECT_COLUMNS]


def ground(*boxes: tuple[float, float, float, float]) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(geometry=[shapely.box(*box) for box in boxes], crs=CRS)


EVERYWHERE = ground((-50.0, -50.0, 500.0, 500.0))
NOWHERE = gpd.GeoDataFrame(geometry=gpd.GeoSeries([], crs=CRS), crs=CRS)


def published(path: Path, table: gpd.GeoDataFrame, day: dt.date = SPRING) -> Path:
    """The GeoPackage that a survey leaves, judged, without what is not published."""
    write_geopackage(path, [Layer("defects", judge(table).drop(columns=["footprint", "found_as"]))], day)
    return path


@pytest.fixture
def first(tmp_path: Path) -> Path:
    return published(tmp_path / "road.gpkg", compare(defects({}, {}, {}), None, EVERYWHERE, SPRING))


def edit(path: Path, *statements: str) -> None:
    """Change the table as QGIS does: by SQL."""
    with contextlib.closing(sqlite3.connect(path)) as base, base:
        for trigger in base.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            base.execute(f'DROP TRIGGER "{trigger[0]}"')
        for statement in statements:
            base.execute(statement)


def row_of(table: gpd.GeoDataFrame, name: str) -> pd.Series:
    (place,) = np.flatnonzero(table["uuid"] == name)
    return table.iloc[place]


def test_a_first_survey_compares_with_nothing():
    table = compare(defects({}), None, EVERYWHERE, SPRING)
    assert table[["change", "status", "n_surveys"]].to_numpy().tolist() == [["", "detected", 1]]


def test_what_people_wrote_in_qgis_stays_with_the_defect(first):
    edit(
        first,
        "UPDATE defects SET status = '補修予定', note = '来週' WHERE uuid = '04-1'",
        "ALTER TABLE defects ADD COLUMN assignee TEXT",
        "ALTER TABLE defects ADD COLUMN depth_cm INTEGER",
        "UPDATE defects SET assignee = '川端', depth_cm = 6 WHERE uuid = '04-1'",
    )
    table = compare(defects({}, {}, {}, day=AUTUMN), read_previous(first), EVERYWHERE, AUTUMN)
    assert table["uuid"].tolist() == ["04-0", "04-1", "04-2"]
    kept = row_of(table, "04-1")
    assert kept[["status", "note", "assignee", "depth_cm", "change", "found_as"]].tolist() == [
        *("planned", "来週", "川端", 6, "same", "10-1")
    ]
    assert (kept["first_seen"], kept["last_seen"]) == (pd.Timestamp(SPRING), pd.Timestamp(AUTUMN))
    assert kept[["n_seen", "n_surveys"]].tolist() == [8, 2]


def test_columns_that_people_added_stay_whatever_they_are_called(first):
    """`section` is another layer's column; `people_per_h` is people's, and the judge's where there is one."""
    edit(
        first,
        "ALTER TABLE defects ADD COLUMN section TEXT",
        "ALTER TABLE defects ADD COLUMN people_per_h REAL",
        "UPDATE defects SET section = '2課', people_per_h = 300 WHERE uuid = '04-1'",
    )
    table = judge(compare(defects({}, {}, {}, day=AUTUMN), read_previous(first), EVERYWHERE, AUTUMN))
    assert row_of(table, "04-1")[["section", "people_per_h"]].tolist() == ["2課", 300.0]
    assert ["people" in json.loads(one) for one in table.set_index("uuid")["terms"].sort_index()] == [
        False,
        True,
        False,
    ]


def test_what_the_survey_wrote_stays_known_whatever_people_set_later(first, tmp_path):
    written = ["class", "class_written", "status", "status_written"]
    edit(first, "UPDATE defects SET status = 'Done', class = 'D00' WHERE uuid = '04-1'")
    assert row_of(read_previous(first), "04-1")[written].tolist() == ["D00", "D40", "Done", "detected"]
    table = compare(defects({}, {}, {}, day=AUTUMN), read_previous(first), EVERYWHERE, AUTUMN)
    assert row_of(table, "04-1")[written].tolist() == ["D00", "D00", "reopened", "reopened"]
    second = published(tmp_path / "second.gpkg", table, AUTUMN)
    edit(second, "UPDATE defects SET status = 'accepted', class = 'D20' WHERE uuid = '04-1'")
    assert row_of(read_previous(second), "04-1")[written].tolist() == ["D20", "D00", "accepted", "reopened"]


def test_boxes_are_called_as_the_defect_they_show_is_published(first):
    table = compare(defects({}, {"x": 200.0}, {}, day=AUTUMN), read_previous(first), EVERYWHERE, AUTUMN)
    boxes = called_now(pd.Series(["10-0", "", "10-1", "10-2", "10-0"]), table)
    assert boxes.tolist() == ["04-0", "", "10-1", "04-2", "04-0"]
    assert set(boxes) - {""} <= set(table["uuid"])


def test_it_stays_over_a_second_round_trip_too(first, tmp_path):
    edit(first, "UPDATE defects SET note = 'x' WHERE uuid = '04-1'")
    again = compare(defects({}, {}, {}, day=AUTUMN), read_previous(first), EVERYWHERE, AUTUMN)
    second = published(tmp_path / "second.gpkg", again, AUTUMN)
    later = dt.date(2027, 4, 10)
    table = compare(defects({}, {}, {}, day=later), read_previous(second), EVERYWHERE, later)
    assert row_of(table, "04-1")[["note", "n_surveys", "n_seen"]].tolist() == ["x", 3, 12]
    assert row_of(table, "04-1")["first_seen"] == pd.Timestamp(SPRING)


@pytest.mark.parametrize(("said", "status"), [("done", "reopened"), ("verified", "reopened"), ("rejected", "rejected")])
def test_a_repaired_defect_that_is_back_is_reopened_and_a_rejected_one_stays_rejected(first, said, status):
    edit(first, f"UPDATE defects SET status = '{said}' WHERE uuid = '04-0'")
    table = compare(defects({}, {}, {}, day=AUTUMN), read_previous(first), EVERYWHERE, AUTUMN)
    assert row_of(table, "04-0")["status"] == status


def test_a_repaired_defect_that_is_not_back_stays_done_and_is_gone(first):
    edit(first, "UPDATE defects SET status = 'done' WHERE uuid = '04-0'")
    table = compare(defects(*[{"x": 20.0}], day=AUTUMN), read_previous(first), EVERYWHERE, AUTUMN)
    assert row_of(table, "04-0")[["status", "change", "n_surveys"]].tolist() == ["done", "gone", 1]


@pytest.mark.parametrize(
    ("seen", "change"),
    [
        (EVERYWHERE, "gone"),
        (NOWHERE, "not_seen"),
        (ground((0.2, -9, 9, 9)), "not_seen"),
        (ground((-9, -9, 0, 9), (0, -9, 9, 9)), "gone"),
    ],
)
def test_a_defect_is_gone_only_where_its_place_was_seen(first, seen, change):
    table = compare(empty_defects(CRS), read_previous(first), seen, AUTUMN)
    assert len(table) == 3
    assert row_of(table, "04-0")["change"] == change


def test_what_was_gone_stays_gone_while_nobody_passes(first):
    edit(first, "UPDATE defects SET change = 'gone' WHERE uuid = '04-0'")
    table = compare(empty_defects(CRS), read_previous(first), NOWHERE, AUTUMN)
    assert row_of(table, "04-0")["change"] == "gone"
    assert row_of(table, "04-1")["change"] == "not_seen"


@pytest.mark.parametrize(
    ("size", "size_sd", "change"), [(0.8, 0.05, "worse"), (0.8, 0.3, "same"), (0.55, 0.05, "same"), (0.3, 0.05, "same")]
)
def test_a_defect_is_worse_when_it_grew_beyond_the_doubt_of_its_measurement(first, size, size_sd, change):
    now = defects({"length_m": size, "width_m": size, "size_sd_m": size_sd}, day=AUTUMN)
    row = row_of(compare(now, read_previous(first), EVERYWHERE, AUTUMN), "04-0")
    assert row["change"] == change
    assert row["growth_m"] == pytest.approx(size - 0.5)


@pytest.mark.parametrize(
    ("row", "change"),
    [
        ({"x": 2.5}, "same"),
        ({"x": 9.0}, "new"),
        ({"x": 4.5, "position_sd_m": 2.0}, "same"),
        ({"x": 5.5, "position_sd_m": 0.3}, "new"),
        ({"class": "D20"}, "new"),
        ({"link": "B", "x": 1.0}, "same"),
    ],
)
def test_near_and_of_one_family_is_the_same(first, row, change):
    table = compare(defects(row, day=AUTUMN), read_previous(first), EVERYWHERE, AUTUMN)
    assert table["change"].iloc[0] == change


def test_crack_types_are_one_family(tmp_path):
    old = published(tmp_path / "r.gpkg", compare(defects({"class": "D00"}), None, EVERYWHERE, SPRING))
    table = compare(defects({"class": "D20"}, day=AUTUMN), read_previous(old), EVERYWHERE, AUTUMN)
    assert table[["uuid", "class", "change"]].to_numpy().tolist() == [["04-0", "D20", "same"]]


@pytest.mark.parametrize("found_as", ["D40", "D00"])
def test_a_class_that_a_person_set_stays_whatever_the_next_survey_calls_it(first, found_as, tmp_path):
    edit(first, "UPDATE defects SET class = 'D00' WHERE uuid = '04-0'")
    again = compare(defects({"class": found_as}, {}, {}, day=AUTUMN), read_previous(first), EVERYWHERE, AUTUMN)
    second, later = published(tmp_path / "second.gpkg", again, AUTUMN), dt.date(2027, 4, 10)
    third = compare(defects({}, {}, {}, day=later), read_previous(second), EVERYWHERE, later)
    for table in (again, third):
        row = row_of(table, "04-0")
        assert row[["class", "class_en", "class_found"]].tolist() == ["D00", "Longitudinal crack", "D40"]
        assert table["change"].tolist() == ["same"] * 3
        assert row_of(table, "04-1")[["class", "class_found"]].tolist() == ["D40", "D40"]


def test_what_a_person_added_keeps_the_class_it_was_given(first):
    edit(first, "INSERT INTO defects (geom, class, uuid) SELECT geom, 'D20', 'x' FROM defects WHERE uuid = '04-2'")
    edit(first, "DELETE FROM defects WHERE uuid = '04-2'")
    table = compare(defects({}, {}, {"class": "D00"}, day=AUTUMN), read_previous(first), EVERYWHERE, AUTUMN)
    assert row_of(table, "x")[["class", "class_found", "change"]].tolist() == ["D20", "", "same"]


def test_a_class_that_a_person_set_stays_though_a_survey_did_not_look_there(first, tmp_path):
    edit(first, "UPDATE defects SET class = 'D20' WHERE uuid = '04-0'")
    unseen = compare(empty_defects(CRS), read_previous(first), NOWHERE, AUTUMN)
    assert row_of(unseen, "04-0")[["class", "class_found", "change"]].tolist() == ["D20", "D40", "not_seen"]
    second, later = published(tmp_path / "second.gpkg", unseen, AUTUMN), dt.date(2027, 4, 10)
    found = compare(defects({}, {}, {}, day=later), read_previous(second), EVERYWHERE, later)
    assert row_of(found, "04-0")[["class", "class_found", "change"]].tolist() == ["D20", "D40", "same"]


def test_results_that_do_not_state_the_class_found_show_it_in_its_name(first):
    edit(first, "UPDATE defects SET class = 'D20', class_ja = 'ポットホール' WHERE uuid = '04-0'")
    old = read_previous(first).drop(columns="class_found")
    table = compare(defects({}, {"class": "D10"}, {}, day=AUTUMN), old, EVERYWHERE, AUTUMN)
    assert row_of(table, "04-0")[["class", "change"]].tolist() == ["D20", "same"]
    assert row_of(table, "04-1")["change"] == "gone"


def test_two_defects_never_become_one(first):
    table = compare(defects({"x": 0.4}, {"x": -0.5}, day=AUTUMN), read_previous(first), EVERYWHERE, AUTUMN)
    assert sorted(table["change"][:2]) == ["new", "same"]
    assert table["uuid"].is_unique


def test_the_place_is_compared_in_metres_whatever_the_crs(first):
    old = read_previous(first).to_crs("EPSG:6668")
    table = compare(defects({}, {}, {}, day=AUTUMN), old, EVERYWHERE.to_crs("EPSG:6668"), AUTUMN)
    assert table["change"].tolist() == ["same"] * 3
    assert table.crs == CRS


def test_a_point_that_someone_set_by_hand_is_carried_on(first):
    edit(
        first,
        "INSERT INTO defects (geom, status, note) SELECT geom, 'accepted', '手入力' FROM defects WHERE uuid = '04-2'",
    )
    old = read_previous(first)
    table = judge(compare(defects({}, {}, {}, day=AUTUMN), old, NOWHERE, AUTUMN))
    (by_hand,) = table[table["note"] == "手入力"].to_dict("records")
    assert (by_hand["status"], by_hand["change"]) == ("accepted", "not_seen")
    assert len(by_hand["uuid"]) == 36
    assert read_previous(first)["uuid"].tolist() == old["uuid"].tolist()


def test_a_point_without_a_class_is_not_gone_because_nobody_could_find_it(first):
    edit(
        first,
        "INSERT INTO defects (geom, status, note) SELECT geom, 'accepted', '手入力' FROM defects WHERE uuid = '04-2'",
        "INSERT INTO defects (geom, note, change) SELECT geom, 'once gone', 'gone' FROM defects WHERE uuid = '04-2'",
    )
    table = judge(compare(defects({}, {}, {}, day=AUTUMN), read_previous(first), EVERYWHERE, AUTUMN))
    by_hand = table[table["note"].isin(["手入力", "once gone"])]
    assert by_hand["change"].tolist() == ["", ""]
    assert by_hand["listed"].all()


def one_road(y_m: float) -> Roads:
    """A road along x, 100 m long, called like every first road of a drive without a roads file."""
    lines = [shapely.LineString([(0, y_m), (100, y_m)])]
    table = {"link": ["track-1"], "name": ["本町通り"], "highway": ["residential"], "width": [6.0]}
    return Roads(to_links(gpd.GeoDataFrame(table, geometry=lines, crs=CRS)))


def test_what_is_carried_over_lies_on_the_new_surveys_roads_or_on_none(tmp_path):
    rows = [{"x": 30.0, "link": "track-1", "chainage_m": 30.0}, {"x": 60.0, "y": 498.0, "link": "", "chainage_m": None}]
    path = published(tmp_path / "road.gpkg", compare(defects(*rows), None, EVERYWHERE, SPRING))
    new = defects({"x": 10.0, "y": 500.0, "link": "track-1", "chainage_m": 10.0}, day=AUTUMN)
    roads = one_road(500.0)
    table = judge(on_roads(compare(new, read_previous(path), NOWHERE, AUTUMN), roads), roads.links)
    far, near, seen = (row_of(table, name) for name in ("04-0", "04-1", "10-0"))
    assert far[["link", "road_name", "road_class"]].tolist() == ["", "", "unknown"]
    assert np.isnan(far[["chainage_m", "offset_m"]].to_numpy(float)).all()
    assert near[["link", "road_name", "chainage_m", "offset_m"]].tolist() == ["track-1", "本町通り", 60.0, 2.0]
    assert seen[["link", "chainage_m"]].tolist() == ["track-1", 10.0]
    sections = rate_sections(roads, table, ground((0.0, 490.0, 100.0, 510.0)).assign(heading_deg=90.0))
    assert sections["n_potholes"].tolist() == [1, 0, 0, 1, 0]


def test_what_lies_on_a_road_that_this_survey_does_not_reach_stays_there(tmp_path):
    rows = [{"x": 30.0, "link": "4711", "chainage_m": 30.0}]
    path = published(tmp_path / "road.gpkg", compare(defects(*rows), None, EVERYWHERE, SPRING))
    table = on_roads(compare(empty_defects(CRS), read_previous(path), NOWHERE, AUTUMN), one_road(500.0))
    assert table[["link", "chainage_m"]].to_numpy().tolist() == [["4711", 30.0]]


def test_without_roads_nothing_carried_over_keeps_a_link(first):
    table = on_roads(compare(empty_defects(CRS), read_previous(first), NOWHERE, AUTUMN), None)
    assert set(table["link"]) == {""}
    assert table["chainage_m"].isna().all()


def test_a_duplicate_that_people_merged_is_not_seen_again(first):
    edit(first, "UPDATE defects SET status = 'merged' WHERE uuid = '04-0'")
    table = compare(defects({}, day=AUTUMN), read_previous(first), EVERYWHERE, AUTUMN)
    assert row_of(table, "04-0")[["change", "status"]].tolist() == ["", "merged"]
    assert row_of(table, "10-0")["change"] == "new"


def test_a_duplicate_that_people_merged_stays_merged_when_it_is_found_twice_again(tmp_path):
    twice = ({}, {"x": 4.0, "y": 0.0})
    first = published(tmp_path / "road.gpkg", compare(defects(*twice), None, EVERYWHERE, SPRING))
    edit(first, "UPDATE defects SET status = 'merged' WHERE uuid = '04-1'")
    table = compare(defects(*twice, day=AUTUMN), read_previous(first), EVERYWHERE, AUTUMN)
    assert table[["uuid", "status", "change"]].to_numpy().tolist() == [
        ["04-0", "detected", "same"],
        ["04-1", "merged", "same"],
    ]


def content(name: str) -> str:
    """What identifies the frames of the first drive."""
    return f"content of {name}"


@pytest.fixture
def known(tmp_path: Path) -> Path:
    """As `first`, of a drive whose frames are known by their content."""
    table = compare(defects({}, {}, {}), None, EVERYWHERE, SPRING, frame_hash=content)
    return published(tmp_path / "known.gpkg", table)


def test_results_of_the_same_frames_are_no_earlier_survey(known):
    edit(known, "UPDATE defects SET status = 'done', note = '済' WHERE uuid = '04-1'")
    old = read_previous(known)
    again = defects({}, {}, {"x": 300.0}, day=SPRING)
    table = compare(again, old, EVERYWHERE, SPRING, frame_hash=content)
    assert row_of(table, "04-1")[["status", "note", "change", "n_surveys"]].tolist() == ["done", "済", "", 1]
    assert row_of(table, "04-0")["n_seen"] == old["n_seen"].iloc[0]
    # What is found elsewhere now is not new to the road, and what nobody worked on is not gone from it.
    assert table["change"].tolist() == ["", "", ""]
    assert table["uuid"].tolist()[:2] == ["04-0", "04-1"] and len(table) == 3
    # What people worked on stays, found or not.
    kept = compare(again.iloc[:1], old, EVERYWHERE, SPRING, frame_hash=content)
    assert kept[["uuid", "change"]].to_numpy().tolist() == [["04-0", ""], ["04-1", ""]]


def test_another_drive_of_the_same_day_is_another_survey(first):
    old = read_previous(first)
    table = compare(defects({}, {}, {}, day=SPRING), old, EVERYWHERE, SPRING, frame_hash=lambda _name: None)
    assert table["change"].tolist() == ["same"] * 3
    assert table["n_surveys"].tolist() == [2, 2, 2]


def test_two_places_of_one_day_whose_frames_bear_the_same_names_are_two_surveys(known):
    """Cameras begin anew with every card, and orthophotos are all called as the program that made them calls them."""
    elsewhere = defects({"x": 5000.0}, {"x": 5020.0}).assign(uuid=["a", "b"])
    table = compare(elsewhere, read_previous(known), NOWHERE, SPRING, frame_hash=lambda name: f"another {name}")
    assert table[["uuid", "change"]].to_numpy().tolist() == [
        *(["a", "new"], ["b", "new"]),
        *(["04-0", "not_seen"], ["04-1", "not_seen"], ["04-2", "not_seen"]),
    ]
    assert table["frame_hash"].tolist() == ["another 0.jpg", "another 1.jpg", *map(content, defects({}, {}, {}).frame)]


def test_what_was_repaired_in_the_morning_and_is_back_in_the_afternoon_is_reopened(known):
    edit(known, "UPDATE defects SET status = 'done' WHERE uuid = '04-1'")
    again = defects({}, {}, {})
    table = compare(again, read_previous(known), EVERYWHERE, SPRING, frame_hash=lambda name: f"another {name}")
    assert row_of(table, "04-1")[["status", "change", "n_surveys"]].tolist() == ["reopened", "same", 2]


@pytest.mark.parametrize("stated", [True, False])
def test_a_drive_over_midnight_is_one_survey(stated, tmp_path):
    night = defects({}, {}, {})
    night.loc[1:, ["first_seen", "last_seen"]] = pd.Timestamp(SPRING + dt.timedelta(days=1))
    table = compare(night, None, EVERYWHERE, SPRING, frame_hash=content if stated else lambda _name: None)
    path = published(tmp_path / "road.gpkg", table)
    edit(path, "UPDATE defects SET status = 'done'")
    table = compare(night, read_previous(path), EVERYWHERE, SPRING, frame_hash=content)
    assert table[["status", "change", "n_seen", "n_surveys"]].to_numpy().tolist() == [["done", "", 4, 1]] * 3


@pytest.mark.parametrize("here", ["", "content of 0.jpg"])
def test_results_that_do_not_state_their_frames_lose_no_defect(first, here):
    old = read_previous(first).drop(columns="frame_hash")
    table = compare(defects({}), old, EVERYWHERE, SPRING, frame_hash=lambda _name: here)
    assert table[["uuid", "change", "n_surveys"]].to_numpy().tolist() == [
        *(["04-0", "", 1], ["04-1", "gone", 1], ["04-2", "gone", 1]),
    ]


def test_what_is_only_carried_over_has_no_footprint(first):
    found = defects({"footprint": shapely.box(0, 0, 1, 1)}, day=AUTUMN)
    table = compare(found, read_previous(first), NOWHERE, AUTUMN)
    assert [shape is None for shape in table["footprint"]] == [False, True, True]


def test_a_point_that_people_moved_to_its_right_place_is_known_again(tmp_path):
    first = published(tmp_path / "road.gpkg", compare(defects({}, {}), None, EVERYWHERE, SPRING))
    old = read_previous(first)
    old["lon"], old["lat"] = to_lonlat(CRS, old.geometry.x, old.geometry.y)
    old.loc[0, "geometry"] = shapely.Point(0.0, 8.0)
    old.loc[0, "note"] = "here"
    table = compare(defects({}, {}, day=AUTUMN), old, EVERYWHERE, AUTUMN)
    assert table[["uuid", "change", "note"]].to_numpy().tolist() == [["04-0", "same", "here"], ["04-1", "same", ""]]
    # A copy of it is a defect of its own, where somebody put it.
    copy = old.iloc[[0]].assign(uuid="copy", geometry=[shapely.Point(0.0, -9.0)])
    both = pd.concat([old, copy], ignore_index=True)
    table = compare(defects({}, {}, {"x": 0.0, "y": -9.0}, day=AUTUMN), both, EVERYWHERE, AUTUMN)
    assert table["uuid"].tolist() == ["04-0", "04-1", "copy"]


def test_chainage_is_that_of_the_place_on_its_link():
    roads = one_road(0.0)
    off = defects({"x": 30.0, "y": 1.0, "link": "track-1", "chainage_m": 27.0, "offset_m": 3.0})
    table = on_roads(compare(off, None, EVERYWHERE, SPRING), roads)
    assert table[["link", "chainage_m", "offset_m"]].to_numpy().tolist() == [["track-1", 30.0, -1.0]]


def test_a_survey_compared_with_itself_keeps_every_uuid_once(first):
    here = defects({}, {}, {})
    assert compare(here, read_previous(first), EVERYWHERE, SPRING)["uuid"].tolist() == here["uuid"].tolist()
    moved = compare(defects({"x": 200.0}), read_previous(first), EVERYWHERE, SPRING)
    assert moved["uuid"].is_unique


@pytest.mark.parametrize("name", ["../../outside", "2025/014", "a b", ".hidden", "x" * 65, "前の番号"])
def test_an_id_that_names_no_file_becomes_one_that_does_and_stays_the_same(first, name):
    edit(first, f"UPDATE defects SET uuid = '{name}' WHERE uuid = '04-1'")
    made = [read_previous(first)["uuid"].tolist() for _ in range(2)]
    assert made[0] == made[1] and name not in made[0]
    assert uuid.UUID(made[0][1]).version == 5 and made[0][::2] == ["04-0", "04-2"]


def test_a_survey_newer_than_this_one_is_refused(first):
    with pytest.raises(SurveyError, match="2026-04-10"):
        compare(defects({}), read_previous(first), EVERYWHERE, dt.date(2025, 4, 10))


def test_an_old_survey_without_defects_makes_all_new(first):
    table = compare(defects({}, {}), read_previous(first).iloc[:0], EVERYWHERE, AUTUMN)
    assert table["change"].tolist() == ["new", "new"]


@pytest.mark.parametrize(("content", "said"), [(b"not a database", "cannot be read"), (None, "until 2026-06-01")])
def test_a_wrong_previous_survey_is_refused_before_a_frame_is_looked_at(first, content, said, tmp_path):
    """Without a detector the job ends where the looking begins."""
    track(tmp_path / "track.gpx", range(0, 61, 2))
    for second in range(10, 20):
        picture(tmp_path / "frames" / f"{second:04}.jpg", second)
    edit(first, "UPDATE defects SET last_seen = '2026-06-01T00:00:00.000Z'")
    if content is not None:
        first.write_bytes(content)
    drive = survey_of(tmp_path, previous=first)
    with pytest.raises(SurveyError, match=said) as refused:
        run_road(drive, Job(tmp_path / "out", cast("Detector", None), RoadParams()))
    assert refused.value.where == str(first)


@pytest.mark.parametrize("content", [b"", b"not a database", None])
def test_a_file_that_is_not_ours_is_named_in_one_line(tmp_path, content):
    path = tmp_path / "old.gpkg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SurveyError, match=r"old\.gpkg") as caught:
        read_previous(path)
    assert "\n" not in str(caught.value)


def test_a_geopackage_of_something_else_is_named(tmp_path):
    path = tmp_path / "trees.gpkg"
    trees = gpd.GeoDataFrame({"kind": ["oak"]}, geometry=[shapely.Point(0, 0)], crs=CRS)
    write_geopackage(path, [Layer("defects", trees)], SPRING)
    with pytest.raises(SurveyError, match="uuid"):
        read_previous(path)


def test_on_a_simulated_drive_most_defects_are_known_again():
    road = Drive(length_m=600.0, n_defects=45, passes=1, seed=105)
    truth = true_defects(road)
    found = {}
    for seed in (105, 106):
        observations, frames, _ = survey(Drive(length_m=600.0, n_defects=45, passes=1, seed=seed), truth)
        result = consolidate(observations, frames)
        member = result.membership[result.membership != ""]
        main = observations.loc[member.index, "truth"].groupby(member).agg(lambda ids: ids.mode().iloc[0])
        found[seed] = (result.defects, main)
    (old, was), (new, now) = found[105], found[106]
    table = compare(new, compare(old, None, EVERYWHERE, SPRING), EVERYWHERE, dt.date(2026, 4, 10), PreviousParams())
    matched = table[(table["n_surveys"] == 2)]
    right = (was.loc[matched["uuid"]].to_numpy() == now.loc[matched["found_as"]].to_numpy()).mean()
    both = len(set(was) & set(now))
    assert len(matched) >= 0.9 * both
    assert right >= 0.9, (right, len(matched) / both)
