"""The measures agree with hand counts, with a slow reference, and with ultralytics' on random data."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.backends.pillow import pillow_kept
from models.detections import Detections
from models.measures import (
    COCO_IOUS,
    Hits,
    PlotScore,
    Truth,
    average_precision,
    best_threshold,
    box_iou,
    count_bias,
    image_level,
    image_level_curve,
    match,
    mean_average_precision,
    one_to_one,
    operating_point,
    operating_points,
    plot_f1,
)

ALL = np.array([True, True])


def truth(*boxes, class_id=0, labelled=ALL, ignored=()):
    xyxy = np.array(boxes, np.float32).reshape(-1, 4)
    classes = np.full(len(boxes), class_id, np.int16)
    return Truth(xyxy, classes, labelled, np.array(ignored, np.float32).reshape(-1, 4))


def found(*scored, class_id=0):
    xyxy = np.array([box for box, _ in scored], np.float32).reshape(-1, 4)
    return Detections(xyxy, np.array([score for _, score in scored]), np.full(len(scored), class_id))


def random_hits(rng, n=300, n_true=120):
    score = np.sort(rng.random(n))[::-1]
    hit = rng.random((n, 10)) < (0.1 + 0.6 * score)[:, None]
    hit &= np.cumsum(hit, axis=0) <= n_true
    return Hits(score, hit, n_true, np.zeros_like(hit))


A, B, FAR = (0, 0, 10, 10), (20, 0, 30, 10), (100, 100, 110, 110)


def test_iou_of_half_shifted_boxes_is_a_third():
    iou = box_iou(np.array([A], np.float32), np.array([(5, 0, 15, 10), A, FAR], np.float32))
    assert iou == pytest.approx(np.array([[1 / 3, 1.0, 0.0]]))


def test_a_truth_is_claimed_once_and_by_the_highest_score():
    hits = match([truth(A)], [found((A, 0.6), ((1, 0, 11, 10), 0.9))], 0, ious=(0.5,))
    assert hits.score.tolist() == pytest.approx([0.9, 0.6])
    assert hits.hit[:, 0].tolist() == [True, False]


def test_a_box_takes_the_next_truth_when_its_best_is_taken():
    crowd = truth(A, (2, 0, 12, 10))
    hits = match([crowd], [found((A, 0.9), ((0.5, 0, 10.5, 10), 0.8))], 0, ious=(0.5,))
    assert hits.hit[:, 0].all()


def test_average_precision_of_a_hand_counted_list():
    # Right, wrong, right with two truths: precision 1 up to recall 0.5 (51 of 101 points), then 2/3.
    hits = match([truth(A, B)], [found((A, 0.9), (FAR, 0.8), (B, 0.7))], 0, ious=(0.5,))
    assert average_precision(hits)[0] == pytest.approx((51 * 1 + 50 * 2 / 3) / 101)


def test_pictures_that_do_not_label_a_class_do_not_count_against_it():
    silent = truth(labelled=np.array([False, True]))
    pair = [truth(A), silent], [found((A, 0.5)), found((FAR, 0.9))]
    assert average_precision(match(*pair, 0))[0] == 1.0
    assert average_precision(match([truth(A), truth()], pair[1], 0))[0] < 1.0


def test_boxes_in_ignored_regions_count_neither_way_but_truths_there_may_be_found():
    seen = [found(((101, 101, 109, 109), 0.9), (A, 0.5))]
    assert match([truth(A, ignored=[FAR])], seen, 0).score.tolist() == pytest.approx([0.5])
    assert len(match([truth(A, FAR, ignored=[FAR])], seen, 0, ious=(0.5,)).score) == 2


def test_a_box_in_an_ignored_region_that_hits_loosely_counts_neither_way_where_more_is_asked():
    loose = (100, 100, 110, 106)  # IoU 0.6 with what is there
    hits = match([truth(A, FAR, ignored=[FAR])], [found((loose, 0.9), (A, 0.5))], 0, ious=(0.5, 0.75))
    assert hits.hit.tolist() == [[True, False], [True, True]] and hits.ignored.tolist() == [[False, True], [False] * 2]
    assert average_precision(hits) == pytest.approx([1.0, 51 / 101])
    assert average_precision(match([truth(A, FAR)], [found((loose, 0.9), (A, 0.5))], 0, (0.75,))) < 51 / 101


def test_classes_are_kept_apart():
    assert match([truth(A)], [found((A, 0.9), class_id=1)], 0).hit.sum() == 0


def test_a_class_without_truths_has_no_average_and_is_left_out_of_the_mean():
    none = match([truth()], [found((A, 0.9))], 0)
    full = match([truth(A)], [found((A, 0.9))], 0)
    assert np.isnan(average_precision(none)).all()
    assert mean_average_precision([none, full]) == pytest.approx(np.ones(len(COCO_IOUS)))
    assert best_threshold(none) is None


def test_operating_points_take_equal_scores_together():
    hits = Hits(np.array([0.9, 0.5, 0.5]), np.array([[True], [False], [True]]), 2, np.zeros((3, 1), bool))
    assert [one.threshold for one in operating_points(hits)] == [0.9, 0.5]
    at_half = operating_points(hits)[1]
    assert (at_half.precision, at_half.recall) == pytest.approx((2 / 3, 1.0))
    assert operating_point(hits, 0.5) == at_half


def test_best_threshold_is_the_highest_f1_of_all_thresholds():
    hits = random_hits(np.random.default_rng(3))
    best = best_threshold(hits)
    grid = [operating_point(hits, one).f1 for one in np.linspace(0, 1, 2001)]
    assert best.f1 >= max(grid) - 1e-12
    assert operating_point(hits, best.threshold).f1 == best.f1


def test_image_level_counts_pictures_not_boxes():
    truths = [truth(A, B), truth(), truth(A), truth(labelled=np.array([False, True]))]
    seen = [found((FAR, 0.9), (A, 0.8)), found((A, 0.6)), found(), found((A, 0.9))]
    point = image_level(truths, seen, 0, 0.5)
    assert (point.precision, point.recall) == (0.5, 0.5)
    assert [one.threshold for one in image_level_curve(truths, seen, 0)] == pytest.approx([0.9, 0.6])


def test_count_bias_is_signed():
    assert count_bias([3, 4], [5, 5]) == pytest.approx(-0.3)
    assert np.isnan(count_bias([1], [0]))


def test_average_precision_agrees_with_ultralytics():
    with pillow_kept():
        metrics = pytest.importorskip("ultralytics.utils.metrics", reason="ultralytics is not installed")
    for seed in range(5):
        hits = random_hits(np.random.default_rng(seed))
        classes = np.zeros(len(hits.score))
        theirs = metrics.ap_per_class(hits.hit, hits.score, classes, np.zeros(hits.n_true))[5][0]
        # Theirs is the area under the interpolated curve, COCO's the mean at 101 recalls: they differ by < 1 point.
        assert average_precision(hits) == pytest.approx(theirs, abs=0.01)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 40), st.integers(1, 20))
def test_average_precision_agrees_with_its_definition(seed, n, n_true):
    rng = np.random.default_rng(seed)
    score = np.sort(rng.random(n))[::-1]
    hit = rng.random((n, 1)) < 0.5
    hit &= np.cumsum(hit, axis=0) <= n_true
    recall = [hit[: k + 1].sum() / n_true for k in range(n)]
    precision = [hit[: k + 1].mean() for k in range(n)]
    best = [
        max((p for p, r in zip(precision, recall, strict=True) if r >= wanted), default=0.0)
        for wanted in np.linspace(0, 1, 101)
    ]
    assert average_precision(Hits(score, hit, n_true, np.zeros_like(hit)))[0] == pytest.approx(np.mean(best), abs=1e-12)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_the_order_of_boxes_does_not_matter(seed):
    rng = np.random.default_rng(seed)
    corner = rng.uniform(0, 50, (12, 2))
    xyxy = np.hstack([corner, corner + rng.uniform(1, 30, (12, 2))]).astype(np.float32)
    score, order = rng.random(12).astype(np.float32), rng.permutation(12)
    there = truth(*xyxy[:5])
    one = match([there], [Detections(xyxy, score, np.zeros(12))], 0)
    other = match([there], [Detections(xyxy[order], score[order], np.zeros(12))], 0)
    assert np.array_equal(one.hit, other.hit) and np.array_equal(one.score, other.score)


def test_crowns_are_assigned_one_to_one_for_the_largest_overlap():
    # Taken greedily, the first box would claim the second truth (IoU 0.74) and leave the second box with nothing.
    there = truth((0, 0, 10, 10), (4, 0, 14, 10))
    seen = found(((2.5, 0, 12.5, 10), 0.9), ((4.5, 0, 14.5, 10), 0.8), (FAR, 0.7), (FAR, 0.2))
    score = one_to_one(there, seen, 0, 0.5)
    assert (score.precision, score.recall) == (pytest.approx(2 / 3), 1.0)
    assert one_to_one(there, seen, 0, 0.85).recall == 0.5


def test_a_crown_counts_only_above_the_overlap_asked_for():
    there = truth((0, 0, 10, 10))
    assert one_to_one(there, found(((0, 0, 10, 4), 0.9)), 0, 0.5).recall == 0.0
    assert one_to_one(there, found(((0, 0, 10, 4.1), 0.9)), 0, 0.5).recall == 1.0


def test_a_crown_in_a_region_nobody_labelled_counts_neither_way():
    region = truth((0, 0, 10, 10), ignored=[(90, 90, 200, 200)])
    assert one_to_one(region, found(((0, 0, 10, 10), 0.9), (FAR, 0.8)), 0, 0.5) == PlotScore(1.0, 1.0)


def test_plots_weigh_the_same_and_silent_ones_count_for_recall_alone():
    nan = float("nan")
    assert plot_f1([PlotScore(1.0, 0.5), PlotScore(0.5, 1.0)]) == pytest.approx(0.75)
    assert plot_f1([PlotScore(1.0, 1.0), PlotScore(nan, 0.0)]) == pytest.approx(2 / 3)
    assert plot_f1([PlotScore(0.0, nan), PlotScore(1.0, 1.0)]) == pytest.approx(2 / 3)
    assert plot_f1([PlotScore(nan, 0.0)]) == 0.0
    assert np.isnan(plot_f1([PlotScore(0.0, nan)]))
