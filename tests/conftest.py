"""Fixtures that every test may use."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# Nothing timed goes into tests: a busy machine must not fail one. The same examples every time, for the same reason.
settings.register_profile("house", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("house")

CHECKOUT = Path(__file__).resolve().parent.parent
# What tests of several folders share (`filming`): pytest's importlib mode adds no paths.
sys.path.append(str(Path(__file__).parent))


def _shared_data() -> Path | None:
    named = os.environ.get("MICHISORA_SHARED_DATA")
    folder = Path(named) if named else CHECKOUT.parent / "shared" / "data"
    return folder if (folder / "road").is_dir() else None


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of reference data: real drives, frames and labels that the project does not ship."""
    folder = _shared_data()
    if folder is None:
        pytest.skip("reference data is absent (set MICHISORA_SHARED_DATA to its folder)")
    return folder


@pytest.fixture(scope="session")
def checkout() -> Path:
    """The root of the checkout under test."""
    return CHECKOUT
