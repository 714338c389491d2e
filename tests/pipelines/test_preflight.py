"""What a survey's frames and track say before anything long begins."""

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from driven import BEGUN, north, picture, ready, survey_of, track
from filming import Film, grey, write_film
from PIL import Image

from pipelines.errors import OutputError, SurveyError
from pipelines.params import RoadParams
from pipelines.report.words import REASONS, name
from pipelines.road.job import Job, _rejected, refuse_mixing, run_road, surveyed_m


def round_a_bend(second: float) -> tuple[float, float]:
    """North, and after the gap east: nobody recorded the corner."""
    far = 600.0 / 111_000.0
    if second <= 60.0:
        return 36.1 + 10.0 * second / 111_000.0, 140.1
    return 36.1 + far, 140.1 + far + 10.0 * (second - 180.0) / 90_000.0


@pytest.fixture
def interrupted(tmp_path):
    """One minute of fixes, two minutes without, one minute of fixes; a picture in each."""
    track(tmp_path / "track.gpx", [*range(0, 61, 2), *range(180, 241, 2)], round_a_bend)
    for second in (10, 30, 120, 200, 230):
        picture(tmp_path / "frames" / f"{second:04}.jpg", second)
    return tmp_path


def test_frames_in_a_gap_of_the_track_are_left_out_with_a_reason_of_their_own(interrupted):
    found = ready(survey_of(interrupted))
    assert [found.source.frames[i].name for i in found.chosen] == ["0010.jpg", "0030.jpg", "0200.jpg", "0230.jpg"]
    assert found.rejected[["item", "reason"]].to_numpy().tolist() == [["0120.jpg", "track_gap"]]
    assert name(REASONS, "track_gap", "en") == "gap in the track"
    assert any(line.startswith("1 frames lie in gaps of the track") for line in found.lines)


def test_a_drive_of_frames_in_gaps_alone_is_refused_in_one_line(interrupted):
    for path in (interrupted / "frames").iterdir():
        if path.name != "0120.jpg":
            path.unlink()
    with pytest.raises(SurveyError, match="gaps of the track") as caught:
        ready(survey_of(interrupted))
    assert caught.value.remedy and "\n" not in str(caught.value)


def test_a_fix_lost_for_ten_seconds_costs_no_frame(tmp_path):
    track(tmp_path / "track.gpx", [*range(0, 31, 2), *range(40, 61, 2)])
    for second in range(30, 41):
        picture(tmp_path / "frames" / f"{second:04}.jpg", second)
    found = ready(survey_of(tmp_path))
    assert len(found.chosen) == 11
    assert np.isfinite(found.scene.trajectory.at(found.t_s).x_m).all()


def test_the_camera_has_the_shape_of_most_frames_whatever_the_first_one_is(tmp_path):
    track(tmp_path / "track.gpx", range(0, 61, 2))
    picture(tmp_path / "frames" / "0000.jpg", 0, size=(48, 64))
    for second in range(2, 20):
        size = (64, 48) if second != 7 else (32, 24)
        picture(tmp_path / "frames" / f"{second:04}.jpg", second, size)
    camera = ready(survey_of(tmp_path)).scene.camera
    assert (camera.width_px, camera.height_px) == (64, 48)


@pytest.mark.parametrize(
    ("lat", "lon", "timezone", "day", "says"),
    [
        (36.1, 140.1, None, "2026-04-22", "days are counted in Asia/Tokyo: the track lies in Japan"),
        (48.1, 11.6, None, "2026-04-21", "days are counted in UTC: no timezone is stated"),
        (48.1, 11.6, "Australia/Sydney", "2026-04-22", None),
        (36.1, 140.1, "Europe/Berlin", "2026-04-21", None),
    ],
)
def test_a_drive_is_dated_where_it_was_driven(tmp_path, lat, lon, timezone, day, says):
    """At 16:40 UTC it is 01:40 of the next day in Japan."""
    late = 16 * 3600 - 72 * 60 + 40 * 60
    track(tmp_path / "track.gpx", range(late, late + 61, 2), lambda second: north(second - late, (lat, lon)))
    picture(tmp_path / "frames" / "1.jpg", late + 10)
    found = ready(survey_of(tmp_path, timezone=timezone))
    assert found.date.isoformat() == day
    told = [line for line in found.lines if line.startswith("days are counted")]
    assert len(told) == (says is not None) and all(line.startswith(says) for line in told)


def test_points_of_the_track_without_a_time_are_counted_aloud(tmp_path):
    path = track(tmp_path / "track.gpx", range(0, 61, 2))
    lost = '<trkpt lat="36.1" lon="140.1"/>' * 3
    picture(tmp_path / "frames" / "1.jpg", 10)
    assert not any("points of the track" in line for line in ready(survey_of(tmp_path)).lines)
    path.write_text(path.read_text(encoding="utf-8").replace("</trkseg>", f"{lost}</trkseg>"), encoding="utf-8")
    assert any(line.startswith("3 points of the track have no time") for line in ready(survey_of(tmp_path)).lines)


@pytest.mark.parametrize("with_track", [True, False])
def test_pictures_by_a_local_clock_ask_for_its_time_zone(tmp_path, with_track):
    track(tmp_path / "track.gpx", range(0, 61, 2))
    for second in range(10, 20):
        picture(tmp_path / "frames" / f"{second}.jpg", second, offset="")
    survey = survey_of(tmp_path)
    with pytest.raises(SurveyError, match="state local times") as caught:
        ready(survey if with_track else replace(survey, track=None))
    assert "--timezone" in str(caught.value.remedy)
    assert len(ready(survey_of(tmp_path, timezone="UTC")).chosen) == 10


def test_a_local_time_among_others_without_its_zone_asks_for_the_zone(tmp_path):
    track(tmp_path / "track.gpx", range(0, 61, 2))
    for second, offset in ((10, "+00:00"), (20, "+00:00"), (30, ""), (None, "")):
        picture(tmp_path / "frames" / f"{second}.jpg", second, offset=offset)
    found = ready(survey_of(tmp_path))
    assert found.rejected.set_index("item")["reason"].to_dict() == {"30.jpg": "no_zone", "None.jpg": "no_time"}
    assert "--timezone" in found.rejected.set_index("item")["detail"]["30.jpg"]
    assert any(line.startswith("1 frames state a local time but not its zone (say it with") for line in found.lines)
    zoned = ready(survey_of(tmp_path, timezone="UTC"))
    assert zoned.rejected["item"].tolist() == ["None.jpg"]


def test_pictures_without_any_time_ask_for_the_original_files(tmp_path):
    track(tmp_path / "track.gpx", range(0, 61, 2))
    picture(tmp_path / "frames" / "1.jpg")
    with pytest.raises(SurveyError, match="no frame says when it was taken") as caught:
        ready(survey_of(tmp_path))
    assert "original files" in str(caught.value.remedy)


@pytest.mark.parametrize(
    ("late_s", "seconds", "remedy"),
    [
        (3456037, range(100, 130, 2), "is between 3455937 and 3456509: find it at a landmark"),
        (3456037, range(0, 601, 2), "State clock_offset_s: 3456037 in survey.yaml"),
        (-9 * 3600, range(100, 130, 2), "moved by -9 h: the camera's time zone is probably missing"),
        (-5.75 * 3600, range(100, 130, 2), "moved by -5.75 h"),
        (-9 * 3600 - 8, range(-120, 300, 10), "moved by -9 h"),
    ],
)
def test_frames_beside_the_track_are_told_an_offset_only_as_far_as_it_is_known(tmp_path, late_s, seconds, remedy):
    track(tmp_path / "track.gpx", range(0, 601, 2))
    for second in seconds:
        picture(tmp_path / "frames" / f"{second + 1000}.jpg", second - late_s)
    with pytest.raises(SurveyError, match="outside the track's time") as caught:
        ready(survey_of(tmp_path))
    assert remedy in str(caught.value.remedy)


def test_of_several_hours_that_fit_none_is_advised(tmp_path):
    track(tmp_path / "track.gpx", range(0, 4 * 3600, 10))
    picture(tmp_path / "frames" / "1.jpg", 9 * 3600)
    with pytest.raises(SurveyError) as caught:
        ready(survey_of(tmp_path))
    assert "is between -32400 and -18010" in str(caught.value.remedy)


def test_a_track_of_a_receiver_that_lost_count_of_gps_weeks_is_moved_to_the_frames(tmp_path):
    weeks_ago = -1024 * 7 * 86_400
    track(tmp_path / "track.gpx", range(weeks_ago, weeks_ago + 61, 2), lambda second: north(second - weeks_ago))
    picture(tmp_path / "frames" / "1.jpg", 10)
    found = ready(survey_of(tmp_path))
    assert found.date.isoformat() == "2026-04-21"
    assert found.scene.trajectory.distance_m(found.t_s) == pytest.approx(100.0, abs=1.0)
    assert any(line.startswith("the track is dated 1024 weeks before the frames") for line in found.lines)


def csv_survey(tmp_path, rows):
    picture(tmp_path / "frames" / "1.jpg", 10)
    log = tmp_path / "log.csv"
    log.write_text("\n".join(["time,lat,lon", *rows]), encoding="utf-8")
    track(tmp_path / "track.gpx", range(0, 31, 2))
    return replace(survey_of(tmp_path), track=log)


def test_one_time_in_milliseconds_costs_one_fix(tmp_path):
    rows = [f"{BEGUN.timestamp() + k:.0f},{north(k)[0]},{north(k)[1]}" for k in range(31)]
    found = ready(csv_survey(tmp_path, [*rows, f"{BEGUN.timestamp() * 1000:.0f},36.1,140.1"]))
    assert len(found.chosen) == 1
    assert found.rejected[["item", "reason"]].to_numpy().tolist() == [["fix 1.77673e+12 s", "no_date"]]
    assert name(REASONS, "no_date", "en") == "impossible date"


def test_a_track_without_a_fix_to_believe_is_refused_with_the_reasons(tmp_path):
    rows = [f"{BEGUN.timestamp() + k:.0f},{0 if k else 99},0" for k in range(31)]
    with pytest.raises(SurveyError, match=r"not one of the 31 fixes .*: 30 zero coordinates, 1 impossible coordinates"):
        ready(csv_survey(tmp_path, rows))


def test_rejected_fixes_that_state_no_place_are_rows_without_a_point(tmp_path):
    odd = {5: (0.0, 0.0), 10: (99.0, 140.1), 15: (36.5, 140.1)}
    places = [odd.get(k, north(k)) for k in range(31)]
    rows = [f"{BEGUN.timestamp() + k:.0f},{lat},{lon}" for k, (lat, lon) in enumerate(places)]
    found = ready(csv_survey(tmp_path, rows))
    assert found.rejected["reason"].tolist() == ["null_island", "out_of_range", "jump"]
    none = pd.DataFrame({"item": [], "reason": [], "detail": []})
    points = _rejected(found, none, {}).geometry
    assert points.isna().tolist() == [True, True, False]


def test_films_of_the_same_time_are_refused(tmp_path):
    track(tmp_path / "track.gpx", range(0, 61, 2))
    (tmp_path / "frames").mkdir()
    for side in ("front", "rear"):
        film = Film(metadata={"creation_time": f"{BEGUN:%Y-%m-%dT%H:%M:%SZ}"})
        write_film(tmp_path / "frames" / f"{side}.mp4", grey(5), np.arange(5).tolist(), film)
    with pytest.raises(SurveyError, match=r"front.mp4 and rear.mp4 say .* same time, for 5 s") as caught:
        ready(survey_of(tmp_path))
    assert "one camera" in str(caught.value.remedy)


@pytest.mark.parametrize("kind", ["csv", "pictures"])
def test_a_track_in_local_times_is_in_the_stated_time_zone(tmp_path, kind):
    """Frames that state their offset, beside a track whose clock was set to Japan's time and says nothing of it."""
    for second in range(0, 31, 2):
        picture(tmp_path / "frames" / f"{second:04}.jpg", second)
    local = [(BEGUN + dt.timedelta(hours=9, seconds=second), *north(second)) for second in range(0, 31, 2)]
    track(tmp_path / "track.gpx", range(0, 31, 2))
    log = tmp_path / "log.csv"
    if kind == "csv":
        rows = [f"{t:%Y-%m-%d %H:%M:%S},{lat},{lon}" for t, lat, lon in local]
        log.write_text("\n".join(["time,lat,lon", *rows]), encoding="utf-8")
    else:
        log = tmp_path / "located"
        for k, (_, lat, lon) in enumerate(local):
            path = picture(log / f"{k:04}.jpg", 9 * 3600 + 2 * k, offset="")
            with Image.open(path) as image:
                exif = image.getexif()
                exif.get_ifd(0x8825).update({1: "N", 2: (lat, 0.0, 0.0), 3: "E", 4: (lon, 0.0, 0.0)})
                image.save(path, exif=exif)
    survey = replace(survey_of(tmp_path, timezone="Asia/Tokyo"), track=log)
    assert len(ready(survey).chosen) == 16


@pytest.mark.parametrize(
    ("frames", "out", "line"),
    [
        ("drive/photos", "drive", "written over the pictures"),
        ("drive/photos/may", "drive", "written over the pictures"),
        ("drive/map_en.png", "drive", "written over the pictures"),
        ("drive", "drive", "lie among the frames"),
        ("drive", "drive/results/may", "lie among the frames"),
    ],
)
def test_results_and_frames_lie_apart(tmp_path, frames, out, line):
    with pytest.raises(OutputError, match=line) as caught:
        refuse_mixing([tmp_path / frames], tmp_path / out)
    assert "--out" in str(caught.value.remedy)


@pytest.mark.parametrize("out", ["drive", "drive/results", "results", "drive/frames of may"])
def test_results_may_lie_beside_the_frames(tmp_path, out):
    refuse_mixing([tmp_path / "drive" / "frames", tmp_path / "drive" / "film.mp4"], tmp_path / out)


def test_an_out_that_cannot_be_written_to_is_refused_before_anything_is_opened(tmp_path):
    (tmp_path / "frames").mkdir()
    (tmp_path / "track.gpx").write_text("no track")
    (tmp_path / "out").write_text("a file stands here")
    with pytest.raises(OutputError, match="cannot be written") as caught:
        run_road(survey_of(tmp_path), Job(tmp_path / "out", None, RoadParams()))
    assert "another --out" in str(caught.value.remedy)


def test_what_was_filmed_counts_as_driven_and_no_gap_between():
    assert surveyed_m(np.array([0.0, 8.0, 4.0, 12.0, 500.0, 504.0]), 20.0) == pytest.approx(12 + 20 + 4)
    assert surveyed_m(np.array([]), 20.0) == 0
