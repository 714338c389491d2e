"""The page: one HTML file that works from a disk, in every language of the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from markupsafe import Markup

from pipelines.report import words
from pipelines.report.content import ReportContent
from pipelines.report.items import Item, SectionItem, fixed, items_of, listed_of, sections_of
from pipelines.report.limits import limits_of, seen_share_pct
from pipelines.report.markup import environment, policy_hash, resource, spans
from pipelines.report.overview import overview_of

_FIRST_ROWS = 6
_SECTION_ROWS = 60


@dataclass(frozen=True, slots=True)
class Chip:
    """One choice of a filter: the code it selects, its names' table, and how many defects have it."""

    kind: str
    code: str
    words: words.Words
    count: int


def page_html(content: ReportContent, photos: Mapping[str, str]) -> str:
    """The whole page.

    Args:
        content: the report's content.
        photos: uuid → path of its photo relative to the page.
    """
    items = items_of(content, photos)
    ranked = listed_of(items)
    again = [item for item in items if item.look_again]
    sections = sections_of(content)
    engine = environment("pipelines.report")
    engine.globals.update(
        t=partial(_said, content.languages, content.summary.from_above),
        named=partial(_named, content.languages),
        per_language=partial(spans, content.languages),
        fixed=fixed,
        standing=_standing,
        W=words,
    )
    style, script = resource("pipelines.report", "page.css"), resource("pipelines.report", "page.js")
    return engine.get_template("page.html.j2").render(
        content=content,
        items=items,
        first=ranked[0] if ranked else None,
        following=ranked[1:_FIRST_ROWS],
        overview=overview_of(content, items),
        chips=_chips(items),
        ranked=ranked,
        again=again,
        closed=[item for item in items if item.rank is None and not item.look_again],
        counts=Counter(item.judgement for item in ranked),
        bad_sections=_bad_sections(sections)[:_SECTION_ROWS],
        n_bad_sections=len(_bad_sections(sections)),
        seen_pct=seen_share_pct(sections),
        limits={lang: limits_of(content, sections, lang) for lang in content.languages},
        term_scale=max((value for item in items for _, value in item.terms), default=1.0),
        style=Markup(style),
        script=Markup(script),
        script_hash=policy_hash(script),
        in_legend=[
            code for code in words.JUDGEMENTS if any(one.judgement == code for one in items if not one.look_again)
        ],
    )


def _said(languages: tuple[str, ...], above: bool, key: str, **values: Any) -> Markup:
    return spans(languages, {lang: words.say(words.variant(key, above=above), lang, **values) for lang in languages})


def _named(languages: tuple[str, ...], table: words.Words, code: str) -> Markup:
    return spans(languages, {lang: words.name(table, code, lang) for lang in languages})


def _standing(item: Item) -> str:
    """What the filter of judgements takes a defect for: its level where it is ranked, else where it stands."""
    return item.judgement if item.rank is not None else "look_again" if item.look_again else "closed"


def _chips(items: list[Item]) -> dict[str, list[Chip]]:
    unranked = {key: words.UI[key] for key in ("look_again", "closed")}
    kinds: dict[str, tuple[words.Words, Callable[[Item], str]]] = {
        "judgement": ({**words.JUDGEMENTS, **unranked}, _standing),
        "klass": (words.CLASSES, lambda item: item.klass),
        "status": (words.STATUSES, lambda item: item.status),
    }
    chips = {}
    for kind, (table, code_of) in kinds.items():
        counts = Counter(code_of(item) for item in items)
        order = [*(code for code in table if code in counts), *sorted(code for code in counts if code not in table)]
        chips[kind] = [Chip(kind, code, table, counts[code]) for code in order]
    return chips


def _bad_sections(sections: list[SectionItem]) -> list[SectionItem]:
    """Sections at II or III, the most cracked first."""
    bad = [section for section in sections if section.diagnosis in ("II", "III")]
    return sorted(bad, key=lambda section: -(section.crack_ratio_pct or 0.0))
