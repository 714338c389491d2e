"""Every Japanese and English word of the reports, in one place."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pipelines.road import status

Words = Mapping[str, tuple[str, str]]

LANGUAGES = ("ja", "en")

CLASSES: Words = {
    "D00": ("縦断ひび割れ", "longitudinal crack"),
    "D10": ("横断ひび割れ", "transverse crack"),
    "D20": ("亀甲状ひび割れ", "alligator crack"),
    "D40": ("ポットホール", "pothole"),
    "crack": ("ひび割れ（種別不明）", "crack (type not stated)"),
}
JUDGEMENTS: Words = {
    "repair": ("要補修", "repair needed"),
    "damage": ("損傷あり", "damage"),
    "none": ("損傷なし", "no damage"),
}
# Shape as well as colour: a black-and-white print and a colour-blind reader must tell the levels apart.
JUDGEMENT_MARKS: Mapping[str, str] = {"repair": "▲", "damage": "●", "none": "○"}
JUDGEMENT_COLOURS: Mapping[str, str] = {"repair": "#b3261e", "damage": "#a15c00", "none": "#5b6470"}
DIAGNOSES: Words = {
    "I": ("健全", "sound"),
    "II": ("表層機能保持段階", "surface upkeep"),
    "III": ("修繕段階", "repair stage"),
    "": ("未診断", "not diagnosed"),
}
DIAGNOSIS_COLOURS: Mapping[str, str] = {"I": "#2c7fb8", "II": "#e69f00", "III": "#c2185b", "": "#9aa3ad"}
STATUSES: Words = {choice.value: (choice.ja, choice.en) for choice in status.STATUSES}
CHANGES: Words = {
    "new": ("新規", "new"),
    "same": ("変化なし", "unchanged"),
    "worse": ("悪化", "worse"),
    "gone": ("消失（通過したが見えず）", "gone (passed, not seen)"),
    "not_seen": ("今回通過せず", "not passed this time"),
}
TERMS: Words = {
    "safety": ("安全性", "safety"),
    "size": ("大きさ", "size"),
    "traffic": ("交通", "traffic"),
    "growth": ("進行", "growth"),
    "seen_again": ("再確認", "seen again"),
    "people": ("歩行者", "people nearby"),
    "confidence": ("検出の確かさ", "confidence"),
}
WHY_NOT: Words = {
    "above_horizon": ("地平線より上", "above the horizon"),
    "beyond_range": ("位置を求める範囲外", "beyond the range that is placed"),
    "track_invalid": ("軌跡の時間外", "outside the track's time"),
    "outside_road": ("道路の外", "outside the roads"),
}

REASONS: Words = {
    "outside_track": ("軌跡の時間外", "outside the track's time"),
    "track_gap": ("測位の途切れ", "gap in the track"),
    "no_time": ("時刻なし", "no time"),
    "no_zone": ("時差の分からない時刻", "local time of no stated zone"),
    "unreadable": ("読めないファイル", "unreadable file"),
    "truncated": ("途中で切れた画像", "truncated picture"),
    "undecodable": ("復号できない範囲", "part that cannot be decoded"),
    "damaged": ("壊れた画像", "damaged picture"),
    "empty": ("空のファイル", "empty file"),
    "not_an_image": ("画像でないファイル", "not an image"),
    "not_a_video": ("動画でないファイル", "not a video"),
    "no_such_frame": ("動画にないコマ", "no such frame in the video"),
    "too_many_pixels": ("大きすぎる画像", "picture too large"),
    "other_shape": ("縦横比の異なる画像", "picture of another shape"),
    "jump": ("測位の飛び", "position jump"),
    "stale": ("以前の走行の残り", "left over from an earlier drive"),
    "null_island": ("緯度経度 0", "zero coordinates"),
    "no_date": ("ありえない日付", "impossible date"),
    "out_of_range": ("ありえない緯度経度", "impossible coordinates"),
}
COMPASS = (
    ("北", "N"),
    ("北東", "NE"),
    ("東", "E"),
    ("南東", "SE"),
    ("南", "S"),
    ("南西", "SW"),
    ("西", "W"),
    ("北西", "NW"),
)
UI: Words = {
    "title": ("道路補修リスト", "Road repair list"),
    "map_title": ("路面損傷マップ", "Road damage map"),
    "surveyed": ("調査日", "Surveyed"),
    "first": ("最初に補修する箇所", "Repair this first"),
    "first_damage": ("優先度の最も高い損傷", "The most urgent damage"),
    "next": ("次に補修する箇所", "Then these"),
    "next_damage": ("次に優先度の高い損傷", "Then these"),
    "nothing": ("補修対象の損傷は見つかりませんでした。", "No damage was found on the road that was seen."),
    "nothing_sure": (
        "順位をつけられるほど確かな損傷は見つかりませんでした。",
        "Nothing was found that is sure enough to rank.",
    ),
    "doubtful_count": (
        "疑わしい {n} 件が「要現地確認」にあります。",
        "Doubtful and to be looked at again: {n}, under “Look again”.",
    ),
    "nothing_note": (
        "見えなかった場所に損傷がないことを意味しません。下の「この調査の限界」をご覧ください。",
        "This says nothing of what was not seen: see “Limits of this survey” below.",
    ),
    "why": ("なぜこの順位か", "Why this rank"),
    "priority": ("優先度", "Priority"),
    "priority_sum": ("優先度 {value} の内訳（各項目の合計）", "Priority {value} is the sum of these terms"),
    "rank": ("順位", "Rank"),
    "judgement": ("判定", "Judgement"),
    "class": ("種別", "Class"),
    "status": ("対応状況", "Status"),
    "change": ("前回からの変化", "Since last survey"),
    "size": ("大きさ", "Size"),
    "size_value": ("最大 {length} × {width} m、{area} m²", "at most {length} × {width} m, {area} m²"),
    "upper_bound": (
        "画像上の枠による上限値。実際はこれより小さい",
        "an upper bound from the box in the picture; the damage itself is smaller",
    ),
    "length": ("長さ上限 (m)", "Length ≤ (m)"),
    "width": ("幅上限 (m)", "Width ≤ (m)"),
    "area": ("面積上限 (m²)", "Area ≤ (m²)"),
    "depth": ("深さ", "Depth"),
    "unknown": ("不明", "unknown"),
    "depth_unknown": ("不明（画像からは測れない）", "unknown (cannot be measured from a picture)"),
    "position": ("位置", "Position"),
    "position_sd": (
        "± {sd} m（標準偏差、近くの損傷と同じ向きにずれる）",
        "± {sd} m (standard deviation; neighbours are off together)",
    ),
    "position_sd_column": ("位置の標準偏差 (m)", "Position sd (m)"),
    "latitude": ("緯度", "Latitude"),
    "longitude": ("経度", "Longitude"),
    "road": ("路線", "Road"),
    "link": ("リンク", "Link"),
    "unnamed": ("名称のない道路", "unnamed road"),
    "chainage": ("距離標 (m)", "Chainage (m)"),
    "chainage_at": ("起点から {value} m", "{value} m from its start"),
    "seen": ("確認回数", "Times seen"),
    "seen_times": ("{n} 回", "{n} ×"),
    "first_seen": ("初回確認日", "First seen"),
    "last_seen": ("最終確認日", "Last seen"),
    "score": ("検出スコア", "Detection score"),
    "confidence": ("確からしさ", "Confidence"),
    "confidence_column": ("確からしさ (%)", "Confidence (%)"),
    "seen_of": ("写るはずの画像 {looked} 枚のうち {n} 枚", "{n} of the {looked} frames that should show it"),
    "seen_of_above": ("この場所の画像 {looked} 枚のうち {n} 枚", "{n} of {looked} pictures of the place"),
    "look_again": ("要現地確認", "Look again"),
    "look_again_note": (
        "検出の根拠が弱い、または車道の外にあるため、順位をつけていない。写真（車道の外にはない）を確かめ、損傷であれば対応状況を変える。",
        "Too faint, seen too rarely, or beside the road: a crew would more often than not find nothing, so these have "
        "no rank. Look at the photos (what lies beside the road has none); what is damage is listed from the next "
        "survey on once its status is changed.",
    ),
    "look_again_count": ("ほか {n} 件は要現地確認", "{n} more are too doubtful to rank: look again"),
    "closed": ("対応済み・消失", "Closed or gone"),
    "reasons": ("理由", "Reasons"),
    "note": ("メモ", "Note"),
    "photo": ("写真", "Photo"),
    "no_photo": ("写真なし", "no photo"),
    "map": ("地図", "Map"),
    "map_app": ("地図アプリ", "Map app"),
    "copy": ("座標をコピー", "Copy coordinates"),
    "copied": ("コピーしました", "Copied"),
    "print": ("印刷", "Print"),
    "all": ("すべて", "All"),
    "filter": ("絞り込み", "Filter"),
    "shown": ("件を表示", "shown"),
    "of_all": ("全 {n} 件", "of {n}"),
    "list": ("補修リスト", "Repair list"),
    "list_sorted": ("優先度の高い順", "most urgent first"),
    "km": ("走行距離", "driven"),
    "km_above": ("確認した面積", "looked at"),
    "frames": ("解析した画像", "frames looked at"),
    "frames_above": ("解析したタイル", "tiles looked at"),
    "rejected_count": ("除外した画像・測位", "frames or fixes left out"),
    "rejected_count_above": ("読めなかったタイル", "tiles that could not be read"),
    "seen_share": ("区間の平均被覆率", "of the sections' surface seen"),
    "sections": ("区間の診断（20 m ごと）", "Sections (20 m each)"),
    "sections_sheet": ("区間診断", "Sections"),
    "sections_note": (
        "ひび割れ率 20 % 以上を II、40 % 以上を III とする。MCI = 10 − 2.23 · C^0.3（C：ひび割れ率 %）",
        "II from 20 % crack ratio, III from 40 %. MCI = 10 − 2.23 · C^0.3 (C: crack ratio in %)",
    ),
    "sections_none": ("II・III の区間はありません。", "No section is at II or III."),
    "sections_more": ("ほか {n} 区間（Excel 参照）", "{n} more sections in the Excel file"),
    "section": ("区間", "Section"),
    "diagnosis": ("診断", "Diagnosis"),
    "crack_ratio": ("ひび割れ率 (%)", "Crack ratio (%)"),
    "mci": ("MCI", "MCI"),
    "potholes": ("ポットホール", "Potholes"),
    "coverage": ("被覆率 (%)", "Coverage (%)"),
    "from_to": ("距離標 (m)", "Chainage (m)"),
    "from": ("始点 (m)", "From (m)"),
    "to": ("終点 (m)", "To (m)"),
    "limits": ("この調査の限界", "Limits of this survey"),
    "limit_depth": (
        "深さは画像から測れないため「不明」とする。深い穴が小さく見えることがある。",
        "Depth cannot be measured from a picture and is stated as unknown. A deep hole may look small.",
    ),
    "limit_size": (
        "大きさは検出枠を平坦な路面に投影した上限値である。",
        "Sizes are upper bounds: the detection box projected onto a flat road.",
    ),
    "limit_position": (
        "位置は標準偏差つきの推定値である。約 1.5 倍の半径の円に、多くの走行を平均して 68 % が入る。"
        "一つの走行では測位の誤差が共通なので、近くの損傷は同じ向きにずれ、その割合は 3 割から 9 割超まで変わる。",
        "Positions are estimates: over many drives, 68 % of the true places lie within 1.5 standard deviations. Along "
        "one drive the track's error is shared: neighbours are off together, and that share is anything from a third "
        "to nearly all.",
    ),
    "limit_size_above": (
        "大きさは正射画像上の検出枠をつないだ上限値である。枠の間の見落としは埋めていない。",
        "Sizes are upper bounds: the boxes that show a crack, joined. What was missed between boxes is not filled in.",
    ),
    "limit_position_above": (
        "一つの正射画像の中では位置は数センチまで正しいが、画像全体が標準偏差 {sd} m（前提値）だけずれうる。",
        "Positions within one orthophoto agree to centimetres; all of it together may be off, by a standard deviation "
        "of {sd} m that was assumed, not measured.",
    ),
    "limit_squares": (
        "道路の指定がないため、正方形の区画を区間とし、写った範囲をすべて舗装とみなす。舗装でない部分があれば、"
        "ひび割れ率は低すぎる。",
        "No roads were given: squares stand for sections, and all that was photographed counts as pavement. Where it "
        "is none, crack ratios are too low.",
    ),
    "limit_coverage": (
        "診断対象 {km} km の路面のうち平均 {seen} % を確認した。{unseen} 区間は半分以上が見えていない。"
        "見えなかった路面については何も述べない。",
        "On average {seen} % of the surface of {km} km of sections was seen; of {unseen} sections less than half was. "
        "Nothing is said about what was not seen.",
    ),
    "limit_no_sections": (
        "区間の診断がないため、見えなかった路面の割合は分からない。",
        "There are no sections, so how much of the road was not seen is unknown.",
    ),
    "limit_rejected": ("除外した画像・測位：{n} 件（{what}）。", "{n} frames or fixes were left out ({what})."),
    "limit_rejected_none": ("除外した画像・測位はない。", "No frame or fix was left out."),
    "limit_rejected_above": ("読めなかったタイル：{n} 枚（{what}）。", "{n} tiles could not be read ({what})."),
    "limit_rejected_none_above": ("読めなかったタイルはない。", "Every tile could be read."),
    "limit_model": ("検出モデルの限界", "What the model's card says"),
    "limit_privacy": (
        "写真は路面と損傷の枠内だけを示し、それ以外は復元できないようにぼかしてある。車道の外に見えるものには写真がない。",
        "Photos show the road surface and the damage's own box; all else is blurred beyond recovery. What seems to lie "
        "beside the carriageway has no photo.",
    ),
    "provenance": ("作成元", "Made by"),
    "made_by": ("モデル {model}（{sha}）、Michisora {version}", "model {model} ({sha}), Michisora {version}"),
    "legend": ("凡例", "Legend"),
    "track": ("走行軌跡", "Track driven"),
    "roads": ("道路", "Roads"),
    "seen_surface": ("確認した路面", "Road surface seen"),
    "page": ("{page} / {pages} ページ", "page {page} of {pages}"),
    "more_in_table": (
        "順位 {n} 位までを写真つきで示す。残りは表にある。",
        "Ranks 1 to {n} are shown with photos; the others are in the table.",
    ),
    "details": ("箇所ごとの詳細", "Defect by defect"),
    "skip": ("リストへ移動", "Skip to the list"),
    "alt": (
        "{rank} 位 {klass} の写真。枠が損傷の位置。道路の外はぼかしてある",
        "Photo of no. {rank}, {klass}: the box marks the damage, all beside the road is blurred",
    ),
    "unranked": ("順位なし", "unranked"),
    "notes_sheet": ("注記", "Notes"),
    "whole_list": ("リスト全体", "The whole list"),
    "number": ("番号は順位", "Numbers are ranks"),
}


def variant(key: str, *, above: bool) -> str:
    """The key of the words that a survey from above has for what `key` says of a drive, where they differ."""
    return f"{key}_above" if above and f"{key}_above" in UI else key


def say(key: str, lang: str, **values: object) -> str:
    """The words for `key` in a language, `values` filled in."""
    return told(UI, key, lang, **values)


def told(words: Words, key: str, lang: str, **values: object) -> str:
    """The words that a table has for `key` in a language, `values` filled in."""
    text = words[key][LANGUAGES.index(lang)]
    return text.format(**values) if values else text


def name(words: Words, code: str, lang: str) -> str:
    """The name of a code; a code without one is shown as it is, readably."""
    known = words.get(code)
    return re.sub(r"[_-]+", " ", code) if known is None else known[LANGUAGES.index(lang)]


def code_of(words: Words, text: str) -> str:
    """The code that a code or one of its names stands for: people type names into tables."""
    wanted = text.strip().lower()
    for code, names in words.items():
        if wanted in (code.lower(), *(n.lower() for n in names)):
            return code
    return text.strip()


def compass(heading_deg: float) -> tuple[str, str]:
    """The nearest of the eight points of the compass, Japanese and English."""
    return COMPASS[round(heading_deg % 360 / 45) % 8]
