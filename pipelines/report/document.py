"""The repair list as a PDF to print and sign: A4, one document a language."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass

from fpdf import FPDF
from fpdf.fonts import FontFace

from pipelines.report import words
from pipelines.report.content import ReportContent
from pipelines.report.fonts import printable
from pipelines.report.items import Item, SectionItem, fixed, items_of, listed_of, sections_of, sum_of_terms
from pipelines.report.limits import limits_of, made_by
from pipelines.report.paper import (
    HEAD,
    INK,
    INNER_MM,
    LINE,
    MARGIN_MM,
    SOFT,
    Tile,
    heading,
    lines_of,
    new_pages,
    paragraph,
    rule,
    shortened,
    style,
    tiles,
)

PHOTO_PX = 640
_PHOTO_MM = 82.0
_BLOCK_MM = 62.0
_BLOCK_HEAD_MM, _BLOCK_FOOT_MM = 15.0, 3.5
_FACT_PT, _FACT_MM = 8.5, 4.3
_TERM_PT, _TERM_MM = 7.5, 3.6
# Reasons and notes are what a crew argues with: room for all that the house's own sentences need.
_FACT_LINES, _LONG_LINES = 2, 6
_LEVELS = {"repair": (179, 38, 30), "damage": (138, 75, 0), "none": (86, 98, 112)}
_TABLE_WIDTHS = (11, 26, 38, 50, 26, 14, 17)


@dataclass(frozen=True, slots=True)
class Sources:
    """What a document is made from besides its content: the map as PNG, and uuid → photo as a small JPEG."""

    map_png: bytes
    photos: Mapping[str, bytes]


def document(content: ReportContent, sources: Sources, lang: str) -> bytes:
    """The document.

    Args:
        content: the report's content.
        sources: map and photos.
        lang: its language.

    Returns:
        PDF bytes with the used letters of the font embedded; equal for equal content.
    """
    items, sections = items_of(content, {}), sections_of(content)
    day = content.date
    title = f"{words.say('title', lang)} {content.survey}"
    pages = new_pages(title, f"{content.survey}　{day.isoformat()}", day, lang)
    _title_page(pages, content, (items, sections), sources.map_png, lang)
    _table(pages, "whole_list", [item for item in items if not item.look_again], lang)
    _table(pages, "look_again", [item for item in items if item.look_again], lang)
    _blocks(pages, content, items, sources, lang)
    _limits(pages, content, sections, lang)
    return bytes(pages.output())


def _title_page(
    pages: FPDF, content: ReportContent, rows: tuple[list[Item], list[SectionItem]], map_png: bytes, lang: str
) -> None:
    items = rows[0]
    style(pages, 20, strong=True)
    pages.cell(0, 10, words.say("title", lang), new_x="LMARGIN", new_y="NEXT")
    style(pages, 11, SOFT)
    under = f"{content.survey}　{words.say('surveyed', lang)} {content.date.isoformat()}"
    paragraph(pages, 6, under)
    pages.ln(2)
    _numbers(pages, content, items, lang)
    doubtful = sum(item.look_again for item in items)
    if items and items[0].rank is not None:
        _first(pages, items[0], lang)
        if doubtful:
            style(pages, 10, SOFT)
            pages.ln(1.5)
            paragraph(pages, 5.4, words.say("look_again_count", lang, n=doubtful))
    else:
        style(pages, 12)
        told = [words.say("nothing_sure" if doubtful else "nothing", lang)]
        told += [words.say("doubtful_count", lang, n=doubtful)] if doubtful else []
        paragraph(pages, 7, "\n".join([*told, words.say("nothing_note", lang)]))
    pages.ln(3)
    room = pages.page_break_trigger - pages.get_y() - 1
    pages.image(io.BytesIO(map_png), x=MARGIN_MM, w=INNER_MM, h=room, keep_aspect_ratio=True)


def _numbers(pages: FPDF, content: ReportContent, items: list[Item], lang: str) -> None:
    """The survey in numbers, in a ruled row."""
    counts = [sum(item.judgement == level for item in listed_of(items)) for level in ("repair", "damage")]
    levels = [
        Tile(f"{words.JUDGEMENT_MARKS[level]} {n}", words.name(words.JUDGEMENTS, level, lang), _LEVELS[level])
        for level, n in zip(("repair", "damage"), counts, strict=True)
    ]
    figures = {
        "km": content.summary.extent,
        "frames": str(content.summary.frames),
        "rejected_count": str(sum(content.summary.rejected.values())),
    }
    above = content.summary.from_above
    told = [Tile(figure, words.say(words.variant(key, above=above), lang)) for key, figure in figures.items()]
    tiles(pages, [*levels, *told])


def _first(pages: FPDF, item: Item, lang: str) -> None:
    """Which hole first, and why, in a few lines beside a coloured bar."""
    top = pages.get_y()
    pages.set_left_margin(MARGIN_MM + 5)
    pages.set_xy(MARGIN_MM + 5, top)
    repair = item.judgement == "repair"
    colour = _LEVELS["repair" if repair else "damage"]
    style(pages, 9, colour, strong=True)
    pages.cell(0, 5, words.say("first" if repair else "first_damage", lang), new_x="LMARGIN", new_y="NEXT")
    style(pages, 14, strong=True)
    headline = f"{item.label}　{words.name(words.CLASSES, item.klass, lang)}　{_road(item, lang)}"
    paragraph(pages, 7, headline)
    style(pages, 10)
    facts = [_size(item, lang), _position(item, lang), _joined(item.reasons[lang], lang)]
    paragraph(pages, 5.4, "\n".join(fact for fact in facts if fact))
    pages.set_left_margin(MARGIN_MM)
    pages.set_fill_color(*colour)
    pages.rect(MARGIN_MM, top, 1.8, pages.get_y() - top, style="F")


def _table(pages: FPDF, head: str, items: list[Item], lang: str) -> None:
    """A table on a page of its own; `head` is the words' key of its heading, which a note may explain."""
    if not items:
        return
    pages.add_page()
    heading(pages, words.say(head, lang))
    if f"{head}_note" in words.UI:
        style(pages, 9, SOFT)
        paragraph(pages, 5, words.say(f"{head}_note", lang))
        pages.ln(1)
    style(pages, 8.5)
    pages.set_draw_color(*LINE)
    pages.set_fill_color(255, 255, 255)
    columns = ("rank", "judgement", "class", "road", "size", "priority", "status")
    with pages.table(
        col_widths=_TABLE_WIDTHS,
        line_height=5,
        padding=0.6,
        headings_style=FontFace(emphasis="", fill_color=HEAD),
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
    heading(pages, words.say("details", lang))
    if len(shown) < len(printed):
        style(pages, 9, SOFT)
        paragraph(pages, 5, words.say("more_in_table", lang, n=len(shown)))
    for item in shown:
        _block(pages, content, item, sources, lang)


def _block(pages: FPDF, content: ReportContent, item: Item, sources: Sources, lang: str) -> None:
    """One defect: photo on the left, what, where and why on the right; as high as its words need, on one page."""
    left = MARGIN_MM + _PHOTO_MM + 5
    facts, terms, tall = _told(pages, content, item, left, lang)
    if pages.get_y() + tall > pages.page_break_trigger:
        pages.add_page()
    top = pages.get_y() + 2
    rule(pages, top)
    if item.uuid in sources.photos:
        small = io.BytesIO(sources.photos[item.uuid])
        pages.image(small, MARGIN_MM, top + 3, _PHOTO_MM, _BLOCK_MM - 12, keep_aspect_ratio=True)
    else:
        pages.set_xy(MARGIN_MM, top + 20)
        style(pages, 9, SOFT)
        pages.cell(_PHOTO_MM, 6, words.say("no_photo", lang), align="C")
    pages.set_left_margin(left)
    pages.set_xy(left, top + 3)
    style(pages, 13, _LEVELS.get(item.judgement, INK), strong=True)
    level = words.name(words.JUDGEMENTS, item.judgement, lang)
    headline = f"{item.label}　{words.JUDGEMENT_MARKS.get(item.judgement, '')} {level}"
    pages.cell(0, 6, printable(headline), new_x="LMARGIN", new_y="NEXT")
    style(pages, 11, strong=True)
    pages.cell(0, 6, printable(words.name(words.CLASSES, item.klass, lang)), new_x="LMARGIN", new_y="NEXT")
    style(pages, _FACT_PT)
    paragraph(pages, _FACT_MM, "\n".join(facts))
    if terms:
        pages.ln(1)
        style(pages, _TERM_PT, SOFT)
        paragraph(pages, _TERM_MM, terms)
    pages.set_left_margin(MARGIN_MM)
    pages.set_xy(MARGIN_MM, top + tall - 2)


def _told(pages: FPDF, content: ReportContent, item: Item, left: float, lang: str) -> tuple[list[str], str, float]:
    """What a block says from `left` on: its facts, the sum of its priority's terms, and how high it gets, mm."""
    at = pages.get_y()
    pages.set_left_margin(left)
    pages.set_xy(left, at)
    style(pages, _FACT_PT)
    long = (_joined(item.reasons[lang], lang), item.note)
    facts = [shortened(pages, fact, _FACT_LINES) for fact in _facts(content, item, lang)]
    facts += [shortened(pages, fact, _LONG_LINES) for fact in long if fact]
    tall = _BLOCK_HEAD_MM + _BLOCK_FOOT_MM + _FACT_MM * lines_of(pages, "\n".join(facts))
    terms = ""
    if item.terms:
        style(pages, _TERM_PT)
        terms = f"{words.say('priority', lang)} {fixed(item.priority, 2)} = {sum_of_terms(item, lang)}"
        tall += 1 + _TERM_MM * lines_of(pages, terms)
    pages.set_left_margin(MARGIN_MM)
    pages.set_xy(MARGIN_MM, at)
    return facts, terms, max(_BLOCK_MM, tall)


def _facts(content: ReportContent, item: Item, lang: str) -> list[str]:
    """What it is and where, a line each, but for what people say of it in sentences."""
    lasting = f"{words.say('depth', lang)}: {words.say('unknown', lang)}"
    times = _times(content, item, lang)
    status = words.name(words.STATUSES, item.status, lang)
    change = f" · {words.name(words.CHANGES, item.change, lang)}" if item.change else ""
    return [
        fact
        for fact in (
            _road(item, lang),
            _position(item, lang),
            f"{_size(item, lang)}　{lasting}",
            f"{words.say('seen', lang)}: {times}　{words.say('status', lang)}: {status}{change}",
        )
        if fact
    ]


def _times(content: ReportContent, item: Item, lang: str) -> str:
    """How often it was seen, and how far it is believed."""
    if not item.n_looked or item.confidence is None:
        return words.say("seen_times", lang, n="–" if item.n_seen is None else item.n_seen)
    key = words.variant("seen_of", above=content.summary.from_above)
    seen = words.say(key, lang, n=item.n_seen, looked=item.n_looked)
    return f"{seen}　{words.say('confidence', lang)}: {item.confidence_pct} %"


def _limits(pages: FPDF, content: ReportContent, sections: list[SectionItem], lang: str) -> None:
    if pages.get_y() > 200:
        pages.add_page()
    pages.ln(6)
    heading(pages, words.say("limits", lang))
    style(pages, 9.5)
    for sentence in [*limits_of(content, sections, lang), *content.provenance.limits_in(lang)]:
        paragraph(pages, 5.2, f"・{sentence}")
    pages.ln(2)
    style(pages, 8.5, SOFT)
    paragraph(pages, 5, f"{words.say('provenance', lang)}: {made_by(content, lang)}")


def _road(item: Item, lang: str) -> str:
    named = item.road_names[lang] or words.say("unnamed", lang)
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
