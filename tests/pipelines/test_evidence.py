"""Belief is what pencil and paper give, and every look moves it the right way."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.road.evidence import EvidenceParams, Looks, Watch, boxes_of, confidence

KNOBS = EvidenceParams()


def boxes(*rows: tuple[str, float, float]) -> pd.DataFrame:
    """Boxes of half a metre: class, score, metres ahead."""
    table = pd.DataFrame(rows, columns=["class", "score", "forward_m"])
    return table.assign(length_m=0.5, width_m=0.5)


def belief(gains: list[float], *, passes: list[int] | None = None, params: EvidenceParams = KNOBS) -> float:
    """Confidence after full looks at one place."""
    n = len(gains)
    which = np.zeros(n, np.int64) if passes is None else np.array(passes)
    looks = Looks(np.zeros(n, np.int64), which, ~np.signbit(gains), np.array(gains), np.ones(n))
    return float(confidence(looks, 1, params)[0])


def test_a_lone_near_box_at_its_threshold_has_the_stated_chance_whatever_the_threshold():
    for threshold in (0.05, 0.3, 0.6):
        weight = boxes_of(boxes(("D40", threshold, 8.0)), Watch({"D40": threshold})).weight
        assert belief(weight.tolist()) == pytest.approx(KNOBS.at_threshold)


def test_two_looks_are_what_pencil_and_paper_give():
    # Odds of 1/3 at the threshold are doubled by the second look; two looks correlated by 0.5 count as 4/3.
    odds = (1 / 3 / 2) * 4 ** (2 / 3)
    assert belief([np.log(2)] * 2) == pytest.approx(odds / (1 + odds))


def test_two_passes_say_more_than_two_looks_of_one():
    assert belief([0.7, 0.7], passes=[0, 1]) > belief([0.7, 0.7], passes=[0, 0]) > belief([0.7])


gain = st.floats(0.0, 5.0)


@given(st.lists(gain, min_size=1, max_size=12), st.integers(0, 11), st.floats(0.01, 3.0))
def test_a_higher_score_never_lowers_belief(gains, at, more):
    at %= len(gains)
    assert belief([*gains[:at], gains[at] + more, *gains[at + 1 :]]) >= belief(gains)


@given(st.lists(gain, min_size=1, max_size=6), st.integers(0, 6))
def test_each_miss_lowers_belief_and_only_by_its_own_odds(gains, misses):
    miss = -np.log(KNOBS.missed)
    before, after = belief([*gains, *[miss] * misses]), belief([*gains, *[miss] * (misses + 1)])
    lost = np.log(before / (1 - before)) - np.log(after / (1 - after))
    assert 0 < lost <= np.log(KNOBS.missed) + 1e-9


def test_with_a_detector_that_finds_little_misses_say_nothing():
    deaf = EvidenceParams(missed=1.0)
    assert belief([1.0, -0.0], params=deaf) == pytest.approx(belief([1.0], params=deaf))


@given(st.lists(gain, min_size=1, max_size=12), st.randoms(use_true_random=False))
def test_the_order_of_looks_does_not_matter(gains, order):
    shuffled = list(gains)
    order.shuffle(shuffled)
    assert belief(shuffled) == pytest.approx(belief(gains))


def test_a_far_box_says_less_with_the_square_of_the_distance():
    near, far = boxes_of(boxes(("D40", 0.6, 12.0), ("D40", 0.6, 24.0)), Watch({"D40": 0.3})).weight
    assert far == pytest.approx(near / 4)


def test_a_score_counts_by_what_it_has_over_its_own_threshold():
    watch = Watch({"D40": 0.05, "D20": 0.4})
    low, high = boxes_of(boxes(("D40", 0.05, 8.0), ("D20", 0.4, 8.0)), watch).weight
    assert low == pytest.approx(high)


def test_a_knob_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="mised"):
        EvidenceParams.model_validate({"mised": 2.0})
