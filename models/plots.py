"""How a map of trees is judged on plots: stems per hectare, crown cover, crown diameter, and crowns one to one.

A plot is ground on which people know the trees: measured in the field, or labelled on a picture. Every plot counts as
one, whatever it holds.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from models.measures import PlotScore, plot_f1

__all__ = [
    "LabelledPlot",
    "PlotFigures",
    "PlotReader",
    "assigned",
    "errors_of",
    "mean_of",
    "plot_summary",
    "stems_summary",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_NAN = float("nan")


@dataclass(frozen=True, slots=True)
class LabelledPlot:
    """A picture from above on which every crown is in a box.

    Attributes:
        name: what it is called.
        picture: path of the picture, which has no place on earth.
        gsd_m: metres on the ground that a pixel covers.
        xyxy: float32 (n, 4) px, corners in the frame of the picture.
    """

    name: str
    picture: Path
    gsd_m: float
    xyxy: NDArray[np.float32]


PlotReader = Callable[..., dict[str, list[LabelledPlot]]]
"""Entry points of the group `michisora.plots`: `reader(names, split, **where)` gives each data set's plots; without
names, those that the model of crowns is judged by."""


@dataclass(frozen=True, slots=True)
class PlotFigures:
    """One plot, on the map and in truth; nan is what nobody knows.

    Attributes:
        name: of the plot.
        area_ha: its area.
        stems: counted on the map.
        stems_true: on the ground.
        cover_pct: part under crowns, on the map.
        cover_pct_true: the same on the ground.
        diameter_m: mean crown diameter on the map.
        diameter_m_true: the same on the ground.
        precision: part of the crowns on the map that are right, one to one; nan where trees are not known singly.
        recall: part of the trees on the ground that the map has.
    """

    name: str
    area_ha: float
    stems: float
    stems_true: float
    cover_pct: float = _NAN
    cover_pct_true: float = _NAN
    diameter_m: float = _NAN
    diameter_m_true: float = _NAN
    precision: float = _NAN
    recall: float = _NAN


def plot_summary(plots: Sequence[PlotFigures]) -> dict[str, Any]:
    """Over all plots: `n_plots`, `plots` (precision, recall, F1), `stems`, `cover_pct`, `diameter_m`; nan: unknown.

    As a model card has it: a card that holds the entry states the error of counts that stands are given.
    """
    scores = [PlotScore(one.precision, one.recall) for one in plots]
    return {
        "n_plots": len(plots),
        "plots": {
            "precision": mean_of(one.precision for one in scores),
            "recall": mean_of(one.recall for one in scores),
            "f1": plot_f1(scores),
        },
        "stems": stems_summary([(one.stems, one.stems_true, one.area_ha) for one in plots]),
        "cover_pct": errors_of((one.cover_pct, one.cover_pct_true) for one in plots),
        "diameter_m": errors_of((one.diameter_m, one.diameter_m_true) for one in plots),
    }


def stems_summary(plots: Sequence[tuple[float, float, float]]) -> dict[str, float]:
    """Errors of stems over plots of (counted, true, hectares); those without a known area or truth are left out.

    Returns:
        `bias`, of all stems together as a part of the truth; `ha_mae`, `ha_bias` and `ha_mean_true`, stems per hectare,
        means over plots.
    """
    known = [(seen, true, ha) for seen, true, ha in plots if ha > 0 and not np.isnan(true)]
    total = sum(true for _, true, _ in known)
    density = errors_of((seen / ha, true / ha) for seen, true, ha in known)
    return {
        "bias": (sum(seen for seen, _, _ in known) - total) / total if total else _NAN,
        "ha_mae": density["mae"],
        "ha_bias": density["bias"],
        "ha_mean_true": density["mean_true"],
    }


def errors_of(pairs: Iterable[tuple[float, float]]) -> dict[str, Any]:
    """`n`, `mean_true`, `mae` and `bias` of pairs (seen, true), those of which both are known."""
    known = [(seen, true) for seen, true in pairs if not np.isnan(seen + true)]
    return {
        "n": len(known),
        "mean_true": mean_of(true for _, true in known),
        "mae": mean_of(abs(seen - true) for seen, true in known),
        "bias": mean_of(seen - true for seen, true in known),
    }


def mean_of(values: Iterable[float]) -> float:
    """Mean of what is known; nan of nothing."""
    known = [one for one in values if not np.isnan(one)]
    return float(np.mean(known)) if known else _NAN


def assigned(first: Ints, second: Ints, worth: Floats) -> NDArray[np.bool_]:
    """Which pairs a one-to-one assignment of the largest total worth takes (Hungarian), bool (m,).

    Pairs that are not listed are worth nothing, so the assignment falls apart into connected parts: a hundred thousand
    crowns need no matrix.

    Args:
        first: int64 (m,), index on one side.
        second: int64 (m,), index on the other.
        worth: float64 (m,), above 0.
    """
    taken = np.zeros(len(first), bool)
    if not len(first):
        return taken
    n, m = int(first.max()) + 1, int(second.max()) + 1
    graph = coo_array((np.ones(len(first), bool), (first, n + second)), shape=(n + m, n + m))
    part = connected_components(graph, directed=False)[1][first]
    order = np.argsort(part, kind="stable")
    for pairs in np.split(order, np.flatnonzero(np.diff(part[order])) + 1):
        rows, row = np.unique(first[pairs], return_inverse=True)
        columns, column = np.unique(second[pairs], return_inverse=True)
        table = np.zeros((len(rows), len(columns)))
        table[row, column] = worth[pairs]
        chosen = np.zeros(table.shape, bool)
        chosen[linear_sum_assignment(table, maximize=True)] = True
        taken[pairs] = chosen[row, column]
    return taken
