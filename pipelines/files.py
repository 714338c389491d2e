"""Writing a file so that a reader finds it whole or not at all, and files' names as text."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipelines.journal import flush_folder, writing_to

__all__ = ["as_text", "ready_to_write", "replacing"]


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path` that takes its place, flushed to the disk, when the block ends well.

    Raises:
        OutputError: no space, no permission.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with writing_to(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            yield temporary
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
            temporary.replace(path)
            flush_folder(path.parent)
    finally:
        with suppress(OSError):  # the folder itself may be what cannot be written
            temporary.unlink()


def ready_to_write(folder: Path) -> None:
    """Make a folder and try a file in it, so that one that cannot be written to is known before hours of work.

    Raises:
        OutputError: no space, no permission, or a file stands there.
    """
    probe = folder / f".{os.getpid()}.probe"
    with writing_to(folder):
        folder.mkdir(parents=True, exist_ok=True)
        try:
            probe.write_bytes(b"?")
        finally:
            probe.unlink(missing_ok=True)


def as_text(path: Path | str) -> str:
    r"""A path as text that every file can hold: a byte that is no UTF-8 as `\xe9`, and a backslash as two.

    Names from an old camera or a Windows archive may be in another encoding. Different paths give different texts.
    """
    return os.fsencode(str(path).replace("\\", "\\\\")).decode("utf-8", "backslashreplace")
