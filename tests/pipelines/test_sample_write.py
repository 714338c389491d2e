import datetime as dt
import hashlib

import geopandas as gpd
import gpxpy
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from geo.track import read_fixes
from pipelines.cli.sample import sample
from pipelines.errors import OutputError
from pipelines.params import ParamsError
from pipelines.sample.params import read_params
from pipelines.sample.train_set import TrainSetPlan, write_train_set
from pipelines.sample.write import SampleParams, write_sample
from pipelines.survey import load_survey


def hashes(folder):
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.rglob("*.*")}


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    write_sample(folder, SampleParams(frames=4), workers=1)
    return folder


def test_equal_seeds_give_equal_bytes_whatever_the_worker_count(written, tmp_path):
    write_sample(tmp_path, SampleParams(frames=4), workers=3)
    assert hashes(tmp_path) == hashes(written)
    assert len(hashes(written)) == 4 + 6


def test_the_manifest_is_a_survey_that_leaves_pitch_and_yaw_to_calibration(written):
    survey = load_survey(written)
    assert survey.track == written / "track.gpx"
    assert survey.roads == written / "roads.gpkg"
    assert survey.camera.height_m == 1.4
    assert survey.camera.pitch_deg is None and survey.camera.yaw_deg is None


def test_frames_carry_the_true_time_to_the_millisecond(written):
    poses = pd.read_parquet(written / "truth_poses.parquet")
    for row in poses.itertuples():
        with Image.open(written / "frames" / row.frame) as picture:
            times = picture.getexif().get_ifd(0x8769)
        stamp = f"{times[36867]}.{times[37521]}{times[36881]}"
        assert dt.datetime.strptime(stamp, "%Y:%m:%d %H:%M:%S.%f%z").timestamp() == pytest.approx(row.t_s, abs=1e-3)


def test_the_track_has_a_fix_every_three_seconds_with_a_receivers_error(written):
    with (written / "track.gpx").open(encoding="utf-8") as file:
        points = gpxpy.parse(file).tracks[0].segments[0].points
    times = np.array([p.time.timestamp() for p in points])
    assert np.allclose(np.diff(times), 3.0)
    poses = pd.read_parquet(written / "truth_poses.parquet")
    assert times[0] <= poses.t_s.min() and times[-1] >= poses.t_s.max()
    assert min(p.speed for p in points) == 0 and 7 < max(p.speed for p in points) < 10
    assert all(abs(p.latitude - 35.61) < 0.02 and abs(p.longitude - 140.1) < 0.02 for p in points), "Chiba City"


@pytest.fixture(scope="module")
def phone(tmp_path_factory):
    """The same drive with GPS in the frames, where it was written with a GPX before."""
    folder = tmp_path_factory.mktemp("phone")
    write_sample(folder, SampleParams(frames=2), workers=1)
    write_sample(folder, SampleParams(frames=4, gps="exif"), workers=1)
    return folder


def test_a_phones_frames_carry_the_newest_fix_of_the_receiver_and_there_is_no_track(written, phone):
    assert not (phone / "track.gpx").exists()
    assert load_survey(phone).track is None
    assert load_survey(phone).camera == load_survey(written).camera
    track, poses = read_fixes(written / "track.gpx"), pd.read_parquet(phone / "truth_poses.parquet")
    newest = np.searchsorted(track.t_s, poses.t_s, side="right") - 1
    assert ((poses.t_s - track.t_s[newest] >= 0) & (poses.t_s - track.t_s[newest] < 3)).all()
    fixes = read_fixes(phone / "frames")
    assert len(fixes) == 4
    np.testing.assert_allclose(fixes.t_s, track.t_s[newest])
    for name, tolerance in (("lon", 3e-8), ("lat", 3e-8), ("speed_mps", 0.006)):
        np.testing.assert_allclose(getattr(fixes, name), getattr(track, name)[newest], rtol=0, atol=tolerance)
    assert np.isnan(fixes.bearing_deg).all()


def test_only_the_headers_differ_between_a_phones_frames_and_the_others(written, phone):
    for path in sorted((written / "frames").iterdir()):
        with Image.open(path) as one, Image.open(phone / "frames" / path.name) as other:
            assert one.tobytes() == other.tobytes()
    files = hashes(written).keys() - hashes(phone).keys()
    assert files == {"track.gpx"}


def test_truth_lies_on_the_roads_and_every_box_belongs_to_a_damage(written):
    defects, roads = gpd.read_file(written / "truth.gpkg"), gpd.read_file(written / "roads.gpkg")
    assert set(defects["class"]) == {"D00", "D10", "D20", "D40"}
    assert defects.crs == roads.crs == "EPSG:6677"
    surface = roads.buffer(roads.width_m / 2 + 0.3).union_all()
    assert defects.centroid.within(surface).all()
    boxes = pd.read_parquet(written / "truth_boxes.parquet")
    assert set(boxes.damage) <= set(defects.damage)
    assert ((boxes.x2 > boxes.x1) & (boxes.y2 > boxes.y1)).all()


def test_training_pictures_have_labels_inside_the_picture_and_repeat_by_seed(tmp_path):
    for name in ("one", "two"):
        write_train_set(tmp_path / name, TrainSetPlan(3, 4), workers=2)
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")
    lines = [line for p in (tmp_path / "one/labels").glob("*.txt") for line in p.read_text().splitlines()]
    values = np.array([[float(v) for v in line.split()] for line in lines])
    assert len(lines) >= 2
    assert set(values[:, 0]) <= {0, 1, 2, 3}
    low, high = values[:, 1:3] - values[:, 3:] / 2, values[:, 1:3] + values[:, 3:] / 2
    assert (low >= -1e-5).all() and (high <= 1 + 1e-5).all()


def test_the_command_makes_a_sample_of_the_size_asked_for(tmp_path):
    done = CliRunner().invoke(sample, ["make", str(tmp_path / "drive"), "--frames", "2", "--seed", "3"])
    assert done.exit_code == 0, done.output
    assert len(list((tmp_path / "drive/frames").iterdir())) == 2
    assert (tmp_path / "drive/track.gpx").exists()


def test_the_command_and_the_params_say_where_gps_is_written(tmp_path):
    (tmp_path / "params.yaml").write_text("sample: {frames: 2, gps: exif}\n")
    line = ["make", str(tmp_path / "drive"), "--params", str(tmp_path / "params.yaml")]
    assert CliRunner().invoke(sample, line).exit_code == 0
    assert not (tmp_path / "drive/track.gpx").exists()
    assert read_params(tmp_path / "params.yaml", {"gps": "gpx"}).gps == "gpx"


def test_a_shorter_drive_leaves_no_frame_of_a_longer_one(tmp_path):
    write_sample(tmp_path, SampleParams(frames=3))
    write_sample(tmp_path, SampleParams(frames=2))
    assert sorted(p.name for p in (tmp_path / "frames").iterdir()) == ["frame_0001.jpg", "frame_0002.jpg"]


@pytest.mark.parametrize("name", ["frames/frame_0009.jpg", "survey.yaml", "track.gpx"])
def test_a_drive_of_peoples_own_is_left_as_it_is(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(b"of another drive")
    with pytest.raises(OutputError, match="not a sample's"):
        write_sample(tmp_path, SampleParams(frames=2))
    assert hashes(tmp_path).keys() == {name}
    assert (tmp_path / name).read_bytes() == b"of another drive"


def test_a_sample_that_was_broken_off_is_written_anew(tmp_path):
    def break_off(_done, _total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_sample(tmp_path, SampleParams(frames=2), progress=break_off)
    write_sample(tmp_path, SampleParams(frames=2))
    assert load_survey(tmp_path).name == "Sample drive"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sample: {frames: none}", "sample.frames"),
        ("sample: {seeds: 3}", "Did you mean 'seed'"),
        ("sample: [", "not valid YAML"),
        ("sample: 2026-02-30", "a value that cannot be"),
        (None, "cannot be read"),
    ],
)
def test_wrong_parameters_are_one_line_that_names_them(tmp_path, text, said):
    path = tmp_path / "params.yaml"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    with pytest.raises(ParamsError) as caught:
        read_params(path, {})
    assert said in str(caught.value)
