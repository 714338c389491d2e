"""A wider network starts with what the narrower one computes, and then learns what that could not."""

import datetime

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (pip install 'michisora[train]')")

from teaching import CLASSES, RECIPE, experienced, spots  # noqa: E402

from training.checkpoint import CHECKPOINT, load_checkpoint  # noqa: E402
from training.errors import RecipeError  # noqa: E402
from training.export import export_onnx  # noqa: E402
from training.fit import fit  # noqa: E402
from training.hardware import Hardware  # noqa: E402
from training.network import build_network  # noqa: E402
from training.publish import ExportRequest, publish  # noqa: E402
from training.recipe import Recipe  # noqa: E402
from training.widen import widen  # noqa: E402

PLAIN = Hardware("cpu", "f32")
NARROW, WIDE = RECIPE["stages"]
GROWING = {**RECIPE, "stages": [NARROW, {**WIDE, "architecture": "yolo11s", "epochs": 2}]}

pytestmark = pytest.mark.usefixtures("one_thread")


def seen_by(network, picture):
    with torch.inference_mode():
        return network.eval()(picture)[0]


@pytest.mark.parametrize(
    ("narrow", "wide", "as_wide_as"),
    [("yolo11n", "yolo11s", None), ("yolo11n", "yolo11s", 80), ("yolo26n", "yolo26s", None)],
)
def test_it_sees_what_the_narrower_one_sees(narrow, wide, as_wide_as):
    old, new = experienced(build_network(narrow, 2, as_wide_as)), build_network(wide, 2, as_wide_as)
    picture = torch.rand(1, 3, 96, 128)
    before, untaught = seen_by(old, picture), seen_by(new, picture)
    new.load_state_dict(widen(old, new, old.state_dict(), seed=1))
    assert not torch.allclose(untaught, before, atol=0.1)
    torch.testing.assert_close(seen_by(new, picture), before, rtol=1e-4, atol=1e-3)


def test_copies_of_a_channel_learn_different_things():
    old, new = experienced(build_network("yolo11n", 2)), build_network("yolo11s", 2)
    new.load_state_dict(widen(old, new, old.state_dict(), seed=1))
    first = new.model[0].conv.weight
    assert torch.equal(first[0], first[1])
    raw = new.train()(torch.rand(1, 3, 64, 64))
    (raw["scores"] ** 2).sum().backward()
    assert not torch.allclose(first.grad[0], first.grad[1], rtol=0.01)


@pytest.mark.parametrize(
    ("narrow", "wide", "said"), [("yolo11n", "yolo11m", "other layers"), ("yolo11s", "yolo11n", "fewer channels")]
)
def test_what_is_no_wider_network_is_refused(narrow, wide, said):
    old, new = build_network(narrow, 2), build_network(wide, 2)
    with pytest.raises(RecipeError, match=said):
        widen(old, new, old.state_dict(), seed=1)


def test_a_stage_goes_on_with_a_wider_network_killed_or_not(base, tmp_path):
    class KilledError(Exception):
        pass

    def kill(done, total):
        raise KilledError

    recipe, sets = Recipe.model_validate(GROWING), spots(tmp_path / "data")
    samples = {"spots": sets.samples("spots", "train", CLASSES)}
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    fit(recipe, samples, base, whole, hardware=PLAIN)
    for epoch, channels in ((1, 16), (2, 32)):
        with pytest.raises(KilledError):
            fit(recipe, samples, base, cut, kill, hardware=PLAIN)
        content = load_checkpoint(cut / CHECKPOINT)
        assert content["done"] == epoch and len(content["average"]["model.0.conv.weight"]) == channels
    fit(recipe, samples, base, cut, hardware=PLAIN)
    undisturbed, resumed = (load_checkpoint(folder / CHECKPOINT) for folder in (whole, cut))
    assert resumed["done"] == 3 and undisturbed["cold"] == resumed["cold"] == 2
    for name, tensor in undisturbed["average"].items():
        assert torch.equal(tensor, resumed["average"][name]), name

    narrow = Recipe.model_validate({**GROWING, "stages": GROWING["stages"][:1]})
    assert recipe.architecture_after(1) == narrow.architecture_after(1) == "yolo11n"
    made_on = datetime.date(2026, 1, 1)
    told = recipe.with_architecture("yolo11s")
    request = ExportRequest(whole / CHECKPOINT, told, sets, tmp_path / "m", {"spots": 3}, "a test", made_on)
    assert publish(request, export_onnx).architecture == "yolo11s"


def test_another_architecture_is_taught_from_first_to_last():
    recipe = Recipe.model_validate(GROWING)
    assert recipe.architecture_after(3) == "yolo11s"
    assert recipe.with_architecture("yolo26n").architecture_after(3) == "yolo26n"
