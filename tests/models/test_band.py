from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.band import look_at, plan_look, see_all
from models.card import Band, InputCard
from models.detections import Detections
from models.detector import open_detector

fractions = st.floats(0, 0.45)


@given(st.integers(1, 4000), st.integers(1, 3000), fractions, fractions, st.sampled_from([None, 64, 960, 1280]))
def test_the_whole_crop_maps_back_onto_the_band(width, height, top, left, long_side):
    card = InputCard(band=Band(top=top, left=left), long_side_px=long_side)
    look = plan_look(width, height, card)
    whole = Detections(np.array([[0, 0, look.width_px, look.height_px]]), np.ones(1), np.zeros(1))
    back = look.undo(whole).xyxy[0]
    np.testing.assert_allclose(back, [look.left_px, look.top_px, look.right_px, look.bottom_px], rtol=1e-5, atol=1e-3)
    assert (look.right_px, look.bottom_px) == (width, height)
    assert max(look.width_px, look.height_px) <= card.max_side_px


def test_scaling_keeps_corners_on_corners():
    frame = np.zeros((200, 400, 3), np.uint8)
    frame[100:140, 200:280] = 255
    for long_side in (200, 800):
        picture, look = look_at(frame, InputCard(band=Band(top=0.25), long_side_px=long_side))
        rows, columns = np.nonzero(picture[..., 0] > 127)
        box = np.array([[columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]])
        back = look.undo(Detections(box, np.ones(1), np.zeros(1))).xyxy[0]
        np.testing.assert_allclose(back, [200, 100, 280, 140], atol=1e-3)


def test_a_small_frame_is_enlarged_only_where_the_card_allows():
    assert plan_look(100, 50, InputCard(long_side_px=200)).width_px == 200
    assert plan_look(100, 50, InputCard(long_side_px=200, enlarge=False)).width_px == 100


def test_boxes_of_many_frames_come_back_in_order_and_in_frame_pixels(spot_model: Path):
    frames = []
    for column in range(6):
        frame = np.zeros((64, 192, 3), np.uint8)
        frame[32:, column * 32 : column * 32 + 32, 0] = 255
        frames.append(frame)
    with open_detector(spot_model, "openvino", "f32") as detector:
        lefts = [found.xyxy[0].tolist() for found in see_all(detector, iter(frames), 0.5)]
    assert lefts == [[32.0 * n, 32, 32.0 * n + 32, 64] for n in range(6)]
