"""The kinds of road damage and which of them may be the same thing seen twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

POTHOLE = "D40"
ALLIGATOR = "D20"
TYPED_CRACKS = ("D00", "D10", "D20")
UNTYPED_CRACK = "crack"
CRACKS = (*TYPED_CRACKS, UNTYPED_CRACK)
CLASSES = ("D00", "D10", "D20", "D40", "crack")

# RDD2022's class names (Arya et al. 2022), with the words Japanese road offices use.
NAMES_JA: Mapping[str, str] = MappingProxyType(
    {
        "D00": "縦断ひび割れ",
        "D10": "横断ひび割れ",
        "D20": "亀甲状ひび割れ",
        "D40": "ポットホール",
        "crack": "ひび割れ(種別不明)",
    }
)
NAMES_EN: Mapping[str, str] = MappingProxyType(
    {
        "D00": "Longitudinal crack",
        "D10": "Transverse crack",
        "D20": "Alligator crack",
        "D40": "Pothole",
        "crack": "Crack (type unknown)",
    }
)


def family_of(name: str, *, merge_cracks: bool = True) -> str:
    """The group within which two sightings may be one defect.

    Detectors confuse the crack types with one another far more than cracks with potholes (one crack changes from D00
    to D20 as the vehicle nears it), and an untyped `crack` is some crack: by default they form one family.

    Args:
        name: class.
        merge_cracks: False keeps the typed cracks apart (an untyped one is then a family of its own).
    """
    return "cracks" if merge_cracks and name in CRACKS else name


def family_codes(names: Iterable[str], *, merge_cracks: bool = True) -> NDArray[np.int64]:
    """(n,) int64: equal codes for classes of one family, independent of the order of `names`."""
    families = [family_of(name, merge_cracks=merge_cracks) for name in names]
    codes = {family: code for code, family in enumerate(sorted(set(families)))}
    return np.array([codes[family] for family in families], np.int64)


def family_bits(names: Iterable[str], *, merge_cracks: bool = True) -> NDArray[np.int64]:
    """(n,) int64: one bit a family, so that a thing that was called by two of them can carry both."""
    return np.left_shift(np.int64(1), family_codes(names, merge_cracks=merge_cracks))


def name_ja(name: str) -> str:
    """The Japanese name; an unknown class is shown as it is called."""
    return NAMES_JA.get(name, name)


def name_en(name: str) -> str:
    """The English name; an unknown class is shown as it is called."""
    return NAMES_EN.get(name, name)
