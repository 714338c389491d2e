"""The option --lang: which languages reports are written in, the first one first."""

from collections.abc import Mapping
from typing import Final

__all__ = ["LANGUAGES"]

LANGUAGES: Final[Mapping[str, tuple[str, ...]]] = {
    "ja": ("ja",),
    "en": ("en",),
    "ja,en": ("ja", "en"),
    "en,ja": ("en", "ja"),
}
