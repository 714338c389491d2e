"""`michisora detect`: boxes in pictures, folders, videos and small rasters, as one table."""

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, count
from pathlib import Path
from typing import get_args

import click
import numpy as np
import pandas as pd

from models.band import see_all
from models.detections import Detections
from models.detector import LOWEST_SCORE, Detector, open_detector
from models.types import BackendName, PrecisionName
from pipelines.cli.bars import progress_bar, say
from pipelines.cli.drawing import save_drawing
from pipelines.errors import OutputError
from pipelines.files import as_text, replacing
from pipelines.frames.source import FrameSource, open_frames
from pipelines.frames.types import BadFrame, Picture

__all__ = ["Found", "detect", "find_boxes"]

COLUMNS = ["source", "frame", "x1", "y1", "x2", "y2", "score", "class"]
_LISTED = 10


@dataclass(slots=True)
class Found:
    """What came out of a run: one table per frame with boxes, and the frames and files that could not be read."""

    boxes: list[pd.DataFrame] = field(default_factory=list)
    rejected: list[tuple[str, str, str]] = field(default_factory=list)
    n_frames: int = 0

    def table(self) -> pd.DataFrame:
        """Every box: source, frame, x1, y1, x2, y2 (px of the whole picture), score, class."""
        empty = _rows("", "", Detections.empty(), [])
        return pd.concat([empty, *self.boxes], ignore_index=True)[COLUMNS]

    def rejects(self) -> pd.DataFrame:
        """What could not be read: item, reason (code), detail."""
        return pd.DataFrame(self.rejected, columns=["item", "reason", "detail"])


@click.command()
@click.argument("task")
@click.argument("inputs", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="File to write, a .parquet."
)
@click.option("--all", "everything", is_flag=True, help="Every box down to a score of 0.01, not those that count.")
@click.option("--pictures", type=click.Path(path_type=Path, file_okay=False), help="Folder for pictures with boxes.")
@click.option("--backend", type=click.Choice(get_args(BackendName)), default="auto", show_default=True)
@click.option("--precision", type=click.Choice(get_args(PrecisionName)), default="auto", show_default=True)
def detect(
    task: str,
    inputs: tuple[Path, ...],
    out: Path,
    everything: bool,
    pictures: Path | None,
    backend: BackendName,
    precision: PrecisionName,
) -> None:
    """Find what a TASK's model knows in pictures, folders, videos and small rasters.

    TASK is a task that comes with the package (road) or a folder with a model card.
    """
    _refuse_mixing(inputs, pictures)
    if out.suffix.lower() != ".parquet":
        remedy = f"Give --out {out.with_suffix('.parquet')}"
        raise OutputError("boxes are written as Parquet alone", where=out, remedy=remedy)
    with open_frames(inputs) as source, open_detector(task, backend, precision) as detector:
        drawings = [] if pictures is None else _drawings(source, pictures)
        _refuse_overwriting(source, [*drawings, out])
        for line in source.losses:
            say(line)
        found = Found(rejected=[(as_text(str(bad.where)), bad.code, bad.detail) for bad in source.refused])
        with progress_bar("detecting", "frame") as progress:
            for number, boxes, picture in find_boxes(source, detector, found, everything):
                if drawings:
                    save_drawing(picture, boxes, detector.card.class_names, drawings[number])
                progress(found.n_frames + len(found.rejected), len(source))
        _write(found, out)
        _summarise(found, out, detector)


def find_boxes(
    source: FrameSource, detector: Detector, found: Found, everything: bool = False
) -> Iterator[tuple[int, Detections, Picture]]:
    """Look at every frame; yields its index, its boxes and the frame, and collects tables in `found`."""
    names = detector.card.class_names
    limits = np.array(detector.card.score_thresholds, np.float32)
    lowest = LOWEST_SCORE if everything else max(LOWEST_SCORE, float(limits.min()))
    in_flight: deque[tuple[int, Picture]] = deque()

    def readable() -> Iterator[Picture]:
        for index, outcome in source.read_many(range(len(source))):
            if isinstance(outcome, BadFrame):
                found.rejected.append((source.frames[index].name, outcome.code, outcome.detail))
                continue
            in_flight.append((index, outcome))
            yield outcome

    for seen in see_all(detector, readable(), lowest):
        index, picture = in_flight.popleft()
        boxes = seen if everything else seen.where(seen.score >= limits[seen.class_id])
        frame = source.frames[index]
        found.n_frames += 1
        if len(boxes):
            found.boxes.append(_rows(as_text(frame.source), frame.name, boxes, names))
        yield index, boxes, picture


def _rows(source: str, frame: str, boxes: Detections, names: list[str]) -> pd.DataFrame:
    edges = {edge: boxes.xyxy[:, place] for place, edge in enumerate(("x1", "y1", "x2", "y2"))}
    classes = pd.array([names[one] for one in boxes.class_id], dtype="str")
    texts = {
        "source": pd.array([source] * len(boxes), dtype="str"),
        "frame": pd.array([frame] * len(boxes), dtype="str"),
    }
    return pd.DataFrame({**texts, **edges, "score": boxes.score, "class": classes})


def _drawings(source: FrameSource, folder: Path) -> list[Path]:
    """Where each frame's drawing goes: one folder for all, whatever folders and videos the frames came from."""
    taken: set[str] = set()
    paths = []
    for frame in source.frames:
        plain = Path(frame.name.replace("/", "_").replace("#", "_"))
        jpeg = plain.suffix.lower() in {".jpg", ".jpeg"}
        stem, suffix = (plain.stem, plain.suffix) if jpeg else (plain.name, ".jpg")
        names = (f"{stem}{number}{suffix}" for number in chain([""], count(-2, -1)))
        # Some disks take a.jpg and A.JPG for one.
        name = next(name for name in names if name.casefold() not in taken)
        taken.add(name.casefold())
        paths.append(folder / name)
    return paths


def _refuse_mixing(inputs: Iterable[Path], pictures: Path | None) -> None:
    """Drawings lie outside the folders that are looked at, or the next run would take them for frames."""
    for place in inputs:
        if pictures is not None and place.is_dir() and pictures.resolve().is_relative_to(place.resolve()):
            what = "the pictures with boxes would lie among the frames, and the next run would take them for frames"
            raise OutputError(what, where=pictures, remedy=f"Give a folder outside {place} with --pictures")


def _refuse_overwriting(source: FrameSource, outputs: Iterable[Path]) -> None:
    """Nothing is written over a file that frames are read from, by whatever name the file is reached."""
    files = {_identity(frame.source) for frame in source.frames} - {None}
    for path in outputs:
        if _identity(path) in files:
            what = "a picture that is looked at would be written over"
            raise OutputError(what, where=path, remedy="Give another folder with --pictures, or another --out")


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file it is on which disk; None where there is none."""
    try:
        about = path.stat()
    except OSError:
        return None
    return about.st_dev, about.st_ino


def _write(found: Found, out: Path) -> None:
    with replacing(out) as temporary:
        found.table().to_parquet(temporary, index=False, compression="zstd")
    rejected = out.with_suffix(".rejected.csv")
    if found.rejected:
        with replacing(rejected) as temporary:
            found.rejects().to_csv(temporary, index=False)
    else:
        rejected.unlink(missing_ok=True)


def _summarise(found: Found, out: Path, detector: Detector) -> None:
    for item, _, detail in found.rejected[:_LISTED]:
        say(f"not read: {item}: {detail}")
    if len(found.rejected) > _LISTED:
        say(f"not read: {len(found.rejected) - _LISTED} more, see {out.with_suffix('.rejected.csv')}")
    if not found.n_frames:
        raise OutputError("not one frame could be read", remedy=f"See {out.with_suffix('.rejected.csv')}")
    n_boxes = sum(len(rows) for rows in found.boxes)
    say(f"{n_boxes} boxes in {found.n_frames} frames, {len(found.rejected)} not read ({detector.runtime}): {out}")
