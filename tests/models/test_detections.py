import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.detections import Detections
from models.errors import DetectionsError


def some(n: int, seed: int = 0) -> Detections:
    rng = np.random.default_rng(seed)
    start = rng.uniform(0, 100, (n, 2))
    xyxy = np.hstack([start, start + rng.uniform(1, 50, (n, 2))])
    return Detections(xyxy.astype(np.float32), rng.integers(0, 3, n) / np.float32(4), rng.integers(0, 2, n))


@pytest.mark.parametrize(
    ("xyxy", "score", "class_id"),
    [
        ([[0, 0, 1]], [0.5], [0]),
        ([[0, 0, 1, 1]], [0.5, 0.5], [0]),
        ([[2, 0, 1, 1]], [0.5], [0]),
        ([[0, 0, np.nan, 1]], [0.5], [0]),
        ([[0, 0, 1, 1]], [1.5], [0]),
        ([[0, 0, 1, 1]], [0.5], [-1]),
    ],
)
def test_impossible_arrays_are_refused(xyxy, score, class_id):
    with pytest.raises(DetectionsError):
        Detections(np.array(xyxy), np.array(score), np.array(class_id))


def test_arrays_cannot_be_changed_afterwards():
    boxes = some(3)
    with pytest.raises(ValueError, match="read-only"):
        boxes.score[0] = 0


@given(st.integers(0, 30), st.randoms(use_true_random=False))
def test_sorting_forgets_the_order_boxes_came_in(n, random):
    boxes = some(n)
    order = list(range(n))
    random.shuffle(order)
    assert boxes.where(np.array(order, np.intp)).sorted() == boxes.sorted()


@given(st.floats(0.25, 4), st.floats(0.25, 4), st.floats(-500, 500), st.floats(-500, 500))
def test_scaling_and_shifting_are_undone_by_their_inverses(x, y, dx, dy):
    boxes = some(5)
    back = boxes.scaled(x, y).shifted(dx, dy).shifted(-dx, -dy).scaled(1 / x, 1 / y)
    np.testing.assert_allclose(back.xyxy, boxes.xyxy, atol=2e-3)


def test_clipping_drops_what_lies_outside():
    boxes = Detections(
        np.array([[-5, -5, 5, 5], [20, 0, 30, 5]]), np.array([0.5, 0.5], np.float32), np.array([0, 0], np.int16)
    )
    assert boxes.clipped(10, 10).xyxy.tolist() == [[0, 0, 5, 5]]


def test_joining_nothing_is_empty_and_parts_keep_their_order():
    assert len(Detections.concat([])) == 0
    assert Detections.concat([some(2, 1), some(3, 2)]).where(np.arange(2)) == some(2, 1)
