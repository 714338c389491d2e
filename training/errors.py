"""Errors of training.

MichisoraError
└── TrainingError
    ├── SourceError    a data set that is absent, unknown, or labelled in a way nobody can read
    ├── FetchError     a data set that cannot be fetched or unpacked
    ├── LicenceError   weights that may not be given away
    ├── PromotionError a model that may not take another's place
    ├── ReviewError    corrections that nobody can read or that contradict one another
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


class FetchError(TrainingError):
    """A data set that cannot be fetched or unpacked."""


class LicenceError(TrainingError):
    """Weights that may not be given away."""


class PromotionError(TrainingError):
    """A model that may not take another's place."""


class ReviewError(TrainingError):
    """Corrections that nobody can read or that contradict one another."""
