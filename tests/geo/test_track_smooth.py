"""Simulated drives: what smoothing makes of them, and whether it knows how good it is."""

import functools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from geo.crs import grid_convergence_deg, plane_crs, to_lonlat, to_plane
from geo.errors import CrsError, TrackError
from geo.track import Fixes, SmoothParams, Trajectory, smooth
from geo.track.score import score

LON, LAT = 139.7, 35.7
CRS = plane_crs(LON, LAT)
ORIGIN = np.ravel(to_plane(CRS, LON, LAT))
STEP_S = 0.05
SECONDS = 90.0
KINDS = ("straight", "bending", "standing", "gap")
NO_BIAS = SmoothParams(shared_sd_m=0.0)


@functools.cache
def true_drive(kind: str) -> tuple[np.ndarray, ...]:
    """Times, positions (n, 2), speed and grid heading; "standing" brakes to a stop for 30 s and goes on."""
    t = np.arange(0.0, SECONDS + 1e-9, STEP_S)
    speed = np.clip(np.abs(t - 45.0) - 15.0, 0.0, 8.0) * 1.5 if kind == "standing" else np.full_like(t, 12.0)
    heading = 40.0 + 60.0 * np.sin(t / 12.0) if kind == "bending" else np.full_like(t, 40.0)
    ahead = np.stack([np.sin(np.radians(heading)), np.cos(np.radians(heading))], axis=-1)
    steps = (ahead * speed[:, None])[:-1] * STEP_S
    return t, ORIGIN + np.concatenate([np.zeros((1, 2)), np.cumsum(steps, axis=0)]), speed, heading


def wander(n: int, dt_s: float, sd_m: float, rng: np.random.Generator, tau_s: float = 15.0) -> np.ndarray:
    out, keep = np.empty((n, 2)), np.exp(-dt_s / tau_s)
    out[0] = rng.normal(0.0, sd_m, 2)
    for i in range(1, n):
        out[i] = keep * out[i - 1] + rng.normal(0.0, sd_m * np.sqrt(1 - keep**2), 2)
    return out


def fixes_of(
    kind: str, seed: int, *, white_m: float = 0.5, wander_m: float = 0.0, bias_m: float = 0.0, dt_s: float = 2.0
) -> Fixes:
    rng = np.random.default_rng(seed)
    t, xy, speed, heading = true_drive(kind)
    k = np.arange(0, len(t), round(dt_s / STEP_S))
    error = rng.normal(0.0, white_m, (len(k), 2)) + wander(len(k), dt_s, wander_m, rng) + rng.normal(0.0, bias_m, 2)
    lon, lat = to_lonlat(CRS, *(xy[k] + error).T)
    bearing = heading[k] + grid_convergence_deg(CRS, lon, lat) + rng.normal(0.0, 1.5, len(k))
    measured = np.abs(speed[k] + rng.normal(0.0, 0.15, len(k)))
    fixes = Fixes.of(t[k], lon, lat, speed_mps=measured, bearing_deg=bearing % 360.0)
    return fixes.where((fixes.t_s < 35.0) | (fixes.t_s > 55.0)) if kind == "gap" else fixes


@functools.cache
def smoothed(kind: str) -> Trajectory:
    return smooth(fixes_of(kind, seed=1), CRS, NO_BIAS)


@pytest.mark.parametrize("kind", KINDS)
def test_noise_that_is_new_at_every_fix_is_smoothed_away(kind: str) -> None:
    t, xy, _, _ = true_drive(kind)
    fixes = fixes_of(kind, seed=2, white_m=1.5)
    x_m, y_m = to_plane(CRS, fixes.lon, fixes.lat)
    linear = np.hypot(np.interp(t, fixes.t_s, x_m) - xy[:, 0], np.interp(t, fixes.t_s, y_m) - xy[:, 1])
    found = score(smooth(fixes, CRS, NO_BIAS).at(t), *xy.T)
    assert found.median_m < 0.9 * np.median(linear)
    assert found.p95_m < 0.9 * np.percentile(linear, 95)


def test_the_stated_radius_holds_its_share_whatever_the_noise() -> None:
    """Pooled over the kinds of drive and of noise; the wander's few swings make a single drive's share scatter."""
    shares = []
    for seed, kind in enumerate(KINDS * 3):
        t, xy, _, _ = true_drive(kind)
        white = {"white_m": 0.8, "wander_m": 0.4}
        lasting = {"white_m": 0.4, "wander_m": 1.2}
        biased = {"white_m": 0.4, "wander_m": 0.6, "bias_m": 1.0}
        noise = (white, lasting, biased)[seed // len(KINDS)]
        params = SmoothParams() if "bias_m" in noise else NO_BIAS
        shares.append(score(smooth(fixes_of(kind, seed, **noise), CRS, params).at(t), *xy.T).coverage)
    assert 0.55 <= np.mean(shares) <= 0.80


def test_a_gross_error_does_not_bend_the_track() -> None:
    t, xy, _, _ = true_drive("straight")
    fixes = fixes_of("straight", seed=3)
    fixes.lat[20] += 40.0 / 111_000.0
    poses = smooth(fixes, CRS, NO_BIAS).at(t)
    assert np.hypot(poses.x_m - xy[:, 0], poses.y_m - xy[:, 1]).max() < 4.0


def test_a_receiver_that_is_worse_gets_a_larger_standard_deviation() -> None:
    good, poor = (
        smooth(fixes_of("bending", 4, white_m=w / 3, wander_m=w), CRS, NO_BIAS).at([40.0]).sd_m[0] for w in (0.3, 3.0)
    )
    assert poor > 3.0 * good


def test_the_standard_deviation_grows_in_a_gap_and_shrinks_after_it() -> None:
    before, inside, after = smoothed("gap").at([20.0, 45.0, 70.0]).sd_m
    assert inside > 2.0 * before
    assert inside > 2.0 * after


@pytest.mark.parametrize("kind", ["straight", "bending"])
@pytest.mark.parametrize("speeds", [True, False])
def test_a_gap_of_20_s_is_bridged_and_one_of_60_s_is_not(kind: str, speeds: bool) -> None:
    fixes = fixes_of(kind, seed=1)
    fixes = fixes if speeds else Fixes.of(fixes.t_s, fixes.lon, fixes.lat)
    short, long = (smooth(fixes.where(np.abs(fixes.t_s - 45.0) >= half_s), CRS) for half_s in (10.0, 30.0))
    assert short.at(np.arange(35.0, 55.0, 0.5)).valid.all()
    poses = long.at(np.arange(0.0, 90.0, 0.5))
    lost = np.abs(poses.t_s - 45.0) < 15.0
    assert not poses.valid[lost].any() and np.isnan(poses.x_m[lost]).all()
    assert poses.valid[np.abs(poses.t_s - 45.0) > 25.0].all()
    assert long.spans(poses.t_s).all()
    assert poses.sd_m[poses.valid].max() <= SmoothParams().max_sd_m


@pytest.mark.parametrize("break_s", [3600.0, 5400.0, 14 * 86_400.0])
def test_both_parts_of_a_drive_with_a_long_break_stay_valid(break_s: float) -> None:
    whole = fixes_of("straight", seed=1)
    t_s = np.where(whole.t_s < 45.0, whole.t_s, whole.t_s + break_s)
    track = smooth(Fixes.of(t_s, whole.lon, whole.lat, speed_mps=whole.speed_mps), CRS, NO_BIAS)
    t, xy, _, _ = true_drive("straight")
    poses = track.at(np.where(t < 45.0, t, t + break_s))
    driven = (t <= 44.0) | (t >= 46.0)
    assert poses.valid[driven].all()
    assert np.hypot(poses.x_m - xy[:, 0], poses.y_m - xy[:, 1])[driven].max() < 3.0
    assert not track.at([45.0 + break_s / 2]).valid.any()


@pytest.mark.parametrize("break_s", [60.0, 120.0, 600.0, 3600.0, 14 * 86_400.0])
def test_a_gap_nobody_knows_the_way_through_counts_as_its_chord(break_s: float) -> None:
    whole = fixes_of("straight", seed=1)
    t_s = np.where(whole.t_s < 45.0, whole.t_s, whole.t_s + break_s)
    track = smooth(Fixes.of(t_s, whole.lon, whole.lat, speed_mps=whole.speed_mps), CRS, NO_BIAS)
    assert track.length_m == pytest.approx(SECONDS * 12.0, rel=0.02)
    before, after = track.line().geoms
    chord = np.hypot(*(np.array(after.coords[0]) - before.coords[-1]))
    assert before.length + chord + after.length == pytest.approx(track.length_m, rel=1e-6) and chord > 5.0
    inside = np.linspace(0.0, SECONDS + break_s, 500)
    assert (np.diff(track.distance_m(inside)) >= 0.0).all()
    part = np.array([0.2, 0.5, 0.8]) * track.length_m
    np.testing.assert_allclose(track.distance_m(track.time_at(part)), part, atol=1e-6)


def test_the_heading_is_held_while_the_vehicle_stands() -> None:
    poses = smoothed("standing").at(np.arange(33.0, 57.0, 0.5))
    assert (poses.speed_mps < 0.5).all()
    assert np.ptp(poses.heading_deg) == 0.0
    assert abs(poses.heading_deg[0] - 40.0) <= 3.0 * poses.heading_sd_deg[0] < 90.0


def test_standing_is_no_distance_travelled() -> None:
    track = smoothed("standing")
    stood = np.diff(track.distance_m([32.0, 58.0]))[0]
    assert stood < 1.0
    true_m = true_drive("standing")[2].sum() * STEP_S
    assert track.length_m == pytest.approx(true_m, rel=0.02)


@settings(max_examples=20, deadline=None)
@given(order=st.permutations(range(12)))
def test_poses_do_not_depend_on_the_order_they_are_asked_in(order: list[int]) -> None:
    asked = np.linspace(-3.0, 95.0, 12)
    straight, shuffled = smoothed("bending").at(asked), smoothed("bending").at(asked[order])
    for name in ("x_m", "y_m", "heading_deg", "speed_mps", "sd_m", "heading_sd_deg", "valid"):
        np.testing.assert_array_equal(getattr(straight, name)[order], getattr(shuffled, name))


@given(part=st.floats(0.01, 0.99))
@settings(deadline=None)
def test_distance_and_time_are_each_others_inverse(part: float) -> None:
    track = smoothed("bending")
    distance = part * track.length_m
    assert track.distance_m(track.time_at(distance))[0] == pytest.approx(distance, abs=1e-6)


def test_beyond_the_track_nothing_is_claimed() -> None:
    track = smoothed("straight")
    poses = track.at([-5.0, 10.0, 95.0, np.nan])
    assert poses.valid.tolist() == [False, True, False, False]
    assert np.isnan(poses.x_m[~poses.valid]).all()
    assert np.isnan(track.time_at([-1.0, track.length_m + 1.0])).all()


def test_equal_fixes_give_equal_bytes() -> None:
    again = smooth(fixes_of("bending", seed=1), CRS, NO_BIAS).at([12.3, 45.6])
    assert again.x_m.tobytes() == smoothed("bending").at([12.3, 45.6]).x_m.tobytes()


def test_a_clock_that_is_late_moves_the_track_in_time() -> None:
    late = smooth(fixes_of("straight", seed=1).shifted(0.5), CRS, SmoothParams(shared_sd_m=0.0, latency_s=0.5))
    np.testing.assert_allclose(late.at([30.0]).x_m, smoothed("straight").at([30.0]).x_m, atol=1e-3)


def test_without_speeds_positions_alone_suffice() -> None:
    t, xy, _, _ = true_drive("bending")
    fixes = fixes_of("bending", seed=5)
    bare = Fixes.of(fixes.t_s, fixes.lon, fixes.lat)
    assert score(smooth(bare, CRS, NO_BIAS).at(t), *xy.T).p95_m < 2.5


def test_one_fix_is_no_track_and_degrees_are_no_plane() -> None:
    fixes = fixes_of("straight", seed=1)
    with pytest.raises(TrackError, match="usable fix"):
        smooth(fixes.where(slice(0, 1)), CRS)
    with pytest.raises(CrsError):
        smooth(fixes, plane_crs(LON, LAT).geodetic_crs)


@pytest.mark.parametrize("dt_s", [1.0, 3.0])
def test_ten_minutes_at_one_place_are_no_way_driven_though_the_receiver_states_no_speeds(dt_s):
    t = np.arange(0.0, 660.0, dt_s)
    s = 6.0 * np.minimum(t, 30.0) + 6.0 * np.maximum(t - 630.0, 0.0)
    rng = np.random.default_rng(3)
    error = wander(len(t), dt_s, 1.5, rng, tau_s=40.0) + rng.normal(0.0, 0.3, (len(t), 2))
    fixes = Fixes.of(t, *to_lonlat(CRS, *(ORIGIN + np.column_stack([s, 0 * s]) + error).T))
    drive = smooth(fixes, CRS)
    assert drive.length_m == pytest.approx(s[-1], rel=0.06)


def test_creeping_in_a_jam_is_driving():
    t = np.arange(0.0, 300.0, 2.0)
    s = 0.6 * t
    fixes = Fixes.of(t, *to_lonlat(CRS, *(ORIGIN + np.column_stack([s, 0 * s])).T))
    assert smooth(fixes, CRS).length_m == pytest.approx(s[-1], rel=0.05)


def off_by(bias_m: float, **stated: object) -> Fixes:
    """A straight drive whose fixes all lie off to the north-east, with `sd_m` as stated."""
    fixes = fixes_of("straight", seed=3)
    lon, lat = to_lonlat(CRS, *(np.stack(to_plane(CRS, fixes.lon, fixes.lat)) + bias_m))
    return Fixes.of(fixes.t_s, lon, lat, speed_mps=fixes.speed_mps, bearing_deg=fixes.bearing_deg, **stated)


def test_a_receiver_that_states_how_little_it_knows_is_believed() -> None:
    silent, frank = (smooth(off_by(8.0, sd_m=sd), CRS).at(np.arange(10.0, 80.0)) for sd in (np.nan, 8.0))
    assert silent.sd_m.max() < 2.0
    np.testing.assert_allclose(frank.sd_m, 8.0, atol=1.0)
    np.testing.assert_allclose(frank.x_m, silent.x_m, atol=1e-6)


def test_a_receiver_that_states_less_than_its_fixes_show_gains_nothing() -> None:
    modest, boasting = (smooth(off_by(0.0, sd_m=sd), CRS).at(np.arange(10.0, 80.0)) for sd in (np.nan, 0.1))
    np.testing.assert_allclose(boasting.sd_m, modest.sd_m, rtol=1e-6)


def test_one_fix_that_its_receiver_doubts_leaves_no_gap() -> None:
    stated = np.full(len(off_by(0.0).t_s), 2.0)
    stated[20] = 200.0
    poses = smooth(off_by(0.0, sd_m=stated), CRS).at(np.arange(10.0, 80.0))
    assert poses.valid.all()
    assert poses.sd_m.max() < 3.0


@pytest.mark.parametrize(("dt_s", "onward_s"), [(0.5, 1.0), (3.0, 3.0), (20.0, 5.0)])
def test_a_track_goes_on_until_the_next_fix_was_due_and_says_how_little_is_known(dt_s: float, onward_s: float) -> None:
    fixes = fixes_of("straight", seed=4, white_m=0.3, dt_s=dt_s)
    track = smooth(fixes, CRS, SmoothParams(max_sd_m=100.0))
    steps = np.arange(0.0, 7.0, 0.5)
    for end_s, sign in ((track.end_s, 1), (track.start_s, -1)):
        poses = track.at(end_s + sign * steps)
        assert poses.valid.tolist() == (steps <= onward_s).tolist()
        assert (np.diff(poses.sd_m[poses.valid]) > 0).all()
        went = np.abs(track.distance_m(end_s + sign * steps) - track.distance_m(end_s))
        np.testing.assert_allclose(went, 12.0 * np.minimum(steps, onward_s), rtol=0.15)
