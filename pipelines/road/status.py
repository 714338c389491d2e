"""What becomes of a defect: the states that people set, and which surveys may change."""

from geo.status import FIRST, STATUSES, VALUES, status_of

__all__ = ["CLOSED", "FIRST", "REPAIRED", "STATUSES", "VALUES", "seen_again", "status_of"]

REPAIRED = frozenset({"done", "verified"})
CLOSED = REPAIRED | {"rejected", "merged", "not_responsible"}


def seen_again(status: str) -> str:
    """The state of a defect that the new survey found: a repaired one that is back is reopened."""
    return "reopened" if status in REPAIRED else status
