"""One table of links from whatever columns a roads file has."""

from collections.abc import Callable, Iterable
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely

from geo.network.classes import NOT_DRIVEN, carriageway, parse_lanes, parse_width_m, road_class
from geo.network.values import LINK_COLUMNS

NAMES: dict[str, tuple[str, ...]] = {
    "link": ("link", "link_id", "linkid", "road_id", "roadid", "way_id", "osm_id", "リンク番号", "id"),
    "name_ja": ("name_ja", "name:ja", "name", "road_name", "roadname", "路線名", "道路名", "名称"),
    "name_en": ("name_en", "name:en"),
    "road_class": ("road_class", "highway", "fclass", "class", "道路種別", "種別", "type", "kind"),
    "lanes": ("lanes", "n_lanes", "車線数"),
    "width": ("width_m", "width", "車道幅員", "幅員"),
}
"""Names under which roads files keep what a link needs, best first; compared without regard to case."""


def to_links(raw: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Bring lines in the map frame to the columns of `LINK_COLUMNS`, sorted by link id.

    Lines of several parts are joined where their ends meet; parts that stay apart become links `<id>.<number>`. Ids
    that occur twice (a route number) are told apart the same way, in the file's order; numbers that would make an id
    the file gives to another line are passed over. Without an id column the file's feature number is the id.
    """
    raw = _single_lines(_driven(raw))
    names = _first(raw, "name_ja", str), _first(raw, "name_en", str)
    classes = [road_class(value) for value in _values(raw, "road_class")]
    lanes = [parse_lanes(value) for value in _values(raw, "lanes")]
    widths = [parse_width_m(value) for value in _values(raw, "width")]
    sized = [carriageway(*row) for row in zip(classes, lanes, widths, strict=True)]
    data = {
        "link": _unique(_ids(raw)),
        "name_ja": names[0],
        "name_en": names[1],
        "road_class": classes,
        "width_m": np.array([width for width, _ in sized], dtype=np.float64),
        "width_source": [source for _, source in sized],
        "lanes": pd.array([count or None for count in lanes], dtype="Int32"),
    }
    links = gpd.GeoDataFrame(data, geometry=raw.geometry.to_numpy(), crs=raw.crs)
    return links[list(LINK_COLUMNS)].sort_values("link", kind="stable").reset_index(drop=True)


def _driven(raw: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """Without footways and what else no car drives on, as OpenStreetMap calls it, where anything else is left."""
    driven = ~np.isin([value.lower() for value in _values(raw, "road_class")], NOT_DRIVEN)
    return raw[driven] if driven.any() else raw


def _single_lines(raw: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    merged = raw.set_geometry(shapely.line_merge(raw.geometry.to_numpy()), crs=raw.crs)
    single = merged.explode(ignore_index=False)
    return single[shapely.length(single.geometry.to_numpy()) > 0]


def _columns(raw: gpd.GeoDataFrame, what: str) -> list[str]:
    by_lower = {str(column).lower(): str(column) for column in raw.columns}
    return [by_lower[name] for name in NAMES[what] if name in by_lower]


def _first(raw: gpd.GeoDataFrame, what: str, convert: Callable[[Any], str]) -> list[str]:
    """For each row the first of the named columns that is filled in, else ""."""
    filled = [""] * len(raw)
    for column in reversed(_columns(raw, what)):
        for k, value in enumerate(raw[column]):
            if not pd.isna(value) and str(value).strip():
                filled[k] = convert(value).strip()
    return filled


def _values(raw: gpd.GeoDataFrame, what: str) -> list[str]:
    return _first(raw, what, str)


def _ids(raw: gpd.GeoDataFrame) -> list[str]:
    given = _first(raw, "link", _integral)
    return [one or str(number) for one, number in zip(given, raw.index, strict=True)]


def _integral(value: object) -> str:
    """Ids are often kept as floats: 12.0 is link 12."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _unique(ids: Iterable[str]) -> list[str]:
    """Ids that occur once stay; the others are numbered, past what the file itself calls another link."""
    ids = list(ids)
    often = pd.Series(ids, dtype=object).value_counts()
    taken = set(ids)
    number: dict[str, int] = {}
    names = []
    for one in ids:
        name = one
        while often[one] > 1 and name in taken:
            name = f"{one}.{number.setdefault(one, 0)}"
            number[one] += 1
        names.append(name)
    return names
