"""A run teaches only what is labelled, survives being killed, and ships exactly the weights it made."""

import datetime
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

torch = pytest.importorskip("torch", reason="torch is not installed (pip install 'michisora[train]')")

from teaching import CLASSES, RECIPE, spots  # noqa: E402

from models.detector import open_detector  # noqa: E402
from training.batches import Album, epoch_batches  # noqa: E402
from training.crops import NO_KIND  # noqa: E402
from training.distil import Answers  # noqa: E402
from training.errors import RecipeError, RunError  # noqa: E402
from training.evaluate import judge_all  # noqa: E402
from training.export import export_onnx  # noqa: E402
from training.fit import CHECKPOINT, LOG, fit, load_checkpoint  # noqa: E402
from training.loss import Family, LabelledClassLoss, MaskedCrossEntropy  # noqa: E402
from training.machine import look_around  # noqa: E402
from training.network import build_network, start_from  # noqa: E402
from training.params import read_params  # noqa: E402
from training.publish import ExportRequest, publish  # noqa: E402
from training.recipe import Recipe, TeacherParams, read_recipe  # noqa: E402

LIGHTS = ("tone", "colour", "shadow", "blur", "noise", "jpeg")


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    return spots(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def run(sets, base, tmp_path_factory):
    out = tmp_path_factory.mktemp("run")
    recipe = Recipe.model_validate(RECIPE)
    fit(recipe, {"spots": sets.samples("spots", "train", CLASSES)}, base, out)
    return out


def test_teaching_leaves_pillow_as_it_was():
    assert not Image.open.__module__.startswith("ultralytics")


def loss_of(labelled, scores, families=(), ignored=(), teacher=None, kind=NO_KIND):
    """The class scores' gradient for two pictures, with a box of class 0 in the middle of the first."""
    network = build_network("yolo11n", 2)
    loss = LabelledClassLoss(network, families, TeacherParams(classes={}) if teacher else None)
    feats = [torch.zeros(2, 1, 64 // stride, 64 // stride) for stride in (8, 16, 32)]
    anchors = sum(one.shape[2] * one.shape[3] for one in feats)
    torch.manual_seed(3)
    preds = {"boxes": torch.randn(2, 64, anchors, requires_grad=True), "scores": scores(anchors), "feats": feats}
    batch = {
        "batch_idx": torch.tensor([0]),
        "cls": torch.tensor([0.0]),
        "bboxes": torch.tensor([[0.5, 0.5, 0.4, 0.4]]),
        "kind": torch.tensor([kind]),
        "labelled": torch.tensor(labelled),
        "ignored": torch.tensor(ignored, dtype=torch.float32).reshape(-1, 5),
    }
    if teacher is not None:
        batch["answers"] = Answers(teacher(anchors).detach().sigmoid(), torch.zeros(2, 64, anchors))
    total, _ = loss(preds, batch)
    total.sum().backward()
    return preds["scores"].grad


def random_scores(anchors):
    torch.manual_seed(4)
    return torch.randn(2, 2, anchors, requires_grad=True)


def test_an_unlabelled_class_gets_no_gradient_and_the_others_all_of_it():
    both = loss_of([[True, True], [True, True]], random_scores)
    partly = loss_of([[True, False], [False, True]], random_scores)
    assert both.abs().min() > 0
    assert (partly[0, 1] == 0).all() and (partly[1, 0] == 0).all()
    assert torch.equal(partly[0, 0], both[0, 0]) and torch.equal(partly[1, 1], both[1, 1])


def anchors_within(x1, y1, x2, y2, side=64):
    """Bool (anchors,): whose middle lies in that part of a square picture, in the order of the network's output."""
    middles = []
    for stride in (8, 16, 32):
        at = (torch.arange(side // stride) + 0.5) * stride / side
        y, x = torch.meshgrid(at, at, indexing="ij")
        middles.append(torch.stack([x.flatten(), y.flatten()], dim=1))
    x, y = torch.cat(middles).T
    return (x >= x1) & (x <= x2) & (y >= y1) & (y <= y2)


def test_outside_the_boxes_of_untyped_cracks_there_is_no_typed_one_either():
    known = [[True, False], [False, False]]
    plain, more = (loss_of(known, random_scores, families) for families in ((), (Family(0, (1,)),)))
    box = anchors_within(0.3, 0.3, 0.7, 0.7)
    assert (plain[0, 1] == 0).all()
    assert (more[0, 1, box] == 0).all() and (more[0, 1, ~box] != 0).all()
    assert (more[1] == 0).all()
    assert torch.equal(more[0, 0], plain[0, 0])


def test_outside_the_boxes_of_typed_cracks_there_is_no_untyped_one_either():
    grad = loss_of([[True, False], [True, False]], random_scores, (Family(1, (0,)),))
    box = anchors_within(0.3, 0.3, 0.7, 0.7)
    assert (grad[0, 1, box] == 0).all() and (grad[0, 1, ~box] != 0).all()
    assert (grad[1, 1] != 0).all()


def test_a_box_whose_type_is_known_teaches_the_type_too():
    known = [[True, False], [False, False]]
    plain, typed = (loss_of(known, random_scores, (Family(0, (1,)),), kind=kind) for kind in (NO_KIND, 1))
    taken = (plain[0, 1] == 0) & (typed[0, 1] != 0)
    box = anchors_within(0.3, 0.3, 0.7, 0.7)
    assert taken.any() and box[taken].all()
    # The class that tells no type is taught as before; here all that is there is less than one, which divides nothing.
    assert torch.equal(typed[0, 0], plain[0, 0])


def test_a_box_whose_type_is_known_is_of_no_other_type():
    network = build_network("yolo11n", 3)
    loss = LabelledClassLoss(network, (Family(0, (1, 2)),))
    feats = [torch.zeros(1, 1, 64 // stride, 64 // stride) for stride in (8, 16, 32)]
    anchors = sum(one.shape[2] * one.shape[3] for one in feats)
    torch.manual_seed(5)
    scores = torch.randn(1, 3, anchors, requires_grad=True)
    batch = {
        "batch_idx": torch.tensor([0, 0]),
        "cls": torch.tensor([0.0, 0.0]),
        "kind": torch.tensor([NO_KIND, 2]),
        "bboxes": torch.tensor([[0.2, 0.2, 0.3, 0.3], [0.7, 0.7, 0.4, 0.4]]),
        "labelled": torch.tensor([[True, False, False]]),
        "ignored": torch.zeros(0, 5),
    }
    loss({"boxes": torch.randn(1, 64, anchors), "scores": scores, "feats": feats}, batch)[0].sum().backward()
    untyped, typed = anchors_within(0.05, 0.05, 0.35, 0.35), anchors_within(0.5, 0.5, 0.9, 0.9)
    assert (scores.grad[0, 1:, untyped] == 0).all()
    of_it = scores.grad[0, 2, typed] != 0
    assert of_it.any() and (scores.grad[0, 1, typed][of_it] > 0).all()


REGION = (0, 0.25, 0.5, 0.5, 1.0)
"""The left half of the first picture, with half of the box in it."""


def test_in_an_ignored_region_absence_teaches_nothing_and_what_is_there_all():
    known = [[True, True], [True, True]]
    plain, some = (loss_of(known, random_scores, ignored=regions) for regions in ((), (REGION,)))
    silent = anchors_within(0, 0, 0.5, 1) & ~anchors_within(0.3, 0.3, 0.7, 0.7)
    assert silent.sum() > 20 and (plain != 0).all()
    assert (some[0][:, silent] == 0).all()
    assert torch.equal(some[0][:, ~silent], plain[0][:, ~silent]) and torch.equal(some[1], plain[1])


def test_a_tiny_box_in_an_ignored_region_is_taught_by_the_anchor_beside_it():
    # Narrower than the finest grid, so that no anchor's middle lies in it.
    tiny = MaskedCrossEntropy()
    tiny.taught = torch.zeros(1, 2, 1, dtype=torch.bool)
    loss = tiny(torch.zeros(1, 2, 1), torch.tensor([[[0.4], [0.0]]]))
    assert loss[0, 0, 0] > 0 and loss[0, 1, 0] == 0


def test_types_of_cracks_are_not_ruled_out_in_an_ignored_region():
    grad = loss_of([[True, False], [True, False]], random_scores, (Family(0, (1,)),), ignored=(REGION,))
    assert (grad[0, 1, anchors_within(0, 0, 0.5, 1)] == 0).all()
    assert (grad[0, 1, anchors_within(0.72, 0, 1, 1)] != 0).all()


def test_a_teacher_is_silent_in_an_ignored_region():
    known = [[True, False], [True, False]]
    grad = loss_of(known, random_scores, ignored=(REGION,), teacher=lambda n: -random_scores(n))
    silent = anchors_within(0, 0, 0.5, 1) & ~anchors_within(0.3, 0.3, 0.7, 0.7)
    assert (grad[0, 1, silent] == 0).all() and (grad[0, 1, ~silent] != 0).all()
    assert (grad[1, 1] != 0).all()


def test_crops_show_a_picture_s_ignored_regions_where_they_are(sets):
    # All of a picture but its dark spot is ignored: whatever is done to a crop, the two stay apart and fill it.
    recipe = Recipe.model_validate(RECIPE | {"crop": {"upright": False}, "light": dict.fromkeys(LIGHTS, 0)})
    recipe = recipe.model_copy(update={"stages": (recipe.stages[0].model_copy(update={"mosaic": 0.5, "crops": 24}),)})
    halves = [
        replace(one, ignored=np.array([[0, 0, 40 + n, 96], [70 + n, 0, 128, 96]], np.float32))
        for n, one in enumerate(sets.samples("spots", "train", CLASSES))
    ]
    seen = 0
    for batch in epoch_batches(Album({"spots": halves}), recipe, 0, 0):
        side = batch.pictures.shape[1]
        for on, x, y, width, height in batch.ignored:
            edges = np.array([x - width / 2, y - height / 2, x + width / 2, y + height / 2]) * side
            left, top, right, bottom = np.rint(edges).astype(int)
            inside = batch.pictures[int(on), top + 2 : bottom - 2, left + 2 : right - 2]
            assert inside.size == 0 or inside.min() > 30
            seen += inside.size > 0
    assert seen > 12


def test_all_but_the_naming_layer_starts_from_the_base(base):
    network = build_network("yolo11n", 2)
    fresh = {name: one.clone() for name, one in network.state_dict().items()}
    start_from(network, base)
    taught, now = torch.load(base, weights_only=True), network.state_dict()
    head = f"model.{len(network.model) - 1}.cv3.0"
    assert torch.equal(now["model.0.conv.weight"], taught["model.0.conv.weight"])
    assert torch.equal(now[f"{head}.0.1.conv.weight"], taught[f"{head}.0.1.conv.weight"][:64])
    assert torch.equal(now[f"{head}.2.weight"], fresh[f"{head}.2.weight"])


def test_weights_of_another_architecture_are_refused(tmp_path):
    path = tmp_path / "other.pt"
    torch.save({"layer.weight": torch.zeros(3)}, path)
    with pytest.raises(RecipeError, match="another architecture"):
        start_from(build_network("yolo11n", 2), path)
    path.write_bytes(b"no weights")
    with pytest.raises(RecipeError, match="cannot be read"):
        start_from(build_network("yolo11n", 2), path)


def test_a_run_killed_after_an_epoch_ends_with_the_same_weights(sets, base, run, tmp_path):
    class KilledError(Exception):
        pass

    def kill(done, total):
        raise KilledError

    recipe, samples = Recipe.model_validate(RECIPE), {"spots": sets.samples("spots", "train", CLASSES)}
    with pytest.raises(KilledError):
        fit(recipe, samples, base, tmp_path, kill)
    assert load_checkpoint(tmp_path / CHECKPOINT)["done"] == 1
    fit(recipe, samples, base, tmp_path)
    undisturbed, resumed = (load_checkpoint(folder / CHECKPOINT) for folder in (run, tmp_path))
    assert resumed["done"] == 2 and len((tmp_path / LOG).read_text(encoding="utf-8").splitlines()) == 3
    for name, tensor in undisturbed["average"].items():
        assert torch.allclose(tensor.float(), resumed["average"][name].float(), atol=1e-5), name


def test_a_stage_that_keeps_leaves_weights_between_its_start_and_its_end_killed_or_not(sets, base, tmp_path):
    def taught(folder, keep, stop_after=None):
        stages = [*RECIPE["stages"][:1], {**RECIPE["stages"][-1], "name": "finish", "epochs": 2, "keep": keep}]
        recipe = Recipe.model_validate({**RECIPE, "stages": stages})

        def stop(done, total):
            if done == stop_after:
                raise KeyboardInterrupt

        fit(recipe, {"spots": sets.samples("spots", "train", CLASSES)}, base, folder, stop)
        return load_checkpoint(folder / CHECKPOINT)["average"]

    began = RECIPE["stages"][0]["epochs"]
    with pytest.raises(KeyboardInterrupt):
        taught(tmp_path / "whole", 0, began)
    start = load_checkpoint(tmp_path / "whole" / CHECKPOINT)["average"]
    end = taught(tmp_path / "whole", 0)
    with pytest.raises(KeyboardInterrupt):
        taught(tmp_path / "killed", 0.25, began + 1)
    kept = taught(tmp_path / "killed", 0.25)
    for name, tensor in kept.items():
        if tensor.is_floating_point():
            assert torch.allclose(tensor, 0.25 * start[name] + 0.75 * end[name], atol=1e-4), name


def test_a_checkpoint_of_another_recipe_is_refused(sets, base, run):
    other = Recipe.model_validate({**RECIPE, "seed": 2})
    with pytest.raises(RunError, match="another recipe"):
        fit(other, {"spots": sets.samples("spots", "train", CLASSES)}, base, run)


def test_export_gives_equal_bytes_and_the_network_s_output_at_any_size(run, tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    first, again = (export_onnx(run / CHECKPOINT, tmp_path / name) for name in ("a.onnx", "b.onnx"))
    assert first.read_bytes() == again.read_bytes()
    network = build_network("yolo11n", 2)
    network.load_state_dict(load_checkpoint(run / CHECKPOINT)["average"])
    session = runtime.InferenceSession(str(first), providers=["CPUExecutionProvider"])
    for batch, height, width in ((1, 64, 96), (2, 160, 64)):
        picture = np.random.default_rng(1).random((batch, 3, height, width), np.float32)
        (out,) = session.run(None, {"images": picture})
        with torch.inference_mode():
            wanted = network.eval()(torch.from_numpy(picture))[0].numpy()
        assert out.shape == (batch, 6, height * width * 21 // 1024)
        assert out[:, 4:] == pytest.approx(wanted[:, 4:], abs=0.02)
        assert np.abs(out[:, :4] - wanted[:, :4]).max() < 1.0


def test_a_published_model_opens_and_its_card_repeats(sets, run, tmp_path):
    request = ExportRequest(
        checkpoint=run / CHECKPOINT,
        recipe=Recipe.model_validate({**RECIPE, "card": {**RECIPE["card"], "scores": {"crack": 0.4}}}),
        sets=sets,
        out=tmp_path,
        trained={"spots": 3},
        machine="a test",
        made_on=datetime.date(2026, 1, 1),
    )
    card = publish(request, export_onnx)
    again = publish(replace(request, out=tmp_path / "again"), export_onnx)
    assert card == again
    assert card.thresholds.score["crack"] == 0.4 and "crack: 0.4, set by the recipe" in card.thresholds.chosen
    assert card.training[0].licence == "CC0-1.0" and "michisora evaluate" in card.metrics["command"]
    detector = open_detector(tmp_path, precision="f32")
    try:
        seen = judge_all(detector, ["spots"], sets)["spots"]
    finally:
        detector.close()
    assert len(seen.found) == 3 and detector.card.sha256 == card.sha256


def test_bfloat16_is_used_only_where_the_hardware_has_it():
    machine = look_around()
    if machine.device.type == "cpu":
        has = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        assert machine.precision is (torch.bfloat16 if has else torch.float32)
    assert machine.name


def test_the_project_s_recipe_is_sound_and_a_missing_file_is_named(checkout, tmp_path):
    recipe = read_params(checkout / "params.yaml").recipe("road")
    assert [one.name for one in recipe.card.classes] == list(recipe.classes)
    with pytest.raises(RecipeError, match="the recipe cannot be read: No such file"):
        read_recipe(tmp_path / "none.yaml")


@pytest.mark.shared
def test_the_road_base_weights_fit(shared_data):
    network = build_network("yolo11n", 5)
    copied = start_from(network, shared_data / "weights" / "yolo11n_dequant_bn_sd.pt")
    assert copied >= len(network.state_dict()) - 6
