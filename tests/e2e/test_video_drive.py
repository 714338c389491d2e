"""A drive filmed instead of photographed: the same defects in the same places, or one line on what is missing."""

import datetime as dt
from pathlib import Path

import geopandas as gpd
import numpy as np
import pytest
from driving import CAMERA, Drive, listed
from filming import Film, Ride, device, gps5, gps9, grey, write_film

from geo.crs import to_lonlat
from pipelines.errors import SurveyError
from pipelines.params import RoadParams
from pipelines.preflight import preflight
from pipelines.survey import FrameClock, survey_from_parts


def filmed(drive: Drive, out: Path, film: Path, *arguments: object) -> gpd.GeoDataFrame:
    camera = ("--camera-height", CAMERA["height_m"], "--hfov", CAMERA["hfov_deg"])
    return listed(drive, out, "--frames", film, "--roads", drive.folder / "roads.gpkg", *camera, *arguments)


@pytest.fixture(scope="module")
def photographed(drive, tmp_path_factory) -> gpd.GeoDataFrame:
    return listed(drive, tmp_path_factory.mktemp("pictures") / "out", drive.folder)


def apart_m(defects: gpd.GeoDataFrame, photographed: gpd.GeoDataFrame) -> np.ndarray:
    """How far each defect of the pictures lies from the nearest of the film's of its class, m; inf without one."""
    same = [defects[defects["class"] == kind] for kind in photographed["class"]]
    near = [found.distance(place).min() for found, place in zip(same, photographed.geometry, strict=True)]
    return np.nan_to_num(near, nan=np.inf)


def header(begun_s: float) -> dict[str, str]:
    return {"creation_time": f"{dt.datetime.fromtimestamp(int(begun_s), dt.UTC):%Y-%m-%dT%H:%M:%SZ}"}


def payloads(driven: Ride, stream=gps9) -> list[tuple[float, bytes]]:
    return [(k / 10, device(stream(driven.part(slice(k, k + 10))))) for k in range(0, len(driven.utc_s), 10)]


@pytest.fixture(scope="module")
def driven(drive) -> Ride:
    """What the receiver of the sample's track would have written into the film, ten fixes a second."""
    track = drive.track()
    utc_s = np.arange(drive.begun_s, drive.t_s[-1] + 2, 0.1)
    poses = track.at(utc_s)
    lon, lat = to_lonlat(track.crs, poses.x_m, poses.y_m)
    return Ride(utc_s, lat, lon, poses.speed_mps)


def test_a_film_with_the_track_beside_it_shows_the_defects_where_the_pictures_do(drive, photographed, tmp_path):
    film = drive.film(tmp_path / "drive.mp4", Film(metadata=header(drive.begun_s)))
    found = filmed(drive, tmp_path / "out", film, "--track", drive.folder / "track.gpx")
    apart = apart_m(found, photographed)
    # A few boxes come and go with the film's compression; a clock off by a tenth of a second would move all by 0.8 m.
    assert len(apart) >= 8
    assert np.median(apart) < 0.3
    assert np.mean(apart < 1.0) >= 0.7
    assert found["position_sd_m"].median() > photographed["position_sd_m"].median() + 0.3, "the header's whole second"


def test_a_gopros_film_needs_no_track_and_may_stand_on_its_head(drive, photographed, driven, tmp_path):
    """Its header states the local time, as those cameras do; it is not asked."""
    film = Film(payloads(driven), header(drive.begun_s + 32_400), turn_deg=180)
    found = filmed(drive, tmp_path / "out", drive.film(tmp_path / "GX010001.MP4", film))
    apart = apart_m(found, photographed)
    assert np.median(apart) < 0.6
    assert np.mean(apart < 1.5) >= 0.7


@pytest.mark.parametrize("stream", [gps5, gps9])
def test_a_gopros_film_is_a_track_for_other_pictures(drive, driven, tmp_path, stream):
    film = write_film(tmp_path / "GH010001.MP4", grey(2), [0.0, 0.1], Film(payloads(driven, stream)))
    survey = survey_from_parts([drive.folder / "frames"], camera=CAMERA, track=film)
    ready = preflight(survey, RoadParams(drive={"spacing_m": 2.0}))
    expected, found = drive.track().at(ready.t_s), ready.scene.trajectory.at(ready.t_s)
    assert len(ready.t_s) == len(drive.t_s)
    assert np.hypot(found.x_m - expected.x_m, found.y_m - expected.y_m).max() < 0.3


# ---- what a film may lack


def refusal(drive: Drive, film: Path, track: bool = True, **clock: object) -> str:
    survey = survey_from_parts(
        [film], camera=CAMERA, track=drive.folder / "track.gpx" if track else None, clock=FrameClock(**clock)
    )
    with pytest.raises(SurveyError) as caught:
        preflight(survey, RoadParams())
    assert caught.value.remedy and "\n" not in str(caught.value)
    return str(caught.value)


def started(drive: Drive, film: Path, **clock: object) -> np.ndarray:
    """The frames' times that preflight takes, less the true ones, s."""
    survey = survey_from_parts([film], camera=CAMERA, track=drive.folder / "track.gpx", clock=FrameClock(**clock))
    ready = preflight(survey, RoadParams(drive={"spacing_m": 2.0}))
    assert any("to the second only" in line for line in ready.lines)
    return ready.t_s[1:] - drive.t_s


def test_a_film_that_does_not_say_when_it_began_says_what_to_give(drive, tmp_path):
    film = drive.blank(tmp_path / "drive.mp4", Film())
    line = refusal(drive, film)
    assert "the video does not say when it began" in line
    assert "start: 2026-04-21T01:12:" in line and "--start" in line
    begun = dt.datetime.fromtimestamp(int(drive.begun_s), dt.UTC)
    local = (begun + dt.timedelta(hours=9)).replace(tzinfo=None)
    for clock in ({"start": begun.isoformat()}, {"start": local.isoformat(), "timezone": "Asia/Tokyo"}):
        np.testing.assert_allclose(started(drive, film, **clock), 0.0, atol=2e-3)


def test_a_film_whose_header_states_local_time_says_which_offset_mends_it(drive, tmp_path):
    film = drive.blank(tmp_path / "drive.mov", Film(metadata=header(drive.begun_s + 32_400)))
    line = refusal(drive, film)
    assert "moved by -9 h: the camera writes its local time into videos" in line
    assert "--clock-offset -32400" in line
    np.testing.assert_allclose(started(drive, film, clock_offset_s=-32_400.0), 0.0, atol=2e-3)


def test_a_start_without_an_offset_or_a_zone_is_refused(drive, tmp_path):
    film = write_film(tmp_path / "drive.mp4", grey(2), [0.0, 0.1])
    for start, says in (("2026-04-21T10:12:05", "start has no offset"), ("yesterday", "start: input should be")):
        with pytest.raises(SurveyError, match=says):
            survey_from_parts([film], camera=CAMERA, clock=FrameClock(start=start))


def test_a_lone_film_that_cannot_be_opened_is_named(drive, tmp_path):
    (tmp_path / "drive.mp4").write_bytes(b"\0\0\0\x20ftypmp41" + bytes(64))
    assert "not an MP4 or MOV video" in refusal(drive, tmp_path / "drive.mp4")


def test_a_gopros_film_without_a_fix_and_without_a_track_says_so(drive, driven, tmp_path):
    blind = payloads(driven, lambda part: gps9(part, lock=0))
    film = write_film(tmp_path / "GX010001.MP4", grey(2), [0.0, 0.1], Film(blind, header(drive.begun_s)))
    line = refusal(drive, film, track=False)
    assert "no GPS: no track is given" in line and "had no usable fix" in line
