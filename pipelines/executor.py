"""Work that reads ahead while the detector looks: readers → detector → results in the order of the items.

Readers prepare items in threads of their own and hand them on; the caller takes results in order. No more than `ahead`
items are anywhere in between, so memory does not grow with their number, and since each item is worked on by itself,
the results do not depend on how many readers there are.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from geo.errors import MichisoraError

__all__ = ["READERS", "run"]

T = TypeVar("T")
R = TypeVar("R")
Started = Callable[[], R]
"""Waits for what was started and gives its result."""

READERS = 2
"""Reading a picture takes about a tenth of the time of looking at it, so two readers feed many cores."""


def run(
    items: Iterable[T], start: Callable[[T], Started[R]], *, workers: int = READERS, ahead: int = 8
) -> Iterator[tuple[T, R | MichisoraError]]:
    """Work on items side by side, results in their order.

    Args:
        items: what is to be worked on; taken one by one as room becomes free.
        start: reads an item and queues it, in a reader's thread; what it returns is called in the caller's thread and
            waits for the result. A `MichisoraError` from either becomes the item's result: one bad item ends nothing.
        workers: readers.
        ahead: items begun and not yet taken; as many as keep readers and detector busy.

    Yields:
        Each item and its result, or the error that kept it from one.
    """
    waiting: deque[tuple[T, Future[Started[R]]]] = deque()
    with ThreadPoolExecutor(max_workers=max(1, workers), thread_name_prefix="reader") as readers:
        try:
            for item in items:
                waiting.append((item, readers.submit(start, item)))
                if len(waiting) > max(ahead, workers):
                    done = _finished(waiting.popleft())
                    yield done
            while waiting:
                last = _finished(waiting.popleft())
                yield last
        finally:
            for _, reading in waiting:
                reading.cancel()


def _finished(begun: tuple[T, Future[Started[R]]]) -> tuple[T, R | MichisoraError]:
    item, reading = begun
    outcome: R | MichisoraError
    try:
        outcome = reading.result()()
    except MichisoraError as error:
        outcome = error
    return item, outcome
