"""`michisora reviews build`: people's corrections become a data set that a recipe can name."""

import sys
from pathlib import Path

import click
import yaml
from tqdm import tqdm

from training.params import PARAMS, read_params
from training.reviews.build import Request
from training.reviews.build import build as make
from training.reviews.proving import prove

__all__ = ["reviews"]

FOLDER = click.Path(file_okay=False, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def reviews() -> None:
    """People's corrections as training data."""


reviews.add_command(prove)


@reviews.command()
@click.argument("review", nargs=-1, required=True, type=FILE)
@click.option("--pictures", type=FOLDER, multiple=True, required=True, help="Folder that pictures' names are below.")
@click.option("--out", type=FOLDER, required=True, help="The data set's folder, below --data; its name is the set's.")
@click.option("--data", type=FOLDER, default=None, help="Directory of all data sets; by default the parent of --out.")
@click.option("--licence", required=True, help="Licence of the pictures, as their owner states it.")
@click.option("--task", default="road", show_default=True, help="Whose recipe tells the classes.")
@click.option("--params", type=click.Path(path_type=Path), default=PARAMS, show_default=True, help="The parameters.")
@click.option("--classes", default=None, help="The classes instead, with commas between them.")
@click.option("--detections", type=FILE, default=None, help="The model's boxes (CSV, JSONL), where reviews name ids.")
@click.option("--place", default=None, help="Pattern of the place in a picture's name; by default all are one place.")
@click.option("--context", type=click.FloatRange(0, 2), default=0.25, show_default=True, help="Seen around a box.")
def build(  # noqa: PLR0913, PLR0917 - one option each
    review: tuple[Path, ...],
    pictures: tuple[Path, ...],
    out: Path,
    data: Path | None,
    licence: str,
    task: str,
    params: Path,
    classes: str | None,
    detections: Path | None,
    place: str | None,
    context: float,
) -> None:
    """Make a YOLO data set of REVIEWs: CSV or JSONL lines, and road GeoPackages edited in QGIS.

    Rejected places and pictures with nothing on them become hard negatives. What nobody reviewed
    teaches nothing. Name the set in a recipe's sources and pass OUT/catalogue.yaml as --catalogue.
    """
    names = tuple(one.strip() for one in classes.split(",")) if classes else read_params(params).recipe(task).classes
    request = Request(
        review, pictures, out, data or out.parent, licence, names, detections=detections, place=place, context=context
    )
    with tqdm(unit="pictures", disable=not sys.stderr.isatty()) as bar:

        def progress(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        about = make(request, progress)
    click.echo(yaml.safe_dump(about, allow_unicode=True, sort_keys=False, width=110), nl=False)
