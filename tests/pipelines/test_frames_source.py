from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from filming import Film, Ride, device, gps9, grey, write_film
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pipelines.errors import SurveyError
from pipelines.frames import BadFrame, Frame, open_frames, select_by_distance


def write_picture(path: Path, grey: int = 128) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (32, 24), (grey, grey, grey)).save(path)


def write_video(path: Path, n: int = 40, turn_deg: int = 0, **metadata: str) -> None:
    """Frame i is grey 5 i + 20, its top left corner red; a key frame every 12, B frames between."""
    with av.open(str(path), "w") as container:
        container.metadata.update(metadata)
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        stream.options = {"g": "12", "bf": "2", "crf": "10"}
        if turn_deg:
            stream.set_display_rotation(turn_deg)
        for number in range(n):
            pixels = np.full((64, 96, 3), 5 * number + 20, np.uint8)
            pixels[:16, :16] = (250, 0, 0)
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24")
            frame.pts = number
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def number_shown(picture: np.ndarray) -> int:
    return round((float(picture[20:44, 20:44].mean()) - 20) / 5)


def test_frames_come_in_the_order_people_number_them_with_other_files_passed_over(tmp_path):
    hidden = (".f3.jpg", ".Trash/f4.jpg", "a/.thumbnails/f5.jpg", "@eaDir/f2.jpg/SYNOPHOTO_THUMB_XL.jpg")
    for name in ("f10.jpg", "f2.JPG", "a/f1.png", *hidden, "track.gpx"):
        path = tmp_path / name
        write_picture(path) if path.suffix != ".gpx" else path.write_text("<gpx/>")
    assert [frame.name for frame in open_frames(tmp_path).frames] == ["a/f1.png", "f2.JPG", "f10.jpg"]
    assert len(open_frames(tmp_path / ".Trash").frames) == 1, "a folder that is named counts, whatever its name"


def test_frames_of_several_folders_never_share_a_name(tmp_path):
    places = [tmp_path / place for place in ("one/frames", "two/frames", "three")]
    for place in places:
        for name in ("000001.jpg", "000002.jpg") if place.name == "frames" else ("000001.jpg", "000003.jpg"):
            write_picture(place / name)
    frames = open_frames([*places, places[0] / "000001.jpg"]).frames
    assert [frame.name for frame in frames] == [
        *("one/frames/000001.jpg", "one/frames/000002.jpg", "two/frames/000001.jpg", "two/frames/000002.jpg"),
        *("three/000001.jpg", "000003.jpg"),
    ]
    assert all(frame.source.as_posix().endswith(f"/{frame.name}") for frame in frames)


@pytest.mark.parametrize("place", ["", "nowhere"])
def test_no_frames_at_all_is_refused_with_a_remedy(tmp_path, place):
    with pytest.raises(SurveyError) as caught:
        open_frames(tmp_path / place)
    assert caught.value.remedy


def test_a_bad_frame_comes_as_a_value_among_the_good_ones(tmp_path):
    for number in range(9):
        write_picture(tmp_path / f"{number}.png", grey=number)
    (tmp_path / "4.png").write_bytes(b"")
    with open_frames(tmp_path) as source:
        outcomes = list(source.read_many(range(9)))
    assert [index for index, _ in outcomes] == list(range(9))
    assert [index for index, outcome in outcomes if isinstance(outcome, BadFrame)] == [4]
    assert all(outcome[0, 0, 0] == index for index, outcome in outcomes if index != 4)


def test_pictures_get_their_times_from_who_knows_them(tmp_path):
    write_picture(tmp_path / "1.jpg")
    write_picture(tmp_path / "2.jpg")
    source = open_frames(tmp_path, lambda paths: np.array([float(path.stem) for path in paths]))
    assert [frame.t_s for frame in source.frames] == [1.0, 2.0]


def test_video_frames_are_found_by_number_forwards_and_backwards(tmp_path):
    write_video(tmp_path / "drive.mp4")
    with open_frames(tmp_path / "drive.mp4") as source:
        assert len(source) == 40
        asked = [0, 1, 2, 30, 29, 11, 12, 13, 39, 5]
        assert [number_shown(source.read(index)) for index in asked] == asked
        assert [number_shown(picture) for _, picture in source.read_many(range(0, 40, 3))] == list(range(0, 40, 3))


def test_a_videos_clock_gives_each_frame_its_time(tmp_path):
    write_video(tmp_path / "drive.mov", n=11, creation_time="2024-05-01T01:02:03Z")
    source = open_frames(tmp_path)
    frames = source.frames
    # The header cuts the second off: the middle of what it may mean, and how far that may be off.
    assert frames[0].t_s == 1714525323.5
    assert source.clock_sd_s == pytest.approx(np.random.default_rng(1).uniform(size=100_000).std(), rel=0.01)
    assert frames[10].t_s == pytest.approx(1714525324.5)
    assert frames[10].offset_s == pytest.approx(1.0)


def test_frames_shown_at_uneven_times_are_timed_one_by_one(tmp_path):
    shown = [0.0, 0.033, 0.07, 0.4, 0.433, 2.0]
    write_film(tmp_path / "a.mp4", grey(6), shown, Film(metadata={"creation_time": "2024-05-01T01:02:03Z"}))
    frames = open_frames(tmp_path / "a.mp4").frames
    assert [frame.t_s - 1714525323.5 for frame in frames] == pytest.approx(shown, abs=1e-3)


def test_a_time_zone_that_apple_states_goes_before_the_header(tmp_path):
    stated = {"creation_time": "2024-05-01T02:00:00Z", "com.apple.quicktime.creationdate": "2024-05-01T10:02:03+0900"}
    write_film(tmp_path / "a.mov", grey(2), [0.0, 0.1], Film(metadata=stated))
    assert open_frames(tmp_path / "a.mov").frames[0].t_s == 1714525323.5


def test_android_states_when_it_finished_a_video(tmp_path):
    stated = {"creation_time": "2024-05-01T01:02:03Z", "com.android.version": "14"}
    write_film(tmp_path / "a.mp4", grey(21), np.arange(21).tolist(), Film(metadata=stated))
    frames = open_frames(tmp_path / "a.mp4").frames
    assert frames[0].t_s == pytest.approx(1714525323.5 - 21)
    assert frames[20].t_s == pytest.approx(1714525323.5 - 1)


def test_a_gopros_frames_are_on_the_clock_of_its_receiver_whatever_the_header_says(tmp_path):
    t_s = 1714525323.25 + np.arange(30) / 10
    fixes = Ride(t_s, np.full(30, 36.0), np.full(30, 140.0), np.full(30, 5.0))
    payloads = [(float(k), device(gps9(fixes.part(slice(10 * k, 10 * k + 10))))) for k in range(3)]
    film = Film(payloads, {"creation_time": "2024-05-01T10:02:03Z"})
    write_film(tmp_path / "GX010001.MP4", grey(31), (np.arange(31) / 10).tolist(), film)
    source = open_frames(tmp_path / "GX010001.MP4")
    assert [frame.t_s for frame in source.frames[::10]] == pytest.approx([t_s[0] + k for k in range(4)], abs=2e-3)
    assert 0 < source.clock_sd_s < 0.28


def test_videos_that_state_no_time_begin_when_told_and_follow_one_another(tmp_path):
    for name in ("1.mp4", "2.mp4"):
        write_film(tmp_path / name, grey(11), (np.arange(11) / 10).tolist())
    assert np.isnan([frame.t_s for frame in open_frames(tmp_path).frames]).all()
    times = [frame.t_s for frame in open_frames(tmp_path, video_start_s=1000.25).frames]
    assert times == pytest.approx([1000.255 + k / 10 for k in range(22)], abs=1e-3)


@pytest.mark.parametrize(("start_s", "digit_s"), [(23.0, 1), (23.4, 0.1), (23.25, 0.01), (23.123, 1e-3)])
def test_a_stated_start_is_known_to_its_last_digit(tmp_path, start_s, digit_s):
    write_video(tmp_path / "told.mp4", n=3)
    source = open_frames(tmp_path, video_start_s=1714525300 + start_s)
    assert source.clock_sd_s == pytest.approx(digit_s / 12**0.5)
    assert source.frames[0].t_s == pytest.approx(1714525300 + start_s + digit_s / 2, abs=1e-6)


def test_a_whole_second_means_its_middle_whoever_states_it(tmp_path):
    write_video(tmp_path / "told.mp4", n=3)
    write_video(tmp_path / "states.mp4", n=3, creation_time="2024-05-01T01:02:03Z")
    told = open_frames(tmp_path / "told.mp4", video_start_s=1714525323.0)
    assert told.frames[0].t_s == open_frames(tmp_path / "states.mp4").frames[0].t_s == 1714525323.5


def test_films_of_the_same_time_are_found_and_chapters_are_none(tmp_path):
    for name, second in (("a.mp4", 3), ("b.mp4", 3), ("c.mp4", 33)):
        stated = {"creation_time": f"2024-05-01T01:02:{second:02}Z"}
        write_film(tmp_path / name, grey(31), np.arange(31).tolist(), Film(metadata=stated))
    [(first, second, both_s)] = open_frames(tmp_path).overlaps()
    assert (first.name, second.name) == ("a.mp4", "b.mp4")
    assert both_s == pytest.approx(31.0)


def test_a_clock_that_was_never_set_is_no_time(tmp_path):
    write_video(tmp_path / "drive.mp4", n=3, creation_time="1970-01-01T00:00:00Z")
    assert np.isnan(open_frames(tmp_path).frames[0].t_s)


@pytest.mark.parametrize(("turn_deg", "corner"), [(0, (4, 4)), (90, (-4, 4)), (180, (-4, -4)), (-90, (4, -4))])
def test_a_turned_video_is_read_upright(tmp_path, turn_deg, corner):
    write_video(tmp_path / "drive.mp4", n=3, turn_deg=turn_deg)
    picture = open_frames(tmp_path).read(1)
    assert picture.shape[:2] == ((96, 64) if turn_deg in {90, -90} else (64, 96))
    assert picture[corner][0] > 200
    assert picture[corner][1] < 60


@pytest.mark.parametrize(("turn_deg", "size"), [(0, (128, 72)), (90, (72, 128))])
def test_a_video_of_pixels_that_are_not_square_is_read_as_it_is_shown(tmp_path, turn_deg, size):
    film = Film(turn_deg=turn_deg, pixel_shape=Fraction(4, 3))
    with open_frames(write_film(tmp_path / "film.mp4", grey(2, 96, 72), [0.0, 0.1], film)) as source:
        assert source.size(0) == size
        assert source.read(1).shape == (size[1], size[0], 3)


def test_a_video_whose_end_is_missing_says_how_many_frames_it_should_have(tmp_path):
    film = tmp_path / "film.mp4"
    with av.open(str(film), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        rng = np.random.default_rng(0)
        for _ in range(30):
            frame = av.VideoFrame.from_ndarray(rng.integers(0, 255, (64, 96, 3), np.uint8), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    assert open_frames(film).losses == []
    film.write_bytes(film.read_bytes()[: film.stat().st_size // 2])
    source = open_frames(film)
    assert 0 < len(source) < 30
    assert source.losses == [f"film.mp4 is cut short: {len(source)} of the 30 frames it states are there"]


def test_a_video_cut_short_or_no_video_is_refused_and_the_rest_goes_on(tmp_path):
    write_video(tmp_path / "b.mp4", n=5)
    whole = (tmp_path / "b.mp4").read_bytes()
    (tmp_path / "a.mp4").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "c.mp4").write_bytes(b"nothing of the kind")
    (tmp_path / "d.mp4").write_bytes(b"")
    source = open_frames(tmp_path)
    assert len(source) == 5
    assert [(Path(str(bad.where)).name, bad.code) for bad in source.refused] == [
        ("a.mp4", "not_a_video"),
        ("c.mp4", "not_a_video"),
        ("d.mp4", "empty"),
    ]


@dataclass
class Straight:
    """A drive at 10 m/s from t = 100 to 200 with a stop from 140 to 160."""

    valid: np.ndarray | None = None

    def at(self, t_s: np.ndarray) -> "Straight":
        return Straight((t_s >= 100) & (t_s <= 200))

    def distance_m(self, t_s: np.ndarray) -> np.ndarray:
        return np.interp(t_s, [100, 140, 160, 200], [0, 400, 400, 800])


def drive(step_s: float) -> list[Frame]:
    return [Frame(f"{n}", Path("x"), t_s=90 + n * step_s) for n in range(int(120 / step_s))]


@given(st.floats(0.05, 3), st.floats(1, 50))
def test_chosen_frames_are_a_spacing_apart_and_never_much_more(step_s, spacing_m):
    frames = drive(step_s)
    chosen = select_by_distance(frames, Straight(), spacing_m)
    gaps = np.diff(Straight().distance_m(np.array([frames[index].t_s for index in chosen])))
    assert (gaps >= spacing_m - 1e-9).all()
    assert (gaps <= spacing_m + 10 * step_s + 1e-6).all()


def test_a_stop_is_seen_once_and_frames_outside_the_track_never():
    frames = drive(1.0)
    times = [frames[index].t_s for index in select_by_distance(frames, Straight(), 5.0)]
    assert min(times) >= 100
    assert max(times) <= 200
    assert len([t for t in times if 140 < t < 160]) == 0


def test_frames_without_a_time_are_never_chosen():
    assert select_by_distance([Frame("a", Path("x"))], Straight(), 5.0).tolist() == []
    assert select_by_distance([], Straight(), 5.0).tolist() == []
