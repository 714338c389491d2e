"""`michisora road`: from a drive to a ranked repair list."""

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import get_args

import click

from models.detector import open_detector
from models.types import BackendName
from pipelines.cli.bars import progress_bar, say
from pipelines.errors import SurveyError
from pipelines.executor import READERS
from pipelines.params import RoadParams
from pipelines.road.job import Job, run_road
from pipelines.road.publish import Published, Results
from pipelines.survey import FrameClock, Survey, load_survey, survey_from_parts

__all__ = ["road"]

_PATH = click.Path(path_type=Path)
_LANGUAGES = {"ja": ("ja",), "en": ("en",), "ja,en": ("ja", "en"), "en,ja": ("en", "ja")}


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


@click.command()
@click.argument("survey_dir", required=False, type=_PATH)
@click.option("--out", required=True, type=_PATH, help="Folder for the results.")
@click.option("--frames", multiple=True, type=_PATH, help="Folder of pictures or a video, without a manifest.")
@click.option("--track", type=_PATH, help="GPX, CSV, NMEA or a GoPro's MP4; not needed where the frames carry GPS.")
@click.option("--camera-height", type=float, help="Lens above the road, m.")
@click.option("--hfov", type=float, help="The camera's horizontal field of view, degrees.")
@click.option("--timezone", help="Of picture times that state no offset, as Asia/Tokyo.")
@click.option("--start", help="When a video began that does not say so itself, as 2026-04-21T10:12:05+09:00.")
@click.option("--clock-offset", type=float, default=0.0, help="Seconds to add to the frames' clock.")
@click.option("--roads", type=_PATH, help="Road centre lines: GeoPackage, GeoJSON or an OpenStreetMap extract.")
@click.option("--previous", type=_PATH, help="The road.gpkg of the last survey, to see what is new, worse or gone.")
@click.option("--model", default="road", show_default=True, help="A task, or a folder with a model card.")
@click.option(
    "--street", default="street", show_default=True, help="What finds people and vehicles to conceal on photos."
)
@click.option("--backend", type=click.Choice(get_args(BackendName)), default="auto", show_default=True)
@click.option("--workers", type=click.IntRange(1, 64), default=READERS, show_default=True, help="Readers of frames.")
@click.option("--params", type=_PATH, help="A params.yaml; its section road.")
@click.option("--lang", type=click.Choice(list(_LANGUAGES)), default="ja,en", show_default=True)
def road(  # noqa: PLR0913, PLR0917 - one argument per option
    survey_dir: Path | None,
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
    model: str,
    street: str,
    backend: BackendName,
    workers: int,
    params: Path | None,
    lang: str,
) -> None:
    """Make a ranked repair list from a drive.

    SURVEY_DIR is a folder with survey.yaml; or name the parts with --frames, --track, --camera-height and --hfov.
    """
    clock = FrameClock(clock_offset, timezone, start)
    survey = _survey(survey_dir, _Parts(frames, track, roads, previous, camera_height, hfov, clock))
    knobs = RoadParams.read(params)
    with (
        open_detector(model, backend) as detector,
        open_detector(street, backend) as road_users,
        progress_bar("looking", "frame") as looking,
        progress_bar("writing", "file") as writing,
    ):
        job = Job(out, detector, knobs, road_users, workers, _LANGUAGES[lang], looking, writing, say)
        results, published = run_road(survey, job)
    _summarise(results, published)


def _survey(survey_dir: Path | None, parts: _Parts) -> Survey:
    """The survey in a folder, with what the command line states instead; or one from parts alone."""
    if survey_dir is None:
        if not parts.frames:
            raise SurveyError("no survey is named", remedy="Name a folder with survey.yaml, or --frames and --track")
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


def _summarise(results: Results, published: Published) -> None:
    listed = results.defects["listed"].to_numpy(bool)
    judged = Counter(results.defects["judgement"][listed])
    left_out = ", ".join(f"{reason} {n}" for reason, n in results.rejected_by_reason.items()) or "nothing"
    located = int(results.observations["located"].sum())
    say(
        f"{len(results.frames)} frames, {results.km:.2f} km, {len(results.observations)} boxes ({located} placed), "
        f"{listed.sum()} defects listed: {judged['repair']} need repair, {judged['damage']} damaged; "
        f"{(~listed).sum()} more without a rank; left out: {left_out}"
    )
    click.echo(f"list        {published.page}")
    click.echo(f"workbook    {published.sheet}")
    for language, path in published.documents.items():
        click.echo(f"document    {path} ({language})")
    for language, path in published.maps.items():
        click.echo(f"map         {path} ({language})")
    click.echo(f"GeoPackage  {published.geopackage}")
