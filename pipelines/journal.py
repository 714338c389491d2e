"""What a job has already done, so that a killed run goes on where it stopped.

One Parquet shard per segment, written under a temporary name, flushed to the disk and renamed: a shard is whole or
absent. Shards lie in `FOLDER/<key>/`; the key is a hash of everything that decides their bytes, so work done from other
input, other weights or other parameters is never taken up. It is removed when the next job starts.
"""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.errors import JournalError, OutputError

FORMAT_VERSION: Final = 1
WORK: Final = ".work"
"""Folder of the working folders, beside the products."""
_TEMPORARY = ".partial"


def journal_key(parts: Mapping[str, object]) -> str:
    """A short hash of what decides the work's bytes.

    Args:
        parts: JSON-serialisable facts: input hash, weights hash, parameters.
    """
    text = json.dumps({"format": FORMAT_VERSION, **parts}, sort_keys=True, ensure_ascii=False)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()


class Journal:
    """Shards of one job.

    Args:
        folder: the working folder; one subfolder per key.
        key: from `journal_key`.

    Raises:
        OutputError: the folder cannot be written.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self._folder = folder / key
        with writing_to(folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            _remove_stale(folder, keep=key)

    def done(self, segment: str, again: Collection[str] = ()) -> bool:
        """Whether a segment's shard is there, can be read to its end, and needs no second try.

        Args:
            segment: which.
            again: values of the column `reason` that may have been the machine's fault and not the input's: a disk or
                a network that failed for a moment. A shard with a row of one of them is not done.
        """
        try:
            table = pq.read_table(self._path(segment))
        except (OSError, pa.ArrowException):
            return False
        return not again or set(again).isdisjoint(table["reason"].to_pylist())

    def write(self, segment: str, table: pa.Table) -> None:
        """Keep a segment's result; afterwards it survives a kill or a power cut.

        Raises:
            OutputError: the disk is full or the folder cannot be written.
        """
        path = self._path(segment)
        with writing_to(path):
            partial = path.with_name(path.name + _TEMPORARY)
            with partial.open("wb") as stream:
                pq.write_table(table, stream, compression="zstd")
                stream.flush()
                flush(stream.fileno())
            partial.replace(path)
            flush_folder(path.parent)

    def read(self, segment: str) -> pa.Table:
        """A finished segment's result.

        Raises:
            JournalError: the shard is absent or damaged.
        """
        path = self._path(segment)
        try:
            return pq.read_table(path)
        except (OSError, pa.ArrowException) as error:
            raise JournalError(f"a finished segment cannot be read back: {error}", where=path) from error

    def _path(self, segment: str) -> Path:
        return self._folder / f"{segment}.parquet"


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Hold a folder for one job; the kernel lets go of it even when the job is killed.

    A job that keeps nothing in it leaves no folder behind.

    Raises:
        OutputError: another job is writing here, or the folder cannot be written.
    """
    lock = folder / "lock"
    with writing_to(folder):
        folder.mkdir(parents=True, exist_ok=True)
        stream = lock.open("w")
    with stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # One that was removed since it was opened locks nobody out.
            if not os.path.samestat(os.fstat(stream.fileno()), lock.stat()):
                raise BlockingIOError
        except (BlockingIOError, FileNotFoundError) as error:
            raise OutputError(
                "another job is writing here", where=folder.parent, remedy="Wait for it, or give another --out"
            ) from error
        except OSError as error:
            what = f"this file system locks no files ({(error.strerror or str(error)).lower()})"
            raise OutputError(what, where=folder.parent, remedy="Give an --out on a disk of this machine") from error
        try:
            yield
        finally:
            if list(folder.iterdir()) == [lock]:
                lock.unlink()
                _remove_empty(folder)


def _remove_empty(folder: Path) -> None:
    """The folder, and the one that all work lies in where it was the last in it."""
    with suppress(OSError):
        folder.rmdir()
        if folder.parent.name == WORK:
            folder.parent.rmdir()


@contextmanager
def writing_to(path: Path) -> Iterator[None]:
    """Turn the system's refusals to write into one line that says which folder and what to do.

    Raises:
        OutputError: no space, no permission, no such folder.
    """
    try:
        yield
    except OSError as error:
        remedy = "Free some space and run the same command again: what is done is kept"
        if error.errno not in {28, 122}:  # ENOSPC, EDQUOT
            remedy = "Give another --out, or make this one writable"
        raise OutputError(
            f"cannot be written: {(error.strerror or str(error)).lower()}", where=error.filename or path, remedy=remedy
        ) from error


def flush(descriptor: int) -> None:
    """Hand a file's bytes to the disk."""
    os.fsync(descriptor)


def flush_folder(folder: Path) -> None:
    """Hand a folder's names to the disk: without it a rename can be lost in a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove_stale(folder: Path, keep: str) -> None:
    """Remove other keys' shards, and shards that were being written when a job was killed."""
    for entry in folder.iterdir():
        if entry.is_dir() and entry.name != keep:
            shutil.rmtree(entry, ignore_errors=True)
    for partial in (folder / keep).glob(f"*{_TEMPORARY}"):
        partial.unlink(missing_ok=True)
