"""What all sightings of a defect together say: its class, and how far it can be believed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd

from pipelines.road.classes import UNTYPED_CRACK, family_of
from pipelines.road.evidence import Array, Index, Looks, Watch, confidence, near_views
from pipelines.road.merging import Fused, Runs
from pipelines.road.sightings import Sightings


class Vote(NamedTuple):
    """What n defects are.

    Attributes:
        named: the class of each.
        gain: (sightings,) float64, log odds: what each sighting says for its defect's class.
    """

    named: list[str]
    gain: Array


class Belief(NamedTuple):
    """How far n defects can be believed.

    Attributes:
        confidence: (n,) float64 in (0, 1).
        n_looked: (n,) int64: frames that showed each, or had its place in near view.
    """

    confidence: Array
    n_looked: Index


@dataclass(frozen=True, slots=True)
class PassRuns:
    """What single passes know of n defects.

    Attributes:
        runs: the runs.
        run: (sightings,) int64, the run of each sighting.
        defect: (runs,) int64, the defect of each run.
        place: where the n defects lie.
    """

    runs: Runs
    run: Index
    defect: Index
    place: Fused


def vote(sightings: Sightings, defect: Index, *, merge_cracks: bool) -> Vote:
    """Settle the class of each defect: first the family with the most evidence, then its best supported class.

    Boxes of one sighting do not add up within a family: three types named for one crack are one crack seen. An untyped
    crack yields to any type that was named.

    Args:
        sightings: the sightings.
        defect: (sightings,) int64, the defect of each, numbered without gaps.
        merge_cracks: see `classes.family_of`.
    """
    boxes = _boxes(sightings, defect, merge_cracks=merge_cracks)
    of_family = boxes.groupby(["defect", "sighting", "family"], sort=True)["weight"].max().reset_index()
    total = of_family.groupby(["defect", "family"], sort=True)["weight"].sum().reset_index()
    ranked = total.sort_values(["defect", "weight", "family"], ascending=[True, False, True])
    winner = ranked.drop_duplicates("defect").set_index("defect")["family"]
    own = boxes[boxes["family"] == winner.loc[boxes["defect"]].to_numpy()]
    best = own.groupby(["defect", "sighting", "class"], sort=True)["weight"].max().reset_index()
    types = best.groupby(["defect", "class"], sort=True)["weight"].sum().reset_index()
    types["untyped"] = types["class"] == UNTYPED_CRACK
    types = types.sort_values(["defect", "untyped", "weight", "class"], ascending=[True, True, False, True])
    gain = np.zeros(len(sightings))
    np.maximum.at(gain, own["sighting"].to_numpy(np.int64), own["weight"].to_numpy(np.float64))
    return Vote(types.drop_duplicates("defect")["class"].tolist(), gain)


def _boxes(sightings: Sightings, defect: Index, *, merge_cracks: bool) -> pd.DataFrame:
    """One row per located box, in an order that does not depend on that of the observations."""
    rows = np.flatnonzero(sightings.of_row >= 0)
    of_row = sightings.of_row[rows]
    called = sightings.boxes.called[rows]
    table = pd.DataFrame(
        {"sighting": of_row, "defect": defect[of_row], "class": called, "weight": sightings.boxes.weight[rows]}
    )
    table["family"] = [family_of(str(name), merge_cracks=merge_cracks) for name in called]
    return table.sort_values(["sighting", "class", "weight"], kind="stable")


def belief(known: PassRuns, sightings: Sightings, gain: Array, frames: pd.DataFrame, watch: Watch) -> Belief:
    """How far each defect can be believed, from the frames that show it and those that should have.

    Args:
        known: what single passes know of the defects.
        sightings: the sightings.
        gain: (sightings,) float64, log odds: `Vote.gain`.
        frames: `frame`, `x_m`, `y_m` and `passes`, a row per frame that has a pose.
        watch: who looked, and where.
    """
    n, run = len(known.place.xy_m), known.run
    hits = pd.DataFrame(
        {
            "place": known.defect[run],
            "passes": known.runs.passes[run],
            "frame": sightings.frame_name,
            "shows": True,
            "gain": gain,
            "near": sightings.boxes.near[sightings.row],
        }
    )
    missed = _near(known, frames, watch)
    both = pd.concat([hits, missed.assign(shows=False, gain=-np.log(watch.params.missed), near=1.0)])
    # Hits stand first: a frame that shows the defect has not missed it.
    both = both[~both.duplicated(["place", "frame"])]
    place = both["place"].to_numpy(np.int64)
    passes, shows = both["passes"].to_numpy(np.int64), both["shows"].to_numpy(bool)
    looks = Looks(place, passes, shows, both["gain"].to_numpy(np.float64), both["near"].to_numpy(np.float64))
    return Belief(confidence(looks, n, watch.params), np.bincount(place, minlength=n))


def _near(known: PassRuns, frames: pd.DataFrame, watch: Watch) -> pd.DataFrame:
    """`place`, `passes`, `frame` of every near view of a defect, where the frame's own pass placed it."""
    if watch.seen is None or not len(watch.seen):
        return pd.DataFrame({"place": [], "passes": [], "frame": []}).astype({"place": np.int64, "passes": np.int64})
    shown = watch.seen[watch.seen["frame"].isin(frames["frame"])]
    of = frames.drop_duplicates("frame").set_index("frame").loc[shown["frame"]]
    lens, passes, look_m = of[["x_m", "y_m"]].to_numpy(np.float64), of["passes"].to_numpy(np.int64), watch.params.look_m
    at, own = near_views(known.runs.xy_m, shown, lens, look_m)
    kept = passes[own] == known.runs.passes[at]
    # A pass that has no run of a defect looks where the others placed it.
    other_at, other = near_views(known.place.xy_m, shown, lens, look_m)
    placed = pd.MultiIndex.from_arrays([known.defect, known.runs.passes])
    alone = ~pd.MultiIndex.from_arrays([other_at, passes[other]]).isin(placed)
    frame = np.append(own[kept], other[alone])
    place = np.append(known.defect[at[kept]], other_at[alone])
    return pd.DataFrame({"place": place, "passes": passes[frame], "frame": shown["frame"].to_numpy(object)[frame]})
