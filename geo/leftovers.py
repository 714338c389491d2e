"""What killed processes left of files they were writing: `.NAME.HOST.PID.part`, and what GDAL or SQLite put beside.

Several machines may write into a folder on a network disk: whether a process lives is known of this machine's alone.
"""

import hashlib
import os
import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["part_of", "remove_leftovers"]

_HOST: Final = hashlib.blake2b(socket.gethostname().encode(), digest_size=3).hexdigest()
_PART: Final = re.compile(rf"\..+\.{_HOST}\.(\d{{1,9}})\.part.*", re.DOTALL)


def part_of(path: Path) -> Path:
    """The temporary name of a file that this process writes, beside it."""
    return path.with_name(f".{path.name}.{_HOST}.{os.getpid()}.part")


def remove_leftovers(folder: Path) -> None:
    """Remove the parts in a folder whose processes are no more; those of living processes and other machines stay."""
    for path, process in _parts(folder):
        if not _lives(process):
            with suppress(OSError):  # somebody else removed it, or it is not ours to remove
                path.unlink()


def _parts(folder: Path) -> Iterator[tuple[Path, int]]:
    with suppress(OSError), os.scandir(folder) as entries:  # no such folder, or not ours to read
        for entry in entries:
            found = _PART.fullmatch(entry.name)
            if found and entry.is_file(follow_symlinks=False):
                yield Path(entry.path), int(found[1])


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is somebody else's
        return True
    return True
