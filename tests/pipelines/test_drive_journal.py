"""A drive survives bad frames, any number of readers, and kill −9 at any moment."""

import errno
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.detector import known_tasks, open_detector
from pipelines import drive
from pipelines.drive import DriveParams, Looking, detect_drive, detection_key
from pipelines.errors import SurveyError
from pipelines.frames import open_frames, pictures
from pipelines.journal import Journal

PARAMS = DriveParams(segment_frames=3)
N_FRAMES = 24

pytestmark = pytest.mark.skipif("road" not in known_tasks(), reason="the road weights are not in this checkout")

LOOK = """
import sys
from pathlib import Path
sys.path.insert(0, {here!r})
from test_drive_journal import look
look(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def look(frames: Path, work: Path, workers: int = 2, counted: list[int] | None = None):
    with open_frames(frames) as source, open_detector("road", threads=2) as detector:
        indices = np.arange(len(source))
        looking = Looking.of(detector, workers=workers)
        journal = Journal(work, detection_key(source, indices, looking, PARAMS))

        def progress(done: int, total: int) -> None:
            if counted is not None:
                counted.append(done)

        return detect_drive(source, indices, looking, journal, PARAMS, progress=progress)


def shards(work: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(work.rglob("*.parquet"))}


@pytest.fixture(scope="module")
def frames(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("drive") / "frames"
    folder.mkdir()
    random_numbers = np.random.default_rng(5)
    for number in range(N_FRAMES):
        road = random_numbers.normal(110, 12, (160, 256, 3)).clip(0, 255).astype(np.uint8)
        road[60:110, 40 + number : 140 + number] //= 3
        Image.fromarray(road).save(folder / f"{number:03d}.jpg", quality=90)
    return folder


@pytest.fixture(scope="module")
def undisturbed(frames, tmp_path_factory) -> dict[str, bytes]:
    work = tmp_path_factory.mktemp("undisturbed")
    look(frames, work)
    return shards(work)


def test_every_frame_is_looked_at_once_in_order(frames, tmp_path):
    found = look(frames, tmp_path)
    assert list(found.frames["frame"]) == [f"{number:03d}.jpg" for number in range(N_FRAMES)]
    assert found.frames["n_boxes"].sum() == len(found.boxes)
    assert found.rejected.empty


@pytest.mark.parametrize("workers", [1, 4])
def test_any_number_of_readers_gives_the_same_bytes(frames, tmp_path, undisturbed, workers):
    look(frames, tmp_path, workers)
    assert shards(tmp_path) == undisturbed


def test_a_second_run_looks_at_nothing_again(frames, tmp_path):
    first = look(frames, tmp_path)
    counted: list[int] = []
    second = look(frames, tmp_path, counted=counted)
    assert counted == [N_FRAMES]
    assert second.boxes.equals(first.boxes)


def test_a_changed_frame_makes_old_work_void(frames, tmp_path):
    copy = tmp_path / "frames"
    copy.mkdir()
    for path in frames.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    look(copy, tmp_path / "work")
    Image.new("RGB", (256, 160)).save(copy / "000.jpg")
    counted: list[int] = []
    look(copy, tmp_path / "work", counted=counted)
    assert counted[0] == 0


def test_bad_frames_are_listed_and_end_nothing(frames, tmp_path):
    drive = tmp_path / "frames"
    drive.mkdir()
    whole = (frames / "000.jpg").read_bytes()
    (drive / "0.jpg").write_bytes(whole)
    (drive / "1_cut.jpg").write_bytes(whole[: len(whole) // 2])
    (drive / "2_empty.jpg").touch()
    (drive / "3_text.jpg").write_text("no picture")
    Image.new("1", (20000, 15000)).save(drive / "4_bomb.png")
    (drive / "5.jpg").write_bytes(whole)
    found = look(drive, tmp_path / "work")
    assert list(found.frames["frame"]) == ["0.jpg", "5.jpg"]
    assert dict(zip(found.rejected["item"], found.rejected["reason"], strict=True)) == {
        "1_cut.jpg": "truncated",
        "2_empty.jpg": "empty",
        "3_text.jpg": "not_an_image",
        "4_bomb.png": "too_many_pixels",
    }
    assert str(tmp_path) not in " ".join(found.rejected["detail"])


def stuttering(monkeypatch, error: BaseException, *names: str) -> None:
    """Pictures of these names cannot be read."""

    def opened(path: Path, **how: object) -> Image.Image:
        if path.name in names:
            raise error
        return Image.open(path, **how)

    monkeypatch.setattr(pictures, "open_image", opened)


def test_what_a_disk_did_not_give_for_a_moment_is_looked_at_by_the_next_run(frames, tmp_path, monkeypatch, undisturbed):
    stuttering(monkeypatch, OSError(errno.EIO, "Input/output error"), "002.jpg", "003.jpg", "020.jpg")
    first = look(frames, tmp_path)
    assert first.rejected["item"].tolist() == ["002.jpg", "003.jpg", "020.jpg"]
    assert set(first.rejected["reason"]) == {"unreadable"}
    stuttering(monkeypatch, OSError())
    counted: list[int] = []
    assert look(frames, tmp_path, counted=counted).rejected.empty
    assert counted[0] == N_FRAMES - 3 * PARAMS.segment_frames, "other segments are taken as they are"
    assert shards(tmp_path) == undisturbed


def test_a_machine_without_memory_is_no_damaged_picture(frames, tmp_path, monkeypatch, undisturbed):
    stuttering(monkeypatch, MemoryError(), "010.jpg")
    with pytest.raises(MemoryError):
        look(frames, tmp_path)
    stuttering(monkeypatch, OSError())
    look(frames, tmp_path)
    assert shards(tmp_path) == undisturbed


def test_a_drive_that_is_no_longer_there_ends_the_run_and_not_the_survey(frames, tmp_path, monkeypatch, undisturbed):
    monkeypatch.setattr(drive, "_MOST_UNREADABLE", 5)
    gone = [f"{number:03d}.jpg" for number in range(8, N_FRAMES)]
    stuttering(monkeypatch, OSError(errno.ENODEV, "No such device"), *gone)
    with pytest.raises(SurveyError, match=r"5 frames on end: .*No such device.*what is done is kept"):
        look(frames, tmp_path)
    stuttering(monkeypatch, OSError())
    look(frames, tmp_path)
    assert shards(tmp_path) == undisturbed


def test_killed_at_any_moment_and_run_again_the_bytes_are_those_of_an_undisturbed_run(frames, tmp_path, undisturbed):
    script = LOOK.format(here=str(Path(__file__).parent))
    chance = random.Random(11)
    killed = 0
    for _ in range(3):
        before = len(shards(tmp_path))
        process = subprocess.Popen([sys.executable, "-c", script, str(frames), str(tmp_path)])
        # Wait for the first work of this run, then strike at a random moment soon after it.
        while process.poll() is None and len(shards(tmp_path)) == before:
            time.sleep(0.002)
        time.sleep(chance.uniform(0, 0.1))
        process.send_signal(signal.SIGKILL)
        killed += process.wait() == -signal.SIGKILL
        kept = shards(tmp_path)
        assert all(undisturbed[name] == content for name, content in kept.items())
    assert killed
    counted: list[int] = []
    look(frames, tmp_path, counted=counted)
    assert shards(tmp_path) == undisturbed
    assert counted[0] >= PARAMS.segment_frames * len(kept)
    assert not list(tmp_path.rglob("*.partial"))
