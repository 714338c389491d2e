"""An orthophoto is looked at tile by tile, and comes out as if it had been looked at at once."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from foresting import ExactDetector, card, plant, write_ortho

from geo.raster import BadWindow, OrthoReader, Patch, open_ortho
from pipelines.errors import SurveyError
from pipelines.journal import Journal
from pipelines.orthophoto import OrthoParams, Scanned, ortho_key, plan_scan, scan, scan_lines


@pytest.fixture(scope="module")
def forest():
    return plant(1696, 1296)


@pytest.fixture(scope="module")
def ortho_path(forest, tmp_path_factory):
    return write_ortho(tmp_path_factory.mktemp("ortho") / "forest.tif", forest.picture)


def _scan(path: Path, journal: Path, detector: Any = None, tile_px: int = 640, workers: int = 2) -> Scanned:
    detector = detector or ExactDetector()
    plan = plan_scan(open_ortho(path), detector.card, OrthoParams(tile_px=tile_px))
    return scan(plan, detector, Journal(journal, ortho_key(path, plan, detector)), workers=workers)


def _rows(xyxy: Any) -> list[tuple[float, ...]]:
    return sorted(map(tuple, np.asarray(xyxy, float).tolist()))


@pytest.mark.parametrize("tile_px", [320, 640, 1280])
def test_no_crown_is_missed_doubled_or_cut_at_a_seam(forest, ortho_path, tmp_path, tile_px):
    seen = _scan(ortho_path, tmp_path, tile_px=tile_px)
    assert _rows(seen.boxes.xyxy) == _rows(forest.xyxy)
    assert seen.cells.all()
    assert seen.n_empty == seen.n_full == len(seen.rejected) == 0


def test_any_number_of_readers_gives_the_same_boxes(ortho_path, tmp_path):
    one, five = (_scan(ortho_path, tmp_path / str(n), workers=n) for n in (1, 5))
    assert one.boxes == five.boxes


def test_a_stopped_scan_goes_on_where_it_stopped(ortho_path, tmp_path):
    whole = ExactDetector()
    expected = _scan(ortho_path, tmp_path / "whole", whole)
    with pytest.raises(KeyboardInterrupt):
        _scan(ortho_path, tmp_path / "stopped", ExactDetector(die_after=5))
    again = ExactDetector()
    resumed = _scan(ortho_path, tmp_path / "stopped", again)
    assert resumed.boxes == expected.boxes
    assert again.looked_at < whole.looked_at


def test_empty_tiles_are_not_looked_at_and_ragged_edges_are_known(forest, tmp_path):
    height, width = forest.picture.shape[:2]
    rows, columns = np.mgrid[:height, :width]
    alpha = np.where(columns + rows < 1500, 255, 0).astype(np.uint8)
    path = write_ortho(tmp_path / "ragged.tif", np.dstack([forest.picture, alpha]), photometric="rgb", alpha="yes")
    detector = ExactDetector()
    seen = _scan(path, tmp_path / "journal", detector)
    assert seen.n_empty >= 1
    assert detector.looked_at + seen.n_empty == len(
        plan_scan(open_ortho(path), detector.card, OrthoParams(tile_px=640)).tiles
    )
    assert seen.cells.mean() == pytest.approx((alpha > 0).mean(), abs=0.015)
    assert (seen.boxes.xyxy[:, 0] + seen.boxes.xyxy[:, 1] < 1500).all()


def test_a_part_that_cannot_be_decoded_is_named_and_the_rest_is_looked_at(ortho_path, tmp_path):
    data = bytearray(ortho_path.read_bytes())
    with rasterio.open(ortho_path) as source:
        offset = int(source.get_tag_item("BLOCK_OFFSET_3_3", "TIFF", bidx=1))
    data[offset : offset + 400] = bytes(400)
    broken = tmp_path / "broken.tif"
    broken.write_bytes(data)
    seen = _scan(broken, tmp_path / "journal")
    assert 0 < len(seen.rejected) <= 4
    assert set(seen.rejected["reason"]) == {"undecodable"}
    assert 0.5 < seen.cells.mean() < 1


def test_a_large_file_that_was_changed_in_place_is_another_one(ortho_path, monkeypatch):
    detector = ExactDetector()
    plan = plan_scan(open_ortho(ortho_path), detector.card, OrthoParams())
    keys = []
    for whole in (2**20 * 64, 10):
        monkeypatch.setattr("pipelines.orthophoto.HASHED_WHOLE", whole)
        for changed_ns in (10**18, 2 * 10**18):
            os.utime(ortho_path, ns=(changed_ns, changed_ns))
            keys.append(ortho_key(ortho_path, plan, detector))
    assert keys[0] == keys[1] and keys[2] != keys[3]


def test_a_part_that_could_not_be_read_for_a_moment_is_looked_at_by_the_next_scan(ortho_path, tmp_path, monkeypatch):
    expected = _scan(ortho_path, tmp_path / "whole")
    read = OrthoReader.read

    def stuttering(self: OrthoReader, left: int, top: int, right: int, bottom: int) -> Patch:
        if left == 0:
            raise BadWindow("a part of the file cannot be decoded")
        return read(self, left, top, right, bottom)

    with monkeypatch.context() as patched:
        patched.setattr(OrthoReader, "read", stuttering)
        assert len(_scan(ortho_path, tmp_path / "journal").rejected)
    again = _scan(ortho_path, tmp_path / "journal")
    assert again.rejected.empty
    assert again.boxes == expected.boxes


def test_a_model_for_roads_is_refused(ortho_path):
    with pytest.raises(SurveyError, match="not made for orthophotos"):
        plan_scan(open_ortho(ortho_path), card(gsd_m=None), OrthoParams())


def test_tiles_smaller_than_two_objects_are_refused_with_the_size_they_need(ortho_path):
    with pytest.raises(SurveyError, match="tile_px to 864"):
        plan_scan(open_ortho(ortho_path), card(largest_m=40.0), OrthoParams(tile_px=640))


def test_the_cost_of_another_sampling_distance_is_told(ortho_path):
    plan = plan_scan(open_ortho(ortho_path), card(gsd_m=0.04), OrthoParams())
    assert any("enlarged 2.5 times" in line for line in scan_lines(plan))
    plan = plan_scan(open_ortho(ortho_path), card(gsd_m=0.1), OrthoParams())
    assert not any("warning" in line for line in scan_lines(plan))
