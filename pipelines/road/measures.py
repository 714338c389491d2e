"""How good a repair list is where the truth is known.

What is bad is said by the truth alone, not by the judge that is measured: a pothole before an alligator crack before
any other crack (who may fall or break a wheel first), and within a class the larger area first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import geopandas as gpd
import numpy as np
import pandas as pd
import pyogrio
import shapely

from geo.geopackage import read_layer
from pipelines.errors import SurveyError
from pipelines.road.classes import ALLIGATOR, POTHOLE, family_codes
from pipelines.road.merging import near_pairs, one_to_one
from pipelines.road.previous import read_previous
from pipelines.road.shown import score_in_pictures
from pipelines.road.sightings import Array, Index

# A defect farther than this from any true one of its family shows something else.
REACH_M = 5.0
TOP = 20
WORST = 0.10
_LEVELS: Mapping[str, int] = MappingProxyType({POTHOLE: 2, ALLIGATOR: 1})

Figure = float | int | None


@dataclass(frozen=True, slots=True)
class _Match:
    """What each of n defects shows.

    Attributes:
        truth: (n,) int64, the true defect it is, one to one; -1 for none.
        near: (n,) int64, the nearest true defect of its family within reach; -1 for none.
        apart_m: (n,) float64, to `truth`; NaN for none.
    """

    truth: Index
    near: Index
    apart_m: Array


def score_against_truth(defects: gpd.GeoDataFrame, truth: gpd.GeoDataFrame) -> dict[str, Figure]:
    """Measure a table of defects against the true ones.

    Args:
        defects: as published; rows that an earlier survey left over (`gone`, `not_seen`) do not count. Where it has a
            column `listed`, figures are of the listed rows. Without `rank`, the ranking is not measured.
        truth: `class`, `area_m2` and outlines, in any CRS; where it has a column `visible`, defects that no frame
            shows are left out.

    Returns:
        Counts (`n_true`, `n_listed`, `n_detected`), `position_median_m` and `position_p95_m` of the matched defects
        (pairs beyond `REACH_M` are never matched), `features_per_detected` (a second feature near a true defect counts,
        also one of a patch beside it: `shown` tells them apart), `kept_apart` (share of those that any
        row shows, listed or not, without a missed neighbour of their family within reach: a lower bound, for a miss
        looks like a merger), `recall`,
        `recall_all` (with the rows that are not listed), `precision` (share of the features near a true defect),
        `ndcg_20` and `worst_in_top` (see `ndcg`, `worst_in_top`). None where a figure has no cases.
    """
    shown = truth[truth["visible"].to_numpy(bool)] if "visible" in truth.columns else truth
    shown = shown.to_crs(defects.crs).reset_index(drop=True)
    listed = defects
    if "change" in defects.columns:
        listed = defects[~defects["change"].isin(["gone", "not_seen"])]
    every = _match(listed, shown).truth
    found = np.unique(every[every >= 0])
    if "listed" in listed.columns:
        listed = listed[listed["listed"].astype(bool)]
    listed = listed.reset_index(drop=True)
    match = _match(listed, shown)
    detected = np.unique(match.truth[match.truth >= 0])
    close = int((match.near >= 0).sum())
    apart = match.apart_m[np.isfinite(match.apart_m)]
    figures: dict[str, Figure] = {
        "n_true": len(shown),
        "n_listed": len(listed),
        "n_detected": len(detected),
        "position_median_m": float(np.median(apart)) if len(apart) else None,
        "position_p95_m": float(np.percentile(apart, 95)) if len(apart) else None,
        "features_per_detected": close / len(detected) if len(detected) else None,
        "kept_apart": _kept_apart(shown, found),
        "recall": len(detected) / len(shown) if len(shown) else None,
        "recall_all": len(found) / len(shown) if len(shown) else None,
        "precision": close / len(listed) if len(listed) else None,
    }
    if "rank" in listed.columns and len(shown):
        order = listed["rank"].astype("Float64").to_numpy(np.float64, na_value=np.nan)
        ranked = np.argsort(order, kind="stable")[: int(np.isfinite(order).sum())]
        severity = true_severity(shown)
        figures["ndcg_20"] = ndcg(match.truth[ranked], severity)
        figures["worst_in_top"] = worst_in_top(match.truth[ranked], severity)
    return figures


def score_sample(result: Path, sample_dir: Path) -> dict[str, Figure]:
    """Measure a result of the embedded sample against the truth written beside it.

    Args:
        result: the GeoPackage that the road job wrote.
        sample_dir: the sample survey's folder.

    Raises:
        MichisoraError: either is not there or cannot be read, or the result is of another place.
    """
    known, boxes = sample_dir / "truth.gpkg", sample_dir / "truth_boxes.parquet"
    for path in (known, boxes):
        if not path.is_file():
            remedy = f"Make a sample with `michisora sample make {sample_dir}`"
            raise SurveyError("no sample lies here", where=path, remedy=remedy)
    if not result.is_file():
        remedy = f"Make them with `michisora road {sample_dir} --out {result.parent}`"
        raise SurveyError("no results to score lie here", where=result, remedy=remedy)
    truth = read_layer(known, "defects")
    layers = set(pyogrio.list_layers(result)[:, 0])
    if "coverage" in layers:
        _refuse_elsewhere(read_layer(result, "coverage"), truth, result)
    shown = pd.read_parquet(boxes, columns=["damage"])["damage"]
    truth["visible"] = truth["damage"].isin(shown)
    defects = read_previous(result)
    figures = score_against_truth(defects, truth)
    if "observations" in layers:
        observations = read_layer(result, "observations").fillna({"defect": ""})
        figures |= score_in_pictures(defects, observations, pd.read_parquet(boxes))
    return figures


def _refuse_elsewhere(seen: gpd.GeoDataFrame, truth: gpd.GeoDataFrame, result: Path) -> None:
    """Nothing that was found in another town is a measure of what was found in this one."""
    if len(seen) and not shapely.intersects(
        *(shapely.box(*one.to_crs(truth.crs).total_bounds) for one in (seen, truth))
    ):
        remedy = "Score the results of a sample beside that sample"
        raise SurveyError("the survey saw nothing of the sample's town", where=result, remedy=remedy)


def true_severity(truth: pd.DataFrame) -> Array:
    """(n,) float64 in (0, 3]: 2, 1 or 0 for pothole, alligator or other crack, plus the rank of its area in its class.

    Args:
        truth: `class` and `area_m2`.
    """
    level = truth["class"].map(lambda name: _LEVELS.get(name, 0))
    size = truth["area_m2"].groupby(level).rank(pct=True, method="average")
    return (level + size).to_numpy(np.float64)


def ndcg(listed: Index, severity: Array, top: int = TOP) -> float:
    """Normalised discounted cumulative gain of a list's first entries.

    Gain 2^severity − 1, discount 1/log₂(1 + place) (Järvelin & Kekäläinen 2002, in the form of Burges et al. 2005).
    An entry that shows nothing true, or again what came before, gains nothing.

    Args:
        listed: the true defect that each entry shows, in order; -1 for none.
        severity: (n,) float64 of the true defects.
        top: how many entries count.
    """
    gain = np.exp2(severity) - 1
    own = np.where(listed >= 0, gain[listed], 0.0)[:top] if len(gain) else np.zeros(0)
    best = np.sort(gain)[::-1][:top]
    ideal = float(best @ _discount(len(best)))
    return float(own @ _discount(len(own))) / ideal if ideal > 0 else 0.0


def worst_in_top(listed: Index, severity: Array, share: float = WORST) -> float:
    """Share of the truly worst tenth that stands in the first tenth of the list; both tenths rounded up.

    Args:
        listed: the true defect that each entry shows, in order; -1 for none.
        severity: (n,) float64 of the true defects.
        share: the tenth.
    """
    worst = np.argsort(-severity, kind="stable")[: int(np.ceil(share * len(severity)))]
    top = listed[: int(np.ceil(share * len(listed)))]
    return float(np.isin(worst, top).mean()) if len(worst) else 0.0


def _discount(n: int) -> Array:
    return np.asarray(1 / np.log2(np.arange(2, n + 2)))


def _match(defects: gpd.GeoDataFrame, truth: gpd.GeoDataFrame) -> _Match:
    """One to one by least total distance within a family; what is left over lies near a true defect or does not."""
    own, real = _places(defects), _places(truth)
    code = family_codes([*defects["class"], *truth["class"]])
    i, j = near_pairs(own, real, REACH_M)
    same = code[: len(own)][i] == code[len(own) :][j]
    i, j = i[same], j[same]
    distance = np.linalg.norm(own[i] - real[j], axis=1)
    match = _Match(np.full(len(own), -1, np.int64), np.full(len(own), -1, np.int64), np.full(len(own), np.nan))
    far_first = np.argsort(-distance, kind="stable")
    match.near[i[far_first]] = j[far_first]
    for a, b in one_to_one(i, j, distance, REACH_M):
        match.truth[a], match.apart_m[a] = b, np.linalg.norm(own[a] - real[b])
    return match


def _places(table: gpd.GeoDataFrame) -> Array:
    """(n, 2) float64 m: the middle of each one's bounds, as a box has it."""
    bounds = shapely.bounds(table.geometry.to_numpy()).reshape(-1, 4)
    return np.asarray((bounds[:, :2] + bounds[:, 2:]) / 2, np.float64)


def _kept_apart(truth: gpd.GeoDataFrame, detected: Index) -> float | None:
    if not len(detected):
        return None
    place, code = _places(truth), family_codes(truth["class"])
    missed = np.setdiff1d(np.arange(len(truth)), detected)
    i, j = near_pairs(place[detected], place[missed], REACH_M)
    swallowed = np.unique(i[code[detected][i] == code[missed][j]])
    return 1 - len(swallowed) / len(detected)
