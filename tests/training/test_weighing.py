"""Models of one task side by side: what they are worth, and what they cost."""

import json
import sys
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from models.card import load_card, write_card
from training.cost import Terms, as_table, weigh
from training.errors import RecipeError
from training.recipe import CardPart
from training.sources.catalogue import Source
from training.sources.samples import Sets
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
PART = CardPart.model_validate({"name": "spots", "classes": [], "validation": ["spots"]})


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


def test_what_is_worse_and_slower_is_said_to_be(models, sets):
    plain, large = weigh(models, PART, sets, Terms(pictures=4, rounds=3, precision="f32"))
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
        weigh(models, PART, sets, Terms())


def test_the_verb_writes_what_it_shows(models, sets, tmp_path):
    recipe = {"task": "spots", "architecture": "yolo11n", "classes": ["red", "green"], "seed": 1, "batch": 2}
    stage = {"name": "a", "epochs": 1, "crops": 2, "side_px": 64, "rate": 1, "final_rate": 1}
    recipe |= {"stages": [stage | {"sources": {"spots": {"weight": 1}}}], "card": PART.model_dump(mode="json")}
    for name, content in (("recipe", recipe), ("own", {"spots": SOURCE})):
        (tmp_path / f"{name}.yaml").write_text(json.dumps(content), encoding="utf-8")
    places = ["--data", tmp_path, "--catalogue", tmp_path / "own.yaml", "--recipe", tmp_path / "recipe.yaml"]
    command = ["spots", *models, *places, "--pictures", "0", "--json", tmp_path / "costs.json"]
    result = CliRunner().invoke(verb, [str(one) for one in command], catch_exceptions=False)
    first, second = json.loads((tmp_path / "costs.json").read_text(encoding="utf-8"))
    assert result.output.splitlines()[1].split()[0] == first["name"] == str(models[0])
    assert second["comparison"]["candidate"] == 0 and second["ms_per_mpx"] is None
