"""Cleaning rejects what cannot be true, and only that."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.track import CleanLimits, Fixes, clean

METRES_PER_DEGREE = 111_195.0
T0 = 1.8e9


def drive(count: int = 60, step_s: float = 1.0, speed_mps: float = 15.0) -> Fixes:
    """A vehicle going north at 36° N."""
    t = np.arange(count) * step_s
    return Fixes.of(T0 + t, np.full(count, 140.0), 36.0 + t * speed_mps / METRES_PER_DEGREE)


def moved(fixes: Fixes, index: slice | int | list[int], east_m: float = 0.0, north_m: float = 0.0) -> Fixes:
    lon, lat = fixes.lon.copy(), fixes.lat.copy()
    lon[index] += east_m / METRES_PER_DEGREE / np.cos(np.radians(36.0))
    lat[index] += north_m / METRES_PER_DEGREE
    return replace(fixes, lon=lon, lat=lat)


def rejected_at(fixes: Fixes) -> list[int]:
    _, rejected = clean(fixes)
    return [int(k) for k in np.searchsorted(fixes.t_s, rejected["t_s"])]


def test_an_honest_drive_is_kept_whole() -> None:
    fixes = drive()
    kept, rejected = clean(fixes)
    assert len(kept) == 60
    assert list(rejected.columns) == ["t_s", "lon", "lat", "reason"]
    assert rejected.empty


@pytest.mark.parametrize("index", [0, 1, 30, 58, 59])
def test_one_outlier_goes_alone(index: int) -> None:
    assert rejected_at(moved(drive(), index, east_m=5000)) == [index]


def test_a_burst_of_outliers_that_agree_with_each_other_goes_as_one() -> None:
    assert rejected_at(moved(drive(), slice(20, 31), east_m=900)) == list(range(20, 31))


def test_outliers_that_come_within_reach_of_the_way_back_cost_no_honest_fix() -> None:
    # It can be reached from the fix before but not left to the fix after; it, not that one, makes the longer way.
    assert rejected_at(moved(drive(), 30, north_m=80)) == [30]


def test_first_fixes_left_over_from_the_last_drive_are_rejected_not_the_drive() -> None:
    assert rejected_at(moved(drive(), slice(0, 3), east_m=40_000)) == [0, 1, 2]


@pytest.mark.parametrize("index", [0, 59])
@pytest.mark.parametrize("days", [0.1, 7, 14])
def test_a_fix_left_over_from_long_ago_is_rejected_though_the_vehicle_may_have_come_from_there(
    index: int, days: float
) -> None:
    fixes, t_s = drive(), drive().t_s.copy()
    t_s[index] += days * 86_400 * (1 if index else -1)
    kept, rejected = clean(replace(fixes, t_s=t_s))
    assert rejected["reason"].tolist() == ["stale"]
    assert rejected["t_s"].tolist() == [t_s[index]]
    assert len(kept) == 59


def test_pictures_taken_one_by_one_all_day_are_all_kept() -> None:
    assert len(clean(drive(5, step_s=5400.0))[0]) == 5


def test_null_island_and_impossible_coordinates_carry_their_reason() -> None:
    fixes = drive()
    lon, lat = fixes.lon.copy(), fixes.lat.copy()
    lon[10], lat[10] = 0.0, 0.0
    lat[20] = 123.0
    lon[40] += 1.0
    _, rejected = clean(replace(fixes, lon=lon, lat=lat))
    assert rejected["reason"].tolist() == ["null_island", "out_of_range", "jump"]
    assert rejected["t_s"].tolist() == [T0 + 10, T0 + 20, T0 + 40]


@pytest.mark.parametrize("t_s", [-1e12, 0.0, 1.775e12, 1e300])
def test_a_fix_of_no_possible_date_goes_alone(t_s: float) -> None:
    fixes = drive()
    odd = Fixes.of(np.append(fixes.t_s, t_s), np.append(fixes.lon, 140.0), np.append(fixes.lat, 36.0))
    kept, rejected = clean(odd)
    assert rejected["reason"].tolist() == ["no_date"]
    np.testing.assert_array_equal(kept.t_s, fixes.t_s)


def test_a_gap_long_enough_to_drive_the_distance_is_no_jump() -> None:
    there, later = drive(), moved(drive(), slice(None), east_m=20_000).shifted(3600)
    both = [np.concatenate([getattr(there, name), getattr(later, name)]) for name in ("t_s", "lon", "lat")]
    assert len(clean(Fixes.of(*both))[0]) == 120


def test_noise_between_quick_fixes_is_no_jump() -> None:
    noisy = drive(500, step_s=1 / 18)
    rng = np.random.default_rng(3)
    east, north = rng.normal(0, 1.5, (2, 500))
    noisy = replace(noisy, lon=noisy.lon + east / 90_000, lat=noisy.lat + north / METRES_PER_DEGREE)
    assert len(clean(noisy)[0]) == 500


def test_the_limit_of_speed_is_the_one_given() -> None:
    fast = drive(speed_mps=70.0)
    assert len(clean(fast)[0]) < 10
    assert len(clean(fast, CleanLimits(max_speed_kmh=300))[0]) == 60


def test_what_a_phone_writes_for_unknown_motion_is_unset_and_the_fix_kept() -> None:
    fixes = replace(
        drive(4),
        speed_mps=np.array([-1.0, 12.0, 900.0, np.nan]),
        bearing_deg=np.array([-1.0, 360.0, 90.0, 400.0]),
        sd_m=np.array([0.0, 2.0, -1.0, 3.0]),
    )
    kept, _ = clean(fixes)
    np.testing.assert_array_equal(kept.speed_mps, [np.nan, 12.0, np.nan, np.nan])
    np.testing.assert_array_equal(kept.bearing_deg, [np.nan, 0.0, 90.0, np.nan])
    np.testing.assert_array_equal(kept.sd_m, [np.nan, 2.0, np.nan, 3.0])


def test_no_fixes_at_all_are_no_error() -> None:
    kept, rejected = clean(Fixes.of([], [], []))
    assert len(kept) == 0
    assert rejected.empty


@settings(max_examples=60, deadline=None)
@given(st.sets(st.integers(0, 59), max_size=20), st.integers(0, 2**32 - 1))
def test_scattered_outliers_are_found_wherever_they_are(outliers: set[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    fixes = drive()
    lon, lat = fixes.lon.copy(), fixes.lat.copy()
    places = sorted(outliers)
    # Each far from the road and from each other, so that only the road itself is a way to drive.
    lon[places] = rng.permutation(60)[: len(places)] + 20.0
    lat[places] = -rng.uniform(10, 60, len(places))
    assert rejected_at(replace(fixes, lon=lon, lat=lat)) == places


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 80), st.integers(0, 2**32 - 1))
def test_no_step_that_is_kept_is_too_fast(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    fixes = Fixes.of(T0 + np.cumsum(rng.uniform(0.1, 5, count)), *(rng.normal(30, 0.005, (2, count))))
    kept, rejected = clean(fixes)
    assert len(kept) + len(rejected) == count
    east = np.diff(kept.lon) * np.cos(np.radians(30)) * METRES_PER_DEGREE
    step = np.hypot(east, np.diff(kept.lat) * METRES_PER_DEGREE)
    assert (step <= (200 / 3.6 * np.diff(kept.t_s) + 10) * 1.01).all()
