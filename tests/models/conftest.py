"""What the tests of models share; pytest's importlib mode adds no paths, so this one does."""

import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parent))

from spot_network import write_spot_model


@pytest.fixture(scope="session")
def spot_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder whose network finds red and green cells of 32 px."""
    return write_spot_model(tmp_path_factory.mktemp("spots"))
