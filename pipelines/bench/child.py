"""A piece of work in a process of its own, so that its peak memory is its own."""

import multiprocessing
import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.errors import PipelineError

__all__ = ["Run", "in_child", "peak_mib", "resident_mib"]


@dataclass(frozen=True, slots=True)
class Run:
    """What a piece of work took.

    Attributes:
        seconds: by the clock on the wall.
        cpu_seconds: of all cores together.
        ready_mib: resident memory before it began: libraries and model.
        peak_mib: the most while it ran.
        result: what it gave.
    """

    seconds: float
    cpu_seconds: float
    ready_mib: float
    peak_mib: float
    result: Any

    @property
    def beyond_mib(self) -> float:
        """What the work itself needed, beyond libraries and model."""
        return self.peak_mib - self.ready_mib


def in_child(prepare: Callable[..., Callable[[], Any]], *arguments: Any) -> Run:
    """Run `prepare(*arguments)`, which loads what is needed and gives the work, then measure the work.

    Raises:
        PipelineError: the child failed; its last line is repeated.
    """
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(sender, prepare, arguments))
    process.start()
    sender.close()
    try:
        answer = receiver.recv()
    except EOFError:
        process.join()
        answer = f"ended with exit code {process.exitcode}"
    process.join()
    if not isinstance(answer, Run):
        raise PipelineError(f"the measured process failed: {answer}", where=prepare.__name__)
    return answer


def resident_mib() -> float:
    """Resident memory of this process, MiB; nan where the system does not tell (it is read from Linux' /proc)."""
    return _status_mib("VmRSS")


def peak_mib() -> float:
    """Its peak. Not getrusage: Linux hands a child the peak of the process that started it."""
    return _status_mib("VmHWM")


def _status_mib(name: str) -> float:
    status = Path("/proc/self/status")
    found = re.search(rf"{name}:\s*(\d+) kB", status.read_text()) if status.exists() else None
    return int(found[1]) / 1024 if found else float("nan")


def _child(sender: Any, prepare: Callable[..., Callable[[], Any]], arguments: tuple[Any, ...]) -> None:
    try:
        work = prepare(*arguments)
        ready = resident_mib()
        with suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")  # Linux: the peak begins anew
        start, cpu_start = time.perf_counter(), time.process_time()
        result = work()
        took = time.perf_counter() - start, time.process_time() - cpu_start
        sender.send(Run(*took, ready, peak_mib(), result))
    except Exception as error:  # told to the parent, which raises it
        sender.send(f"{type(error).__name__}: {' '.join(str(error).split())}")
