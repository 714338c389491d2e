"""Looking at a drive's frames: the detect arrow of every vehicle job, through executor and journal.

What is kept of a segment is what the pictures show, one row per frame with its boxes. Where that lies on the road is
worked out from all segments together (`road.observe`), which takes milliseconds; so a corrected camera height costs no
second look.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Self

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from geo.errors import MichisoraError
from models.band import look_at
from models.card import InputCard
from models.detections import Detections
from models.detector import Detector
from pipelines.errors import SurveyError
from pipelines.executor import READERS, run
from pipelines.frames import BadFrame, Frame, FrameSource
from pipelines.frames.videos import VIDEO_SUFFIXES
from pipelines.journal import Journal, journal_key
from pipelines.survey import content_hash

__all__ = ["DriveParams", "Looked", "Looking", "detect_drive", "detection_key"]

Progress = Callable[[int, int], None]

_BOX: Final = pa.struct(
    [("class", pa.string()), *((name, pa.float32()) for name in ("score", "x1", "y1", "x2", "y2"))],
)
SHARD: Final = pa.schema(
    [
        ("frame", pa.string()),
        ("width_px", pa.int32()),
        ("height_px", pa.int32()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("boxes", pa.list_(_BOX)),
    ]
)
"""One row per frame; `reason` is empty for a frame that could be read."""

_AGAIN: Final = ("unreadable",)
"""Reasons that the system gave: the next run tries such frames again, and does not take its word for good."""

_MOST_UNREADABLE: Final = 50
"""On end: then it is no longer some frames that cannot be read but what they lie on."""

BOX_COLUMNS: Final = ["frame", "width_px", "height_px", "class", "score", "x1", "y1", "x2", "y2"]


class DriveParams(BaseModel):
    """Which frames are looked at, and how many are lost when a job is killed (params.yaml, section `drive`).

    Attributes:
        spacing_m: least distance travelled between two frames looked at; 0 looks at every frame.
        segment_frames: frames kept together once looked at.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    spacing_m: float = Field(4.0, ge=0)
    segment_frames: int = Field(50, ge=1)


@dataclass(frozen=True, slots=True)
class Looked:
    """What a drive's frames show.

    Attributes:
        frames: `frame`, `width_px`, `height_px`, `n_boxes`; those that could be read, in the order asked for.
        boxes: `BOX_COLUMNS`, px of the full frame; score at or above the card's thresholds.
        rejected: `item`, `reason`, `detail`; those that could not.
    """

    frames: pd.DataFrame
    boxes: pd.DataFrame
    rejected: pd.DataFrame


@dataclass(frozen=True, slots=True)
class Looking:
    """Who looks, and at which part of a frame.

    Attributes:
        detector: the detector.
        input: how a frame becomes the network's picture.
        workers: readers of frames; they change the speed alone.
    """

    detector: Detector
    input: InputCard
    workers: int = READERS

    @classmethod
    def of(cls, detector: Detector, top: float = 0.0, workers: int = READERS) -> Self:
        """As the detector's card says, but nothing above `top`, a fraction of the frame's height from above."""
        card = detector.card.input
        band = card.band.model_copy(update={"top": min(max(card.band.top, top), card.band.bottom - 0.1)})
        return cls(detector, card.model_copy(update={"band": band}), workers)


def detection_key(source: FrameSource, indices: Sequence[int], looking: Looking, params: DriveParams) -> str:
    """The journal key of a drive: hash of the frames' contents, the weights and all that decides the boxes."""
    files = list(dict.fromkeys(source.frames[index].source for index in indices))
    card, runtime = looking.detector.card, looking.detector.runtime
    return journal_key(
        {
            "files": content_hash(files),
            "frames": [source.frames[index].name for index in indices],
            "weights": card.sha256,
            "card": card.model_dump(mode="json", include={"classes", "suppression", "thresholds"}),
            "input": looking.input.model_dump(mode="json"),
            "runtime": [runtime.backend, runtime.device, runtime.precision],
            "segment_frames": params.segment_frames,
        }
    )


def detect_drive(
    source: FrameSource,
    indices: NDArray[np.int64],
    looking: Looking,
    journal: Journal,
    params: DriveParams,
    *,
    progress: Progress | None = None,
) -> Looked:
    """Look at a drive's frames, one segment after the other; finished segments are taken from the journal.

    A segment with frames that the system could not read is kept for this run and looked at again by the next one.

    Args:
        source: the frames.
        indices: int64 (n,), which of them, in the order of the drive.
        looking: who looks at them.
        journal: opened with `detection_key` of the same arguments.
        params: size of a segment.
        progress: called with frames done and frames in all.

    Raises:
        OutputError: the journal cannot be written.
        SurveyError: so many frames on end cannot be read that it is not for them.
    """
    tell = progress or (lambda _done, _total: None)
    segments = _segments([int(index) for index in indices], params.segment_frames)
    pending = {name: members for name, members in segments.items() if not journal.done(name, _AGAIN)}
    done = len(indices) - sum(map(len, pending.values()))
    tell(done, len(indices))
    rows = _rows(source, [index for members in pending.values() for index in members], looking)
    for name, members in pending.items():
        taken = []
        for row in islice(rows, len(members)):
            taken.append(row)
            done += 1
            tell(done, len(indices))
        journal.write(name, pa.Table.from_pylist(taken, SHARD))
    return _gathered([journal.read(name) for name in segments])


def _segments(indices: list[int], size: int) -> dict[str, list[int]]:
    starts = range(0, len(indices), size)
    return {f"{number:06d}": indices[start : start + size] for number, start in enumerate(starts)}


def _rows(source: FrameSource, indices: list[int], looking: Looking) -> Iterator[dict[str, Any]]:
    """Shard rows, in order. Reading runs on over the segments' ends, so that writing one does not stop it."""
    detector, card = looking.detector, looking.detector.card
    names = card.class_names
    limits = np.array(card.score_thresholds, np.float32)
    lowest = float(limits.min())

    def start(index: int) -> Callable[[], dict[str, Any]]:
        frame = source.read(index)
        picture, look = look_at(frame, looking.input)
        height, width = frame.shape[:2]
        future = detector.submit(picture, lowest)

        def result() -> dict[str, Any]:
            seen = look.undo(future.result())
            boxes = _boxes(seen.where(seen.score >= limits[seen.class_id]), names)
            return {"width_px": width, "height_px": height, "reason": "", "detail": "", "boxes": boxes}

        return result

    forwards = any(source.frames[index].source.suffix.lower() in VIDEO_SUFFIXES for index in indices)
    ahead = 2 * detector.runtime.threads + 2
    unreadable = 0
    for index, outcome in run(indices, start, workers=1 if forwards else looking.workers, ahead=ahead):
        row = _refused(outcome) if isinstance(outcome, MichisoraError) else outcome
        unreadable = unreadable + 1 if row["reason"] in _AGAIN else 0
        if unreadable >= _MOST_UNREADABLE:
            raise _out_of_reach(source.frames[index], row["detail"])
        yield {"frame": source.frames[index].name, **row}


def _refused(error: MichisoraError) -> Mapping[str, Any]:
    """A shard's row for a frame that cannot be used; what it says must not depend on where the survey lies."""
    if not isinstance(error, BadFrame):
        raise error
    return {"width_px": 0, "height_px": 0, "reason": error.code, "detail": error.detail, "boxes": []}


def _out_of_reach(frame: Frame, detail: str) -> SurveyError:
    remedy = (
        "Check the disk or the network, or take such files out, and run the same command again: what is done is kept"
    )
    return SurveyError(f"{_MOST_UNREADABLE} frames on end: {detail}", where=frame.source, remedy=remedy)


def _boxes(seen: Detections, names: list[str]) -> list[dict[str, object]]:
    corners = zip(seen.class_id.tolist(), seen.score.tolist(), seen.xyxy.tolist(), strict=True)
    return [
        {"class": names[class_id], "score": score, "x1": x1, "y1": y1, "x2": x2, "y2": y2}
        for class_id, score, (x1, y1, x2, y2) in corners
    ]


def _gathered(shards: list[pa.Table]) -> Looked:
    table = pa.concat_tables([SHARD.empty_table(), *shards]).combine_chunks()
    whole = table.drop_columns("boxes").to_pandas()
    good = whole["reason"] == ""
    frames = whole.loc[good, ["frame", "width_px", "height_px"]].reset_index(drop=True)
    listed = table["boxes"]
    n_boxes = pc.list_value_length(listed).to_numpy()
    frames["n_boxes"] = n_boxes[good].astype(np.int64)
    of_frame = whole.loc[np.repeat(whole.index, n_boxes), ["frame", "width_px", "height_px"]].reset_index(drop=True)
    fields = pa.Table.from_struct_array(pc.list_flatten(listed)).to_pandas()
    fields = fields.astype(dict.fromkeys(fields.columns.drop("class"), np.float64))
    rejected = whole.loc[~good, ["frame", "reason", "detail"]].rename(columns={"frame": "item"}).reset_index(drop=True)
    return Looked(frames, pd.concat([of_frame, fields], axis=1)[BOX_COLUMNS], rejected)
