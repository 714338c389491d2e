"""Models of one task side by side: what they are worth, and what they cost."""

import json
import sys
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from models.card import TilesCard, load_card, write_card
from training.cost import Terms, as_table, weigh
from training.errors import RecipeError, RunError
from training.recipe import CardPart
from training.sources.catalogue import Source
from training.sources.samples import Sets
from training.weighing import sweep
from training.weighing import weigh as verb

sys.path.append(str(Path(__file__).parents[1] / "models"))
pytest.importorskip("onnx", reason="onnx is not installed")
from spot_network import write_spot_model

SOURCE = {
    "title": "Spots",
    "licence": "CC0-1.0",
    "url": "none",
    "layout": "yolo",
    "path": "spots",
    "place": r"^(\d+)$",
    "classes": {"0": "red"},
    "labels": ["red"],
}
CLASSES = [{"name": name, "title_en": name, "title_ja": name} for name in ("red", "green")]
PART = CardPart.model_validate({"name": "spots", "classes": CLASSES, "validation": ["spots"]})


@pytest.fixture
def sets(tmp_path):
    for part in ("images", "labels"):
        (tmp_path / "spots" / "val" / part).mkdir(parents=True)
    for number in range(4):
        pixels = np.zeros((256, 320, 3), np.uint8)
        pixels[:32, :32, 0] = 255 - number
        Image.fromarray(pixels).save(tmp_path / "spots" / "val" / "images" / f"{number}.png")
        line = f"0 {16 / 320} {16 / 256} {32 / 320} {32 / 256}"
        (tmp_path / "spots" / "val" / "labels" / f"{number}.txt").write_text(line, encoding="utf-8")
    return Sets({"spots": Source.model_validate(SOURCE)}, tmp_path)


@pytest.fixture
def models(tmp_path):
    """Two models of one network, the second of which looks at pictures four times as wide and high, and misses."""
    plain, large = tmp_path / "plain", tmp_path / "large"
    plain.mkdir()
    write_spot_model(plain)
    copytree(plain, large)
    card = load_card(plain)
    write_card(card.model_copy(update={"input": card.input.model_copy(update={"long_side_px": 1280})}), large)
    return plain, large


def named(folders):
    return {folder.name: folder for folder in folders}


def test_what_is_worse_and_slower_is_said_to_be(models, sets):
    plain, large = weigh(named(models), PART, sets, Terms(pictures=4, rounds=3, precision="f32"))
    assert plain.comparison.candidate == plain.comparison.current == 1 and plain.ratio == 1
    assert large.comparison.candidate == 0 and large.comparison.high < 0
    assert large.ratio > 4 and large.ms_per_picture > 4 * plain.ms_per_picture
    assert plain.ms_per_picture == pytest.approx(plain.ms_per_mpx * 0.08192)
    table = as_table([plain, large])
    assert (
        f"{large.name} is no better than {plain.name} and no faster" in table and "-1.000 (-1.000 to -1.000)" in table
    )


def test_models_of_two_tasks_are_not_weighed_against_each_other(models, sets):
    write_card(load_card(models[1]).model_copy(update={"task": "dots"}), models[1])
    with pytest.raises(RecipeError, match="a model for dots, the first is one for spots"):
        weigh(named(models), PART, sets, Terms())


STAGE = {"name": "a", "epochs": 1, "crops": 2, "side_px": 64, "rate": 1, "final_rate": 1}
RECIPE = {
    **{"task": "spots", "architecture": "yolo11n", "classes": ["red", "green"], "seed": 1, "batch": 2},
    "stages": [STAGE | {"sources": {"spots": {"weight": 1}}}],
    "card": PART.model_dump(mode="json"),
}


def written(folder, recipe):
    """The recipe and the catalogue in files, as a verb is told of them."""
    for name, content in (("recipe", recipe), ("own", {"spots": SOURCE})):
        (folder / f"{name}.yaml").write_text(json.dumps(content), encoding="utf-8")
    return ["spots", "--data", folder, "--catalogue", folder / "own.yaml", "--recipe", folder / "recipe.yaml"]


def test_the_verb_writes_what_it_shows(models, sets, tmp_path):
    command = [*written(tmp_path, RECIPE), *models, "--pictures", "0", "--json", tmp_path / "costs.json"]
    result = CliRunner().invoke(verb, [str(one) for one in command], catch_exceptions=False)
    first, second = json.loads((tmp_path / "costs.json").read_text(encoding="utf-8"))
    assert result.output.splitlines()[1].split()[0] == first["name"] == str(models[0])
    assert second["comparison"]["candidate"] == 0 and second["ms_per_mpx"] is None


def test_one_model_is_weighed_at_several_sizes(models, sets, tmp_path):
    command = [*written(tmp_path, RECIPE), models[0], "--pictures", "0", "--long-side", "1280", "--long-side", "320"]
    result = CliRunner().invoke(verb, [str(one) for one in command], catch_exceptions=False)
    names = [line.split("  ")[0] for line in result.output.splitlines()[1:4]]
    assert names == [str(models[0]), f"{models[0]}, 1280 px", f"{models[0]}, 320 px"]
    _, larger, same = result.output.splitlines()[1:4]
    assert "-1.000 (-1.000 to -1.000)" in larger and "+0.000 (+0.000 to +0.000)" in same


def test_a_sweep_teaches_each_architecture_alike_and_goes_on_where_it_stopped(tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from teaching import RECIPE as TAUGHT  # noqa: PLC0415
    from teaching import SOURCE as SPOTS  # noqa: PLC0415
    from teaching import spots  # noqa: PLC0415

    from training.network import build_network  # noqa: PLC0415

    torch.set_num_threads(1)
    spots(tmp_path / "data", n=5)
    bases = {}
    for name in ("yolo11n", "yolo26n"):
        bases[name] = str(tmp_path / f"{name}.pt")
        torch.save(build_network(name, 80).state_dict(), bases[name])
    for name, content in (("recipe", TAUGHT), ("own", {"spots": SPOTS}), ("params", {"base": bases})):
        (tmp_path / f"{name}.yaml").write_text(json.dumps(content), encoding="utf-8")
    files = {"recipe": "recipe.yaml", "catalogue": "own.yaml", "params": "params.yaml", "data": "data", "out": "out"}
    paths = [str(part) for name, file in files.items() for part in (f"--{name}", tmp_path / file)]
    command = ["spots", *paths, "--epochs", "1", "--crops", "2", "--device", "cpu"]
    result = CliRunner().invoke(sweep, command, catch_exceptions=False)
    costs = json.loads((tmp_path / "out" / "costs.json").read_text(encoding="utf-8"))
    assert [one["architecture"] for one in costs] == ["yolo11n", "yolo26n"] and costs[1]["ms_per_mpx"] > 0
    assert "time by yolo11n's" in result.output
    logs = [tmp_path / "out" / name / "log.csv" for name in bases]
    before = [one.read_text(encoding="utf-8") for one in logs]
    CliRunner().invoke(sweep, command, catch_exceptions=False)
    assert before == [one.read_text(encoding="utf-8") for one in logs]
    (tmp_path / "yolo26n.pt").unlink()
    with pytest.raises(RunError, match="the base weights are absent"):
        CliRunner().invoke(sweep, [*command, "--out", str(tmp_path / "other")], catch_exceptions=False)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(("tiles", "option"), [(None, ["--gsd", "0.1"]), ({}, ["--long-side", "320"])])
def test_a_size_that_a_model_does_not_look_at_is_refused(models, sets, tmp_path, tiles, option):
    card = load_card(models[0])
    write_card(card.model_copy(update={"tiles": None if tiles is None else TilesCard()}), models[0])
    command = [*written(tmp_path, RECIPE), models[0], "--pictures", "0", *option]
    result = CliRunner().invoke(verb, [str(one) for one in command])
    assert result.exit_code == 2 and "the size of its pictures is set by" in result.output
