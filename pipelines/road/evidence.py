"""How far a defect can be believed: what its sightings say, and what the frames say that should have shown it.

Belief is counted in log odds, so that evidence adds up (Good 1950, "weight of evidence"). A defect starts where a lone
box right at its class's threshold stands. Every look at its place then moves it:

* a box of its class raises the odds `again` times, and further by what its score has over the class's threshold;
* a frame that had the place in near view and shows nothing lowers the odds `missed` times;
* what a far box says shrinks with the square of the distance, as the road's picture does.

Looks of one pass repeat one another (the same light, the same patch taken for a hole each time): n that show a defect
count as n / (1 + (n − 1)·ρ), the effective number of equally correlated samples (Kish 1965), and so do those that do
not. Passes are counted apart. With g for a sighting's log odds over all sightings h of a pass, and m misses in it,

    log odds = log odds(at_threshold) − log(again)
             + Σ over passes of [Σg / (1 + (h − 1)·ρ) − m·log(missed) / (1 + (m − 1)·ρ)]

Scores need not be chances: only what they have over their own class's threshold counts, so that a class whose threshold
lies low is not believed less for it, nor more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from pipelines.road.classes import POTHOLE, UNTYPED_CRACK

Array = NDArray[np.float64]
Index = NDArray[np.int64]
Texts = NDArray[np.object_]

# A score of exactly 0 or 1 has no finite odds.
_LEAST_SCORE = 0.001
# Two rows of a picture are 0.2 m of road at `look_m`: no side of a box is known better, and far ones less.
_LEAST_SIDE_M = 0.2


class EvidenceParams(BaseModel):
    """What a sighting is worth (params.yaml, section `evidence`).

    Attributes:
        at_threshold: chance that a lone box right at its class's threshold shows what it says. Where a threshold is
            chosen for the highest F1, that chance is half of the F1 reached (Lipton, Elkan & Narayanaswamy 2014): 0.25
            for F1 = 0.5.
        again: another sighting at the threshold multiplies the odds by this.
        missed: a near look that shows nothing divides the odds by this. 1 for a detector that finds little.
        score_slope: by how much the log odds rise with a score's log odds; 1 where scores are chances but for a shift.
        correlation: of the looks of one pass.
        look_m: nearer than this a frame should show a defect. 0.3 m of road at 12 m is 3 rows of a picture (focal
            length 1000 px, 1.3 m high), at 20 m one.
        slender: a box more slender than this on the ground (longer side by shorter) is a crack, whatever it was
            called. Of DNIT's labelled boxes, laid on the road with an assumed camera (1.5 m, 60°, 4° or 8° down), 7 %
            of the potholes are that slender and 20 to 23 % of the crack areas.
        unknown_threshold: threshold of a class for which none is stated.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    at_threshold: float = Field(default=0.25, gt=0, lt=1)
    again: float = Field(default=2.0, ge=1)
    missed: float = Field(default=2.0, ge=1)
    score_slope: float = Field(default=1.0, ge=0)
    correlation: float = Field(default=0.5, ge=0, le=1)
    look_m: float = Field(default=12.0, gt=0)
    slender: float = Field(default=6.0, gt=1)
    unknown_threshold: float = Field(default=0.25, gt=0, lt=1)


@dataclass(frozen=True, slots=True)
class Watch:
    """Who looked, and where.

    Attributes:
        thresholds: class → the score from which a box counts, as on the model's card.
        seen: the road that each frame shows, as from `coverage.seen_ground`; None where unknown, and then no frame
            speaks against a defect.
        params: what a sighting is worth.
    """

    thresholds: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))
    seen: gpd.GeoDataFrame | None = None
    params: EvidenceParams = field(default_factory=EvidenceParams)


@dataclass(frozen=True, slots=True)
class Boxes:
    """What each of n boxes says.

    Attributes:
        called: (n,) object, the class it speaks for.
        weight: (n,) float64, log odds: how much it says for that class.
        near: (n,) float64 in (0, 1]: how much of a look it is, by distance.
    """

    called: Texts
    weight: Array
    near: Array


def boxes_of(observations: pd.DataFrame, watch: Watch) -> Boxes:
    """Weigh boxes.

    Args:
        observations: `class`, `score`, `forward_m`, `length_m`, `width_m`.
        watch: thresholds and knobs.
    """
    knobs = watch.params
    said = observations["class"].to_numpy(object)
    forward = np.maximum(observations["forward_m"].to_numpy(np.float64), 1e-3)
    near = np.minimum(np.square(knobs.look_m / forward), 1.0)
    sides = np.nan_to_num(observations[["length_m", "width_m"]].to_numpy(np.float64))
    sides = np.maximum(sides, _LEAST_SIDE_M / near[:, None])
    slender = sides.max(axis=1) > knobs.slender * sides.min(axis=1)
    called = np.where((said == POTHOLE) & slender, UNTYPED_CRACK, said)
    # The threshold is that of the class the network named: it is what the score has to be held against.
    threshold = np.array([watch.thresholds.get(str(name), knobs.unknown_threshold) for name in said], np.float64)
    lift = np.maximum(log_odds(observations["score"].to_numpy(np.float64)) - log_odds(threshold), 0.0)
    return Boxes(called, near * (np.log(knobs.again) + knobs.score_slope * lift), near)


def log_odds(chance: Array | float) -> Array:
    """log(p / (1 − p)), p kept off 0 and 1."""
    p = np.clip(chance, _LEAST_SCORE, 1 - _LEAST_SCORE)
    return np.asarray(np.log(p) - np.log1p(-p), np.float64)


@dataclass(frozen=True, slots=True)
class Looks:
    """Looks at places: one entry per place and frame, (n,) each.

    Attributes:
        place: int64, which place.
        passes: int64, the pass of the frame.
        shows: bool, whether the frame shows the defect.
        gain: float64, log odds: what the frame says.
        near: float64 in (0, 1], how much of a look it is.
    """

    place: Index
    passes: Index
    shows: NDArray[np.bool_]
    gain: Array
    near: Array


def confidence(looks: Looks, n: int, params: EvidenceParams) -> Array:
    """How far each place's defect can be believed; the formula stands at the top of this file.

    Args:
        looks: every look at the places, of those that show a defect and those that do not.
        n: how many places.
        params: the knobs.

    Returns:
        (n,) float64 in (0, 1).
    """
    table = pd.DataFrame({"place": looks.place, "passes": looks.passes, "shows": looks.shows})
    table["gain"], table["near"] = looks.gain, looks.near
    kinds = table.groupby(["place", "passes", "shows"], sort=True)[["gain", "near"]].sum()
    count = np.maximum(kinds["near"].to_numpy(np.float64), 1.0)
    said = kinds["gain"].to_numpy(np.float64) / (1 + (count - 1) * params.correlation)
    start = float(log_odds(params.at_threshold)) - np.log(params.again)
    total = start + np.bincount(kinds.index.get_level_values("place"), said, minlength=n)
    return np.asarray(1 / (1 + np.exp(-total)), np.float64)


def near_views(xy_m: Array, seen: gpd.GeoDataFrame, lens_m: Array, look_m: float) -> tuple[Index, Index]:
    """Which frames have which places in near view.

    Args:
        xy_m: (n, 2) float64, places, map m.
        seen: as from `coverage.seen_ground`, f frames.
        lens_m: (f, 2) float64, map m: where each of them was taken.
        look_m: how far a near view reaches.

    Returns:
        Place and frame of each pair, int64.
    """
    place, frame = shapely.STRtree(seen.geometry.to_numpy()).query(shapely.points(xy_m), predicate="intersects")
    near = np.linalg.norm(lens_m[frame] - xy_m[place], axis=1) <= look_m
    return place[near].astype(np.int64), frame[near].astype(np.int64)
