"""What a frame counts as looked at is what its picture shows, and no more."""

import numpy as np
import pandas as pd
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx

from geo.camera.locate import CameraErrors, reach_m
from geo.camera.pinhole import Camera
from pipelines.road.coverage import CoverageParams, coverage_layer, seen_ground

CAMERA = Camera.from_fov(1280, 720, 70.0, height_m=1.4, pitch_deg=4.0)


def frames(n: int = 3, *, heading_deg: float = 0.0, step_m: float = 4.0) -> pd.DataFrame:
    along, angle = np.arange(n) * step_m, np.radians(heading_deg)
    return pd.DataFrame(
        {
            "frame": [f"{i}.jpg" for i in range(n)],
            "t_s": np.arange(n, dtype=float),
            "x_m": along * np.sin(angle),
            "y_m": along * np.cos(angle),
            "heading_deg": heading_deg,
            "valid": True,
        }
    )


@settings(deadline=None)
@given(
    heading=st.floats(0, 359.9),
    forward=st.floats(0.5, 30.0),
    right=st.floats(-8.0, 8.0),
    pitch=st.floats(-2.0, 25.0),
    yaw=st.floats(-10.0, 10.0),
)
def test_a_point_is_seen_where_the_picture_shows_it_within_the_corridor(heading, forward, right, pitch, yaw):
    camera = CAMERA.pointed(pitch, yaw)
    params = CoverageParams(near_m=2.0, far_m=20.0, corridor_m=10.0)
    seen = seen_ground(frames(1, heading_deg=heading), camera, params)
    angle = np.radians(heading)
    place = shapely.Point(
        forward * np.sin(angle) + right * np.cos(angle), forward * np.cos(angle) - right * np.sin(angle)
    )
    x, y = camera.to_image(np.array([[forward, right]]))[0]
    expected = 0 < x < 1280 and 0 < y < 720 and 2.0 < forward < 20.0 and abs(right) < 5.0
    ground = seen.geometry.iloc[0]
    if ground.boundary.distance(place) > 1e-6:
        assert ground.contains(place) == expected


def test_road_where_no_box_could_be_located_is_not_seen():
    """A camera whose angles are unknown locates little, and nothing beyond the range that is asked for."""
    vague, short = CameraErrors().with_calibration(3.0, 3.0), CameraErrors(max_range_m=9.0)
    for errors, reach in ((vague, reach_m(CAMERA, vague)), (short, 9.0), (CameraErrors(), 20.0)):
        assert seen_ground(frames(1), CAMERA, CoverageParams().within(CAMERA, errors)).total_bounds[3] == approx(reach)
    assert reach_m(CAMERA, vague) < 9.0
    nothing = CoverageParams(far_m=40.0).within(CAMERA, CameraErrors(max_forward_sd_m=0.01))
    assert nothing.far_m == 0.0
    assert len(seen_ground(frames(1), CAMERA, nothing)) == 0


def test_frames_without_a_pose_show_nothing():
    table = frames(3)
    table.loc[1, "valid"] = False
    assert seen_ground(table, CAMERA)["frame"].tolist() == ["0.jpg", "2.jpg"]


def test_a_camera_that_looks_at_the_sky_shows_no_road():
    assert len(seen_ground(frames(2), CAMERA.pointed(-60.0, 0.0))) == 0
    assert len(coverage_layer(seen_ground(frames(2), CAMERA.pointed(-60.0, 0.0)))) == 0


def test_the_layer_covers_each_place_once():
    seen = seen_ground(frames(600), CAMERA, crs="EPSG:6677")
    layer = coverage_layer(seen)
    assert layer.crs == "EPSG:6677"
    assert len(layer) == 1
    assert layer["area_m2"].sum() < seen.area.sum() / 2
    assert seen.within(layer.union_all().buffer(1e-6)).all()


def test_gaps_stay_gaps_and_order_does_not_matter():
    table = frames(40)
    apart = pd.concat([table.iloc[:5], table.iloc[25:30]])
    layer = coverage_layer(seen_ground(apart, CAMERA))
    assert len(layer) == 2
    backwards = coverage_layer(seen_ground(apart.iloc[::-1], CAMERA))
    assert shapely.equals(layer.geometry.to_numpy(), backwards.geometry.to_numpy()).all()


def test_the_crs_comes_with_the_frames_or_is_named():
    table = frames(2)
    assert seen_ground(table, CAMERA).crs is None
    assert seen_ground(table, CAMERA, crs="EPSG:6677").crs == "EPSG:6677"
    table.attrs["crs"] = "EPSG:6678"
    assert seen_ground(table, CAMERA).crs == "EPSG:6678"
