"""`michisora forest`: from an orthophoto to a stand map."""

import datetime as dt
from pathlib import Path
from typing import get_args

import click

from geo.raster import Stated
from models.detector import open_detector
from models.types import BackendName
from pipelines.cli.bars import progress_bar, say
from pipelines.cli.languages import LANGUAGES
from pipelines.edited import work_folder
from pipelines.executor import READERS
from pipelines.forest.job import ForestInput, ForestJob, refuse_lost_work, run_forest
from pipelines.forest.params import ForestParams
from pipelines.forest.previous import refuse_no_map

__all__ = ["forest"]

_PATH = click.Path(path_type=Path)


@click.command()
@click.argument("ortho", type=_PATH)
@click.option("--out", required=True, type=_PATH, help="Folder for the results.")
@click.option("--chm", type=_PATH, help="Canopy height model: one band, metres above ground.")
@click.option("--dsm", type=_PATH, help="Surface model, instead of --chm; with --dtm, above the same datum.")
@click.option("--dtm", type=_PATH, help="Terrain model: the bare ground below the surface of --dsm.")
@click.option("--stands", type=_PATH, help="Forest register: polygons whose ids are kept. Else stands are delineated.")
@click.option("--previous", type=_PATH, help="The forest.gpkg of an earlier flight, to see what was lost since.")
@click.option("--types", type=_PATH, help="Crowns named conifer or broadleaf on this orthophoto, to tell all by.")
@click.option("--crs", help="EPSG code of an orthophoto that states none.")
@click.option("--resolution", type=float, help="Metres per pixel of an orthophoto that has no place.")
@click.option("--date", type=click.DateTime(["%Y-%m-%d"]), help="Day of the flight, where the file does not say it.")
@click.option("--model", default="crown", show_default=True, help="A task, or a folder with a model card.")
@click.option("--backend", type=click.Choice(get_args(BackendName)), default="auto", show_default=True)
@click.option("--workers", type=click.IntRange(1, 64), default=READERS, show_default=True, help="Readers of tiles.")
@click.option("--params", type=_PATH, help="A params.yaml; its section forest.")
@click.option("--lang", type=click.Choice(list(LANGUAGES)), default="ja,en", show_default=True, help="Of the reports.")
def forest(  # noqa: PLR0913, PLR0917 - one argument per option
    ortho: Path,
    out: Path,
    chm: Path | None,
    dsm: Path | None,
    dtm: Path | None,
    stands: Path | None,
    previous: Path | None,
    types: Path | None,
    crs: str | None,
    resolution: float | None,
    date: dt.datetime | None,
    model: str,
    backend: BackendName,
    workers: int,
    params: Path | None,
    lang: str,
) -> None:
    """Make a stand map from an orthophoto (a GeoTIFF, or what else GDAL reads)."""
    knobs = ForestParams.read(params)
    day = None if date is None else date.date().isoformat()
    given = ForestInput(ortho, chm, dsm, dtm, stands, previous, types, Stated(crs, resolution), day)
    # What would be refused is, before the model is opened.
    refuse_no_map(previous)
    refuse_lost_work(given, out, work_folder(out))
    with open_detector(model, backend) as detector, progress_bar("looking", "tile") as looking:
        results, published = run_forest(given, ForestJob(out, detector, knobs, workers, looking, say, LANGUAGES[lang]))
    for line in results.lines():
        say(line)
    if not results.date:
        say("the file does not say when it was flown: state it with --date YYYY-MM-DD")
    click.echo(f"GeoPackage  {published.geopackage}")
    click.echo(f"project     {published.project} (QGIS)")
    click.echo(f"to hand on  {published.bundle}")
    click.echo(f"picture     {published.picture}")
    click.echo(f"page        {published.reports.page}")
    for language, path in published.reports.documents.items():
        click.echo(f"document    {path} ({language})")
    click.echo(f"register    {published.reports.table} (CSV, a row a stand)")
