"""The repair list as an Excel workbook: a list, sections and notes in each language."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import xlsxwriter

from pipelines.report import words
from pipelines.report.content import ReportContent
from pipelines.report.items import Item, SectionItem, items_of, sections_of, sum_of_terms
from pipelines.report.limits import limits_of, made_by
from pipelines.report.photo import thumbnails

_THUMBNAIL_PX = 192
_ROW_PX = 110
_HEAD_ROW = 3
_TEXT_LIMIT = 32_000  # Excel's own is 32,767 characters a cell
_OPTIONS = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False, "in_memory": True}
_TAB_COLOURS = {"ja": "#b3261e", "en": "#35618e"}

Formats = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Column:
    """A column: the words' key of its head, width in characters, name of its cell format, value of a row."""

    head: str
    width: float
    style: str
    value: Callable[[Any, str], object]


_LIST = (
    Column("rank", 6, "rank", lambda item, _: item.rank),
    Column("photo", 27, "text", lambda _item, _: None),
    Column("judgement", 11, "text", lambda item, lang: words.name(words.JUDGEMENTS, item.judgement, lang)),
    Column("class", 17, "text", lambda item, lang: words.name(words.CLASSES, item.klass, lang)),
    Column("status", 11, "text", lambda item, lang: words.name(words.STATUSES, item.status, lang)),
    Column("priority", 9, "two", lambda item, _: item.priority),
    Column("reasons", 36, "wrap", lambda item, lang: "\n".join([*item.reasons[lang], *_terms(item, lang)])),
    Column("road", 18, "wrap", lambda item, lang: item.road_names[lang]),
    Column("link", 10, "text", lambda item, _: item.link),
    Column("chainage", 10, "whole", lambda item, _: item.chainage_m),
    Column("length", 9, "one", lambda item, _: item.length_m),
    Column("width", 9, "one", lambda item, _: item.width_m),
    Column("area", 9, "two", lambda item, _: item.area_m2),
    Column("depth", 8, "text", lambda _item, lang: words.say("unknown", lang)),
    Column("latitude", 12, "degrees", lambda item, _: item.lat),
    Column("longitude", 12, "degrees", lambda item, _: item.lon),
    Column("position_sd_column", 11, "one", lambda item, _: item.position_sd_m),
    Column("map", 15, "link", lambda item, _: item),
    Column("seen", 8, "whole", lambda item, _: item.n_seen),
    Column("first_seen", 12, "date", lambda item, _: item.first_seen),
    Column("last_seen", 12, "date", lambda item, _: item.last_seen),
    Column("change", 14, "text", lambda item, lang: words.name(words.CHANGES, item.change, lang)),
    Column("confidence_column", 10, "whole", lambda item, _: item.confidence_pct),
    Column("look_again", 12, "text", lambda item, lang: words.say("look_again", lang) if item.look_again else ""),
    Column("score", 8, "two", lambda item, _: item.score),
    Column("note", 30, "wrap", lambda item, _: item.note),
    Column("uuid", 37, "text", lambda item, _: item.uuid),
)
_SECTIONS = (
    Column("section", 18, "text", lambda s, _: s.section),
    Column("link", 12, "text", lambda s, _: s.link),
    Column("from", 10, "whole", lambda s, _: s.from_m),
    Column("to", 10, "whole", lambda s, _: s.to_m),
    Column("diagnosis", 28, "text", lambda s, lang: f"{s.diagnosis} {words.name(words.DIAGNOSES, s.diagnosis, lang)}"),
    Column("crack_ratio", 14, "one", lambda s, _: s.crack_ratio_pct),
    Column("mci", 8, "one", lambda s, _: s.mci),
    Column("potholes", 12, "whole", lambda s, _: s.n_potholes),
    Column("coverage", 12, "whole", lambda s, _: s.coverage_pct),
)


def workbook(content: ReportContent, photos: Mapping[str, str], out_dir: Path) -> bytes:
    """The workbook.

    Args:
        content: the report's content.
        photos: uuid → path of its photo relative to `out_dir`.
        out_dir: where the photos lie.

    Returns:
        Bytes of an .xlsx file, equal for equal content.
    """
    buffer = io.BytesIO()
    items, sections = items_of(content, photos), sections_of(content)
    pictures = thumbnails(out_dir, photos, _THUMBNAIL_PX)
    with xlsxwriter.Workbook(buffer, _OPTIONS) as book:
        day = datetime(content.date.year, content.date.month, content.date.day)
        book.set_properties({"title": content.survey, "created": day, "comments": made_by(content, "en")})
        formats = _formats(book)
        for lang in content.languages:
            _list_sheet(book, formats, content, (items, pictures), lang)
        for lang in content.languages:
            _section_sheet(book, formats, content, sections, lang)
        for lang in content.languages:
            _notes_sheet(book, formats, content, sections, lang)
    return buffer.getvalue()


def _formats(book: Any) -> Formats:
    # Font sizes and row heights are those of a printed A4 sheet, landscape.
    base = {"font_name": "Yu Gothic", "font_size": 10, "valign": "top", "border": 1, "border_color": "#dde2e8"}
    styles: dict[str, dict[str, object]] = {
        "text": {},
        "wrap": {"text_wrap": True},
        "whole": {"num_format": "0"},
        "one": {"num_format": "0.0"},
        "two": {"num_format": "0.00"},
        "degrees": {"num_format": "0.000000"},
        "date": {"num_format": "yyyy-mm-dd"},
        "link": {"font_color": "#0b4fae", "underline": 1},
        "rank": {"num_format": "0", "bold": True, "font_size": 14, "align": "center"},
        "head": {"bold": True, "bg_color": "#1b2530", "font_color": "#ffffff", "text_wrap": True, "valign": "vcenter"},
        "repair": {"bold": True, "font_color": "#b3261e"},
        "damage": {"bold": True, "font_color": "#8a4b00"},
    }
    formats = {name: book.add_format({**base, **style}) for name, style in styles.items()}
    formats["title"] = book.add_format({"font_name": "Yu Gothic", "bold": True, "font_size": 16})
    formats["soft"] = book.add_format({"font_name": "Yu Gothic", "font_size": 10, "font_color": "#566270"})
    formats["note"] = book.add_format({"font_name": "Yu Gothic", "font_size": 11, "text_wrap": True, "valign": "top"})
    return formats


def _list_sheet(
    book: Any, formats: Formats, content: ReportContent, filled: tuple[list[Item], Mapping[str, bytes]], lang: str
) -> None:
    items, pictures = filled
    sheet = _sheet(book, formats, content, (words.say("title", lang), lang))
    _head(sheet, formats, _LIST, lang)
    for row, item in enumerate(items, start=_HEAD_ROW + 1):
        sheet.set_row_pixels(row, _ROW_PX)
        for column, spec in enumerate(_LIST):
            style = item.judgement if spec.head == "judgement" else spec.style
            _write(sheet, (row, column), spec.value(item, lang), formats.get(style, formats["text"]))
        if item.uuid in pictures:
            alt = words.say("alt", lang, rank=item.label, klass=words.name(words.CLASSES, item.klass, lang))
            fit = {
                "image_data": io.BytesIO(pictures[item.uuid]),
                "x_offset": 1,
                "y_offset": 1,
                "object_position": 1,
                "description": alt,
            }
            sheet.insert_image(row, 1, f"{item.uuid}.jpg", fit)
    _finish(sheet, _LIST, len(items))
    status = next(i for i, spec in enumerate(_LIST) if spec.head == "status")
    if items:
        choices = [words.name(words.STATUSES, code, lang) for code in words.STATUSES]
        sheet.data_validation(
            _HEAD_ROW + 1, status, _HEAD_ROW + len(items), status, {"validate": "list", "source": choices}
        )


def _section_sheet(book: Any, formats: Formats, content: ReportContent, rows: list[SectionItem], lang: str) -> None:
    sheet = _sheet(book, formats, content, (words.say("sections_sheet", lang), lang))
    sheet.write_string(2, 0, words.say("sections_note", lang), formats["soft"])
    _head(sheet, formats, _SECTIONS, lang)
    for row, section in enumerate(rows, start=_HEAD_ROW + 1):
        for column, spec in enumerate(_SECTIONS):
            _write(sheet, (row, column), spec.value(section, lang), formats[spec.style])
    _finish(sheet, _SECTIONS, len(rows))


def _notes_sheet(book: Any, formats: Formats, content: ReportContent, sections: list[SectionItem], lang: str) -> None:
    sheet = _sheet(book, formats, content, (words.say("notes_sheet", lang), lang))
    sheet.set_column(0, 0, 110)
    sentences = limits_of(content, sections, lang)
    card = content.provenance.limits_in(lang)
    sentences += [f"{words.say('limit_model', lang)}: {sentence}" for sentence in card]
    for row, sentence in enumerate([*sentences, made_by(content, lang)], start=_HEAD_ROW):
        _write(sheet, (row, 0), sentence, formats["note"])


def _sheet(book: Any, formats: Formats, content: ReportContent, titled: tuple[str, str]) -> Any:
    title, lang = titled
    # Two sheets of one book may not share a name, and in some reports the languages' names agree.
    sheet = book.add_worksheet(f"{title} ({lang})"[:31])
    sheet.set_tab_color(_TAB_COLOURS.get(lang, "#566270"))
    sheet.hide_gridlines(2)
    sheet.write_string(0, 0, title, formats["title"])
    under = f"{content.survey}　{words.say('surveyed', lang)} {content.date.isoformat()}"
    sheet.write_string(1, 0, under[:_TEXT_LIMIT], formats["soft"])
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.set_margins(left=0.4, right=0.4, top=0.5, bottom=0.6)
    sheet.fit_to_pages(1, 0)
    sheet.set_footer("&L&A&R&P / &N")
    return sheet


def _head(sheet: Any, formats: Formats, columns: tuple[Column, ...], lang: str) -> None:
    sheet.set_row_pixels(_HEAD_ROW, 40)
    for column, spec in enumerate(columns):
        head = "UUID" if spec.head == "uuid" else words.say(spec.head, lang)
        sheet.write_string(_HEAD_ROW, column, head, formats["head"])
        sheet.set_column(column, column, spec.width)


def _finish(sheet: Any, columns: tuple[Column, ...], n: int) -> None:
    sheet.autofilter(_HEAD_ROW, 0, _HEAD_ROW + n, len(columns) - 1)
    sheet.freeze_panes(_HEAD_ROW + 1, 1)
    sheet.repeat_rows(_HEAD_ROW)


def _write(sheet: Any, at: tuple[int, int], value: object, style: Any) -> None:
    """One cell by the type of its value; text is written as text whatever it begins with."""
    if value is None or value == "":
        sheet.write_blank(*at, None, style)
    elif isinstance(value, Item):
        _write_link(sheet, at, value, style)
    elif isinstance(value, (int, float)):
        sheet.write_number(*at, value, style)
    elif isinstance(value, str):
        sheet.write_string(*at, value[:_TEXT_LIMIT], style)
    else:
        sheet.write_datetime(*at, value, style)


def _write_link(sheet: Any, at: tuple[int, int], item: Item, style: Any) -> None:
    if item.lat is None or item.lon is None:
        sheet.write_blank(*at, None, style)
        return
    place = f"mlat={item.lat:.6f}&mlon={item.lon:.6f}#map=19/{item.lat:.6f}/{item.lon:.6f}"
    sheet.write_url(*at, f"https://www.openstreetmap.org/?{place}", style, "OpenStreetMap")


def _terms(item: Item, lang: str) -> list[str]:
    """The priority's terms in one line."""
    return [f"{words.say('priority', lang)}: {sum_of_terms(item, lang)}"] if item.terms else []
