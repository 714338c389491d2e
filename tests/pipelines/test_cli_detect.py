import os
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from pipelines.cli.detect import COLUMNS, detect
from pipelines.errors import OutputError

sys.path.append(str(Path(__file__).parents[1] / "models"))

from spot_network import write_spot_model


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that scores each 32 px cell by its red and its green, both from 0.5 on."""
    return write_spot_model(tmp_path_factory.mktemp("spots"))


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """Four pictures, dim all over (below the threshold) but for one red cell in column `number`."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for number in range(4):
        pixels = np.full((96, 150, 3), (60, 0, 0), np.uint8)
        pixels[32:64, 32 * number : 32 * number + 32] = (255, 0, 0)
        Image.fromarray(pixels).save(folder / f"{number}.jpg", quality=95)
    return folder


def run(*arguments: object) -> None:
    outcome = CliRunner().invoke(detect, [str(one) for one in arguments])
    if outcome.exception is not None:
        raise outcome.exception


def test_the_table_has_the_columns_promised_and_the_boxes_of_each_frame(model, frames, tmp_path):
    out = tmp_path / "boxes.parquet"
    run(model, frames, "--out", out)
    table = pd.read_parquet(out)
    assert list(table.columns) == COLUMNS
    assert table["frame"].tolist() == [f"{number}.jpg" for number in range(4)]
    assert table["source"].tolist() == [str(frames / f"{number}.jpg") for number in range(4)]
    assert table[["x1", "y1", "x2", "y2"]].to_numpy().tolist() == [[32 * n, 32, 32 * n + 32, 64] for n in range(4)]
    assert set(table["class"]) == {"red"}
    assert (table["score"] > 0.9).all()


def test_a_table_under_another_suffix_than_its_format_s_is_refused(model, frames, tmp_path):
    with pytest.raises(OutputError, match=r"boxes are written as Parquet alone.*boxes\.parquet") as refused:
        run(model, frames, "--out", tmp_path / "boxes.csv")
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "boxes.csv").exists()


def test_all_lists_what_stays_below_the_threshold_too(model, frames, tmp_path):
    out = tmp_path / "boxes.parquet"
    run(model, frames, "--out", out, "--all")
    table = pd.read_parquet(out)
    red = table[table["class"] == "red"]
    assert len(red) == 4 * 3 * 5
    assert (red["score"] < 0.5).sum() == 4 * 14
    assert table["x2"].max() == 150


def test_equal_input_gives_equal_bytes(model, frames, tmp_path):
    outs = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    for out in outs:
        run(model, frames, "--out", out, "--all")
    assert outs[0].read_bytes() == outs[1].read_bytes()


def test_a_bad_file_ends_in_the_list_and_not_the_run(model, frames, tmp_path):
    (frames / "2.jpg").write_bytes(b"")
    out = tmp_path / "boxes.parquet"
    run(model, frames, "--out", out, "--all", "--pictures", tmp_path / "drawn")
    rejected = pd.read_csv(tmp_path / "boxes.rejected.csv")
    assert rejected[["item", "reason"]].to_numpy().tolist() == [["2.jpg", "empty"]]
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["0.jpg", "1.jpg", "3.jpg"]


def test_nothing_readable_is_an_error_that_says_where_to_look(model, tmp_path):
    (tmp_path / "only.jpg").write_bytes(b"text")
    with pytest.raises(OutputError, match="rejected"):
        run(model, tmp_path / "only.jpg", "--out", tmp_path / "boxes.parquet")


def test_an_unwritable_output_is_one_line_and_leaves_no_half_file(model, frames, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OutputError):
        run(model, frames, "--out", tmp_path / "file" / "boxes.parquet")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "frames"]


def test_drawings_lie_outside_what_they_are_drawn_from(model, frames, tmp_path):
    before = {path.name: path.read_bytes() for path in frames.iterdir()}
    (tmp_path / "linked").symlink_to(frames)
    for folder in (frames, tmp_path / "linked", frames / "boxes"):
        with pytest.raises(OutputError, match="take them for frames"):
            run(model, frames, "--out", tmp_path / "boxes.parquet", "--pictures", folder)
    with pytest.raises(OutputError, match="written over"):
        run(model, frames / "1.jpg", "--out", tmp_path / "boxes.parquet", "--pictures", frames)
    (tmp_path / "again.parquet").hardlink_to(frames / "1.jpg")
    with pytest.raises(OutputError, match="written over"):
        run(model, frames, "--out", tmp_path / "again.parquet")
    assert {path.name: path.read_bytes() for path in frames.iterdir()} == before


def test_frames_of_like_names_get_a_drawing_each(model, frames, tmp_path):
    (frames / "a").mkdir()
    for number, name in enumerate(["a/b.jpg", "a_b.jpg", "A_b.jpg", "c.png", "c.png.jpg"]):
        Image.new("RGB", (40, 40), (60 * number, 0, 0)).save(frames / name)
    run(model, frames, "--out", tmp_path / "boxes.parquet", "--pictures", tmp_path / "drawn")
    drawn = sorted(path.name for path in (tmp_path / "drawn").iterdir())
    assert drawn == sorted(
        [*("0.jpg", "1.jpg", "2.jpg", "3.jpg"), "a_b.jpg", "A_b-2.jpg", "a_b-3.jpg", "c.png.jpg", "c.png-2.jpg"]
    )


def test_names_that_are_no_utf8_are_written_escaped(model, frames, tmp_path):
    (frames / "0.jpg").rename(frames / os.fsdecode(b"road\xe9.jpg"))
    (frames / "1.jpg").rename(frames / r"road\xe9.jpg")
    (frames / os.fsdecode(b"\xe9.mp4")).write_bytes(b"no video")
    run(model, frames, "--out", tmp_path / "boxes.parquet", "--pictures", tmp_path / "drawn")
    table = pd.read_parquet(tmp_path / "boxes.parquet")
    assert sorted(table["frame"]) == ["2.jpg", "3.jpg", r"road\\xe9.jpg", r"road\xe9.jpg"]
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == sorted(table["frame"])
    assert pd.read_csv(tmp_path / "boxes.rejected.csv")["item"].tolist() == [str(frames / r"\xe9.mp4")]
