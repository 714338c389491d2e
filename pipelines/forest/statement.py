"""What a stand map is worth and what it does not say, in sentences: the same on the sheet and in every report."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from models.card import ModelCard
from pipelines.forest.figures import Figures
from pipelines.forest.results import Results
from pipelines.forest.rows import number
from pipelines.forest.words import say

__all__ = [
    "KeyFigure",
    "Worth",
    "change_lines",
    "dated",
    "key_figures",
    "limits_of",
    "source_of",
    "stems_line",
    "worth_lines",
    "worth_of",
]

_SHA_DIGITS = 12
_COARSER = 1.5


@dataclass(frozen=True, slots=True)
class Worth:
    """What the model's card says of counts on labelled plots; nan where it does not.

    Attributes:
        plots: the data set's name.
        n: how many plots.
        mean_ha: true stems/ha, mean over plots; `mae_ha` and `bias_ha` are the errors of the count.
        recall: share of the crowns that were found, mean over plots; `precision`: share of what was found that is one.
        cover_points: mean absolute error of crown cover.
        diameter_m: mean absolute error of crown diameter.
    """

    plots: str
    n: int
    mean_ha: float
    mae_ha: float
    bias_ha: float
    recall: float
    precision: float
    cover_points: float
    diameter_m: float


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """A figure, what it is, and perhaps a smaller line below."""

    figure: str
    label: str
    more: str = ""


def worth_of(card: ModelCard) -> Worth | None:
    """The data set on which counts are worst, as the intervals take it; None where the card states no such error."""
    found = [_worth(name, entry) for name, entry in sorted(card.metrics.items()) if isinstance(entry, dict)]
    known = [one for one in found if math.isfinite(one.mae_ha) and one.mean_ha > 0]
    return max(known, key=lambda one: one.mae_ha / one.mean_ha, default=None)


def _worth(name: str, entry: dict[str, Any]) -> Worth:
    def figure(part: str, key: str) -> float:
        table = entry.get(part)
        value = table.get(key) if isinstance(table, dict) else None
        return math.nan if value is None else float(value)

    return Worth(
        plots=name,
        n=int(entry.get("n_pictures") or 0),
        mean_ha=figure("stems", "ha_mean_true"),
        mae_ha=figure("stems", "ha_mae"),
        bias_ha=figure("stems", "ha_bias"),
        recall=figure("plots", "recall"),
        precision=figure("plots", "precision"),
        cover_points=figure("cover_pct", "mae"),
        diameter_m=figure("diameter_m", "mae"),
    )


def worth_lines(results: Results, lang: str) -> list[str]:
    """The accuracy statement, a sentence each."""
    worth = worth_of(results.card)
    if not results.error.known:
        lines = [say("worth_coarse", lang, **_pixels(results))]
    else:
        assumed = say("worth_assumed", lang, sd=f"{100 * results.error.sd:.0f}")
        lines = [*([assumed] if worth is None else _known(worth, lang)), say("worth_interval", lang)]
    if not results.ground.placed:
        lines.append(say("worth_no_place", lang))
    if "height_m" in results.crowns:
        counted = results.crowns[results.crowns["counted"]]
        lines.append(say("worth_heights", lang, n=f"{int((counted['seen_by'] == 'chm').sum()):,}"))
        if math.isfinite(share := results.ground.measured_share):
            lines.append(say("worth_measured", lang, share=f"{100 * share:.3g}"))
    if (types := results.types) is not None:
        figures = {"right": f"{100 * types.right:.0f}", "wrong": f"{100 * types.wrong:.0f}", **types.n_named}
        lines.append(say("worth_types" if types.trusted else "worth_no_types", lang, **figures))
    return lines


def _known(worth: Worth, lang: str) -> list[str]:
    bias = "–" if math.isnan(worth.bias_ha) else f"{worth.bias_ha:+.0f}".replace("-", "−")
    counts = {"n": worth.n or "?", "plots": worth.plots, "mean": f"{worth.mean_ha:.0f}", "mae": f"{worth.mae_ha:.0f}"}
    lines = [say("worth_counts", lang, **counts, bias=bias)]
    if math.isfinite(worth.recall) and math.isfinite(worth.precision):
        shares = {"recall": worth.recall, "missed": 1 - worth.recall, "wrong": 1 - worth.precision}
        lines.append(say("worth_crowns", lang, **{key: f"{100 * share:.0f}" for key, share in shares.items()}))
    if math.isfinite(worth.cover_points) and math.isfinite(worth.diameter_m):
        cover, diameter = f"{worth.cover_points:.1f}", f"{worth.diameter_m:.1f}"
        lines.append(say("worth_sizes", lang, cover=cover, diameter=diameter))
    return lines


def limits_of(results: Results, lang: str) -> Iterator[str]:
    """What the map does not say, a sentence each."""
    model_gsd = results.card.gsd_m
    yield say("limit_crown", lang)
    yield say("limit_absent", lang)
    by_register = len(results.stands) > 0 and bool((results.stands["origin"] == "register").all())
    yield say("limit_register" if by_register else "limit_delineated", lang)
    if model_gsd is not None and results.gsd_m > _COARSER * model_gsd and results.error.known:
        yield say("limit_gsd", lang, **_pixels(results))
    if not results.date:
        yield say("limit_undated", lang)
    if len(results.rejected):
        yield say("limit_rejected", lang, n=len(results.rejected))
    if results.n_full:
        yield say("limit_full", lang, n=results.n_full)


def _pixels(results: Results) -> dict[str, str]:
    """Ground sampling distances of the picture and of the model, cm."""
    return {"gsd": f"{100 * results.gsd_m:.1f}", "model": f"{100 * (results.card.gsd_m or math.nan):.1f}"}


def source_of(results: Results, lang: str) -> str:
    """What the map was made from, and by what."""
    return say(
        "source",
        lang,
        survey=results.survey,
        gsd=f"{100 * results.gsd_m:.1f}",
        date=dated(results, lang),
        crs=results.ground.crs.name,
        model=results.card.name,
        sha=results.card.sha256[:_SHA_DIGITS],
        version=version("michisora"),
    )


def change_lines(results: Results, lang: str) -> list[str]:
    """What changed since an earlier flight, a sentence each; none where there was no such flight."""
    change = results.change
    if change is None:
        return []
    counts = {"before": f"{change.n_before:,}", "now": f"{change.n_now:,}", "edge": f"{change.edge_m:.3g}"}
    areas = {"ha": f"{change.shared_ha:,.2f}", "inner": f"{change.compared_ha:,.2f}"}
    lines = [say("change_compared", lang, since=change.since, **areas, **counts)]
    offset = change.offset
    if offset.told:
        east = say("east" if offset.east_m >= 0 else "west", lang, m=f"{abs(offset.east_m):.2f}")
        north = say("north" if offset.north_m >= 0 else "south", lang, m=f"{abs(offset.north_m):.2f}")
        lines.append(say("change_moved", lang, east=east, north=north, sd=f"{offset.sd_m:.2f}"))
    else:
        lines.append(say("change_doubtful", lang))
    lines.append(say("change_chance", lang, found=f"{100 * change.chance.found_again:.0f}"))
    if not change.order_known:
        lines.append(say("change_undated", lang))
    n, area = len(change.areas), float(change.areas["area_m2"].sum()) / 1e4
    lines.append(say("change_lost", lang, n=n, ha=f"{area:,.2f}") if n else say("change_none", lang))
    return lines


def stems_line(figures: Figures, lang: str) -> str:
    """Area, stems and stems per hectare with their interval."""
    told = {"n": number(figures.n_stems, 0), "per_ha": number(figures.per_ha, 0), "interval": _interval(figures, lang)}
    return say("stems_line", lang, ha=f"{figures.area_ha:,.2f}", **told)


def _interval(figures: Figures, lang: str) -> str:
    if math.isnan(figures.low_ha):
        return say("density_unknown", lang)
    return say("density_interval", lang, low=number(figures.low_ha, 0), high=number(figures.high_ha, 0))


def key_figures(figures: Figures, lang: str) -> list[KeyFigure]:
    """What the survey came to, six figures: the last is the height where it is known, else the gaps."""
    row = [
        KeyFigure(f"{number(figures.area_ha, 2)} ha", say("area", lang)),
        KeyFigure(number(figures.n_stems, 0), say("stems", lang)),
        KeyFigure(number(figures.per_ha, 0), say("density", lang), _interval(figures, lang)),
        KeyFigure(f"{number(figures.cover_pct, 0)} %", say("cover", lang)),
        KeyFigure(f"{number(figures.diameter_m, 1)} m", say("diameter", lang)),
    ]
    if math.isnan(figures.height_m):
        return [*row, KeyFigure(str(figures.n_gaps), say("gaps", lang, ha=f"{figures.gap_ha:.2f}"))]
    return [*row, KeyFigure(f"{number(figures.height_m, 1)} m", say("height", lang))]


def dated(results: Results, lang: str) -> str:
    """The day of the flight, or that nobody says it."""
    return f"{say('flown', lang)} {results.date}" if results.date else say("undated", lang)
