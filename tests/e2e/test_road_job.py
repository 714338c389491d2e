"""The whole road job: equal bytes whatever happens to it, one line for each thing that can be wrong with a survey."""

import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import geopandas as gpd
import pytest
import yaml
from PIL import Image

from pipelines.edited import work_folder
from pipelines.sample.write import SampleParams, write_sample

N_FRAMES = 14


@pytest.fixture(scope="module")
def survey(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sample")
    write_sample(folder, SampleParams(frames=N_FRAMES))
    return folder


@pytest.fixture(scope="module")
def params(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("params") / "params.yaml"
    path.write_text(yaml.safe_dump({"road": {"drive": {"segment_frames": 3}}}))
    return path


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-c", "from pipelines.cli.main import main; main()", *map(str, arguments)]


def road(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command("road", *arguments), capture_output=True, text=True, check=False)


def products(out: Path) -> dict[str, str]:
    files = (path for path in sorted(out.rglob("*")) if path.is_file())
    return {str(path.relative_to(out)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def undisturbed(survey, params, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("undisturbed") / "out"
    done = road(survey, "--out", out, "--params", params)
    assert done.returncode == 0, done.stderr
    assert f"{N_FRAMES} frames" in done.stderr
    assert str(out / "road.gpkg") in done.stdout
    return out


def test_everything_a_crew_gets_is_there(undisturbed):
    names = set(products(undisturbed))
    assert {"road.gpkg", "repair_list.html", "repair_list.xlsx", "repair_list_ja.pdf", "map_en.png"} <= names
    assert set(gpd.list_layers(undisturbed / "road.gpkg")["name"]) >= {
        *("defects", "sections", "observations", "track", "coverage", "rejected")
    }


def test_another_number_of_readers_gives_the_same_bytes(survey, params, undisturbed, tmp_path):
    assert road(survey, "--out", tmp_path / "out", "--params", params, "--workers", 4).returncode == 0
    assert products(tmp_path / "out") == products(undisturbed)


def test_killed_while_looking_and_while_publishing_it_ends_with_the_same_bytes(survey, params, undisturbed, tmp_path):
    out = tmp_path / "out"
    chance = random.Random(3)

    def looking() -> bool:
        return any(work_folder(out).rglob("*.parquet"))

    def publishing() -> bool:
        return any((out / ".publishing").rglob("*.png"))

    for begun in (looking, publishing):
        process = subprocess.Popen(command("road", survey, "--out", out, "--params", params), stderr=subprocess.DEVNULL)
        while process.poll() is None and not begun():
            time.sleep(0.005)
        time.sleep(chance.uniform(0, 0.2))
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert road(survey, "--out", out, "--params", params).returncode == 0
    assert products(out) == products(undisturbed)


def test_results_that_people_edited_are_not_overwritten(survey, params, undisturbed, tmp_path):
    out = tmp_path / "out"
    shutil.copytree(undisturbed, out)
    shutil.copytree(work_folder(undisturbed), work_folder(out))
    with (out / "road.gpkg").open("ab") as stream:
        stream.write(b"\0")
    refused = road(survey, "--out", out, "--params", params)
    assert refused.returncode == 2
    assert "the results were edited since they were written" in refused.stderr
    assert "--previous" in refused.stderr


@pytest.fixture
def drive(survey, tmp_path) -> Path:
    folder = tmp_path / "drive"
    shutil.copytree(survey, folder)
    return folder


def change(folder: Path, **keys: object) -> Path:
    path = folder / "survey.yaml"
    manifest = {**yaml.safe_load(path.read_text()), **keys}
    path.write_text(yaml.safe_dump({key: value for key, value in manifest.items() if value is not None}))
    return folder


def empty_frames(folder: Path) -> None:
    shutil.rmtree(folder / "frames")
    (folder / "frames").mkdir()


def shift_a_day(folder: Path) -> None:
    change(folder, clock_offset_s=86400.0)


def forget_the_timezone(folder: Path) -> None:
    change(folder, clock_offset_s=32400.0)


def drop_the_track(folder: Path) -> None:
    change(folder, track=None)


def forget_the_height(folder: Path) -> None:
    change(folder, camera={"hfov_deg": 80})


def roads_without_crs(folder: Path) -> None:
    roads = gpd.read_file(folder / "roads.gpkg").set_crs(None, allow_override=True)
    with pytest.warns(UserWarning, match="crs"):
        roads.to_file(folder / "nowhere.gpkg")
    change(folder, roads="nowhere.gpkg")


def roads_elsewhere(folder: Path) -> None:
    roads = gpd.read_file(folder / "roads.gpkg").translate(500_000)
    gpd.GeoDataFrame(geometry=roads).to_file(folder / "far.gpkg")
    change(folder, roads="far.gpkg")


def ruin_all_frames(folder: Path) -> None:
    for path in (folder / "frames").glob("*.jpg"):
        path.write_bytes(path.read_bytes()[:3000])


@pytest.mark.parametrize(
    ("spoil", "line"),
    [
        (empty_frames, "no frames here"),
        (drop_the_track, "no GPS: no track is given and the frames carry no positions"),
        (shift_a_day, "find it at a landmark"),
        (forget_the_timezone, "moved by -9 h"),
        (forget_the_height, "the camera's height is missing"),
        (roads_without_crs, "coordinate reference system"),
        (roads_elsewhere, "the roads lie"),
        (ruin_all_frames, "not one of the frames can be read"),
    ],
)
def test_a_survey_that_cannot_be_used_is_refused_in_one_line(drive, tmp_path, spoil, line):
    spoil(drive)
    refused = road(drive, "--out", tmp_path / "out")
    assert refused.returncode == 2, refused.stderr
    assert line in refused.stderr
    assert refused.stderr.startswith("error: ")
    assert refused.stderr.count("\n") == 1


def test_bad_frames_are_left_out_and_listed(drive, tmp_path):
    frames = sorted((drive / "frames").glob("*.jpg"))
    header = frames[1].read_bytes()
    frames[1].write_bytes(header[: len(header) * 2 // 3])
    small = Image.open(frames[3])
    small.crop((0, 0, 500, 500)).save(frames[3], exif=small.getexif())
    (drive / "frames" / "zz_empty.jpg").touch()
    (drive / "frames" / "zz_text.jpg").write_text("no picture")
    done = road(drive, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    rejected = gpd.read_file(tmp_path / "out" / "road.gpkg", layer="rejected").set_index("item")["reason"]
    assert rejected[frames[1].name] == "truncated"
    assert rejected[frames[3].name] == "other_shape"
    assert {"zz_empty.jpg", "zz_text.jpg"} <= set(rejected.index)


def test_an_output_that_cannot_be_written_is_one_line(survey, tmp_path):
    (tmp_path / "file").touch()
    refused = road(survey, "--out", tmp_path / "file" / "out")
    assert refused.returncode == 2
    assert "Give another --out" in refused.stderr


def test_a_full_disk_is_one_line_and_keeps_what_is_done(survey, tmp_path):
    """A limit on the size of files stands for the full disk: the system refuses the write at the same place."""
    limited = [
        "sh",
        "-c",
        'trap "" XFSZ; ulimit -f 40; exec "$@"',
        "sh",
        *command("road", survey, "--out", tmp_path / "out"),
    ]
    refused = subprocess.run(
        limited, capture_output=True, text=True, check=False, env={**os.environ, "TMPDIR": str(tmp_path)}
    )
    assert refused.returncode == 2, refused.stderr
    assert "Traceback" not in refused.stderr
    assert any(work_folder(tmp_path / "out").rglob("*.parquet"))


def test_weights_that_are_not_the_cards_are_refused(survey, tmp_path, checkout):
    model = tmp_path / "model"
    shutil.copytree(checkout / "models" / "weights" / "road", model)
    with (model / "model.onnx").open("ab") as stream:
        stream.write(b"\0")
    refused = road(survey, "--out", tmp_path / "out", "--model", model)
    assert refused.returncode == 2
    assert "the weights are not those of the card" in refused.stderr
