"""How the forest job's tables look in QGIS: symbols, names in both languages, tips and labels."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

import geopandas as gpd
import numpy as np

from geo.geopackage import Layer
from geo.styles import (
    OKABE_ITO,
    Categorized,
    Category,
    Choice,
    Form,
    Graduated,
    Labels,
    MapTip,
    Range,
    Single,
    Style,
    Symbol,
)

__all__ = ["ALIASES", "SEEN_BY", "TITLES", "forest_layer"]

SEEN_BY: Final = (
    Choice("image", "画像のみ", "Image"),
    Choice("both", "画像と樹冠高モデル", "Image and height model"),
    Choice("chm", "樹冠高モデルのみ", "Height model alone"),
)
_SEEN_COLOURS: Final = {"image": OKABE_ITO["yellow"], "both": OKABE_ITO["orange"], "chm": OKABE_ITO["sky"]}
GAP_KIND: Final = (Choice("gap", "ギャップ", "Gap"), Choice("open", "開放地", "Open land"))
STAND_KIND: Final = (Choice("forest", "森林", "Forest"), Choice("open", "無立木地", "Open land"))
CHANGE_KIND: Final = (Choice("canopy_loss", "樹冠消失", "Canopy loss"),)
TREE_TYPE: Final = (
    Choice("conifer", "針葉樹", "Conifer"),
    Choice("broadleaf", "広葉樹", "Broadleaf"),
    Choice("unknown", "不明", "Unknown"),
)
_TYPE_COLOURS: Final = {"conifer": OKABE_ITO["green"], "broadleaf": OKABE_ITO["yellow"], "unknown": OKABE_ITO["grey"]}
ORIGIN: Final = (Choice("register", "森林簿", "Register"), Choice("delineated", "自動区画", "Delineated"))

# Cividis (Nuñez, Anderton and Renslow 2018), six steps: even for any colour vision, and darker where there is more.
_RAMP: Final = ("#fee838", "#cab969", "#9b8f78", "#6c6e72", "#3f4e6c", "#00224e")
_STEPS: Final = (1, 2, 2.5, 5)
_MESH: Final = Symbol(OKABE_ITO["grey"], opacity=0.6, outline="#333333")
# Borders are what a stand map is read by: strong, while the picture beneath shows through.
_STAND: Final = Symbol(OKABE_ITO["grey"], outline=OKABE_ITO["blue"], outline_mm=0.7, fill_opacity=0.35)

TITLES: Final[Mapping[str, tuple[str, str]]] = {
    "tops": ("樹頂点", "Tree tops"),
    "crowns": ("樹冠", "Crowns"),
    "gaps": ("林冠ギャップ", "Canopy gaps"),
    "mesh20m": ("20mメッシュ", "20 m mesh"),
    "stands": ("林分", "Stands"),
    "changes": ("樹冠消失区域", "Canopy loss"),
    "survey_extent": ("調査範囲", "Survey extent"),
    "rejected": ("読めなかった範囲", "Not read"),
}

ALIASES: Final[Mapping[str, tuple[str, str]]] = {
    "uuid": ("識別子", "UUID"),
    "class": ("種別", "Class"),
    "score": ("検出スコア", "Detection score"),
    "crown_diameter_m": ("平均樹冠直径 m", "Mean crown diameter, m"),
    "crown_diameter_qm_m": ("二乗平均樹冠直径 m", "Quadratic mean crown diameter, m"),
    "area_m2": ("面積 m²", "Area, m²"),
    "seen_by": ("確認した資料", "Seen by"),
    "type": ("針広区分", "Type"),
    "type_probability": ("針広区分の確率", "Type, probability"),
    "conifer_pct": ("針葉樹率 %", "Conifers, % of crown area"),
    "broadleaf_pct": ("広葉樹率 %", "Broadleaves, % of crown area"),
    "type_unknown_pct": ("針広不明率 %", "Type unknown, % of crown area"),
    "counted": ("本数に算入", "Counted"),
    "top_x_m": ("樹頂 X m", "Top, x, m"),
    "top_y_m": ("樹頂 Y m", "Top, y, m"),
    "height_m": ("平均樹高 m", "Mean height, m"),
    "height_from": ("樹高の求め方", "How the height was read"),
    "height_max_m": ("最大樹高 m", "Highest, m"),
    "height_p50_m": ("樹高中央値 m", "Height, median, m"),
    "height_p95_m": ("樹高 95 パーセンタイル m", "Height, 95th percentile, m"),
    "n_tops": ("樹頂の数", "Tops in it"),
    "mesh": ("メッシュ番号", "Mesh"),
    "seen_pct": ("撮影率 %", "Photographed, %"),
    "stems": ("立木本数", "Stems"),
    "stems_ha": ("立木密度 本/ha", "Stems per hectare"),
    "cover_pct": ("樹冠被覆率 %", "Crown cover, %"),
    "stand": ("林分番号", "Stand"),
    "origin": ("区画の出典", "Border from"),
    "kind": ("区分", "Kind"),
    "area_ha": ("面積 ha", "Area, ha"),
    "n_crowns": ("樹冠数", "Crowns"),
    "stem_density_ha": ("立木密度 本/ha", "Stems per hectare"),
    "stem_density_low_ha": ("立木密度 下限（90 %）", "Stems per hectare, low (90 %)"),
    "stem_density_high_ha": ("立木密度 上限（90 %）", "Stems per hectare, high (90 %)"),
    "crown_cover_pct": ("樹冠被覆率 %", "Crown cover, %"),
    "gap_pct": ("ギャップ率 %", "Share of openings, %"),
    "gap": ("番号", "Number"),
    "at_edge": ("調査範囲の端", "At the survey's edge"),
    "survey": ("調査", "Survey"),
    "survey_date": ("撮影日", "Survey date"),
    "model": ("モデル", "Model"),
    "model_sha256": ("モデルの SHA-256", "Model, SHA-256"),
    "gsd_m": ("地上解像度 m", "Ground sampling distance, m"),
    "map_version": ("地図の版", "Map version"),
    "previous_stand": ("前回の林分番号", "Stand in the earlier map"),
    "compared_pct": ("両時期の撮影率 %", "Photographed by both flights, %"),
    "cover_change_pct": ("樹冠被覆率の変化 ポイント", "Change of crown cover, points"),
    "cover_before_pct": ("前回の樹冠被覆率 %", "Crown cover before, %"),
    "n_before": ("前回の樹冠数", "Crowns before"),
    "lost": ("消失した樹冠", "Crowns not found again"),
    "lost_share": ("消失割合", "Share not found again"),
    "lost_chance": ("偶然の消失見込み", "Not found again by chance, expected"),
    "lost_limit": ("偶然の消失上限（95 %）", "Not found again by chance, at most (95 %)"),
    "gained": ("新しい樹冠", "New crowns"),
    "gained_chance": ("偶然の新規見込み", "New by chance, expected"),
    "loss_ha": ("樹冠消失面積 ha", "Canopy loss, ha"),
    "change": ("番号", "Number"),
    "confidence": ("確からしさ", "Confidence"),
    "height_before_m": ("前回の樹高 m", "Height before, m"),
    "item": ("対象", "Item"),
    "reason": ("理由", "Reason"),
    "detail": ("詳細", "Detail"),
}
_SHARES: Final = ("conifer_pct", "broadleaf_pct", "type_unknown_pct")
_CHANGED: Final = ("cover_change_pct", "n_before", "lost", "lost_limit", "gained", "gained_chance")
_CROWN_ALIASES: Final = {"crown_diameter_m": ("樹冠直径 m", "Crown diameter, m"), "height_m": ("樹高 m", "Height, m")}


def forest_layer(
    name: str, frame: gpd.GeoDataFrame, kept: tuple[str, ...] = (), theirs: frozenset[str] = frozenset()
) -> Layer:
    """One of the job's tables as a layer, styled; columns of a register keep their own names.

    Args:
        name: of the layer.
        frame: its table.
        kept: columns that people added to stands; they stay open to edits.
        theirs: columns of people or a register, which may mean something else than this job's of the same name.
    """
    ja, en = TITLES[name]
    ours = {**ALIASES, **_CROWN_ALIASES} if name in ("crowns", "tops") else ALIASES
    aliases = {column: names for column, names in ours.items() if column not in theirs}
    return Layer(name, frame, _style(name, frame, kept), ja, en, aliases)


def _style(name: str, frame: gpd.GeoDataFrame, kept: tuple[str, ...]) -> Style:
    if name == "mesh20m":
        tip = MapTip("mesh", ("stems", "stems_ha", "cover_pct", "crown_diameter_m", "height_m", *_CHANGED))
        return _ramp("stems_ha", frame, Form(editable=(), tip=_known(tip, frame)), _MESH)
    if name == "stands":
        density = ("stem_density_ha", "stem_density_low_ha", "stem_density_high_ha")
        own = ("area_ha", "n_crowns", *density, "crown_cover_pct", "crown_diameter_m", "height_m", *_SHARES, "gap_pct")
        rows = (*own, "previous_stand", *_CHANGED, "loss_ha", *kept)
        form = Form(
            choices={"kind": STAND_KIND, "origin": ORIGIN},
            editable=kept,
            labels=Labels("stand", 10.0, 25_000, strong=True),
            tip=_known(MapTip("stand", rows), frame),
        )
        return _ramp("stem_density_ha", frame, form, _STAND)
    return _BY_TYPE if name == "crowns" and "type" in frame else _PLAIN[name]


def _known(tip: MapTip, frame: gpd.GeoDataFrame) -> MapTip:
    return MapTip(tip.title, tuple(row for row in tip.rows if row in frame))


def _ramp(column: str, frame: gpd.GeoDataFrame, form: Form, look: Symbol) -> Graduated:
    bounds = [0.0, *_round_steps(frame[column].to_numpy(np.float64))]
    ranges = [
        Range(low, high, f"{low:,.0f}–{high:,.0f} 本/ha", "", replace(look, colour=colour))
        for low, high, colour in zip(bounds[:-1], bounds[1:], _RAMP, strict=False)
    ]
    return Graduated("polygon", column, tuple(ranges), form)


def _round_steps(values: Sequence[float] | np.ndarray) -> list[float]:
    """Six upper bounds, equal and round steps, so that the last holds the highest value."""
    known = np.asarray(values)[np.isfinite(values)]
    highest = float(known.max()) if known.size else 1.0
    rough = max(highest, 1.0) / len(_RAMP)
    power = 10 ** np.floor(np.log10(rough))
    step = next((one * power for one in _STEPS if one * power * len(_RAMP) >= highest), 10 * power)
    return [float(step * k) for k in range(1, len(_RAMP) + 1)]


_PLAIN: Final[Mapping[str, Style]] = {
    "crowns": Categorized(
        "polygon",
        "seen_by",
        tuple(
            Category(one, Symbol(_SEEN_COLOURS[one.value], "no", outline=_SEEN_COLOURS[one.value])) for one in SEEN_BY
        ),
        form=Form(
            choices={"seen_by": SEEN_BY},
            editable=(),
            tip=MapTip("class", ("score", "crown_diameter_m", "area_m2", "seen_by", "counted")),
        ),
    ),
    "tops": Single("point", Symbol(OKABE_ITO["vermilion"], "circle", 0.6, 0.4, 1.6), Form(editable=())),
    "gaps": Categorized(
        "polygon",
        "kind",
        (
            Category(GAP_KIND[0], Symbol(OKABE_ITO["vermilion"], "b_diagonal", outline=OKABE_ITO["vermilion"])),
            Category(GAP_KIND[1], Symbol(OKABE_ITO["grey"], "f_diagonal", outline=OKABE_ITO["grey"])),
        ),
        form=Form(choices={"kind": GAP_KIND}, editable=(), tip=MapTip("gap", ("kind", "area_m2", "at_edge"))),
    ),
    "changes": Categorized(
        "polygon",
        "kind",
        (Category(CHANGE_KIND[0], Symbol(OKABE_ITO["purple"], "dense5", outline=OKABE_ITO["purple"])),),
        form=Form(
            choices={"kind": CHANGE_KIND},
            editable=(),
            labels=Labels("change", 9.0, 25_000),
            tip=MapTip(
                "kind",
                (
                    *("confidence", "area_m2", "n_before", "lost", "lost_share", "lost_chance", "gained"),
                    *("cover_before_pct", "cover_pct", "height_before_m", "at_edge"),
                ),
            ),
        ),
    ),
    "survey_extent": Single("polygon", Symbol("#000000", "no", outline="#000000"), Form(editable=())),
    "rejected": Single(
        "polygon",
        Symbol(OKABE_ITO["purple"], "diagonal_x", outline=OKABE_ITO["purple"]),
        Form(editable=(), tip=MapTip("item", ("reason", "detail"))),
    ),
}

_BY_TYPE: Final = Categorized(
    "polygon",
    "type",
    tuple(Category(one, Symbol(_TYPE_COLOURS[one.value], "no", outline=_TYPE_COLOURS[one.value])) for one in TREE_TYPE),
    form=Form(
        choices={"type": TREE_TYPE, "seen_by": SEEN_BY},
        editable=(),
        tip=MapTip("type", ("type_probability", "score", "crown_diameter_m", "area_m2", "seen_by", "counted")),
    ),
)
"""Crowns whose types were told."""
