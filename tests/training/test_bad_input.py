"""What cannot be taught on, read or written is one line with a remedy, and nothing that was there is lost."""

import errno
import os
import pickle
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch", reason="torch is not installed (pip install 'michisora[train]')")

from teaching import CLASSES, RECIPE, spots  # noqa: E402

from training import checkpoint  # noqa: E402
from training import fit as fitting  # noqa: E402
from training.checkpoint import CHECKPOINT, load_checkpoint, standing  # noqa: E402
from training.cli import train  # noqa: E402
from training.errors import RecipeError, RunError, SourceError  # noqa: E402
from training.fit import LOG, fit  # noqa: E402
from training.hardware import Hardware  # noqa: E402
from training.network import build_network, start_from  # noqa: E402
from training.recipe import Recipe  # noqa: E402

PLAIN = Hardware("cpu", "f32")


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    return spots(tmp_path_factory.mktemp("data"))


@pytest.fixture
def samples(sets):
    return {"spots": sets.samples("spots", "train", CLASSES)}


@pytest.fixture(scope="module")
def begun(sets, base, tmp_path_factory):
    """A run of which the first of two epochs is done."""
    out = tmp_path_factory.mktemp("begun")
    with pytest.raises(KeyboardInterrupt):
        fit(recipe_of(), {"spots": sets.samples("spots", "train", CLASSES)}, base, out, interrupt, hardware=PLAIN)
    return out


def recipe_of(**changes):
    return Recipe.model_validate({**RECIPE, **changes})


def interrupt(done, total):
    raise KeyboardInterrupt


def half_done(begun, folder):
    for name in (CHECKPOINT, LOG):
        (folder / name).write_bytes((begun / name).read_bytes())
    return (folder / CHECKPOINT).read_bytes()


def test_losses_that_are_no_numbers_end_the_run_and_spare_the_checkpoint(begun, samples, base, tmp_path, monkeypatch):
    before = half_done(begun, tmp_path)
    loss = fitting.LabelledClassLoss.loss
    calls = []

    def worse(self, preds, batch):
        calls.append(preds)
        total, log = loss(self, preds, batch)
        return (
            (total, log)
            if len(calls) < 2
            else (total * float("inf"), {n: one * float("nan") for n, one in log.items()})
        )

    monkeypatch.setattr(fitting.LabelledClassLoss, "loss", worse)
    with pytest.raises(RunError) as error:
        fit(recipe_of(), samples, base, tmp_path, hardware=PLAIN)
    said = str(error.value)
    assert "stage settle, epoch 1, step 4 (box nan" in said and "checkpoint of epoch 1 is as it was" in said
    assert "a lower rate for stage settle (it is 0.001), or more warm_up_steps" in said
    assert (tmp_path / CHECKPOINT).read_bytes() == before


def test_a_gradient_that_is_no_number_is_never_stepped_along(samples, base, tmp_path, monkeypatch):
    loss = fitting.LabelledClassLoss.loss

    def steep(self, preds, batch):
        total, log = loss(self, preds, batch)
        return total * float("inf"), log

    monkeypatch.setattr(fitting.LabelledClassLoss, "loss", steep)
    with pytest.raises(RunError, match=r"stage learn, epoch 1, step 1 .*\. Try a lower rate"):
        fit(recipe_of(), samples, base, tmp_path, hardware=PLAIN)
    assert not (tmp_path / CHECKPOINT).exists()


def test_a_disk_that_is_full_spares_the_former_checkpoint(begun, samples, base, tmp_path, monkeypatch):
    before = half_done(begun, tmp_path)

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(checkpoint.os, "fsync", full)
    with pytest.raises(RunError, match=r"epoch 2 cannot be written \(No space left on device\)\. Free \d+ MB") as error:
        fit(recipe_of(), samples, base, tmp_path, hardware=PLAIN)
    assert "The one of epoch 1 is as it was" in str(error.value)
    assert (tmp_path / CHECKPOINT).read_bytes() == before and not list(tmp_path.glob("*.part"))
    monkeypatch.undo()
    fit(recipe_of(), samples, base, tmp_path, hardware=PLAIN)
    assert load_checkpoint(tmp_path / CHECKPOINT)["done"] == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_a_log_that_cannot_be_written_is_said(begun, samples, base, tmp_path):
    half_done(begun, tmp_path)
    (tmp_path / LOG).unlink()
    (tmp_path / LOG).symlink_to("/dev/full")
    with pytest.raises(RunError, match=r"the log cannot be written \(No space left on device\)"):
        fit(recipe_of(), samples, base, tmp_path, hardware=PLAIN)
    assert load_checkpoint(tmp_path / CHECKPOINT)["done"] == 2


class Malicious:
    def __reduce__(self):
        return os.mkdir, ("/nonexistent/touched",)


def test_a_pickle_of_more_than_tensors_is_refused_and_never_run(tmp_path):
    path = tmp_path / CHECKPOINT
    for write in (torch.save, lambda one, to: to.write_bytes(pickle.dumps(one, protocol=2))):
        write({"network": Malicious()}, path)
        with pytest.raises(RunError, match="holds more than tensors, which could run code"):
            load_checkpoint(path)
        with pytest.raises(RecipeError, match=r"holds more than tensors.*`michisora fetch`"):
            start_from(build_network("yolo11n", 2), path)


def test_a_checkpoint_cut_short_is_refused(begun, samples, base, tmp_path):
    whole = half_done(begun, tmp_path)
    (tmp_path / CHECKPOINT).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(RunError, match=r"it is cut short or damaged.*Remove it to begin anew"):
        fit(recipe_of(), samples, base, tmp_path)
    (tmp_path / CHECKPOINT).write_bytes(b"")
    with pytest.raises(RunError, match="it is cut short or damaged"):
        load_checkpoint(tmp_path / CHECKPOINT)


def test_a_state_dict_is_no_checkpoint(base):
    with pytest.raises(RunError, match="no checkpoint of a training run"):
        load_checkpoint(base)


def test_a_checkpoint_of_another_task_is_named(begun, samples, base, tmp_path):
    half_done(begun, tmp_path)
    with pytest.raises(RunError, match="made by another recipe, of spots"):
        fit(recipe_of(task="dents"), samples, base, tmp_path)


def test_a_picture_that_went_away_or_is_cut_short_is_named(samples, base, tmp_path):
    cut = tmp_path / "cut.png"
    cut.write_bytes(samples["spots"][0].picture.read_bytes()[:2000])
    for picture, words in ((tmp_path / "gone.png", "not there any more"), (cut, "cannot be read")):
        some = {"spots": [replace(one, picture=picture) for one in samples["spots"]]}
        with pytest.raises(SourceError, match=f"{picture.name}: the picture.* {words}"):
            fit(recipe_of(), some, base, tmp_path / "run", hardware=PLAIN)


def arguments(sets, tmp_path, base, out):
    (tmp_path / "recipe.yaml").write_text(recipe_of().model_dump_json(), encoding="utf-8")
    entry = sets.catalogue["spots"].model_dump_json(exclude_defaults=True)
    (tmp_path / "catalogue.yaml").write_text(f'{{"spots": {entry}}}', encoding="utf-8")
    named = {"recipe": tmp_path / "recipe.yaml", "catalogue": tmp_path / "catalogue.yaml", "data": sets.data}
    options = {**named, "base": base, "out": out, "device": "cpu", "precision": "f32"}
    return ["spots", *(str(one) for name, value in options.items() for one in (f"--{name}", value))]


def test_interrupted_it_says_where_it_will_go_on(begun, sets, base, tmp_path, monkeypatch):
    half_done(begun, tmp_path)
    monkeypatch.setattr(fitting, "_epoch", lambda *_: interrupt(0, 0))
    result = CliRunner().invoke(train, arguments(sets, tmp_path, base, tmp_path))
    assert f"{tmp_path}: 1 of 2 epochs are done: the same command goes on with epoch 2" in result.stderr
    assert "note: no picture that is learned from shows crack" in result.stderr
    assert result.exit_code == 1 and "no epoch is done" in standing(tmp_path / "none", recipe_of())


def test_a_label_outside_its_picture_or_without_one_stops_before_the_first_step(tmp_path, base):
    sets = spots(tmp_path / "data")
    labels, pictures = (tmp_path / "data/spots/train" / name for name in ("labels", "images"))
    command = arguments(sets, tmp_path, base, tmp_path / "run")
    (labels / "1.txt").write_text("0 0.5 0.5 0.1 0.1\n0 1.9 0.5 0.1 0.1\n", encoding="utf-8")
    with pytest.raises(SourceError, match=r"1\.txt, line 2: the box .* lies outside its picture of 128 × 96 px"):
        CliRunner().invoke(train, command, catch_exceptions=False)
    (labels / "1.txt").write_text("0 nan 0.5 0.1 0.1\n", encoding="utf-8")
    with pytest.raises(SourceError, match=r"1\.txt, line 1: the box"):
        CliRunner().invoke(train, command, catch_exceptions=False)
    (pictures / "1.png").unlink()
    with pytest.raises(SourceError, match=r"1\.txt: the picture of this label is missing"):
        CliRunner().invoke(train, command, catch_exceptions=False)
    assert not (tmp_path / "run").exists()
