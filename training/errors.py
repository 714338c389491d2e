"""Errors of training.

MichisoraError
└── TrainingError
    ├── SourceError    a data set that is absent, unknown, or labelled in a way nobody can read
    ├── RecipeError    a recipe that asks for the impossible
    └── RunError       a run that cannot go on: checkpoints of another recipe, no checkpoint at all
"""

from geo.errors import MichisoraError


class TrainingError(MichisoraError):
    """Something about making or judging a model."""


class SourceError(TrainingError):
    """A data set that is absent, unknown, or labelled in a way nobody can read."""


class RecipeError(TrainingError):
    """A recipe that asks for the impossible."""


class RunError(TrainingError):
    """A run that cannot go on."""
