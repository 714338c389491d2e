"""The stand map as a PDF: one page of A4, and more pages where there are more stands than fit."""

import datetime as dt
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fpdf import FPDF
from fpdf.fonts import FontFace

from pipelines.forest.figures import figures_of
from pipelines.forest.results import Results
from pipelines.forest.rows import Column, StandRow, columns_of, rows_of
from pipelines.forest.statement import change_lines, dated, key_figures, limits_of, source_of, worth_lines
from pipelines.forest.words import say
from pipelines.report.fonts import printable
from pipelines.report.paper import (
    HEAD,
    INNER_MM,
    LINE,
    MARGIN_MM,
    SOFT,
    Tile,
    fitted,
    heading,
    lines_of,
    new_pages,
    paragraph,
    shortened,
    style,
    tiles,
)

__all__ = ["MOST_ROWS", "stand_document"]

MOST_ROWS: Final = 300
"""Of more stands than this the smaller ones are in the CSV alone."""
_FIRST_ROWS: Final = 8
_LEAST_MAP_MM: Final = 75.0
"""The map is no lower than this where fewer stands make room for it."""
_ROW_MM: Final = 5.4
_HEADING_MM: Final = 9.0
_PADDING_MM: Final = 0.6
_SMALL: Final = (7.5, 3.7)
"""Size in points of what stands below the table, and its lines in mm."""


@dataclass(frozen=True, slots=True)
class _Table:
    """The stands and how they are shown."""

    rows: Sequence[StandRow]
    columns: Sequence[Column]


@dataclass(frozen=True, slots=True)
class _Block:
    """A heading and its sentences; `lang` is theirs, which is English on a model's card."""

    title: str
    sentences: Sequence[str]
    lang: str


def stand_document(results: Results, map_jpeg: bytes, lang: str) -> bytes:
    """The document in a language.

    Args:
        results: the survey.
        map_jpeg: its map, without a heading.
        lang: ja or en.

    Returns:
        PDF bytes with the used letters of the font embedded; equal for equal input.
    """
    title = f"{say('title', lang)}　{results.survey}"
    day = dt.date.fromisoformat(results.date) if results.date else dt.date(1980, 1, 1)
    pages = new_pages(title, f"{title}　{dated(results, lang)}", day, lang)
    table = _Table(rows_of(results), tuple(columns_of(results)))
    style(pages, 18, strong=True)
    pages.cell(0, 9, printable(shortened(pages, title, 1)), new_x="LMARGIN", new_y="NEXT")
    style(pages, 10, SOFT)
    paragraph(pages, 5.5, dated(results, lang))
    pages.ln(1.5)
    row = key_figures(figures_of(results), lang)
    tiles(pages, [Tile(one.figure, one.label, more=one.more) for one in row])
    if _first_page(pages, results, table, map_jpeg, lang) < len(table.rows):
        _all_stands(pages, table, lang)
    return bytes(pages.output())


def _first_page(pages: FPDF, results: Results, table: _Table, map_jpeg: bytes, lang: str) -> int:
    """Map, the largest stands, and what the figures are worth; the map takes the room that the others leave.

    Returns:
        How many stands are shown.
    """
    below = _below(results, lang)
    top = pages.get_y()
    most = pages.page_break_trigger - top - _HEADING_MM - _ROW_MM - _height(pages, below) - 6
    fit = max(1, int((most - _LEAST_MAP_MM) / _ROW_MM))
    shown = table.rows[: min(_FIRST_ROWS, fit)]
    room = max(most - _ROW_MM * max(1, len(shown)), _LEAST_MAP_MM / 2)
    pages.image(io.BytesIO(map_jpeg), x=MARGIN_MM, y=top, w=INNER_MM, h=room, keep_aspect_ratio=True)
    pages.set_xy(MARGIN_MM, top + room + 2)
    heading(pages, say("stands", lang))
    _note(pages, say("stands_first", lang, n=len(shown)) if len(shown) < len(table.rows) else say("stands_all", lang))
    _table(pages, _Table(shown, table.columns), lang)
    pages.ln(2)
    for block in below:
        _strong(pages, block.title)
        style(pages, _SMALL[0])
        for sentence in block.sentences:
            paragraph(pages, _SMALL[1], sentence, block.lang)
        pages.ln(1)
    return len(shown)


def _note(pages: FPDF, text: str) -> None:
    """Words in the line of the heading above, to the right."""
    pages.set_xy(MARGIN_MM, pages.get_y() - _HEADING_MM)
    style(pages, 8.5, SOFT)
    pages.cell(INNER_MM, _HEADING_MM, printable(text), align="R", new_x="LMARGIN", new_y="NEXT")


def _strong(pages: FPDF, text: str) -> None:
    style(pages, 9, strong=True)
    pages.cell(0, 5, text, new_x="LMARGIN", new_y="NEXT")


def _below(results: Results, lang: str) -> list[_Block]:
    """What stands below the table."""
    gap = "" if lang == "ja" else " "
    blocks = [
        _Block(say("change", lang), change_lines(results, lang), lang),
        _Block(say("worth", lang), worth_lines(results, lang), lang),
        _Block(say("limits", lang), [gap.join(limits_of(results, lang))], lang),
        _Block(
            say("limit_card", lang), [" ".join(results.card.limits_in(lang))], lang if results.card.limits_ja else "en"
        ),
        _Block(say("sources", lang), [source_of(results, lang)], lang),
    ]
    return [block for block in blocks if any(block.sentences)]


def _height(pages: FPDF, blocks: Sequence[_Block]) -> float:
    """How much room blocks take, mm."""
    style(pages, _SMALL[0])
    lines = sum(lines_of(pages, text, block.lang) for block in blocks for text in block.sentences)
    return lines * _SMALL[1] + len(blocks) * 6.0


def _all_stands(pages: FPDF, table: _Table, lang: str) -> None:
    pages.add_page()
    heading(pages, say("stands", lang))
    shown = table.rows[:MOST_ROWS]
    _table(pages, _Table(shown, table.columns), lang)
    if len(shown) < len(table.rows):
        pages.ln(2)
        style(pages, 9, SOFT)
        paragraph(pages, 5, say("stands_more", lang, n=len(shown), more=len(table.rows) - len(shown)))


def _table(pages: FPDF, table: _Table, lang: str) -> None:
    if not table.rows:
        style(pages, 9)
        paragraph(pages, 5, say("stands_none", lang))
        return
    style(pages, 8)
    # Every text on one line, or the first page would not hold what it is measured to hold.
    share = INNER_MM / sum(column.width for column in table.columns)
    rooms = [column.width * share - 2 * _PADDING_MM - 0.2 for column in table.columns]
    pages.set_draw_color(*LINE)
    pages.set_fill_color(255, 255, 255)
    with pages.table(
        col_widths=tuple(column.width for column in table.columns),
        line_height=_ROW_MM - 1.2,
        padding=_PADDING_MM,
        headings_style=FontFace(emphasis="", fill_color=HEAD),
        borders_layout="HORIZONTAL_LINES",
        text_align=tuple("RIGHT" if column.figures else "LEFT" for column in table.columns),
        num_heading_rows=1,
    ) as grid:
        top = grid.row()
        for column, room in zip(table.columns, rooms, strict=True):
            top.cell(fitted(pages, say(column.key, lang), room))
        for row in table.rows:
            line = grid.row()
            for column, room in zip(table.columns, rooms, strict=True):
                line.cell(fitted(pages, column.show(row, lang), room))
