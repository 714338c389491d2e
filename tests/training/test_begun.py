"""A run goes on only with what it was begun with; its log goes on with it."""

import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch", reason="torch is not installed")
pytest.importorskip("dvclive", reason="dvclive is not installed")

import numpy as np  # noqa: E402
import yaml  # noqa: E402
from PIL import Image  # noqa: E402

from training.begun import RECORD, Begun, settle  # noqa: E402
from training.cli import train  # noqa: E402
from training.errors import RunError  # noqa: E402
from training.live import FOLDER, live_log  # noqa: E402
from training.network import build_network  # noqa: E402
from training.recipe import read_recipe  # noqa: E402

RECIPE = """
task: road
architecture: yolo11n
classes: [D40]
seed: 1
batch: 2
stages:
  - {name: a, epochs: EPOCHS, crops: 2, side_px: 64, rate: 0.001, final_rate: 0.001, sources: {ours: {weight: 1}}}
"""
CATALOGUE = """
ours: {title: Ours, licence: CC0-1.0, url: none, layout: yolo, path: ours, classes: {"0": D40}, labels: [D40]}
"""
ROW = {"stage": "a", "epoch": 1, "box": 1.5, "class": 2.5, "distribution": 0.5, "rate": "0.001", "seconds_a_crop": 0.1}


@pytest.fixture
def arguments(tmp_path):
    torch.set_num_threads(1)
    for part in ("images", "labels"):
        (tmp_path / "ours" / "train" / part).mkdir(parents=True)
    picture = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(picture).save(tmp_path / "ours/train/images/a.png")
    (tmp_path / "ours/train/labels/a.txt").write_text("0 0.5 0.5 0.3 0.3", encoding="utf-8")
    (tmp_path / "catalogue.yaml").write_text(CATALOGUE, encoding="utf-8")
    (tmp_path / "recipe.yaml").write_text(RECIPE.replace("EPOCHS", "1"), encoding="utf-8")
    torch.save(build_network("yolo11n", 80).state_dict(), tmp_path / "base.pt")
    paths = {"data": ".", "catalogue": "catalogue.yaml", "recipe": "recipe.yaml", "base": "base.pt", "out": "run"}
    return ["road", *(part for name, path in paths.items() for part in (f"--{name}", str(tmp_path / path)))]


def call(*arguments):
    return CliRunner().invoke(train, arguments, catch_exceptions=False)


def steps(folder):
    return [line.split("\t")[0] for line in (folder / "plots/metrics/loss/box.tsv").read_text().splitlines()]


def test_a_finished_run_is_left_as_it_is_and_a_longer_one_goes_on_with_its_log(arguments, tmp_path):
    call(*arguments)
    checkpoint = (tmp_path / "run/last.pt").read_bytes()
    call(*arguments)
    assert (tmp_path / "run/last.pt").read_bytes() == checkpoint
    assert steps(tmp_path / "run" / FOLDER) == ["step", "0"]


def test_other_pictures_are_refused_or_begin_anew(arguments, tmp_path):
    call(*arguments)
    checkpoint = (tmp_path / "run/last.pt").read_bytes()
    (tmp_path / "ours/train/labels/a.txt").write_text("0 0.4 0.4 0.3 0.3", encoding="utf-8")
    with pytest.raises(RunError, match="pictures or labels of ours"):
        call(*arguments)
    result = call(*arguments, "--if-changed", "anew")
    assert "run.former" in result.output
    assert (tmp_path / "run.former/last.pt").read_bytes() == checkpoint
    assert (tmp_path / "run/last.pt").read_bytes() != checkpoint
    assert steps(tmp_path / "run" / FOLDER) == ["step", "0"], "the log begins anew too"


def test_a_run_that_was_not_finished_is_never_removed(arguments, tmp_path):
    recipe, run = tmp_path / "recipe.yaml", tmp_path / "run"
    call(*arguments)
    first = (run / "last.pt").read_bytes()
    # Of two epochs one is done: the run was stopped there.
    recipe.write_text(RECIPE.replace("EPOCHS", "2"), encoding="utf-8")
    content = torch.load(run / "last.pt", weights_only=True)
    torch.save({**content, "recipe": read_recipe(recipe).model_dump_json()}, run / "last.pt")
    half = (run / "last.pt").read_bytes()
    for seed, kept in ((2, ["run.former"]), (3, ["run.former", "run.former.2"])):
        recipe.write_text(RECIPE.replace("EPOCHS", "1").replace("seed: 1", f"seed: {seed}"), encoding="utf-8")
        call(*arguments, "--if-changed", "anew")
        assert sorted(one.name for one in tmp_path.glob("run.*")) == kept
        assert (tmp_path / "run.former/last.pt").read_bytes() == half != first


def test_another_recipe_begins_anew_where_that_is_asked_for(arguments, tmp_path):
    call(*arguments)
    changed = RECIPE.replace("EPOCHS", "1").replace("seed: 1", "seed: 2")
    (tmp_path / "recipe.yaml").write_text(changed, encoding="utf-8")
    with pytest.raises(RunError, match="another recipe"):
        call(*arguments)
    call(*arguments, "--if-changed", "anew")
    assert (tmp_path / "run.former/last.pt").is_file()


def test_what_nothing_was_taught_with_yet_may_change(arguments, tmp_path):
    settle(tmp_path / "run", read_recipe(tmp_path / "recipe.yaml"), Begun({"ours": "before"}, "base"), "refuse")
    call(*arguments)
    checkpoint = (tmp_path / "run/last.pt").read_bytes()
    call(*arguments)
    assert (tmp_path / "run/last.pt").read_bytes() == checkpoint


def test_sets_of_later_stages_join_the_record(arguments, tmp_path):
    call(*arguments)
    recipe = read_recipe(tmp_path / "recipe.yaml")
    base = yaml.safe_load((tmp_path / "run" / RECORD).read_text())["base"]
    settle(tmp_path / "run", recipe, Begun({"more": "first"}, base), "refuse")
    with pytest.raises(RunError, match="pictures or labels of more"):
        settle(tmp_path / "run", recipe, Begun({"more": "other"}, base), "refuse")


@pytest.mark.parametrize("left", ["", "{data: [", "base: abc", "data: 3\nbase: abc"])
def test_a_damaged_record_is_one_line_and_can_be_removed(arguments, tmp_path, left):
    call(*arguments)
    checkpoint, record = tmp_path / "run/last.pt", tmp_path / "run" / RECORD
    before = checkpoint.read_bytes()
    record.write_text(left, encoding="utf-8")
    with pytest.raises(RunError, match=r"begun\.yaml: what the run was begun with cannot be read\. Remove it"):
        call(*arguments)
    record.unlink()
    call(*arguments)
    assert checkpoint.read_bytes() == before and record.is_file() and not list(record.parent.glob("*.part"))


def test_other_base_weights_are_refused(arguments, tmp_path):
    call(*arguments)
    torch.save(build_network("yolo11n", 3).state_dict(), tmp_path / "base.pt")
    with pytest.raises(RunError, match="base weights"):
        call(*arguments)


def test_a_log_that_was_stopped_goes_on_and_shifts_no_epoch(tmp_path):
    with live_log(tmp_path) as log:
        log(0, ROW)
        log(1, ROW)
    # The third epoch's row was lost: killed between the checkpoint and the log.
    with live_log(tmp_path) as log:
        log(3, ROW)
    assert steps(tmp_path / FOLDER) == ["step", "0", "1", "3"]


def test_the_log_tells_nobody(tmp_path, monkeypatch):
    requests = pytest.importorskip("requests")
    told = []
    monkeypatch.setattr(requests.Session, "request", lambda *a, **k: told.append(a))
    monkeypatch.setenv("DVC_STUDIO_TOKEN", "a token that would make it report")
    monkeypatch.setenv("DVC_STUDIO_REPO_URL", "https://example.org/town")
    with live_log(tmp_path) as log:
        log(0, ROW)
    assert told == []
