"""A survey in figures: what the page, the document and the sheet put first."""

import math
from dataclasses import dataclass

import numpy as np

from pipelines.forest.ground import HEIGHTS_SHARE
from pipelines.forest.results import Results
from pipelines.forest.stands import interval

__all__ = ["Figures", "figures_of"]


@dataclass(frozen=True, slots=True)
class Figures:
    """The whole survey; nan where something is unknown.

    Attributes:
        area_ha: photographed and looked at.
        n_stems: counted crowns.
        per_ha: stems/ha; `low_ha` and `high_ha` are its 90 % interval, nan where the picture is too coarse.
        cover_pct: ground under crowns.
        diameter_m: mean crown diameter.
        height_m: mean height of the crowns that have one; nan where heights cover less than half of the
            ground.
        n_gaps: canopy gaps; `gap_ha` is their area. Open land is not among them.
    """

    area_ha: float
    n_stems: int
    per_ha: float
    low_ha: float
    high_ha: float
    cover_pct: float
    diameter_m: float
    height_m: float
    n_gaps: int
    gap_ha: float


def figures_of(results: Results) -> Figures:
    """The figures of a survey."""
    counted = results.crowns[results.crowns["counted"]]
    known = "height_m" in counted and not results.ground.measured_share < HEIGHTS_SHARE
    heights = counted["height_m"].to_numpy(np.float64) if known else np.empty(0)
    gaps = results.gaps[results.gaps["kind"] == "gap"]
    area, seen = results.area_ha, float(results.ground.seen.sum())
    low, high = interval(results.n_counted, results.error.sd)
    per_ha = [value / area if area else math.nan for value in (results.n_counted, low, high)]
    return Figures(
        area_ha=area,
        n_stems=results.n_counted,
        per_ha=per_ha[0],
        low_ha=per_ha[1],
        high_ha=per_ha[2],
        cover_pct=100 * float(results.ground.cover.sum()) / seen if seen else math.nan,
        diameter_m=_mean(counted["crown_diameter_m"].to_numpy(np.float64)),
        height_m=_mean(heights),
        n_gaps=len(gaps),
        gap_ha=float(gaps["area_m2"].sum()) / 1e4,
    )


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else math.nan
