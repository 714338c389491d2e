"""Several processes take the very steps that one would take."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed (pip install 'michisora[train]')")

from teaching import CLASSES, RECIPE, normed_together, spots  # noqa: E402

from training.batches import Album, epoch_batches, smallest_batch  # noqa: E402
from training.errors import RunError, SourceError  # noqa: E402
from training.fit import fit, load_checkpoint  # noqa: E402
from training.hardware import Hardware  # noqa: E402
from training.machine import emulated, look_around  # noqa: E402
from training.ranks import Ranks, share, together  # noqa: E402
from training.recipe import Recipe  # noqa: E402

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    return spots(tmp_path_factory.mktemp("data"), n=5)


def recipe_of(**changes):
    stage = {**RECIPE["stages"][0], "mosaic": 0.3, **changes.pop("stage", {})}
    return Recipe.model_validate({**RECIPE, "batch": 5, "stages": [stage], **changes})


def test_processes_share_out_every_batch_whole(sets):
    samples = sets.samples("spots", "train", CLASSES)
    album = Album({"spots": samples})
    recipe = recipe_of(stage={"crops": 12})
    one, ahead = (list(epoch_batches(album, recipe, 0, 0, cutters)) for cutters in (1, 3))
    for batch, again in zip(one, ahead, strict=True):
        assert np.array_equal(batch.pictures, again.pictures)
        parts = [share(batch, Ranks(rank, 2)) for rank in range(2)]
        assert np.array_equal(np.concatenate([part.pictures for part in parts]), batch.pictures)
        assert np.array_equal(np.concatenate([part.xywh for part in parts]), batch.xywh)
        second = parts[1].index + len(parts[0].pictures)
        assert np.array_equal(np.concatenate([parts[0].index, second]), batch.index)
    assert [len(batch.pictures) for batch in one] == [5, 5, 2]
    assert smallest_batch(recipe) == 2 and smallest_batch(recipe_of(stage={"crops": 15})) == 5


def test_batch_norm_sees_the_parts_of_all_processes():
    torch.manual_seed(1)
    values = torch.randn(5, 4, 3, 2) * 3 + 7
    heard = []
    together(2, "gloo", normed_together, (values,), heard.append)
    norm, whole = torch.nn.BatchNorm2d(4, eps=1e-3, momentum=0.03).train(), values.clone().requires_grad_()
    out = norm(whole)
    (out**3).sum().backward()
    # Processes average the gradients of their weights: a loss divided by their number alone would be as one's.
    wanted = [out, whole.grad, norm.running_mean, norm.running_var, norm.weight.grad / 2]
    for mine, one in zip(heard[0], wanted, strict=True):
        assert mine == pytest.approx(one.detach().numpy(), rel=1e-4, abs=1e-4)


def test_two_processes_learn_what_one_learns(sets, base, tmp_path):
    # Statistics of batch norm are kept: with 64 px and five pictures, learning them makes rounding errors visible.
    recipe = recipe_of(norms="keep", stage={"crops": 10})
    samples, heard = {"spots": sets.samples("spots", "train", CLASSES)}, []
    alone, joint = (
        load_checkpoint(
            fit(
                recipe,
                samples,
                base,
                tmp_path / str(n),
                None,
                lambda _, row: heard.append(row),
                Hardware("cpu", "f32", n),
            )
        )
        for n in (1, 2)
    )
    assert joint["steps"] == alone["steps"] == 2 and joint["machines"][0].endswith("2 × 1 threads, float32")
    for name in ("box", "class", "distribution"):
        assert heard[0][name] == pytest.approx(heard[1][name], rel=1e-3)
    for one, other in zip(alone["optimizer"]["state"].values(), joint["optimizer"]["state"].values(), strict=True):
        assert torch.allclose(one["exp_avg"], other["exp_avg"], rtol=1e-3, atol=1e-5)
    for name, tensor in alone["average"].items():
        assert torch.allclose(tensor.float(), joint["average"][name].float(), atol=2e-4), name


def test_what_one_process_finds_wrong_is_said_in_one_line(sets, base, tmp_path):
    samples = sets.samples("spots", "train", CLASSES)
    lost = [
        type(one)(tmp_path / "lost.png", *[getattr(one, n) for n in ("source", "xyxy", "class_id", "labelled")])
        for one in samples
    ]
    with pytest.raises(SourceError, match=r"lost\.png: the picture is not there any more"):
        fit(recipe_of(), {"spots": lost}, base, tmp_path / "run", hardware=Hardware("cpu", "f32", 2))


def test_an_absent_device_is_refused():
    with pytest.raises(RunError, match="no device is called tpu"):
        look_around(Hardware("tpu"))
    if not torch.cuda.is_available():
        with pytest.raises(RunError, match="there is no cuda:3: torch sees 0 GPUs"):
            look_around(Hardware("cuda:3"))


def test_what_a_processor_emulates_is_said():
    assert "25 times" in (emulated(Hardware("cpu", "f16")) or "")
    assert emulated(Hardware("cpu", "f32")) is None and emulated(Hardware("cpu")) is None


def test_float16_learns_with_its_gradients_scaled(sets, base, tmp_path):
    samples = {"spots": sets.samples("spots", "train", CLASSES)}
    content = load_checkpoint(fit(recipe_of(), samples, base, tmp_path, hardware=Hardware("cpu", "f16")))
    assert content["machines"][0].endswith("float16") and content["scaler"]["scale"] > 1
    assert all(tensor.isfinite().all() for tensor in content["average"].values() if tensor.is_floating_point())
