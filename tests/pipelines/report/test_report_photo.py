"""Photos show the road and nothing that could name anybody."""

import io
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from geo.camera.pinhole import Camera
from geo.errors import MichisoraError
from pipelines.report import privacy
from pipelines.report.content import PhotoBox, PhotoSource, ReportParams
from pipelines.report.photo import encode, photograph, write_photos

PARAMS = ReportParams()
BOX = (600.0, 420.0, 680.0, 440.0)


def sharpness(picture: np.ndarray) -> float:
    """Mean square of the Laplacian: what is left of edges."""
    return float(np.square(cv2.Laplacian(picture.astype(np.float32), cv2.CV_32F)).mean())


def covered_with_text(camera: Camera) -> np.ndarray:
    frame = np.full((camera.height_px, camera.width_px, 3), 200, np.uint8)
    for y in range(20, camera.height_px, 26):
        cv2.putText(frame, "MICHI 50-12 " * 8, (0, y), cv2.FONT_HERSHEY_SIMPLEX, 0.7, (10, 10, 10), 2)
    return frame


def test_text_beside_and_above_the_road_is_gone_and_on_the_road_is_kept(camera: Camera) -> None:
    frame = covered_with_text(camera)
    visible = privacy.visible_road(camera, BOX, PARAMS)
    shown = privacy.conceal(frame, visible)
    horizon = int(camera.horizon_px(640))
    beside = shown[horizon + 90 : horizon + 150, :200]
    for hidden in (shown[: horizon - 2], beside):
        assert sharpness(hidden) < 1.0
        assert np.ptp(hidden.reshape(-1, 3).mean(axis=1)) < 60
    assert sharpness(frame[: horizon - 2]) > 1000
    assert sharpness(shown[430:, 560:720]) > 0.5 * sharpness(frame[430:, 560:720])


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_hidden_pixels_survive_only_as_their_cells_mean_colour(seed: int) -> None:
    rng = np.random.default_rng(seed)
    picture = rng.integers(0, 256, (240, 240, 3), dtype=np.uint8)
    visible = np.zeros((240, 240), bool)
    visible[120:, 60:180] = True
    shuffled = picture.reshape(24, 10, 24, 10, 3).transpose(0, 2, 1, 3, 4).reshape(24, 24, 100, 3)
    mixed = shuffled[:, :, rng.permutation(100)].reshape(24, 24, 10, 10, 3).transpose(0, 2, 1, 3, 4)
    other = np.where(visible[..., None], picture, mixed.reshape(240, 240, 3))
    assert (other != picture).any()
    # Shuffling the pixels of every hidden cell leaves its mean, and so the result, as it was.
    assert np.abs(privacy.conceal(picture, visible).astype(int) - privacy.conceal(other, visible)).max() <= 1


def test_nothing_at_or_above_the_horizon_shows_even_inside_a_box(camera: Camera) -> None:
    visible = privacy.visible_road(camera, (500.0, 10.0, 700.0, 500.0), PARAMS)
    assert not visible[: int(np.ceil(camera.horizon_px(640)))].any()
    assert visible[480, 600]


def test_what_stands_beyond_the_shown_road_is_hidden_whole(camera: Camera) -> None:
    far = camera.to_ground(np.array([[640.0, BOX[1]]]))[0, 0]
    feet = camera.to_image(np.array([[far + PARAMS.far_margin_m + 1.0, 0.0]]))[0]
    assert not privacy.visible_road(camera, BOX, PARAMS)[: int(feet[1])].any()


def test_beside_the_road_no_more_than_the_defects_own_box_is_shown(camera: Camera) -> None:
    x1, y1, x2, y2 = (60, 500, 160, 540)
    visible = privacy.visible_road(camera, (x1, y1, x2, y2), PARAMS)
    assert visible[y1:y2, x1:x2].all()
    assert not visible[:, : x1 - 1].any()
    assert not visible[: y1 - 1, x1:x2].any()


def test_driving_on_the_right_mirrors_the_corridor() -> None:
    left, right = privacy.corridor(PARAMS)
    assert privacy.corridor(PARAMS.model_copy(update={"drives_on": "right"})) == (-right, -left)


def test_people_on_the_road_are_hidden_where_a_street_model_finds_them(camera: Camera) -> None:
    frame = covered_with_text(camera)
    person = (580.0, 450.0, 700.0, 620.0)
    visible = privacy.visible_road(camera, BOX, PARAMS)
    less = privacy.without_road_users(frame, visible, lambda _picture: [person])
    assert visible[500, 640]
    assert not less[450:620, 580:700].any()
    assert sharpness(privacy.conceal(frame, less)[480:600, 600:680]) < 1.0


@pytest.mark.parametrize("known", [False, True])
def test_without_a_horizon_only_the_boxs_surroundings_are_shown(camera: Camera, known: bool) -> None:
    frame = np.zeros((720, 1280, 3), np.uint8)
    frame[:, :, 0] = 255
    x1, y1, x2, y2 = map(int, BOX)
    frame[y1 - 16 : y2 + 16, x1 - 40 : x2 + 40] = (0, 255, 0)
    source = PhotoSource(lambda _name: frame, {}, camera if known else None)
    pixels = np.asarray(photograph(frame, PhotoBox("f", *BOX), source, PARAMS))
    reds = (pixels[..., 0] > 200) & (pixels[..., 1] < 60)
    assert reds.any() == known


def test_a_photo_carries_no_metadata_and_is_the_same_every_time(camera: Camera) -> None:
    source = PhotoSource(lambda _name: covered_with_text(camera), {}, camera)
    where = PhotoBox("f", *BOX, heading_deg=47.0)
    first, second = (encode(photograph(source.read_frame("f"), where, source, PARAMS), PARAMS) for _ in range(2))
    assert first == second
    with Image.open(io.BytesIO(first)) as image:
        assert not image.getexif()
        assert image.size[0] == PARAMS.photo_width_px


def test_a_frame_that_cannot_be_read_costs_only_its_own_photo(camera: Camera, tmp_path: Path) -> None:
    def read(name: str) -> np.ndarray:
        if name == "bad":
            raise MichisoraError("truncated")
        return covered_with_text(camera)

    boxes = {"a": PhotoBox("good", *BOX), "b": PhotoBox("bad", *BOX), "c": PhotoBox("good", *BOX)}
    written = write_photos(PhotoSource(read, boxes, camera), tmp_path, PARAMS)
    assert written == {"a": "photos/a.jpg", "c": "photos/c.jpg"}
    assert all((tmp_path / path).stat().st_size > 10_000 for path in written.values())


@pytest.mark.parametrize("box", [(-50.0, -20.0, 40.0, 30.0), (0.0, 0.0, 1280.0, 720.0), (1270.0, 715.0, 1300.0, 740.0)])
def test_boxes_at_and_over_the_edges_give_a_photo(camera: Camera, box: tuple[float, float, float, float]) -> None:
    source = PhotoSource(lambda _name: covered_with_text(camera), {}, camera)
    for chosen in (source, replace(source, camera=None)):
        assert min(photograph(source.read_frame("f"), PhotoBox("f", *box), chosen, PARAMS).size) > 0
