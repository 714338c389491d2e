"""Every Japanese and English word of the forest's pictures, reports and printed map."""

from collections.abc import Mapping
from typing import Final

from pipelines.report.words import LANGUAGES, told

__all__ = ["LANGUAGES", "WORDS", "say"]

WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "title": ("林分図", "Stand map"),
    "crown_image": ("樹冠（画像）", "crown, image"),
    "crown_both": ("樹冠（画像＋樹冠高）", "crown, image and heights"),
    "crown_chm": ("樹冠（樹冠高のみ）", "crown, heights alone"),
    "gap": ("ギャップ", "gap"),
    "stand_border": ("林分界", "stand border"),
    "flown": ("撮影日", "flown"),
    "undated": ("撮影日不明", "date of the flight unknown"),
    "legend": ("凡例", "Legend"),
    "photo": ("オルソ画像（縮小）", "Orthophoto, reduced"),
    "sheet": ("A3横 日本語", "A3 landscape, English"),
    "area": ("撮影面積", "photographed"),
    "area_ha": ("{value} ha", "{value} ha"),
    "stems": ("立木本数（樹冠数）", "stems (crowns)"),
    "density": ("立木密度 本/ha", "stems per hectare"),
    "density_interval": ("90 % 区間 {low}–{high}", "90 % interval {low}–{high}"),
    "density_unknown": ("区間は不明", "interval unknown"),
    "stems_line": (
        "{ha} ha　立木 {n} 本、{per_ha} 本/ha（{interval}）",
        "{ha} ha   {n} stems, {per_ha} per hectare ({interval})",
    ),
    "cover": ("樹冠被覆率", "crown cover"),
    "diameter": ("平均樹冠直径", "crown diameter"),
    "height": ("平均樹高", "mean height"),
    "gaps": ("ギャップ（{ha} ha）", "gaps ({ha} ha)"),
    "stands": ("林分", "Stands"),
    "stand": ("林分", "Stand"),
    "stands_first": (
        "面積の大きい順に {n} 林分。全林分は次のページから",
        "The {n} largest; all of them on the next pages",
    ),
    "stands_all": ("面積の大きい順", "Largest first"),
    "stands_more": (
        "面積の大きい順に {n} 林分まで。残り {more} 林分は stands.csv にある。",
        "The {n} largest; the other {more} are in stands.csv.",
    ),
    "stands_none": ("林分はありません。", "There are no stands."),
    "column_kind": ("区分", "Kind"),
    "unseen": ("撮影外", "not seen"),
    "column_area": ("面積 ha", "Area, ha"),
    "column_stems": ("本数", "Stems"),
    "column_density": ("本/ha（90 % 区間）", "Stems/ha (90 %)"),
    "column_cover": ("被覆率 %", "Cover, %"),
    "column_diameter": ("樹冠直径 m", "Crown, m"),
    "column_height": ("樹高 m", "Height, m"),
    "column_gap": ("ギャップ %", "Gaps, %"),
    "column_seen": ("撮影率 %", "Seen, %"),
    "map_alt": ("林分界と樹冠をオルソ画像に重ねた地図", "Map: stand borders and crowns over the orthophoto"),
    "worth": ("数値の確かさ", "What the figures are worth"),
    "worth_counts": (
        "本数：人が描いた {n} 標本区（{plots}、平均 {mean} 本/ha）で、モデルの本数は平均 {mae} 本/ha ずれた"
        "（偏り {bias}）。",
        "Counts: on {n} labelled plots ({plots}; {mean} stems/ha on average) the model was off by {mae} stems/ha on "
        "average (bias {bias}).",
    ),
    "worth_crowns": (
        "樹冠：その標本区で、実際の樹冠の {recall} % を見つけ、{missed} % を見落とした。"
        "描いた樹冠の {wrong} % は誤りだった。",
        "Crowns: it found {recall} % of the crowns there and missed {missed} %; {wrong} % of what it drew was none.",
    ),
    "worth_sizes": (
        "被覆率の誤差は平均 {cover} ポイント、樹冠直径の誤差は平均 {diameter} m。",
        "Cover was off by {cover} points, crown diameter by {diameter} m on average.",
    ),
    "worth_assumed": (
        "モデルの性能表に標本区での本数の誤差がないため、±{sd} %（標準偏差）と仮定した。",
        "The model's card states no error of counts on plots: ±{sd} % (standard deviation) is assumed.",
    ),
    "worth_interval": (
        "区間は 90 %：偶然の変動と上記の誤差から。モデルが一様に見落とす分は含まない。"
        "この森林での現地確認はしていない。",
        "Intervals are 90 %, of chance and that error. They do not hold what a model misses everywhere alike. "
        "Nothing was checked on the ground in this forest.",
    ),
    "worth_coarse": (
        "画像の解像度は {gsd} cm で、モデルの想定 {model} cm よりはるかに粗い。ほとんどの木を見落とし、その数は"
        "分からないので、区間と林分の区分は示さない。本数、被覆率、ギャップは見つけた樹冠だけによる。",
        "The picture has {gsd} cm a pixel, far coarser than the {model} cm of the model: most trees are missed, and "
        "nobody knows how many. So there is no interval and no kind of stand; stems, cover and gaps are by the crowns "
        "that were found alone.",
    ),
    "worth_heights": (
        "樹高は樹冠高モデルの値で、その誤差は分からない。樹冠高モデルだけで見つけた {n} 本は上の誤差に含まれない。",
        "Heights are the height model's own, of unknown error; the {n} crowns that it alone shows are not in the "
        "figures above.",
    ),
    "worth_no_place": (
        "画像に位置の情報がないため、地図は大きさだけが正しい。座標は仮のもので、緯度経度とメッシュ番号は示さない。",
        "The picture has no place: the map is true to size alone. Its coordinates are no place on Earth, and latitude, "
        "longitude and the national mesh numbers are left out.",
    ),
    "worth_measured": (
        "樹高は撮影範囲の {share} % で分かる。平均樹高などは、その半分以上で樹高が分かる林分とメッシュにだけ示す。",
        "Heights cover {share} % of what was photographed; those of stands and meshes are given where they cover half "
        "or more.",
    ),
    "change": ("前回からの変化", "Change since the earlier flight"),
    "change_compared": (
        "{since} と比べた。両方に写るのは {ha} ha。端から {edge} m 以内の樹冠を除く {inner} ha で、"
        "前回 {before} 本、今回 {now} 本。",
        "Compared with {since}: both show {ha} ha; on {inner} ha of them, without {edge} m along the border, {before} "
        "crowns then and {now} now.",
    ),
    "change_moved": (
        "前回の地図を {east}、{north} 動かして重ねた（標準偏差 ±{sd} m）。",
        "The earlier map was moved {east} and {north} to fit (±{sd} m, standard deviation).",
    ),
    "change_doubtful": (
        "二つの地図のずれが求められない。動かさずに比べたので、消失は疑わしい。",
        "The offset of the two maps cannot be told: it was not removed, and losses are doubtful.",
    ),
    "change_chance": (
        "変化のない所でも前回の樹冠の {found} % しか再び見つからない。それを超える消失だけを示す。",
        "Where nothing changed, {found} % of the crowns are found again: only losses beyond that are shown.",
    ),
    "change_undated": (
        "撮影日の分からない飛行があり、どちらが先かを確かめていない。逆なら、消失と示すものは成長である。",
        "The day of one flight or both is unknown, so their order was not checked: the other way round, what is shown "
        "as loss is growth.",
    ),
    "change_lost": (
        "偶然を超える樹冠の消失：{n} か所、{ha} ha。",
        "Canopy loss beyond chance: {ha} ha in {n} area(s).",
    ),
    "change_none": (
        "偶然を超える樹冠の消失は見つからなかった。",
        "No canopy loss beyond chance was found.",
    ),
    "east": ("東へ {m} m", "{m} m east"),
    "west": ("西へ {m} m", "{m} m west"),
    "north": ("北へ {m} m", "{m} m north"),
    "south": ("南へ {m} m", "{m} m south"),
    "column_loss": ("消失 ha", "Loss, ha"),
    "limits": ("この地図の限界", "Limits of this map"),
    "limit_crown": (
        "樹冠は検出枠に内接する楕円で描く（樹冠高モデルだけの樹冠は輪郭）。樹冠数を立木本数とみなすので、"
        "一つの樹冠の下の複数の幹は 1 本になり、下層木は写らない。",
        "Crowns are ellipses in the model's boxes (outlines where the height model alone shows them). A crown is a "
        "stem: several stems under one crown count as one, and the understorey is not seen.",
    ),
    "worth_types": (
        "針広区分は、この写真で人が示した針葉樹 {conifer} 本と広葉樹 {broadleaf} 本から判別した。"
        "20 m 区画ごとに除いて確かめると、正 {right} %、誤 {wrong} %、残りは不明。",
        "Types of trees are told by {conifer} conifers and {broadleaf} broadleaves that people named on this picture; "
        "of those, left out in turns by squares of 20 m, {right} % were told right, {wrong} % wrong, the rest stayed "
        "unknown.",
    ),
    "worth_no_types": (
        "針広区分は載せない。示された木を 20 m 区画ごとに除いて確かめると、"
        "正しく判別できたのは {right} % にとどまった。",
        "Types of trees are not stated: of the crowns that people named, left out in turns, only {right} % were told "
        "right.",
    ),
    "limit_absent": (
        "樹種、林齢、材積、所有者は写真から分からないので載せない。",
        "Species, age, volume and ownership cannot be had from the picture and are not stated.",
    ),
    "limit_undated": ("撮影日は画像に記録されていない。", "The file does not say when it was flown."),
    "limit_gsd": (
        "画像の解像度 {gsd} cm はモデルの想定 {model} cm より粗い。小さな樹冠は見落とされる。",
        "The picture has {gsd} cm a pixel, coarser than the {model} cm of the model: small crowns are missed.",
    ),
    "limit_rejected": ("読めなかった範囲：{n} か所。", "Parts that could not be read: {n}."),
    "limit_full": (
        "樹冠がモデルの上限に達した範囲が {n} か所あり、見落としがあり得る。",
        "In {n} tiles there were as many crowns as the model keeps: some may be missing.",
    ),
    "limit_register": (
        "林分の区画は森林簿の図形のまま。画像との位置ずれは補正していない。",
        "Borders are the register's own; no shift between them and the picture was corrected.",
    ),
    "limit_delineated": (
        "林分の区画は、立木密度、被覆率、樹冠直径、樹高の違いから自動で引いた。所有界や施業界ではない。",
        "Borders were drawn from differences in density, cover, crown diameter and height: they are no boundaries of "
        "ownership or management.",
    ),
    "limit_card": ("モデルの性能表の記載", "What the model's card says"),
    "source": (
        "オルソ画像 {survey}（地上解像度 {gsd} cm）、{date}。座標系：{crs}。モデル：{model}（SHA-256 {sha}）。"
        "Michisora {version}",
        "Orthophoto {survey} ({gsd} cm a pixel), {date}. CRS: {crs}. Model: {model} (SHA-256 {sha}). "
        "Michisora {version}",
    ),
    "sources": ("資料", "Sources"),
    "register_csv": ("森林簿と結合する表は stands.csv。", "stands.csv is the table to join with the register."),
}


def say(key: str, lang: str, **values: object) -> str:
    """The words for `key` in a language, `values` filled in."""
    return told(WORDS, key, lang, **values)
