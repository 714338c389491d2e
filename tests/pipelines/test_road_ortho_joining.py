"""Boxes of one crack are one feature, those of two stay two."""

import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st

from pipelines.road.ortho.joining import JoinRule, join, rectangle_m

RULE = JoinRule()


def _chain(start, turn_deg, n=6, step_m=0.55, thick_m=0.06):
    """Boxes about the pieces of a straight crack, as a detector of pieces up to 0.6 m gives them."""
    way = np.array([np.cos(np.radians(turn_deg)), np.sin(np.radians(turn_deg))])
    at = np.asarray(start, float) + step_m * np.arange(n + 1)[:, None] * way
    low, high = np.minimum(at[:-1], at[1:]) - thick_m / 2, np.maximum(at[:-1], at[1:]) + thick_m / 2
    return shapely.box(low[:, 0], low[:, 1], high[:, 0], high[:, 1])


def _joined(*chains, names=None, rule=RULE):
    shapes = np.concatenate(chains)
    return join(shapes, np.array(names or ["crack"] * len(shapes), object), rule)


@pytest.mark.parametrize("turn", [0, 17, 45, 71, 90, 135])
def test_a_chain_of_boxes_is_one_crack(turn):
    assert set(_joined(_chain((3, 4), turn, 12))) == {0}


@pytest.mark.parametrize("turn", [0, 30, 45, 90])
def test_a_missed_box_does_not_cut_a_crack(turn):
    chain = np.delete(_chain((0, 0), turn, 12), [3, 8])
    assert set(_joined(chain)) == {0}


def test_a_long_gap_does():
    chain = np.delete(_chain((0, 0), 0, 12), [4, 5])
    assert sorted(set(_joined(chain))) == [0, 1]


@pytest.mark.parametrize(("turn", "apart_m"), [(0, 0.15), (90, 0.15), (10, 0.35), (45, 0.75), (60, 0.7)])
def test_cracks_side_by_side_stay_two(turn, apart_m):
    right = np.array([np.sin(np.radians(turn)), -np.cos(np.radians(turn))])
    label = _joined(_chain((0, 0), turn), _chain(apart_m * right, turn))
    assert sorted(np.unique(label, return_counts=True)[1]) == [6, 6]


def test_patches_of_cracked_ground_near_each_other_stay_apart():
    x, y = (axis.ravel() for axis in np.meshgrid(1.2 * np.arange(4), 1.1 * np.arange(4)))
    assert len(set(_joined(shapely.box(x, y, x + 0.8, y + 0.8)))) == 16


def test_a_crack_that_ends_beside_another_stays_its_own():
    label = _joined(_chain((0, 0), 0), _chain((1.6, 0.4), 90))
    assert len(set(label)) == 2


def test_holes_are_not_joined_over_gaps_nor_to_cracks():
    holes = shapely.box([0, 0.35, 0.6], [0, 0, 0], [0.3, 0.65, 0.8], [0.3, 0.3, 0.3])
    assert join(holes, np.array(["D40"] * 3, object), RULE).tolist() == [0, 0, 0], "0.05 m is touching"
    apart = shapely.box([0, 0.5], [0, 0], [0.3, 0.8], [0.1, 0.1])
    assert join(apart, np.array(["D40"] * 2, object), RULE).tolist() == [0, 1]
    assert join(apart, np.array(["crack"] * 2, object), RULE).tolist() == [0, 0]
    mixed = join(holes[:2], np.array(["D40", "crack"], object), RULE)
    assert mixed.tolist() == [0, 1]
    typed = join(holes[:2], np.array(["D20", "crack"], object), RULE)
    assert typed.tolist() == [0, 0]


def test_nothing_is_no_crack():
    assert join(np.empty(0, object), np.empty(0, object), RULE).tolist() == []


@given(st.permutations(range(15)))
def test_the_order_of_the_boxes_does_not_matter(order):
    shapes = np.concatenate([_chain((0, 0), 20, 5), _chain((0, 2), 90, 5), _chain((4, 1), 0, 5)])
    order = np.array(order)
    label = join(shapes[order], np.array(["crack"] * 15, object), RULE)
    back = np.empty(15, int)
    back[order] = label
    assert [len(set(part)) for part in np.split(back, 3)] == [1, 1, 1]
    assert len(set(back)) == 3
    assert label[0] == 0, "numbered by first members"


def test_the_narrowest_rectangle():
    slanted = shapely.affinity.rotate(shapely.box(0, 0, 3, 0.5), 33)
    length, width = rectangle_m(np.array([slanted, shapely.box(0, 0, 1, 2), shapely.LineString([(0, 0), (3, 4)])]))
    np.testing.assert_allclose(length, [3, 2, 5])
    np.testing.assert_allclose(width, [0.5, 1, 0], atol=1e-9)
