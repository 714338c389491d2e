import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from geo.camera.calibrate import CalibrationParams, calibrate, pointing
from geo.camera.pinhole import Camera
from geo.camera.vanishing import vanishing_point

LENS = Camera.from_fov(1280, 720, 70, height_m=1.4)


def road(camera: Camera, lines: tuple[float, ...] = (-5.2, -1.75, 1.75, 5.2)) -> np.ndarray:
    """A grey road with white lines along the heading."""
    frame = np.full((camera.height_px, camera.width_px, 3), 96, np.uint8)
    for right in lines:
        ends = camera.to_image(
            np.array(
                [[forward, right + side] for forward, side in [(3.0, -0.08), (60.0, -0.08), (60.0, 0.08), (3.0, 0.08)]]
            )
        )
        cv2.fillPoly(frame, [np.rint((ends - 0.5) * 16).astype(np.int32)], (225, 225, 225), cv2.LINE_AA, 4)
    return frame


@given(st.floats(-5, 30), st.floats(-10, 10), st.floats(-4, 4))
def test_the_picture_of_the_heading_tells_pitch_and_yaw(pitch, yaw, roll):
    camera = Camera.from_fov(1280, 720, 70, height_m=1.4, pitch_deg=pitch, yaw_deg=yaw, roll_deg=roll)
    heading = camera.project(np.array([[0.0, 0.0, 1.0]]))[0]
    level = Camera.from_fov(1280, 720, 70, height_m=1.4, roll_deg=roll)
    assert pointing(level, *heading) == pytest.approx((pitch, yaw), abs=1e-6)


@pytest.mark.parametrize(("pitch", "yaw"), [(5.0, 1.0), (0.5, -3.0), (12.0, 0.0), (25.0, 4.0)])
def test_drawn_lanes_point_the_camera_within_a_tenth_of_a_degree(pitch, yaw):
    frames = [road(LENS.pointed(pitch, yaw)) for _ in range(3)]
    found = calibrate(frames, LENS, CalibrationParams(fewest_frames=3))
    assert found.source == "lane lines"
    assert (found.camera.pitch_deg, found.camera.yaw_deg) == pytest.approx((pitch, yaw), abs=0.1)


def test_nodding_frames_give_their_mean_and_bending_ones_are_left_out():
    rng = np.random.default_rng(3)
    straight = [road(LENS.pointed(5 + rng.normal(0, 0.2), 1.0)) for _ in range(12)]
    bending = [road(LENS.pointed(5.0, 1.0 + turn)) for turn in (4.0, 6.0, 8.0, 10.0)]
    found = calibrate([*straight, *bending], LENS)
    assert found.n_frames_used == 12
    assert (found.camera.pitch_deg, found.camera.yaw_deg) == pytest.approx((5.0, 1.0), abs=0.15)


def test_a_road_without_lines_leaves_the_camera_alone_and_says_so():
    noise = np.random.default_rng(1).integers(80, 120, (720, 1280, 3), dtype=np.uint8)
    found = calibrate([noise] * 9, LENS.pointed(3.0, 0.0))
    assert (found.source, found.n_frames_used, found.camera.pitch_deg) == ("default", 0, 3.0)
    assert found.pitch_sd_deg >= 2


def test_lines_of_one_side_alone_point_nowhere():
    assert vanishing_point(road(LENS.pointed(5, 0), (-1.75,)), LENS.focal_px, (640, 360)) is None


def test_the_same_frame_always_gives_the_same_point():
    frame = road(LENS.pointed(4, 2))
    one, two = (vanishing_point(frame, LENS.focal_px, (640, 360)) for _ in range(2))
    assert one == two and one is not None


@pytest.mark.shared
def test_a_real_foggy_frame_is_pointed_at_its_end_of_the_road(shared_data):
    """The road's end was read off the picture by eye: the cars shrink to nothing near column 603, row 391."""
    frame = np.asarray(Image.open(shared_data / "drive/comma2k19/preview.png").convert("RGB"))
    point = vanishing_point(frame, 910.0, (582.0, 437.0))
    assert point is not None
    assert (point.x_px, point.y_px) == pytest.approx((603, 391), abs=12)


@pytest.mark.shared
@pytest.mark.parametrize("drive", ["dnit_rs290", "dnit_rs386"])
def test_a_real_drive_is_calibrated_though_its_horizon_is_above_the_picture(shared_data, drive):
    paths = sorted((shared_data / "drive" / drive / "frames").iterdir())[::2]
    frames = [np.asarray(Image.open(path).convert("RGB")) for path in paths]
    height, width = frames[0].shape[:2]
    found = calibrate(frames, Camera.from_fov(width, height, 60, height_m=2.0))
    assert found.source == "lane lines"
    assert found.n_frames_used >= 0.7 * len(frames)
    assert found.camera.horizon_px(width / 2) < 0
