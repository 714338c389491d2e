"""YOLO26, whose network has a second head and no bins for box edges, is taught and shipped like YOLO11."""

import datetime

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (pip install 'michisora[train]')")

from teaching import CLASSES, RECIPE, spots  # noqa: E402

from models.backends.loading import load_network  # noqa: E402
from models.types import LoadRequest  # noqa: E402
from training.distil import Answers, Teacher, distillation  # noqa: E402
from training.export import export_onnx  # noqa: E402
from training.fit import CHECKPOINT, fit, load_checkpoint  # noqa: E402
from training.hardware import Hardware  # noqa: E402
from training.network import build_network, start_from  # noqa: E402
from training.publish import ExportRequest, publish  # noqa: E402
from training.recipe import Recipe  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    from ultralytics.nn.tasks import DetectionModel  # noqa: PLC0415

    torch.manual_seed(0)
    network = DetectionModel("yolo26n.yaml", nc=80, verbose=False)
    for branch in network.model[-1].cv3:
        torch.nn.init.normal_(branch[-1].bias, mean=-2)
    with torch.no_grad():
        for one in network.parameters():  # equal tensors would be stored once, under one of their names
            one.add_(torch.randn_like(one), alpha=0.01)
    path = tmp_path_factory.mktemp("base") / "base.pt"
    torch.save(network.state_dict(), path)
    return path


def test_both_heads_in_the_base_are_one_in_the_network(base):
    network = build_network("yolo26n", 2)
    taught, state = torch.load(base, weights_only=True), network.state_dict()
    assert start_from(network, base) == len(state) - 6
    assert any("one2one" in name for name in taught) and not any("one2one" in name for name in state)
    assert torch.equal(state["model.23.cv2.0.0.conv.weight"], taught["model.23.cv2.0.0.conv.weight"])


def test_back_ends_agree_on_what_was_taught(base, tmp_path):
    # With a teacher the classes start as the base's own, so that there is something to see after four steps.
    teacher = {"classes": {"D40": [0], "crack": [1]}}
    sets = spots(tmp_path / "data")
    recipe = Recipe.model_validate({**RECIPE, "architecture": "yolo26n", "teacher": teacher})
    fit(recipe, {"spots": sets.samples("spots", "train", CLASSES)}, base, tmp_path, hardware=Hardware("cpu", "f32"))
    taught = load_checkpoint(tmp_path / CHECKPOINT)["average"]
    assert not torch.equal(taught["model.23.cv2.0.2.weight"], torch.load(base)["model.23.cv2.0.2.weight"])
    made_on = datetime.date(2026, 1, 1)
    publish(
        ExportRequest(tmp_path / CHECKPOINT, recipe, sets, tmp_path / "m", {"spots": 3}, "a test", made_on), export_onnx
    )
    picture = np.random.default_rng(0).integers(0, 255, (128, 160, 3)).astype(np.uint8)
    # Raw output: an untaught network's scores are all but equal, and their order means nothing.
    request = LoadRequest(tmp_path / "m" / "model.onnx", "yolo26n", len(CLASSES), "f32", 1)
    wanted, *others = (load_network(request, backend)(picture) for backend in ("torch", "openvino", "onnx"))
    assert wanted.shape == (6, 420) and 0.01 < wanted[4:].max() < 1 and np.ptp(wanted[:4]) > 100
    for other in others:
        np.testing.assert_allclose(other[:4], wanted[:4], atol=0.05)
        np.testing.assert_allclose(other[4:], wanted[4:], atol=1e-4)


def test_a_teacher_without_bins_draws_edges_to_its_own(base):
    teacher = Teacher("yolo26n", base, [(0,), (2, 3)], torch.device("cpu"))
    answers = teacher.answers(torch.rand(1, 3, 64, 64))
    assert answers.edges.shape == (1, 4, 84)
    sure = Answers(torch.full_like(answers.score, 0.9), answers.edges)
    asked = torch.ones_like(sure.score, dtype=torch.bool)
    edges = answers.edges.clone()
    agreeing = distillation({"scores": sure.score.logit(), "boxes": edges}, sure, asked)
    assert [float(one) for one in agreeing] == pytest.approx([0, 0], abs=1e-4)
    edges.requires_grad_()
    distillation({"scores": sure.score.logit(), "boxes": edges + 0.5}, sure, asked)[1].backward()
    assert (edges.grad > 0).all()
