"""How much longer a drive takes than its model alone, and how `ultralytics predict` does on the same frames."""

import tempfile
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.band import look_at
from models.detector import Detector
from pipelines.drive import DriveParams, Looked, Looking, detect_drive, detection_key
from pipelines.errors import SurveyError
from pipelines.frames import BadFrame, FrameSource, Picture
from pipelines.journal import Journal

__all__ = ["look_at_drive", "look_with_model_alone", "network_pictures"]

_PARAMS = DriveParams()


def look_at_drive(source: FrameSource, indices: NDArray[np.int64], looking: Looking) -> Looked:
    """The detect arrow as the jobs run it: hash the input, read, look, keep segments on the disk, gather."""
    with tempfile.TemporaryDirectory() as work:
        key = detection_key(source, indices.tolist(), looking, _PARAMS)
        return detect_drive(source, indices, looking, Journal(Path(work), key), _PARAMS)


def network_pictures(source: FrameSource, indices: Iterable[int], looking: Looking) -> list[Picture]:
    """The pictures that the network gets, read and cropped beforehand.

    Raises:
        SurveyError: not one frame can be read.
    """
    read = (frame for _, frame in source.read_many(indices) if not isinstance(frame, BadFrame))
    pictures = [look_at(frame, looking.input)[0] for frame in read]
    if not pictures:
        raise SurveyError("not one of the frames can be read")
    return pictures


def look_with_model_alone(pictures: list[Picture], detector: Detector) -> int:
    """Look at pictures in memory; gives the number of boxes at the lowest threshold."""
    lowest = min(detector.card.score_thresholds)
    return sum(len(seen) for seen in detector.stream(pictures, lowest))
