"""Files written whole or not at all, what tells them apart, their names as text, and what people wrote by hand."""

import hashlib
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from geo.leftovers import part_of, remove_leftovers
from pipelines.journal import flush_folder, writing_to

__all__ = ["HASHED_WHOLE", "as_text", "content_of", "ready_to_write", "replacing"]

HASHED_WHOLE: Final = 64 * 2**20
_SAMPLE_BYTES: Final = 2**16

_NO_TEXT: Final = re.compile("[\x00-\x1f\x7f\ufffe\uffff]")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place, flushed to the disk, when the block ends well.

    What killed processes left half-written in the folder is removed when the first file is written there.

    Raises:
        OutputError: no space, no permission.
    """
    temporary = part_of(path)
    try:
        with writing_to(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            _tidied(path.parent.resolve())
            yield temporary
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
            flush_folder(path.parent)
    finally:
        with suppress(OSError):  # the folder itself may be what cannot be written
            temporary.unlink()


@cache
def _tidied(folder: Path) -> None:
    """Once a process: a folder may hold thousands of photos."""
    remove_leftovers(folder)


def ready_to_write(folder: Path) -> None:
    """Try a file in a folder, so that one that cannot be written to is known before hours of work.

    A folder that was not there is not there afterwards: what is refused next leaves nothing behind. What killed
    processes left half-written in it is removed.

    Raises:
        OutputError: no space, no permission, or a file stands there.
    """
    probe = folder / f".{os.getpid()}.probe"
    new = not folder.exists()
    with writing_to(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            probe.write_bytes(b"?")
        finally:
            probe.unlink(missing_ok=True)
            if new:
                folder.rmdir()
    remove_leftovers(folder)


def as_text(path: Path | str) -> str:
    r"""A path as text that every file can hold: a byte that is no UTF-8 as `\xe9`, a control character as `\x08`.

    A backslash is two, so that different paths give different texts.

    Names from an old camera or a Windows archive may be in another encoding.
    """
    text = os.fsencode(str(path).replace("\\", "\\\\")).decode("utf-8", "backslashreplace")
    return _NO_TEXT.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def content_of(path: Path) -> str:
    """What identifies a file, 32 hexadecimal digits: all of it up to 64 MiB, else its size, its ends and 512 samples.

    An orthophoto or a video of tens of gigabytes takes minutes to read; two of equal size that differ in none of the
    samples are the same file. Neither name nor time counts, so that a copy is the same file.
    """
    size = path.stat().st_size
    digest = hashlib.blake2b(str(size).encode(), digest_size=16)
    with path.open("rb") as stream:
        if size <= HASHED_WHOLE:
            digest.update(stream.read())
        else:
            for place in np.linspace(0, size - _SAMPLE_BYTES, 514).astype(np.int64).tolist():
                stream.seek(place)
                digest.update(stream.read(_SAMPLE_BYTES))
    return digest.hexdigest()
