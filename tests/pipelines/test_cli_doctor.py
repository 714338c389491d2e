import json
import re
from importlib.metadata import requires
from pathlib import Path

import pytest
from click.testing import CliRunner

from models import detector
from pipelines.cli.doctor import doctor
from pipelines.health import BASE, EXTRAS, examine, is_healthy


def test_a_working_installation_is_found_healthy_and_its_back_end_named(tmp_path):
    findings = examine(tmp_path)
    assert is_healthy(findings)
    for task in detector.known_tasks():
        assert any(one.item == task and "runs on" in one.detail for one in findings)


def test_only_what_the_installation_asks_for_is_looked_for():
    asked = [re.split("[ ;<>=!~\\[]", one)[0] for one in requires("michisora") or [] if "extra ==" not in one]
    assert set(BASE) <= set(asked)
    in_extras = " ".join(one for one in requires("michisora") or [] if "extra ==" in one)
    assert all(name in in_extras for names in EXTRAS.values() for name in names)


def test_weights_that_are_not_the_cards_are_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    road = detector.WEIGHTS / "road"
    copy = tmp_path / "road"
    copy.mkdir()
    (copy / "card.yaml").write_bytes((road / "card.yaml").read_bytes())
    (copy / "model.onnx").write_bytes(b"something else")
    monkeypatch.setattr(detector, "WEIGHTS", tmp_path)
    broken = [one for one in examine(tmp_path) if one.state == "broken"]
    assert [one.item for one in broken] == ["road"]
    assert "not those of the card" in broken[0].detail
    assert broken[0].remedy
    assert CliRunner().invoke(doctor, [], standalone_mode=False).return_value == 1


def test_json_holds_the_same_findings():
    outcome = CliRunner().invoke(doctor, ["--json"], standalone_mode=False)
    topics = {one["topic"] for one in json.loads(outcome.output)}
    assert {"system", "libraries", "extras", "models", "disk"} <= topics
