"""`michisora road`: from a drive, or an orthophoto of a road, to a ranked repair list."""

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import click

from geo.raster import Stated
from models.detector import open_detector
from models.types import BackendName
from pipelines.cli.bars import progress_bar, say
from pipelines.cli.languages import LANGUAGES
from pipelines.edited import work_folder
from pipelines.errors import SurveyError
from pipelines.executor import READERS
from pipelines.params import RoadParams
from pipelines.road.job import Job, refuse_lost_work, run_road
from pipelines.road.ortho.job import RoadOrtho, run_road_ortho
from pipelines.road.ortho.observe import BESIDE
from pipelines.road.previous import open_previous
from pipelines.road.publish import Published, Results, changes_said, n_doubtful
from pipelines.survey import MANIFEST, FrameClock, Survey, load_survey, survey_from_parts

__all__ = ["road"]

_PATH = click.Path(path_type=Path)
_RASTERS = {".tif", ".tiff", ".vrt", ".jp2", ".img", ".ecw", ".png", ".jpg", ".jpeg", ".webp"}


@dataclass(frozen=True, slots=True)
class _Parts:
    """What may be stated without a manifest, or instead of what it says."""

    frames: tuple[Path, ...]
    track: Path | None
    roads: Path | None
    previous: Path | None
    camera_height: float | None
    hfov: float | None
    clock: FrameClock

    @property
    def of_a_drive(self) -> list[str]:
        """The options given that say something of a camera on the road."""
        said = {
            "--frames": bool(self.frames),
            "--track": self.track is not None,
            "--camera-height": self.camera_height is not None,
            "--hfov": self.hfov is not None,
            "--timezone": self.clock.timezone is not None,
            "--start": self.clock.start is not None,
            "--clock-offset": self.clock.clock_offset_s != 0,
        }
        return [name for name, given in said.items() if given]


@dataclass(frozen=True, slots=True)
class _Flight:
    """What may be stated of an orthophoto that lacks it."""

    crs: str | None
    resolution: float | None
    date: dt.datetime | None

    @property
    def given(self) -> list[str]:
        """The options given."""
        said = {"--crs": self.crs, "--resolution": self.resolution, "--date": self.date}
        return [name for name, value in said.items() if value is not None]


@dataclass(frozen=True, slots=True)
class _Work:
    """How the work is done, whatever is surveyed."""

    out: Path
    model: str | None
    street: str
    backend: BackendName
    workers: int
    knobs: RoadParams
    languages: tuple[str, ...]


@click.command()
@click.argument("survey", required=False, type=_PATH)
@click.option("--out", required=True, type=_PATH, help="Folder for the results.")
@click.option("--frames", multiple=True, type=_PATH, help="Folder of pictures or a video, without a manifest.")
@click.option("--track", type=_PATH, help="GPX, CSV, NMEA or a GoPro's MP4; not needed where the frames carry GPS.")
@click.option("--camera-height", type=float, help="Lens above the road, m.")
@click.option("--hfov", type=float, help="The camera's horizontal field of view, degrees.")
@click.option("--timezone", help="Of picture and CSV times that state no offset, as Asia/Tokyo.")
@click.option("--start", help="When a video began that does not say so itself, as 2026-04-21T10:12:05+09:00.")
@click.option("--clock-offset", type=float, default=0.0, help="Seconds to add to the frames' clock.")
@click.option("--roads", type=_PATH, help="Road centre lines: GeoPackage, GeoJSON or an OpenStreetMap extract.")
@click.option("--previous", type=_PATH, help="The road.gpkg of the last survey, to see what is new, worse or gone.")
@click.option("--crs", help="EPSG code of an orthophoto that states none.")
@click.option("--resolution", type=float, help="Metres per pixel of an orthophoto that has no place.")
@click.option("--date", type=click.DateTime(["%Y-%m-%d"]), help="Day of the flight, where the orthophoto has none.")
@click.option("--model", help="A task, or a folder with a model card.  [default: road; pavement for an orthophoto]")
@click.option(
    "--street", default="street", show_default=True, help="What finds people and vehicles to conceal on photos."
)
@click.option("--backend", type=click.Choice(get_args(BackendName)), default="auto", show_default=True)
@click.option("--workers", type=click.IntRange(1, 64), default=READERS, show_default=True, help="Readers of pictures.")
@click.option("--params", type=_PATH, help="A params.yaml; its section road.")
@click.option("--lang", type=click.Choice(list(LANGUAGES)), default="ja,en", show_default=True)
def road(  # noqa: PLR0913, PLR0917 - one argument per option
    survey: Path | None,
    out: Path,
    frames: tuple[Path, ...],
    track: Path | None,
    camera_height: float | None,
    hfov: float | None,
    timezone: str | None,
    start: str | None,
    clock_offset: float,
    roads: Path | None,
    previous: Path | None,
    crs: str | None,
    resolution: float | None,
    date: dt.datetime | None,
    model: str | None,
    street: str,
    backend: BackendName,
    workers: int,
    params: Path | None,
    lang: str,
) -> None:
    """Make a ranked repair list from a drive, or from an orthophoto of a road.

    SURVEY is a folder with survey.yaml, or an orthophoto (a GeoTIFF, or what else GDAL reads); or leave it out and name
    a drive's parts with --frames, --track, --camera-height and --hfov.
    """
    parts = _Parts(frames, track, roads, previous, camera_height, hfov, FrameClock(clock_offset, timezone, start))
    flight = _Flight(crs, resolution, date)
    work = _Work(out, model, street, backend, workers, RoadParams.read(params), LANGUAGES[lang])
    if survey is not None and _is_raster(survey):
        _from_above(survey, parts, flight, work)
    else:
        _from_the_road(survey, parts, flight, work)


def _is_raster(path: Path) -> bool:
    """Whether the survey is an orthophoto: a file that is no manifest, or a name of one that is not there."""
    if path.is_file():
        return path.name != MANIFEST and path.suffix.lower() not in {".yaml", ".yml"}
    return not path.exists() and path.suffix.lower() in _RASTERS


def _from_the_road(survey_dir: Path | None, parts: _Parts, flight: _Flight, work: _Work) -> None:
    if flight.given:
        what = f"{flight.given[0]} says something of an orthophoto, but a drive is surveyed"
        raise SurveyError(what, where=survey_dir, remedy=f"Leave {', '.join(flight.given)} out")
    survey = _survey(survey_dir, parts)
    _refuse_at_once(survey.previous, work.out)
    with _job(work, "road", "frame") as job:
        results, published = run_road(survey, job)
    looked = f"{len(results.frames)} frames, {results.km:.2f} km"
    located = int(results.observations["located"].sum())
    _summarise(results, published, f"{looked}, {len(results.observations)} boxes ({located} placed)")


def _from_above(ortho: Path, parts: _Parts, flight: _Flight, work: _Work) -> None:
    if parts.of_a_drive:
        what = f"{parts.of_a_drive[0]} belongs to a drive, but this is an orthophoto"
        raise SurveyError(what, where=ortho, remedy=f"Leave {', '.join(parts.of_a_drive)} out")
    _refuse_at_once(parts.previous, work.out)
    day = None if flight.date is None else flight.date.date().isoformat()
    given = RoadOrtho(ortho, parts.roads, parts.previous, Stated(flight.crs, flight.resolution), day)
    with _job(work, "pavement", "tile") as job:
        results, published = run_road_ortho(given, job)
    beside = int((results.observations["why_not"] == BESIDE).sum())
    looked = f"{len(results.frames)} tiles, {results.summary.extent}"
    _summarise(results, published, f"{looked}, {len(results.observations)} boxes ({beside} outside the roads)")


def _refuse_at_once(previous: Path | None, out: Path) -> None:
    """What the job would refuse is refused before models are opened."""
    open_previous(previous)
    refuse_lost_work(previous, out, work_folder(out))


@contextmanager
def _job(work: _Work, task: str, unit: str) -> Iterator[Job]:
    """The job, its models open and its bars drawn; `task` looks where no other model is named."""
    with (
        open_detector(work.model or task, work.backend) as detector,
        open_detector(work.street, work.backend) as road_users,
        progress_bar("looking", unit) as looking,
        progress_bar("writing", "file") as writing,
    ):
        yield Job(work.out, detector, work.knobs, road_users, work.workers, work.languages, looking, writing, say)


def _survey(survey_dir: Path | None, parts: _Parts) -> Survey:
    """The survey in a folder, with what the command line states instead; or one from parts alone."""
    if survey_dir is None:
        if not parts.frames:
            remedy = "Name a folder with survey.yaml, an orthophoto, or --frames and --track"
            raise SurveyError("no survey is named", remedy=remedy)
        camera = {"height_m": parts.camera_height, "hfov_deg": parts.hfov}
        return survey_from_parts(
            parts.frames,
            camera=camera,
            track=parts.track,
            roads=parts.roads,
            previous=parts.previous,
            clock=parts.clock,
        )
    if parts.frames or parts.camera_height is not None or parts.hfov is not None or parts.clock != FrameClock():
        raise SurveyError(
            "a survey folder and --frames, or what describes them, were both given",
            where=survey_dir,
            remedy="Write them into survey.yaml, or leave the folder out",
        )
    survey = load_survey(survey_dir)
    return replace(
        survey,
        track=parts.track or survey.track,
        roads=parts.roads or survey.roads,
        previous=parts.previous or survey.previous,
    )


def _summarise(results: Results, published: Published, looked: str) -> None:
    listed = results.defects["listed"].astype(bool)
    judged = Counter(results.defects["judgement"][listed])
    doubtful = n_doubtful(results.defects, listed)
    left_out = ", ".join(f"{reason} {n}" for reason, n in results.rejected_by_reason.items()) or "nothing"
    say(
        f"{looked}, {listed.sum()} defects listed: {judged['repair']} need repair, {judged['damage']} damaged; "
        f"{doubtful} to look at again, {(~listed).sum() - doubtful} closed or gone; left out: {left_out}"
    )
    if said := changes_said(results, "en"):
        say(f"since the previous survey: {said}")
    click.echo(f"list        {published.page}")
    click.echo(f"workbook    {published.sheet}")
    for language, path in published.documents.items():
        click.echo(f"document    {path} ({language})")
    for language, path in published.maps.items():
        click.echo(f"map         {path} ({language})")
    click.echo(f"GeoPackage  {published.geopackage}")
