"""Lets the tests of this folder import what they share (`road_simulator`): pytest's importlib mode adds no paths."""

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parent))


@pytest.fixture(scope="session")
def stand_map(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A finished stand map with a register and heights, made once for all tests that only read it."""
    from stand_maps import make_stand_map  # noqa: PLC0415 - heavy; loads when it is asked for

    return make_stand_map(tmp_path_factory.mktemp("stand_map"))
