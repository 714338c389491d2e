"""Errors of the jobs.

PipelineError
├── SurveyError      a survey that cannot be read or used as it is
├── JournalError     work already done that cannot be kept or read back
└── OutputError      results that cannot be written where they were asked for
"""

from geo.errors import MichisoraError


class PipelineError(MichisoraError):
    """Something about a job."""


class SurveyError(PipelineError):
    """A survey that cannot be read or used as it is."""


class JournalError(PipelineError):
    """Work already done that cannot be kept or read back."""


class OutputError(PipelineError):
    """Results that cannot be written where they were asked for."""
