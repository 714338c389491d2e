"""The reports of a stand map: what page and document say, that they hold what they must, and stay safe to open."""

import base64
import csv
import hashlib
import io
import re
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pypdf
import pytest
import shapely
from foresting import write_ortho
from PIL import Image
from stand_maps import HOSTILE, StandMap, make_stand_map, measured_card

from models.card import ModelCard, load_card, write_card
from pipelines.cli.main import main
from pipelines.forest.backdrop import Backdrop
from pipelines.forest.document import MOST_ROWS, stand_document
from pipelines.forest.figures import figures_of
from pipelines.forest.page import stand_page
from pipelines.forest.picture import _marks, plain_map
from pipelines.forest.reports import write_reports
from pipelines.forest.results import Results
from pipelines.forest.rows import columns_of, rows_of
from pipelines.forest.statement import change_lines, limits_of, worth_lines, worth_of
from pipelines.forest.words import WORDS
from pipelines.report.labels import Extent

sys.path.append(str(Path(__file__).parents[1] / "models"))

from spot_network import write_spot_model


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def picture() -> bytes:
    target = io.BytesIO()
    Image.new("RGB", (600, 400), (60, 120, 60)).save(target, "JPEG")
    return target.getvalue()


def _pages(data: bytes) -> list[str]:
    return [re.sub(r"\s+", " ", page.extract_text()) for page in pypdf.PdfReader(io.BytesIO(data)).pages]


def _few(results: Results, n: int) -> Results:
    return replace(results, stands=results.stands.iloc[:n])


def _many(results: Results, n: int) -> Results:
    rows = results.stands.iloc[np.arange(n) % 11]
    stands = gpd.GeoDataFrame(rows.assign(stand=[f"T{k}" for k in range(n)]), crs=results.stands.crs)
    return replace(results, stands=stands.reset_index(drop=True))


@pytest.mark.parametrize("lang", ["ja", "en"])
def test_few_stands_are_one_page_with_figures_map_and_what_they_are_worth(
    stand_map: StandMap, picture: bytes, lang: str
) -> None:
    results = _few(stand_map.results, 8)
    data = stand_document(results, picture, lang)
    (text,) = _pages(data)
    figures = figures_of(results)
    for said in (f"{figures.area_ha:.2f} ha", f"{figures.n_stems:,}", f"{figures.cover_pct:.0f} %", "2026-05-01"):
        assert said in text
    for said in (f"{figures.low_ha:,.0f}–{figures.high_ha:,.0f}", "012-2", "午前の森.tif", "plots_of_a_wood", "0" * 12):
        assert said in text
    (page,) = pypdf.PdfReader(io.BytesIO(data)).pages
    assert len(page.images) == 1
    assert [round(float(length) / 72 * 25.4) for length in page.mediabox[2:]] == [210, 297]


def test_more_stands_than_fit_follow_on_other_pages_the_largest_first(stand_map: StandMap, picture: bytes) -> None:
    first, second = _pages(stand_document(stand_map.results, picture, "en"))
    assert "The 8 largest; all of them on the next pages" in first
    assert "013-9" not in first
    assert second.index("012-1-1") < second.index("013-9")
    assert "not seen" in second


def test_of_very_many_stands_the_smallest_are_in_the_csv_alone(stand_map: StandMap, picture: bytes) -> None:
    text = " ".join(_pages(stand_document(_many(stand_map.results, MOST_ROWS + 20), picture, "en")))
    assert f"The {MOST_ROWS} largest; the other 20 are in stands.csv." in text
    table = text[text.index("1 of") :]
    assert sum(f" T{k} " in table for k in range(MOST_ROWS + 20)) == MOST_ROWS


def test_long_names_and_many_sentences_do_not_break_the_first_page(stand_map: StandMap, picture: bytes) -> None:
    card = measured_card().model_copy(update={"limits": [f"limit {k} " + "of a model " * 12 for k in range(9)]})
    stands = stand_map.results.stands.assign(stand="長い名前の林分 " * 9)
    crowded = replace(stand_map.results, stands=stands, card=card, survey="とても長い調査の名前" * 9, date="", n_full=3)
    first, second, *others = _pages(stand_document(crowded, picture, "ja"))
    assert not others
    assert WORDS["sources"][0] in first
    assert "Michisora" in first, "the last line of the first page"
    assert second.startswith("林分")


def test_no_stand_and_no_crown_are_a_document_all_the_same(stand_map: StandMap, picture: bytes) -> None:
    nothing = replace(_few(stand_map.results, 0), crowns=stand_map.results.crowns.iloc[:0])
    (text,) = _pages(stand_document(nothing, picture, "en"))
    assert "There are no stands." in text
    assert "– m" in text


def test_the_page_is_one_file_that_asks_for_nothing(stand_map: StandMap) -> None:
    text = stand_map.published.reports.page.read_text(encoding="utf-8")
    tags = Tags(text)
    names = [name for name, _ in tags.found]
    assert not {"link", "iframe", "object"} & set(names)
    assert [attributes for name, attributes in tags.found if name == "script"] == [{}]
    pictures = [attributes for name, attributes in tags.found if name == "img"]
    assert [one["lang"] for one in pictures] == ["ja", "en"]
    for one in pictures:
        head, _, data = str(one["src"]).partition(",")
        assert head == "data:image/jpeg;base64"
        assert Image.open(io.BytesIO(base64.b64decode(data))).width == 1650
        assert one["alt"]
    assert "url(" not in text
    assert not re.search(r"https?://", text)
    policy = next(a["content"] for n, a in tags.found if n == "meta" and "http-equiv" in a)
    assert policy.startswith("default-src 'none'")
    script = text.partition("<script>")[2].partition("</script>")[0]
    assert f"script-src 'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" in policy
    assert "width=device-width" in text


def test_the_page_changes_its_language_without_a_script(stand_map: StandMap) -> None:
    text = stand_map.published.reports.page.read_text(encoding="utf-8")
    inputs = [attributes for name, attributes in Tags(text).found if name == "input"]
    assert [(one["id"], "checked" in one) for one in inputs] == [("show-ja", True), ("show-en", False)]
    assert '#show-en:checked~* [lang]:not([lang="en"]){display:none}' in text
    for ja, en in (WORDS["worth"], WORDS["limits"], WORDS["column_stems"]):
        assert f'<span lang="ja">{ja}</span><span lang="en">{en}</span>' in text


def test_hostile_names_stay_text(stand_map: StandMap) -> None:
    results = replace(stand_map.results, survey=HOSTILE)
    text = stand_page(results, {"ja": b"", "en": b""})
    assert text.count("<script") == 1
    assert text.count("&lt;script&gt;") > 3
    assert [name for name, _ in Tags(text).found].count("tr") == 13


def test_one_language_is_one_map_one_document_and_no_switch(stand_map: StandMap, tmp_path: Path) -> None:
    from pipelines.forest.backdrop import Backdrop  # noqa: PLC0415
    from pipelines.report.labels import Extent  # noqa: PLC0415

    beneath = Backdrop(np.full((90, 120, 4), 255, np.uint8), Extent(-20_000, -30_090, -19_880, -30_000), None)
    made = write_reports(stand_map.results, beneath, tmp_path, ("en",), lambda _product, _staged: None)
    assert list(made.documents) == ["en"]
    text = made.page.read_text(encoding="utf-8")
    assert "<label" not in text
    assert "数値の確かさ" not in text
    assert made.table.read_bytes()[3:].startswith("林班".encode()), "a register's own ids keep their names"
    assert "Stems per hectare" in made.table.read_text(encoding="utf-8-sig").splitlines()[0]


def test_the_statement_is_the_cards_or_says_that_an_error_is_assumed(stand_map: StandMap) -> None:
    worth = worth_of(measured_card())
    assert worth is not None
    assert (worth.n, worth.mae_ha, worth.mean_ha, worth.recall) == (61, 40.0, 200.0, 0.65)
    told = " ".join(worth_lines(stand_map.results, "en"))
    assert "on 61 labelled plots (plots_of_a_wood; 200 stems/ha on average)" in told
    assert "off by 40 stems/ha on average (bias −13)" in told
    assert "found 65 % of the crowns there and missed 35 %; 34 % of what it drew was none" in told
    assert "Heights are the height model's own" in told
    bare = measured_card().model_copy(update={"metrics": {"command": "x"}})
    assert worth_of(bare) is None
    assumed = worth_lines(replace(stand_map.results, card=bare), "en")
    assert "states no error of counts on plots" in assumed[0]
    assert f"±{100 * stand_map.results.error.sd:.0f} %" in assumed[0]


def test_the_statement_takes_the_plots_on_which_counts_are_worst() -> None:
    good = {"stems": {"ha_mae": 10.0, "ha_mean_true": 500.0}, "n_pictures": 9}
    bad = {"stems": {"ha_mae": 90.0, "ha_mean_true": 300.0}, "n_pictures": 4}
    card: ModelCard = measured_card().model_copy(update={"metrics": {"a": good, "b": bad, "split": "val"}})
    worth = worth_of(card)
    assert worth is not None
    assert (worth.plots, worth.n) == ("b", 4)
    assert np.isnan(worth.recall)


def test_what_changed_since_an_earlier_flight_is_said_with_what_chance_takes(
    stand_map: StandMap, picture: bytes
) -> None:
    areas = gpd.GeoDataFrame({"area_m2": [4000.0, 1500.0]}, geometry=[shapely.box(0, 0, 1, 1)] * 2, crs=6677)
    offset = SimpleNamespace(told=True, east_m=-1.37, north_m=0.5, sd_m=0.08)
    counts = {"since": "old.tif of 2025-05-01", "shared_ha": 1.2, "n_before": 1500, "n_now": 1200}
    counts |= {"compared_ha": 1.05, "edge_m": 3.0}
    change: Any = SimpleNamespace(
        **counts, offset=offset, chance=SimpleNamespace(found_again=0.62), areas=areas, order_known=True
    )
    results = replace(stand_map.results, change=change, stands=stand_map.results.stands.assign(loss_ha=0.25))
    (text,) = _pages(stand_document(_few(results, 3), picture, "en"))
    for said in (
        "both show 1.20 ha; on 1.05 ha of them, without 3 m along the border",
        "1,500 crowns then and 1,200 now",
        "1.37 m west and 0.50 m north",
        "62 %",
    ):
        assert said in text
    assert "0.55 ha in 2 area(s)" in text
    assert "Loss, ha" in text
    assert "0.55 ha in 2 area(s)" in stand_page(results, {"en": b""})
    doubtful = SimpleNamespace(told=False)
    change.offset, change.areas, change.order_known = doubtful, areas.iloc[:0], False
    told = " ".join(change_lines(results, "en"))
    assert "losses are doubtful" in told
    assert "their order was not checked" in told
    assert "No canopy loss beyond chance was found." in told
    assert change_lines(stand_map.results, "en") == []


def test_limits_say_what_is_so_and_nothing_else(stand_map: StandMap) -> None:
    results = stand_map.results
    told = " ".join(limits_of(results, "en"))
    assert "the register's own" in told
    assert "coarser" not in told
    assert "when it was flown" not in told
    stands = results.stands.assign(origin="delineated")
    rejected = gpd.GeoDataFrame({"item": ["t"]}, geometry=[shapely.box(0, 0, 1, 1)], crs=6677)
    other = replace(results, date="", gsd_m=0.5, stands=stands, rejected=rejected, n_full=2)
    told = " ".join(limits_of(other, "en"))
    for said in ("no boundaries of ownership", "50.0 cm a pixel", "when it was flown", "not be read: 1", "In 2 tiles"):
        assert said in told


def test_a_picture_too_coarse_to_count_in_claims_no_interval_and_no_kind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.forest.stands._COARSEST", 0.5)
    assert make_stand_map(tmp_path / "heights").results.error.known, "the height model shows the trees"
    made = make_stand_map(tmp_path / "bare", chm=None)
    rows = list(csv.DictReader(io.StringIO(made.published.reports.table.read_text(encoding="utf-8-sig"))))
    assert {row[key] for row in rows for key in ("区分", "立木密度_下限90%(本/ha)", "立木密度_上限90%(本/ha)")} == {""}
    assert any(row["立木本数(本)"] for row in rows)
    assert "neither an interval nor a kind" in made.published.summary.read_text(encoding="utf-8")
    page = made.published.reports.page.read_text(encoding="utf-8")
    assert "nobody knows how many" in page
    assert "interval unknown" in page
    assert "nan" not in re.sub(r"base64,[^\"]*", "", page)
    first = rows_of(made.results)[0]
    shown = {column.key: column.show(first, "en") for column in columns_of(made.results)}
    assert shown["column_kind"] == "–"
    assert shown["column_density"] == f"{first.per_ha:,.0f}"


def test_the_legend_explains_what_is_on_the_map_alone(stand_map: StandMap) -> None:
    def legend(results: Results) -> list[str]:
        return [mark.get_label() for mark in _marks(results, ("en",))]

    results = stand_map.results
    gap = results.gaps.assign(kind="gap")
    assert "gap" in legend(replace(results, gaps=gap))
    assert "gap" not in legend(replace(results, gaps=gap.assign(kind="open")))
    bare = replace(results, gaps=gap.iloc[:0], crowns=results.crowns.assign(counted=False))
    assert legend(bare) == ["stand border"]
    nothing = replace(bare, stands=results.stands.iloc[:0])
    ground = Backdrop(np.zeros((4, 6, 4), np.uint8), Extent(0, 0, 6, 4), results.ground.crs)
    assert legend(nothing) == []
    assert Image.open(io.BytesIO(plain_map(nothing, ground, "en"))).width > 0


def test_rows_are_the_largest_first_those_not_seen_last_and_unknown_figures_are_dashes(stand_map: StandMap) -> None:
    results = stand_map.results
    stands = results.stands.assign(area_ha=np.linspace(1, 2, 12))
    rows = rows_of(replace(results, stands=stands))
    assert rows[0].stand == "013-5, 6"
    assert rows[-1].stand == "013-9", "the largest of all, but nobody flew over it"
    shown = {column.key: column.show(rows[-1], "en") for column in columns_of(results)}
    assert shown["column_kind"] == "not seen"
    assert {shown[key] for key in ("column_stems", "column_density", "column_height", "column_gap")} == {"–"}
    assert shown["column_seen"] == "0"


def test_heights_have_a_column_only_where_they_are_known(stand_map: StandMap) -> None:
    flat = replace(
        stand_map.results,
        crowns=stand_map.results.crowns.drop(columns="height_m"),
        stands=stand_map.results.stands.drop(columns="height_m").assign(seen_pct=100.0),
    )
    keys = [column.key for column in columns_of(flat)]
    assert "column_height" not in keys
    assert "column_seen" not in keys
    assert all(pd.isna(row.height_m) for row in rows_of(flat))
    assert "Heights" not in " ".join(worth_lines(flat, "en"))


def test_every_word_is_there_in_both_languages_and_fills_the_same_blanks() -> None:
    for key, (ja, en) in WORDS.items():
        assert ja, key
        assert en, key
        assert sorted(re.findall(r"{\w+}", ja)) == sorted(re.findall(r"{\w+}", en)), key


def test_the_command_says_where_everything_lies(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ortho = write_ortho(tmp_path / "wood.tif", np.full((300, 400, 3), (40, 60, 30), np.uint8))
    (tmp_path / "model").mkdir()
    model = write_spot_model(tmp_path / "model")
    card = load_card(model)
    classes = [one.model_copy(update={"largest_m": 4.0}) for one in card.classes]
    write_card(card.model_copy(update={"gsd_m": 0.1, "classes": classes}), model)
    with pytest.raises(SystemExit) as left:
        main(["forest", str(ortho), "--out", str(tmp_path / "out"), "--model", str(model), "--lang", "en"])
    assert not left.value.code
    named = [Path(line.split("  ")[-1].strip().split(" (")[0]) for line in capsys.readouterr().out.splitlines()]
    assert [path.name for path in named] == [
        "forest.gpkg",
        "forest.qgz",
        "forest.zip",
        "forest.png",
        "stand_map.html",
        "stand_map_en.pdf",
        "stands.csv",
    ]
    assert all(path.is_file() for path in named)
