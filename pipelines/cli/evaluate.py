"""`michisora evaluate forest`: a stand map, or the way to one, against what people know on the ground."""

import csv
import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, fields
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, get_args

import click

from models.card import load_card, write_card
from models.detector import model_folder, open_detector
from models.plots import LabelledPlot, PlotFigures, PlotReader, plot_summary
from models.types import BackendName
from pipelines.cli.bars import progress_bar, say
from pipelines.errors import SurveyError
from pipelines.files import replacing
from pipelines.forest.accuracy import judge_map
from pipelines.forest.labelled import judge_labelled
from pipelines.forest.params import ForestParams
from pipelines.forest.truth import TruthRequest

__all__ = ["forest"]

_FILE = click.Path(dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)
_LISTED = 5
Figures = dict[str, Any]
Number = float | None


@click.command("forest")
@click.argument("given", nargs=-1)
@click.option("--truth", type=_FILE, help="Field plots, crowns or stems to judge the map GIVEN by.")
@click.option("--plots", type=_FILE, help="Polygons in which --truth has every crown or stem; else the whole survey.")
@click.option("--layer", help="Layer of --truth, where it has several.")
@click.option("--stems", help="Column of --truth with each plot's stems, where it is not called stems or 本数.")
@click.option("--split", default="val", show_default=True, help="Which split of the data sets GIVEN.")
@click.option("--pictures", type=_FILE, help="Only the pictures that this list names, one a line.")
@click.option("--data", type=_FOLDER, help="Where the data sets lie; by default sets.folder of the parameters.")
@click.option("--catalogue", type=_FILE, help="Data sets of your own; by default sets.catalogue.")
@click.option("--mirror", type=_FOLDER, help="Has what --data lacks; by default sets.mirror.")
@click.option("--params", "params_path", type=_FILE, help="A params.yaml; its sections forest and sets.")
@click.option("--model", default="crown", show_default=True, help="A task, or a folder with a model card.")
@click.option("--backend", type=click.Choice(get_args(BackendName)), default="auto", show_default=True)
@click.option("--onto-card", is_flag=True, help="Also write the figures on the model's card.")
@click.option("--csv", "csv_path", type=_FILE, help="Also write a row a plot to this file.")
@click.option("--json", "json_path", type=_FILE, help="Also write the figures to this file.")
def forest(given: tuple[str, ...], truth: Path | None, **how: Any) -> None:
    """Print how well stems, crown cover and crown diameter of a stand map agree with the ground.

    GIVEN is a map that `michisora forest` wrote, with --truth: plots (polygons, or points with a column radius_m) that
    have a column of stems or stems per hectare, or every crown (polygons) or stem (points) of --plots.

    Without --truth GIVEN are data sets of the catalogue, by default those that the model of crowns is judged by: every
    labelled picture is mapped by the whole forest job.
    """
    by_name = _of_map(given, truth, how) if truth is not None else _of_plots(given, how)
    figures = {name: _rounded(plot_summary(plots)) for name, plots in by_name.items()}
    for name, one in figures.items():
        click.echo(_text(name, one))
    if how["csv_path"] is not None:
        _write(how["csv_path"], _csv(by_name))
    if how["json_path"] is not None:
        _write(how["json_path"], json.dumps(figures, indent=2, ensure_ascii=False) + "\n")
    if how["onto_card"]:
        _onto_card(figures, how)


def _of_map(given: Sequence[str], truth: Path, how: Mapping[str, Any]) -> dict[str, list[PlotFigures]]:
    if len(given) != 1 or how["onto_card"]:
        raise click.UsageError("--truth judges one map: GIVEN is its forest.gpkg, and no card takes the figures")
    judged = judge_map(Path(given[0]), TruthRequest(truth, how["plots"], how["layer"], how["stems"]))
    if judged.outside:
        names = ", ".join(judged.outside[:_LISTED])
        more = f" and {len(judged.outside) - _LISTED} more" if len(judged.outside) > _LISTED else ""
        say(f"left out, not photographed in full: {names}{more}")
    return {Path(given[0]).name: judged.plots}


def _of_plots(given: Sequence[str], how: Mapping[str, Any]) -> dict[str, list[PlotFigures]]:
    params = ForestParams.read(how["params_path"])
    where = {name: how[name] for name in ("params_path", "data", "catalogue", "mirror") if how[name] is not None}
    sets = _reader()(given, how["split"], **where)
    if how["pictures"] is not None:
        sets = {name: _only(plots, how["pictures"]) for name, plots in sets.items()}
    total, done, found = sum(map(len, sets.values())), 0, {}
    with open_detector(how["model"], how["backend"]) as detector, progress_bar("mapping", "plot") as progress:
        for name, plots in sets.items():
            found[name] = judge_labelled(plots, detector, params, _from(done, total, progress))
            done += len(plots)
    return found


def _from(done: int, total: int, progress: Callable[[int, int], None]) -> Callable[[int, int], None]:
    return lambda now, _all: progress(done + now, total)


def _reader() -> PlotReader:
    """Labelled plots are read by the package that knows data sets; this one must not import it."""
    found = next(iter(entry_points(group="michisora.plots")), None)
    if found is None:
        raise SurveyError("nothing installed reads labelled plots", remedy="Give a map with --truth")
    reader: PlotReader = found.load()
    return reader


def _only(plots: Sequence[LabelledPlot], listed: Path) -> list[LabelledPlot]:
    try:
        wanted = {Path(line.strip()).stem for line in listed.read_text(encoding="utf-8").splitlines() if line.strip()}
    except (OSError, UnicodeDecodeError) as error:
        raise SurveyError(f"the list cannot be read ({error.__class__.__name__})", where=listed) from error
    chosen = [plot for plot in plots if plot.name in wanted]
    if not chosen:
        raise SurveyError("names none of the pictures", where=listed)
    return chosen


def _onto_card(figures: Mapping[str, Figures], how: Mapping[str, Any]) -> None:
    folder = model_folder(how["model"])
    card = load_card(folder)
    only = f" --pictures {how['pictures'].name}" if how["pictures"] is not None else ""
    command = f"michisora evaluate forest {{}} --split {how['split']}{only}"
    new = {f"{name}, as a stand map": _entry(command.format(name), one) for name, one in figures.items()}
    say(f"card  {write_card(card.model_copy(update={'metrics': {**card.metrics, **new}}), folder)}")


def _entry(command: str, figures: Figures) -> Figures:
    """Figures as a card names them, where each plot is a picture."""
    return {
        "command": command,
        "n_pictures": figures["n_plots"],
        **{k: v for k, v in figures.items() if k != "n_plots"},
    }


def _rounded(figures: Any) -> Any:
    if isinstance(figures, Mapping):
        return {name: _rounded(one) for name, one in figures.items()}
    if isinstance(figures, float):
        return None if math.isnan(figures) else round(figures, 4)
    return figures


def _text(name: str, figures: Figures) -> str:
    stems, crowns = figures["stems"], figures["plots"]
    rows: list[tuple[str, Number, Number, Number, int]] = [
        ("stems per hectare", stems["ha_mean_true"], stems["ha_mae"], stems["ha_bias"], 1),
        ("crown cover, points", *_triple(figures["cover_pct"]), 1),
        ("crown diameter, m", *_triple(figures["diameter_m"]), 2),
    ]
    lines = [f"{name}: {figures['n_plots']} plots", f"  {'':20}{'true mean':>11}{'MAE':>9}{'bias':>9}"]
    for title, mean, mae, bias, digits in rows:
        lines.append(f"  {title:20}{_cell(mean, digits):>11}{_cell(mae, digits):>9}{_cell(bias, digits, '+'):>9}")
    one_to_one = ", ".join(f"{key} {_cell(crowns[key], 3)}" for key in ("precision", "recall"))
    return "\n".join([*lines, f"  crowns one to one: {one_to_one}, F1 {_cell(crowns['f1'], 3)}"])


def _triple(figures: Figures) -> tuple[Number, Number, Number]:
    return figures["mean_true"], figures["mae"], figures["bias"]


def _cell(value: Number, digits: int, sign: str = "") -> str:
    return "–" if value is None else f"{value:{sign}.{digits}f}"


def _csv(by_name: Mapping[str, Sequence[PlotFigures]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["of", *(one.name for one in fields(PlotFigures))])
    for name, plots in by_name.items():
        for plot in plots:
            values = (round(one, 4) if isinstance(one, float) and not math.isnan(one) else one for one in astuple(plot))
            writer.writerow([name, *("" if isinstance(one, float) and math.isnan(one) else one for one in values)])
    return buffer.getvalue()


def _write(path: Path, text: str) -> None:
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8-sig" if path.suffix == ".csv" else "utf-8")
