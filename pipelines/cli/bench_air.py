"""`michisora bench ortho | merge | memory`: what orthophotos take, beside other people's ways to cut them."""

import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

import click

from models.seams import merge_tiles
from models.types import BackendName
from pipelines.bench.child import Run, in_child
from pipelines.bench.forest_scene import write_forest
from pipelines.bench.large_forest import map_large_forest, write_large
from pipelines.bench.merging import tiled_boxes
from pipelines.bench.ortho import CONTESTANTS, MODEL, OURS, Look, available, f1_score, pace
from pipelines.cli.bars import progress_bar, say
from pipelines.orthophoto import OrthoParams

__all__ = ["memory", "merge", "ortho"]

END_TO_END_TARGET, RIVAL_TARGET, MEMORY_TARGET, MERGE_TARGET_S = 1.10, 5.0, 0.1, 0.5
LARGE_TARGET_MIB = 1024


@click.command()
@click.option("--side", type=click.IntRange(1000, 30_000), default=10_000, show_default=True, help="Of the raster, px.")
@click.option("--rounds", type=click.IntRange(1), default=3, show_default=True, help="Turns of each contestant.")
@click.option("--model", default="crown", show_default=True, help="A task, or a folder with a model card.")
@click.option("--backend", type=click.Choice(get_args(BackendName)), default="auto", show_default=True)
@click.option("--tile", "tile_px", type=click.IntRange(640), default=1280, show_default=True, help="Side of tiles, px.")
def ortho(side: int, rounds: int, model: str, backend: BackendName, tile_px: int) -> None:
    """An orthophoto's time by that of its model alone, and beside SAHI and DeepForest with the same weights.

    The orthophoto is drawn: a forest whose every crown is known. Each contestant runs in a process of its own, in
    turns; memory is counted beyond what the process needs before it begins. Install `sahi` (and `deepforest`) into an
    environment of its own: they bring another OpenCV.
    """
    with tempfile.TemporaryDirectory() as folder:
        planted = write_forest(Path(folder) / "forest.tif", side)
        look = Look(planted.path, model, backend, OrthoParams(tile_px=tile_px))
        say(f"{side:,} × {side:,} px, {len(planted.xyxy):,} crowns, {rounds} rounds")
        with progress_bar("in turns with the model alone", "round") as progress:
            times = pace(look, rounds, progress)
        ratio, cpu = times.ratio(OURS, MODEL), times.cpu_ratio(OURS, MODEL)
        _line(f"{OURS} / {MODEL}", f"{ratio:5.2f}", f"at most {END_TO_END_TARGET:.2f}; by processor time {cpu:.2f}")
        runs = _in_turns(look, rounds)
        scores = {name: f1_score(some[0].result, planted.xyxy) for name, some in runs.items()}
    _tell(runs, scores)


def _in_turns(look: Look, rounds: int) -> dict[str, list[Run]]:
    contestants = available()
    for absent in set(CONTESTANTS) - set(contestants):
        say(f"{absent}: not installed ({', '.join(CONTESTANTS[absent][1])}), not measured")
    runs: dict[str, list[Run]] = {name: [] for name in contestants}
    with progress_bar("side by side", "run") as progress:
        for number in range(rounds):
            for name in list(contestants) if number % 2 else reversed(contestants):
                runs[name].append(in_child(contestants[name], look))
                progress(sum(map(len, runs.values())), rounds * len(contestants))
    return runs


def _tell(runs: Mapping[str, Sequence[Run]], scores: Mapping[str, float]) -> None:
    click.echo(f"{'':26}{'time, s':>9}{'of it cores':>13}{'memory, MiB':>13}{'in all':>8}{'boxes':>9}{'F1':>7}")
    for name, some in runs.items():
        seconds, cpu, beyond, peak = (
            statistics.median(getattr(run, what) for run in some)
            for what in ("seconds", "cpu_seconds", "beyond_mib", "peak_mib")
        )
        figures = f"{seconds:9.1f}{cpu:13.1f}{beyond:13.0f}{peak:8.0f}{len(some[0].result):9,}{scores[name]:7.3f}"
        click.echo(f"{name:26}{figures}")
    ours = runs[OURS]
    for name, theirs in runs.items():
        if name == OURS:
            continue
        ratio, cpu = (_ratio(theirs, ours, what) for what in ("seconds", "cpu_seconds"))
        _line(f"{name} / {OURS}, time", f"{ratio:5.2f}", f"at least {RIVAL_TARGET:g}; by processor time {cpu:.2f}")
        memory = _ratio(ours, theirs, "beyond_mib")
        _line(f"{OURS} / {name}, memory", f"{memory:5.2f}", f"at most {MEMORY_TARGET:g}")


def _ratio(over: Sequence[Run], under: Sequence[Run], what: str) -> float:
    """Median over the rounds of one's figure by another's in the same round."""
    return float(statistics.median(getattr(a, what) / getattr(b, what) for a, b in zip(over, under, strict=True)))


def _line(what: str, value: str, target: str) -> None:
    click.echo(f"{what:44} {value}   (target: {target})")


@click.command()
@click.option("--boxes", type=click.IntRange(100), default=100_000, show_default=True, help="Boxes to merge, about.")
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="How often.")
def merge(boxes: int, rounds: int) -> None:
    """How long the boxes of overlapping tiles take to become one map."""
    parts, tiles, size = tiled_boxes(boxes)
    seconds, cpu = [], []
    for _ in range(rounds):
        start, cpu_start = time.perf_counter(), time.thread_time()
        merged = merge_tiles(parts, tiles, size)
        seconds.append(time.perf_counter() - start)
        cpu.append(time.thread_time() - cpu_start)
    click.echo(f"{sum(map(len, parts)):,} boxes of {len(tiles):,} tiles become {len(merged):,}")
    took = f"{statistics.median(seconds):5.2f} s"
    _line("merging, median", took, f"at most {MERGE_TARGET_S} s; {statistics.median(cpu):.2f} s of processor")


@click.command()
@click.option("--side", type=click.IntRange(1000), default=60_000, show_default=True, help="Of the raster, px.")
@click.option("--crowns", type=click.IntRange(1), default=200_000, show_default=True, help="How many are found, about.")
def memory(side: int, crowns: int) -> None:
    """Peak memory of a whole stand map, of any size and with any number of crowns.

    The detector costs nothing, and most of the raster is nodata: both are written and read in minutes.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.tif"
        write_large(path, side)
        run = in_child(map_large_forest, path, crowns)
    made = run.result
    click.echo(f"{side:,} × {side:,} px, {made.area_ha:,.0f} ha photographed, {made.n_crowns:,} crowns")
    click.echo(f"{run.seconds:.0f} s, {run.cpu_seconds:.0f} s of processor; {run.peak_mib:.0f} MiB in all")
    _line("peak memory beyond libraries", f"{run.beyond_mib:5.0f} MiB", f"at most {LARGE_TARGET_MIB} MiB")
