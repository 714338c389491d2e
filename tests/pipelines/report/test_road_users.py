"""What is held for people and vehicles, so that photos conceal it."""

from concurrent.futures import Future
from types import SimpleNamespace

import numpy as np
import pytest

from models.card import InputCard
from models.detections import Detections
from models.detector import open_detector
from pipelines.report.privacy import without_road_users
from pipelines.report.road_users import RoadUsers

FRAME = np.full((480, 640, 3), 90, np.uint8)


class Seeing:
    """A street model that always sees the same boxes, and counts how often it was asked."""

    def __init__(self, *boxes, scores=None):
        self.boxes, self.scores, self.asked = boxes, scores or [0.5] * len(boxes), 0
        self.card = SimpleNamespace(input=InputCard())
        self.runtime = SimpleNamespace(threads=1)

    def submit(self, _picture, min_score):
        self.asked += 1
        keep = np.array(self.scores) >= min_score
        found = Detections(
            np.array(self.boxes, np.float32).reshape(-1, 4)[keep],
            np.array(self.scores, np.float32)[keep],
            np.zeros(keep.sum(), np.int16),
        )
        future = Future()
        future.set_result(found)
        return future


def test_people_are_found_down_to_the_score_asked_for():
    street = Seeing((10, 20, 30, 80), (200, 20, 230, 80), scores=[0.2, 0.1])
    assert RoadUsers(street, 0.15)(FRAME) == [(10, 20, 30, 80)]


def test_defects_on_one_frame_share_one_look():
    users = RoadUsers(street := Seeing((10, 20, 30, 80)), 0.15)
    assert users(FRAME) == users(FRAME)
    assert street.asked == 1
    users(FRAME.copy())
    assert street.asked == 2


@pytest.mark.parametrize(
    ("box", "own"),
    [
        ((2, 300, 632, 479), True),  # a dashboard
        ((120, 200, 500, 479), False),  # a car just ahead
        ((2, 40, 638, 479), False),  # a lorry that fills the picture
        ((2, 200, 632, 400), False),  # a bus that crosses
    ],
)
def test_the_camera_s_own_vehicle_is_no_road_user(box, own):
    assert (RoadUsers(Seeing(box), 0.15)(FRAME) == []) is own


def test_nothing_of_a_person_on_the_road_stays_visible():
    visible = without_road_users(FRAME, np.ones(FRAME.shape[:2], bool), RoadUsers(Seeing((100, 100, 140, 200)), 0.15))
    assert not visible[100:200, 100:140].any()
    assert visible[300:, 300:].all()


def test_the_shipped_street_model_is_asked_and_an_empty_road_shows_nobody():
    with open_detector("street") as street:
        assert list(RoadUsers(street, 0.15)(FRAME)) == []
