from pathlib import Path
from shutil import copytree

import pytest
import yaml

from models.card import load_card, verify_weights, write_card
from models.detector import known_tasks, model_folder, open_detector
from models.errors import CardError, WeightsError


def test_a_written_card_reads_back_the_same(spot_model: Path, tmp_path: Path):
    card = load_card(spot_model)
    write_card(card, tmp_path)
    assert load_card(tmp_path) == card


def test_thresholds_sorted_by_name_stay_those_of_their_classes(spot_model: Path, tmp_path: Path):
    card = load_card(spot_model)
    scores = {"score": {"red": 0.2, "green": 0.6}, "count": {"red": 0.1, "green": 0.5}}
    told = card.model_copy(update={"thresholds": card.thresholds.model_copy(update=scores)})
    path = write_card(told, tmp_path)
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text(encoding="utf-8")), sort_keys=True), encoding="utf-8")
    read = load_card(tmp_path)
    assert card.class_names == ["red", "green"] == list(read.thresholds.score) == list(read.thresholds.count)
    assert read == told and list(read.thresholds.score.values()) == read.score_thresholds == [0.2, 0.6]


def test_weights_other_than_the_cards_are_refused_in_one_line(spot_model: Path, tmp_path: Path):
    folder = copytree(spot_model, tmp_path / "model")
    with (folder / "model.onnx").open("ab") as file:
        file.write(b"x")
    with pytest.raises(WeightsError, match="not those of the card") as caught:
        open_detector(folder)
    assert caught.value.remedy
    assert "\n" not in str(caught.value)


def test_absent_weights_are_refused(spot_model: Path, tmp_path: Path):
    folder = copytree(spot_model, tmp_path / "model")
    (folder / "model.onnx").unlink()
    with pytest.raises(WeightsError, match="absent"):
        open_detector(folder)


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("red: 0.5", "blue: 0.5", "thresholds"),
        ("red: 0.5", "red: 1.5", "thresholds"),
        ("made_on:", "made_in: here\nmade_on:", "made_in"),
        ("top: 0.0", "top: 1.0", "band"),
        ("limits_ja: []", "limits_ja: [一, 二, 三, 四, 五, 六, 七]", "limits_ja"),
    ],
)
def test_a_card_that_says_something_impossible_is_refused(spot_model, tmp_path, old, new, field):
    text = (spot_model / "card.yaml").read_text(encoding="utf-8")
    assert old in text
    (tmp_path / "card.yaml").write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(CardError, match=field):
        load_card(tmp_path)


def test_limits_are_told_in_the_readers_language_where_they_are_written_in_it(spot_model):
    card = load_card(spot_model).model_copy(update={"limits": ["not by night"], "limits_ja": ["夜間は不可"]})
    assert card.limits_in("ja") == ["夜間は不可"] and card.limits_in("en") == card.limits_in("de") == ["not by night"]
    assert card.model_copy(update={"limits_ja": []}).limits_in("ja") == ["not by night"]


def test_a_folder_without_a_card_is_refused_with_the_tasks_there_are(tmp_path: Path):
    with pytest.raises(CardError, match="card"):
        model_folder(tmp_path)


@pytest.mark.parametrize("task", known_tasks())
def test_shipped_weights_are_those_of_their_card(task: str):
    folder = model_folder(task)
    card = load_card(folder)
    assert verify_weights(card, folder).is_file() and len(card.limits_ja) == len(card.limits) > 0
