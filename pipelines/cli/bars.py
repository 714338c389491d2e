"""Progress for people: a bar with rate and time left on a terminal, nothing elsewhere but the summary."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import click
from tqdm import tqdm

__all__ = ["Progress", "progress_bar", "say"]

_DELAY_S = 2.0
"""Anything quicker needs no bar."""


class Progress(Protocol):
    """What core functions call: how many are done, of how many (0 when nobody knows)."""

    def __call__(self, done: int, total: int) -> None:
        """Report."""
        ...


@contextmanager
def progress_bar(title: str, unit: str) -> Iterator[Progress]:
    """A `progress(done, total)` that draws on stderr when that is a terminal, from two seconds on.

    Args:
        title: what is being done.
        unit: what is counted, for the rate ("frame" reads as `14.2frame/s`).
    """
    hidden = not sys.stderr.isatty()
    with tqdm(
        desc=title, unit=unit, delay=_DELAY_S, disable=hidden, leave=False, dynamic_ncols=True, file=sys.stderr
    ) as bar:

        def report(done: int, total: int) -> None:
            bar.total = total or None
            bar.update(done - bar.n)

        yield report


def say(line: str) -> None:
    """One line of summary on stderr: stdout is left to results."""
    click.echo(line, err=True)
