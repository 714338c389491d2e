"""`michisora bench`: speed and memory, side by side in one run."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import get_args

import click
import numpy as np

from models.detector import model_folder, open_detector
from models.timing import Interleaved, interleaved
from models.types import BackendName
from pipelines.bench.memory import peak_rss_mib
from pipelines.bench.rival import Rival, agreement, one_label_an_anchor
from pipelines.bench.speed import look_at_drive, look_with_model_alone, network_pictures
from pipelines.cli.bars import progress_bar, say
from pipelines.cli.bench_air import memory, merge, ortho
from pipelines.drive import Looking
from pipelines.errors import SurveyError
from pipelines.frames import FrameSource, open_frames
from pipelines.frames.pictures import PICTURE_SUFFIXES
from pipelines.params import RoadParams
from pipelines.preflight import preflight
from pipelines.road.job import road_top
from pipelines.survey import MANIFEST, load_survey

__all__ = ["bench"]

DRIVE, MODEL, RIVAL = "drive", "model alone", "ultralytics predict"
END_TO_END_TARGET, RIVAL_TARGET, MEMORY_TARGET = 1.15, 3.0, 1.1


@click.group()
def bench() -> None:
    """Measure speed and memory as ratios within one run."""


for _verb in (ortho, merge, memory):
    bench.add_command(_verb)


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is measured, and how often. `top`: as for `Looking.of`."""

    paths: tuple[Path, ...]
    count: int
    rounds: int
    model: str
    backend: BackendName
    top: float


@bench.command()
@click.argument("survey", type=click.Path(path_type=Path, exists=True))
@click.option("--frames", "count", type=click.IntRange(8), default=48, show_default=True, help="Frames to look at.")
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True, help="Turns of each contestant.")
@click.option("--model", default="road", show_default=True, help="A task, or a folder with a model card.")
@click.option("--backend", type=click.Choice(get_args(BackendName)), default="auto", show_default=True)
@click.option("--memory/--no-memory", default=True, show_default=True, help="Also measure peak memory.")
def drive(survey: Path, count: int, rounds: int, model: str, backend: BackendName, memory: bool) -> None:
    """A drive's time by that of its model alone, and by that of `ultralytics predict` on the same weights and frames.

    SURVEY is a survey's folder: what lies above its camera's horizon is left out, as in the road job. In a folder of
    pictures whole frames are looked at.
    """
    plan = _Plan((survey,), count, rounds, model, backend, 0.0)
    if (survey / MANIFEST).is_file():
        stated = load_survey(survey)
        ready = preflight(stated, RoadParams())
        plan = replace(plan, paths=stated.frames, top=road_top(ready.scene.camera))
    with open_frames(plan.paths) as source:
        _speed(source, plan)
    if memory:
        _memory(plan)


def _speed(source: FrameSource, plan: _Plan) -> None:
    indices = np.arange(min(plan.count, len(source)))
    files = [source.frames[index].source for index in indices]
    if any(path.suffix.lower() not in PICTURE_SUFFIXES for path in files):
        raise SurveyError("the benchmark reads pictures, not videos", where=files[0])
    with open_detector(plan.model, plan.backend) as detector, progress_bar("benchmark", "round") as progress:
        looking = Looking.of(detector, plan.top)
        say(f"{len(indices)} frames from {plan.top:.0%} of their height down, {plan.rounds} rounds, {detector.runtime}")
        pictures = network_pictures(source, indices, looking)
        height, side = source.read(0).shape[0], max(pictures[0].shape[:2])
        contestants: dict[str, Callable[[], object]] = {
            DRIVE: lambda: look_at_drive(source, indices, looking),
            MODEL: lambda: look_with_model_alone(pictures, detector),
        }
        rival = _rival(plan.model) if find_spec("ultralytics") else None
        if rival is not None:
            contestants[RIVAL] = lambda: rival.predict(files, side)
        times = interleaved(contestants, plan.rounds, progress)
        _tell(times, len(indices))
        if rival is None:
            say("ultralytics is not installed (pip install 'michisora[train]'): no side-by-side run")
            return
        theirs = rival.predict(files, side)
        # Compared is the road: what they find above the horizon is no road damage, and we do not look there.
        theirs = theirs[(theirs["y1"] + theirs["y2"]) / 2 >= plan.top * height]
        with one_label_an_anchor(plan.model) as alike, open_detector(alike, plan.backend) as same_rule:
            ours = look_at_drive(source, indices, Looking.of(same_rule, plan.top)).boxes
        found = agreement(ours, theirs)
    click.echo(
        f"equal boxes                    {found.shared:5.1%}   ({found.ours} ours, {found.theirs} theirs, "
        "same class and IoU ≥ 0.5, one class an anchor)"
    )


def _tell(times: Interleaved, n_frames: int) -> None:
    for name in times.seconds:
        click.echo(f"{name:20} {n_frames / times.median(name):7.2f} frames/s")
    targets = ((DRIVE, MODEL, f"at most {END_TO_END_TARGET}"), (RIVAL, DRIVE, f"at least {RIVAL_TARGET}"))
    for over, under, target in targets:
        if {over, under} <= set(times.seconds):
            ratio, cpu = times.ratio(over, under), times.cpu_ratio(over, under)
            click.echo(f"{f'{over} / {under}':30} {ratio:5.2f}   (target: {target}; by processor time {cpu:.2f})")


def _rival(model: str) -> Rival:
    with open_detector(model) as detector:
        card = detector.card
    return Rival(card, model_folder(model) / card.weights)


def _memory(plan: _Plan) -> None:
    short, long = (peak_rss_mib(plan.paths, n, plan.model, plan.backend) for n in (plan.count, 4 * plan.count))
    click.echo(
        f"peak memory                    {short:.0f} MiB for {plan.count} frames, {long:.0f} for {4 * plan.count}"
    )
    click.echo(f"growth                         {long / short:5.2f}   (target: at most {MEMORY_TARGET})")
