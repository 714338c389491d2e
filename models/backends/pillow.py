"""Pillow, kept as it is while ultralytics is imported."""

from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

__all__ = ["pillow_kept"]


@contextmanager
def pillow_kept() -> Iterator[None]:
    """Undo what an import within does to Pillow.

    Ultralytics replaces Pillow's `open` by one that runs pip when it meets a file that is no picture: a broken frame
    would reach for the network instead of being named.
    """
    before = Image.open
    try:
        yield
    finally:
        Image.open = before
