"""A drive whose only GPS is in its pictures, as a phone writes it: nothing but the frames and the camera's figures."""

import numpy as np
import pandas as pd
import pytest

from models.detector import open_detector
from pipelines.params import RoadParams
from pipelines.road.job import Job, run_road
from pipelines.road.measures import score_sample
from pipelines.sample.journey import RECEIVER_JITTER_M, RECEIVER_SD_M, receiver_fixes, sample_journey
from pipelines.sample.town import sample_town
from pipelines.sample.write import SampleParams, write_sample
from pipelines.survey import load_survey

PARAMS = SampleParams(frames=24, gps="exif")

P95_M = np.hypot(RECEIVER_SD_M, RECEIVER_JITTER_M) * np.sqrt(-2 * np.log(0.05))
"""Of the receiver's error: the radius of a circular normal distribution."""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("phone")
    write_sample(folder, PARAMS)
    assert not list(folder.rglob("*.gpx"))
    with open_detector("road") as detector:
        job = Job(folder / "out", detector, RoadParams(), languages=("en",))
        results, published = run_road(load_survey(folder), job)
    return folder, results, published


@pytest.fixture(scope="module")
def own_error_m() -> np.ndarray:
    """How far the receiver's fixes lie from where the vehicle was, on this drive, m."""
    journey = sample_journey(sample_town(), PARAMS.seed)
    fixes = receiver_fixes(journey, PARAMS.seed)
    return np.hypot(*(fixes.xy_m - journey.path.at(journey.distance_at(fixes.t_s))).T)


def test_frames_lie_within_the_receivers_error_of_where_they_were_taken(run, own_error_m):
    folder, results, _ = run
    frames = results.frames
    truth = pd.read_parquet(folder / "truth_poses.parquet").set_index("frame").loc[frames["frame"]]
    error_m = np.hypot(frames["x_m"].to_numpy() - truth["x_m"], frames["y_m"].to_numpy() - truth["y_m"]).to_numpy()
    assert len(error_m) >= PARAMS.frames - 1
    # Pictures 5 s apart lose one fix in two; without them, and with a fix's age ignored, it would be ten metres.
    assert np.median(error_m) <= np.median(own_error_m) + 0.5
    assert np.percentile(error_m, 95) <= P95_M
    assert np.mean(error_m <= np.sqrt(-2 * np.log(0.05)) * frames["sd_m"]) >= 0.9, "the stated uncertainty is honest"


def test_only_what_was_taken_after_the_last_fix_is_left_out(run):
    _, results, _ = run
    assert set(results.rejected["reason"]) <= {"outside_track"}
    assert set(results.rejected["item"]) <= {f"frame_{PARAMS.frames:04}.jpg"}


def test_defects_lie_as_near_their_true_places_as_the_track_allows(run, own_error_m):
    folder, _, published = run
    figures = score_sample(published.geopackage, folder)
    assert figures["n_detected"] >= 5
    assert figures["position_median_m"] <= np.median(own_error_m) + 1.0
