"""Curves and the sheet of errors say what a count by hand says."""

import json

import numpy as np
import pytest
from PIL import Image

from models.detections import Detections
from models.measures import Truth, average_precision, match
from training.contact_sheet import contact_sheet, worst_errors
from training.judge import Judged
from training.outcomes import outcomes_of
from training.plots import confusion_rows, count_bias_rows, f1_rows, precision_recall_rows, write_plots
from training.sources.samples import Sample

CLASSES = ("hole", "crack")
THRESHOLDS = {"hole": 0.5, "crack": 0.5}
A, B, C = (0, 0, 20, 20), (40, 40, 60, 60), (70, 0, 90, 20)


def detections(*rows):
    boxes = np.array([row[0] for row in rows], np.float32).reshape(-1, 4)
    return Detections(boxes, np.array([row[2] for row in rows]), np.array([CLASSES.index(row[1]) for row in rows]))


def truth(*rows, labelled=(True, True), ignored=()):
    boxes = np.array([row[0] for row in rows], np.float32).reshape(-1, 4)
    ids = np.array([CLASSES.index(row[1]) for row in rows], np.int16)
    return Truth(boxes, ids, np.array(labelled), np.array(ignored, np.float32).reshape(-1, 4))


@pytest.fixture
def picture(tmp_path):
    path = tmp_path / "road.png"
    Image.new("RGB", (100, 80), "#808080").save(path)
    return path


def judged(picture, there, seen):
    sample = Sample(picture, "ours", there.xyxy, there.class_id, there.labelled)
    return Judged([sample], [there], [seen])


def test_a_box_goes_to_its_own_class_first_and_what_is_left_to_another():
    there = truth((A, "hole"), (B, "crack"), (C, "hole"))
    seen = detections((A, "crack", 0.9), (A, "hole", 0.6), (B, "hole", 0.7), (C, "hole", 0.4))
    one = outcomes_of(there, seen, [0.5, 0.5])
    assert one.pairs.tolist() == [[0, 1], [1, 2]]
    assert one.false.tolist() == [0]
    assert one.missed.tolist() == [2]


def test_what_nobody_labelled_counts_neither_way():
    there = truth((A, "hole"), (B, "crack"), labelled=(True, False), ignored=[C])
    seen = detections((B, "crack", 0.9), (C, "hole", 0.9))
    one = outcomes_of(there, seen, [0.5, 0.5])
    assert not len(one.pairs) and not len(one.false) and one.missed.tolist() == [0]


def test_the_confusion_has_a_row_for_every_box_and_every_missed_truth(picture):
    there = truth((A, "hole"), (B, "crack"), (C, "hole"))
    seen = detections((A, "hole", 0.9), (B, "hole", 0.8), ((20, 60, 30, 70), "crack", 0.7))
    rows = confusion_rows(judged(picture, there, seen), THRESHOLDS)
    assert sorted((row["actual"], row["predicted"]) for row in rows) == [
        ("background", "crack"),
        ("crack", "hole"),
        ("hole", "background"),
        ("hole", "hole"),
    ]


def test_curves_agree_with_the_figures():
    there = [truth((A, "hole"), (B, "hole"))]
    seen = [detections((A, "hole", 0.9), (C, "hole", 0.6), (B, "hole", 0.3))]
    hits = {"hole": match(there, seen, 0, ious=(0.5,)), "crack": match(there, seen, 1, ious=(0.5,))}
    curve = precision_recall_rows(hits)
    assert np.mean([row["precision"] for row in curve]) == pytest.approx(average_precision(hits["hole"])[0])
    assert {row["class"] for row in curve} == {"hole"}, "a class that is not there has no curve"
    f1 = {row["threshold"]: row["f1"] for row in f1_rows(hits)}
    assert f1[0.95] == 0 and f1[0.7] == pytest.approx(2 / 3) and f1[0.5] == 0.5 and f1[0.1] == pytest.approx(0.8)
    bias = {row["threshold"]: row["bias"] for row in count_bias_rows(hits)}
    assert bias[0.95] == -1 and bias[0.7] == -0.5 and bias[0.5] == 0 and bias[0.1] == 0.5


def test_the_worst_errors_come_first_and_kinds_by_turns(picture):
    small, large = (0, 0, 10, 10), (50, 40, 90, 75)
    there = truth((small, "hole"), (large, "crack"), (C, "hole"))
    seen = detections((C, "hole", 0.3), ((20, 20, 30, 30), "hole", 0.6), ((20, 60, 30, 70), "crack", 0.95))
    found = worst_errors(judged(picture, there, seen), THRESHOLDS)
    assert [(one.kind, one.class_id, round(one.score, 2)) for one in found] == [
        ("missed", 1, 0.0),
        ("false", 1, 0.95),
        ("missed", 0, 0.0),
        ("false", 0, 0.6),
        ("missed", 0, 0.3),
    ]
    assert len(worst_errors(judged(picture, there, seen), THRESHOLDS, most=2)) == 2
    sheet = contact_sheet(found, CLASSES)
    colours = {colour for _, colour in sheet.getcolors(maxcolors=1 << 20)}
    assert {(0x56, 0xB4, 0xE9), (0xE6, 0x9F, 0x00)} <= colours


def test_a_model_that_finds_nothing_still_has_plots(picture, tmp_path):
    there = truth((A, "hole"), labelled=(True, False))
    write_plots({"ours": judged(picture, there, detections())}, THRESHOLDS, tmp_path / "plots")
    confusion = json.loads((tmp_path / "plots/confusion.json").read_text(encoding="utf-8"))
    assert confusion == [{"actual": "hole", "predicted": "background"}]
    f1 = json.loads((tmp_path / "plots/f1.json").read_text(encoding="utf-8"))
    assert f1[0] == {"class": "hole", "threshold": 0.01, "f1": 0.0, "precision": None, "recall": 0.0}
    assert (tmp_path / "plots/worst.png").is_file()
