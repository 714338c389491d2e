"""The journal keeps whole shards only, and only those of the same work."""

import errno
import fcntl
import os
from pathlib import Path

import pyarrow as pa
import pytest

from pipelines.errors import JournalError, OutputError
from pipelines.journal import Journal, journal_key, sole_writer, writing_to

TABLE = pa.table({"frame": ["a", "b"], "score": pa.array([0.5, 0.25], pa.float32())})


def test_what_was_written_is_read_back(tmp_path):
    journal = Journal(tmp_path, "k")
    assert not journal.done("000000")
    journal.write("000000", TABLE)
    assert journal.done("000000")
    assert journal.read("000000").equals(TABLE)


def test_work_that_failed_for_the_machines_sake_is_not_done(tmp_path):
    journal = Journal(tmp_path, "k")
    journal.write("000000", TABLE.append_column("reason", pa.array(["", "unreadable"])))
    assert journal.done("000000") and journal.done("000000", ("undecodable",))
    assert not journal.done("000000", ("unreadable",))


def test_another_keys_work_is_neither_used_nor_kept(tmp_path):
    Journal(tmp_path, "old").write("000000", TABLE)
    journal = Journal(tmp_path, "new")
    assert not journal.done("000000")
    assert [entry.name for entry in tmp_path.iterdir()] == ["new"]


def test_the_same_keys_work_is_taken_up(tmp_path):
    Journal(tmp_path, "k").write("000000", TABLE)
    assert Journal(tmp_path, "k").done("000000")


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: data[: len(data) // 2],
        lambda data: b"",
        lambda data: data[:-1],
        lambda data: data[:4] + b"\0" * 30 + data[34:],
    ],
)
def test_a_damaged_shard_is_not_done(tmp_path, damage):
    journal = Journal(tmp_path, "k")
    journal.write("000000", TABLE)
    shard = next(tmp_path.rglob("*.parquet"))
    shard.write_bytes(damage(shard.read_bytes()))
    assert not journal.done("000000")
    with pytest.raises(JournalError, match="cannot be read back"):
        journal.read("000000")


def test_a_half_written_shard_is_removed_at_the_next_start(tmp_path):
    Journal(tmp_path, "k")
    partial = tmp_path / "k" / "000000.parquet.partial"
    partial.write_bytes(b"half")
    assert not Journal(tmp_path, "k").done("000000")
    assert not partial.exists()


def test_the_key_changes_with_every_part_and_not_with_their_order():
    parts = {"frames": "f", "weights": "w", "params": {"spacing_m": 4.0}}
    key = journal_key(parts)
    assert key == journal_key(dict(reversed(parts.items())))
    changed = [{**parts, "frames": "g"}, {**parts, "weights": "x"}, {**parts, "params": {"spacing_m": 5.0}}]
    assert len({key, *map(journal_key, changed)}) == 4


def test_a_full_disk_is_one_line_that_says_the_work_is_kept():
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    kept = r"no space left on device. Free some space and run the same command again"
    with pytest.raises(OutputError, match=kept), writing_to(full), full.open("wb", buffering=0) as stream:
        stream.write(b"x")


def test_an_unwritable_folder_is_one_line_with_the_remedy(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="Give another --out"):
        Journal(tmp_path / "file" / "work", "k")


def test_two_jobs_cannot_write_into_one_folder(tmp_path):
    second = sole_writer(tmp_path / ".work")
    with sole_writer(tmp_path / ".work"), pytest.raises(OutputError, match="another job is writing here"):
        second.__enter__()
    with sole_writer(tmp_path / ".work"):
        assert (tmp_path / ".work" / "lock").exists()


def test_a_job_that_ends_before_any_work_leaves_nothing_behind(tmp_path):
    work = tmp_path / ".work" / "out"
    with pytest.raises(ValueError, match="refused"), sole_writer(work):
        raise ValueError("refused")
    assert not list(tmp_path.iterdir())
    (tmp_path / ".work" / "other").mkdir(parents=True)
    with sole_writer(work):
        Journal(work / "segments", "k")
    assert (work / "segments" / "k").is_dir()


@pytest.mark.parametrize("again", [False, True])
def test_a_lock_that_was_removed_in_between_locks_nobody_out(again, tmp_path, monkeypatch):
    locked = fcntl.flock

    def late(stream, how):
        Path(stream.name).unlink()
        if again:
            Path(stream.name).touch()
        locked(stream, how)

    monkeypatch.setattr("pipelines.journal.fcntl.flock", late)
    with pytest.raises(OutputError, match="another job is writing here"), sole_writer(tmp_path):
        pass


def test_a_file_system_without_locks_is_said(tmp_path, monkeypatch):
    def refuse(*_args):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("pipelines.journal.fcntl.flock", refuse)
    with (
        pytest.raises(OutputError, match=r"locks no files \(no locks available\).*on a disk of this machine"),
        sole_writer(tmp_path),
    ):
        pass


def test_a_shard_is_handed_to_the_disk_whole(tmp_path, monkeypatch):
    flushed = []
    monkeypatch.setattr("pipelines.journal.flush", lambda descriptor: flushed.append(os.fstat(descriptor).st_size))
    Journal(tmp_path, "k").write("000000", TABLE)
    assert flushed[0] == next(tmp_path.rglob("*.parquet")).stat().st_size
