"""The verbs that make and judge models: `michisora prepare | train | export | evaluate`."""

import datetime
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from tqdm import tqdm

from models.detector import open_detector
from training.evaluate import as_text, figures_of, judge_all
from training.judge import rounded
from training.prepare import summarise
from training.publish import ExportRequest, publish
from training.recipe import Recipe, read_recipe
from training.sources.catalogue import find_source, read_catalogue
from training.sources.samples import Sample, load_samples

__all__ = ["evaluate", "export", "prepare", "train"]

FOLDER = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)
with_data = click.option("--data", type=FOLDER, required=True, help="Directory that the catalogue's paths are below.")
with_recipe = click.option("--recipe", default=None, help="A recipe file; by default the built-in one of the task.")
with_catalogue = click.option(
    "--catalogue", type=FILE, default=None, help="Data sets of your own, added to the built-in."
)
with_json = click.option("--json", "json_path", type=FILE, default=None, help="Also write the figures to this file.")


@click.command()
@click.argument("task")
@with_data
@with_recipe
@with_catalogue
@with_json
def prepare(task: str, data: Path, recipe: str | None, catalogue: Path | None, json_path: Path | None) -> None:
    """Check the data sets that TASK's recipe wants: present, readable, what they label, no picture on both sides."""
    what = read_recipe(recipe or task)
    summary = summarise(what, read_catalogue(catalogue), data)
    click.echo(json.dumps(summary, indent=2, ensure_ascii=False))
    if json_path is not None:
        _write_json(json_path, summary)


@click.command()
@click.argument("task")
@with_data
@click.option("--base", type=FILE, required=True, help="Plain state dict to start from.")
@click.option("--out", type=FOLDER, required=True, help="The run's folder; an interrupted run in it goes on.")
@with_recipe
@with_catalogue
def train(task: str, data: Path, base: Path, out: Path, recipe: str | None, catalogue: Path | None) -> None:
    """Teach TASK's network: a checkpoint and a line of the log after every epoch."""
    # Torch takes seconds to import and is no part of the base installation.
    from training.fit import fit  # noqa: PLC0415

    what = read_recipe(recipe or task)
    samples = _training_samples(what, data, catalogue)
    with _bar("epochs") as progress:
        fit(what, samples, base, out, progress)


@click.command()
@click.argument("task")
@click.option("--run", type=FOLDER, required=True, help="The run's folder, as given to `train --out`.")
@with_data
@click.option("--out", type=FOLDER, required=True, help="The model's folder: model.onnx and card.yaml.")
@with_recipe
@with_catalogue
def export(task: str, run: Path, data: Path, out: Path, recipe: str | None, catalogue: Path | None) -> None:
    """Write a run's averaged weights as ONNX, choose thresholds on validation pictures, and write the card."""
    from training.export import export_onnx  # noqa: PLC0415
    from training.fit import CHECKPOINT, load_checkpoint  # noqa: PLC0415

    what = read_recipe(recipe or task)
    content = load_checkpoint(run / CHECKPOINT)
    request = ExportRequest(
        checkpoint=run / CHECKPOINT,
        recipe=what,
        catalogue=read_catalogue(catalogue),
        data=data,
        out=out,
        trained={name: len(some) for name, some in _training_samples(what, data, catalogue).items()},
        machine=f"{content['machine']}, {content['precision']}",
        made_on=datetime.datetime.fromtimestamp((run / CHECKPOINT).stat().st_mtime, datetime.UTC).date(),
    )
    card = publish(request, export_onnx)
    for name, figures in card.metrics.items():
        if name in request.catalogue:
            click.echo(as_text(name, figures))


@click.command()
@click.argument("task")
@click.argument("dataset", nargs=-1, required=True)
@with_data
@click.option("--split", default="val", show_default=True, help="Which split of the data sets.")
@click.option("--model", type=FOLDER, default=None, help="A model's folder; by default the one shipped for TASK.")
@click.option("--backend", default="auto", show_default=True, help="auto, openvino, onnx or torch.")
@click.option("--precision", default="auto", show_default=True, help="auto, f32 or bf16.")
@with_catalogue
@with_json
def evaluate(  # noqa: PLR0913 - one argument an option of the command line
    task: str,
    dataset: tuple[str, ...],
    data: Path,
    split: str,
    model: Path | None,
    backend: str,
    precision: str,
    catalogue: Path | None,
    json_path: Path | None,
) -> None:
    """Print how well TASK's model does on labelled pictures of each DATASET (a name of the catalogue)."""
    known = read_catalogue(catalogue)
    detector = open_detector(model or task, backend=backend, precision=precision)  # type: ignore[arg-type]
    try:
        with _bar("pictures") as progress:
            judged = judge_all(detector, dataset, known, data, detector.card.class_names, split, progress)
    finally:
        detector.close()
    thresholds = detector.card.thresholds.score
    figures = {name: rounded(figures_of(one, thresholds, find_source(known, name))) for name, one in judged.items()}
    for name, one in figures.items():
        click.echo(as_text(name, one))
    if json_path is not None:
        _write_json(
            json_path, {"model": detector.card.sha256, "runtime": str(detector.runtime), "split": split, **figures}
        )


def _training_samples(recipe: Recipe, data: Path, catalogue: Path | None) -> dict[str, list[Sample]]:
    known = read_catalogue(catalogue)
    shares = {name: share for stage in recipe.stages for name, share in stage.sources.items()}
    return {
        name: load_samples(name, find_source(known, name), data, share.split, recipe.classes)
        for name, share in shares.items()
    }


@contextmanager
def _bar(unit: str) -> Iterator[Callable[[int, int], None]]:
    """A bar with rate and time left, on a terminal alone."""
    with tqdm(unit=unit, disable=not sys.stderr.isatty()) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield progress


def _write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
