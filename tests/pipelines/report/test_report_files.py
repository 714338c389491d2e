"""Every file of a report: what it says, that it is safe to open, and that equal input gives equal bytes."""

import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import date, datetime
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import openpyxl
import pypdf
import pytest
from matplotlib.figure import Figure
from PIL import Image

from pipelines.errors import OutputError
from pipelines.report import labels
from pipelines.report.content import PhotoSource, ReportContent
from pipelines.report.items import items_of, sum_of_terms
from pipelines.report.page import page_html
from pipelines.report.paper import lines_of, new_pages, shortened, style
from pipelines.report.write import write_report

Make = Callable[[int], ReportContent]
HOSTILE = '"><script>alert(1)</script><img src=x onerror=alert(2)>'


class Tags(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def without_photos(content: ReportContent) -> ReportContent:
    return replace(content, photos=PhotoSource(content.photos.read_frame))


def test_the_page_says_first_which_hole_and_why(report: tuple[ReportContent, Path]) -> None:
    content, folder = report
    page = (folder / "repair_list.html").read_text(encoding="utf-8")
    top = page[page.index("<main") : page.index('id="list"')]
    best = items_of(content, {})[0]
    for said in (
        "最初に補修する箇所",
        "Repair this first",
        best.reasons["ja"][0],
        best.reasons["en"][0],
        f"{best.lat:.6f}",
    ):
        assert said in top
    ranks = re.findall(r'<article class="card" id="d-([^"]+)"', page)
    assert ranks == [item.uuid for item in items_of(content, {})]


def test_a_list_without_a_repair_does_not_say_what_to_repair(content_of: Make, tmp_path: Path) -> None:
    content = without_photos(content_of(4))
    write_report(replace(content, defects=content.defects.assign(judgement="damage")), tmp_path)
    page = (tmp_path / "repair_list.html").read_text(encoding="utf-8")
    text = pypdf.PdfReader(tmp_path / "repair_list_en.pdf").pages[0].extract_text()
    for said in (page, text):
        assert "Repair this first" not in said
        assert "The most urgent damage" in said
    assert "次に補修する箇所" not in page
    assert 'class="first damage"' in page


def test_the_page_needs_nothing_but_its_photos(report: tuple[ReportContent, Path]) -> None:
    _, folder = report
    tags = Tags((folder / "repair_list.html").read_text(encoding="utf-8"))
    sources = {image["src"] for image in tags.all("img")}
    assert len(sources) == 30
    assert all((folder / str(source)).is_file() for source in sources)
    assert all(image["alt"] for image in tags.all("img"))
    assert not tags.all("link")
    assert all("src" not in script for script in tags.all("script"))
    targets = {attributes.get("id") for _, attributes in tags.found}
    assert {str(a["href"])[1:] for a in tags.all("a") if str(a["href"]).startswith("#")} <= targets


def test_hostile_names_stay_text(content_of: Make) -> None:
    content = without_photos(content_of(2))
    defects = content.defects.copy()
    for column in (
        "road_name",
        "link",
        "note",
        "status",
        "class",
        "reasons_ja",
        "reasons_en",
        "uuid",
        "judgement",
        "change",
    ):
        defects[column] = HOSTILE
    sections = content.sections.assign(section=HOSTILE, link=HOSTILE)
    plain, attacked = (
        Tags(page_html(c, {})) for c in (content, replace(content, survey=HOSTILE, defects=defects, sections=sections))
    )
    assert len(attacked.all("script")) == len(plain.all("script")) == 1
    assert not attacked.all("img")
    assert not any(key.startswith("on") for _, attributes in attacked.found for key in attributes)


@pytest.mark.parametrize("n", [0, 2000])
def test_a_page_holds_no_defect_and_two_thousand(content_of: Make, n: int) -> None:
    page = page_html(without_photos(content_of(n)), {})
    assert page.count('<article class="card"') == n
    assert len(page) < 20_000_000
    assert ("No damage was found" in page) == (n == 0)


def test_a_survey_without_defects_sections_or_track_still_gives_every_file(content_of: Make, tmp_path: Path) -> None:
    content = content_of(0)
    bare = replace(content, sections=content.sections.iloc[:0], track=None, roads=None, coverage=None)
    assert all(path.stat().st_size > 2000 for path in write_report(bare, tmp_path))


def test_equal_content_gives_equal_bytes(content_of: Make, tmp_path: Path) -> None:
    first, second = (write_report(content_of(3), tmp_path / name) for name in "ab")
    for one, other in zip(first, second, strict=True):
        assert one.read_bytes() == other.read_bytes(), one.name


def test_progress_ends_at_its_total_and_never_falls(content_of: Make, tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []
    write_report(content_of(2), tmp_path, lambda done, total: told.append((done, total)))
    assert told == [(step, 8) for step in range(1, 9)]


def test_the_workbook_has_real_numbers_dates_and_a_list_of_states(report: tuple[ReportContent, Path]) -> None:
    content, folder = report
    book = openpyxl.load_workbook(folder / "repair_list.xlsx")
    assert len(book.sheetnames) == 6
    sheet = book["Road repair list (en)"]
    head = {cell.value: cell.column for cell in sheet[4]}
    best = items_of(content, {})[0]
    assert sheet.cell(5, head["Rank"]).value == 1
    assert sheet.cell(5, head["Latitude"]).value == pytest.approx(best.lat)
    assert isinstance(sheet.cell(5, head["Last seen"]).value, datetime)
    assert sheet.freeze_panes == "B5"
    assert sheet.auto_filter.ref.startswith("A4:")
    assert len(sheet._images) == 30
    (rule,) = sheet.data_validations.dataValidation
    assert "Planned" in rule.formula1
    assert str(rule.sqref).startswith(sheet.cell(5, head["Status"]).coordinate)


def test_text_that_looks_like_a_formula_stays_text(content_of: Make, tmp_path: Path) -> None:
    content = without_photos(content_of(1))
    evil = "=cmd|' /C calc'!A0"
    write_report(replace(content, survey=evil, defects=content.defects.assign(note=evil, road_name=evil)), tmp_path)
    book = openpyxl.load_workbook(tmp_path / "repair_list.xlsx")
    cells = [cell for sheet in book for row in sheet.iter_rows() for cell in row]
    assert sum(cell.value == evil for cell in cells) == 4
    assert not any(cell.data_type == "f" for cell in cells)


@pytest.mark.parametrize(("lang", "said"), [("ja", "ポットホール"), ("en", "pothole")])
def test_the_document_is_a4_and_its_words_can_be_searched(
    report: tuple[ReportContent, Path], lang: str, said: str
) -> None:
    pages = pypdf.PdfReader(report[1] / f"repair_list_{lang}.pdf").pages
    assert [round(float(v)) for v in pages[0].mediabox[2:]] == [595, 842]
    assert said in pages[0].extract_text()
    assert sum(len(page.images) for page in pages) >= 31


def test_the_models_limits_are_told_in_the_readers_language(report: tuple[ReportContent, Path]) -> None:
    content, folder = report
    page = (folder / "repair_list.html").read_text(encoding="utf-8")
    book = openpyxl.load_workbook(folder / "repair_list.xlsx")
    cells = {sheet.title: " ".join(str(cell.value) for row in sheet for cell in row) for sheet in book}
    for lang, other in (("ja", "en"), ("en", "ja")):
        (limit,), (foreign,) = content.provenance.limits_in(lang), content.provenance.limits_in(other)
        assert f'<ul lang="{lang}"><li>{limit}</li></ul>' in page
        text = "".join(one.extract_text() for one in pypdf.PdfReader(folder / f"repair_list_{lang}.pdf").pages)
        assert limit in text.replace("\n", "") or limit in text.replace("\n", " ")
        assert foreign[:8] not in text
        own = " ".join(text for title, text in cells.items() if f"({lang})" in title)
        assert limit in own and foreign not in own


def test_letters_the_font_lacks_are_marked_not_dropped(
    content_of: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_report(replace(without_photos(content_of(1)), survey="Straße 🚧 $x$"), tmp_path)
    text = pypdf.PdfReader(tmp_path / "repair_list_en.pdf").pages[0].extract_text()
    assert "〓" in text
    assert not [record for record in caplog.records if record.levelname in {"WARNING", "ERROR"}]


def test_the_map_shows_numbers_and_the_worst_section_in_its_colour(report: tuple[ReportContent, Path]) -> None:
    with Image.open(io.BytesIO((report[1] / "map_en.png").read_bytes())) as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    for colour in ((0xC2, 0x18, 0x5B), (0xE6, 0x9F, 0x00), (0x2C, 0x7F, 0xB8), (0xB3, 0x26, 0x1E)):
        assert (np.abs(pixels - colour).sum(axis=2) < 12).sum() > 100


def test_marks_at_one_place_are_spread_apart() -> None:
    extent = labels.Extent(0, 0, 1000, 1000)
    placed = labels.spread(np.full((20, 2), 500.0), 10.0, extent)
    gaps = np.hypot(*(placed[:, None] - placed[None]).transpose(2, 0, 1)) + 1e9 * np.eye(20)
    assert gaps.min() >= 20.0
    assert placed[0].tolist() == [500.0, 500.0]


def test_a_folder_that_cannot_be_written_is_said_in_one_line(content_of: Make, tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file stands here")
    with pytest.raises(OutputError, match="cannot be written") as caught:
        write_report(content_of(0), tmp_path / "out")
    assert "\n" not in str(caught.value)


def doubted(content: ReportContent) -> ReportContent:
    """The last two defects are not listed: one to be looked at again, one repaired."""
    defects = content.defects.copy()
    n = len(defects)
    defects["listed"] = [k < n - 2 for k in range(n)]
    defects["rank"] = defects["rank"].astype("Int64").where(defects["listed"])
    defects["status"] = [*defects["status"].iloc[: n - 2], "detected", "done"]
    return replace(content, defects=defects.assign(confidence=0.3, n_looked=7))


def test_what_is_too_doubtful_to_rank_stands_under_its_own_heading_and_counts_nowhere_else(content_of: Make) -> None:
    content = doubted(without_photos(content_of(12)))
    page = page_html(content, {})
    items = items_of(content, {})
    (again,) = [item for item in items if item.look_again]
    assert items[-2] is again, "what is closed stands last"
    heading, card = page.index('<h2 id="again">'), page.index(f'id="d-{again.uuid}"')
    closed = page.index(f'id="d-{items[-1].uuid}"')
    ranked = [page.index(f'<article class="card" id="d-{item.uuid}"') for item in items[:10]]
    assert max(ranked) < heading < card < closed
    tile = page[page.index('<li class="repair"') :]
    assert re.search(r"</span>(\d+)</b>", tile[:200]).group(1) == str(sum(i.judgement == "repair" for i in items[:10]))
    chips = re.findall(r'data-kind="(\w+)"|data-value="([^"]*)".*?<i>(\d+)</i>', page)
    judged = {code: int(n) for _, code, n in chips[1 : [kind for kind, *_ in chips].index("klass")]}
    assert judged["repair"] == sum(i.judgement == "repair" for i in items[:10]), "as the tile says"
    assert (judged["look_again"], judged["closed"]) == (1, 1)
    for code, n in judged.items():
        assert page.count(f'data-judgement="{code}"') == n, "what the filter shows"
    assert "of the 7 frames that should show it" in page
    assert "30 %" in page


def test_the_legend_explains_the_marks_that_are_drawn(content_of: Make) -> None:
    content = doubted(without_photos(content_of(12)))
    levels = ["repair"] * 6 + ["damage"] * 4 + ["none", "damage"]
    for shown, codes in ((levels, ["repair", "damage"]), (["none"] * 10 + levels[10:], ["damage", "none"])):
        content = replace(content, defects=content.defects.assign(judgement=shown))
        page = page_html(content, {})
        legend = page.partition('<ul class="legend">')[2].partition("</ul>")[0]
        assert re.findall(r'class="judged (\w+)"', legend) == codes
        assert page.count('class="dot again"') == 1 + legend.count('class="dot again"') == 2


def test_the_document_and_the_workbook_say_what_to_look_at_again(content_of: Make, tmp_path: Path) -> None:
    content = doubted(without_photos(content_of(4)))
    write_report(content, tmp_path)
    text = "".join(page.extract_text() for page in pypdf.PdfReader(tmp_path / "repair_list_en.pdf").pages)
    assert text.count("Look again") == 1
    sheet = openpyxl.load_workbook(tmp_path / "repair_list.xlsx")["Road repair list (en)"]
    head = {cell.value: cell.column for cell in sheet[4]}
    said = [sheet.cell(row, head["Look again"]).value for row in range(5, 9)]
    assert [value or "" for value in said] == ["", "", "Look again", ""]
    assert sheet.cell(5, head["Confidence (%)"]).value == pytest.approx(30)


def test_nothing_is_certain_in_any_report(content_of: Make) -> None:
    content = without_photos(content_of(1))
    content = replace(content, defects=content.defects.assign(confidence=0.998, n_looked=7))
    (item,) = items_of(content, {})
    assert item.confidence_pct == 99
    assert "99 %" in page_html(content, {})
    assert "100 %</dd>" not in page_html(content, {})


def test_nothing_sure_is_not_nothing_found(content_of: Make, tmp_path: Path) -> None:
    content = doubted(without_photos(content_of(2)))
    page = page_html(content, {})
    top = page[page.index("<main") : page.index('id="list"')]
    write_report(replace(content, languages=("en",)), tmp_path)
    paper = pypdf.PdfReader(tmp_path / "repair_list_en.pdf").pages[0].extract_text()
    for said in (top, paper):
        assert "No damage was found" not in said
        assert "Nothing was found that is sure enough to rank." in said
    assert "順位をつけられるほど確かな損傷は見つかりませんでした。" in top
    assert '<a href="#again">' in top


def test_what_is_doubtful_is_told_beside_a_single_ranked_defect(content_of: Make, tmp_path: Path) -> None:
    content = doubted(without_photos(content_of(3)))
    page = page_html(content, {})
    assert '<a href="#again">' in page[page.index("<main") : page.index('id="list"')]
    write_report(replace(content, languages=("en",)), tmp_path)
    assert "too doubtful to rank" in pypdf.PdfReader(tmp_path / "repair_list_en.pdf").pages[0].extract_text()


@pytest.mark.parametrize("lang", ["ja", "en"])
def test_a_text_too_long_for_its_lines_is_cut_between_words_and_keeps_its_spaces(lang: str) -> None:
    words = [f"word{k}" for k in range(200)]
    pages = new_pages("title", "foot", date(2026, 11, 3), lang)
    style(pages, 8.5)
    pages.set_left_margin(110)
    pages.set_x(110)
    cut = shortened(pages, " ".join(words), 2)
    lines = cut.split("\n")
    assert len(lines) == lines_of(pages, cut) == 2
    assert cut.endswith("…")
    if lang == "en":
        shown = cut.removesuffix("…").split()
        assert shown == words[: len(shown)]
    assert shortened(pages, "short enough", 2) == "short enough"
    assert (pages.x, pages.l_margin) == (110, 110)
    pages.output()  # closes the font's file


@pytest.mark.parametrize("lang", ["ja", "en"])
def test_a_block_of_the_document_says_all_terms_and_reasons_however_many_there_are(
    content_of: Make, tmp_path: Path, lang: str
) -> None:
    content = without_photos(content_of(5))
    terms = {"safety": 49.99, "size": 12.13, "traffic": 8.4, "growth": 4.0, "seen_again": 3.0, "confidence": 5.4}
    reasons = "\n".join(f"Reason {k} of a defect that has a good many of them" for k in range(6))
    told = {"terms": json.dumps(terms), "reasons_en": reasons, "reasons_ja": reasons}
    notes = ["", "", "A note. " * 20, "", "A note that never ends. " * 200]
    content = replace(content, languages=(lang,), defects=content.defects.assign(**told, note=notes))
    write_report(content, tmp_path)
    text = "".join(page.extract_text() for page in pypdf.PdfReader(tmp_path / f"repair_list_{lang}.pdf").pages)
    plain = "".join(text.split())
    total = "".join(sum_of_terms(items_of(content, {})[0], lang).split())
    assert plain.count(total) == 5
    assert plain.count("Reason5ofadefectthathasagoodmanyofthem") == 5 + 1, "each block, and the first page"
    assert "…" in text


def test_a_document_of_a_survey_from_above_speaks_of_pictures_of_the_place(content_of: Make, tmp_path: Path) -> None:
    content = without_photos(content_of(1))
    above = replace(content.summary, area_m2=900.0)
    content = replace(content, languages=("en",), summary=above, defects=content.defects.assign(n_seen=2, n_looked=3))
    write_report(replace(content, defects=content.defects.assign(confidence=0.8)), tmp_path)
    text = " ".join(page.extract_text() for page in pypdf.PdfReader(tmp_path / "repair_list_en.pdf").pages)
    assert "2 of 3 pictures of the place" in " ".join(text.split())
    assert "frames that should show it" not in " ".join(text.split())


def test_a_long_name_of_a_survey_leaves_room_for_the_pages_number_and_the_maps_heading(
    content_of: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = replace(without_photos(content_of(0)), languages=("en",), survey="Honmachi to Harbour Road " * 12)
    figures: list[Figure] = []
    add_axes = Figure.add_axes
    monkeypatch.setattr(Figure, "add_axes", lambda one, *given: figures.append(one) or add_axes(one, *given))
    write_report(content, tmp_path)
    (figure,) = figures
    named, other = (next(t for t in figure.texts if said in t.get_text()) for said in ("Honmachi", "Numbers are ranks"))
    assert named.get_window_extent().x1 < other.get_window_extent().x0
    assert "… " in named.get_text().replace("　", " ") and "2026-11-03" in named.get_text()
    foot = pypdf.PdfReader(tmp_path / "repair_list_en.pdf").pages[0].extract_text().splitlines()[-1]
    assert re.fullmatch(r"Honmachi to .*…\s*page 1 of \d", foot)


def test_roads_are_called_as_the_reader_calls_them(content_of: Make, tmp_path: Path) -> None:
    content = without_photos(content_of(1))
    content = replace(content, defects=content.defects.assign(road_name="港通り", road_name_en="Harbour Street"))
    write_report(content, tmp_path)
    page = (tmp_path / "repair_list.html").read_text(encoding="utf-8")
    assert '<span lang="ja">港通り</span><span lang="en">Harbour Street</span>' in page
    book = openpyxl.load_workbook(tmp_path / "repair_list.xlsx")
    cells = {sheet.title: [cell.value for row in sheet.iter_rows() for cell in row] for sheet in book}
    for lang, own, other in (("ja", "港通り", "Harbour Street"), ("en", "Harbour Street", "港通り")):
        text = "".join(one.extract_text() for one in pypdf.PdfReader(tmp_path / f"repair_list_{lang}.pdf").pages)
        assert own in text and other not in text
        listed = next(values for title, values in cells.items() if f"({lang})" in title)
        assert own in listed and other not in listed
