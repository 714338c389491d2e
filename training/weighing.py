"""`michisora weigh`: models of one task, their quality beside their time."""

import json
from pathlib import Path
from typing import get_args

import click

from models.types import BackendName, PrecisionName
from training.bars import bar
from training.cost import Terms, as_table, as_values
from training.cost import weigh as weigh_models
from training.options import FILE, FOLDER, Job, with_job

__all__ = ["weigh"]


@click.command()
@click.argument("task")
@click.argument("model", nargs=-1, required=True, type=FOLDER)
@click.option("--pictures", type=click.IntRange(0), default=12, show_default=True, help="Timed; 0 times nothing.")
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="Turns of each model.")
@click.option("--backend", type=click.Choice(get_args(BackendName)), default="openvino", show_default=True)
@click.option("--precision", type=click.Choice(get_args(PrecisionName)), default="auto", show_default=True)
@click.option("--json", "json_path", type=FILE, default=None, help="Also write the figures to this file.")
@with_job
def weigh(  # noqa: PLR0913, PLR0917 - one option each
    task: str,
    model: tuple[Path, ...],
    pictures: int,
    rounds: int,
    backend: BackendName,
    precision: PrecisionName,
    json_path: Path | None,
    job: Job,
) -> None:
    """Show what each MODEL (a folder) is worth on TASK's validation pictures, beside the time it takes.

    Differences and ratios are to the first. Models take turns on the same pictures; milliseconds are those of a machine
    with nothing else to do, by processor time.
    """
    terms = Terms(pictures, rounds, backend, precision)
    with bar("") as progress:
        costs = weigh_models(model, job.card(task), job.sets, terms, progress)
    click.echo(as_table(costs))
    if json_path is not None:
        json_path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps(as_values(costs), indent=2, ensure_ascii=False)
        json_path.write_text(f"{text}\n", encoding="utf-8")
