import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from geo.camera.pinhole import Camera
from geo.errors import CameraError

cameras = st.builds(
    lambda fov, height, pitch, yaw, roll: Camera.from_fov(
        1280, 720, fov, height_m=height, pitch_deg=pitch, yaw_deg=yaw, roll_deg=roll
    ),
    st.floats(40, 110),
    st.floats(0.8, 2.8),
    st.floats(-5, 25),
    st.floats(-15, 15),
    st.floats(-4, 4),
)


@given(cameras, st.floats(3, 60), st.floats(-12, 12))
def test_ground_to_picture_and_back_is_the_same_place(camera, forward, right):
    px = camera.to_image(np.array([[forward, right]]))
    assume(np.isfinite(px).all())
    assert camera.to_ground(px)[0] == pytest.approx([forward, right], abs=1e-6)


@given(cameras, st.floats(0, 1280), st.floats(0, 720))
def test_picture_points_below_the_horizon_come_back_to_themselves(camera, x, y):
    below = y - camera.horizon_px(x)
    assume(abs(below) > 1)
    ground = camera.to_ground(np.array([[x, y]]))
    assert np.isfinite(ground).all() == (below > 0)
    if below > 0:
        assert camera.to_image(ground)[0] == pytest.approx([x, y], abs=1e-4)


def test_a_level_camera_sees_the_road_where_similar_triangles_say():
    camera = Camera(1280, 720, 900.0, 640.0, 360.0, 1.5)
    forward, right = camera.to_ground(np.array([[640 + 90.0, 360 + 90.0]]))[0]
    assert (forward, right) == pytest.approx((15.0, 1.5))


def test_the_principal_point_is_the_middle_of_the_picture_in_corner_coordinates():
    camera = Camera.from_fov(1281, 721, 70, height_m=1.4)
    assert (camera.cx_px, camera.cy_px) == (640.5, 360.5)
    assert camera.hfov_deg == pytest.approx(70)


def test_angles_turn_the_view_the_way_their_names_say():
    level = Camera.from_fov(1280, 720, 70, height_m=1.4)
    ahead = np.array([[20.0, 0.0]])
    assert level.pointed(5, 0).to_image(ahead)[0, 1] < level.to_image(ahead)[0, 1], "looking down lifts the road"
    assert level.pointed(0, 5).to_image(ahead)[0, 0] < 640, "looking right moves what is ahead to the left"
    rolled = Camera.from_fov(1280, 720, 70, height_m=1.4, roll_deg=3)
    assert rolled.horizon_px(1280) < rolled.horizon_px(0), "right side down: the horizon rises to the right"


def test_the_horizon_of_a_pitched_camera_lies_at_the_tangent_of_its_pitch():
    camera = Camera.from_fov(1280, 720, 70, height_m=1.4, pitch_deg=5)
    assert camera.horizon_px(0) == pytest.approx(360 - camera.focal_px * math.tan(math.radians(5)))


@given(cameras, st.sampled_from([0.25, 0.5, 1.5, 2.0]))
def test_a_resized_picture_shows_the_same_ground(camera, factor):
    small = camera.scaled(int(1280 * factor), int(720 * factor))
    px = np.array([[300.0, 650.0], [900.0, 700.0]])
    np.testing.assert_allclose(small.to_ground(px * factor), camera.to_ground(px), rtol=1e-9)


def test_points_behind_the_camera_have_no_picture():
    camera = Camera.from_fov(1280, 720, 70, height_m=1.4, pitch_deg=5)
    assert np.isnan(camera.to_image(np.array([[-5.0, 0.0]]))).all()


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Camera.from_fov(1280, 720, 190, height_m=1.4), "field of view"),
        (lambda: Camera.from_fov(1280, 720, 70, height_m=0), "camera height"),
        (lambda: Camera.from_fov(1280, 720, 70, height_m=math.nan), "camera height"),
        (lambda: Camera.from_fov(1280, 720, 70, height_m=1.4, pitch_deg=120), "pitch"),
        (lambda: Camera.from_fov(1280, 720, 70, height_m=1.4).scaled(640, 640), "shape"),
    ],
)
def test_an_impossible_camera_is_refused_with_its_reason(make, says):
    with pytest.raises(CameraError, match=says):
        make()
