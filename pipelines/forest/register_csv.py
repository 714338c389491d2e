"""The stands as a table to join with the forest register: its own ids first and unchanged, its own names of columns.

UTF-8 with a byte order mark and CRLF, as Excel on a Japanese desktop opens it. Units stand in the headings. What is
unknown is an empty cell, and text that a spreadsheet would compute has an apostrophe before it. Age, species, volume
and ownership cannot be had from a picture: there are no such columns.
"""

import csv
import datetime as dt
import io
import math
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

import geopandas as gpd
import pandas as pd
import pyproj
import shapely

from pipelines.forest.compartments import as_written, id_columns
from pipelines.forest.layers import STAND_KIND
from pipelines.forest.results import Results
from pipelines.forest.words import LANGUAGES

__all__ = ["COLUMNS", "register_csv"]

COLUMNS: Final[Sequence[tuple[str, str, str, int]]] = (
    ("area_ha", "面積(ha)", "Area (ha)", 4),
    ("seen_pct", "撮影率(%)", "Photographed (%)", 1),
    ("n_crowns", "立木本数(本)", "Stems", 0),
    ("stem_density_ha", "立木密度(本/ha)", "Stems per hectare", 0),
    ("stem_density_low_ha", "立木密度_下限90%(本/ha)", "Stems per hectare, low (90 %)", 0),
    ("stem_density_high_ha", "立木密度_上限90%(本/ha)", "Stems per hectare, high (90 %)", 0),
    ("crown_cover_pct", "樹冠被覆率(%)", "Crown cover (%)", 1),
    ("crown_diameter_m", "平均樹冠直径(m)", "Mean crown diameter (m)", 2),
    ("height_m", "樹高(m)", "Height, mean (m)", 1),
    ("height_p95_m", "上層樹高_95%(m)", "Height, 95th percentile (m)", 1),
    ("height_max_m", "最大樹高(m)", "Height, highest (m)", 1),
    ("conifer_pct", "針葉樹率(%)", "Conifers (% of crown area)", 0),
    ("broadleaf_pct", "広葉樹率(%)", "Broadleaves (% of crown area)", 0),
    ("type_unknown_pct", "針広不明率(%)", "Type unknown (% of crown area)", 0),
    ("gap_pct", "ギャップ率(%)", "Share of openings (%)", 1),
    ("loss_ha", "樹冠消失面積(ha)", "Canopy loss (ha)", 4),
)
"""Column of the layer `stands`, its heading in Japanese and English, decimals."""

_FORMULA: Final = re.compile(r"[=+\-@＝＋－＠\t\r\n].+", re.DOTALL)
_NUMBER: Final = re.compile(r"[+-]?\d[\d,]*(\.\d+)?([eE][+-]?\d+)?")
_UNKNOWN_IDS: Final = (("林班", "Compartment"), ("小班", "Subcompartment"))


def register_csv(results: Results, lang: str) -> bytes:
    """The table, a row a stand in the order of the layer `stands`.

    Args:
        results: the survey.
        lang: of the headings; a register's own ids keep theirs.

    Returns:
        Bytes of a CSV file. Without a register the columns for compartment and subcompartment are there, but empty.
    """
    which, stands = LANGUAGES.index(lang), results.stands
    columns = [*_ids(stands, which), (("林分", "Stand")[which], [str(name) for name in stands["stand"]])]
    columns.append((("区分", "Kind")[which], [_kind(kind, which) for kind in stands["kind"]]))
    columns += [_figures(stands, *column, which) for column in COLUMNS]
    columns += _places(stands, which, results.ground.placed)
    day = dt.date.fromisoformat(results.date).isoformat() if results.date else ""
    columns.append((("撮影日", "Survey date")[which], [day] * len(stands)))
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\r\n")
    writer.writerow([heading for heading, _ in columns])
    writer.writerows(zip(*(map(_inert, values) for _, values in columns), strict=True))
    return target.getvalue().encode("utf-8-sig")


def _inert(text: str) -> str:
    """A cell that no spreadsheet computes: what begins like a formula and is no number, after an apostrophe."""
    return f"'{text}" if _FORMULA.fullmatch(text) and not _NUMBER.fullmatch(text) else text


def _ids(stands: gpd.GeoDataFrame, which: int) -> list[tuple[str, list[str]]]:
    if not len(stands) or (stands["origin"] != "register").any():
        return [(names[which], [""] * len(stands)) for names in _UNKNOWN_IDS]
    found = id_columns([str(column) for column in stands.columns if column != "stand"])
    return [(column.removeprefix("reg_"), as_written(stands[column])) for column in found]


def _kind(kind: Any, which: int) -> str:
    return {choice.value: (choice.ja, choice.en)[which] for choice in STAND_KIND}.get(kind, "")


def _figures(stands: gpd.GeoDataFrame, name: str, ja: str, en: str, decimals: int, which: int) -> tuple[str, list[str]]:
    values = stands[name] if name in stands else [math.nan] * len(stands)
    return (ja, en)[which], ["" if pd.isna(value) else f"{float(value):.{decimals}f}" for value in values]


def _places(stands: gpd.GeoDataFrame, which: int, placed: bool) -> list[tuple[str, list[str]]]:
    """A place inside each stand, degrees of the CRS's own datum, so that a row is found on any map; else empty."""
    headings = ("代表点_緯度", "Latitude inside")[which], ("代表点_経度", "Longitude inside")[which]
    if not placed:
        return [(heading, [""] * len(stands)) for heading in headings]
    inside = shapely.get_coordinates(shapely.point_on_surface(stands.geometry.to_numpy()))
    geodetic = pyproj.CRS(stands.crs).geodetic_crs
    to_degrees: Callable[..., Any] = pyproj.Transformer.from_crs(stands.crs, geodetic, always_xy=True).transform
    lon, lat = to_degrees(inside[:, 0], inside[:, 1]) if len(inside) else ((), ())
    degrees = ([f"{value:.7f}" for value in one] for one in (lat, lon))
    return list(zip(headings, degrees, strict=True))
