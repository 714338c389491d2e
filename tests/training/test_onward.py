"""A run goes on from an exported model: it begins with what the model computes, and the card keeps who taught it."""

import datetime
import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (pip install 'michisora[train]')")

from teaching import CLASSES, RECIPE, experienced, spots  # noqa: E402
from torch import nn  # noqa: E402

from models.card import TrainingSource, load_card, sha256_of, write_card  # noqa: E402
from models.detector import model_folder  # noqa: E402
from models.errors import WeightsError  # noqa: E402
from training.begun import begun_with, settle  # noqa: E402
from training.checkpoint import CHECKPOINT, load_checkpoint, write_checkpoint  # noqa: E402
from training.errors import RecipeError, RunError  # noqa: E402
from training.export import export_onnx  # noqa: E402
from training.fit import fit  # noqa: E402
from training.hardware import Hardware  # noqa: E402
from training.machine import look_around  # noqa: E402
from training.network import build_network  # noqa: E402
from training.onward import go_on_from, read_exported, restore_norms  # noqa: E402
from training.publish import ExportRequest, publish  # noqa: E402
from training.recipe import Recipe  # noqa: E402
from training.teach import teach  # noqa: E402

PLAIN = Hardware("cpu", "f32")
ONWARD = {**RECIPE, "stages": [{**RECIPE["stages"][0], "rate": 1e-9, "final_rate": 1e-9, "epochs": 2}]}

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    return spots(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def samples(sets):
    return {"spots": sets.samples("spots", "train", CLASSES)}


@pytest.fixture(scope="module")
def model(sets, samples, base, tmp_path_factory):
    """The folder of a model that learned something."""
    run, out = tmp_path_factory.mktemp("run"), tmp_path_factory.mktemp("model")
    recipe = Recipe.model_validate(RECIPE)
    content = load_checkpoint(fit(recipe, samples, base, run, hardware=PLAIN))
    network = build_network("yolo11n", 2)
    network.load_state_dict(content["average"])
    write_checkpoint({**content, "average": experienced(network).state_dict()}, run / CHECKPOINT)
    publish(request(run, recipe, sets, out, {"spots": 3}), export_onnx)
    return out


def request(run, recipe, sets, out, trained, before=()):
    today = datetime.date(2026, 1, 1)
    return ExportRequest(run / CHECKPOINT, recipe, sets, out, trained, "a test", today, before)


def said_by(folder, picture):
    session = pytest.importorskip("onnxruntime").InferenceSession(
        str(folder / "model.onnx"), providers=["CPUExecutionProvider"]
    )
    return torch.from_numpy(session.run(None, {"images": picture.numpy()})[0])


def computed_by(network, picture):
    with torch.inference_mode():
        return network.eval()(picture)[0]


@pytest.mark.parametrize("classes", [CLASSES, ("crack", "D40")])
def test_it_begins_with_what_the_model_computes(model, classes):
    picture = torch.rand(1, 3, 96, 128)
    wanted, network = said_by(model, picture), build_network("yolo11n", 2)
    go_on_from(network, read_exported(model), classes)
    order = [0, 1, 2, 3, *(4 + CLASSES.index(name) for name in classes)]
    torch.testing.assert_close(computed_by(network, picture), wanted[:, order], rtol=1e-4, atol=1e-3)
    restore_norms(network, [torch.rand(2, 3, 96, 96) for _ in range(2)])
    torch.testing.assert_close(computed_by(network, picture), wanted[:, order], rtol=1e-4, atol=1e-3)


def test_norms_have_the_statistics_that_they_meet(model):
    network, pictures = build_network("yolo11n", 2), torch.rand(4, 3, 96, 96)
    go_on_from(network, read_exported(model), CLASSES)
    restore_norms(network, [pictures[:1], pictures[1:]])
    met = {}
    norms = {name: one for name, one in network.named_modules() if isinstance(one, nn.BatchNorm2d)}
    for name, one in norms.items():
        one.register_forward_pre_hook(lambda _, given, name=name: met.update({name: given[0]}))
    computed_by(network, pictures)
    for name, one in norms.items():
        variance, mean = torch.var_mean(met[name], dim=(0, 2, 3), correction=0)
        torch.testing.assert_close(one.running_mean, mean, rtol=1e-3, atol=1e-3)
        torch.testing.assert_close(one.running_var, variance, rtol=1e-2, atol=1e-3)


def test_a_class_that_the_model_does_not_know_starts_anew(model):
    torch.manual_seed(5)
    network = build_network("yolo11n", 3)
    fresh = {name: one.clone() for name, one in network.state_dict().items()}
    exported = read_exported(model)
    go_on_from(network, exported, ("D00", "crack", "D40"))
    name = f"model.{len(network.model) - 1}.cv3.1.2.weight"
    now = network.state_dict()[name]
    assert torch.equal(now[0], fresh[name][0])
    assert torch.equal(now[1:], exported.tensors[name][[1, 0]])


def test_a_run_goes_on_from_it_and_resumes(model, sets, samples, tmp_path):
    recipe, picture = Recipe.model_validate(ONWARD), torch.rand(1, 3, 96, 128)

    class KilledError(Exception):
        pass

    def kill(done, total):
        raise KilledError

    with pytest.raises(KilledError):
        fit(recipe, samples, model, tmp_path / "run", kill, hardware=PLAIN)
    fit(recipe, samples, model, tmp_path / "run", hardware=PLAIN)
    content = load_checkpoint(tmp_path / "run" / CHECKPOINT)
    network = build_network("yolo11n", 2)
    network.load_state_dict(content["network"])
    assert content["done"] == 2 and content["before"] == [one.model_dump() for one in load_card(model).training]
    machine = look_around(PLAIN).name
    assert content["machines"] == [load_card(model).metrics["machine"], f"{machine}, float32"]
    # Hardly taught, it computes what the model does, but for the batches' own statistics.
    difference = (computed_by(network, picture) - said_by(model, picture))[:, 4:].abs().max()
    assert difference < 0.05


def test_other_weights_to_go_on_from_are_another_run(model, samples, base, tmp_path):
    recipe = Recipe.model_validate(ONWARD)
    settle(tmp_path, recipe, begun_with(samples, model), "refuse")
    fit(recipe, samples, model, tmp_path, hardware=PLAIN)
    settle(tmp_path, recipe, begun_with(samples, model), "refuse")
    with pytest.raises(RunError, match="base weights"):
        settle(tmp_path, recipe, begun_with(samples, base), "refuse")


def test_the_card_names_what_the_model_was_taught_on_before(model, sets, samples, tmp_path):
    card = load_card(model)
    older = TrainingSource(name="Old roads", licence="MIT", source="https://example.org/old", n=9)
    recipe = Recipe.model_validate(ONWARD)
    fit(recipe, samples, model, tmp_path, hardware=PLAIN)
    made = publish(
        request(tmp_path, recipe, sets, tmp_path / "out", {"spots": 3}, [*card.training, older]), export_onnx
    )
    assert [one.name for one in made.training] == ["Spots", "Old roads"]


def test_a_sweep_s_card_names_what_the_model_was_taught_on_before(model, sets, samples, tmp_path):
    private = TrainingSource(name="Old roads", licence="CC BY-NC 4.0", source="https://example.org/old", n=9)
    former = tmp_path / "former"
    shutil.copytree(model, former)
    write_card(load_card(model).model_copy(update={"training": [private]}), former)
    made = teach(Recipe.model_validate(ONWARD), samples, former, tmp_path / "run", sets, hardware=PLAIN)
    assert private in load_card(made).training


@pytest.mark.parametrize(
    ("recipe", "told"),
    [
        ({**ONWARD, "architecture": "yolo11s"}, "another network.*yolo11n"),
        ({**ONWARD, "as_wide_as": 80}, "another network.*`as_wide_as: 64`"),
        ({**ONWARD, "teacher": {"classes": {"D40": [0], "crack": [1]}}}, "with a teacher"),
    ],
)
def test_what_does_not_fit_is_one_line(model, samples, tmp_path, recipe, told):
    with pytest.raises((RecipeError, RunError), match=told):
        fit(Recipe.model_validate(recipe), samples, model, tmp_path, hardware=PLAIN)


def test_weights_that_are_not_the_card_s_are_refused(model, tmp_path):
    card = load_card(model)
    (tmp_path / "model.onnx").write_bytes((model / "model.onnx").read_bytes() + b" ")
    write_card(card, tmp_path)
    with pytest.raises(WeightsError, match="not those of the card"):
        read_exported(tmp_path)
    (tmp_path / "model.onnx").write_bytes(b"no network")
    write_card(card.model_copy(update={"sha256": sha256_of(tmp_path / "model.onnx")}), tmp_path)
    with pytest.raises(RecipeError, match="cannot be read"):
        read_exported(tmp_path)


@pytest.mark.parametrize(("task", "as_wide_as"), [("road", None), ("pavement", None), ("crown", None), ("street", 80)])
def test_every_model_that_ships_can_be_gone_on_from(task, as_wide_as):
    exported = read_exported(model_folder(task))
    network = build_network(exported.card.architecture, len(exported.card.classes), as_wide_as)
    go_on_from(network, exported, exported.card.class_names)
    picture = torch.from_numpy(np.random.default_rng(0).random((1, 3, 160, 96), np.float32))
    torch.testing.assert_close(
        computed_by(network, picture), said_by(model_folder(task), picture), rtol=1e-4, atol=5e-3
    )
