"""Paper: A4 pages in the reports' font, colours and measures, which every document is set with."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from fpdf import FPDF
from fpdf.enums import TextMode, WrapMode

from pipelines.report import words
from pipelines.report.fonts import font_path, printable

Colour = tuple[int, int, int]

PAGE_MM, MARGIN_MM = 210.0, 14.0
INNER_MM = PAGE_MM - 2 * MARGIN_MM
INK, SOFT, LINE, HEAD = (27, 37, 48), (86, 98, 112), (205, 211, 218), (234, 238, 242)
_FAMILY = "IPAexGothic"


@dataclass(frozen=True, slots=True)
class Tile:
    """A figure with what it is, and perhaps a smaller line below."""

    figure: str
    label: str
    colour: Colour = INK
    more: str = ""


class Pages(FPDF):  # type: ignore[misc]  # the library has no types
    """A4 pages with a running foot."""

    def __init__(self, foot: str, lang: str) -> None:
        super().__init__(format="A4", unit="mm")
        self._foot, self._lang = foot, lang

    def footer(self) -> None:
        """The survey on the left, the page's number on the right; called by the library on every page."""
        self.set_y(-11)
        style(self, 8, SOFT)
        wide = INNER_MM - 40
        self.cell(wide, 5, fitted(self, self._foot, wide - 2 * self.c_margin))
        page = words.say("page", self._lang, page=self.page_no(), pages="{nb}")
        self.cell(40, 5, page, align="R")


def new_pages(title: str, foot: str, day: date, lang: str) -> Pages:
    """An empty first page; `day` is the document's date, so that equal content gives equal bytes."""
    # fontTools reports every table it drops while it cuts the font down: news for its own developers.
    logging.getLogger("fontTools").setLevel(logging.ERROR)
    pages = Pages(foot, lang)
    pages.set_margins(MARGIN_MM, MARGIN_MM)
    pages.set_auto_page_break(True, margin=16)
    pages.add_font(_FAMILY, fname=str(font_path()))
    pages.set_creation_date(datetime(day.year, day.month, day.day, tzinfo=UTC))
    pages.set_title(title)
    pages.set_creator("Michisora")
    pages.set_lang(lang)
    pages.add_page()
    return pages


def style(pages: FPDF, size: float, colour: Colour = INK, *, strong: bool = False) -> None:
    """Set size, colour and weight; the font has one weight, so strong letters get a thin outline."""
    pages.set_font(_FAMILY, size=size)
    pages.set_text_color(*colour)
    pages.set_draw_color(*colour)
    pages.set_line_width(size * 0.009 if strong else 0.2)
    pages.text_mode = TextMode.FILL_STROKE if strong else TextMode.FILL


def tiles(pages: FPDF, row: Sequence[Tile]) -> None:
    """Figures in a ruled row."""
    top, wide = pages.get_y(), INNER_MM / len(row)
    tall = 17.0 if any(tile.more for tile in row) else 13.5
    for i, tile in enumerate(row):
        pages.set_xy(MARGIN_MM + i * wide, top + 1.5)
        style(pages, 14, tile.colour, strong=True)
        pages.cell(wide, 7, tile.figure)
        style(pages, 8, SOFT)
        for k, text in enumerate((tile.label, tile.more)):
            pages.set_xy(MARGIN_MM + i * wide, top + 8 + 3.8 * k)
            pages.cell(wide, 4, text)
    rule(pages, top)
    rule(pages, top + tall)
    pages.set_xy(MARGIN_MM, top + tall + 3.5)


def rule(pages: FPDF, y: float) -> None:
    """A thin line from margin to margin."""
    pages.set_draw_color(*LINE)
    pages.set_line_width(0.25)
    pages.line(MARGIN_MM, y, PAGE_MM - MARGIN_MM, y)


def paragraph(pages: FPDF, line_mm: float, text: str, lang: str | None = None) -> None:
    """Text to the right margin, ragged; Japanese breaks between any two letters.

    Args:
        pages: where to.
        line_mm: height of a line.
        text: may have several lines.
        lang: the text's language where it is not the document's.
    """
    wrap = _wrap(lang or pages.lang)
    pages.multi_cell(0, line_mm, printable(text), align="L", wrapmode=wrap, new_x="LMARGIN", new_y="NEXT")


def lines_of(pages: FPDF, text: str, lang: str | None = None) -> int:
    """How many lines `paragraph` would set the text in, in the current size."""
    return len(_lines(pages, text, lang))


def _lines(pages: FPDF, text: str, lang: str | None) -> list[str]:
    wrap = _wrap(lang or pages.lang)
    return list(pages.multi_cell(0, 1, printable(text), align="L", wrapmode=wrap, dry_run=True, output="LINES"))


def _wrap(lang: str) -> WrapMode:
    return WrapMode.CHAR if lang == "ja" else WrapMode.WORD


def heading(pages: FPDF, text: str) -> None:
    """A chapter's heading."""
    style(pages, 14, strong=True)
    pages.cell(0, 9, text, new_x="LMARGIN", new_y="NEXT")
    pages.text_mode = TextMode.FILL


def fitted(pages: FPDF, text: str, wide_mm: float) -> str:
    """The text cut to a width, in the current size."""
    shown = printable(text)
    if pages.get_string_width(shown) <= wide_mm:
        return shown
    while shown and pages.get_string_width(f"{shown}…") > wide_mm:
        shown = shown[:-1]
    return f"{shown}…"


def shortened(pages: FPDF, text: str, lines: int) -> str:
    """The text cut to a number of lines of the current width, between words; a cut text is in lines as they are set."""
    parts = _lines(pages, text, None)
    if len(parts) <= lines:
        return text
    last, wide = parts[lines - 1], pages.w - pages.r_margin - pages.x - 2 * pages.c_margin
    while " " in last and pages.get_string_width(f"{last}…") > wide:
        last = last.rpartition(" ")[0]
    return "\n".join([*parts[: lines - 1], fitted(pages, f"{last}…", wide)])
