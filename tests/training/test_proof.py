"""Labels answer what a model saw as a careful reviewer would, and the gain of that is measured against more steps."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from models.detections import Detections
from models.measures import Truth
from training.judge import Judged
from training.reviews.lines import read_detections, read_reviews
from training.reviews.playback import play_back
from training.sources.samples import Sample

THRESHOLDS = {"D40": 0.5, "crack": 0.3}
A, B, C = (10, 10, 50, 50), (100, 100, 140, 140), (200, 0, 260, 30)


def truth(*rows, labelled=(True, True), ignored=()):
    boxes = np.array([row[0] for row in rows], np.float32).reshape(-1, 4)
    class_id = np.array([row[1] for row in rows], np.int16)
    return Truth(boxes, class_id, np.array(labelled), np.array(ignored, np.float32).reshape(-1, 4))


def seen(*rows):
    boxes = np.array([row[0] for row in rows], np.float32).reshape(-1, 4)
    return Detections(
        boxes, np.array([row[2] for row in rows], np.float32), np.array([row[1] for row in rows], np.int16)
    )


def played(one, boxes, **how):
    return play_back(Judged([], [one], [boxes]), THRESHOLDS, ["a.png"], **{"looks_through": False, **how})


def test_a_box_is_accepted_put_right_or_rejected_and_what_was_missed_is_drawn(tmp_path):
    one = truth((A, 0), (B, 0), (C, 1))
    loose = (100, 100, 140, 165)
    boxes = seen((A, 0, 0.9), (loose, 0, 0.8), ((300, 300, 320, 320), 1, 0.4), (C, 1, 0.2))
    back = played(one, boxes)
    assert back.added == 1 and len(back.detections) == 3
    for name, lines in (("detections", back.detections), ("reviews", back.reviews)):
        (tmp_path / f"{name}.jsonl").write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    known = read_detections(tmp_path / "detections.jsonl")
    said = {one.boxes[0]: one for one in read_reviews(tmp_path / "reviews.jsonl", known)}
    assert said[A].verdict == "accept" and said[A].name == "D40"
    assert said[B].verdict == "fix" and said[B].boxes[1] == loose
    assert said[300, 300, 320, 320].verdict == "reject" and said[300, 300, 320, 320].name == "crack"
    assert said[C].verdict == "accept" and said[C].name == "crack"


def test_a_box_named_otherwise_is_put_right():
    assert played(truth((A, 1)), seen((A, 0, 0.9))).reviews == [
        {"detection": "a.png#0", "verdict": "fix", "class": "crack", "bbox": list(A)}
    ]


def test_nobody_answers_for_what_was_not_labelled():
    assert played(truth(labelled=(True, False)), seen((A, 1, 0.9))).reviews == []
    assert played(truth(ignored=[(0, 0, 400, 400)]), seen((A, 1, 0.9)), looks_through=True).reviews == []


def test_a_picture_that_was_looked_through_is_said_to_be():
    assert played(truth((A, 0)), seen((A, 0, 0.9)), looks_through=True).reviews[-1] == {
        "image": "a.png",
        "verdict": "accept",
    }
    assert played(truth(), seen(), looks_through=True).reviews == [{"image": "a.png", "verdict": "reject"}]
    half = played(truth((A, 0), labelled=(True, False)), seen((A, 0, 0.9)), looks_through=True).reviews[-1]
    assert half == {"image": "a.png", "verdict": "accept", "class": "D40"}
    none = played(truth(labelled=(False, True)), seen(), looks_through=True).reviews
    assert none == [{"image": "a.png", "verdict": "reject", "class": "crack"}]


def sample(number, stretch):
    return Sample(
        Path(f"{number}.png"),
        "s",
        np.empty((0, 4), np.float32),
        np.empty(0, np.int16),
        np.ones(2, bool),
        stretch=stretch,
    )


def test_whole_stretches_are_held_back():
    torch = pytest.importorskip("torch", reason="torch is not installed")
    assert torch
    from training.errors import RecipeError  # noqa: PLC0415
    from training.reviews.proof import hold_back  # noqa: PLC0415

    samples = {"s": [sample(number, f"s/{number // 7}") for number in range(70)]}
    kept, held = hold_back(samples, 20)
    assert 20 <= len(held) <= 25 and len(kept["s"]) + len(held) == 70
    assert not {one.stretch for one in kept["s"]} & {one.stretch for one in held}
    assert hold_back({"s": samples["s"][::-1]}, 20)[1] == held[::-1]
    both = {**samples, "t": [sample(number, f"t/{number}") for number in range(70, 90)]}
    assert {one.stretch[0] for one in hold_back(both, 8, ["t"])[1]} == {"t"}
    kept, held = hold_back(both, 70, unseen=["s"])
    assert len(held) == 70 and set(kept) == {"t"} and len(kept["t"]) == 20
    with pytest.raises(RecipeError, match="learns nothing from u"):
        hold_back(both, 8, unseen=["u"])
    with pytest.raises(RecipeError, match="learns nothing from u"):
        hold_back(both, 8, ["u"])
    with pytest.raises(RecipeError, match="36 of 70 labelled pictures cannot be held back"):
        hold_back(samples, 36)


def test_a_proof_at_its_smallest(tmp_path):
    torch = pytest.importorskip("torch", reason="torch is not installed")
    from teaching import RECIPE, SOURCE, spots  # noqa: PLC0415

    from training.network import build_network  # noqa: PLC0415
    from training.reviews.cli import reviews  # noqa: PLC0415

    torch.set_num_threads(1)
    spots(tmp_path / "data", n=7)
    torch.save(build_network("yolo11n", 80).state_dict(), tmp_path / "base.pt")
    recipe = {**RECIPE, "classes": ["D40"], "card": {**RECIPE["card"], "classes": RECIPE["card"]["classes"][:1]}}
    for name, content in (("recipe", recipe), ("own", {"spots": SOURCE})):
        (tmp_path / f"{name}.yaml").write_text(json.dumps(content), encoding="utf-8")
    named = {"recipe": "recipe.yaml", "catalogue": "own.yaml", "data": "data", "base": "base.pt", "out": "out"}
    paths = [str(part) for name, file in named.items() for part in (f"--{name}", tmp_path / file)]
    command = ["prove", "spots", *paths, "--held", "2", "--more", "1", "--crops", "2", "--device", "cpu"]
    result = CliRunner().invoke(reviews, command, catch_exceptions=False)
    report = json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8"))
    assert set(report["ap50"]) == {"before", "with", "without"} and set(report["ap50"]["with"]) == {"D40"}
    assert report["held"] == {"spots": 2} and report["corrections"]["whole_pictures"] == 2
    assert report["corrections"]["boxes"] == {"D40": 2} and report["gain"]["pictures"] == 7
    assert "gain, before → with corrections: ap50" in result.output and "missed objects added" in result.output
    logs = [(tmp_path / "out" / name / "log.csv").read_text(encoding="utf-8") for name in ("before", "with", "without")]
    assert [len(one.splitlines()) for one in logs] == [3, 2, 2] and "more,1" in logs[1]
