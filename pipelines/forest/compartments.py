"""How registers name stands: by compartment (林班) and subcompartment (小班), in Japanese or romanised, or by an id."""

import re
from collections.abc import Sequence
from typing import Any, Final

import geopandas as gpd
import pandas as pd

__all__ = ["as_written", "id_columns", "stand_names"]

_IDS: Final = ("stand_id", "standid", "stand", "blockid", "block", "小班id", "林小班")
"""Columns that name a stand by themselves, the surest first."""
_LAST: Final = ("id", "name")
"""What names a stand where nothing better does."""
_PARTS: Final = (
    r"林班|rinpan|rinhan|rin_pan|rin_han|compartment",
    r"準林班|junrinpan|junrinhan|jun_rinpan|jun_rinhan",
    r"小班|s[yh]*ou?[_ ]?han|sub[_ ]?compartment",
    r"枝番|施業番号|eda[_ ]?ban",
)
"""The parts of a stand's name from the largest to the smallest."""
_SUFFIX: Final = r"[_ ]?(?:番号|主番|枝番|コード|bangou?|no|number|code|cd|id)?"


def _part_columns(columns: Sequence[str]) -> list[str]:
    """The columns that together say which stand a row is, from the largest part to the smallest."""
    return [
        column
        for part in _PARTS
        for column in columns
        if re.fullmatch(f"(?:{part}){_SUFFIX}", column.removeprefix("reg_"), re.IGNORECASE)
    ]


def id_columns(columns: Sequence[str]) -> list[str]:
    """All columns that say which stand a row is: parts of its name, then ids."""
    by_name = {column.removeprefix("reg_").lower(): column for column in columns}
    ids = [by_name[name] for name in (*_IDS, "id") if name in by_name]
    return list(dict.fromkeys([*_part_columns(columns), *ids]))


def stand_names(frame: gpd.GeoDataFrame) -> tuple[list[str], str]:
    """What a register calls its stands, and after which column; "" where they are numbered in its order.

    A subcompartment's number is given again in every compartment, so the parts are joined: 12-い-3. A row without a
    name is called by its number in the register, in brackets.
    """
    by_name = {str(column).lower(): str(column) for column in frame.columns}
    parts = _part_columns([str(column) for column in frame.columns])
    whole = [[by_name[name]] for name in (*_IDS, *_LAST) if name in by_name]
    sure = [columns for columns in whole if columns[0].lower() in _IDS]
    chosen = next(iter([*sure, *([parts] if parts else []), *whole]), [])
    if not chosen:
        return [str(number) for number in range(1, len(frame) + 1)], ""
    rows = zip(*(as_written(frame[column]) for column in chosen), strict=True)
    joined = ("-".join(part for part in row if part) for row in rows)
    return [name or f"({number})" for number, name in enumerate(joined, 1)], "-".join(chosen)


def as_written(values: "pd.Series[Any]") -> list[str]:
    """Ids as the register shows them, "" where missing; whole numbers stay whole where others are missing."""
    return ["" if pd.isna(value) else _plain(value) for value in values]


def _plain(value: Any) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
