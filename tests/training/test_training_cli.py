"""The verbs say what they find in one line or one table, and need torch only where they train."""

import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
import yaml
from click.testing import CliRunner
from PIL import Image

from training.cli import evaluate, export, prepare, train
from training.errors import LicenceError, RecipeError, RunError, SourceError

RECIPE = """
task: road
architecture: yolo11n
classes: [D40, crack]
seed: 1
batch: 2
stages:
  - {name: a, epochs: 1, crops: 2, side_px: 64, rate: 0.001, final_rate: 0.001, sources: {ours: {weight: 1}}}
card:
  name: ours
  classes: [{name: D40, title_en: a, title_ja: b}, {name: crack, title_en: a, title_ja: b}]
  validation: [ours]
"""
CATALOGUE = """
ours: {title: Ours, licence: CC0-1.0, url: none, layout: yolo, path: ours, classes: {"0": D40}, labels: [D40],
       faults: [a little small]}
"""


@pytest.fixture
def arguments(tmp_path):
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for part in ("images", "labels"):
            (tmp_path / "ours" / split / part).mkdir(parents=True)
        Image.fromarray(rng.integers(0, 255, (64, 64, 3), np.uint8)).save(
            tmp_path / "ours" / split / "images" / "a.png"
        )
        (tmp_path / "ours" / split / "labels" / "a.txt").write_text("0 0.5 0.5 0.3 0.3", encoding="utf-8")
    (tmp_path / "recipe.yaml").write_text(RECIPE, encoding="utf-8")
    (tmp_path / "catalogue.yaml").write_text(CATALOGUE, encoding="utf-8")
    return ["road", "--data", str(tmp_path), "--catalogue", str(tmp_path / "catalogue.yaml")]


def call(verb, *arguments):
    return CliRunner().invoke(verb, [str(one) for one in arguments], catch_exceptions=False)


def test_prepare_counts_what_is_there_and_repeats_known_faults(arguments, tmp_path):
    out = tmp_path / "summary.json"
    result = call(prepare, *arguments, "--recipe", tmp_path / "recipe.yaml", "--json", out)
    summary = json.loads(out.read_text(encoding="utf-8"))
    assert json.loads(result.output) == summary
    assert summary["ours/train"]["boxes"] == {"D40": 1, "crack": 0}
    assert summary["ours/train"]["pictures_labelling"] == {"D40": 1, "crack": 0}
    assert summary["ours/val"]["faults"] == ["a little small"]
    assert "no picture that is learned from shows crack" in summary["notes"]
    assert any(note.startswith("ours: its entry tells no places") for note in summary["notes"])


def test_prepare_notes_a_class_without_a_box(arguments, tmp_path):
    (tmp_path / "ours/val/labels/a.txt").write_text("", encoding="utf-8")
    result = call(prepare, *arguments, "--recipe", tmp_path / "recipe.yaml")
    assert "ours/val: no box of D40, which the set labels" in json.loads(result.output)["notes"]


def test_prepare_notes_labels_that_become_no_box_and_those_that_are_there_twice(arguments, tmp_path):
    mapped = CATALOGUE.replace('{"0": D40}', '{"0": D40, "1": D04}').replace("path: ours", 'path: ours, ignored: ["9"]')
    (tmp_path / "catalogue.yaml").write_text(mapped, encoding="utf-8")
    box = "0.5 0.5 0.3 0.3"
    lines = [f"0 {box}", f"0 {box}", f"1 {box}", f"2 {box}", "2 0.1 0.1 0.2 0.2", f"9 {box}"]
    (tmp_path / "ours/train/labels/a.txt").write_text("\n".join(lines), encoding="utf-8")
    summary = json.loads(call(prepare, *arguments, "--recipe", tmp_path / "recipe.yaml").output)
    assert [note for note in summary["notes"] if note.startswith("ours/train")] == [
        "ours/train: 1 boxes are labelled twice, word by word, and count as two",
        "ours/train: 1 boxes of D04, which is no class of the recipe",
        "ours/train: 2 boxes of the label 2, which its entry maps to no class",
    ]
    assert summary["ours/train"]["boxes"]["D40"] == 2


def test_labels_may_be_numbers_and_a_class_misspelt_is_noted(arguments, tmp_path):
    entry = CATALOGUE.replace('"0": D40', "0: D40").replace("labels: [D40]", "labels: [d40]")
    (tmp_path / "catalogue.yaml").write_text(entry, encoding="utf-8")
    result = call(prepare, *arguments, "--recipe", tmp_path / "recipe.yaml")
    summary = json.loads(result.output)
    assert summary["ours/train"]["boxes"] == {"D40": 1, "crack": 0}
    assert "ours: `labels` of its entry names d40" in summary["notes"][-1]


def test_prepare_refuses_a_picture_cut_short(arguments, tmp_path):
    path = tmp_path / "ours/val/images/a.png"
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(SourceError, match=r"val/images/a\.png: the picture cannot be read"):
        call(prepare, *arguments, "--recipe", tmp_path / "recipe.yaml")


def test_prepare_refuses_a_place_on_both_sides(arguments, tmp_path):
    placed = CATALOGUE.replace("path: ours", "path: ours, place: '^(.)'")
    (tmp_path / "catalogue.yaml").write_text(placed, encoding="utf-8")
    with pytest.raises(SourceError, match="the place ours/a is in training data too"):
        call(prepare, *arguments, "--recipe", tmp_path / "recipe.yaml")


def test_prepare_refuses_a_picture_on_both_sides(arguments, tmp_path):
    shutil.copy(tmp_path / "ours/train/images/a.png", tmp_path / "ours/val/images/twin.png")
    with pytest.raises(SourceError, match="same picture"):
        call(prepare, *arguments, "--recipe", tmp_path / "recipe.yaml")


def test_an_impossible_recipe_is_named_by_its_field(arguments, tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text(RECIPE.replace("side_px: 64", "side_px: 65"), encoding="utf-8")
    with pytest.raises(RecipeError, match="side_px"):
        call(prepare, *arguments, "--recipe", path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("task: road\nclasses: [D40\nseed: 1", r"not valid YAML \(.+, line 3\)"),
        ("task: road\nmade: 2026-13-45", r"the recipe holds a value that cannot be \(month must be in 1..12"),
        ("", "the recipe says nothing"),
        ("- road", "the recipe says nothing"),
    ],
)
def test_what_is_no_recipe_is_told_with_its_line(arguments, tmp_path, text, told):
    (tmp_path / "recipe.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError, match=told):
        call(prepare, *arguments, "--recipe", tmp_path / "recipe.yaml")


def test_a_recipe_of_another_task_is_refused(arguments, tmp_path):
    _, *options = arguments
    with pytest.raises(RecipeError, match=r"the recipe is of road, not of crown"):
        call(prepare, "crown", *options, "--recipe", tmp_path / "recipe.yaml")


def test_export_before_training_says_what_to_run(arguments, tmp_path):
    pytest.importorskip("torch", reason="torch is not installed")
    with pytest.raises(RunError, match="michisora train"):
        call(export, *arguments, "--run", tmp_path / "none", "--out", tmp_path / "model")


def test_train_export_and_evaluate_follow_one_another(arguments, tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from training.network import build_network  # noqa: PLC0415

    torch.set_num_threads(1)
    base, run, model = tmp_path / "base.pt", tmp_path / "run", tmp_path / "model"
    torch.save(build_network("yolo11n", 80).state_dict(), base)
    by_recipe = [*arguments, "--recipe", tmp_path / "recipe.yaml"]
    call(train, *by_recipe, "--base", base, "--out", run)
    call(export, *by_recipe, "--run", run, "--out", model)
    other = RECIPE.replace("[D40, crack]", "[D40]").replace(", {name: crack, title_en: a, title_ja: b}", "")
    (tmp_path / "other.yaml").write_text(other, encoding="utf-8")
    with pytest.raises(RunError, match="the run here tells D40, crack; the recipe says D40"):
        call(export, *arguments, "--recipe", tmp_path / "other.yaml", "--run", run, "--out", tmp_path / "wrong")
    out = tmp_path / "figures.json"
    before = {one.name: one.read_bytes() for one in model.iterdir()}
    picture = tmp_path / "ours/val/images/a.png"
    whole = picture.read_bytes()
    picture.write_bytes(whole[:3000])
    for folder in (model, tmp_path / "half"):
        with pytest.raises(SourceError, match=r"val/images/a\.png: the picture cannot be read"):
            call(export, *by_recipe, "--run", run, "--out", folder)
    assert {one.name: one.read_bytes() for one in model.iterdir()} == before
    assert sorted(before) == ["card.yaml", "model.onnx"] and not list(tmp_path.glob("*half*"))
    picture.write_bytes(whole)
    task, *options = arguments
    result = call(evaluate, task, "ours", *options, "--model", model, "--precision", "f32", "--json", out)
    figures = json.loads(out.read_text(encoding="utf-8"))
    assert "ours: 1 pictures" in result.output and "pothole pictures" in result.output
    assert figures["ours"]["classes"]["D40"]["n"] == 1 and "crack" not in figures["ours"]["classes"]


def test_weights_are_known_by_what_they_were_taught_on_whatever_the_recipe_says_since(arguments, tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from training.network import build_network  # noqa: PLC0415

    torch.set_num_threads(1)
    base, run = tmp_path / "base.pt", tmp_path / "run"
    torch.save(build_network("yolo11n", 80).state_dict(), base)
    (tmp_path / "catalogue.yaml").write_text(
        CATALOGUE + CATALOGUE.replace("ours:", "theirs:").replace("CC0-1.0", "CC BY-NC 4.0"), encoding="utf-8"
    )
    (tmp_path / "theirs.yaml").write_text(RECIPE.replace("sources: {ours:", "sources: {theirs:"), encoding="utf-8")
    call(train, *arguments, "--recipe", tmp_path / "theirs.yaml", "--base", base, "--out", run)
    by_recipe = [*arguments, "--recipe", tmp_path / "recipe.yaml", "--run", run, "--out", tmp_path / "m"]
    with pytest.raises(LicenceError, match="weights taught on theirs may not be given away"):
        call(export, *by_recipe)
    call(export, *by_recipe, "--private")
    assert "CC BY-NC 4.0" in (tmp_path / "m" / "card.yaml").read_text(encoding="utf-8")
    # Nor do they become free by going on from the model with free pictures.
    onward = [*arguments, "--recipe", tmp_path / "recipe.yaml"]
    call(train, *onward, "--base", tmp_path / "m", "--out", tmp_path / "onward")
    with pytest.raises(LicenceError, match="may not be given away"):
        call(export, *onward, "--run", tmp_path / "onward", "--out", tmp_path / "free")
    call(export, *onward, "--run", tmp_path / "onward", "--out", tmp_path / "n", "--private")
    card = yaml.safe_load((tmp_path / "n" / "card.yaml").read_text(encoding="utf-8"))
    assert [one["licence"] for one in card["training"]] == ["CC0-1.0", "CC BY-NC 4.0"]
    with pytest.raises(RunError, match="base weights are absent"):
        call(train, *onward, "--base", tmp_path / "none", "--out", tmp_path / "no")


@pytest.mark.shared
def test_the_shipped_model_does_what_its_card_says(shared_data, tmp_path):
    out = tmp_path / "figures.json"
    call(evaluate, "road", "rdd2022_china_motorbike", "--data", shared_data, "--precision", "f32", "--json", out)
    from models.detector import open_detector  # noqa: PLC0415

    said = open_detector("road", precision="f32").card.metrics["rdd2022_china_motorbike"]
    found = json.loads(out.read_text(encoding="utf-8"))["rdd2022_china_motorbike"]
    assert found["map50"] == pytest.approx(said["map50"], abs=0.005)


def test_the_verbs_load_without_torch():
    code = "import sys, training.cli; sys.exit('torch' in sys.modules or 'ultralytics' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
