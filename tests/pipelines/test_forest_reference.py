"""The forest job on real height models, with tree tops and stands that somebody else made."""

import geopandas as gpd
import numpy as np
import pytest
import rasterio
from foresting import ExactDetector, card, write_ortho
from rasterio.enums import Resampling

from models.detections import Detections
from pipelines.forest.accuracy import judge_map
from pipelines.forest.job import ForestInput, ForestJob, run_forest
from pipelines.forest.params import ForestParams
from pipelines.forest.truth import TruthRequest

pytestmark = pytest.mark.shared


class Blind(ExactDetector):
    """Sees nothing: what is on the map is of the height model."""

    def look(self, picture):
        return Detections.empty()


@pytest.fixture
def folder(shared_data):
    return shared_data / "forest" / "orthophotos"


def _job(out):
    return ForestJob(out, Blind(card(gsd_m=0.5)), ForestParams())


def test_stems_of_every_block_agree_with_given_tree_tops_to_ten_per_cent(folder, tmp_path):
    given = ForestInput(
        folder / "kootenay_ortho_50cm.tif",
        chm=folder / "kootenay_chm_50cm.tif",
        stands=folder / "kootenay_blocks.gpkg",
    )
    results, published = run_forest(given, _job(tmp_path / "out"))
    truth = TruthRequest(folder / "kootenay_trees.gpkg", plots=folder / "kootenay_blocks.gpkg")
    plots = {one.name: one for one in judge_map(published.geopackage, truth).plots}
    assert {name: one.stems_true for name, one in plots.items()} == {"101": 232, "3308": 462, "113": 192}
    for one in plots.values():
        assert one.stems == pytest.approx(one.stems_true, rel=0.1)
        assert min(one.precision, one.recall) > 0.75
    stands = results.stands.set_index("stand")
    blocks = gpd.read_file(folder / "kootenay_blocks.gpkg").set_index("BlockID")
    for name, shape_area in blocks["Shape_Area"].items():
        assert 1e4 * stands.loc[str(name), "area_ha"] == pytest.approx(shape_area, rel=0.01)
    # The stand layer says the same of a block, but for tops on its border: a file rounds them to decimetres.
    assert all(abs(stands.loc[name, "n_crowns"] - one.stems) <= 2 for name, one in plots.items())
    assert (stands["height_m"] < stands["height_p95_m"]).all()


def test_a_coarse_height_model_gives_no_trees_and_blocks_keep_their_ids(folder, tmp_path):
    """2 m a pixel: too coarse for tops. The orthophoto is a grey sheet over the model, since none is given."""
    with rasterio.open(folder / "quesnel_chm_2m.tif") as source:
        shape = source.height, source.width
        place = {"transform": source.transform, "crs": source.crs}
        heights = source.read(1, out_shape=shape, resampling=Resampling.nearest)
    ortho = write_ortho(tmp_path / "sheet.tif", np.full((*shape, 3), 90, np.uint8), **place)
    told = []
    job = _job(tmp_path / "out")
    given = ForestInput(ortho, chm=folder / "quesnel_chm_2m.tif", stands=folder / "quesnel_blocks.gpkg")
    job = ForestJob(job.out_dir, Blind(card(gsd_m=2.0)), job.params, tell=told.append)
    results, _ = run_forest(given, job)
    assert any("too coarse to find tree tops in" in line for line in told)
    assert len(results.crowns) == 0 and np.nanmax(heights) > 10
    blocks = gpd.read_file(folder / "quesnel_blocks.gpkg")
    assert sorted(results.stands["stand"]) == sorted(blocks["BlockID"])
    assert results.stands["area_ha"].sum() == pytest.approx(blocks.area.sum() / 1e4, rel=0.01)
