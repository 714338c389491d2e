"""A GoPro's telemetry gives the fixes it recorded on the clock of its pictures, or one line that says what is wrong."""

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from filming import Film, Ride, device, gps5, gps9, grey, klv, nest, write_film
from hypothesis import given
from hypothesis import strategies as st

from geo.errors import TrackError
from geo.track import clean, fixes_from_videos, read_fixes, video_clock
from geo.track.gopro import read_telemetry
from geo.track.gpmf import GpmfError, measured, streams

T0 = 1_776_733_925.25  # 2026-04-21 01:12:05.250 UTC
PER_S = 10
RANGE_ERROR_M = 1.5 / np.sqrt(3)

Stream = Callable[[Ride, int], bytes]


def ride(seconds: int) -> Ride:
    """North at 12 m/s, a fix every tenth of a second."""
    t_s = np.arange(seconds * PER_S) / PER_S
    return Ride(T0 + t_s, 36 + t_s * 12 / 111_195, np.full(len(t_s), 140.1), np.full(len(t_s), 12.0))


def second(k: int) -> slice:
    return slice(k * PER_S, (k + 1) * PER_S)


def filmed(path: Path, payloads: list[tuple[float, bytes]]) -> Path:
    return write_film(path, grey(6), np.linspace(0, 5, 6).tolist(), Film(payloads))


def each_second(driven: Ride, stream: Stream) -> list[tuple[float, bytes]]:
    n = len(driven.utc_s) // PER_S
    return [(float(k), device(stream(driven.part(second(k)), k))) for k in range(n)]


@pytest.mark.parametrize("stream", [lambda part, _: gps5(part), lambda part, _: gps9(part)], ids=["GPS5", "GPS9"])
def test_fixes_come_back_as_recorded_with_speed_and_geometry(tmp_path, stream):
    driven = ride(6)
    fixes = read_fixes(filmed(tmp_path / "GX010001.MP4", each_second(driven, stream)))
    np.testing.assert_allclose(fixes.t_s, driven.utc_s, atol=2e-3)
    np.testing.assert_allclose(fixes.lat, driven.lat, atol=1e-7)
    np.testing.assert_allclose(fixes.lon, driven.lon, atol=1e-7)
    np.testing.assert_allclose(fixes.speed_mps, 12.0)
    np.testing.assert_allclose(fixes.sd_m, 1.5 * RANGE_ERROR_M)
    assert np.isnan(fixes.bearing_deg).all()
    assert (fixes.counts.no_position, fixes.counts.unreadable) == (0, 0)
    assert len(clean(fixes)[0]) == len(fixes)


def test_a_camera_that_writes_both_kinds_is_read_by_the_better_one(tmp_path):
    elsewhere = Ride(ride(3).utc_s, ride(3).lat + 1, ride(3).lon, ride(3).speed_mps)
    payloads = [(float(k), device(gps5(elsewhere.part(second(k))), gps9(ride(3).part(second(k))))) for k in range(3)]
    fixes = read_fixes(filmed(tmp_path / "a.mp4", payloads))
    assert len(fixes) == 30
    assert fixes.lat.max() < 36.1


def test_the_video_is_on_the_clock_of_its_fixes(tmp_path):
    payloads = [(at_s + 2.0, data) for at_s, data in each_second(ride(4), lambda part, _: gps5(part))]
    telemetry = read_telemetry(filmed(tmp_path / "a.mp4", payloads))
    assert telemetry.clock.rate == 1.0
    assert telemetry.clock.at([2.0, 3.5]) == pytest.approx([T0, T0 + 1.5], abs=2e-3)


# ---- not all is well


def test_before_the_first_fix_nothing_is_believed_neither_place_nor_time(tmp_path):
    """Without leap seconds and satellites the receiver states zeros, and a time 18 s ahead."""
    nowhere = Ride(ride(2).utc_s + 18, np.zeros(20), np.zeros(20), np.zeros(20))
    searching = [(float(k), device(gps5(nowhere.part(second(k)), dop=99.99, lock=0))) for k in range(2)]
    found = [(2.0 + at_s, data) for at_s, data in each_second(ride(3), lambda part, _: gps5(part))]
    telemetry = read_telemetry(filmed(tmp_path / "a.mp4", searching + found))
    np.testing.assert_allclose(telemetry.fixes.t_s, ride(3).utc_s, atol=2e-3)
    assert telemetry.fixes.counts.no_position == 20
    assert telemetry.clock.at(2.0) == pytest.approx(T0, abs=2e-3)


def test_a_payload_cut_short_costs_that_payload_alone(tmp_path):
    payloads = each_second(ride(4), lambda part, _: gps5(part))
    payloads[1] = (1.0, payloads[1][1][:-30])
    fixes = read_fixes(filmed(tmp_path / "a.mp4", payloads))
    np.testing.assert_allclose(fixes.t_s, np.delete(ride(4).utc_s, second(1)), atol=2e-3)
    assert fixes.counts.unreadable == 1


def test_a_gap_between_payloads_is_a_gap_in_the_track(tmp_path):
    payloads = each_second(ride(9), lambda part, _: gps9(part))
    fixes = read_fixes(filmed(tmp_path / "a.mp4", payloads[:3] + payloads[6:]))
    assert len(fixes) == 60
    gaps = np.diff(fixes.t_s)
    assert gaps.max() == pytest.approx(3.1, abs=5e-3)
    np.testing.assert_allclose(np.delete(gaps, gaps.argmax()), 0.1, atol=5e-3)


def test_a_payload_without_new_fixes_takes_nothing_from_the_others(tmp_path):
    empty = nest("STRM", klv("SCAL", "l", 4, struct.pack(">l", 1)), klv("GPS5", "l", 20, b""))
    payloads = each_second(ride(3), lambda part, k: empty if k == 1 else gps5(part))
    assert len(read_fixes(filmed(tmp_path / "a.mp4", payloads))) == 20


def test_fixes_of_poor_geometry_are_left_out_and_middling_ones_weigh_less(tmp_path):
    dops = [1.5, 12.0, 6.0]
    fixes = read_fixes(filmed(tmp_path / "a.mp4", each_second(ride(3), lambda part, k: gps9(part, dop=dops[k]))))
    np.testing.assert_allclose(fixes.t_s, np.delete(ride(3).utc_s, second(1)), atol=2e-3)
    np.testing.assert_allclose(fixes.sd_m, np.repeat([1.5, 6.0], PER_S) * RANGE_ERROR_M)
    assert fixes.counts.no_position == 10


def test_a_stream_that_says_neither_lock_nor_geometry_is_believed_with_unknown_error(tmp_path):
    fixes = read_fixes(filmed(tmp_path / "a.mp4", each_second(ride(2), lambda p, _: gps5(p, dop=None, lock=None))))
    assert len(fixes) == 20
    assert np.isnan(fixes.sd_m).all()


def test_a_time_that_stands_still_or_jumps_is_put_right_by_the_video(tmp_path):
    """The third payload repeats the time of the second, the fifth lacks 2 leap seconds, the sixth has no time."""
    stale, void = "260421011206.250", "5509100082240400"

    def stream(part: Ride, k: int) -> bytes:
        ahead = Ride(part.utc_s + 2.0, part.lat, part.lon, part.speed_mps)
        return gps5(ahead if k == 4 else part, stamp={2: stale, 5: void}.get(k))

    fixes = read_fixes(filmed(tmp_path / "a.mp4", each_second(ride(9), stream)))
    np.testing.assert_allclose(fixes.t_s, ride(9).utc_s, atol=2e-3)


def test_leap_seconds_learned_on_the_way_do_not_tear_the_track(tmp_path):
    payloads = each_second(ride(9), lambda part, k: gps9(part, late_s=2.0 if k < 3 else 0.0))
    fixes = read_fixes(filmed(tmp_path / "a.mp4", payloads))
    np.testing.assert_allclose(fixes.t_s, ride(9).utc_s, atol=2e-3)


@pytest.mark.parametrize("stream", [gps5, gps9])
def test_a_time_lapse_has_a_clock_that_runs_as_fast_as_it_does(tmp_path, stream):
    driven = ride(60)
    payloads = [(k / 1.0, device(stream(driven.part(slice(k * 150, (k + 1) * 150))))) for k in range(4)]
    telemetry = read_telemetry(filmed(tmp_path / "a.mp4", payloads))
    assert telemetry.clock.rate == pytest.approx(15.0, rel=1e-3)
    np.testing.assert_allclose(telemetry.fixes.t_s, driven.utc_s, atol=0.02)
    assert telemetry.clock.at(2.0) == pytest.approx(T0 + 30, abs=0.02)


def test_a_speed_that_changes_on_the_way_is_refused(tmp_path):
    driven = ride(120)
    starts = [0, 1, 4, 10, 40, 60, 110]
    payloads = [(float(k), device(gps9(driven.part(second(at))))) for k, at in enumerate(starts)]
    with pytest.raises(TrackError, match="do not follow the video"):
        read_fixes(filmed(tmp_path / "a.mp4", payloads))


# ---- videos that have none


def no_gps(_part: Ride, _k: int) -> bytes:
    return b""


def no_lock(part: Ride, _k: int) -> bytes:
    return gps5(part, lock=0)


def no_time(part: Ride, _k: int) -> bytes:
    return gps5(part, stamp="")


def not_a_number(part: Ride, _k: int) -> bytes:
    return nest("STRM", klv("GPS5", "c", 20, bytes(20 * len(part.lat))))


@pytest.mark.parametrize(
    ("stream", "says"),
    [
        (no_gps, "the video's telemetry holds no GPS. Switch GPS on"),
        (no_lock, r"had no usable fix \(20 recorded\)"),
        (no_time, "states no time"),
        (not_a_number, r"holds no GPS \(2 of 2 payloads cannot be read\)"),
    ],
)
def test_telemetry_without_usable_fixes_says_why_and_what_to_do_in_one_line(tmp_path, stream, says):
    path = filmed(tmp_path / "a.mp4", each_second(ride(2), stream))
    with pytest.raises(TrackError, match=says) as caught:
        read_fixes(path)
    assert caught.value.remedy and "\n" not in str(caught.value)
    assert "a.mp4" in str(caught.value)
    assert video_clock(path) is None


@pytest.mark.parametrize("payloads", [(), ((0.0, b"\0\0\0\x01timecode"),)], ids=["no data track", "another one"])
def test_a_dash_cams_video_carries_no_telemetry(tmp_path, payloads):
    path = filmed(tmp_path / "dashcam.mp4", list(payloads))
    with pytest.raises(TrackError, match="the video carries no telemetry"):
        read_fixes(path)
    assert video_clock(path) is None


def test_a_video_cut_short_is_refused_in_one_line(tmp_path):
    path = filmed(tmp_path / "a.mp4", each_second(ride(2), lambda part, _: gps5(part)))
    path.write_bytes(path.read_bytes()[:-900])
    with pytest.raises(TrackError, match="the video cannot be read") as caught:
        read_fixes(path)
    assert "\n" not in str(caught.value)


def test_chapters_make_one_track_and_one_without_lock_is_passed_over(tmp_path):
    driven = ride(6)
    parts = [driven.part(slice(0, 30)), driven.part(slice(30, 60))]
    first, last = (
        filmed(tmp_path / f"GX0{k}0001.MP4", each_second(part, lambda p, _: gps9(p))) for k, part in enumerate(parts)
    )
    blind = filmed(tmp_path / "GX020001.MP4", each_second(parts[0], no_lock))
    fixes = fixes_from_videos([blind, last, first])
    np.testing.assert_allclose(fixes.t_s, driven.utc_s, atol=2e-3)
    np.testing.assert_allclose(fixes.sd_m, 1.5 * RANGE_ERROR_M)
    with pytest.raises(TrackError, match="no usable fix"):
        fixes_from_videos([blind])


# ---- the format


WHOLE = device(gps5(ride(1)), gps9(ride(1)))


@given(st.integers(0, len(WHOLE) - 1), st.binary(max_size=12))
def test_damaged_telemetry_never_fails_but_as_damaged_telemetry(place, noise):
    damaged = WHOLE[:place] + noise + WHOLE[place + len(noise) :]
    try:
        for stream in streams(damaged):
            for key, columns in (("GPS5", 5), ("GPS9", 9)):
                if key in stream:
                    assert measured(stream, key, columns).shape[1] == columns
    except GpmfError:
        pass


@pytest.mark.parametrize(
    ("kind", "packed", "row_bytes"),
    [
        ("b", struct.pack(">2b", -3, 4), 2),
        ("S", struct.pack(">2H", 65_533, 4), 4),
        ("f", struct.pack(">2f", -3, 4), 8),
        ("d", struct.pack(">2d", -3, 4), 16),
        ("j", struct.pack(">2q", -3, 4), 16),
    ],
)
def test_numbers_of_every_size_are_read_big_end_first_and_divided(kind, packed, row_bytes):
    payload = nest("DEVC", nest("STRM", klv("SCAL", "B", 1, b"\x02"), klv("DATA", kind, row_bytes, packed)))
    (stream,) = streams(payload)
    assert measured(stream, "DATA", 2).tolist() == [[65_533 / 2 if kind == "S" else -1.5, 2.0]]


def test_a_divisor_of_zero_is_damage_not_infinity():
    payload = nest("DEVC", nest("STRM", klv("SCAL", "B", 1, b"\0"), klv("DATA", "B", 1, b"\x01")))
    (stream,) = streams(payload)
    with pytest.raises(GpmfError):
        measured(stream, "DATA", 1)
