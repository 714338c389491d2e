"""Defects and sections as typed values: the tables' columns read once, for every kind of report."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import pandas as pd

from pipelines.report.content import ReportContent
from pipelines.report.words import JUDGEMENTS, TERMS, code_of, name
from pipelines.road.status import CLOSED, status_of


@dataclass(frozen=True, slots=True)
class Item:
    """One defect as reports show it; a missing number is None, a missing text is empty.

    Attributes:
        terms: name and value of each term of the priority, in the order they were summed.
        road_names: language → name of the road; the other language's where it has one only.
        reasons: language → sentences.
        x_m: east, m in the report's CRS; `y_m` north.
        photo: path of the photo relative to the report, empty where there is none.
        look_again: open, but believed too little or too far beside the road to be listed.
    """

    uuid: str
    rank: int | None
    priority: float | None
    terms: tuple[tuple[str, float], ...]
    judgement: str
    klass: str
    length_m: float | None
    width_m: float | None
    area_m2: float | None
    score: float | None
    confidence: float | None
    position_sd_m: float | None
    n_seen: int | None
    n_looked: int | None
    first_seen: date | None
    last_seen: date | None
    link: str
    road_names: Mapping[str, str]
    chainage_m: float | None
    status: str
    change: str
    note: str
    reasons: Mapping[str, tuple[str, ...]]
    lat: float | None
    lon: float | None
    x_m: float
    y_m: float
    photo: str
    look_again: bool

    @property
    def position_sd(self) -> str:
        """The position's standard deviation, m, as printed: to the centimetre where it is below a decimetre."""
        return fixed(self.position_sd_m, 2 if 0 < (self.position_sd_m or 0) < 0.095 else 1)

    @property
    def confidence_pct(self) -> int | None:
        """How far it is believed, % as printed: nothing is certain."""
        return None if self.confidence is None else min(99, round(100 * self.confidence))

    @property
    def label(self) -> str:
        """The rank as printed; a defect that has none gets a dash."""
        return "–" if self.rank is None else str(self.rank)


@dataclass(frozen=True, slots=True)
class SectionItem:
    """One section of road as reports show it; a missing number is None."""

    section: str
    link: str
    from_m: float | None
    to_m: float | None
    crack_ratio_pct: float | None
    mci: float | None
    diagnosis: str
    n_potholes: int | None
    coverage_pct: float | None


def items_of(content: ReportContent, photos: Mapping[str, str]) -> list[Item]:
    """The defects in rank order, then those to look at again by priority, those closed or gone last.

    Args:
        content: the report's content.
        photos: uuid → path of its photo relative to the report.
    """
    frame = content.defects
    if len(frame) and frame.crs is not None and frame.crs != content.crs:
        frame = frame.to_crs(content.crs)
    points = frame.geometry if len(frame) else []
    rows = zip(frame.to_dict("records"), points, strict=True)
    items = [_item(row, point.x, point.y, photos) for row, point in rows]
    return sorted(items, key=_order)


def sum_of_terms(item: Item, lang: str) -> str:
    """The priority's terms as a sum in one line; empty where there are none."""
    return " + ".join(f"{name(TERMS, term, lang)} {value:.2f}" for term, value in item.terms)


def listed_of(items: Iterable[Item]) -> list[Item]:
    """Those with a rank."""
    return [item for item in items if item.rank is not None]


def _order(item: Item) -> tuple[int, int, float, str]:
    group = 0 if item.rank is not None else 1 if item.look_again else 2
    return group, item.rank or 0, -(item.priority or 0.0), item.uuid


def sections_of(content: ReportContent) -> list[SectionItem]:
    """The sections, in the table's order."""
    return [
        SectionItem(
            section=_text(row.get("section")),
            link=_text(row.get("link")),
            from_m=_number(row.get("from_m")),
            to_m=_number(row.get("to_m")),
            crack_ratio_pct=_number(row.get("crack_ratio_pct")),
            mci=_number(row.get("mci")),
            diagnosis=_text(row.get("diagnosis")),
            n_potholes=_whole(row.get("n_potholes")),
            coverage_pct=_number(row.get("coverage_pct")),
        )
        for row in content.sections.drop(columns="geometry", errors="ignore").to_dict("records")
    ]


def fixed(value: float | None, digits: int = 1, missing: str = "–") -> str:
    """A number with a fixed count of decimals, a dash where there is none."""
    return missing if value is None else f"{value:.{digits}f}"


def _item(row: Mapping[str, Any], x_m: float, y_m: float, photos: Mapping[str, str]) -> Item:
    uuid = _text(row.get("uuid"))
    rank = _whole(row.get("rank"))
    status, change = status_of(row.get("status")), _text(row.get("change"))
    name_ja, name_en = _text(row.get("road_name")), _text(row.get("road_name_en"))
    # A table without the column is of a survey that listed all it found.
    unlisted = not _absent(row.get("listed")) and not bool(row["listed"])
    return Item(
        uuid=uuid,
        rank=rank if rank is not None and rank > 0 else None,
        priority=_number(row.get("priority")),
        terms=_terms(row.get("terms")),
        judgement=code_of(JUDGEMENTS, _text(row.get("judgement"))),
        klass=_text(row.get("class")),
        length_m=_number(row.get("length_m")),
        width_m=_number(row.get("width_m")),
        area_m2=_number(row.get("area_m2")),
        score=_number(row.get("score")),
        confidence=_number(row.get("confidence")),
        position_sd_m=_number(row.get("position_sd_m")),
        n_seen=_whole(row.get("n_seen")),
        n_looked=_whole(row.get("n_looked")),
        first_seen=_day(row.get("first_seen")),
        last_seen=_day(row.get("last_seen")),
        link=_text(row.get("link")),
        road_names={"ja": name_ja or name_en, "en": name_en or name_ja},
        chainage_m=_number(row.get("chainage_m")),
        status=status,
        change=change,
        note=_text(row.get("note")),
        reasons={lang: _sentences(row.get(f"reasons_{lang}")) for lang in ("ja", "en")},
        lat=_number(row.get("lat")),
        lon=_number(row.get("lon")),
        x_m=x_m,
        y_m=y_m,
        photo=photos.get(uuid, ""),
        look_again=unlisted and status not in CLOSED and change != "gone",
    )


def _absent(value: Any) -> bool:
    return value is None or (pd.api.types.is_scalar(value) and bool(pd.isna(value)))


def _text(value: Any) -> str:
    return "" if _absent(value) else str(value).strip()


def _number(value: Any) -> float | None:
    if _absent(value) or value == "":
        return None
    number = float(value)
    return number if math.isfinite(number) else None


def _whole(value: Any) -> int | None:
    number = _number(value)
    return None if number is None else round(number)


def _day(value: Any) -> date | None:
    if _absent(value) or value == "":
        return None
    if isinstance(value, datetime):
        return value.date()
    return value if isinstance(value, date) else pd.Timestamp(value).date()


def _terms(value: Any) -> tuple[tuple[str, float], ...]:
    parsed = json.loads(value) if isinstance(value, str) and value else value
    pairs: Iterable[tuple[Any, Any]] = parsed.items() if isinstance(parsed, Mapping) else ()
    numbers = ((str(term), _number(number)) for term, number in pairs)
    return tuple((term, number) for term, number in numbers if number is not None)


def _sentences(value: Any) -> tuple[str, ...]:
    parts = value if isinstance(value, (list, tuple)) else _text(value).splitlines()
    return tuple(part.strip() for part in map(str, parts) if part.strip())
