"""A network with a teacher starts as the teacher sees, is drawn to it where nobody labelled, and only there."""

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="torch is not installed (pip install 'michisora[train]')")

from models.card import ModelCard, ObjectClass, Thresholds, sha256_of, write_card  # noqa: E402
from models.detector import open_detector  # noqa: E402
from training.distil import Answers, Teacher, distillation  # noqa: E402
from training.export import export_onnx  # noqa: E402
from training.fit import CHECKPOINT, fit, load_checkpoint, untaught  # noqa: E402
from training.network import build_network, keep_norms, network_of, start_from  # noqa: E402
from training.recipe import Recipe, TeacherParams  # noqa: E402
from training.sources.samples import Sample  # noqa: E402

COCO = {"person": (0,), "vehicle": (2, 3, 5, 7)}
RECIPE = {
    "task": "street",
    "architecture": "yolo11n",
    "classes": list(COCO),
    "seed": 1,
    "batch": 2,
    "norms": "keep",
    "teacher": {"classes": COCO},
    "stages": [
        {
            "name": "a",
            "epochs": 1,
            "crops": 4,
            "side_px": 64,
            "rate": 1e-9,
            "final_rate": 0,
            "sources": {"s": {"weight": 1}},
        }
    ],
}


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    torch.manual_seed(0)
    network = build_network("yolo11n", 80)
    for branch in network.model[-1].cv3:
        torch.nn.init.normal_(branch[-1].weight, std=0.3)
        torch.nn.init.normal_(branch[-1].bias, mean=-2)
    with torch.no_grad():
        for one in network.parameters():  # equal tensors would be stored once, under one of their names
            one.add_(torch.randn_like(one), alpha=0.01)
    path = tmp_path_factory.mktemp("base") / "base.pt"
    torch.save(network.state_dict(), path)
    return path


def started(base):
    network = network_of(Recipe.model_validate(RECIPE), "yolo11n")
    start_from(network, base, list(COCO.values()))
    return network


def scores(network, pictures):
    with torch.no_grad():
        return network.eval()(pictures)[1]["scores"].sigmoid()


def test_before_the_first_step_it_sees_what_the_base_sees(base):
    pictures = torch.rand(1, 3, 64, 64)
    whole = build_network("yolo11n", 80)
    start_from(whole, base, [[one] for one in range(80)])
    wanted = scores(whole, pictures)
    ours = scores(started(base), pictures)
    torch.testing.assert_close(ours[:, 0], wanted[:, 0])
    torch.testing.assert_close(ours[:, 1], wanted[:, 2])


def test_the_teacher_answers_with_the_surest_of_a_class_kinds(base):
    pictures = torch.rand(1, 3, 64, 64)
    whole = build_network("yolo11n", 80)
    start_from(whole, base, [[one] for one in range(80)])
    answers = Teacher("yolo11n", base, list(COCO.values()), torch.device("cpu")).answers(pictures)
    torch.testing.assert_close(answers.score[:, 1], scores(whole, pictures)[:, [2, 3, 5, 7]].amax(dim=1))


def test_agreeing_with_the_teacher_costs_nothing_and_parting_costs():
    score = torch.tensor([[[0.9, 0.02]]])
    edges = torch.randn(1, 64, 2)
    answers, asked = Answers(score, edges), torch.tensor([[[True, True]]])
    agreeing = distillation({"scores": score.logit(), "boxes": edges.clone()}, answers, asked)
    assert [float(one) for one in agreeing] == pytest.approx([0, 0], abs=1e-5)
    parted = distillation({"scores": -score.logit(), "boxes": edges.flip(1)}, answers, asked)
    assert all(float(one) > 0.1 for one in parted)


def test_the_teacher_is_silent_about_labelled_classes_and_boxes_it_does_not_see():
    answers = Answers(torch.tensor([[[0.9, 0.01], [0.9, 0.01]]]), torch.randn(1, 64, 2))
    logits = torch.zeros(1, 2, 2, requires_grad=True)
    boxes = torch.zeros(1, 64, 2, requires_grad=True)
    asked = torch.tensor([[[False, False], [True, True]]])
    sum(distillation({"scores": logits, "boxes": boxes}, answers, asked)).backward()
    assert logits.grad[0, 0].abs().sum() == 0
    assert logits.grad[0, 1].abs().min() > 0
    assert boxes.grad[0, :, 0].abs().sum() > 0
    assert boxes.grad[0, :, 1].abs().sum() == 0


def test_kept_norms_do_not_learn(base):
    network = started(base).train()
    keep_norms(network)
    before = {name: one.clone() for name, one in network.state_dict().items() if "running" in name}
    network(torch.rand(2, 3, 64, 64))
    assert all(torch.equal(one, network.state_dict()[name]) for name, one in before.items())


def test_every_back_end_runs_a_head_as_wide_as_the_base(base, tmp_path):
    picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    path = tmp_path / "picture.png"

    Image.fromarray(picture).save(path)
    nothing = Sample(path, "s", np.empty((0, 4), np.float32), np.empty(0, np.int16), np.zeros(2, bool))
    recipe = Recipe.model_validate(RECIPE)
    fit(recipe, {"s": [nothing]}, base, tmp_path / "run")
    folder = tmp_path / "model"
    weights = export_onnx(tmp_path / "run" / CHECKPOINT, folder / "model.onnx")
    card = ModelCard(
        task="street",
        name="people",
        architecture="yolo11n",
        classes=[ObjectClass(name=name, title_en=name, title_ja=name) for name in COCO],
        thresholds=Thresholds(score=dict.fromkeys(COCO, 0.25), chosen="here"),
        training=[],
        metrics={},
        limits=[],
        made_on="2026-01-01",
        sha256=sha256_of(weights),
    )
    write_card(card, folder)
    seen = []
    for backend in ("openvino", "onnx", "torch"):
        detector = open_detector(folder, backend=backend, precision="f32")
        seen.append(detector.predict(picture[None], min_score=0.01)[0])
        detector.close()
    assert len(seen[0])
    for other in seen[1:]:
        np.testing.assert_allclose(other.xyxy, seen[0].xyxy, atol=0.1)
        np.testing.assert_allclose(other.score, seen[0].score, atol=1e-3)


def test_an_untaught_run_is_where_a_run_begins(base, tmp_path):
    recipe = Recipe.model_validate(RECIPE)
    start = load_checkpoint(untaught(recipe, base, tmp_path))
    assert start["done"] == 0
    assert all(torch.equal(one, start["average"][name]) for name, one in started(base).state_dict().items())


def test_a_teacher_that_leaves_a_class_out_is_refused():
    with pytest.raises(ValueError, match="must name each of person, vehicle"):
        Recipe.model_validate({**RECIPE, "teacher": {"classes": {"person": [0]}}})
    assert TeacherParams(classes=COCO).score == 1.0
