"""A model is replaced by one that is no worse, with the noise measured, and can be brought back."""

import datetime
import sys
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from shutil import copytree

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from models.card import TrainingSource, load_card, sha256_of, verify_weights, write_card
from models.detections import Detections
from models.errors import WeightsError
from models.measures import Truth, match, mean_average_precision
from training.cli import promote as verb
from training.compare import Side, compare
from training.errors import LicenceError, PromotionError
from training.judge import Judged
from training.promote import CHANGELOG, PROMOTION, Request, Shelf, promote, roll_back
from training.publish import NOT_CHOSEN
from training.recipe import CardPart
from training.sources.catalogue import Source
from training.sources.samples import Sample, Sets

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
sys.path.append(str(Path(__file__).parent.parent / "models"))
from spot_network import write_spot_model  # noqa: E402

TODAY = datetime.date(2026, 1, 2)
SOURCE = {
    "title": "Spots",
    "licence": "CC0-1.0",
    "url": "https://example.org",
    "layout": "yolo",
    "path": "spots",
    "place": r"^(\d+)_",
    "classes": {"0": "red", "1": "green"},
    "labels": ["red", "green"],
}
CLASSES = [{"name": name, "title_en": name, "title_ja": name} for name in ("red", "green")]
PART = CardPart.model_validate({"name": "spots", "classes": CLASSES, "validation": ["spots"]})
BOX = (0, 0, 32, 32)


@pytest.fixture
def sets(tmp_path):
    """Twelve places of two pictures, each with a red and a green cell."""
    for part in ("images", "labels"):
        (tmp_path / "spots" / "val" / part).mkdir(parents=True)
    for place in range(12):
        for frame in range(2):
            pixels = np.zeros((64, 64, 3), np.uint8)
            pixels[:32, :32, 0], pixels[32:, 32:, 1] = 255 - place, 255 - frame
            Image.fromarray(pixels).save(tmp_path / "spots" / "val" / "images" / f"{place}_{frame}.png")
            lines = "0 0.25 0.25 0.5 0.5\n1 0.75 0.75 0.5 0.5"
            (tmp_path / "spots" / "val" / "labels" / f"{place}_{frame}.txt").write_text(lines, encoding="utf-8")
    return Sets({"spots": Source.model_validate(SOURCE)}, tmp_path)


@pytest.fixture
def shelf(tmp_path):
    folder = tmp_path / "weights" / "spots"
    folder.mkdir(parents=True)
    return Shelf("spots", write_spot_model(folder), tmp_path / "kept")


def variant(shelf, folder, *, colour_blind=False, card=None):
    """Another model: the same but for a remark in its file, or one that takes red for green."""
    copytree(shelf.current, folder)
    model = onnx.load(folder / "model.onnx")
    model.doc_string = folder.name
    if colour_blind:
        kernel = next(one for one in model.graph.initializer if one.name == "kernel")
        swapped = onnx.numpy_helper.to_array(kernel)[::-1].copy()
        kernel.CopyFrom(onnx.numpy_helper.from_array(swapped, "kernel"))
    (folder / "model.onnx").write_bytes(model.SerializeToString())
    changes = {"sha256": sha256_of(folder / "model.onnx"), "metrics": {}, **(card or {})}
    write_card(load_card(folder).model_copy(update=changes), folder)
    return folder


@contextmanager
def killed_before_the_card():
    """As by a power cut: the weights are in their place, the card is not."""
    replace = Path.replace

    def until_the_card(path, target):
        if Path(target).name == "card.yaml" and path.parent.name == ".card":
            raise KeyboardInterrupt
        return replace(path, target)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "replace", until_the_card)
        yield


def test_an_equal_model_takes_the_place_and_the_former_comes_back(shelf, sets, tmp_path):
    former = load_card(shelf.current)
    candidate = variant(shelf, tmp_path / "better")
    card, line = promote(shelf, Request(candidate, TODAY), PART, sets)
    assert load_card(shelf.current) == card and verify_weights(card, shelf.current).is_file()
    record = card.metrics[PROMOTION]
    assert record["former"] == former.sha256 and record["former_value"] == record["value"] == 1.0
    assert record["interval_95"] == [0, 0] and (record["places"], record["pictures"]) == (12, 24)
    assert line.startswith(f"- 2026-01-02 `{card.sha256[:12]}` in place of `{former.sha256[:12]}`: ap50 1.000 → 1.000")
    restored, back = roll_back(shelf, TODAY)
    assert restored == former == load_card(shelf.current) and verify_weights(former, shelf.current).is_file()
    lines = (shelf.current / CHANGELOG).read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("# Models for spots") and lines[2:] == [back, line]
    assert sorted(one.name for one in (shelf.kept / "spots").iterdir()) == sorted([former.sha256, card.sha256])
    assert sorted(one.name for one in shelf.current.iterdir()) == [CHANGELOG, "card.yaml", "model.onnx"]


@pytest.mark.parametrize("back", [False, True])
def test_what_was_killed_between_weights_and_card_is_mended_by_the_next_command(shelf, sets, tmp_path, back):
    promote(shelf, Request(variant(shelf, tmp_path / "better"), TODAY), PART, sets)
    before = load_card(shelf.current)
    best = variant(shelf, tmp_path / "best")
    with killed_before_the_card():
        promote(shelf, Request(best, TODAY), PART, sets)
    with pytest.raises(WeightsError):
        verify_weights(load_card(shelf.current), shelf.current)
    if back:
        restored, _ = roll_back(shelf, TODAY)
        assert restored.sha256 == before.metrics[PROMOTION]["former"]
    else:
        promote(shelf, Request(best, TODAY), PART, sets)
        assert load_card(shelf.current).metrics[PROMOTION]["former"] == before.sha256
    verify_weights(load_card(shelf.current), shelf.current)


def test_weights_of_another_name_leave_no_former_file(shelf, sets, tmp_path):
    candidate = variant(shelf, tmp_path / "better", card={"weights": "spots.onnx"})
    (candidate / "model.onnx").rename(candidate / "spots.onnx")
    promote(shelf, Request(candidate, TODAY), PART, sets)
    assert sorted(one.name for one in shelf.current.iterdir()) == [CHANGELOG, "card.yaml", "spots.onnx"]
    roll_back(shelf, TODAY)
    assert sorted(one.name for one in shelf.current.iterdir()) == [CHANGELOG, "card.yaml", "model.onnx"]


def test_a_model_worse_beyond_noise_is_refused_and_nothing_changes(shelf, sets, tmp_path):
    before = {one.name: one.read_bytes() for one in shelf.current.iterdir()}
    candidate = variant(shelf, tmp_path / "worse", colour_blind=True)
    with pytest.raises(PromotionError, match=r"worse beyond noise: ap50 1\.000 → 0\.000 .* 12 places") as error:
        promote(shelf, Request(candidate, TODAY), PART, sets)
    assert "--override" in str(error.value) and "\n" not in str(error.value)
    assert {one.name: one.read_bytes() for one in shelf.current.iterdir()} == before and not shelf.kept.exists()


def test_a_half_made_model_is_refused(shelf, sets, tmp_path):
    thresholds = load_card(shelf.current).thresholds.model_copy(update={"chosen": NOT_CHOSEN})
    candidate = variant(shelf, tmp_path / "half", card={"thresholds": thresholds})
    with pytest.raises(PromotionError, match="thresholds were never chosen"):
        promote(shelf, Request(candidate, TODAY, "whatever"), PART, sets)


def test_an_override_promotes_it_and_stays_on_the_card(shelf, sets, tmp_path):
    candidate = variant(shelf, tmp_path / "worse", colour_blind=True)
    _, line = promote(shelf, Request(candidate, TODAY, "the lights are\ngreen here"), PART, sets)
    assert load_card(shelf.current).metrics[PROMOTION]["override"] == "the lights are\ngreen here"
    assert line.endswith("; overridden: the lights are green here")


def test_the_first_model_of_a_task_has_nothing_to_beat(shelf, sets, tmp_path):
    empty = Shelf("spots", tmp_path / "new", tmp_path / "kept")
    card, line = promote(empty, Request(shelf.current, TODAY), PART, sets)
    assert load_card(empty.current) == card and line.endswith("the first")
    with pytest.raises(PromotionError, match="took no other's place"):
        roll_back(empty, TODAY)


def test_what_may_not_take_the_place(shelf, sets, tmp_path):
    with pytest.raises(PromotionError, match="is the current model"):
        promote(shelf, Request(shelf.current, TODAY), PART, sets)
    other = variant(shelf, tmp_path / "other", card={"task": "dots"})
    with pytest.raises(PromotionError, match="a model for dots, not spots"):
        promote(shelf, Request(other, TODAY), PART, sets)
    taught = [TrainingSource(name="MOT17", licence="CC BY-NC-SA 3.0", source="there", n=3)]
    private = variant(shelf, tmp_path / "private", card={"training": taught})
    with pytest.raises(LicenceError, match="MOT17"):
        promote(shelf, Request(private, TODAY, "we like it"), PART, sets)


@pytest.mark.parametrize("place", ["current", "kept"])
def test_a_place_that_cannot_be_written_is_refused_before_anything_is_compared(shelf, tmp_path, place):
    candidate = variant(shelf, tmp_path / "candidate")
    (tmp_path / "file").touch()
    other = replace(shelf, **{place: tmp_path / "file" / "spots"})
    nothing_to_compare_on = Sets({"spots": Source.model_validate(SOURCE)}, tmp_path / "none")
    with pytest.raises(PromotionError, match="no model can be put here"):
        promote(other, Request(candidate, TODAY), PART, nothing_to_compare_on)


def test_a_class_lost_is_refused(shelf, sets, tmp_path):
    card = load_card(shelf.current)
    renamed = [card.classes[0], card.classes[1].model_copy(update={"name": "blue"})]
    thresholds = card.thresholds.model_copy(update={"score": {"red": 0.5, "blue": 0.5}})
    candidate = variant(shelf, tmp_path / "blue", card={"classes": renamed, "thresholds": thresholds})
    with pytest.raises(PromotionError, match="does not know green"):
        promote(shelf, Request(candidate, TODAY), PART, sets)


def test_a_former_model_that_is_not_kept_is_named(shelf, sets, tmp_path):
    promote(shelf, Request(variant(shelf, tmp_path / "better"), TODAY), PART, sets)
    with pytest.raises(PromotionError, match="not kept here"):
        roll_back(Shelf("spots", shelf.current, tmp_path / "elsewhere"), TODAY)


def test_the_verb_promotes_and_rolls_back_in_one_command_each(shelf, sets, tmp_path):
    former = load_card(shelf.current)
    candidate = variant(shelf, tmp_path / "better")
    (tmp_path / "own.yaml").write_text("spots: " + str(SOURCE).replace("\\\\", "\\"), encoding="utf-8")
    recipe = """{task: spots, architecture: yolo11n, classes: [red, green], seed: 1, batch: 2,
        stages: [{name: a, epochs: 1, crops: 2, side_px: 64, rate: 1, final_rate: 1, sources: {spots: {weight: 1}}}],
        card: {name: spots, validation: [spots], classes: [{name: red, title_en: red, title_ja: red},
                                                           {name: green, title_en: green, title_ja: green}]}}"""
    (tmp_path / "recipe.yaml").write_text(recipe, encoding="utf-8")
    places = ["--current", str(shelf.current), "--kept", str(shelf.kept)]
    options = [
        "--data",
        str(sets.data),
        "--catalogue",
        str(tmp_path / "own.yaml"),
        "--recipe",
        str(tmp_path / "recipe.yaml"),
    ]
    done = CliRunner().invoke(verb, ["spots", "--candidate", str(candidate), *places, *options], catch_exceptions=False)
    assert done.exit_code == 0 and "ap50 1.000 → 1.000" in done.output
    assert load_card(shelf.current).sha256 != former.sha256
    assert CliRunner().invoke(verb, ["spots", "--rollback", *places]).exit_code == 0
    assert load_card(shelf.current) == former
    assert CliRunner().invoke(verb, ["spots", *places]).exit_code == 2
    both = CliRunner().invoke(verb, ["spots", "--rollback", "--candidate", str(candidate), *places])
    assert both.exit_code == 2 and "leave --candidate" in both.output and load_card(shelf.current) == former


def judged(rng, places, frames, skill, noise):
    """Pictures with one object each; whole places are easy or hard, and a model sees it with a chance of its own."""
    samples, truths, found = [], [], []
    box = np.array([BOX], np.float32)
    for place in range(places):
        easy = rng.random()
        for frame in range(frames):
            samples.append(
                Sample(Path(f"{place}_{frame}"), "s", box, np.zeros(1, np.int16), np.ones(1, bool), stretch=f"{place}")
            )
            truths.append(Truth(box, np.zeros(1, np.int16), np.ones(1, bool)))
            sees = easy + noise * rng.standard_normal() < skill
            found.append(Detections(box if sees else box + 100, np.array([rng.random()]), np.zeros(1)))
    return Side({"s": Judged(samples, truths, found)}, {"thing": 0.5})


def test_the_value_is_the_average_precision_of_all_pictures():
    one, other = (judged(np.random.default_rng(seed), 8, 5, 0.6, 0.2) for seed in (1, 2))
    result = compare(one, other, "ap50", draws=20)
    for side, value in ((one, result.current), (other, result.candidate)):
        hits = match(side.judged["s"].truths, side.judged["s"].found, 0, (0.5,))
        assert value == pytest.approx(mean_average_precision([hits])[0])
    assert result.low <= result.difference <= result.high and result.n_places == 8


def test_a_draw_counts_a_place_as_often_as_it_is_drawn():
    from training.compare import _ap50  # noqa: PLC0415

    side = judged(np.random.default_rng(3), 4, 3, 0.6, 0.2)
    part = side.judged["s"]
    counts = np.array([2, 0, 1, 1])
    rows = [at for place, n in enumerate(counts) for _ in range(n) for at in range(3 * place, 3 * place + 3)]
    hits = match([part.truths[at] for at in rows], [part.found[at] for at in rows], 0, (0.5,))
    measured = _ap50(side, ["thing"], np.repeat(np.arange(4), 3))(counts)
    assert measured == pytest.approx(mean_average_precision([hits])[0])


def test_a_place_that_two_sets_show_is_drawn_once_with_the_pictures_of_both():
    def divided(side):
        part = side.judged["s"]
        halves = [[at for at in range(48) if at % 4 in frames] for frames in ((0, 1), (2, 3))]
        return Side(
            {
                name: Judged(*([some[at] for at in half] for some in (part.samples, part.truths, part.found)))
                for name, half in zip(("a", "b"), halves, strict=True)
            },
            side.thresholds,
        )

    one, other = (judged(np.random.default_rng(seed), 12, 4, 0.6, 0.1) for seed in (1, 2))
    whole = compare(one, other, "ap50", draws=200)
    parts = compare(divided(one), divided(other), "ap50", draws=200)
    assert (parts.low, parts.high) == pytest.approx((whole.low, whole.high)) and parts.n_places == 12


@pytest.mark.parametrize(("places", "with_truths"), [(1, 1), (12, 1)])
def test_of_too_few_places_no_noise_is_known(places, with_truths):
    sides = []
    for skill in (1.0, 0.6):
        part = judged(np.random.default_rng(0), places, 20, skill, 0.0).judged["s"]
        nothing = Truth(np.empty((0, 4), np.float32), np.empty(0, np.int16), np.ones(1, bool))
        truths = [one if at < 20 * with_truths else nothing for at, one in enumerate(part.truths)]
        sides.append(Side({"s": Judged(part.samples, truths, part.found)}, {"thing": 0.5}))
    result = compare(*sides, "ap50", draws=50)
    assert result.n_places == with_truths and result.worse
    assert "too few places to tell a difference from noise" in str(result)
    assert not compare(sides[1], sides[0], "ap50", draws=50).worse and not compare(*sides[:1] * 2, "ap50", 50).worse


def test_few_places_are_noisier_than_as_many_pictures_apart():
    """Ten places of 20 alike frames carry about ten pictures' worth of news, not two hundred."""

    def width(places, frames):
        spreads = []
        for seed in range(6):
            rng = np.random.default_rng(seed)
            result = compare(
                judged(rng, places, frames, 0.5, 0.02), judged(rng, places, frames, 0.5, 0.02), "ap50", 200
            )
            spreads.append(result.high - result.low)
        return np.mean(spreads)

    assert width(10, 20) > 2 * width(200, 1)


def test_the_interval_covers_no_difference_about_as_often_as_it_says():
    covered = 0
    for seed in range(60):
        rng = np.random.default_rng(1000 + seed)
        result = compare(judged(rng, 25, 3, 0.6, 0.3), judged(rng, 25, 3, 0.6, 0.3), "ap50", 200)
        covered += result.low <= 0 <= result.high
    assert covered >= 51


def test_crowns_are_compared_plot_by_plot():
    one, other = judged(np.random.default_rng(5), 12, 1, 0.9, 0.1), judged(np.random.default_rng(5), 12, 1, 0.2, 0.1)
    above = {"thing": 0.0}
    result = compare(Side(one.judged, above), Side(other.judged, above), "crown_f1", draws=200)
    assert result.current > result.candidate and result.worse


def test_models_without_a_class_in_common_cannot_be_compared():
    side = judged(np.random.default_rng(0), 3, 1, 0.5, 0.1)
    with pytest.raises(PromotionError, match="cannot be compared"):
        compare(side, Side(side.judged, {"other": 0.5}), "ap50", draws=5)
