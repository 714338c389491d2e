"""Two surveys of one road: what people wrote in QGIS after the first is kept by the second, which says what changed."""

import contextlib
import sqlite3
from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
import shapely.affinity
import yaml
from driving import Drive, listed

from geo.track.poses import Poses

SPRING, AUTUMN = "2026-04-21", "2026-10-20"
BY_HAND = "added-in-QGIS"
POINT_HEAD_BYTES = 8
"""Of a GeoPackage's geometry before its WKB, for points that OGR wrote."""


@dataclass(frozen=True)
class Seasons:
    """The lists of both surveys, by uuid, and what the defects were called that people worked on between them.

    `boxes` holds the defect that each of the second survey's observations names, "" for none.
    """

    spring: gpd.GeoDataFrame
    autumn: gpd.GeoDataFrame
    boxes: pd.Series
    planned: str
    repaired: str
    grown: str
    elsewhere: str
    by_hand: str


def edit(path: Path, *statements: tuple[str, tuple[object, ...]]) -> None:
    """Change rows as QGIS does: by SQL, in the file as it is."""
    with contextlib.closing(sqlite3.connect(path)) as base, base:
        # QGIS brings the functions that the spatial index calls; SQLite alone does not.
        for (trigger,) in base.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            base.execute(f'DROP TRIGGER "{trigger}"')
        for statement, values in statements:
            assert base.execute(statement, values).rowcount in {1, -1}, statement


def free_spot(out: Path, driven: Poses, avoided: shapely.Point) -> tuple[str, shapely.Point]:
    """A class and a place on the road driven, far from `avoided`, where nothing of the kind was found around."""
    found = gpd.read_file(out / "road.gpkg", layer="defects")
    inside = gpd.read_file(out / "road.gpkg", layer="coverage").union_all().buffer(-2.0)
    # What lies ahead of the last frame was seen from afar alone: not finding it there does not say that it is gone.
    inside = inside.intersection(shapely.LineString(np.column_stack([driven.x_m, driven.y_m])).buffer(3.0))
    x_min, y_min, x_max, y_max = inside.bounds
    grid = shapely.points(*np.meshgrid(np.arange(x_min, x_max), np.arange(y_min, y_max)))
    grid = grid[shapely.contains(inside, grid) & (shapely.distance(grid, avoided) > 15)]
    holes = found["class"] == "D40"
    same = {"D40": found[holes].union_all(), "D00": found[~holes].union_all()}
    distance = {name: shapely.distance(grid, shape) for name, shape in same.items() if not shape.is_empty}
    name = max(distance, key=lambda kind: distance[kind].max())
    assert distance[name].max() > 5
    return name, grid[distance[name].argmax()]


def placed(path: Path, point: shapely.Point) -> bytes:
    """A point as the GeoPackage holds it."""
    with contextlib.closing(sqlite3.connect(path)) as base:
        (blob,) = base.execute("SELECT geom FROM defects LIMIT 1").fetchone()
    return bytes(blob[:POINT_HEAD_BYTES] + shapely.to_wkb(point))


def survey_of(drive: Drive, folder: Path, date: str) -> Path:
    """The same road as another day's survey: pictures that look alike, in files that are none of another day's."""
    manifest = yaml.safe_load((drive.folder / "survey.yaml").read_text())
    paths = {name: str(drive.folder / manifest[name]) for name in ("track", "roads")}
    (folder / "frames").mkdir(parents=True)
    for frame in (drive.folder / manifest["frames"]).iterdir():
        (folder / "frames" / frame.name).write_bytes(frame.read_bytes() + date.encode())
    (folder / "survey.yaml").write_text(yaml.safe_dump(manifest | paths | {"frames": "frames", "date": date}))
    return folder


@pytest.fixture(scope="module")
def seasons(drive, tmp_path_factory) -> Seasons:
    place = tmp_path_factory.mktemp("seasons")
    first = listed(drive, place / "spring" / "out", survey_of(drive, place / "s1", SPRING)).set_index("uuid")
    planned, repaired, grown, elsewhere = first.sort_values(["n_seen", "score"], ascending=False).index[:4]
    gpkg = place / "spring" / "out" / "road.gpkg"
    far = shapely.affinity.translate(first.geometry.loc[elsewhere], 400.0, 400.0)
    kind, spot = free_spot(gpkg.parent, drive.track().at(drive.t_s), first.geometry.loc[elsewhere])
    edit(
        gpkg,
        ("ALTER TABLE defects ADD COLUMN assignee TEXT", ()),
        ("UPDATE defects SET status = 'planned', note = '7月に施工', assignee = '山田' WHERE uuid = ?", (planned,)),
        ("UPDATE defects SET status = '補修済み', note = 'filled' WHERE uuid = ?", (repaired,)),
        ("UPDATE defects SET length_m = length_m / 4, width_m = width_m / 4 WHERE uuid = ?", (grown,)),
        ("UPDATE defects SET geom = ? WHERE uuid = ?", (placed(gpkg, far), elsewhere)),
        (
            "INSERT INTO defects (geom, uuid, class, length_m, width_m, position_sd_m, status, note) "
            "VALUES (?, ?, ?, 0.6, 0.4, 0.5, 'accepted', 'seen on foot')",
            (placed(gpkg, spot), BY_HAND, kind),
        ),
    )
    before = gpkg.read_bytes()
    second = listed(
        drive, place / "autumn" / "out", survey_of(drive, place / "s2", AUTUMN), "--previous", gpkg
    ).set_index("uuid")
    assert gpkg.read_bytes() == before, "the previous survey is read, not written"
    boxes = gpd.read_file(place / "autumn" / "out" / "road.gpkg", layer="observations")["defect"].fillna("")
    return Seasons(first, second, boxes, planned, repaired, grown, elsewhere, BY_HAND)


def test_a_first_survey_has_no_changes_and_every_defect_is_detected(seasons):
    assert set(seasons.spring["change"].fillna("")) == {""}
    assert set(seasons.spring["status"]) == {"detected"}


def test_every_defect_found_again_keeps_its_uuid_and_is_counted_once_more(seasons):
    again = seasons.autumn[seasons.autumn["change"].isin(["same", "worse"])]
    assert set(again.index) == set(seasons.spring.index) - {seasons.elsewhere}
    # The frames are the same, so every defect is where it was.
    assert again.distance(seasons.spring.geometry.loc[again.index]).max() < 0.01
    assert (pd.to_datetime(again["first_seen"]) == pd.Timestamp(SPRING)).all()
    assert set(again["n_surveys"]) == {2}


def test_a_box_leads_to_its_defect_whichever_survey_named_it(seasons):
    found = seasons.autumn[seasons.autumn["n_surveys"].gt(1) | seasons.autumn["change"].eq("new")]
    assert set(seasons.boxes) - {""} == set(found.index)


def test_what_people_wrote_stays_with_the_defect_their_own_column_too(seasons):
    row = seasons.autumn.loc[seasons.planned]
    assert (row["status"], row["note"], row["change"], row["assignee"]) == ("planned", "7月に施工", "same", "山田")


def test_a_repaired_defect_found_again_is_reopened_and_keeps_its_note(seasons):
    row = seasons.autumn.loc[seasons.repaired]
    assert (row["status"], row["note"]) == ("reopened", "filled")


def test_a_defect_that_was_smaller_is_worse(seasons):
    row = seasons.autumn.loc[seasons.grown]
    assert (row["change"], row["status"]) == ("worse", "detected")
    assert row["length_m"] == pytest.approx(seasons.spring.loc[seasons.grown, "length_m"], rel=1e-6)
    others = seasons.autumn[seasons.autumn["change"] == "worse"].index
    assert others.tolist() == [seasons.grown]


def test_one_that_lies_where_nobody_drove_is_not_seen_and_the_one_in_its_place_is_new(seasons):
    assert seasons.autumn.loc[seasons.elsewhere, "change"] == "not_seen"
    (new,) = np.flatnonzero(seasons.autumn["change"] == "new")
    assert seasons.autumn.index[new] not in seasons.spring.index
    place = seasons.spring.geometry.loc[seasons.elsewhere]
    assert seasons.autumn.geometry.iloc[new].distance(place) < 0.01


def test_one_that_was_there_by_hand_and_is_not_where_the_survey_looked_is_gone(seasons):
    row = seasons.autumn.loc[seasons.by_hand]
    assert (row["change"], row["status"], row["note"]) == ("gone", "accepted", "seen on foot")
