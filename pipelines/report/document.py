"""The repair list as a PDF to print and sign: A4, one document a language."""

from __future__ import annotations

import io
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fpdf import FPDF
from fpdf.enums import TextMode, WrapMode
from fpdf.fonts import FontFace

from pipelines.report import words
from pipelines.report.content import ReportContent
from pipelines.report.fonts import font_path, printable
from pipelines.report.items import Item, SectionItem, fixed, items_of, listed_of, sections_of
from pipelines.report.limits import limits_of, made_by

_FAMILY = "IPAexGothic"
_PAGE_MM, _MARGIN_MM = 210.0, 14.0
_INNER_MM = _PAGE_MM - 2 * _MARGIN_MM
PHOTO_PX = 640
_PHOTO_MM = 82.0
_BLOCK_MM = 62.0
_INK, _SOFT, _LINE, _HEAD = (27, 37, 48), (86, 98, 112), (205, 211, 218), (234, 238, 242)
_BAR, _BAR_GROUND = (53, 97, 142), (232, 236, 240)
_LEVELS = {"repair": (179, 38, 30), "damage": (138, 75, 0), "none": (86, 98, 112)}
_TABLE_WIDTHS = (11, 26, 38, 50, 26, 14, 17)


@dataclass(frozen=True, slots=True)
class Sources:
    """What a document is made from besides its content: the map as PNG, and uuid → photo as a small JPEG."""

    map_png: bytes
    photos: Mapping[str, bytes]


class _Pages(FPDF):  # type: ignore[misc]  # the library has no types
    """A4 pages with a running foot."""

    def __init__(self, foot: str, lang: str) -> None:
        super().__init__(format="A4", unit="mm")
        self._foot, self._lang = foot, lang

    def footer(self) -> None:
        """The survey on the left, the page's number on the right; called by the library on every page."""
        self.set_y(-11)
        _style(self, 8, _SOFT)
        self.cell(_INNER_MM - 40, 5, printable(self._foot))
        page = words.say("page", self._lang, page=self.page_no(), pages="{nb}")
        self.cell(40, 5, page, align="R")


def document(content: ReportContent, sources: Sources, lang: str) -> bytes:
    """The document.

    Args:
        content: the report's content.
        sources: map and photos.
        lang: its language.

    Returns:
        PDF bytes with the used letters of the font embedded; equal for equal content.
    """
    # fontTools reports every table it drops while it cuts the font down: news for its own developers.
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    items, sections = items_of(content, {}), sections_of(content)
    pages = _pages(content, lang)
    _title_page(pages, content, (items, sections), sources.map_png, lang)
    _table(pages, "whole_list", [item for item in items if not item.look_again], lang)
    _table(pages, "look_again", [item for item in items if item.look_again], lang)
    _blocks(pages, content, items, sources, lang)
    _limits(pages, content, sections, lang)
    return bytes(pages.output())


def _pages(content: ReportContent, lang: str) -> _Pages:
    pages = _Pages(f"{content.survey}　{content.date.isoformat()}", lang)
    pages.set_margins(_MARGIN_MM, _MARGIN_MM)
    pages.set_auto_page_break(True, margin=16)
    pages.add_font(_FAMILY, fname=str(font_path()))
    pages.set_creation_date(datetime(content.date.year, content.date.month, content.date.day, tzinfo=UTC))
    pages.set_title(f"{words.say('title', lang)} {content.survey}")
    pages.set_creator("Michisora")
    pages.set_lang(lang)
    pages.add_page()
    return pages


def _style(pages: FPDF, size: float, colour: tuple[int, int, int] = _INK, *, strong: bool = False) -> None:
    """Set size, colour and weight; the font has one weight, so strong letters get a thin outline."""
    pages.set_font(_FAMILY, size=size)
    pages.set_text_color(*colour)
    pages.set_draw_color(*colour)
    pages.set_line_width(size * 0.009 if strong else 0.2)
    pages.text_mode = TextMode.FILL_STROKE if strong else TextMode.FILL


def _title_page(
    pages: FPDF, content: ReportContent, rows: tuple[list[Item], list[SectionItem]], map_png: bytes, lang: str
) -> None:
    items = rows[0]
    _style(pages, 20, strong=True)
    pages.cell(0, 10, words.say("title", lang), new_x="LMARGIN", new_y="NEXT")
    _style(pages, 11, _SOFT)
    under = f"{content.survey}　{words.say('surveyed', lang)} {content.date.isoformat()}"
    _paragraph(pages, 6, under)
    pages.ln(2)
    _numbers(pages, content, items, lang)
    if items and items[0].rank is not None:
        _first(pages, items[0], lang)
    else:
        _style(pages, 12)
        _paragraph(pages, 7, f"{words.say('nothing', lang)}\n{words.say('nothing_note', lang)}")
    pages.ln(3)
    room = pages.page_break_trigger - pages.get_y() - 1
    pages.image(io.BytesIO(map_png), x=_MARGIN_MM, w=_INNER_MM, h=room, keep_aspect_ratio=True)


def _numbers(pages: FPDF, content: ReportContent, items: list[Item], lang: str) -> None:
    """The survey in numbers, in a ruled row."""
    counts = [sum(item.judgement == level for item in listed_of(items)) for level in ("repair", "damage")]
    above = content.summary.from_above
    cells = [
        (f"{words.JUDGEMENT_MARKS['repair']} {counts[0]}", words.name(words.JUDGEMENTS, "repair", lang)),
        (f"{words.JUDGEMENT_MARKS['damage']} {counts[1]}", words.name(words.JUDGEMENTS, "damage", lang)),
        (content.summary.extent, words.say(words.variant("km", above=above), lang)),
        (str(content.summary.frames), words.say(words.variant("frames", above=above), lang)),
        (str(sum(content.summary.rejected.values())), words.say(words.variant("rejected_count", above=above), lang)),
    ]
    top, wide = pages.get_y(), _INNER_MM / len(cells)
    for i, (number, label) in enumerate(cells):
        colour = (_LEVELS["repair"], _LEVELS["damage"], _INK, _INK, _INK)[i]
        pages.set_xy(_MARGIN_MM + i * wide, top + 1.5)
        _style(pages, 14, colour, strong=True)
        pages.cell(wide, 7, number)
        pages.set_xy(_MARGIN_MM + i * wide, top + 8)
        _style(pages, 8, _SOFT)
        pages.cell(wide, 4, label)
    _rule(pages, top)
    _rule(pages, top + 13.5)
    pages.set_xy(_MARGIN_MM, top + 17)


def _rule(pages: FPDF, y: float) -> None:
    pages.set_draw_color(*_LINE)
    pages.set_line_width(0.25)
    pages.line(_MARGIN_MM, y, _PAGE_MM - _MARGIN_MM, y)


def _first(pages: FPDF, item: Item, lang: str) -> None:
    """Which hole first, and why, in a few lines beside a coloured bar."""
    top = pages.get_y()
    pages.set_left_margin(_MARGIN_MM + 5)
    pages.set_xy(_MARGIN_MM + 5, top)
    _style(pages, 9, _LEVELS["repair"], strong=True)
    pages.cell(0, 5, words.say("first", lang), new_x="LMARGIN", new_y="NEXT")
    _style(pages, 14, strong=True)
    headline = f"{item.label}　{words.name(words.CLASSES, item.klass, lang)}　{_road(item, lang)}"
    _paragraph(pages, 7, headline)
    _style(pages, 10)
    facts = [_size(item, lang), _position(item, lang), _joined(item.reasons[lang], lang)]
    _paragraph(pages, 5.4, "\n".join(fact for fact in facts if fact))
    pages.set_left_margin(_MARGIN_MM)
    pages.set_fill_color(*_LEVELS["repair"])
    pages.rect(_MARGIN_MM, top, 1.8, pages.get_y() - top, style="F")


def _table(pages: FPDF, head: str, items: list[Item], lang: str) -> None:
    """A table on a page of its own; `head` is the words' key of its heading, which a note may explain."""
    if not items:
        return
    pages.add_page()
    _heading(pages, words.say(head, lang))
    if f"{head}_note" in words.UI:
        _style(pages, 9, _SOFT)
        _paragraph(pages, 5, words.say(f"{head}_note", lang))
        pages.ln(1)
    _style(pages, 8.5)
    pages.set_draw_color(*_LINE)
    pages.set_fill_color(255, 255, 255)
    columns = ("rank", "judgement", "class", "road", "size", "priority", "status")
    with pages.table(
        col_widths=_TABLE_WIDTHS,
        line_height=5,
        padding=0.6,
        headings_style=FontFace(emphasis="", fill_color=_HEAD),
        borders_layout="HORIZONTAL_LINES",
        text_align="LEFT",
        num_heading_rows=1,
    ) as table:
        top = table.row()
        for key in columns:
            top.cell(words.say(key, lang))
        for item in items:
            row = table.row()
            for text in _cells(item, lang):
                row.cell(printable(text))


def _cells(item: Item, lang: str) -> tuple[str, ...]:
    mark = words.JUDGEMENT_MARKS.get(item.judgement, "")
    return (
        item.label,
        f"{mark} {words.name(words.JUDGEMENTS, item.judgement, lang)}",
        words.name(words.CLASSES, item.klass, lang),
        _road(item, lang),
        f"≦ {fixed(item.length_m)} × {fixed(item.width_m)} m",
        fixed(item.priority, 2),
        words.name(words.STATUSES, item.status, lang),
    )


def _blocks(pages: FPDF, content: ReportContent, items: list[Item], sources: Sources, lang: str) -> None:
    printed = [item for item in items if not item.look_again]
    shown = printed[: content.params.document_blocks]
    if not shown:
        return
    pages.add_page()
    _heading(pages, words.say("details", lang))
    if len(shown) < len(printed):
        _style(pages, 9, _SOFT)
        _paragraph(pages, 5, words.say("more_in_table", lang, n=len(shown)))
    for item in shown:
        if pages.get_y() + _BLOCK_MM > pages.page_break_trigger:
            pages.add_page()
        _block(pages, item, sources, lang)


def _block(pages: FPDF, item: Item, sources: Sources, lang: str) -> None:
    """One defect: photo on the left, what, where and why on the right."""
    top = pages.get_y() + 2
    _rule(pages, top)
    left = _MARGIN_MM + _PHOTO_MM + 5
    if item.uuid in sources.photos:
        small = io.BytesIO(sources.photos[item.uuid])
        pages.image(small, _MARGIN_MM, top + 3, _PHOTO_MM, _BLOCK_MM - 12, keep_aspect_ratio=True)
    else:
        pages.set_xy(_MARGIN_MM, top + 20)
        _style(pages, 9, _SOFT)
        pages.cell(_PHOTO_MM, 6, words.say("no_photo", lang), align="C")
    pages.set_left_margin(left)
    pages.set_xy(left, top + 3)
    _style(pages, 13, _LEVELS.get(item.judgement, _INK), strong=True)
    level = words.name(words.JUDGEMENTS, item.judgement, lang)
    headline = f"{item.label}　{words.JUDGEMENT_MARKS.get(item.judgement, '')} {level}"
    pages.cell(0, 6, printable(headline), new_x="LMARGIN", new_y="NEXT")
    _style(pages, 11, strong=True)
    pages.cell(0, 6, printable(words.name(words.CLASSES, item.klass, lang)), new_x="LMARGIN", new_y="NEXT")
    _style(pages, 8.5)
    for fact in _facts(item, lang):
        _paragraph(pages, 4.3, _short(pages, fact, 2))
    _bars(pages, item, (left, top + _BLOCK_MM), lang)
    pages.set_left_margin(_MARGIN_MM)
    pages.set_xy(_MARGIN_MM, top + _BLOCK_MM - 2)


def _facts(item: Item, lang: str) -> list[str]:
    lasting = f"{words.say('depth', lang)}: {words.say('unknown', lang)}"
    times = _times(item, lang)
    status = words.name(words.STATUSES, item.status, lang)
    change = f" · {words.name(words.CHANGES, item.change, lang)}" if item.change else ""
    return [
        fact
        for fact in (
            _road(item, lang),
            _position(item, lang),
            f"{_size(item, lang)}　{lasting}",
            f"{words.say('seen', lang)}: {times}　{words.say('status', lang)}: {status}{change}",
            _joined(item.reasons[lang], lang),
            item.note,
        )
        if fact
    ]


def _times(item: Item, lang: str) -> str:
    """How often it was seen, and how far it is believed."""
    if not item.n_looked or item.confidence is None:
        return words.say("seen_times", lang, n="–" if item.n_seen is None else item.n_seen)
    seen = words.say("seen_of", lang, n=item.n_seen, looked=item.n_looked)
    return f"{seen}　{words.say('confidence', lang)}: {fixed(100 * item.confidence, 0)} %"


def _bars(pages: FPDF, item: Item, corner: tuple[float, float], lang: str) -> None:
    """The priority's terms as bars, ending at the block's lower edge (`corner`: left and bottom, mm)."""
    left, bottom = corner
    top = max(pages.get_y() + 1, bottom - 5 - 3.6 * (len(item.terms) + 1))
    most = max((value for _, value in item.terms), default=0.0)
    pages.set_xy(left, top)
    _style(pages, 7.5, _SOFT)
    pages.cell(0, 3.6, words.say("priority_sum", lang, value=fixed(item.priority, 2)), new_x="LMARGIN", new_y="NEXT")
    for name, value in item.terms:
        y = pages.get_y()
        if y + 3.6 > bottom - 1:
            return
        _style(pages, 7.5)
        pages.cell(24, 3.6, printable(words.name(words.TERMS, name, lang)))
        wide = 46.0
        pages.set_fill_color(*_BAR_GROUND)
        pages.rect(left + 24, y + 0.7, wide, 2.2, style="F")
        pages.set_fill_color(*_BAR)
        pages.rect(left + 24, y + 0.7, wide * max(value, 0.0) / most if most > 0 else 0.0, 2.2, style="F")
        pages.set_xy(left + 24 + wide + 1, y)
        pages.cell(12, 3.6, f"{value:.2f}", align="R", new_x="LMARGIN", new_y="NEXT")


def _limits(pages: FPDF, content: ReportContent, sections: list[SectionItem], lang: str) -> None:
    if pages.get_y() > 200:
        pages.add_page()
    pages.ln(6)
    _heading(pages, words.say("limits", lang))
    _style(pages, 9.5)
    for sentence in [*limits_of(content, sections, lang), *content.provenance.limits]:
        _paragraph(pages, 5.2, f"・{sentence}")
    pages.ln(2)
    _style(pages, 8.5, _SOFT)
    _paragraph(pages, 5, f"{words.say('provenance', lang)}: {made_by(content, lang)}")


def _paragraph(pages: FPDF, line_mm: float, text: str) -> None:
    """Text to the right margin, ragged; Japanese breaks between any two letters."""
    wrap = WrapMode.CHAR if pages.lang == "ja" else WrapMode.WORD
    pages.multi_cell(0, line_mm, printable(text), align="L", wrapmode=wrap, new_x="LMARGIN", new_y="NEXT")


def _heading(pages: FPDF, text: str) -> None:
    _style(pages, 14, strong=True)
    pages.cell(0, 9, text, new_x="LMARGIN", new_y="NEXT")
    pages.text_mode = TextMode.FILL


def _short(pages: FPDF, text: str, lines: int) -> str:
    """The text cut to a number of lines of the current width."""
    parts: Any = pages.multi_cell(0, 4.3, printable(text), align="L", dry_run=True, output="LINES")
    return text if len(parts) <= lines else "".join(parts[:lines])[:-1] + "…"


def _road(item: Item, lang: str) -> str:
    named = item.road_name or words.say("unnamed", lang)
    at = "" if item.chainage_m is None else " · " + words.say("chainage_at", lang, value=fixed(item.chainage_m, 0))
    return f"{named}{f' ({item.link})' if item.link else ''}{at}"


def _size(item: Item, lang: str) -> str:
    if item.length_m is None and item.area_m2 is None:
        return f"{words.say('size', lang)}: {words.say('unknown', lang)}"
    return words.say(
        "size_value", lang, length=fixed(item.length_m), width=fixed(item.width_m), area=fixed(item.area_m2, 2)
    )


def _position(item: Item, lang: str) -> str:
    if item.lat is None or item.lon is None:
        return ""
    sd = "" if item.position_sd_m is None else "　" + words.say("position_sd", lang, sd=item.position_sd)
    return f"{item.lat:.6f}, {item.lon:.6f}{sd}"


def _joined(sentences: tuple[str, ...], lang: str) -> str:
    stop, gap = ("。", "") if lang == "ja" else (".", " ")
    return gap.join(sentence.rstrip(".。") + stop for sentence in sentences)
