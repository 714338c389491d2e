"""The stand table as people read it: a row a stand, the largest first."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from pipelines.forest.layers import STAND_KIND
from pipelines.forest.results import Results
from pipelines.forest.words import LANGUAGES, say

__all__ = ["UNKNOWN", "Column", "StandRow", "columns_of", "number", "rows_of"]

UNKNOWN: Final = "–"


@dataclass(frozen=True, slots=True)
class StandRow:
    """A stand; nan where something is unknown, as in a stand that was not photographed.

    Attributes:
        stand: its name in the register, or of its own.
        kind: forest, open, or "" where nothing was seen, or the picture is too coarse to tell.
        per_ha: stems/ha; `low_ha` and `high_ha` are its 90 % interval, nan where the picture is too coarse.
        seen_pct: how much of it was photographed.
        loss_ha: canopy lost since an earlier flight, beyond chance; nan where there was none.
    """

    stand: str
    kind: str
    area_ha: float
    seen_pct: float
    n_stems: float
    per_ha: float
    low_ha: float
    high_ha: float
    cover_pct: float
    diameter_m: float
    height_m: float
    gap_pct: float
    loss_ha: float


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the printed table: its words' key, relative width, whether it holds figures, and what it shows."""

    key: str
    width: int
    figures: bool
    show: Callable[[StandRow, str], str]


def rows_of(results: Results) -> list[StandRow]:
    """All stands, those that were photographed first, of them the largest; of equal ones by name."""
    table = results.stands
    unknown = [math.nan] * len(table)
    heights, losses = (table.get(name, unknown) for name in ("height_m", "loss_ha"))
    rows = [
        StandRow(
            stand=str(stand.stand),
            kind=str(stand.kind) if isinstance(stand.kind, str) else "",
            area_ha=float(stand.area_ha),
            seen_pct=float(stand.seen_pct),
            n_stems=_float(stand.n_crowns),
            per_ha=float(stand.stem_density_ha),
            low_ha=float(stand.stem_density_low_ha),
            high_ha=float(stand.stem_density_high_ha),
            cover_pct=float(stand.crown_cover_pct),
            diameter_m=float(stand.crown_diameter_m),
            height_m=_float(height),
            gap_pct=float(stand.gap_pct),
            loss_ha=_float(loss),
        )
        for stand, height, loss in zip(table[_NEEDED].itertuples(), heights, losses, strict=True)
    ]
    return sorted(rows, key=lambda row: (row.seen_pct <= 0, -round(row.area_ha, 4), row.stand))


def columns_of(results: Results) -> Iterator[Column]:
    """What the table shows: heights where they are known, the photographed share where it is not all."""
    yield Column("stand", 26, False, lambda row, _lang: row.stand)
    yield Column("column_kind", 15, False, _kind)
    yield Column("column_area", 16, True, lambda row, _lang: number(row.area_ha, 2))
    if len(results.stands) and float(results.stands["seen_pct"].min()) < 99.5:
        yield Column("column_seen", 16, True, lambda row, _lang: number(row.seen_pct, 0))
    yield Column("column_stems", 14, True, lambda row, _lang: number(row.n_stems, 0))
    yield Column("column_density", 38, True, lambda row, _lang: _density(row))
    yield Column("column_cover", 16, True, lambda row, _lang: number(row.cover_pct, 0))
    yield Column("column_diameter", 20, True, lambda row, _lang: number(row.diameter_m, 1))
    if "height_m" in results.crowns:
        yield Column("column_height", 17, True, lambda row, _lang: number(row.height_m, 1))
    if results.change is not None:
        yield Column("column_loss", 15, True, lambda row, _lang: number(row.loss_ha, 2))
    yield Column("column_gap", 20, True, lambda row, _lang: number(row.gap_pct, 0))


def number(value: float, decimals: int) -> str:
    """A figure with its decimals, – where it is unknown."""
    return UNKNOWN if math.isnan(value) else f"{value:,.{decimals}f}"


_NEEDED: Final = [
    "stand",
    "kind",
    "area_ha",
    "seen_pct",
    "n_crowns",
    "stem_density_ha",
    "stem_density_low_ha",
    "stem_density_high_ha",
    "crown_cover_pct",
    "crown_diameter_m",
    "gap_pct",
]


def _float(value: Any) -> float:
    """Nan for what is missing in any of pandas' ways."""
    try:
        return float(value)
    except (TypeError, ValueError):
        return math.nan


def _kind(row: StandRow, lang: str) -> str:
    named = {choice.value: (choice.ja, choice.en)[LANGUAGES.index(lang)] for choice in STAND_KIND}
    return named.get(row.kind, UNKNOWN if row.seen_pct > 0 else say("unseen", lang))


def _density(row: StandRow) -> str:
    interval = "" if math.isnan(row.low_ha) else f" ({row.low_ha:,.0f}–{row.high_ha:,.0f})"
    return number(row.per_ha, 0) + interval
