"""Losses beyond chance, on simulated pairs of flights whose truth is known."""

import datetime as dt

import numpy as np
import pytest
import shapely
from flying_twice import NORTH, WEST, Flight, crowns_at, flown, flown_twice, map_of, patches, seen_by, wood
from scipy.stats import betabinom

from pipelines.errors import SurveyError
from pipelines.forest.chance import Chance
from pipelines.forest.change import compare
from pipelines.forest.offset import Places, find_offset
from pipelines.forest.pairing import pair_crowns
from pipelines.forest.params import ForestParams

WIDE, HIGH = 240.0, 200.0
SHIFT = (3.0, -2.0)


def _places(trees, seen, rng, noise=0.35, shift=(0.0, 0.0)):
    found = rng.random(len(trees.xy_m)) < seen
    xy = trees.xy_m[found] + rng.normal(0, noise, (found.sum(), 2)) + np.array(shift)
    return Places(xy, trees.diameter_m[found] * np.exp(rng.normal(0, 0.12, found.sum())))


def _none(trees):
    return np.zeros(len(trees.xy_m), bool)


@pytest.mark.parametrize("rows", [0.0, 0.4])
@pytest.mark.parametrize("stems_ha", [150, 900])
def test_the_offset_holds_when_two_fifths_are_gone_and_each_flight_misses_three_tenths(stems_ha, rows):
    errors = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        trees = wood(stems_ha, 200, 160, seed=seed, rows=rows)
        shift = rng.uniform(-7, 7, 2)
        left = trees.without(rng.random(len(trees.xy_m)) < 0.4)
        offset = find_offset(_places(trees, 0.7, rng), _places(left, 0.7, rng, shift=shift), 15.0)
        assert offset.told
        errors.append((np.array([offset.east_m, offset.north_m]) - shift) / offset.sd_m)
        assert np.hypot(*(errors[-1] * offset.sd_m)) < 0.3
    assert 0.4 < np.sqrt(np.mean(np.square(errors))) < 1.8, "its standard deviation is what it errs by"


def test_a_warped_orthophoto_is_followed():
    rng = np.random.default_rng(1)
    trees = wood(600, 300, 240, seed=1)
    old, new = _places(trees, 0.7, rng), _places(trees, 0.7, rng, shift=(2.0, 1.0))
    bend = 1.2 * np.sin((new.xy_m[:, ::-1] - np.array([NORTH, WEST])) / 60)
    offset = find_offset(old, Places(new.xy_m + bend, new.diameter_m), 15.0)
    left = old.xy_m + offset.shifts(old.xy_m)
    wanted = old.xy_m + np.array([2.0, 1.0])
    wanted = wanted + 1.2 * np.sin((wanted[:, ::-1] - np.array([NORTH, WEST])) / 60)
    assert np.median(np.hypot(*(left - wanted).T)) < 0.3
    assert offset.residual_m < 0.8


def test_forests_that_have_nothing_in_common_have_no_offset():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        one, other = wood(400, 120, 100, seed=seed), wood(400, 120, 100, seed=seed + 500)
        offset = find_offset(_places(one, 0.7, rng), _places(other, 0.7, rng), 15.0)
        assert not offset.told
        assert (offset.east_m, offset.north_m) == (0, 0)


@pytest.mark.parametrize("rows", [0.01, 0.1])
def test_of_regular_rows_no_wrong_step_is_taken(rows):
    told = 0
    for seed in range(8):
        rng = np.random.default_rng(seed)
        trees = wood(900, 120, 100, seed=seed, rows=rows)
        shift = rng.uniform(-7, 7, 2)
        offset = find_offset(_places(trees, 0.6, rng), _places(trees, 0.6, rng, shift=shift), 15.0)
        told += offset.told
        assert not offset.told or np.hypot(offset.east_m - shift[0], offset.north_m - shift[1]) < 0.5
    assert told == 8 or rows < 0.05, "of rows as they are planted the shift is known"


def test_too_few_crowns_have_no_offset():
    few = Places(np.arange(20.0).reshape(10, 2), np.full(10, 3.0))
    assert "10 crowns in one of the maps are too few" in find_offset(few, few, 15.0).why_not


def test_crowns_pair_one_to_one_and_a_lost_tree_does_not_shift_the_row():
    row = Places(np.column_stack([np.arange(0, 30, 3.0), np.zeros(10)]), np.full(10, 4.0))
    match = pair_crowns(row, Places(row.xy_m[1:] + 0.3, row.diameter_m[1:]))
    assert match.tolist() == [-1, *range(9)]
    assert pair_crowns(row, Places(row.xy_m, np.full(10, 9.0))).max() == -1, "another tree, by its size"


@pytest.mark.parametrize("detection", [0.5, 0.65, 0.8])
def test_where_nothing_happened_almost_nothing_is_claimed(detection):
    claimed = []
    for seed in range(3):
        trees = wood(500, WIDE, HIGH, seed=seed)
        flights = Flight(detection, seed=2 * seed), Flight(detection, seed=2 * seed + 1, offset_m=SHIFT)
        change = flown_twice(trees, _none(trees), *flights)
        claimed.append(change.areas["area_m2"].sum() / 1e4 / change.shared_ha)
        assert change.chance.found_again == pytest.approx(detection, abs=0.1)
        assert change.lost > 500 * (1 - detection), "chance loses hundreds of crowns all the same"
    assert np.mean(claimed) < 0.01


@pytest.mark.parametrize("detection", [0.5, 0.65, 0.8])
def test_planted_windthrow_is_found(detection):
    found, right = [], []
    for seed in range(2):
        trees = wood(700, WIDE, HIGH, seed=seed)
        holes = patches(WIDE, HIGH, [0.2, 0.1, 0.1], seed=seed)
        gone = trees.within(holes) & (np.random.default_rng(seed).random(len(trees.xy_m)) < 0.92)
        flights = Flight(detection, seed=2 * seed), Flight(detection, seed=2 * seed + 1, offset_m=SHIFT)
        areas = flown_twice(trees, gone, *flights).areas
        truth = [shapely.transform(one, lambda xy: xy + SHIFT) for one in holes]
        drawn = shapely.union_all(areas.geometry.to_numpy())
        found += [one.intersection(drawn).area > 0.3 * one.area for one in truth]
        right.append(drawn.intersection(shapely.union_all(truth)).area / drawn.area)
        assert (areas["lost_share"] > 0.8).all()
        assert (areas["lost"] > areas["lost_chance"]).all()
    assert np.mean(found) >= 0.8
    assert np.mean(right) > 0.75


def test_a_second_flight_that_sees_half_as_much_of_one_side_makes_no_damage_of_it():
    trees = wood(500, WIDE, HIGH, seed=1)
    east = trees.xy_m[:, 0] > WEST + WIDE / 2
    change = flown_twice(trees, _none(trees), Flight(0.65, seed=3), Flight(np.where(east, 0.4, 0.8), seed=4))
    assert change.areas["area_m2"].sum() < 0.02 * WIDE * HIGH


def test_the_repeat_rate_is_that_of_undisturbed_ground_when_most_is_gone():
    trees = wood(500, WIDE, HIGH, seed=2)
    gone = trees.xy_m[:, 0] < WEST + 0.6 * WIDE
    change = flown_twice(trees, gone, Flight(0.65, seed=5), Flight(0.65, seed=6, offset_m=SHIFT))
    assert change.chance.found_again == pytest.approx(0.65, abs=0.08)
    assert change.areas["area_m2"].sum() == pytest.approx(0.6 * WIDE * HIGH, rel=0.05)


def test_where_all_is_felled_all_is_claimed_though_the_offset_is_unknown():
    trees = wood(500, WIDE, HIGH, seed=3)
    change = flown_twice(trees, ~_none(trees), Flight(0.65, seed=7), Flight(0.65, seed=8, false_ha=5))
    assert not change.offset.told
    assert "not shifted, losses are doubtful" in "\n".join(change.lines())
    assert change.chance.n == 0
    assert "assumed" in "\n".join(change.lines())
    assert change.areas["area_m2"].sum() > 0.9 * WIDE * HIGH


def test_two_maps_of_other_trees_claim_nothing():
    one, other = wood(500, WIDE, HIGH, seed=4), wood(500, WIDE, HIGH, seed=5)
    now = flown(seen_by(other, Flight(seed=2)), WIDE, HIGH)
    change = compare(map_of(seen_by(one, Flight(seed=3)), WIDE, HIGH), now, ForestParams())
    assert not change.offset.told
    assert len(change.areas) == 0


def test_thinning_everywhere_is_no_area_but_is_said():
    trees = wood(600, WIDE, HIGH, seed=6)
    gone = np.random.default_rng(6).random(len(trees.xy_m)) < 0.4
    change = flown_twice(trees, gone, Flight(0.65, seed=9), Flight(0.65, seed=10))
    assert change.areas["area_m2"].sum() < 0.01 * WIDE * HIGH
    assert "a thinning, a season without leaves, or a flight that saw less" in "\n".join(change.lines())


def _pair(then, now, **stated):
    return compare(map_of(then, 120, 100, **stated), flown(now, 120, 100), ForestParams())


def _grid(seed=0, n=150):
    rng = np.random.default_rng(seed)
    xy = np.array([[WEST + x, NORTH - y] for x in range(4, 120, 8) for y in range(4, 100, 8)][:n], float)
    return xy + rng.uniform(-2, 2, xy.shape), rng.uniform(2.5, 5, len(xy))


def test_a_crown_below_the_counting_threshold_is_seen_and_not_lost():
    xy, diameter = _grid()
    counted = np.arange(len(xy)) % 3 > 0
    change = _pair(crowns_at(xy, diameter), crowns_at(xy + 0.2, diameter, counted=counted))
    assert (change.lost, change.gained) == (0, 0)
    assert change.n_now < 0.75 * change.n_before


def test_a_crown_that_lies_down_is_lost_where_both_flights_have_heights():
    xy, diameter = _grid()
    fallen = np.arange(len(xy)) == 70
    heights = np.where(fallen, 4.0, 15.0)
    change = _pair(crowns_at(xy, diameter, height_m=15.0), crowns_at(xy + 0.2, diameter, height_m=heights))
    assert change.lost == 1
    plain = _pair(crowns_at(xy, diameter), crowns_at(xy + 0.2, diameter, height_m=heights))
    assert plain.lost == 0


def test_trees_that_one_flights_height_model_alone_shows_are_not_compared():
    xy, diameter = _grid()
    by = np.where(np.arange(len(xy)) % 2, "chm", "both")
    now = crowns_at(xy[by == "both"] + 0.2, diameter[by == "both"])
    change = _pair(crowns_at(xy, diameter, seen_by=by, height_m=12.0), now)
    assert change.lost == 0
    assert change.n_before <= (by == "both").sum()


def test_crowns_beyond_the_other_flights_ground_are_neither_lost_nor_gained():
    xy, diameter = _grid()
    west = xy[:, 0] < WEST + 60
    change = _pair(crowns_at(xy, diameter), crowns_at(xy + 0.2, diameter))
    half = compare(
        map_of(crowns_at(xy[west], diameter[west]), 58, 100),
        flown(crowns_at(xy + 0.2, diameter), 120, 100),
        ForestParams(),
    )
    assert (change.lost, change.gained, half.lost, half.gained) == (0, 0, 0, 0)
    assert half.shared_ha == pytest.approx(0.58, rel=0.03)
    assert half.mesh["lost"].isna().any()


def test_another_model_and_a_coarser_flight_are_warned_of():
    xy, diameter = _grid()
    change = _pair(crowns_at(xy, diameter), crowns_at(xy + 0.2, diameter), model_sha256="f" * 64, gsd_m=0.05)
    told = "\n".join(change.lines())
    assert "another model saw the earlier flight" in told
    assert "of 5.0 cm and 10.0 cm a pixel" in told


@pytest.mark.parametrize(
    ("then", "now", "warned"),
    [
        (dt.date(2025, 5, 1), "2026-05-01", False),
        (None, "2026-05-01", True),
        (dt.date(2025, 5, 1), "", True),
        (None, "", True),
    ],
)
def test_an_order_of_flights_that_nobody_checked_is_said(then, now, warned):
    trees = wood(400, 80, 80, seed=5)
    old, new = (seen_by(trees, Flight(0.8, seed=seed)) for seed in (1, 2))
    change = compare(map_of(old, 80, 80, date=then), flown(new, 80, 80, date=now), ForestParams())
    assert (
        any("nobody checked that the earlier map is of the earlier flight" in one for one in change.lines()) == warned
    )
    assert change.order_known != warned


@pytest.mark.parametrize("spread", [0.01, 0.05, 0.2])
@pytest.mark.parametrize("again", [0.5, 0.8, 0.95])
@pytest.mark.parametrize("n", [1, 3, 8, 40, 200])
def test_chance_exceeds_its_limit_once_in_twenty_at_most(n, again, spread):
    share = (1 - spread) / spread
    chances = np.random.default_rng(0).beta((1 - again) * share, again * share, 40_000)
    lost = np.random.default_rng(1).binomial(n, chances)
    (limit,) = Chance(again, (), (again,), 0.3, spread, 500).limit(np.array([float(n)]), np.array([n * (1 - again)]))
    assert (lost > limit).mean() < 0.055
    assert limit == 0 or (lost > limit - 1).mean() > 0.045, "one less would be exceeded too often"


def test_the_limit_of_many_places_is_that_of_each():
    chance = Chance(0.7, (), (0.7,), 0.3, 0.05, 500)
    n = np.array([0.0, 5.0, 400.0, 12.0, 7.0, 7.0])
    expected = np.array([0.0, 1.5, 130.0, 2.0, 0.0, 7.0])
    limits = chance.limit(n, expected)
    for count, mean, limit in zip(n[1:4], expected[1:4], limits[1:4], strict=True):
        share = mean / count
        assert limit == betabinom.ppf(0.95, int(count), share * 0.95 / 0.05, (1 - share) * 0.95 / 0.05)
    assert limits[[0, 4, 5]].tolist() == [0, 0, 7]
    assert len(chance.limit(np.empty(0), np.empty(0))) == 0


def test_the_same_flight_is_refused():
    crowns = crowns_at(*_grid())
    with pytest.raises(SurveyError, match="shows this very flight: 100 %"):
        _pair(crowns, crowns)
