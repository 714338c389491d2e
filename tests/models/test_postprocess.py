import numpy as np
import pytest

from models.card import Suppression
from models.detections import Detections
from models.postprocess import decode, suppress


def raw(boxes: list[list[float]], scores: list[list[float]]) -> np.ndarray:
    return np.hstack([np.array(boxes, np.float32), np.array(scores, np.float32)]).T.copy()


def iou(a: np.ndarray, b: np.ndarray) -> float:
    wide, high = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    both = max(wide, 0) * max(high, 0)
    return both / (np.prod(a[2:] - a[:2]) + np.prod(b[2:] - b[:2]) - both)


def test_centres_and_sizes_become_corners():
    found = decode(raw([[10, 20, 4, 6]], [[0.9]]), 0.1, "all")
    assert found.xyxy.tolist() == [[8, 17, 12, 23]]


@pytest.mark.parametrize(("labels", "classes"), [("all", [0, 1]), ("best", [1])])
def test_an_anchor_speaks_for_every_class_or_for_its_best(labels, classes):
    found = decode(raw([[10, 10, 4, 4]], [[0.3, 0.4, 0.05]]), 0.1, labels)
    assert sorted(found.class_id.tolist()) == classes


def test_suppression_is_greedy_within_each_class_and_blind_across():
    rng = np.random.default_rng(1)
    start = rng.uniform(0, 60, (200, 2))
    xyxy = np.hstack([start, start + rng.uniform(10, 40, (200, 2))]).astype(np.float32)
    boxes = Detections(xyxy, rng.uniform(0.01, 1, 200).astype(np.float32), rng.integers(0, 3, 200).astype(np.int16))
    expected: list[int] = []
    ordered = boxes.sorted()
    for place in range(200):
        rivals = [one for one in expected if ordered.class_id[one] == ordered.class_id[place]]
        if all(iou(ordered.xyxy[one], ordered.xyxy[place]) <= 0.5 for one in rivals):
            expected.append(place)
    assert suppress(boxes, Suppression(iou=0.5)) == ordered.where(np.array(expected))


def test_equal_scores_do_not_make_the_result_depend_on_the_anchors_order():
    boxes = Detections(
        np.array([[0, 0, 10, 10], [1, 0, 11, 10], [2, 0, 12, 10]], np.float32), np.full(3, 0.5), np.zeros(3)
    )
    kept = [suppress(boxes.where(np.array(order)), Suppression(iou=0.5)) for order in ([0, 1, 2], [2, 1, 0], [1, 2, 0])]
    assert kept[0] == kept[1] == kept[2]
    assert kept[0].xyxy.tolist() == [[0, 0, 10, 10]]


def test_no_candidate_gives_no_box():
    assert len(suppress(decode(raw([[1, 1, 1, 1]], [[0.0]]), 0.01, "all"), Suppression())) == 0
