"""One feature per defect, from every box that shows it.

The same defect is: a family of classes in common, a shared link, and no more than 3 m apart once the positions'
uncertainty is granted. Boxes → sightings (`sightings`) → runs within a pass (`tracking`) → defects over all passes
(`merging`) → class and confidence (`votes`) → table. docs/design/road-judgement.md says why each step is as it is.
"""

from __future__ import annotations

import datetime as dt
from typing import NamedTuple

import geopandas as gpd
import numpy as np
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from pipelines.road.evidence import Watch
from pipelines.road.features import DEFECT_COLUMNS, Found, Labels, defect_table
from pipelines.road.merging import MergeGates, fuse, merge, outlines_of, runs_of, stitch
from pipelines.road.sightings import Grouping, Index, Sightings, sightings_of
from pipelines.road.tracking import Gates, follow, passes_of
from pipelines.road.votes import PassRuns, belief, vote


class ConsolidateParams(BaseModel):
    """What counts as the same defect (params.yaml, section `consolidate`).

    Attributes:
        same_m: sightings farther apart, after uncertainty, are different defects.
        gate_sigmas: and so are those that many standard deviations apart.
        model_sd_m: what a flat road and a stiff vehicle do not explain of a position, m per axis.
        extent_share: part of a defect's size by which its apparent middle may wander between sightings.
        track_memory_m: driving over which the track's error keeps its value, m.
        pitch_share: part of a sighting's forward variance that all boxes of its frame share.
        view_correlation: correlation of the view errors of two sightings of a pass (camera height, mean pitch).
        overlap: share of the smaller of two boxes of a frame and family that must be covered for them to show one
            thing.
        same_ground: intersection over union from which two boxes of different families show one thing. A pothole
            within a larger cracked area is below, and stays a defect of its own.
        merge_cracks: D00, D10, D20 and untyped cracks may be one defect.
        reach_m: defects farther from the vehicle are no longer looked for, m.
        pass_gap_s: a longer gap between frames that are farther apart than `reach_m` begins a new pass, s.
        min_seen: defects seen in fewer frames are left out.
        photo_forward_m: distance at which a defect is best seen in a picture, m.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    same_m: float = Field(default=3.0, gt=0)
    gate_sigmas: float = Field(default=3.0, gt=0)
    model_sd_m: float = Field(default=0.35, gt=0)
    extent_share: float = Field(default=0.25, ge=0)
    track_memory_m: float = Field(default=60.0, gt=0)
    pitch_share: float = Field(default=0.8, ge=0, lt=1)
    view_correlation: float = Field(default=0.3, ge=0, le=1)
    overlap: float = Field(default=0.4, gt=0, le=1)
    same_ground: float = Field(default=0.5, gt=0, le=1)
    merge_cracks: bool = True
    reach_m: float = Field(default=35.0, gt=0)
    pass_gap_s: float = Field(default=60.0, gt=0)
    min_seen: int = Field(default=1, ge=1)
    photo_forward_m: float = Field(default=6.0, gt=0)


class Consolidated(NamedTuple):
    """Defects, and which of them each observation shows.

    Attributes:
        defects: one row per defect (`DEFECT_COLUMNS`), in order of first sighting; Point geometry and, as a plain
            column, the `footprint` of the best sighting moved to the defect's position.
        membership: one entry per observation, indexed as they are: the defect's uuid, "" where it has none.
    """

    defects: gpd.GeoDataFrame
    membership: pd.Series[str]


def consolidate(
    observations: gpd.GeoDataFrame,
    frames: pd.DataFrame,
    params: ConsolidateParams | None = None,
    watch: Watch | None = None,
    *,
    zone: dt.tzinfo = dt.UTC,
) -> Consolidated:
    """Merge the sightings of each defect, over frames and passes.

    The result does not depend on the order of the rows, and takes time in proportion to them.

    Args:
        observations: table `observations`; rows that are not `located` take no part.
        frames: table `frames`, with a row for every frame that an observation names.
        params: what counts as the same defect.
        watch: what scores are worth, and which frames should have shown a defect.
        zone: the time zone that days are counted in.

    Raises:
        PipelineError: a column is missing, or a box's frame is not among the frames.
    """
    knobs, watch = params or ConsolidateParams(), watch or Watch()
    grouping = Grouping(knobs.overlap, knobs.same_ground, knobs.merge_cracks)
    sightings = sightings_of(observations, frames, grouping, watch)
    if not len(sightings):
        return Consolidated(empty_defects(observations.crs), pd.Series("", index=observations.index, dtype=object))
    driven = _passes(observations, frames, knobs)
    passes = driven["passes"].reindex(sightings.frame_name).to_numpy(np.int64)
    label, run = _defects_of(sightings, passes, knobs)
    runs = runs_of(sightings, run, passes, knobs.view_correlation)
    of_run = np.zeros(len(runs), np.int64)
    of_run[run] = label
    known = PassRuns(runs, run, of_run, fuse(runs, of_run))
    voted = vote(sightings, label, merge_cracks=knobs.merge_cracks)
    believed = belief(known, sightings, voted.gain, driven.reset_index(), watch)
    found = Found(Labels(label, run, passes), known.place, voted.named, believed)
    table = defect_table(observations, sightings, found, knobs.photo_forward_m, zone)
    kept = table["n_seen"].to_numpy() >= knobs.min_seen
    uuids = np.append(np.where(kept, table["uuid"], ""), "").astype(object)
    of_row = np.where(sightings.of_row >= 0, label[sightings.of_row], -1)
    membership = pd.Series(uuids[of_row], index=observations.index, dtype=object)
    return Consolidated(table[kept].reset_index(drop=True), membership)


def empty_defects(crs: object) -> gpd.GeoDataFrame:
    """The table of no defects, with its columns."""
    table = pd.DataFrame({column: pd.Series(dtype=object) for column in DEFECT_COLUMNS if column != "geometry"})
    return gpd.GeoDataFrame(table, geometry=gpd.GeoSeries([], crs=crs), crs=crs)[DEFECT_COLUMNS]


def _passes(observations: gpd.GeoDataFrame, frames: pd.DataFrame, knobs: ConsolidateParams) -> pd.DataFrame:
    """`x_m`, `y_m` and `passes` (int64) of every frame that has a pose, by the frame's name."""
    valid = frames[frames["frame"].isin(observations["frame"]) | frames["valid"].to_numpy(bool)]
    ordered = valid.dropna(subset=["x_m", "y_m", "t_s"]).sort_values(["t_s", "frame"], kind="stable")
    xy, t_s = ordered[["x_m", "y_m"]].to_numpy(np.float64), ordered["t_s"].to_numpy(np.float64)
    number = passes_of(xy, t_s, gap_s=knobs.pass_gap_s, apart_m=knobs.reach_m)
    table = ordered[["frame", "x_m", "y_m"]].assign(passes=number).set_index("frame")
    return table[~table.index.duplicated()]


def _defects_of(sightings: Sightings, passes: Index, knobs: ConsolidateParams) -> tuple[Index, Index]:
    """The defect and the run of each sighting, both numbered by first sighting."""
    shared = (knobs.same_m, knobs.gate_sigmas, knobs.model_sd_m, knobs.extent_share, knobs.track_memory_m)
    rho = knobs.view_correlation
    between = MergeGates(*shared, rho)
    run = _by_first(follow(sightings, passes, Gates(*shared, knobs.pitch_share, knobs.reach_m)))
    run = _by_first(stitch(runs_of(sightings, run, passes, rho), outlines_of(sightings, run), between)[run])
    return _by_first(merge(runs_of(sightings, run, passes, rho), between)[run]), run


def _by_first(label: Index) -> Index:
    """The same groups, numbered in order of their first member."""
    return pd.factorize(label)[0].astype(np.int64)
