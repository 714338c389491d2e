"""Archives from elsewhere, unpacked without trusting them: caps on size and number, no links, no paths elsewhere."""

import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from training.errors import FetchError

__all__ = ["Caps", "unpack"]

Progress = Callable[[int, int], None]
BLOCK = 1 << 20
NOISE = {"__MACOSX", ".DS_Store"}


@dataclass(frozen=True, slots=True)
class Caps:
    """What an archive may hold at most: bytes once unpacked, and files."""

    total_bytes: int = 64 << 30
    files: int = 2_000_000


@dataclass(frozen=True, slots=True)
class _Member:
    """A file of an archive: its `name`, the bytes it claims to have, and what opens it."""

    name: str
    size: int
    open: Callable[[], IO[bytes] | None]


def unpack(archive: Path, into: Path, caps: Caps, progress: Progress | None = None) -> list[Path]:
    """Unpack a ZIP or TAR archive whole or not at all; returns the top-level files and folders it gave.

    Args:
        archive: the file, told by its content.
        into: the folder, made where it is missing.
        caps: what the archive may hold at most; what it really holds is counted, not what it claims.
        progress: called with bytes written and in all (0 where the archive does not tell).

    Raises:
        FetchError: when it is no archive, breaks a cap, holds a path out of the folder or a link, or would overwrite.
    """
    staging = into / f".unpacking-{archive.name}"
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    try:
        _write_all(archive, staging, caps, progress)
        return _move_in(staging, into)
    except (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        remedy = "Free space on the disk, or fetch the archive again."
        raise FetchError(f"the archive cannot be unpacked ({reason})", where=archive, remedy=remedy) from error
    except RuntimeError as error:  # `zipfile`'s word for a password
        raise FetchError("the archive is locked with a password", where=archive) from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _write_all(archive: Path, staging: Path, caps: Caps, progress: Progress | None) -> None:
    written, total = 0, _claimed(archive)
    if total > caps.total_bytes:
        raise _too_large(archive, caps)
    for number, member in enumerate(_members(archive), start=1):
        target = staging / _inside(member.name, archive)
        target.parent.mkdir(parents=True, exist_ok=True)
        source = member.open()
        if source is None or number > caps.files:
            raise FetchError(f"the archive holds more than {caps.files} files, or one without content", where=archive)
        with source, target.open("xb") as file:
            while block := source.read(BLOCK):
                written += len(block)
                if written > caps.total_bytes:
                    raise _too_large(archive, caps)
                file.write(block)
        if progress is not None:
            progress(written, total)


def _move_in(staging: Path, into: Path) -> list[Path]:
    found = sorted(one for one in staging.iterdir() if one.name not in NOISE)
    present = next((into / one.name for one in found if (into / one.name).exists()), None)
    if present is not None:
        raise FetchError("this is there already", where=present, remedy="Move it away and fetch again.")
    return [one.rename(into / one.name) for one in found]


def _members(archive: Path) -> Iterator[_Member]:
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as file:
            for one in file.infolist():
                if stat.S_ISLNK(one.external_attr >> 16):
                    raise FetchError(f"the archive holds a link ({one.filename})", where=archive)
                if not one.is_dir():
                    yield _Member(one.filename, one.file_size, lambda one=one: file.open(one))  # type: ignore[misc]
    elif tarfile.is_tarfile(archive):
        with tarfile.open(archive) as tar:
            for member in tar:
                if not (member.isfile() or member.isdir()):
                    raise FetchError(f"the archive holds a link or device ({member.name})", where=archive)
                if member.isfile():
                    yield _Member(member.name, member.size, lambda one=member: tar.extractfile(one))  # type: ignore[misc]
    else:
        raise FetchError("this is no ZIP or TAR archive", where=archive, remedy="See whether its address still holds.")


def _claimed(archive: Path) -> int:
    """Bytes the archive says it holds; 0 for TAR, which tells only when read through."""
    if not zipfile.is_zipfile(archive):
        return 0
    with zipfile.ZipFile(archive) as file:
        return sum(one.file_size for one in file.infolist())


def _inside(name: str, archive: Path) -> PurePosixPath:
    path = PurePosixPath(name)
    # A backslash is a folder to Windows and a letter to all others; no data set has one for a good reason.
    if path.is_absolute() or ".." in path.parts or "\\" in name or not path.parts:
        raise FetchError(f"the archive holds a path out of its folder ({name})", where=archive)
    return path


def _too_large(archive: Path, caps: Caps) -> FetchError:
    what = f"the archive holds more than {caps.total_bytes / (1 << 30):.3g} GiB"
    return FetchError(what, where=archive, remedy="Allow more with --max-gib if you trust it.")
