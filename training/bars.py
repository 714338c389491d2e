"""Progress on a terminal."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

__all__ = ["Progress", "bar"]

Progress = Callable[[int, int], None]
"""Called with what is done and what there is."""


@contextmanager
def bar(unit: str) -> Iterator[Progress]:
    """A bar with rate and time left, on a terminal alone."""
    with tqdm(unit=unit, unit_scale=unit == "B", disable=not sys.stderr.isatty()) as line:

        def progress(done: int, total: int) -> None:
            line.total = total
            line.update(done - line.n)

        yield progress
