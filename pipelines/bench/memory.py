"""Peak memory of a drive and of one four times as long: it must not grow with the frames."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from models.detector import open_detector
from models.types import BackendName
from pipelines.bench.child import in_child
from pipelines.bench.speed import look_at_drive
from pipelines.drive import Looking
from pipelines.frames import FrameSource, open_frames

__all__ = ["peak_rss_mib"]


def peak_rss_mib(frames: tuple[Path, ...], count: int, model: str, backend: BackendName) -> float:
    """Peak resident memory, MiB, of a process of its own that looks at `count` frames, repeated where there are fewer.

    NaN where the system does not tell (it is read from Linux' /proc).
    """
    return in_child(_drive, frames, count, model, backend).peak_mib


def _drive(frames: tuple[Path, ...], count: int, model: str, backend: BackendName) -> Callable[[], None]:
    def work() -> None:
        with open_frames(frames) as source, open_detector(model, backend) as detector:
            repeated = [replace(source.frames[i % len(source)], name=f"{i:06d}") for i in range(count)]
            drive = FrameSource(repeated, (), {})
            look_at_drive(drive, np.arange(count), Looking.of(detector))

    return work
