"""A survey's products: complete, equal each time, readable, and never half-written."""

import datetime as dt
import json
import re
import sqlite3
from dataclasses import replace

import geopandas as gpd
import numpy as np
import openpyxl
import pandas as pd
import pytest
from PIL import Image
from pyproj import CRS
from shapely import LineString, Point

from geo.camera.locate import CameraErrors
from geo.camera.pinhole import Camera
from geo.geopackage import read_layer
from geo.network import Roads
from geo.track import Trajectory
from pipelines.errors import OutputError
from pipelines.report.content import Provenance, ReportParams
from pipelines.road import status
from pipelines.road.consolidate import consolidate
from pipelines.road.coverage import seen_ground
from pipelines.road.geojson import geojson
from pipelines.road.judge import judge
from pipelines.road.observe import Scene, frame_table, observe
from pipelines.road.publish import Results, layers, publish, summary_text
from pipelines.road.sections import rate_sections

PLANE = CRS.from_epsg(6677)
CAMERA = Camera.from_fov(640, 360, 70.0, height_m=1.4, pitch_deg=6.0)
START = np.array([-8200.0, -35400.0])
DAMAGE = [("D40", 40.0, 0.4, 0.5), ("D20", 70.0, -0.5, 1.5), ("D00", 95.0, 0.2, 1.0)]
LAYERS = ["defects", "rejected", "sections", "track", "observations", "coverage"]


def boxes_of(lens_m: float, frame: str) -> list[dict[str, object]]:
    rows = []
    for name, along, right, size in DAMAGE:
        forward = along - lens_m
        if not 5.0 < forward < 16.0:
            continue
        corners = np.array([[forward + a * size / 2, right + b * size / 2] for a in (-1, 1) for b in (-1, 1)])
        px = CAMERA.to_image(corners)
        edges = dict(zip(("x1", "y1", "x2", "y2"), (*px.min(axis=0), *px.max(axis=0)), strict=True))
        rows.append({"frame": frame, "width_px": 640, "height_px": 360, "class": name, "score": 0.8, **edges})
    return rows


@pytest.fixture(scope="module")
def results() -> Results:
    t = np.linspace(0, 20, 41)
    track = Trajectory.from_path(t, START[0] + 6.0 * t, np.full(41, START[1]), crs=PLANE, sd_m=0.5)
    scene = Scene(track, CAMERA, CameraErrors(), Roads.from_track(track))
    times = np.linspace(0, 20, 31)
    names = [f"{i:04d}.jpg" for i in range(31)]
    boxes = pd.DataFrame([row for name, at in zip(names, times, strict=True) for row in boxes_of(6.0 * at, name)])
    frames = frame_table(pd.DataFrame({"frame": names, "n_boxes": 0}), times, scene)
    observations = observe(boxes, frames, scene)
    defects = judge(consolidate(observations, frames).defects, scene.roads.links)
    seen = seen_ground(frames, CAMERA, crs=PLANE)
    return Results(
        survey="試験走行 test drive",
        date=dt.date(2026, 11, 3),
        crs=PLANE,
        defects=defects,
        sections=rate_sections(scene.roads, defects, seen),
        observations=observations,
        frames=frames,
        seen=seen,
        track=track.line(),
        rejected=gpd.GeoDataFrame(
            {"item": ["x.jpg", "fix 7"], "reason": ["truncated", "jump"], "detail": ["", "300 m"]},
            geometry=[None, Point(*START)],
            crs=PLANE,
        ),
        read_frame=lambda name: np.full((360, 640, 3), 90 + int(name[:4]), np.uint8),
        provenance=Provenance("road", "ab" * 32),
        km=0.12,
        camera=CAMERA,
        roads=scene.roads.links,
    )


@pytest.fixture(scope="module")
def light(results: Results) -> Results:
    """The same survey with fewer pages to print."""
    return replace(results, languages=("en",), report=ReportParams(document_blocks=0, photo_width_px=320))


@pytest.fixture(scope="module")
def published(results, tmp_path_factory):
    return publish(results, tmp_path_factory.mktemp("out"))


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_publishing_twice_gives_equal_bytes_and_leaves_nothing_temporary(results, published, tmp_path):
    (tmp_path / ".publishing" / "photos").mkdir(parents=True)
    (tmp_path / ".publishing" / "photos" / "left-by-a-killed-run.jpg").write_bytes(b"half")
    again = publish(results, tmp_path)
    first, second = contents(published.summary.parent), contents(tmp_path)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []
    assert not any(".publishing" in name or ".tmp" in name for name in first)
    assert again.text == published.text


def test_every_named_product_is_there(published):
    paths = [published.geopackage, published.geojson, published.page, published.sheet, published.summary]
    for path in (*paths, *published.documents.values(), *published.maps.values()):
        assert path.stat().st_size > 100, path


def test_every_layer_opens_and_carries_a_style_and_a_title(published):
    for name in LAYERS:
        assert isinstance(read_layer(published.geopackage, name), gpd.GeoDataFrame)
    with sqlite3.connect(published.geopackage) as db:
        styles = dict(db.execute("SELECT f_table_name, styleQML FROM layer_styles"))
        titles = dict(db.execute("SELECT table_name, identifier FROM gpkg_contents"))
    db.close()
    assert sorted(styles) == sorted(LAYERS)
    assert all("<renderer-v2" in qml for qml in styles.values())
    assert titles["defects"] == "路面損傷 Defects"
    for state in status.STATUSES:
        assert state.label in styles["defects"], "each state can be chosen in QGIS"
    assert "mapTip" in styles["defects"]
    assert 'fieldName="rank"' in styles["defects"]
    for column in ("class", "status", "note"):
        assert f'name="{column}" editable="1"' in styles["defects"]
    assert 'name="uuid" editable="0"' in styles["defects"]


def test_every_column_has_names_in_both_languages(results):
    written = layers(results)
    unnamed = {f"{one.name}.{column}" for one in written for column in one.columns if column not in one.aliases}
    assert unnamed <= {f"observations.{name}" for name in ("x1", "y1", "x2", "y2", "x_m", "y_m")} | {
        f"observations.{name}" for name in ("cov_xx", "cov_xy", "cov_yy")
    }


def test_defects_are_written_with_place_day_and_photo(results, published):
    table = read_layer(published.geopackage, "defects")
    assert table["class"].tolist() == ["D40", "D20", "D00"]
    assert table["rank"].tolist() == [1, 2, 3]
    assert {"footprint", "box_x1"}.isdisjoint(table.columns)
    assert all(isinstance(day, dt.date) for day in table["first_seen"])
    assert table["photo"].tolist() == [f"photos/{uuid}.jpg" for uuid in table["uuid"]]
    assert all((published.geopackage.parent / photo).is_file() for photo in table["photo"])
    degrees = table.to_crs(4326).geometry
    assert np.allclose(table["lon"], degrees.x, atol=1e-6)
    assert np.allclose(table["lat"], degrees.y, atol=1e-6)


def test_geojson_is_in_degrees_and_says_what_the_layer_says(published):
    table = read_layer(published.geopackage, "defects")
    features = json.loads(published.geojson.read_text())["features"]
    assert [one["properties"]["uuid"] for one in features] == table["uuid"].tolist()
    one = features[0]
    assert one["geometry"]["coordinates"] == [one["properties"]["lon"], one["properties"]["lat"]]
    assert 139 < one["properties"]["lon"] < 141
    assert one["properties"]["terms"]["safety"] == pytest.approx(50 * one["properties"]["confidence"], abs=0.006)
    assert one["properties"]["first_seen"] == "1970-01-01"


def test_a_frame_that_cannot_be_read_costs_its_photo_alone(light, tmp_path):
    def read(name):
        if name == light.defects["frame"].iloc[0]:
            raise OSError("gone")
        return light.read_frame(name)

    table = read_layer(publish(replace(light, read_frame=read), tmp_path).geopackage, "defects")
    assert table["photo"].isna().tolist() == [True, False, False]


def test_photos_that_no_defect_has_are_removed_but_those_of_defects_not_seen_this_time_stay(light, tmp_path):
    old = light.defects.copy()
    # The frame of this name is the new survey's, not the one in which the carried-over defect was once seen.
    old["found_as"] = ["", *old["uuid"][1:]]
    stale = "00000000-0000-5000-8000-000000000000"
    earlier = light.defects.assign(uuid=[*light.defects["uuid"][:2], stale])
    publish(replace(light, defects=earlier), tmp_path)
    kept, stale = (tmp_path / "photos" / f"{uuid}.jpg" for uuid in (old["uuid"].iloc[0], stale))
    assert stale.exists()
    Image.new("RGB", (64, 36), (9, 99, 9)).save(kept)
    earlier = kept.read_bytes()
    done = publish(replace(light, defects=old), tmp_path)
    table = read_layer(done.geopackage, "defects")
    assert kept.read_bytes() == earlier
    assert f"photos/{kept.name}" in done.page.read_text(encoding="utf-8")
    assert len(openpyxl.load_workbook(done.sheet).worksheets[0]._images) == 3
    assert not stale.exists()
    assert "found_as" not in table.columns
    assert table["photo"].notna().all()
    kept.write_bytes(b"cut off")
    table = read_layer(publish(replace(light, defects=old), tmp_path).geopackage, "defects")
    assert table["photo"].isna().tolist() == [True, False, False]


def test_pictures_that_no_run_wrote_stay_in_the_folder_of_photos(light, tmp_path):
    own = tmp_path / "photos" / "IMG_0001.jpg"
    own.parent.mkdir()
    own.write_bytes(b"a photograph of the town's")
    for _ in range(2):
        publish(light, tmp_path)
        assert own.read_bytes() == b"a photograph of the town's"


def test_reports_of_an_earlier_run_in_other_languages_are_removed_and_nothing_of_others(light, tmp_path):
    publish(replace(light, languages=("ja", "en")), tmp_path)
    (tmp_path / "map_fr.png").write_bytes(b"somebody's own")
    publish(light, tmp_path)
    left = {path.name for path in tmp_path.iterdir() if path.suffix in {".pdf", ".png"}}
    assert left == {"repair_list_en.pdf", "map_en.png", "map_fr.png"}


def test_what_lies_beside_the_carriageway_gets_no_photo_and_loses_an_earlier_one(light, tmp_path):
    publish(light, tmp_path)
    beside = light.defects.assign(beside_road=[True, False, False])
    table = read_layer(publish(replace(light, defects=beside), tmp_path).geopackage, "defects")
    assert table["photo"].isna().tolist() == [True, False, False]
    assert len(list((tmp_path / "photos").iterdir())) == 2
    assert "beside_road" not in table.columns


def test_a_failed_run_leaves_the_old_products_whole(light, tmp_path):
    publish(light, tmp_path)
    before = contents(tmp_path)
    mixed = light.observations.copy()
    mixed["class"] = [1, *mixed["class"][1:]]
    with pytest.raises(Exception, match="class"):
        publish(replace(light, observations=mixed, survey="another"), tmp_path)
    assert contents(tmp_path) == before


def test_a_place_that_cannot_be_written_is_one_clear_error(light, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError, match="cannot be written"):
        publish(light, tmp_path / "file")


def test_a_survey_without_a_single_defect_is_published(results, tmp_path):
    nothing = judge(consolidate(results.observations.iloc[:0], results.frames).defects)
    empty = replace(
        results,
        defects=nothing,
        observations=results.observations.iloc[:0],
        rejected=pd.DataFrame({"item": [], "reason": [], "detail": []}, dtype=object),
        languages=("en",),
        report=ReportParams(document_blocks=0),
    )
    done = publish(empty, tmp_path)
    assert len(read_layer(done.geopackage, "defects")) == 0
    assert json.loads(done.geojson.read_text())["features"] == []


def test_the_summary_says_what_lies_where_and_what_was_found(results):
    text = summary_text(results)
    for part in ("road.gpkg", "repair_list.html", "map_ja.png", "map_en.png", "31", "0.12 km", "repair needed: 2"):
        assert part in text
    assert "truncated picture 1" in text


def test_the_summary_and_the_page_count_what_changed(light, tmp_path):
    n = len(light.defects)
    assert light.changes == {} and "Since last survey" not in summary_text(light)
    compared = replace(light, defects=light.defects.assign(change=["worse", *["new"] * (n - 1)]))
    assert compared.changes == {"new": n - 1, "same": 0, "worse": 1, "gone": 0, "not_seen": 0}
    assert f"Since last survey: new {n - 1}, unchanged 0, worse 1, gone (passed, not seen) 0" in summary_text(compared)
    page = publish(compared, tmp_path).page.read_text(encoding="utf-8")
    assert re.search(r"worse</span> <b>1</b>.*not passed this time</span> <b>0</b></p>", page)


def test_progress_ends_at_its_end(light, tmp_path):
    told = []
    publish(light, tmp_path, lambda done, total: told.append((done, total)))
    assert told[-1][0] == told[-1][1]
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_rejected_without_any_place_is_still_a_layer(results):
    plain = replace(results, rejected=pd.DataFrame({"item": ["a"], "reason": ["empty"], "detail": [""]}))
    rejected = next(one for one in layers(plain) if one.name == "rejected")
    assert rejected.spatial
    assert rejected.frame.geometry.isna().all()


def test_geojson_of_missing_values_is_null(results):
    table = results.defects.iloc[:1].copy()
    table["rank"] = pd.array([pd.NA], dtype="Int64")
    table = table.drop(columns=["footprint"]).assign(first_seen=None, last_seen=None)
    properties = json.loads(geojson(table))["features"][0]["properties"]
    assert properties["rank"] is None
    assert properties["first_seen"] is None


def test_geojson_leaves_out_what_json_cannot_hold(results, tmp_path):
    attached = results.defects.assign(sketch=[b"\x89PNG", None, b""], seen_by="川端")
    done = publish(replace(results, defects=attached, languages=("en",)), tmp_path)
    first, second, _ = (one["properties"] for one in json.loads(done.geojson.read_text())["features"])
    assert "sketch" not in first.keys() | second.keys()
    assert {first["seen_by"], second["seen_by"]} == {"川端"}
    assert read_layer(done.geopackage, "defects")["sketch"].tolist() == [b"\x89PNG", None, b""]


def test_track_is_the_driven_line(published):
    track = read_layer(published.geopackage, "track")
    assert isinstance(track.geometry.iloc[0], LineString)
    assert track["date"].tolist() == [dt.date(2026, 11, 3)]
