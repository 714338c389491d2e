"""`michisora reviews prove`: what corrections would be worth, measured on labels that are known."""

from pathlib import Path

import click

from training.extra import needing_train_extra
from training.hardware import Hardware
from training.options import FILE, FOLDER, Job, with_hardware, with_job
from training.trial import Cap, with_caps

__all__ = ["prove"]


@click.command()
@click.argument("task")
@click.option("--out", type=FOLDER, required=True, help="Folder for runs, reviews and the report.")
@click.option("--base", type=FILE, default=None, help="Plain state dict to start from; by default base.ARCHITECTURE.")
@click.option("--held", type=click.IntRange(1), default=200, show_default=True, help="Pictures held back.")
@click.option("--from", "of", multiple=True, help="A data set to hold back from, perhaps more than one; else all.")
@click.option("--unseen", multiple=True, help="A data set the first model sees nothing of; it is held back from.")
@click.option("--more", type=click.IntRange(1), default=4, show_default=True, help="Epochs with the corrections.")
@click.option(
    "--share", type=click.FloatRange(0.01, 0.99), default=0.12, show_default=True, help="Their part of crops."
)
@click.option(
    "--looks-through/--boxes-alone", default=True, show_default=True, help="What a reviewer says of pictures."
)
@with_caps
@with_hardware
@with_job
def prove(  # noqa: PLR0913, PLR0917 - one option each
    task: str,
    out: Path,
    base: Path | None,
    held: int,
    of: tuple[str, ...],
    unseen: tuple[str, ...],
    more: int,
    share: float,
    looks_through: bool,
    cap: Cap,
    hardware: Hardware,
    job: Job,
) -> None:
    """Measure what corrections are worth for TASK: teach without some pictures, review them, go on with the reviews.

    The labels of the pictures held back answer what the model saw on them, as `reviews build` takes it. The gain on the
    validation pictures is given with its 95 % interval, and beside it what as many steps without corrections give. With
    --unseen the pictures are of a place that the first model knows nothing of, as in a town that begins.
    """
    with needing_train_extra():
        from training.reviews import proof  # noqa: PLC0415

    recipe = cap(job.recipe(task))
    weights = job.base(recipe, base)
    plan = proof.Plan(recipe, weights, out, held, more, share, looks_through, hardware, of, unseen)
    click.echo(str(proof.prove(plan, job.sets, lambda line: click.echo(line, err=True))))
    click.echo(f"report: {out / 'report.json'}")
