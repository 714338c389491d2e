"""`michisora sample`: the embedded survey, rendered with known truth."""

import json
from pathlib import Path
from typing import get_args

import click

from pipelines.cli.bars import progress_bar, say
from pipelines.files import replacing
from pipelines.road.measures import score_sample
from pipelines.sample.params import read_params
from pipelines.sample.train_set import TrainSetPlan, write_train_set
from pipelines.sample.write import GpsIn, write_sample


@click.group()
def sample() -> None:
    """Render a small town drive whose damage is known."""


@sample.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--seed", type=int, default=None, help="Everything random follows from it.")
@click.option("--frames", type=int, default=None, help="How many pictures the drive takes.")
@click.option(
    "--gps",
    type=click.Choice(get_args(GpsIn)),
    default=None,
    help="Where the fixes are: a GPX beside the frames (the default), or the frames' EXIF as a phone writes it.",
)
@click.option("--params", type=click.Path(path_type=Path, dir_okay=False), default=None, help="A params.yaml.")
def make(folder: Path, seed: int | None, frames: int | None, gps: GpsIn | None, params: Path | None) -> None:
    """Write the sample survey to FOLDER: frames, track, roads, manifest and truth.

    FOLDER is empty or not there yet, or one that a sample was written to, which is replaced.
    """
    stated = {"seed": seed, "frames": frames, "gps": gps}
    chosen = read_params(params, {k: v for k, v in stated.items() if v is not None})
    with progress_bar("rendering", "frame") as progress:
        write_sample(folder, chosen, progress=progress)
    say(f"{chosen.frames} frames of the sample drive in {folder}")


@sample.command("train-set")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option("--n", "count", type=click.IntRange(min=1), default=300, show_default=True, help="How many pictures.")
@click.option(
    "--seed", type=click.IntRange(min=0), default=1, show_default=True, help="Everything random follows from it."
)
def train_set(folder: Path, count: int, seed: int) -> None:
    """Write labelled pictures to FOLDER, in YOLO's layout: the sample's streets, other damage, cameras and light."""
    with progress_bar("rendering", "picture") as progress:
        write_train_set(folder, TrainSetPlan(count, seed), progress=progress)
    say(f"{count} labelled pictures in {folder}")


@sample.command()
@click.argument("out_dir", type=click.Path(path_type=Path, file_okay=False))
@click.argument("sample_dir", type=click.Path(path_type=Path, file_okay=False))
@click.option("--json", "json_file", type=click.Path(path_type=Path, dir_okay=False), help="File for the figures.")
def score(out_dir: Path, sample_dir: Path, json_file: Path | None) -> None:
    """Measure the results of `michisora road` in OUT_DIR against the truth of the sample in SAMPLE_DIR."""
    figures = score_sample(out_dir / "road.gpkg", sample_dir)
    for name, value in figures.items():
        say(f"{name:22} {'-' if value is None else f'{value:.3f}' if isinstance(value, float) else value}")
    if json_file is not None:
        with replacing(json_file) as part:
            part.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
