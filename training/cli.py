"""The verbs that make and judge models: `michisora fetch | prepare | train | export | evaluate | promote`."""

import datetime
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any, get_args

import click
from tqdm import tqdm

from models.detector import WEIGHTS, open_detector
from models.types import BackendName, PrecisionName
from training.errors import FetchError, RecipeError, TrainingError
from training.evaluate import as_text, figures_of, judge_all
from training.judge import rounded
from training.prepare import summarise
from training.promote import Request, Shelf, roll_back
from training.promote import promote as install
from training.publish import ExportRequest, publish
from training.recipe import Recipe, read_recipe
from training.sources.catalogue import read_catalogue, read_mirror
from training.sources.licences import refuse_unshippable
from training.sources.samples import Sample, Sets
from training.unpack import Caps

__all__ = ["evaluate", "export", "fetch", "prepare", "promote", "train"]

FOLDER = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(dir_okay=False, path_type=Path)
with_recipe = click.option("--recipe", default=None, help="A recipe file; by default the built-in one of the task.")
with_json = click.option("--json", "json_path", type=FILE, default=None, help="Also write the figures to this file.")


def with_sets(verb: Callable[..., None]) -> Callable[..., None]:
    """Options that say where labelled pictures are; the verb gets them as one argument, `sets`."""

    @click.option("--data", type=FOLDER, required=True, help="Directory that the catalogue's paths are below.")
    @click.option("--catalogue", type=FILE, default=None, help="Data sets of your own, added to the built-in.")
    @click.option("--mirror", type=FOLDER, default=None, help="Read sets that --data lacks from here, in place.")
    @wraps(verb)
    def with_one_argument(data: Path, catalogue: Path | None, mirror: Path | None, **others: object) -> None:
        verb(sets=Sets(read_catalogue(catalogue), data, mirror or read_mirror(catalogue)), **others)

    return with_one_argument


@click.command()
@click.argument("task")
@with_recipe
@with_json
@with_sets
def prepare(task: str, recipe: str | None, json_path: Path | None, sets: Sets) -> None:
    """Check the data sets that TASK's recipe wants: present, readable, what they label, no place on both sides."""
    summary = summarise(read_recipe(recipe or task), sets)
    click.echo(json.dumps(summary, indent=2, ensure_ascii=False))
    if json_path is not None:
        _write_json(json_path, summary)


@click.command()
@click.argument("name", nargs=-1)
@click.option("--max-gib", type=float, default=64, show_default=True, help="What one archive may hold at most.")
@with_sets
def fetch(name: tuple[str, ...], max_gib: float, sets: Sets) -> None:
    """Fetch the data sets called NAME below --data; without a NAME, list what the catalogue has.

    A set that --data or the mirror has is left where it is. Sets that ask for an account say where to go.
    """
    if not name:
        for known, one in sorted(sets.catalogue.items()):
            click.echo(f"{known}: {one.title}. {one.licence}. {one.url}")
        return
    by_hand = []
    for wanted in name:
        try:
            click.echo(_fetched(wanted, sets, Caps(total_bytes=int(max_gib * (1 << 30)))))
        except FetchError as error:
            if len(name) == 1:
                raise
            by_hand.append(wanted)
            click.echo(f"error: {error}", err=True)
    if by_hand:
        raise FetchError(f"{len(by_hand)} of {len(name)} sets are not there: {', '.join(by_hand)}")


@click.command()
@click.argument("task")
@click.option("--base", type=FILE, required=True, help="Plain state dict to start from.")
@click.option("--out", type=FOLDER, required=True, help="The run's folder; an interrupted run in it goes on.")
@with_recipe
@with_sets
def train(task: str, base: Path, out: Path, recipe: str | None, sets: Sets) -> None:
    """Teach TASK's network: a checkpoint and a line of the log after every epoch."""
    # Torch takes seconds to import and is no part of the base installation.
    with needing_train_extra():
        from training.fit import fit  # noqa: PLC0415

    what = read_recipe(recipe or task)
    with _bar("epochs") as progress:
        fit(what, _training_samples(what, sets), base, out, progress)


@click.command()
@click.argument("task")
@click.option("--run", type=FOLDER, required=True, help="The run's folder, as given to `train --out`.")
@click.option("--out", type=FOLDER, required=True, help="The model's folder: model.onnx and card.yaml.")
@click.option("--private", is_flag=True, help="Allow data whose licence keeps the weights in the house.")
@with_recipe
@with_sets
def export(task: str, run: Path, out: Path, private: bool, recipe: str | None, sets: Sets) -> None:
    """Write a run's averaged weights as ONNX, choose thresholds on validation pictures, and write the card."""
    what = read_recipe(recipe or task)
    if not private:
        refuse_unshippable((name, sets.source(name)) for stage in what.stages for name in stage.sources)
    with needing_train_extra():
        from training.export import export_onnx  # noqa: PLC0415
        from training.fit import CHECKPOINT, load_checkpoint  # noqa: PLC0415

    checkpoint = run / CHECKPOINT
    content = load_checkpoint(checkpoint)
    request = ExportRequest(
        checkpoint=checkpoint,
        recipe=what,
        sets=sets,
        out=out,
        trained={name: len(some) for name, some in _training_samples(what, sets).items()},
        machine=f"{content['machine']}, {content['precision']}",
        made_on=datetime.datetime.fromtimestamp(checkpoint.stat().st_mtime, datetime.UTC).date(),
    )
    card = publish(request, export_onnx)
    for name, figures in card.metrics.items():
        if name in sets.catalogue:
            click.echo(as_text(name, figures))


@click.command()
@click.argument("task")
@click.argument("dataset", nargs=-1, required=True)
@click.option("--split", default="val", show_default=True, help="Which split of the data sets.")
@click.option("--model", type=FOLDER, default=None, help="A model's folder; by default the one shipped for TASK.")
@click.option("--backend", type=click.Choice(get_args(BackendName)), default="auto", show_default=True)
@click.option("--precision", type=click.Choice(get_args(PrecisionName)), default="auto", show_default=True)
@with_json
@with_sets
def evaluate(task: str, dataset: tuple[str, ...], json_path: Path | None, sets: Sets, **how: Any) -> None:
    """Print how well TASK's model does on labelled pictures of each DATASET (a name of the catalogue)."""
    detector = open_detector(how["model"] or task, backend=how["backend"], precision=how["precision"])
    try:
        with _bar("pictures") as progress:
            judged = judge_all(detector, dataset, sets, how["split"], progress)
    finally:
        detector.close()
    thresholds = detector.card.thresholds.score
    figures = {name: rounded(figures_of(one, thresholds, sets.source(name))) for name, one in judged.items()}
    for name, one in figures.items():
        click.echo(as_text(name, one))
    if json_path is not None:
        made_by = {"model": detector.card.sha256, "runtime": str(detector.runtime), "split": how["split"]}
        _write_json(json_path, {**made_by, **figures})


@click.command()
@click.argument("task")
@click.option("--candidate", type=FOLDER, default=None, help="Folder of the model to promote.")
@click.option("--current", type=FOLDER, default=None, help="Folder of the model it replaces; by default TASK's own.")
@click.option(
    "--kept", type=FOLDER, default=Path("data/candidates"), show_default=True, help="Where former models lie."
)
@click.option("--override", default=None, help="Why it should be promoted even if it is worse; the card repeats it.")
@click.option("--rollback", is_flag=True, help="Bring the former model back instead.")
@click.option("--data", type=FOLDER, default=None, help="Directory that the catalogue's paths are below.")
@click.option("--catalogue", type=FILE, default=None, help="Data sets of your own, added to the built-in.")
@click.option("--mirror", type=FOLDER, default=None, help="Read sets that --data lacks from here, in place.")
@with_recipe
def promote(task: str, candidate: Path | None, data: Path | None, override: str | None, **how: Any) -> None:
    """Let a candidate take the place of TASK's model, if it is no worse on the same validation pictures.

    The difference of the recipe's metric comes with a 95 % interval by bootstrap over places.
    """
    shelf = Shelf(task, how["current"] or WEIGHTS / task, how["kept"])
    today = datetime.datetime.now(datetime.UTC).date()
    if how["rollback"]:
        click.echo(roll_back(shelf, today)[1])
        return
    if candidate is None or data is None:
        raise click.UsageError("promote needs --candidate and --data, or --rollback")
    part = read_recipe(how["recipe"] or task).card
    if part is None:
        raise RecipeError("the recipe has no section `card`", remedy="Add one: see training/recipes/road.yaml.")
    sets = Sets(read_catalogue(how["catalogue"]), data, how["mirror"] or read_mirror(how["catalogue"]))
    with _bar("pictures") as progress:
        _, line = install(shelf, Request(candidate, today, override), part, sets, progress)
    click.echo(line)


@contextmanager
def needing_train_extra() -> Iterator[None]:
    """Say what to install where an import needs what the base installation has not."""
    try:
        yield
    except ModuleNotFoundError as error:
        remedy = "Install it with `pip install 'michisora[train]'`."
        raise TrainingError(f"training needs {error.name}, which is not installed", remedy=remedy) from error


def _fetched(name: str, sets: Sets, caps: Caps) -> str:
    # The library that downloads is not needed to train on what is there.
    with needing_train_extra():
        from training.fetch import fetch as bring  # noqa: PLC0415

    with _bar("B") as progress:
        got = bring(name, sets, caps, progress)
    how = {"there": "is there", "mirror": "is in the mirror and used in place", "fetched": "fetched"}[got.how]
    pins = "".join(f"; sha256 of {file} was not known, it is {digest}" for file, digest in got.unpinned.items())
    return f"{name} {how}: {got.folder}{pins}"


def _training_samples(recipe: Recipe, sets: Sets) -> dict[str, list[Sample]]:
    shares = {name: share for stage in recipe.stages for name, share in stage.sources.items()}
    return {name: sets.samples(name, share.split, recipe.classes) for name, share in shares.items()}


@contextmanager
def _bar(unit: str) -> Iterator[Callable[[int, int], None]]:
    """A bar with rate and time left, on a terminal alone."""
    with tqdm(unit=unit, unit_scale=unit == "B", disable=not sys.stderr.isatty()) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        yield progress


def _write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
