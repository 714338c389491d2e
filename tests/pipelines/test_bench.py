"""What the benchmark compares, it compares under one rule."""

import shutil

import pandas as pd
import pytest

from models.card import load_card, verify_weights, write_card
from models.detector import model_folder
from pipelines.bench.rival import agreement, one_label_an_anchor

COLUMNS = ["frame", "class", "score", "x1", "y1", "x2", "y2"]


def boxes(*rows):
    return pd.DataFrame(rows, columns=COLUMNS)


A = ("1.jpg", "D40", 0.9, 0.0, 0.0, 10.0, 10.0)


@pytest.mark.parametrize(
    ("theirs", "shared"),
    [
        (boxes(A), 1.0),
        (boxes(("1.jpg", "D40", 0.5, 1.0, 0.0, 11.0, 10.0)), 1.0),
        (boxes(("1.jpg", "D00", 0.9, 0.0, 0.0, 10.0, 10.0)), 0.0),
        (boxes(("2.jpg", "D40", 0.9, 0.0, 0.0, 10.0, 10.0)), 0.0),
        (boxes(A, ("1.jpg", "D40", 0.9, 50.0, 0.0, 60.0, 10.0)), 2 / 3),
    ],
    ids=["itself", "a pixel aside", "another class", "another frame", "one more"],
)
def test_boxes_agree_where_class_and_place_do(theirs, shared):
    found = agreement(boxes(A), theirs)
    assert (found.ours, found.theirs) == (1, len(theirs))
    assert found.shared == pytest.approx(shared)


def test_two_detectors_that_find_nothing_agree():
    assert agreement(boxes(), boxes()).shared == 1


def test_the_copy_keeps_the_best_class_of_an_anchor_and_the_same_weights(tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(model_folder("road"), folder)
    card = load_card(folder)
    every = card.model_copy(update={"suppression": card.suppression.model_copy(update={"labels": "all"})})
    write_card(every, folder)
    with one_label_an_anchor(str(folder)) as copy:
        alike = load_card(copy)
        assert alike.suppression.labels == "best"
        assert alike.sha256 == every.sha256 and verify_weights(alike, copy).exists()
    assert not copy.exists()
    assert load_card(folder) == every
