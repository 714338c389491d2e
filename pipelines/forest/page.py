"""The stand map as a page: one HTML file, readable without its script and with nothing beside it, in every language."""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from markupsafe import Markup

from pipelines.forest.figures import figures_of
from pipelines.forest.results import Results
from pipelines.forest.rows import StandRow, columns_of, rows_of
from pipelines.forest.statement import change_lines, dated, key_figures, limits_of, source_of, worth_lines
from pipelines.forest.words import say
from pipelines.report.markup import environment, policy_hash, resource, spans

__all__ = ["MOST_ROWS", "stand_page"]

MOST_ROWS: Final = 1000
"""Of more stands than this the smaller ones are in the CSV alone."""
_LANGUAGE_NAMES: Final = {"ja": "日本語", "en": "English"}


@dataclass(frozen=True, slots=True)
class _Cell:
    """What a cell shows, and whether it is a figure."""

    shown: str | Markup
    figures: bool


@dataclass(frozen=True, slots=True)
class _Tile:
    """A figure, and its words by language."""

    figure: str
    label: Mapping[str, str]
    more: Mapping[str, str] | None


def stand_page(results: Results, maps: Mapping[str, bytes]) -> str:
    """The whole page.

    Args:
        results: the survey.
        maps: language → its map as JPEG, without a heading; the reader's language is shown, else the first.
    """
    languages = tuple(maps)
    rows, columns = rows_of(results), tuple(columns_of(results))
    engine = environment("pipelines.forest")
    engine.globals.update(
        t=lambda key, **values: spans(languages, {lang: say(key, lang, **values) for lang in languages}),
        per_language=partial(spans, languages),
        say=say,
        languages=languages,
        language_names=_LANGUAGE_NAMES,
    )

    def told(make: Callable[[Results, str], Any]) -> dict[str, Any]:
        return {lang: make(results, lang) for lang in languages}

    style = resource("pipelines.report", "page.css") + resource("pipelines.forest", "stand_map.css")
    script = resource("pipelines.forest", "stand_map.js")
    return engine.get_template("stand_map.html.j2").render(
        results=results,
        dated=told(dated),
        tiles=_tiles(results, languages),
        maps={lang: base64.b64encode(picture).decode() for lang, picture in maps.items()},
        worth=told(worth_lines),
        change=told(change_lines),
        columns=columns,
        rows=[
            [_Cell(_in(languages, column.show, row), column.figures) for column in columns] for row in rows[:MOST_ROWS]
        ],
        more=max(0, len(rows) - MOST_ROWS),
        limits={lang: list(limits_of(results, lang)) for lang in languages},
        source=told(source_of),
        style=Markup(style),
        script=Markup(script),
        script_hash=policy_hash(script),
    )


def _in(languages: tuple[str, ...], show: Callable[[StandRow, str], str], row: StandRow) -> str | Markup:
    """What a cell says: once where all languages say the same."""
    shown = {lang: show(row, lang) for lang in languages}
    return spans(languages, shown) if len(set(shown.values())) > 1 else shown[languages[0]]


def _tiles(results: Results, languages: tuple[str, ...]) -> list[_Tile]:
    each = [key_figures(figures_of(results), lang) for lang in languages]
    return [
        _Tile(
            one[0].figure,
            dict(zip(languages, (other.label for other in one), strict=True)),
            dict(zip(languages, (other.more for other in one), strict=True)) if one[0].more else None,
        )
        for one in zip(*each, strict=True)
    ]
