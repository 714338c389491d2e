"""The verbs that make and judge models: `michisora fetch | prepare | train | export | evaluate | promote`."""

import datetime
import json
from pathlib import Path
from typing import Any, get_args

import click

from models.card import TrainingSource
from models.detector import WEIGHTS, open_detector
from models.pool import PooledDetector
from models.types import BackendName, PrecisionName
from training.bars import bar
from training.errors import FetchError, RecipeError, RunError
from training.evaluate import as_text, figures_of, judge_all, refuse_unmeasured
from training.extra import needing_train_extra
from training.hardware import Hardware
from training.judge import Judged, against, rounded
from training.options import FILE, FOLDER, IfChanged, Job, with_base, with_hardware, with_if_changed, with_job
from training.plots import write_plots
from training.prepare import look_over, unshown
from training.prepared import chosen, write_prepared
from training.profile import pictures_of
from training.promote import Request, Shelf, roll_back
from training.promote import promote as install
from training.publish import ExportRequest, publish
from training.sources.bases import OFFICIAL
from training.sources.catalogue import find_source
from training.sources.licences import refuse_unshippable, refuse_unshippable_training
from training.sources.samples import Sets
from training.unpack import Caps

__all__ = ["evaluate", "export", "fetch", "prepare", "promote", "train"]

with_json = click.option("--json", "json_path", type=FILE, default=None, help="Also write the figures to this file.")


@click.command()
@click.argument("task")
@click.option("--out", type=FOLDER, default=None, help="Write them in one form to this folder, with a catalogue.")
@click.option("--limit", type=click.IntRange(1), default=None, help="Pictures of each set and split at most.")
@with_json
@with_job
def prepare(task: str, out: Path | None, limit: int | None, json_path: Path | None, job: Job) -> None:
    """Check the data sets that TASK's recipe wants: present, readable, what they label, no place on both sides.

    With --out they are written there as one directory that the other verbs read with `--data OUT --catalogue
    OUT/catalogue.yaml`. Pictures are linked rather than copied where the disk allows it.
    """
    recipe = job.recipe(task)
    summary, parts = look_over(recipe, job.sets)
    click.echo(json.dumps(summary, indent=2, ensure_ascii=False))
    if json_path is not None:
        _write_json(json_path, summary)
    if out is not None:
        most = limit or (pictures_of(job.params.profile) if job.recipe_file is None else None)
        some = {part: chosen(samples, most) for part, samples in parts.items()}
        with bar("pictures") as progress:
            about = write_prepared(some, recipe.classes, job.sets, out, progress)
        click.echo(f"{out}: {sum(len(one) for one in some.values())} pictures, version {about['version']}")


@click.command()
@click.argument("name", nargs=-1)
@click.option("--max-gib", type=float, default=64, show_default=True, help="What one archive may hold at most.")
@with_job
def fetch(name: tuple[str, ...], max_gib: float, job: Job) -> None:
    """Fetch the data sets or base weights called NAME; without a NAME, list what there is.

    Data sets go below --data; one that is there or in the mirror is left where it is. Base weights (yolo11n, yolo26n)
    become the file that `base` in the parameters names. Sets that ask for an account say where to go.
    """
    if not name:
        for known, one in sorted(job.sets.catalogue.items()):
            click.echo(f"{known}: {one.title}. {one.licence}. {one.url}")
        for known, official in OFFICIAL.items():
            click.echo(f"{known}: base weights. AGPL-3.0. {official.url}")
        return
    by_hand = []
    for wanted in name:
        try:
            got = _fetched_base(wanted, job) if wanted in OFFICIAL else None
            click.echo(got or _fetched(wanted, job.sets, Caps(total_bytes=int(max_gib * (1 << 30)))))
        except FetchError as error:
            if len(name) == 1:
                raise
            by_hand.append(wanted)
            click.echo(f"error: {error}", err=True)
    if by_hand:
        raise FetchError(f"{len(by_hand)} of {len(name)} are not there: {', '.join(by_hand)}")


@click.command()
@click.argument("task")
@with_base
@click.option("--out", type=FOLDER, required=True, help="The run's folder; an interrupted run in it goes on.")
@click.option("--architecture", default=None, help="Another network than the recipe's: yolo11n, yolo26n.")
@with_if_changed
@with_hardware
@with_job
def train(
    task: str,
    base: Path | None,
    out: Path,
    architecture: str | None,
    if_changed: IfChanged,
    hardware: Hardware,
    job: Job,
) -> None:
    """Teach TASK's network: a checkpoint and a line of the log after every epoch.

    Where there are several GPUs, all of them teach together; the crops are the same for any number.
    """
    # Torch takes seconds to import and is no part of the base installation.
    with needing_train_extra():
        from training.begun import begun_with, settle  # noqa: PLC0415
        from training.checkpoint import standing  # noqa: PLC0415
        from training.fit import fit  # noqa: PLC0415
        from training.live import live_log  # noqa: PLC0415
        from training.machine import emulated  # noqa: PLC0415

    recipe = job.recipe(task)
    if architecture is not None:
        recipe = recipe.with_architecture(architecture)
    weights = job.base(recipe, base)
    samples = job.samples(recipe)
    former = settle(out, recipe, begun_with(samples, weights), if_changed)
    if former is not None:
        click.echo(f"the run that was here is now {former}")
    for name in unshown(recipe, samples) if recipe.teacher is None else ():
        click.echo(f"note: no picture that is learned from shows {name}", err=True)
    if slow := emulated(hardware):
        click.echo(f"note: {slow}; --precision auto takes what it multiplies", err=True)
    try:
        with bar("epochs") as progress, live_log(out) as log:
            fit(recipe, samples, weights, out, progress, log, hardware)
    except KeyboardInterrupt:
        click.echo(f"{out}: {standing(out, recipe)}", err=True)
        raise


@click.command()
@click.argument("task")
@click.option("--run", type=FOLDER, required=True, help="The run's folder, as given to `train --out`.")
@click.option("--base", type=FILE, default=None, help="First begin the run from these weights, without teaching it.")
@click.option("--out", type=FOLDER, required=True, help="The model's folder: model.onnx and card.yaml.")
@click.option("--private", is_flag=True, help="Allow data whose licence keeps the weights in the house.")
@with_job
def export(task: str, run: Path, base: Path | None, out: Path, private: bool, job: Job) -> None:
    """Write a run's averaged weights as ONNX, choose thresholds on validation pictures, and write the card."""
    recipe, sets = job.recipe(task), job.sets
    with needing_train_extra():
        from training.checkpoint import CHECKPOINT, load_checkpoint, machines_of  # noqa: PLC0415
        from training.export import export_onnx, recipe_of  # noqa: PLC0415
        from training.fit import untaught  # noqa: PLC0415

    checkpoint = run / CHECKPOINT
    if base is not None:
        if checkpoint.exists():
            raise RunError(
                "there is a run already", where=run, remedy="Name another --run folder, or leave --base out."
            )
        untaught(recipe, base, run)
    content = load_checkpoint(checkpoint)
    taught = recipe_of(content)
    if taught.task != recipe.task:
        raise RunError(f"the run here is of {taught.task}, not of {task}", where=run, remedy="Name another --run.")
    if taught.classes != recipe.classes:
        what = f"the run here tells {', '.join(taught.classes)}; the recipe says {', '.join(recipe.classes)}"
        raise RunError(what, where=run, remedy="The classes must be those of the recipe.")
    # What the weights were taught by counts, whatever the parameters say since.
    recipe = taught.model_copy(update={"card": recipe.card})
    before = [TrainingSource.model_validate(one) for one in content.get("before", ())]
    if not private:
        refuse_unshippable((name, sets.source(name)) for stage in recipe.stages for name in stage.sources)
        refuse_unshippable_training(before, sets.catalogue.values())
    learned = {} if base is not None else job.samples(recipe)
    request = ExportRequest(
        checkpoint=checkpoint,
        recipe=recipe,
        sets=sets,
        out=out,
        trained={name: len(some) for name, some in learned.items()},
        before=before,
        machine="; then ".join(machines_of(content)),
        made_on=datetime.datetime.fromtimestamp(checkpoint.stat().st_mtime, datetime.UTC).date(),
    )
    card = publish(request, export_onnx)
    for name, figures in card.metrics.items():
        if name in sets.catalogue:
            click.echo(as_text(name, figures))


@click.command()
@click.argument("task")
@click.argument("dataset", nargs=-1)
@click.option("--split", default="val", show_default=True, help="Which split of the data sets.")
@click.option("--model", type=FOLDER, default=None, help="A model's folder; by default the one shipped for TASK.")
@click.option("--backend", type=click.Choice(get_args(BackendName)), default="auto", show_default=True)
@click.option("--precision", type=click.Choice(get_args(PrecisionName)), default="auto", show_default=True)
@click.option("--reference", type=FOLDER, default=None, help="Judge by what this model sees, not by labels.")
@click.option("--reference-score", default=0.25, show_default=True, help="… from this score on.")
@click.option("--plots", type=FOLDER, default=None, help="Also write curves and the worst errors to this folder.")
@with_json
@with_job
def evaluate(task: str, dataset: tuple[str, ...], json_path: Path | None, job: Job, **how: Any) -> None:
    """Print how well TASK's model does on labelled pictures of each DATASET (a name of the catalogue).

    Without a DATASET, those that the recipe names for validation.
    """
    names = dataset or job.card(task).validation

    def look(model: Path | str) -> tuple[PooledDetector, dict[str, Judged]]:
        detector = open_detector(model, backend=how["backend"], precision=how["precision"])
        try:
            with bar("pictures") as progress:
                return detector, judge_all(detector, names, job.sets, how["split"], progress)
        finally:
            detector.close()

    detector, judged = look(how["model"] or task)
    thresholds = detector.card.thresholds
    if how["reference"] is not None:
        other, seen = look(how["reference"])
        classes = (detector.card.class_names, other.card.class_names)
        judged = {name: against(one, seen[name], how["reference_score"], *classes) for name, one in judged.items()}
    refuse_unmeasured(judged, detector.card.class_names)
    figures = {name: rounded(figures_of(one, thresholds, job.sets.source(name))) for name, one in judged.items()}
    for name, one in figures.items():
        click.echo(as_text(name, one))
    if json_path is not None:
        made_by = {"model": detector.card.sha256, "runtime": str(detector.runtime), "split": how["split"]}
        _write_json(json_path, {**made_by, **figures})
    if how["plots"] is not None:
        write_plots(judged, thresholds.score, how["plots"])


@click.command()
@click.argument("task")
@click.option("--candidate", type=FOLDER, default=None, help="Folder of the model to promote.")
@click.option("--current", type=FOLDER, default=None, help="Folder of the model it replaces; by default TASK's own.")
@click.option(
    "--kept", type=FOLDER, default=Path("data/candidates"), show_default=True, help="Where former models lie."
)
@click.option("--override", default=None, help="Why it should be promoted even if it is worse; the card repeats it.")
@click.option("--rollback", is_flag=True, help="Bring the former model back instead.")
@with_job
def promote(task: str, candidate: Path | None, override: str | None, job: Job, **how: Any) -> None:
    """Let a candidate take the place of TASK's model, if it is no worse on the same validation pictures.

    The difference of the recipe's metric comes with a 95 % interval by bootstrap over places.
    """
    shelf = Shelf(task, how["current"] or WEIGHTS / task, how["kept"])
    today = datetime.datetime.now(datetime.UTC).date()
    if how["rollback"] and (candidate is not None or override is not None):
        raise click.UsageError("--rollback brings the former model back: leave --candidate and --override out")
    if how["rollback"]:
        click.echo(roll_back(shelf, today)[1])
        return
    if candidate is None:
        raise click.UsageError("promote needs --candidate, or --rollback")
    with bar("pictures") as progress:
        _, line = install(shelf, Request(candidate, today, override), job.card(task), job.sets, progress)
    click.echo(line)


def _fetched(name: str, sets: Sets, caps: Caps) -> str:
    find_source(sets.catalogue, name, OFFICIAL)  # a name that is none needs no library
    # The library that downloads is not needed to train on what is there.
    with needing_train_extra():
        from training.fetch import fetch as bring  # noqa: PLC0415

    with bar("B") as progress:
        got = bring(name, sets, caps, progress)
    how = {"there": "is there", "mirror": "is in the mirror and used in place", "fetched": "fetched"}[got.how]
    pins = "".join(f"; sha256 of {file} was not known, it is {digest}" for file, digest in got.unpinned.items())
    lacks = f"; it has no {', '.join(got.lacking)}" if got.lacking else ""
    return f"{name} {how}: {got.folder}{lacks}{pins}"


def _fetched_base(name: str, job: Job) -> str:
    target = job.params.base.get(name)
    if target is None:
        raise RecipeError(f"the parameters have no base.{name}", remedy="Say there which file it shall become.")
    if target.is_file():
        return f"{name} is there: {target}"
    with needing_train_extra():
        from training.bases import bring_base  # noqa: PLC0415
    with bar("B") as progress:
        return f"{name} fetched: {bring_base(OFFICIAL[name], target, job.sets.mirror, progress)}"


def _write_json(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
