"""A survey's manifest says what is wrong with it in one line."""

import os
from pathlib import Path

import pytest

from pipelines.errors import SurveyError
from pipelines.survey import content_hash, load_survey, survey_from_parts

GOOD = """
name: Route 12
frames: frames
track: track.gpx
timezone: Asia/Tokyo
camera: {height_m: 1.35, hfov_deg: 84}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "frames").mkdir()
    (tmp_path / "track.gpx").write_text("<gpx/>")
    return tmp_path


def write(folder: Path, text: str) -> Path:
    (folder / "survey.yaml").write_text(text)
    return folder


def test_paths_are_taken_from_the_manifests_folder(folder):
    survey = load_survey(write(folder, GOOD))
    assert survey.frames == (folder / "frames",)
    assert survey.track == folder / "track.gpx"
    assert survey.camera.height_m == 1.35
    assert survey.roads is None


def test_frames_may_be_a_list(folder):
    (folder / "b.mp4").touch()
    survey = load_survey(write(folder, GOOD.replace("frames: frames", "frames: [frames, b.mp4]")))
    assert survey.frames == (folder / "frames", folder / "b.mp4")


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("height_m: 1.35, ", "", "the camera's height is missing"),
        ("camera: {height_m: 1.35, hfov_deg: 84}", "", "the camera's height is missing"),
        ("hfov_deg: 84", "hfov: 84", "Did you mean 'hfov_deg'?"),
        ("track: track.gpx", "trak: track.gpx", "Did you mean 'track'?"),
        ("track: track.gpx", "xyzzy: 1", "Known keys: name, date"),
        (", hfov_deg: 84", "", "either hfov_deg or focal_px is needed"),
        ("hfov_deg: 84", "hfov_deg: 84, focal_px: 900", "either hfov_deg or focal_px is needed"),
        ("height_m: 1.35", "height_m: 135", "camera.height_m: input should be less than 10"),
        ("Asia/Tokyo", "Asia/Tokio", "no timezone is called 'Asia/Tokio'"),
        ("track: track.gpx", "track: gone.gpx", "the track is not there"),
        ("frames: frames", "frames: gone", "the frames are not there"),
        ("name: Route 12", "name: [", "not valid YAML"),
        ("frames: frames", "frames:", "frames names no folder, no video and no list of them"),
        ("frames: frames", "frames: 12", "frames names no folder, no video and no list of them"),
        ("frames: frames", "frames: [3]", "frames names no folder, no video and no list of them"),
        ("frames: frames", "frames: []", "frames names no folder, no video and no list of them"),
        ("frames: frames\n", "", "frames is missing"),
        ("camera: {height_m: 1.35, hfov_deg: 84}", "camera: 1.4", "camera names none of its figures"),
        ("track: track.gpx", "track: 12", "track names no file"),
        ("frames: frames", "frames: frames\nclock_offset_s: 1.0e+15", "clock_offset_s: input should be less than"),
        ("frames: frames", "frames: frames\nclock_offset_s: -.inf", "clock_offset_s: input should be"),
        ("frames: frames", "frames: frames\nclock_offset_s: .nan", "clock_offset_s: input should be a finite number"),
        ("name: Route 12", "name: Route 12\ndate: 2026-02-30", "holds a value that cannot be (day is out of range"),
        ("name: Route 12", "", "name is missing"),
    ],
)
def test_a_faulty_manifest_names_the_fault_and_the_remedy(folder, old, new, line):
    assert old in GOOD
    with pytest.raises(SurveyError) as caught:
        load_survey(write(folder, GOOD.replace(old, new)))
    assert line in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["nowhere", "survey2.yaml"])
def test_a_survey_that_is_not_there_is_named_itself(folder, name):
    write(folder, GOOD)
    with pytest.raises(SurveyError, match="there is no such") as caught:
        load_survey(folder / name)
    assert str(folder / name) in str(caught.value)


def test_a_folder_without_a_manifest_points_to_the_other_way_in(tmp_path):
    with pytest.raises(SurveyError, match="--frames and --track"):
        load_survey(tmp_path)


def test_a_manifest_that_is_no_mapping_is_refused(folder):
    with pytest.raises(SurveyError, match="holds no keys"):
        load_survey(write(folder, "- frames\n"))


def test_parts_without_a_camera_height_are_refused_with_the_remedy(folder):
    with pytest.raises(SurveyError, match=r"height is missing.*--camera-height, or as camera: height_m"):
        survey_from_parts([folder / "frames"], camera={"height_m": None, "hfov_deg": 84.0})


@pytest.mark.parametrize(
    ("frames", "name"), [("frames", "Route 12"), ("Images", "Route 12"), ("frames of May", "frames of May")]
)
def test_parts_take_the_name_of_the_folder_that_tells_the_drive(tmp_path, frames, name):
    place = tmp_path / "Route 12" / frames
    place.mkdir(parents=True)
    assert survey_from_parts([place], camera={"height_m": 1.4, "hfov_deg": 84.0}).name == name


def test_a_drive_and_frames_whose_names_are_no_utf8_have_a_name_and_a_hash(tmp_path):
    place = tmp_path / os.fsdecode(b"road\xe9") / "frames"
    place.mkdir(parents=True)
    assert survey_from_parts([place], camera={"height_m": 1.4, "hfov_deg": 84.0}).name == r"road\xe9"
    picture = place / os.fsdecode(b"\xe9.jpg")
    picture.write_bytes(b"one")
    first = content_hash([picture])
    assert content_hash([picture.rename(place / os.fsdecode(b"\xe8.jpg"))]) != first


def test_the_hash_follows_contents_names_and_order_only(tmp_path):
    one, two = tmp_path / "1.jpg", tmp_path / "2.jpg"
    one.write_bytes(b"one")
    two.write_bytes(b"two")
    first = content_hash([one, two])
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    moved = [path.rename(elsewhere / path.name) for path in (one, two)]
    assert content_hash(moved, workers=1) == first
    assert content_hash(reversed(moved)) != first
    moved[1].write_bytes(b"owt")
    assert content_hash(moved) != first
