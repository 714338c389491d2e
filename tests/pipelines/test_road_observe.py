"""Boxes land where the thing they show lies, or say why they cannot."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyproj import CRS

from geo.camera.locate import CameraErrors
from geo.camera.pinhole import Camera
from geo.network import Roads
from geo.track import Trajectory
from pipelines.road.observe import OBSERVATION_COLUMNS, Scene, fits, frame_table, observe

CRS_M = CRS.from_epsg(6677)
CAMERA = Camera.from_fov(1280, 720, 70.0, height_m=1.4, pitch_deg=4.0)


def scene(camera: Camera = CAMERA, heading_deg: float = 0.0) -> Scene:
    distance = np.array([0.0, 100.0])
    angle = np.radians(heading_deg)
    track = Trajectory.from_path([0.0, 10.0], distance * np.sin(angle), distance * np.cos(angle), crs=CRS_M, sd_m=0.5)
    return Scene(track, camera, CameraErrors(), Roads.from_track(track))


def box_of(camera: Camera, forward: tuple[float, float], right: tuple[float, float]) -> tuple[float, ...]:
    ground = np.array([[f, r] for f in forward for r in right])
    px = camera.to_image(ground)
    return (*px.min(axis=0), *px.max(axis=0))


def seen(box, size=(1280, 720)) -> pd.DataFrame:
    row = dict(zip(("x1", "y1", "x2", "y2"), box, strict=True))
    return pd.DataFrame(
        [{"frame": "f", "width_px": size[0], "height_px": size[1], "class": "D40", "score": 0.9, **row}]
    )


def observed(where: Scene, boxes: pd.DataFrame, t_s: float = 5.0):
    frames = frame_table(pd.DataFrame({"frame": ["f"], "n_boxes": [1]}), np.array([t_s]), where)
    return observe(boxes, frames, where).iloc[0]


@given(
    heading=st.floats(0, 359.9),
    forward=st.floats(5.0, 15.0),
    right=st.floats(-3.0, 3.0),
)
def test_a_thing_on_the_road_is_placed_where_it_lies(heading, forward, right):
    where = scene(heading_deg=heading)
    row = observed(where, seen(box_of(CAMERA, (forward - 0.3, forward + 0.3), (right - 0.4, right + 0.4))))
    angle = np.radians(heading)
    ahead, side = 50.0 + forward, right
    expected = ahead * np.sin(angle) + side * np.cos(angle), ahead * np.cos(angle) - side * np.sin(angle)
    assert row.located
    # The box around a thing seen aslant reaches beyond it, so that its middle is off by a part of its size.
    assert np.hypot(row.x_m - expected[0], row.y_m - expected[1]) < 0.25
    assert 0.55 < row.length_m < 0.65
    # Its far corners are seen through the near edge's columns: an upper bound, wider the more the thing lies aside.
    assert 0.75 < row.width_m < 0.8 + 0.8 * 0.6 * abs(right) / forward + 0.25
    assert row.geometry.covers(row.geometry.centroid)
    assert row.geometry.area == pytest.approx(row.area_m2, rel=0.1)


def test_what_is_above_the_horizon_is_not_placed():
    row = observed(scene(), seen((600, 100, 700, 200)))
    assert (row.located, row.why_not) == (False, "above_horizon")
    assert np.isnan(row.x_m)
    assert row.link == ""
    assert row.geometry.is_empty


def test_what_begins_beyond_the_range_is_not_placed():
    row = observed(scene(), seen(box_of(CAMERA, (40.0, 42.0), (-1.0, 1.0))))
    assert (row.located, row.why_not) == (False, "beyond_range")


def test_a_crack_that_runs_out_of_range_is_placed_by_its_near_part():
    row = observed(scene(), seen(box_of(CAMERA, (6.0, 60.0), (-0.2, 0.2))))
    assert row.located
    assert row.forward_m + row.length_m / 2 == pytest.approx(CameraErrors().max_range_m, abs=0.01)


def test_a_frame_outside_the_track_places_nothing():
    row = observed(scene(), seen(box_of(CAMERA, (8.0, 8.6), (-0.3, 0.3))), t_s=500.0)
    assert (row.located, row.why_not) == (False, "track_invalid")


def test_the_link_and_chainage_are_those_of_the_thing():
    row = observed(scene(), seen(box_of(CAMERA, (7.8, 8.2), (0.8, 1.2))))
    assert row.link == "track-1"
    assert row.chainage_m == pytest.approx(58.0, abs=0.1)
    assert row.offset_m == pytest.approx(1.0, abs=0.1)


def test_frames_of_half_the_size_show_the_same_place():
    box = np.array(box_of(CAMERA, (8.0, 8.6), (-0.3, 0.3)))
    whole, half = observed(scene(), seen(box)), observed(scene(), seen(box / 2, (640, 360)))
    assert (half.x_m, half.y_m) == pytest.approx((whole.x_m, whole.y_m))
    assert fits(CAMERA, 640, 360)
    assert not fits(CAMERA, 640, 640)


def test_what_the_edge_or_the_range_cuts_short_says_so():
    width, height = CAMERA.width_px, CAMERA.height_px
    whole = np.array(box_of(CAMERA, (8.0, 8.6), (-0.3, 0.3)))
    far = np.array(box_of(CAMERA, (15.0, 60.0), (-0.3, 0.3)))
    left, top, right, bottom = whole
    cases = [
        (whole, (False, False)),
        ((left, top, right, height), (True, False)),
        ((0.0, top, right, bottom), (False, True)),
        ((left, top, width, height - 1), (True, True)),
        (far, (True, False)),
    ]
    for box, cut in cases:
        row = observed(scene(), seen(box))
        assert (row.length_cut, row.width_cut) == cut


def test_no_boxes_make_an_empty_table_with_every_column():
    where = scene()
    frames = frame_table(pd.DataFrame({"frame": ["f"], "n_boxes": [0]}), np.array([5.0]), where)
    table = observe(seen((1, 1, 2, 2)).iloc[:0], frames, where)
    assert [*table.columns] == [*OBSERVATION_COLUMNS, "geometry"]
    assert table.crs == CRS_M
