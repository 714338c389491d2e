"""Fixtures of the tests that run whole jobs."""

import pytest
from driving import Drive, render_drive


@pytest.fixture(scope="session")
def drive(tmp_path_factory) -> Drive:
    """A short piece of the sample drive; it must be left as it is."""
    return render_drive(tmp_path_factory.mktemp("drive"))
