"""`michisora reviews prove`: what corrections would be worth, measured on labels that are known."""

from pathlib import Path

import click

from training.errors import RunError
from training.extra import needing_train_extra
from training.hardware import Hardware
from training.options import FILE, FOLDER, Job, with_hardware, with_job
from training.recipe import Recipe

__all__ = ["prove"]

WARM_UP_PART = 10
"""At most this part of a short run's steps goes into warming up."""


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
@click.option("--epochs", type=click.IntRange(1), default=None, help="Epochs of each stage at most.")
@click.option("--crops", type=click.IntRange(1), default=None, help="Crops of an epoch at most.")
@click.option("--side", type=click.IntRange(64), default=None, help="Side of crops at most, px.")
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
    epochs: int | None,
    crops: int | None,
    side: int | None,
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

    recipe = _capped(job.recipe(task), epochs, crops, side)
    weights = base or job.params.base_of(recipe)
    if not weights.is_file():
        raise RunError("the base weights are absent", where=weights, remedy="Name another file with --base.")
    plan = proof.Plan(recipe, weights, out, held, more, share, looks_through, hardware, of, unseen)
    click.echo(str(proof.prove(plan, job.sets, lambda line: click.echo(line, err=True))))
    click.echo(f"report: {out / 'report.json'}")


def _capped(recipe: Recipe, epochs: int | None, crops: int | None, side: int | None) -> Recipe:
    """The recipe with less of everything."""
    stages = tuple(
        stage.model_copy(
            update={
                "epochs": min(stage.epochs, epochs or stage.epochs),
                "crops": min(stage.crops, crops or stage.crops),
                "side_px": min(stage.side_px, (side or stage.side_px) // 32 * 32),
            }
        )
        for stage in recipe.stages
    )
    steps = sum(stage.epochs * stage.crops for stage in stages) // recipe.batch
    warm_up = max(1, min(recipe.warm_up_steps, steps // WARM_UP_PART))
    return recipe.model_copy(update={"stages": stages, "warm_up_steps": warm_up})
