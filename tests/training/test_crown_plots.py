"""Labelled plots of the catalogue reach the verb that maps them, through its entry point."""

from importlib.metadata import entry_points

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from models.plots import PlotFigures
from pipelines.cli import evaluate as verb
from pipelines.errors import SurveyError
from training.crown_plots import labelled_plots
from training.errors import SourceError

CATALOGUE = """
ours: {title: Ours, licence: CC0-1.0, url: none, layout: yolo, path: ours, classes: {"0": crown}, labels: [crown],
       view: above, gsd_m: 0.1}
"""


@pytest.fixture
def where(tmp_path):
    for part in ("images", "labels"):
        (tmp_path / "ours" / "val" / part).mkdir(parents=True)
    for name in ("a", "b"):
        Image.fromarray(np.full((40, 80, 3), 90, np.uint8)).save(tmp_path / "ours/val/images" / f"{name}.png")
        (tmp_path / "ours/val/labels" / f"{name}.txt").write_text("0 0.5 0.5 0.25 0.5", encoding="utf-8")
    (tmp_path / "catalogue.yaml").write_text(CATALOGUE, encoding="utf-8")
    return {"data": tmp_path, "catalogue": tmp_path / "catalogue.yaml"}


def test_every_picture_of_a_split_is_a_plot_with_the_size_of_its_pixels(where):
    first, second = labelled_plots(["ours"], "val", **where)["ours"]
    assert (first.name, second.name, first.gsd_m) == ("a", "b", 0.1)
    np.testing.assert_allclose(first.xyxy, [[30, 10, 50, 30]])


def test_pictures_whose_pixels_have_no_known_size_are_no_plots(where):
    where["catalogue"].write_text(CATALOGUE.replace(", gsd_m: 0.1", ""), encoding="utf-8")
    with pytest.raises(SourceError, match="how large a pixel is on the ground"):
        labelled_plots(["ours"], "val", **where)


def test_the_installed_entry_point_is_this_reader():
    assert [entry.load() for entry in entry_points(group="michisora.plots")] == [labelled_plots]


def call(where, *arguments):
    options = ["--data", where["data"], "--catalogue", where["catalogue"], *arguments]
    return CliRunner().invoke(verb.forest, ["ours", *map(str, options)], catch_exceptions=False)


def test_only_the_pictures_of_a_list_are_mapped(where, tmp_path, monkeypatch):
    monkeypatch.setattr(
        verb,
        "judge_labelled",
        lambda plots, *_: [PlotFigures(one.name, 0.0032, 1, 1, precision=1.0, recall=1.0) for one in plots],
    )
    (tmp_path / "list.txt").write_text("images/val/b.jpg\n", encoding="utf-8")
    assert "ours: 2 plots" in call(where).output
    assert "ours: 1 plots" in call(where, "--pictures", tmp_path / "list.txt").output
    (tmp_path / "list.txt").write_text("c.jpg\n", encoding="utf-8")
    with pytest.raises(SurveyError, match="names none of the pictures"):
        call(where, "--pictures", tmp_path / "list.txt")
    with pytest.raises(SurveyError, match="the list cannot be read"):
        call(where, "--pictures", tmp_path / "absent.txt")


def test_a_truth_judges_one_map(where, tmp_path):
    result = CliRunner().invoke(verb.forest, ["a.gpkg", "b.gpkg", "--truth", str(tmp_path / "plots.gpkg")])
    assert result.exit_code == 2
    assert "--truth judges one map" in result.output
