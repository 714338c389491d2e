"""Labelled plots of the catalogue for whoever judges maps of trees: an entry point of the group `michisora.plots`."""

from collections.abc import Sequence
from pathlib import Path

from models.plots import LabelledPlot
from training.crown import CROWN
from training.errors import SourceError
from training.options import job_of
from training.sources.samples import Sample

__all__ = ["labelled_plots"]


def labelled_plots(names: Sequence[str], split: str, **where: Path) -> dict[str, list[LabelledPlot]]:
    """Every picture of one split of each data set as a plot, by the set's name.

    Args:
        names: of the catalogue; without any, those that the recipe of crowns names for validation.
        split: which split.
        where: `params_path`, `data`, `catalogue`, `mirror`, as the verbs that make models take them.

    Raises:
        SourceError: an unknown or absent set, or pictures whose pixels have no known size.
    """
    job = job_of(**where)
    chosen = list(names) or job.card(CROWN).validation
    return {name: [_plot(one) for one in job.sets.samples(name, split, [CROWN])] for name in chosen}


def _plot(sample: Sample) -> LabelledPlot:
    if sample.gsd_m is None:
        remedy = "State gsd_m in the set's entry of the catalogue"
        raise SourceError("nobody knows how large a pixel is on the ground", where=sample.picture, remedy=remedy)
    return LabelledPlot(sample.picture.stem, sample.picture, sample.gsd_m, sample.xyxy)
