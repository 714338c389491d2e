"""One file of parameters: recipes, profile, data; and which stage of `dvc.yaml` hangs on which of them."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from training.errors import RecipeError
from training.params import TrainingParams, read_params
from training.profile import pictures_of, shrink
from training.recipe import Recipe, recipe_from

RECIPE = {
    "task": "road",
    "architecture": "yolo11n",
    "classes": ["D40", "crack"],
    "seed": 1,
    "batch": 16,
    "stages": [
        {
            "name": name,
            "epochs": 9,
            "crops": 1600,
            "side_px": 640,
            "rate": 0.001,
            "final_rate": 0.001,
            "transplant": {"D40": 0.5},
            "sources": {"ours": {"weight": 1}},
        }
        for name in ("a", "b")
    ],
    "card": {
        "name": "ours",
        "classes": [{"name": name, "title_en": name, "title_ja": name} for name in ("D40", "crack")],
        "validation": ["ours"],
        "input": {"long_side_px": 1280, "enlarge": False},
        "limits": ["none known"],
    },
}
TASKS = ["road", "pavement", "crown", "street"]


def write(tmp_path, **sections) -> Path:
    path = tmp_path / "params.yaml"
    path.write_text(yaml.safe_dump(sections), encoding="utf-8")
    return path


def test_a_recipe_is_read_from_its_section_and_others_are_left_be(tmp_path):
    path = write(tmp_path, sample={"seed": 7}, training={"road": RECIPE, "crown": {"broken": True}})
    params = read_params(path)
    assert params.recipe("road") == Recipe.model_validate(RECIPE)
    with pytest.raises(RecipeError, match=r"training\.crown.*task: Field required"):
        params.recipe("crown")


def test_an_unknown_task_and_an_unknown_knob_are_named(tmp_path):
    params = read_params(write(tmp_path, training={"road": RECIPE}))
    with pytest.raises(RecipeError, match="Did you mean road"):
        params.recipe("raod")
    with pytest.raises(RecipeError, match=r"sets\.mirrors"):
        read_params(write(tmp_path, sets={"mirrors": "x"}))
    with pytest.raises(RecipeError, match="profile"):
        read_params(write(tmp_path, profile="quick"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"card": {"classes": ["crack", "D00", "D10", "D20", "D40"]}}, "card.classes must be D00, D10"),
        (
            {"card": {"pictures": {"D44": {"precision": 0.5, "recall": 0.5}}}},
            "card.pictures: D44 is none of the classes",
        ),
        ({"card": {"scores": {"hole": 0.5}}}, "card.scores: hole"),
        ({"stage": {"transplant": {"D04": 0.2}}}, "transplant of stage settle: D04"),
        ({"stage": {"kinds": {"crack": ["D00", "D01"]}}}, "kinds of stage settle: D01"),
        ({"stage": {"sources": {"dnit": {"weight": 1, "split": "all"}}}}, "dnit is named with several splits"),
        ({"warm_up_steps": 0}, "warm_up_steps"),
    ],
)
def test_a_recipe_that_contradicts_itself_is_refused_before_hours_are_spent(change, said, checkout):
    recipe = read_params(checkout / "params.yaml").training["road"]
    card, stage = change.pop("card", {}), change.pop("stage", {})
    if "classes" in card:
        by_name = {one["name"]: one for one in recipe["card"]["classes"]}
        card["classes"] = [by_name[name] for name in card["classes"]]
    stages = [one | stage if one["name"] == "settle" else one for one in recipe["stages"]]
    with pytest.raises(RecipeError, match=said):
        recipe_from({**recipe, "stages": stages, "card": {**recipe["card"], **card}, **change}, "training.road")


def test_outside_a_checkout_the_recipes_of_the_installation_hold(tmp_path, checkout, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_params(Path("params.yaml")) == read_params(checkout / "params.yaml")
    with pytest.raises(RecipeError, match="cannot be read"):
        read_params(Path("other.yaml"))


def test_base_weights_are_those_of_the_architecture():
    params = TrainingParams(base={"yolo11n": Path("a.pt")})
    recipe = Recipe.model_validate(RECIPE)
    assert params.base_of(recipe) == Path("a.pt")
    with pytest.raises(RecipeError, match=r"base\.yolo26n"):
        params.base_of(recipe.model_copy(update={"architecture": "yolo26n"}))


def test_smoke_keeps_every_stage_and_set_but_little_of_each():
    recipe = Recipe.model_validate(RECIPE)
    small = shrink(recipe, "smoke")
    assert [stage.name for stage in small.stages] == ["a", "b"]
    assert all(stage.epochs == 1 and stage.crops <= 8 and stage.side_px <= 128 for stage in small.stages)
    assert small.stages[0].sources == recipe.stages[0].sources and small.stages[0].transplant == {"D40": 0.5}
    assert small.card.input.long_side_px == 320 and small.card.input.enlarge is False
    assert small.card.limits == recipe.card.limits
    assert pictures_of("smoke") < 20
    assert shrink(recipe, "full") is recipe and pictures_of("full") is None


def test_the_parameters_of_the_project_hold_every_task(checkout):
    params = read_params(checkout / "params.yaml")
    stages = yaml.safe_load((checkout / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    for task in stages["train"]["matrix"]["task"]:
        recipe = params.recipe(task)
        assert recipe.task == task and recipe.card is not None
        assert params.base_of(recipe).suffix == ".pt"
    assert params.profile == "full" and params.sets.mirror is None


KINDS = ("outs", "metrics", "plots")
MAKE = """
import sys
from pathlib import Path
for path in map(Path, sys.argv[1:]):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(str(path))
"""
READ_STAGES = """
import json, sys
from dvc.dependency.param import ParamsDependency
from dvc.repo import Repo
stages = {}
for stage in Repo(sys.argv[1]).index.stages:
    on = [dep for dep in stage.deps if isinstance(dep, ParamsDependency)]
    stages[stage.addressing] = [str(stage.cmd), [dep.read_params() for dep in on], sorted(map(str, stage.deps))]
print(json.dumps(stages, sort_keys=True))
"""


def stages_of(folder: Path) -> dict[str, object]:
    """What each stage hangs on, as DVC reads it: its command, the values of its parameters, its dependencies."""
    said = subprocess.run(
        [sys.executable, "-c", READ_STAGES, str(folder)], check=True, capture_output=True, text=True, cwd=folder
    )
    return json.loads(said.stdout)


@pytest.fixture(scope="module")
def project(checkout, tmp_path_factory):
    """The stages and parameters alone, where DVC can read them."""
    tmp_path = tmp_path_factory.mktemp("project")
    for name in ("dvc.yaml", "params.yaml"):
        shutil.copyfile(checkout / name, tmp_path / name)
    (tmp_path / ".dvc").mkdir()
    (tmp_path / ".dvc" / "config").write_text("[core]\n    no_scm = true\n    analytics = false\n", encoding="utf-8")
    return tmp_path


@pytest.fixture(scope="module")
def before(project):
    """What each stage hangs on before any knob is turned."""
    return stages_of(project)


def turned(project: Path, before: dict[str, object], *keys: str, value: object) -> set[str]:
    """The stages that change with one knob, which is then turned back."""
    as_it_was = (project / "params.yaml").read_text(encoding="utf-8")
    content = yaml.safe_load((project / "params.yaml").read_text(encoding="utf-8"))
    section = content
    for key in keys[:-1]:
        section = section[key]
    assert section[keys[-1]] != value
    section[keys[-1]] = value
    (project / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    after = stages_of(project)
    (project / "params.yaml").write_text(as_it_was, encoding="utf-8")
    return {name for name in after if after[name] != before[name]}


@pytest.mark.parametrize("task", TASKS)
def test_a_task_s_parameters_touch_its_own_stages_alone(project, before, task):
    chain = {f"{stage}@{task}" for stage in ("prepare", "train", "export", "evaluate")}
    assert turned(project, before, "training", task, "batch", value=7) == chain


def test_the_knobs_of_the_sample_touch_no_model_and_the_other_way_round(project, before):
    assert turned(project, before, "sample", "seed", value=8) == {"sample"}
    models = turned(project, before, "profile", value="smoke")
    assert models == {f"{stage}@{task}" for task in TASKS for stage in ("prepare", "train", "export", "evaluate")}


def test_the_sample_chain_hangs_on_no_model_stage(before):
    for name in ("sample", "sample-list", "sample-score"):
        assert not any(dep.startswith(("data/prepared", "data/runs", "data/candidates")) for dep in before[name][2])


def test_dvc_would_run_only_what_one_task_needs(checkout, tmp_path):
    """The same by DVC's own word: after a whole run, one knob makes four stages stale."""
    stages = yaml.safe_load((checkout / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
    kept = {name: stages[name] for name in ("prepare", "train", "export", "evaluate")}
    for stage in kept.values():
        stage["matrix"] = {"task": ["road", "crown"]}
        # The same stages with commands that cost nothing: what hangs on what is what is tested.
        made = [one if isinstance(one, str) else next(iter(one)) for kind in KINDS for one in stage.get(kind, [])]
        stage["cmd"] = f"{sys.executable} make.py {' '.join(made)}"
        stage["deps"] = [one for one in stage["deps"] if one.startswith("data/") and one != "data/sets"]
    (tmp_path / "make.py").write_text(MAKE, encoding="utf-8")
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump({"stages": kept}), encoding="utf-8")
    shutil.copyfile(checkout / "params.yaml", tmp_path / "params.yaml")

    def dvc(*arguments):
        command = [sys.executable, "-m", "dvc", *arguments]
        return subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)

    dvc("init", "--no-scm", "--quiet")
    dvc("repro", "--quiet")
    assert json.loads(dvc("status", "--json").stdout) == {}
    content = yaml.safe_load((tmp_path / "params.yaml").read_text(encoding="utf-8"))
    content["training"]["crown"]["batch"] += 1
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(content), encoding="utf-8")
    stale = set(json.loads(dvc("status", "--json").stdout))
    assert stale == {f"{stage}@crown" for stage in ("prepare", "train", "export", "evaluate")}
