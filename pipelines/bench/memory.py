"""Peak memory of a drive and of one four times as long: it must not grow with the frames."""

import multiprocessing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from models.detector import open_detector
from models.types import BackendName
from pipelines.bench.child import peak_mib
from pipelines.bench.speed import look_at_drive
from pipelines.drive import Looking
from pipelines.frames import FrameSource, open_frames

__all__ = ["peak_rss_mib"]


def peak_rss_mib(frames: tuple[Path, ...], count: int, model: str, backend: BackendName) -> float:
    """Peak resident memory, MiB, of a process of its own that looks at `count` frames, repeated where there are fewer.

    NaN where the system does not tell (it is read from Linux' /proc).
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(sender, frames, count, model, backend))
    process.start()
    sender.close()
    peak = float(receiver.recv())
    process.join()
    return peak


def _measure(sender: Any, frames: tuple[Path, ...], count: int, model: str, backend: BackendName) -> None:
    with open_frames(frames) as source, open_detector(model, backend) as detector:
        repeated = [replace(source.frames[i % len(source)], name=f"{i:06d}") for i in range(count)]
        drive = FrameSource(repeated, (), {})
        look_at_drive(drive, np.arange(count), Looking.of(detector))
    sender.send(peak_mib())
