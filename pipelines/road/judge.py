"""How bad each defect is, which comes first, and why.

Levels are MyCityReport's three (損傷なし, 損傷あり, 要補修). The priority is a sum of named terms whose weights
stand in params.yaml; every row carries its terms, so that a crew can argue with it. What a defect does to people counts
as far as the defect is believed: the terms `safety` and `size` are multiplied by its confidence (`evidence`), which is
what they come to on average over many defects like it. What is believed too little, or lies beside the road, is not
listed but kept for a second look. Depth cannot be seen in one picture and is never inferred.
"""

from __future__ import annotations

import json

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipelines.road import reasons
from pipelines.road.classes import ALLIGATOR, POTHOLE
from pipelines.road.sightings import Array
from pipelines.road.status import CLOSED, FIRST, status_of

TERMS = ("safety", "size", "traffic", "seen_again", "growth", "people", "confidence")


class JudgeParams(BaseModel):
    """Levels and weights (params.yaml, section `judge`). Terms other than safety lie between 0 and their weight.

    Attributes:
        pothole_repair_m: potholes this wide or wider need repair. 0.20 m is the target value of the Japan
            Road Association's 道路維持修繕要綱 (1978) for motorways and busy ordinary roads; ASTM
            D6433 begins a class of mean diameter there too.
        alligator_repair_m2: alligator cracks this large or larger need repair; they mean that the base is failing, so
        any.
        crack_repair_m: other cracks this long or longer need repair; None: never on their own.
        safety: points by level and class; it weighs more than any other term.
        size_weight: points of a defect of `full_size_m` or more.
        full_size_m: by class, the size at which the size term is full: mean of length and width, for potholes the
            side of the square of the same area.
        traffic_weight: points on the busiest class of road.
        traffic: share of `traffic_weight` by class of road (OpenStreetMap's `highway`); no term for others.
        seen_again_weight: points where several passes or surveys saw it.
        growth_weight: points where it has grown since the last survey.
        people_weight: points at `full_people` passers-by, where footfall is known.
        full_people: people an hour at which the people term is full.
        confidence_weight: points at a confidence of 1.
        list_confidence: defects believed less get no rank: a crew would more often than not find nothing. They stay on
            the map, and in the report under "look again". What people have taken up (a status they set) stays listed.
        beside_sds: nor do those get one that lie beside the carriageway by more than that many standard deviations of
            their position, on roads whose width is known.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    pothole_repair_m: float = Field(default=0.20, gt=0)
    alligator_repair_m2: float = Field(default=0.0, ge=0)
    crack_repair_m: float | None = Field(default=None, gt=0)
    safety: dict[str, dict[str, float]] = {
        "repair": {"D40": 50.0, "D20": 30.0, "D00": 20.0, "D10": 20.0, "crack": 20.0},
        "damage": {"D40": 25.0, "D20": 15.0, "D00": 8.0, "D10": 8.0, "crack": 8.0},
        "none": {},
    }
    size_weight: float = Field(default=15.0, ge=0)
    full_size_m: dict[str, float] = {"D40": 1.0, "D20": 4.0, "D00": 6.0, "D10": 4.0, "crack": 4.0}
    traffic_weight: float = Field(default=12.0, ge=0)
    traffic: dict[str, float] = {
        **{"motorway": 1.0, "trunk": 1.0, "primary": 0.85, "secondary": 0.7, "tertiary": 0.55, "unclassified": 0.35},
        **{"residential": 0.3, "living_street": 0.2, "service": 0.1, "track": 0.05},
    }
    seen_again_weight: float = Field(default=3.0, ge=0)
    growth_weight: float = Field(default=8.0, ge=0)
    people_weight: float = Field(default=6.0, ge=0)
    full_people: float = Field(default=500.0, gt=0)
    confidence_weight: float = Field(default=6.0, ge=0)
    list_confidence: float = Field(default=0.5, ge=0, le=1)
    beside_sds: float = Field(default=1.5, ge=0)


def judge(
    defects: gpd.GeoDataFrame,
    links: gpd.GeoDataFrame | None = None,
    params: JudgeParams | None = None,
    *,
    above: bool = False,
) -> gpd.GeoDataFrame:
    """Add level, priority, terms, rank, road name and reasons to a table of defects.

    Columns `change`, `growth_m`, `n_surveys` and `status` (from `previous`) are used where present, and so is
    `people_per_h`, which people add: what is no number in it is unknown. Closed defects, those that are gone and those
    to look at again (`look_again`) get no rank; the others are ranked by priority, ties by uuid.

    Args:
        defects: as from `consolidate` or `previous`.
        links: `Roads.links`, for the names, classes and widths of roads.
        params: levels and weights.
        above: whether they were seen in one picture from above, and not in the frames of a drive.

    Returns:
        A new table in order of rank; then what is to be looked at again, and last what is closed or gone. `listed`
        says which have a rank, `beside_road` which lie beside the carriageway, listed or not.
    """
    knobs = params or JudgeParams()
    table = _with_roads(defects.copy(), links)
    for column, value in (("status", ""), ("change", ""), ("note", ""), ("growth_m", np.nan), ("n_surveys", 1)):
        if column not in table.columns:
            table[column] = value
    table["status"] = [status_of(status) for status in table["status"]]
    table["judgement"] = levels(table, knobs)
    terms = terms_of(table, knobs)
    table["terms"] = [json.dumps(row, ensure_ascii=False) for row in terms]
    table["priority"] = [round(sum(row.values()), 2) for row in terms]
    open_ = ~table["status"].isin(CLOSED).to_numpy() & ~table["change"].isin(["gone"]).to_numpy()
    table["beside_road"] = _beside(table, links, knobs.beside_sds)
    unlisted = np.where(open_, look_again(table, knobs), "")
    table["listed"] = open_ & (unlisted == "")
    for language in ("ja", "en"):
        table[f"reasons_{language}"] = reasons.sentences(table.assign(unlisted=unlisted), terms, language, above=above)
    group = np.where(table["listed"], 0, np.where(open_, 1, 2))
    order = np.lexsort((table["uuid"].to_numpy(str), -table["priority"].to_numpy(np.float64), group))
    table = table.iloc[order].reset_index(drop=True)
    numbers = pd.Series(np.arange(1, len(table) + 1), dtype="Int64")
    table["rank"] = numbers.where(table["listed"], pd.NA)
    return table


def look_again(table: pd.DataFrame, params: JudgeParams) -> NDArray[np.object_]:
    """Why each defect is not listed: `doubt` (believed too little), `beside` (the road), "" for what is.

    Args:
        table: `confidence` (NaN where unknown: such rows stay), `status`, `beside_road`. What people have taken up
            stays.
        params: the limits.

    Returns:
        (n,) object.
    """
    doubtful = _column(table, "confidence") < params.list_confidence
    why = np.where(doubtful, "doubt", np.where(table["beside_road"], "beside", "")).astype(object)
    why[[status != FIRST for status in table["status"]]] = ""
    return why


def _beside(table: pd.DataFrame, links: gpd.GeoDataFrame | None, sds: float) -> NDArray[np.bool_]:
    """(n,) bool: beside the carriageway beyond the doubt of the position; False where the width is assumed only."""
    if links is None or not {"width_m", "width_source"} <= set(links.columns):
        return np.zeros(len(table), bool)
    stated = links[links["width_source"] == "given"].drop_duplicates("link").set_index("link")["width_m"]
    width = table["link"].map(stated).to_numpy(np.float64)
    off = np.abs(_column(table, "offset_m")) - sds * np.nan_to_num(_column(table, "position_sd_m"))
    return np.asarray(off > width / 2, bool)


def _column(table: pd.DataFrame, name: str) -> Array:
    """(n,) float64: the column, NaN where the table lacks it."""
    return table[name].to_numpy(np.float64) if name in table.columns else np.full(len(table), np.nan)


def levels(table: pd.DataFrame, params: JudgeParams) -> NDArray[np.object_]:
    """(n,) object: `none`, `damage` or `repair` for each defect.

    Args:
        table: `class`, `length_m`, `width_m`, `area_m2` and `change`; what is gone is judged `none`.
        params: the limits.
    """
    kind = table["class"].to_numpy(object)
    long = np.nanmax(np.nan_to_num(table[["length_m", "width_m"]].to_numpy(np.float64)), axis=1, initial=0.0)
    repair = (kind == POTHOLE) & (mean_size(table) >= params.pothole_repair_m)
    repair |= (kind == ALLIGATOR) & (np.nan_to_num(table["area_m2"].to_numpy(np.float64)) >= params.alligator_repair_m2)
    if params.crack_repair_m is not None:
        repair |= ~np.isin(kind, [POTHOLE, ALLIGATOR]) & (long >= params.crack_repair_m)
    level = np.where(repair, "repair", "damage").astype(object)
    level[table["change"].to_numpy(object) == "gone"] = "none"
    return level


def mean_size(table: pd.DataFrame) -> Array:
    """(n,) float64 m: mean of length and width, ASTM D6433's mean diameter; 0 where unknown."""
    size = np.nan_to_num(table[["length_m", "width_m"]].to_numpy(np.float64))
    return np.asarray(size.mean(axis=1))


def _extent(table: pd.DataFrame) -> Array:
    """(n,) float64 m: how large a defect counts. A box of 3 × 0.2 m is no hole 1.6 m across: a hole's area decides."""
    sides = np.nan_to_num(table[["length_m", "width_m"]].to_numpy(np.float64))
    hole = table["class"].to_numpy(object) == POTHOLE
    return np.asarray(np.where(hole, np.sqrt(sides.prod(axis=1)), sides.mean(axis=1)), np.float64)


def terms_of(table: pd.DataFrame, params: JudgeParams) -> list[dict[str, float]]:
    """The named terms of each row's priority, in points; a term whose data is missing is absent, not zero."""
    kind, level = table["class"].to_numpy(object), table["judgement"].to_numpy(object)
    full = np.array([params.full_size_m.get(one, 4.0) for one in kind], np.float64)
    road = [params.traffic.get(str(one), np.nan) for one in table["road_class"]]
    again = (table["n_passes"].fillna(1).to_numpy(np.float64) > 1) | (
        table["n_surveys"].fillna(1).to_numpy(np.float64) > 1
    )
    confidence = _column(table, "confidence")
    # A row that states none (a point set by hand) is taken at its word.
    believed = np.where(np.isnan(confidence), 1.0, confidence)
    change = table["change"].to_numpy(object)
    grown = np.maximum(np.nan_to_num(table["growth_m"].to_numpy(np.float64)), 0.0) * (change == "worse")
    growth = params.growth_weight * np.minimum(grown / np.maximum(0.5 * mean_size(table), 1e-6), 1.0)
    columns: dict[str, Array] = {
        "safety": believed
        * np.array([params.safety.get(a, {}).get(b, 0.0) for a, b in zip(level, kind, strict=True)], np.float64),
        "size": believed * params.size_weight * np.minimum(_extent(table) / full, 1.0),
        "traffic": params.traffic_weight * np.array(road, np.float64),
        "seen_again": np.asarray(params.seen_again_weight * again, np.float64),
        "growth": np.where(change == "", np.nan, growth),
        "confidence": params.confidence_weight * confidence,
    }
    if "people_per_h" in table.columns:
        people = pd.to_numeric(table["people_per_h"], errors="coerce").to_numpy(np.float64)
        columns["people"] = params.people_weight * np.clip(people / params.full_people, 0.0, 1.0)
    shown = [name for name in TERMS if name in columns]
    rows = np.column_stack([columns[name] for name in shown]) if len(table) else np.empty((0, len(shown)))
    return [{n: round(float(v), 2) for n, v in zip(shown, row, strict=True) if np.isfinite(v)} for row in rows]


def _with_roads(table: gpd.GeoDataFrame, links: gpd.GeoDataFrame | None) -> gpd.GeoDataFrame:
    """The table with `road_name`, `road_name_en` and `road_class` of each defect's link.

    A road that has a name in one language only has it in both columns.
    """
    table["road_class"] = "unknown"
    for column in {"road_name", "road_name_en"} - set(table.columns):
        table[column] = ""
    if links is None or not len(links):
        return table
    known = links.drop_duplicates("link").set_index("link")
    found = table["link"].isin(known.index).to_numpy()
    of_link = known.loc[table["link"].to_numpy()[found]]
    ja, en = (of_link[column].fillna("") for column in ("name_ja", "name_en"))
    table.loc[found, "road_class"] = of_link["road_class"].fillna("unknown").to_numpy()
    table.loc[found, "road_name"] = ja.where(ja != "", en).to_numpy()
    table.loc[found, "road_name_en"] = en.where(en != "", ja).to_numpy()
    return table
