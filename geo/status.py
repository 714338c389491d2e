"""The state of a mapped defect, as people and other tools write it into a table."""

from collections.abc import Mapping
from types import MappingProxyType

import pandas as pd

from geo.styles import Choice

__all__ = ["FIRST", "STATUSES", "VALUES", "status_of"]

FIRST = "detected"
"""What a survey writes of a defect that nobody has seen to yet."""

# Open311 would call the last five of the first list closed; MyCityReport shows them as 対応後.
STATUSES = (
    Choice("detected", "検出", "Detected"),
    Choice("accepted", "確認済み", "Accepted"),
    Choice("planned", "補修予定", "Planned"),
    Choice("assigned", "担当決定", "Assigned"),
    Choice("in_progress", "対応中", "In progress"),
    Choice("deferred", "経過観察", "Deferred"),
    Choice("reopened", "再発", "Reopened"),
    Choice("done", "補修済み", "Done"),
    Choice("verified", "補修確認済み", "Verified"),
    Choice("rejected", "損傷ではない", "Not a defect"),
    Choice("merged", "統合済み", "Merged"),
    Choice("not_responsible", "管轄外", "Not our road"),
)
VALUES = tuple(choice.value for choice in STATUSES)

# What people may have typed or other tools have written for one of ours.
_SYNONYMS: Mapping[str, str] = MappingProxyType(
    {"open": "detected", "dismissed": "rejected", "not_a_defect": "rejected", "watch": "deferred"}
)


def status_of(text: str | float | None) -> str:
    """The state that a table's cell names: its value or either name; anything else is kept as it is."""
    said = "" if pd.isna(text) else str(text).strip()
    lowered = said.lower()
    for choice in STATUSES:
        if lowered in {choice.value, choice.ja, choice.en.lower(), choice.label.lower()}:
            return choice.value
    return _SYNONYMS.get(lowered, said or FIRST)
