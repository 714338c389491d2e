import datetime as dt
import hashlib

import geopandas as gpd
import gpxpy
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from geo.errors import MichisoraError
from pipelines.cli.sample import sample
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


def test_a_shorter_drive_leaves_no_frame_of_a_longer_one(tmp_path):
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames/frame_0009.jpg").write_bytes(b"of another drive")
    write_sample(tmp_path, SampleParams(frames=2))
    assert sorted(p.name for p in (tmp_path / "frames").iterdir()) == ["frame_0001.jpg", "frame_0002.jpg"]


def test_a_wrong_parameter_is_named(tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("sample: {frames: none}\n")
    with pytest.raises(MichisoraError, match=r"sample\.frames"):
        read_params(path, {})
