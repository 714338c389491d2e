"""Every Japanese and English word of the forest's pictures, reports and printed map."""

from collections.abc import Mapping
from typing import Final

from pipelines.report.words import LANGUAGES, told

__all__ = ["LANGUAGES", "WORDS", "say"]

WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "title": ("林分図", "Stand map"),
    "crown_image": ("樹冠（画像）", "crown, image"),
    "crown_both": ("樹冠（画像＋樹冠高）", "crown, image and heights"),
    "crown_chm": ("樹冠（樹冠高のみ）", "crown, heights alone"),
    "gap": ("ギャップ", "gap"),
    "stand_border": ("林分界", "stand border"),
}


def say(key: str, lang: str, **values: object) -> str:
    """The words for `key` in a language, `values` filled in."""
    return told(WORDS, key, lang, **values)
