"""How the road job's tables look in QGIS: symbols, names in both languages, choices, tips and labels."""

from __future__ import annotations

from collections.abc import Mapping

from geo.styles import (
    OKABE_ITO,
    Categorized,
    Category,
    Choice,
    Form,
    Labels,
    MapTip,
    Single,
    Symbol,
    categories,
)
from pipelines.report import words
from pipelines.road.classes import CLASSES, name_en, name_ja
from pipelines.road.status import STATUSES

EDITABLE = ("class", "status", "note")
"""What people change in QGIS. It survives the next survey; a class also teaches the next model (`reviews build`)."""


def _choices(named: words.Words) -> tuple[Choice, ...]:
    return tuple(Choice(value, ja, en[:1].upper() + en[1:]) for value, (ja, en) in named.items() if value)


JUDGEMENT = _choices(words.JUDGEMENTS)
CLASS = tuple(Choice(name, name_ja(name), name_en(name)) for name in CLASSES)
CHANGE = _choices(words.CHANGES)
REASON = _choices(words.REASONS)
WHY_NOT = _choices(words.WHY_NOT)
DIAGNOSIS = tuple(
    Choice(code, f"{code} {ja}", en) for code, (ja, en) in words.DIAGNOSES.items() if code in ("I", "II", "III")
)

_SHAPES = {"repair": "triangle", "damage": "circle", "none": "square"}
_SIZES_MM = {"repair": (4.2, 9.0), "damage": (3.0, 6.0), "none": (2.2, 4.0)}
_LINES = {"I": "solid", "II": "dash", "III": "solid"}
_WIDTHS_MM = {"I": 0.8, "II": 1.2, "III": 1.8}

DEFECTS = Categorized(
    "point",
    "judgement",
    tuple(
        Category(
            one,
            Symbol(
                words.JUDGEMENT_COLOURS[one.value],
                _SHAPES[one.value],
                size_m=3.0,
                min_mm=_SIZES_MM[one.value][0],
                max_mm=_SIZES_MM[one.value][1],
            ),
        )
        for one in JUDGEMENT
    ),
    other=Symbol(OKABE_ITO["grey"], "cross_fill"),
    form=Form(
        choices={"status": STATUSES, "judgement": JUDGEMENT, "class": CLASS, "change": CHANGE},
        editable=EDITABLE,
        sort_by="rank",
        labels=Labels("rank"),
        tip=MapTip(
            "class",
            ("rank", "judgement", "priority", "length_m", "width_m", "road_name", "status", "change", "reasons_ja"),
            photo="photo",
        ),
    ),
)
SECTIONS = Categorized(
    "line",
    "diagnosis",
    tuple(
        Category(
            one,
            Symbol(
                words.DIAGNOSIS_COLOURS[one.value],
                _LINES[one.value],
                size_m=2.5,
                min_mm=_WIDTHS_MM[one.value],
                max_mm=_WIDTHS_MM[one.value] + 1.0,
            ),
        )
        for one in DIAGNOSIS
    ),
    other=Symbol(OKABE_ITO["grey"], "dot", size_m=2.0, min_mm=0.6, max_mm=1.2),
    form=Form(
        choices={"diagnosis": DIAGNOSIS},
        editable=(),
        tip=MapTip("section", ("diagnosis", "crack_ratio_pct", "mci", "n_potholes", "coverage_pct")),
    ),
)
OBSERVATIONS = Categorized(
    "polygon",
    "class",
    categories("polygon", CLASS),
    form=Form(
        choices={"class": CLASS, "why_not": WHY_NOT}, editable=(), tip=MapTip("class", ("frame", "score", "sd_m"))
    ),
)
TRACK = Single("line", Symbol(OKABE_ITO["sky"], "solid", 1.0, 0.5, 1.0), Form(editable=()))
COVERAGE = Single("polygon", Symbol(OKABE_ITO["sky"], "solid", outline="#56b4e9", opacity=0.25), Form(editable=()))
REJECTED = Single(
    "point",
    Symbol(OKABE_ITO["grey"], "cross_fill", 2.0, 1.8, 3.5),
    Form(choices={"reason": REASON}, editable=(), tip=MapTip("item", ("reason", "detail"))),
)

TITLES: Mapping[str, tuple[str, str]] = {
    "defects": ("路面損傷", "Defects"),
    "sections": ("区間診断", "Sections"),
    "observations": ("検出枠", "Observations"),
    "track": ("走行軌跡", "Track"),
    "coverage": ("確認した路面", "Road surface seen"),
    "rejected": ("除外した画像・測位", "Left out"),
}

ALIASES: Mapping[str, tuple[str, str]] = {
    "uuid": ("識別子", "UUID"),
    "rank": ("順位", "Rank"),
    "priority": ("優先度", "Priority"),
    "terms": ("優先度の内訳", "Terms of the priority"),
    "judgement": ("判定", "Judgement"),
    "class": ("種別", "Class"),
    "class_ja": ("種別名", "Class, Japanese"),
    "class_en": ("種別名（英）", "Class, English"),
    "class_found": ("訂正前の種別", "Class before correction"),
    "class_written": ("調査が書いた種別", "Class as the survey wrote it"),
    "length_m": ("長さ上限 m", "Length at most, m"),
    "width_m": ("幅上限 m", "Width at most, m"),
    "area_m2": ("面積 m²", "Area, m²"),
    "size_sd_m": ("大きさの標準偏差 m", "Size sd, m"),
    "length_cut": ("長さが画像の端で切れる", "Length cut by the picture's edge"),
    "width_cut": ("幅が画像の端で切れる", "Width cut by the picture's edge"),
    "depth": ("深さ", "Depth"),
    "score": ("検出スコア", "Detection score"),
    "confidence": ("確からしさ", "Confidence"),
    "listed": ("リスト掲載", "On the list"),
    "n_looked": ("写るはずの画像数", "Frames that should show it"),
    "position_sd_m": ("位置の標準偏差 m", "Position sd, m"),
    "sd_m": ("標準偏差 m", "Sd per axis, m"),
    "n_seen": ("確認画像数", "Frames that show it"),
    "n_passes": ("確認走行数", "Passes that saw it"),
    "n_surveys": ("確認調査数", "Surveys that saw it"),
    "first_seen": ("初回確認日", "First seen"),
    "last_seen": ("最終確認日", "Last seen"),
    "link": ("リンク", "Link"),
    "road_name": ("路線名", "Road"),
    "road_name_en": ("路線名（英）", "Road, English"),
    "road_class": ("道路種別", "Road class"),
    "chainage_m": ("距離標 m", "Chainage, m"),
    "offset_m": ("横ずれ m", "Offset, right +, m"),
    "heading_deg": ("進行方向 °", "Heading, °"),
    "frame": ("画像", "Frame"),
    "frame_hash": ("画像ファイルの識別値", "What identifies the frame's file"),
    "photo": ("写真", "Photo"),
    "status": ("対応状況", "Status"),
    "status_written": ("調査が書いた対応状況", "Status as the survey wrote it"),
    "change": ("前回からの変化", "Since last survey"),
    "growth_m": ("拡大 m", "Growth, m"),
    "note": ("メモ", "Note"),
    "reasons_ja": ("理由", "Reasons, Japanese"),
    "reasons_en": ("理由（英）", "Reasons, English"),
    "lat": ("緯度", "Latitude"),
    "lon": ("経度", "Longitude"),
    "section": ("区間", "Section"),
    "from_m": ("始点 m", "From, m"),
    "to_m": ("終点 m", "To, m"),
    "crack_ratio_pct": ("ひび割れ率上限 %", "Crack ratio at most, %"),
    "mci": ("MCI 下限", "MCI at least"),
    "diagnosis": ("診断", "Diagnosis"),
    "n_potholes": ("ポットホール数", "Potholes"),
    "coverage_pct": ("被覆率 %", "Coverage, %"),
    "area_seen_m2": ("確認面積 m²", "Area seen, m²"),
    "t_s": ("時刻 s", "Time, s since 1970 UTC"),
    "defect": ("損傷の識別子", "Defect it shows"),
    "located": ("位置あり", "Located"),
    "why_not": ("位置なしの理由", "Why not located"),
    "forward_m": ("前方 m", "Ahead, m"),
    "right_m": ("右方 m", "To the right, m"),
    "survey": ("調査", "Survey"),
    "date": ("調査日", "Date"),
    "km": ("走行距離 km", "Driven, km"),
    "frames": ("画像数", "Frames looked at"),
    "item": ("対象", "Item"),
    "reason": ("除外理由", "Reason"),
    "detail": ("詳細", "Detail"),
}
