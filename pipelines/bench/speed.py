"""How much longer a drive takes than its model alone, and how `ultralytics predict` does on the same frames."""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.band import look_at
from models.detector import Detector
from pipelines.drive import DriveParams, Looked, Looking, detect_drive, detection_key
from pipelines.errors import SurveyError
from pipelines.frames import BadFrame, FrameSource, Picture
from pipelines.journal import Journal

__all__ = ["Interleaved", "interleaved", "look_at_drive", "look_with_model_alone", "network_pictures"]

_PARAMS = DriveParams()


@dataclass(frozen=True, slots=True)
class Interleaved:
    """Times of contestants that took turns, one entry a round.

    Attributes:
        seconds: by the clock on the wall.
        cpu_seconds: of all cores together; what else runs on the machine changes it little.
    """

    seconds: dict[str, list[float]]
    cpu_seconds: dict[str, list[float]]

    def median(self, name: str) -> float:
        """Median time of a contestant, s."""
        return statistics.median(self.seconds[name])

    def ratio(self, name: str, to: str) -> float:
        """Median over the rounds of one contestant's time by another's in the same round."""
        return _median_ratio(self.seconds[name], self.seconds[to])

    def cpu_ratio(self, name: str, to: str) -> float:
        """As `ratio`, of processor time."""
        return _median_ratio(self.cpu_seconds[name], self.cpu_seconds[to])


def _median_ratio(ones: list[float], others: list[float]) -> float:
    return statistics.median(one / other for one, other in zip(ones, others, strict=True))


def interleaved(
    contestants: dict[str, Callable[[], object]], rounds: int, progress: Callable[[int, int], None]
) -> Interleaved:
    """Time contestants in turns, after a round that is not counted: a slow minute of the machine slows all of them.

    Every other round runs in the opposite order, so that none of them always comes after another.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    cpu_seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        order = list(contestants) if number % 2 else list(reversed(contestants))
        for name in order:
            start, cpu_start = time.perf_counter(), time.process_time()
            contestants[name]()
            if number:
                seconds[name].append(time.perf_counter() - start)
                cpu_seconds[name].append(time.process_time() - cpu_start)
        progress(number + 1, rounds + 1)
    return Interleaved(seconds, cpu_seconds)


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
