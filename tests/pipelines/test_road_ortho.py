"""From an orthophoto with known cracks to the road job's products."""

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
import shapely
from affine import Affine
from foresting import JAPAN_NORTH_WEST
from paving import GSD_M, exact, on_map, pave, scattered, write_pavement, write_roads
from pyproj import CRS

from geo.geopackage import read_layer
from geo.network import Roads, read_roads
from geo.network.links import to_links
from pipelines.errors import OutputError
from pipelines.params import RoadParams
from pipelines.report.content import PhotoBox
from pipelines.road.job import Job
from pipelines.road.ortho.job import RoadOrtho, run_road_ortho
from pipelines.road.ortho.observe import Streets
from pipelines.road.ortho.squares import rate_squares
from pipelines.road.sections import SectionParams, rate_sections

EAST, NORTH = JAPAN_NORTH_WEST
SIZE = (3600, 2400)
DATE = "2026-05-01"


@pytest.fixture(scope="module")
def pavement():
    return pave(*SIZE, scattered(10.8, 7.2, 14, 3), 3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("above")


@pytest.fixture(scope="module")
def ortho(pavement, folder):
    return write_pavement(folder / "岸壁.tif", pavement.counted)


@pytest.fixture(scope="module")
def roads(folder):
    return write_roads(folder / "roads.gpkg", [[(-4.0, 3.6), (16.0, 3.6)]], 7.2)


@pytest.fixture(scope="module")
def survey(ortho, roads, folder):
    return run_road_ortho(RoadOrtho(ortho, roads, date=DATE), _job(folder / "survey"))


def _job(out: Path, detector=None, workers=2, tell=lambda _line: None, **knobs):
    params = RoadParams.model_validate({"orthophoto": knobs})
    return Job(out, detector or exact(), params, workers=workers, languages=("en",), tell=tell)


def _truth(pavement):
    return [on_map(crack) for crack in pavement.cracks]


def test_every_crack_is_one_defect_where_it_lies(pavement, survey):
    results, published = survey
    defects = read_layer(published.geopackage, "defects")
    assert defects.crs.to_epsg() == 6677
    truth = shapely.buffer(_truth(pavement), 0.02)
    shown = [(truth[k], results.defects.set_index("uuid")["footprint"]) for k in range(len(truth))]
    of_crack = [[key for key, shape in shapes.items() if shape.intersects(crack)] for crack, shapes in shown]
    assert [len(keys) for keys in of_crack] == [1] * len(pavement.cracks)
    assert len(defects) == len(pavement.cracks)
    by_uuid = defects.set_index("uuid")
    for (key,), line in zip(of_crack, _truth(pavement), strict=True):
        row = by_uuid.loc[key]
        assert row.geometry.distance(line) < 0.05
        ends = shapely.Point(line.coords[0]).distance(shapely.Point(line.coords[-1]))
        assert ends - 0.05 < row["length_m"] < 1.15 * ends + 0.15
    assert (defects["rank"].sort_values().to_numpy() == np.arange(1, len(defects) + 1)).all()


def test_the_products_are_those_of_a_drive(survey):
    results, published = survey
    layers = [name for name, _ in pyogrio.list_layers(published.geopackage)]
    assert layers[:6] == ["defects", "rejected", "sections", "track", "observations", "coverage"]
    defects = read_layer(published.geopackage, "defects")
    assert set(defects["link"]) == {"R0"}
    assert set(defects["road_name"]) == {"港通り"}
    assert all((published.page.parent / photo).is_file() for photo in defects["photo"])
    np.testing.assert_allclose(defects["chainage_m"], defects.geometry.x - EAST + 4, atol=1e-6)
    assert str(defects["first_seen"].iloc[0]) == DATE
    assert published.sheet.stat().st_size > 0
    assert set(published.documents) == set(published.maps) == {"en"}
    np.testing.assert_allclose(defects["position_sd_m"], 1.0, atol=1e-4)
    assert len(results.frames) == 12
    assert "looked at: 78 m²" in published.text


def test_a_section_has_its_cracks_over_its_lanes(pavement, survey):
    results, published = survey
    sections = read_layer(published.geopackage, "sections")
    assert list(sections["section"]) == ["R0:0000"]
    boxes = shapely.union_all(results.observations.geometry.to_numpy())
    lanes = shapely.box(EAST, NORTH - 7.2, EAST + 10.8, NORTH)
    ratio = 100 * boxes.intersection(lanes).area / lanes.area
    row = sections.iloc[0]
    assert row["crack_ratio_pct"] == pytest.approx(ratio, rel=0.01)
    assert row["mci"] == pytest.approx(10 - 2.23 * ratio**0.3, rel=0.01)
    assert row["coverage_pct"] == pytest.approx(54, abs=1)  # 10.8 m of 20
    coverage = read_layer(published.geopackage, "coverage")
    assert coverage["area_m2"].sum() == pytest.approx(lanes.area, rel=0.01)


def test_what_lies_beside_the_road_is_kept_but_shows_no_defect(pavement, ortho, folder, tmp_path):
    narrow = write_roads(tmp_path / "narrow.gpkg", [[(-4.0, 1.2), (16.0, 1.2)]], 2.0)
    told = []
    results, published = run_road_ortho(RoadOrtho(ortho, narrow, date=DATE), _job(tmp_path / "out", tell=told.append))
    road = shapely.box(EAST, NORTH - 2.7, EAST + 10.8, NORTH)  # half a metre about the carriageway belongs to it
    observations = read_layer(published.geopackage, "observations")
    beside = ~observations.geometry.intersects(road).to_numpy()
    assert 0 < beside.sum() < len(observations)
    assert (observations["why_not"].eq("outside_road") == beside).all()
    assert (observations["defect"].fillna("").eq("") == beside).all()
    assert results.defects["footprint"].map(lambda shape: shape.intersects(road)).all()
    assert any("others left out" in line for line in told)
    assert len(results.frames) < 12, "tiles beside the road are not looked at"


def test_a_road_whose_centre_line_lies_beside_the_picture_is_looked_at_as_far_as_it_shows(
    pavement, ortho, tmp_path, monkeypatch
):
    monkeypatch.setattr("pipelines.road.ortho.job.publish", lambda *_given: None)
    outer = write_roads(tmp_path / "outer.gpkg", [[(-4.0, -1.0), (16.0, -1.0)]], 7.2)
    results, _ = run_road_ortho(RoadOrtho(ortho, outer, date=DATE), _job(tmp_path / "out"))
    shown = shapely.box(EAST, NORTH - 3.1, EAST + 10.8, NORTH)  # 2.6 m of carriageway and the half metre beside it
    cracks = [line for line in _truth(pavement) if line.intersects(shown)]
    assert 0 < len(results.defects) == len(cracks)
    assert set(results.defects["link"]) == {"R0"}


def test_the_outer_corner_of_a_bend_is_road_where_the_line_is_split_there_and_free_ends_stay_flat(tmp_path):
    bend = [(0.0, 4.0), (6.0, 4.0), (6.0, 14.0)]
    whole, split, narrower = (
        Streets(read_roads(write_roads(tmp_path / f"{name}.gpkg", lines, widths), CRS(6677)), 0.5)
        for name, lines, widths in (
            ("whole", [bend], 6.0),
            ("split", [bend[:2], bend[1:]], 6.0),
            ("narrower", [bend[:2], bend[1:]], [6.0, 4.0]),
        )
    )
    assert split.ground(0.5).symmetric_difference(whole.ground(0.5)).area < 0.01
    corner = shapely.Point(EAST + 8.0, NORTH - 2.0)  # 2.8 m from where the lines meet
    free_end = shapely.Point(EAST - 0.1, NORTH - 4.0)
    assert [one.ground().covers(corner) for one in (whole, split, narrower)] == [True, True, False]
    assert not any(one.ground(0.5).intersects(free_end) for one in (whole, split, narrower))
    (found,) = split.snap(np.array([[corner.x, corner.y]]), 0.1).link
    assert found in {"R0", "R1"}


def test_without_roads_squares_stand_for_sections(pavement, ortho, tmp_path):
    told = []
    results, published = run_road_ortho(RoadOrtho(ortho, date=DATE), _job(tmp_path / "out", tell=told.append))
    assert any(line.startswith("no --roads") for line in told)
    assert len(results.defects) == len(pavement.cracks)
    defects, sections = (read_layer(published.geopackage, name) for name in ("defects", "sections"))
    assert set(defects["link"].fillna("")) == {""}
    assert defects["chainage_m"].isna().all()
    assert list(sections["section"]) == ["E-20000N-30020"]
    assert sections["area_seen_m2"][0] == pytest.approx(10.8 * 7.2, rel=0.01)
    assert sections["coverage_pct"][0] == pytest.approx(19.4, abs=0.2)
    assert sections["crack_ratio_pct"].isna().all(), "less than 30 % of the square was photographed: null, not zero"
    assert "squares stand for sections" in published.page.read_text()


def test_squares_that_were_seen_are_rated(pavement, ortho, tmp_path):
    params = RoadParams.model_validate({"sections": {"length_m": 5.0}})
    job = Job(tmp_path / "out", exact(), params, languages=("en",))
    results, _ = run_road_ortho(RoadOrtho(ortho, date=DATE), job)
    sections = results.sections
    assert len(sections) == 6
    rated = sections[sections["coverage_pct"] >= 30]
    assert len(rated) >= 4
    boxes = shapely.union_all(results.defects["footprint"].to_numpy(object))
    for row in rated.itertuples():
        square = shapely.Polygon(row.geometry).buffer(0.5, join_style="mitre")
        seen = square.intersection(shapely.box(EAST, NORTH - 7.2, EAST + 10.8, NORTH))
        assert row.crack_ratio_pct == pytest.approx(100 * boxes.intersection(seen).area / seen.area, abs=0.5)
    assert set(rated["diagnosis"]) <= {"I", "II", "III"}


@pytest.mark.parametrize(
    ("what", "ratio_pct"),
    [
        ({}, 25.0),
        ({"status": "rejected"}, 0.0),
        ({"status": "done"}, 0.0),
        ({"change": "gone"}, 0.0),
        ({"listed": False}, 0.0),
        ({"footprint": None}, 0.0),
    ],
)
def test_squares_and_sections_leave_out_the_same_cracks(what, ratio_pct):
    crack = {"class": "crack", "status": "detected", "change": "", "listed": True, "link": "A", "chainage_m": 10.0}
    row = crack | {"footprint": shapely.box(5, 0, 15, 10)} | what
    defects = gpd.GeoDataFrame([row], geometry=[shapely.Point(10, 5)], crs=6677)
    seen = gpd.GeoDataFrame({"heading_deg": [np.nan]}, geometry=[shapely.box(0, 0, 20, 20)], crs=6677)
    lines = {"link": ["A"], "width_m": [20.0]}
    roads = Roads(to_links(gpd.GeoDataFrame(lines, geometry=[shapely.LineString([(0, 10), (20, 10)])], crs=6677)))
    for rated in (rate_squares(defects, seen, SectionParams()), rate_sections(roads, defects, seen)):
        assert rated["crack_ratio_pct"].tolist() == pytest.approx([ratio_pct])


def _bytes(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_equal_input_gives_equal_bytes_however_many_readers_and_interruptions(ortho, roads, survey, tmp_path):
    given = RoadOrtho(ortho, roads, date=DATE)
    with pytest.raises(KeyboardInterrupt):
        run_road_ortho(given, _job(tmp_path / "out", exact(die_after=5), workers=1))
    again = exact()
    run_road_ortho(given, _job(tmp_path / "out", again, workers=4))
    assert _bytes(tmp_path / "out") == _bytes(survey[1].page.parent)
    assert 0 < again.looked_at < 12


_KILLED = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import paving
from foresting import ExactDetector
from pipelines.params import RoadParams
from pipelines.report.content import PhotoBox
from pipelines.road.job import Job
from pipelines.road.ortho.job import RoadOrtho, run_road_ortho

class Slow(ExactDetector):
    def submit(self, picture, min_score=0.01):
        print("look", flush=True)
        time.sleep(float(sys.argv[5]))
        return super().submit(picture, min_score)

given = RoadOrtho(Path(sys.argv[2]), Path(sys.argv[3]), date="2026-05-01")
detector = Slow(card=paving.card())
run_road_ortho(given, Job(Path(sys.argv[4]), detector, RoadParams(), workers=1, languages=("en",)))
"""


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(ortho, roads, survey, tmp_path, checkout):
    paths = [str(checkout / "tests"), str(ortho), str(roads), str(tmp_path / "out")]
    arguments = [sys.executable, "-c", _KILLED, *paths]
    with subprocess.Popen([*arguments, "0.3"], stdout=subprocess.PIPE, cwd=checkout) as process:
        shards = tmp_path / ".work" / "out" / "tiles"
        while not list(shards.glob("*/*.parquet")):
            assert process.poll() is None
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
    again = subprocess.run([*arguments, "0"], stdout=subprocess.PIPE, cwd=checkout, check=True)
    assert 0 < again.stdout.count(b"look") < 12
    assert _bytes(tmp_path / "out") == _bytes(survey[1].page.parent)


def test_a_list_that_was_edited_is_not_overwritten(ortho, roads, tmp_path):
    _, published = run_road_ortho(RoadOrtho(ortho, roads, date=DATE), _job(tmp_path / "out"))
    with published.geopackage.open("ab") as file:
        file.write(b"edited")
    with pytest.raises(OutputError, match="edited since"):
        run_road_ortho(RoadOrtho(ortho, roads, date=DATE), _job(tmp_path / "out"))


def test_a_second_flight_knows_the_cracks_of_the_first(pavement, ortho, roads, survey, tmp_path):
    cracks = survey[0].defects.sort_values("length_m", ascending=False)
    ends = scattered(10.8, 7.2, 14, 3)
    gone, kept = 2, [one for k, one in enumerate(ends) if k != 2]
    later = pave(*SIZE, [*kept, (9.6, 0.6, 10.3, 0.6)], 3)
    shift = (0.35, -0.25)
    place = {"transform": _moved(*shift)}
    flown = write_pavement(tmp_path / "later.tif", later.counted, **place)
    edited = gpd.read_file(survey[1].geopackage, layer="defects")
    first = edited["uuid"] == cracks["uuid"].iloc[0]
    edited.loc[first, "note"] = "seen by Sato"
    edited.to_file(tmp_path / "edited.gpkg", layer="defects")
    given = RoadOrtho(flown, roads, tmp_path / "edited.gpkg", date="2027-05-01")
    results, _ = run_road_ortho(given, _job(tmp_path / "out"))
    counts = results.defects["change"].value_counts()
    assert counts["same"] == len(kept)
    assert counts["new"] == 1
    assert counts["gone"] == 1
    lost = results.defects[results.defects["change"] == "gone"].geometry.iloc[0]
    assert lost.distance(_truth(pavement)[gone]) < 0.05
    noted = results.defects[results.defects["note"] == "seen by Sato"]
    assert list(noted["change"]) == ["same"]
    assert str(noted["first_seen"].iloc[0])[:10] == DATE


def _moved(east_m: float, north_m: float):
    return Affine(GSD_M, 0, EAST + east_m, 0, -GSD_M, NORTH + north_m)


def test_a_drive_over_the_same_road_may_be_the_last_survey(ortho, roads, survey, tmp_path):
    """A drive's defects are metres off; those in line with the pattern of cracks are known again."""
    table = gpd.read_file(survey[1].geopackage, layer="defects")
    rng = np.random.default_rng(0)
    off = np.array([1.1, 0.7]) + rng.normal(0, 0.1, (len(table), 2))
    moved = shapely.points(shapely.get_coordinates(table.geometry) + off)
    drive = table.set_geometry(gpd.GeoSeries(moved, crs=table.crs)).assign(position_sd_m=1.4, frame="f.jpg")
    drive.to_file(tmp_path / "drive.gpkg", layer="defects")
    given = RoadOrtho(ortho, roads, tmp_path / "drive.gpkg", date="2027-05-01")
    results, _ = run_road_ortho(given, _job(tmp_path / "out"))
    known = results.defects.set_index("uuid")
    same = known[known["change"].isin(["same", "worse"])]
    by_uuid = table.set_index("uuid").geometry
    right = [row.geometry.distance(by_uuid[key]) < 0.05 for key, row in same.iterrows()]
    assert sum(right) >= 0.9 * len(table)


def _view(results, rank=1):
    row = results.defects[results.defects["rank"] == rank].iloc[0]
    box = PhotoBox(row["frame"], *row[["box_x1", "box_y1", "box_x2", "box_y2"]].to_numpy(float))
    return row, results.overhead(row["uuid"], box)


def test_a_photo_shows_the_carriageway_and_a_defects_own_surroundings(ortho, tmp_path):
    narrow = write_roads(tmp_path / "narrow.gpkg", [[(-4.0, 1.2), (16.0, 1.2)]], 2.0)
    for roads, shown_m2 in ((narrow, None), (None, 0.0)):
        given = RoadOrtho(ortho, roads, date=DATE)
        results, _ = run_road_ortho(given, _job(tmp_path / str(shown_m2)))
        row, view = _view(results)
        height, width = view.picture.shape[:2]
        assert (width, height) == (960, 540)
        own = row["footprint"].buffer(0.3).area * view.metre_px**2
        road = 0.0 if roads is None else 2.0 * width * view.metre_px
        assert view.shown.sum() <= 1.01 * (own + road)
        assert view.shown.sum() > 0.5 * max(own, road)
        assert view.north == pytest.approx((0, -1), abs=1e-6)
        (ring,) = view.outline
        middle = ring.mean(axis=0)
        assert view.shown[int(middle[1]), int(middle[0])]


def test_the_georeference_is_part_of_every_position(ortho, roads, tmp_path):
    results, published = run_road_ortho(
        RoadOrtho(ortho, roads, date=DATE), _job(tmp_path / "out", georeference_sd_m=0.03)
    )
    assert results.defects["position_sd_m"].iloc[0] == pytest.approx(np.hypot(0.03, GSD_M), rel=1e-3)
    page = published.page.read_text()
    assert "± 0.03 m" in page
    assert "standard deviation of 0.03 m that was assumed" in page
