"""`michisora weigh` and `michisora sweep`: models of one task, their quality beside their time."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from shutil import copyfile
from tempfile import TemporaryDirectory
from typing import Any, get_args

import click

from models.card import load_card, verify_weights, write_card
from models.detector import model_folder
from models.types import BackendName, PrecisionName
from training.bars import bar
from training.cost import Terms, as_table, as_values
from training.cost import weigh as weigh_models
from training.extra import needing_train_extra
from training.hardware import Hardware
from training.options import FILE, FOLDER, IfChanged, Job, with_hardware, with_if_changed, with_job
from training.trial import Cap, with_caps

__all__ = ["sweep", "weigh"]


@click.command()
@click.argument("task")
@click.argument("model", nargs=-1, required=True)
@click.option("--long-side", type=click.IntRange(32), multiple=True, help="Also with pictures of this longer side, px.")
@click.option(
    "--gsd", type=click.FloatRange(min=0, min_open=True), multiple=True, help="Also at m a pixel, from above."
)
@click.option("--json", "json_path", type=FILE, default=None, help="Also write the figures to this file.")
@click.option("--pictures", type=click.IntRange(0), default=12, show_default=True, help="Timed; 0 times nothing.")
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="Turns of each model.")
@click.option("--backend", type=click.Choice(get_args(BackendName)), default="openvino", show_default=True)
@click.option("--precision", type=click.Choice(get_args(PrecisionName)), default="auto", show_default=True)
@with_job
def weigh(  # noqa: PLR0913, PLR0917 - one option each
    task: str,
    model: tuple[str, ...],
    long_side: tuple[int, ...],
    gsd: tuple[float, ...],
    json_path: Path | None,
    pictures: int,
    rounds: int,
    backend: BackendName,
    precision: PrecisionName,
    job: Job,
) -> None:
    """Show what each MODEL (a folder, or a task) is worth on TASK's validation pictures, beside the time it takes.

    Differences and ratios are to the first. Models take turns on the same pictures; milliseconds are those of a machine
    with nothing else to do, by processor time.
    """
    terms = Terms(pictures, rounds, backend, precision)
    with TemporaryDirectory() as folder, bar("") as progress:
        models = dict(_looking(model, long_side, gsd, Path(folder)))
        costs = weigh_models(models, job.card(task), job.sets, terms, progress)
    click.echo(as_table(costs))
    if json_path is not None:
        _write(json_path, as_values(costs))


@click.command()
@click.argument("task")
@click.option("--out", type=FOLDER, required=True, help="Folder for runs and models; an interrupted sweep goes on.")
@click.option("--architecture", multiple=True, default=("yolo11n", "yolo26n"), show_default=True)
@with_if_changed
@with_caps
@with_hardware
@with_job
def sweep(
    task: str,
    out: Path,
    architecture: tuple[str, ...],
    if_changed: IfChanged,
    cap: Cap,
    hardware: Hardware,
    job: Job,
) -> None:
    """Teach TASK by its recipe with each architecture, as much as the caps leave, and weigh what comes out.

    The architectures see the same crops in the same order. OUT/costs.json has the figures, OUT/ARCHITECTURE/model each
    model.
    """
    with needing_train_extra():
        from training.begun import begun_with, settle  # noqa: PLC0415
        from training.teach import teach  # noqa: PLC0415

    recipe, part = cap(job.recipe(task)), job.card(task)
    recipes = {name: recipe.with_architecture(name) for name in architecture}
    bases = {name: job.base(other) for name, other in recipes.items()}
    samples = job.samples(recipe)
    for name, other in recipes.items():
        settle(out / name, other, begun_with(samples, bases[name]), if_changed)
    models = {}
    for name, other in recipes.items():
        click.echo(f"{name}: {sum(stage.epochs for stage in other.stages)} epochs", err=True)
        with bar("epochs") as progress:
            models[name] = teach(
                other, samples, bases[name], out / name, job.sets, hardware=hardware, progress=progress
            )
    with bar("") as progress:
        costs = weigh_models(models, part, job.sets, Terms(), progress)
    click.echo(as_table(costs))
    _write(out / "costs.json", as_values(costs))


def _looking(
    models: Sequence[str], sides: Sequence[int], gsds: Sequence[float], folder: Path
) -> Iterator[tuple[str, Path]]:
    """Each model as it is, and as often as asked with a card that looks at pictures of another size."""
    for number, name in enumerate(models):
        given = model_folder(name)
        yield name, given
        card = load_card(given)
        weights = verify_weights(card, given)
        if (sides and card.tiles is not None) or (gsds and card.tiles is None):
            kind, size = ("from above", "--gsd") if card.tiles is not None else ("ahead", "--long-side")
            raise click.UsageError(f"{name} looks {kind}: the size of its pictures is set by {size}")
        others: Mapping[str, Mapping[str, Any]] = {
            **{
                f"{name}, {side} px": {
                    "input": card.input.model_copy(
                        update={"long_side_px": side, "enlarge": True, "max_side_px": max(side, card.input.max_side_px)}
                    )
                }
                for side in sides
            },
            **{f"{name}, {100 * gsd:g} cm/px": {"gsd_m": gsd} for gsd in gsds},
        }
        for at, (called, change) in enumerate(others.items()):
            other = folder / f"{number}-{at}"
            other.mkdir()
            copyfile(weights, other / card.weights)
            write_card(card.model_copy(update=dict(change)), other)
            yield called, other


def _write(path: Path, content: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{json.dumps(content, indent=2, ensure_ascii=False)}\n", encoding="utf-8")
