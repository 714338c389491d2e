"""What only an installation that trains has."""

from collections.abc import Iterator
from contextlib import contextmanager

from training.errors import TrainingError

__all__ = ["needing_train_extra"]


@contextmanager
def needing_train_extra() -> Iterator[None]:
    """Say what to install where an import needs what the base installation has not."""
    try:
        yield
    except ModuleNotFoundError as error:
        remedy = "Install it with `pip install 'michisora[train]'`."
        raise TrainingError(f"training needs {error.name}, which is not installed", remedy=remedy) from error
