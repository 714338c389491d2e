from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.camera.locate import CameraErrors, ground_jacobian, locate, reach_m
from geo.camera.pinhole import Camera
from geo.errors import CameraError

CAMERA = Camera.from_fov(1280, 720, 70, height_m=1.4, pitch_deg=4, yaw_deg=1.5)


@dataclass
class Poses:
    x_m: np.ndarray
    y_m: np.ndarray
    heading_deg: np.ndarray
    sd_m: np.ndarray
    heading_sd_deg: np.ndarray
    valid: np.ndarray


def poses(n: int, heading: float = 0.0, sd: float = 0.0, heading_sd: float = 0.0) -> Poses:
    return Poses(*(np.full(n, v) for v in (1000.0, 2000.0, heading, sd, heading_sd)), np.ones(n, bool))


@pytest.mark.parametrize(
    ("heading", "east", "north"),
    [(0, 3, 10), (90, 10, -3), (180, -3, -10), (270, -10, 3)],
    ids=["north", "east", "south", "west"],
)
def test_a_point_ahead_and_to_the_right_lands_on_the_right_side_of_the_map(heading, east, north):
    px = CAMERA.to_image(np.array([[10.0, 3.0]]))
    found = locate(CAMERA, poses(1, heading), px, CameraErrors())
    assert found.xy_m[0] - (1000, 2000) == pytest.approx([east, north])
    assert (found.forward_m[0], found.right_m[0]) == pytest.approx((10, 3))


@given(st.floats(4, 40), st.floats(-8, 8), st.floats(-3, 3))
def test_the_jacobian_agrees_with_small_steps(forward, right, roll):
    camera = Camera.from_fov(1280, 720, 70, height_m=1.4, pitch_deg=4, yaw_deg=1.5, roll_deg=roll)
    px = camera.to_image(np.array([[forward, right]]))
    step = 1e-5

    def moved(k: int, by: float) -> np.ndarray:
        angles = {"pitch_deg": 4.0, "yaw_deg": 1.5, "roll_deg": roll, "height_m": 1.4}
        shift = np.zeros(2)
        if k < 2:
            shift[k] = by
        elif k < 4:
            angles["pitch_deg" if k == 2 else "yaw_deg"] += np.degrees(by)
        else:
            angles["height_m"] += by
        return Camera.from_fov(1280, 720, 70, **angles).to_ground(px + shift)[0]

    numeric = np.stack([(moved(k, step) - moved(k, -step)) / (2 * step) for k in range(5)], axis=1)
    np.testing.assert_allclose(ground_jacobian(camera, px)[0], numeric, rtol=1e-3, atol=1e-4)


def test_the_stated_covariance_is_what_repeated_errors_give():
    rng = np.random.default_rng(5)
    errors = CameraErrors(pitch_sd_deg=0.2)
    px = CAMERA.to_image(np.array([[15.0, 2.0]]))
    stated = locate(CAMERA, poses(1, 30, sd=1.2, heading_sd=1.0), px, errors).cov[0]
    places = []
    for _ in range(4000):
        pitch, yaw, height, x, y, ex, ey, heading = rng.standard_normal(8)
        camera = Camera.from_fov(
            1280,
            720,
            70,
            height_m=1.4 + height * errors.height_sd_m,
            pitch_deg=4 + pitch * errors.pitch_sd_deg,
            yaw_deg=1.5 + yaw * errors.yaw_sd_deg,
        )
        pose = poses(1, 30 + heading * 1.0)
        pose.x_m, pose.y_m = pose.x_m + 1.2 * ex, pose.y_m + 1.2 * ey
        places.append(locate(camera, pose, px + errors.pixel_sd_px * np.array([x, y]), errors).xy_m[0])
    np.testing.assert_allclose(np.cov(np.array(places).T), stated, atol=0.12 * np.trace(stated))


@given(st.floats(4, 20), st.floats(1.05, 1.5))
@settings(max_examples=40)
def test_uncertainty_grows_with_distance(forward, factor):
    near_far = CAMERA.to_image(np.array([[forward, 0.0], [forward * factor, 0.0]]))
    near, far = locate(CAMERA, poses(2, sd=1.0), near_far, CameraErrors()).sd_m
    assert far > near


def test_the_track_error_is_told_apart_from_the_view_error():
    px = CAMERA.to_image(np.array([[12.0, 0.0]]))
    found = locate(CAMERA, poses(1, sd=2.0), px, CameraErrors())
    np.testing.assert_allclose(found.cov - found.cov_view, 4.0 * np.eye(2)[None], atol=1e-9)


def test_far_uncertain_skyward_and_untracked_points_are_not_located():
    errors = CameraErrors(max_range_m=22, max_forward_sd_m=2.0, pitch_sd_deg=0.1)
    px = np.vstack([CAMERA.to_image(np.array([[10.0, 0.0], [23.0, 0.0], [10.0, 0.0]])), [[640.0, 10.0]]])
    where = poses(4)
    where.valid[2] = False
    assert locate(CAMERA, where, px, errors).in_range.tolist() == [True, False, False, False]
    shaky = errors.model_copy(update={"pitch_sd_deg": 3.0})
    assert not locate(CAMERA, where, px, shaky).in_range.any()


@pytest.mark.parametrize("pitch_sd_deg", [0.1, 0.5, 3.0, 30.0, 90.0])
def test_the_reach_is_where_points_cease_to_be_located(pitch_sd_deg):
    errors = CameraErrors(pitch_sd_deg=pitch_sd_deg)
    forward = np.arange(0.05, 30.0, 0.1)
    px = CAMERA.to_image(np.column_stack([forward, np.zeros(len(forward))]))
    located = forward[locate(CAMERA, poses(len(forward)), px, errors).in_range]
    reach = reach_m(CAMERA, errors)
    assert reach == pytest.approx(located.max(initial=0.0), abs=0.1)
    assert reach <= errors.max_range_m


def test_points_without_a_pose_each_are_refused():
    with pytest.raises(CameraError, match="as many poses"):
        locate(CAMERA, poses(2), np.zeros((3, 2)), CameraErrors())


def test_a_calibrated_camera_adds_its_own_uncertainty():
    errors = CameraErrors(pitch_sd_deg=0.3, yaw_sd_deg=0.4).with_calibration(0.4, 0.3)
    assert (errors.pitch_sd_deg, errors.yaw_sd_deg) == pytest.approx((0.5, 0.5))
