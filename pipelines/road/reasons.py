"""Why a defect stands where it does, in sentences for a crew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import pandas as pd

from pipelines.road.classes import POTHOLE, name_en, name_ja

ROADS: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "motorway": ("自動車専用道路", "a motorway"),
        "trunk": ("国道・幹線道路", "a trunk road"),
        "primary": ("主要地方道", "a main road"),
        "secondary": ("県道級の道路", "a secondary road"),
        "tertiary": ("地区幹線道路", "a district road"),
        "unclassified": ("一般市道", "a minor road"),
        "residential": ("生活道路", "a residential street"),
        "living_street": ("生活道路", "a living street"),
        "service": ("構内・取付道路", "a service road"),
        "track": ("農道・林道", "a farm or forest road"),
    }
)
_LEVELS = {
    "repair": ("要補修", "Repair needed"),
    "damage": ("損傷あり", "Damage"),
    "none": ("損傷なし", "No damage"),
}
_UNLISTED = {
    "doubt": ("順位なし：根拠が弱い。", "Not ranked: believed too little."),
    "beside": ("順位なし：車道の外に見える。", "Not ranked: it seems to lie beside the carriageway."),
}


def sentences(
    table: pd.DataFrame, terms: Sequence[Mapping[str, float]], language: str, *, above: bool = False
) -> list[str]:
    """For each defect what it is, why it ranks so, and what is not known, one sentence a line.

    Args:
        table: judged defects.
        terms: their terms.
        language: `ja` or `en`.
        above: whether they were seen in one picture from above, and not in the frames of a drive.
    """
    say = _japanese if language == "ja" else _english
    return [
        # What the last survey alone knows may have been seen from a car.
        "\n".join(say(row, points, above and row["change"] not in {"gone", "not_seen"}))
        for row, points in zip(_rows(table), terms, strict=True)
    ]


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in table.to_dict("records")]


def _centimetres(row: Mapping[str, Any]) -> int:
    """Mean of length and width to the nearest 5 cm: a box on the road is no better than that."""
    return max(5, round(100 * (_number(row, "length_m") + _number(row, "width_m")) / 2 / 5) * 5)


def _believed(row: Mapping[str, Any]) -> tuple[int, int, int] | None:
    """Confidence in %, frames that show it, frames that show it or should; None where no confidence is stated."""
    if row.get("confidence") is None or pd.isna(row["confidence"]):
        return None
    seen = round(_number(row, "n_seen"))
    # Nothing seen in pictures alone is certain.
    return min(round(100 * float(row["confidence"])), 99), seen, max(round(_number(row, "n_looked")), seen)


def _number(row: Mapping[str, Any], name: str) -> float:
    value = row.get(name)
    return 0.0 if value is None or pd.isna(value) else float(value)


def _english(row: Mapping[str, Any], points: Mapping[str, float], above: bool) -> list[str]:
    road = ROADS.get(row["road_class"], ("", ""))[1]
    where = f" on {road}" if road else ""
    frames, n_passes = round(_number(row, "n_seen")), round(_number(row, "n_passes"))
    if row["class"] == POTHOLE:
        size = f"{name_en(POTHOLE)} about {_centimetres(row)} cm across"
    else:
        size = f"{name_en(row['class'])}, about {_number(row, 'length_m'):.1f} m by {_number(row, 'width_m'):.1f} m"
    seen = "seen from above" if above else f"seen in {frames} frame{'s' if frames != 1 else ''}"
    seen += f" on {n_passes} passes" if n_passes > 1 else ""
    lines = [f"{size}{where}, {seen}.", f"{_LEVELS[row['judgement']][1]}."]
    if row["change"] == "worse":
        lines.append(f"Grown by about {100 * _number(row, 'growth_m'):.0f} cm since the last survey.")
    elif row["change"] in {"same", "new"}:
        lines.append("Seen in the last survey too." if row["change"] == "same" else "Not in the last survey.")
    elif row["change"] == "gone":
        lines.append("The last survey had it; this one passed and did not see it.")
    elif row["change"] == "not_seen":
        lines.append("Known from the last survey; this one did not pass it.")
    if row["status"] == "reopened":
        lines.append("Marked repaired, and back.")
    if points.get("people", 0.0) > 0:
        lines.append(f"About {_number(row, 'people_per_h'):.0f} people an hour pass here.")
    if (believed := _believed(row)) is not None:
        share, shown, looked = believed
        lines.append(
            f"Believed to {share} %" + ("." if above else f": {shown} of {looked} frames that should show it do.")
        )
    if row.get("unlisted"):
        lines.append(_UNLISTED[str(row["unlisted"])][1])
    if frames == 1 and not above:
        lines.append("Seen once only: look before you load.")
    if row["class"] == POTHOLE:
        lines.append("Depth unknown.")
    return lines


def _japanese(row: Mapping[str, Any], points: Mapping[str, float], above: bool) -> list[str]:
    road = ROADS.get(row["road_class"], ("", ""))[0]
    where = f"{road}の" if road else ""
    frames, n_passes = round(_number(row, "n_seen")), round(_number(row, "n_passes"))
    if row["class"] == POTHOLE:
        size = f"{name_ja(POTHOLE)}（径 約{_centimetres(row)} cm）"
    else:
        size = (
            f"{name_ja(row['class'])}（長さ 約{_number(row, 'length_m'):.1f} m、幅 約{_number(row, 'width_m'):.1f} m）"
        )
    seen = (f"{n_passes} 回の走行、" if n_passes > 1 else "") + f"{frames} 枚の画像で確認"
    seen = "上空からの画像で確認" if above else seen
    lines = [f"{where}{size}。{seen}。", f"{_LEVELS[row['judgement']][0]}。"]
    if row["change"] == "worse":
        lines.append(f"前回調査から約{100 * _number(row, 'growth_m'):.0f} cm 拡大。")
    elif row["change"] in {"same", "new"}:
        lines.append("前回調査でも確認。" if row["change"] == "same" else "前回調査にはなし。")
    elif row["change"] == "gone":
        lines.append("前回はあったが、今回は通過しても確認できず。")
    elif row["change"] == "not_seen":
        lines.append("前回調査で確認。今回は通過していない。")
    if row["status"] == "reopened":
        lines.append("補修済みとされたが再び確認。")
    if points.get("people", 0.0) > 0:
        lines.append(f"通行者 約{_number(row, 'people_per_h'):.0f} 人/時。")
    if (believed := _believed(row)) is not None:
        share, shown, looked = believed
        lines.append(
            f"確からしさ {share} %" + ("。" if above else f"：写るはずの画像 {looked} 枚のうち {shown} 枚で検出。")
        )
    if row.get("unlisted"):
        lines.append(_UNLISTED[str(row["unlisted"])][0])
    if frames == 1 and not above:
        lines.append("1 枚のみで確認：現地確認を。")
    if row["class"] == POTHOLE:
        lines.append("深さは不明。")
    return lines
