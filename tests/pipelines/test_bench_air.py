"""What the benchmarks of orthophotos compare is known: the forest is planted, and every contestant sees all of it."""

import numpy as np
import pytest
import rasterio
from click.testing import CliRunner

from models.seams import merge_tiles
from pipelines.bench import ortho as contest
from pipelines.bench.child import in_child
from pipelines.bench.forest_scene import write_forest
from pipelines.bench.large_forest import map_large_forest, write_large
from pipelines.bench.merging import tiled_boxes
from pipelines.bench.ortho import OURS, f1_score
from pipelines.cli import bench_air
from pipelines.cli.bench import bench
from pipelines.errors import PipelineError


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    return write_forest(tmp_path_factory.mktemp("planted") / "forest.tif", 1000)


def test_planted_crowns_are_greener_than_the_ground_around_them(planted):
    with rasterio.open(planted.path) as source:
        assert source.crs.to_epsg() == 6677 and source.res == (0.0625, 0.0625)
        red, green, _ = source.read().astype(float)
    inside = np.zeros(red.shape, bool)
    for left, top, right, bottom in planted.xyxy.astype(int).tolist():
        wide, high = right - left, bottom - top
        inside[top + high // 4 : bottom - high // 4, left + wide // 4 : right - wide // 4] = True
    assert len(planted.xyxy) > 40
    assert (planted.xyxy >= 0).all() and (planted.xyxy <= 1000).all()
    assert (green - red)[inside].mean() > (green - red)[~inside].mean() + 10


def test_a_forest_larger_than_its_patch_repeats_with_its_crowns(tmp_path):
    planted = write_forest(tmp_path / "wide.tif", 2600)
    with rasterio.open(planted.path) as source:
        picture = source.read(2).astype(float)
    assert abs(picture[:500, :500] - picture[2048:2548, :500]).mean() < 3
    first = planted.xyxy[(planted.xyxy > 100).all(axis=1) & (planted.xyxy < 400).all(axis=1)]
    again = {tuple(np.rint(box)) for box in planted.xyxy}
    assert len(first) and all(tuple(np.rint(box + np.array([2048, 0, 2048, 0]))) in again for box in first)


def test_f1_counts_each_crown_once():
    true = np.array([[0, 0, 10, 10], [20, 0, 30, 10], [40, 0, 50, 10]])
    found = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 14], [70, 0, 80, 10]], np.float32)
    assert f1_score(found, true) == pytest.approx(2 * 2 / 7)
    assert f1_score(np.empty((0, 4), np.float32), true) == 0


def test_boxes_for_merging_are_of_crowns_that_several_tiles_see():
    parts, tiles, size = tiled_boxes(2000)
    assert sum(map(len, parts)) == pytest.approx(2000, rel=0.25) and len(parts) == len(tiles)
    merged = merge_tiles(parts, tiles, size)
    crowns = round(size[0] / 64) ** 2
    assert len(merged) == pytest.approx(crowns, rel=0.02)
    result = CliRunner().invoke(bench, ["merge", "--boxes", "500", "--rounds", "1"], catch_exceptions=False)
    assert "of processor" in result.output and "become" in result.output


def _fails(path):
    raise ValueError(f"no\n{path}")


def test_a_measured_process_that_fails_says_why_in_one_line():
    with pytest.raises(PipelineError, match="_fails: the measured process failed: ValueError: no it") as failed:
        in_child(_fails, "it")
    assert "\n" not in str(failed.value)


def _nothing():
    return lambda: np.ones(10_000_000).sum()


def test_memory_counts_from_where_the_work_begins():
    run = in_child(_nothing)
    assert run.result == 1e7
    assert 60 < run.beyond_mib < 120


def test_the_benchmark_runs_to_its_table_with_whoever_is_installed(monkeypatch):
    alone = {OURS: contest.available()[OURS]}
    monkeypatch.setattr(bench_air, "available", lambda: alone)
    arguments = ["ortho", "--side", "1000", "--rounds", "1", "--tile", "640"]
    result = CliRunner().invoke(bench, arguments, catch_exceptions=False)
    assert "michisora / model alone" in result.output
    assert "SAHI as it comes: not installed (sahi, ultralytics), not measured" in result.output
    row = next(line.split() for line in result.output.splitlines() if line.startswith("michisora  "))
    assert len(row) == 7 and 0.3 < float(row[-1]) <= 1


def test_the_memory_of_a_large_map_is_told_beside_its_limit():
    arguments = ["memory", "--side", "1536", "--crowns", "300"]
    result = CliRunner().invoke(bench, arguments, catch_exceptions=False)
    assert "target: at most 1024 MiB" in result.output


def test_a_large_forest_is_mapped_with_about_as_many_crowns_as_asked_for(tmp_path):
    write_large(tmp_path / "large.tif", 1536)
    mapped = map_large_forest(tmp_path / "large.tif", 300)()
    assert mapped.n_crowns == pytest.approx(300, rel=0.3)
    assert mapped.area_ha == pytest.approx(153.6 * 51.2 / 1e4, rel=0.05)
