"""Errors of the models.

MichisoraError
└── ModelError
    ├── CardError        a model card that is absent or says something impossible
    ├── WeightsError     weights that are absent or are not the ones the card describes
    ├── BackendError     a back end that is not installed or cannot run the network
    └── DetectionsError  arrays that are no detections, a picture no network can look at
"""

from geo.errors import MichisoraError


class ModelError(MichisoraError):
    """Something about what is seen."""


class CardError(ModelError):
    """A model card that is absent or says something impossible."""


class WeightsError(ModelError):
    """Weights that are absent or are not the ones the card describes."""


class BackendError(ModelError):
    """A back end that is not installed or cannot run the network."""


class DetectionsError(ModelError):
    """Arrays that are no detections, or a picture that no network can look at."""
