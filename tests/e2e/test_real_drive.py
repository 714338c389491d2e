"""The whole job on frames of a real drive."""

import sys
from pathlib import Path

import geopandas as gpd
import pytest

sys.path.insert(0, str(Path(__file__).parent))
from real_drive import lay_out

from models.detector import open_detector
from pipelines.params import RoadParams
from pipelines.road.job import Job, run_road
from pipelines.survey import load_survey


@pytest.mark.shared
@pytest.mark.parametrize("drive", ["dnit_rs290", "dnit_rs386"])
def test_a_real_drive_runs_through_to_a_list(shared_data, tmp_path, drive):
    folder = lay_out(shared_data / "drive" / drive, tmp_path / "survey")
    with open_detector("road") as detector, open_detector("street") as street:
        job = Job(tmp_path / "out", detector, RoadParams(), street, languages=("en",))
        results, published = run_road(load_survey(folder), job)
    assert len(results.frames) == len(list((folder / "frames").iterdir()))
    assert results.rejected.empty
    assert 0.1 < results.km < 0.4
    defects = gpd.read_file(published.geopackage, layer="defects")
    # Both roads are visibly damaged in nearly every frame.
    assert len(defects) >= 5
    ranks = defects["rank"].dropna()
    assert ranks.tolist() == list(range(1, len(ranks) + 1)), "the listed ones come first, in order"
    assert (defects["listed"].astype(bool) == defects["rank"].notna()).all()
    assert len(ranks) >= 5
    assert (results.observations.loc[results.observations["located"], "forward_m"] <= 22.0).all()
