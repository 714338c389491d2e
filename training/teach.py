"""A recipe, taught and published in one go: for comparisons, where the model itself is not kept."""

import datetime
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from models.card import TrainingSource
from training.bars import Progress
from training.checkpoint import load_checkpoint, machines_of
from training.export import export_onnx
from training.fit import fit
from training.hardware import Hardware
from training.publish import ExportRequest, publish
from training.recipe import Recipe
from training.sources.samples import Sample, Sets

__all__ = ["teach"]


def teach(  # noqa: PLR0913 - one each for what is taught, from what, by what, to where, on what
    recipe: Recipe,
    samples: Mapping[str, Sequence[Sample]],
    base: Path,
    out: Path,
    sets: Sets,
    *,
    hardware: Hardware | None = None,
    progress: Progress | None = None,
    unnamed: Collection[str] = (),
) -> Path:
    """Teach in the folder `out`, where an interrupted run goes on, and publish the model in `out/model`; gives that.

    Args:
        recipe: what is done.
        samples: by data set, what is learned from.
        base: the weights it starts from.
        out: the run's folder.
        sets: the data sets, for the card and for the thresholds.
        hardware: what to compute on; by default what is there.
        progress: called with epochs done and in all.
        unnamed: data sets that the card does not name.
    """
    checkpoint = fit(recipe, samples, base, out, progress, hardware=hardware)
    content = load_checkpoint(checkpoint)
    before = [TrainingSource.model_validate(one) for one in content.get("before", ())]
    learned = {name: len(some) for name, some in samples.items() if name not in unnamed}
    made_on = datetime.datetime.fromtimestamp(checkpoint.stat().st_mtime, datetime.UTC).date()
    machines = "; then ".join(machines_of(content))
    request = ExportRequest(checkpoint, recipe, sets, out / "model", learned, machines, made_on, before)
    publish(request, export_onnx)
    return out / "model"
