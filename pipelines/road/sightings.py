"""Sightings: what one frame shows of one thing, ready to be associated.

A detector may put several boxes on the same thing: D00 and D20 on one crack, D40 and `crack` on one hole. Boxes of one
frame become one sighting here where two of a family overlap, or where two of different families cover the same ground.
A pothole within a larger cracked area does neither and stays its own; so do boxes that do not overlap, whatever their
distance.
"""

from __future__ import annotations

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pipelines.errors import PipelineError
from pipelines.road.classes import family_codes
from pipelines.road.evidence import Boxes, Watch, boxes_of

Array = NDArray[np.float64]
Index = NDArray[np.int64]

# No position is certain to the millimetre, whatever a table says.
_LEAST_VIEW_SD_M = 0.05
_ORDER = ["t_s", "frame", "x1", "y1", "x2", "y2", "class", "score"]
_NEEDED = {*_ORDER, "located", "x_m", "y_m", "cov_xx", "cov_xy", "cov_yy", "forward_m", "length_m", "width_m", "link"}


@dataclass(frozen=True, slots=True)
class Sightings:
    """n sightings in order of time; the order of the input's rows leaves no trace.

    Attributes:
        row: (n,) int64, position of the leading box (the highest score) among the observations given.
        of_row: (rows,) int64, the sighting each observation belongs to; -1 where it was not located.
        frame: (n,) int64, number of the frame, in order of time.
        frame_name: (n,) object.
        t_s: (n,) float64, s.
        xy_m: (n, 2) float64, map m.
        cov_view: (n, 2, 2) float64, m²: what differs from frame to frame.
        track_sd_m: (n,) float64, m per axis: what neighbouring frames share.
        pose_m: (n, 2) float64, map m: the lens.
        ahead: (n, 2) float64, unit vector of the heading.
        forward_m: (n,) float64.
        extent_m: (n, 2) float64, along and across the heading, m.
        evidence: (n, families) float64, log odds: what its boxes say for each family of classes; 0 for nothing.
        score: (n,) float64.
        link: (n,) object, "" where off the network.
        boxes: what each observation says, in the order of the observations.
    """

    row: Index
    of_row: Index
    frame: Index
    frame_name: NDArray[np.object_]
    t_s: Array
    xy_m: Array
    cov_view: Array
    track_sd_m: Array
    pose_m: Array
    ahead: Array
    forward_m: Array
    extent_m: Array
    evidence: Array
    score: Array
    link: NDArray[np.object_]
    boxes: Boxes

    def __len__(self) -> int:
        return len(self.row)

    @property
    def family(self) -> Index:
        """(n,) int64: one bit for each family that a box was called."""
        return family_mask(self.evidence > 0)


def family_mask(named: NDArray[np.bool_]) -> Index:
    """(n,) int64: (n, families) bool as one bit a family."""
    return np.asarray(named @ (np.int64(1) << np.arange(named.shape[1], dtype=np.int64)), np.int64)


@dataclass(frozen=True, slots=True)
class Grouping:
    """When two boxes of a frame show one thing; see `consolidate.ConsolidateParams`, whose names these are."""

    overlap: float
    same_ground: float
    merge_cracks: bool


def sightings_of(
    observations: gpd.GeoDataFrame, frames: pd.DataFrame, grouping: Grouping, watch: Watch | None = None
) -> Sightings:
    """Group the located boxes of each frame into sightings.

    Args:
        observations: table `observations`.
        frames: table `frames`; gives each sighting its pose and the track's standard deviation.
        grouping: when two boxes show one thing.
        watch: what a box's score is worth.

    Raises:
        PipelineError: a column is missing, or a box's frame is not among the frames.
    """
    missing = _NEEDED - set(observations.columns)
    if missing:
        raise PipelineError(f"the observations lack {', '.join(sorted(missing))}")
    table = pd.DataFrame(observations[sorted(_NEEDED)]).reset_index(drop=True)
    boxes = boxes_of(table, watch or Watch())
    table = table[table["located"].to_numpy(bool)].sort_values(_ORDER, kind="stable")
    poses = _poses(table["frame"], frames)
    family = family_codes(boxes.called[table.index], merge_cracks=grouping.merge_cracks)
    group = _overlapping(table, family, grouping)
    lead = _leaders(group, table["score"].to_numpy(np.float64))
    of_row = np.full(len(observations), -1, np.int64)
    of_row[table.index.to_numpy()] = group
    led = table.iloc[lead]
    heading = np.radians(poses["heading_deg"].to_numpy(np.float64)[lead])
    track_sd = poses["sd_m"].to_numpy(np.float64)[lead]
    return Sightings(
        row=led.index.to_numpy(np.int64),
        of_row=of_row,
        frame=_frame_numbers(led),
        frame_name=led["frame"].to_numpy(object),
        t_s=led["t_s"].to_numpy(np.float64),
        xy_m=led[["x_m", "y_m"]].to_numpy(np.float64),
        cov_view=_view_part(led, track_sd),
        track_sd_m=track_sd,
        pose_m=poses[["x_m", "y_m"]].to_numpy(np.float64)[lead],
        ahead=np.column_stack([np.sin(heading), np.cos(heading)]),
        forward_m=led["forward_m"].to_numpy(np.float64),
        extent_m=np.nan_to_num(led[["length_m", "width_m"]].to_numpy(np.float64)),
        evidence=_evidence(group, family, boxes.weight[table.index]),
        score=led["score"].to_numpy(np.float64),
        link=led["link"].fillna("").to_numpy(object),
        boxes=boxes,
    )


def _poses(names: pd.Series[str], frames: pd.DataFrame) -> pd.DataFrame:
    by_name = frames.drop_duplicates("frame").set_index("frame")[["x_m", "y_m", "heading_deg", "sd_m"]]
    unknown = ~names.isin(by_name.index)
    if unknown.any():
        raise PipelineError("a box lies in a frame that is not among the frames", where=names[unknown].iloc[0])
    return by_name.loc[names.tolist()]


def _overlapping(table: pd.DataFrame, family: Index, grouping: Grouping) -> Index:
    """(rows,) int64: equal where boxes of one frame show one thing, numbered in order of the rows."""
    boxes = table[["x1", "y1", "x2", "y2"]].to_numpy(np.float64)
    where = pd.DataFrame({"frame": table["frame"].to_numpy(), "i": np.arange(len(table))})
    crowded = where[where.duplicated("frame", keep=False)]
    pairs = crowded.merge(crowded, on="frame", suffixes=("", "_other"))
    i, j = pairs["i"].to_numpy(), pairs["i_other"].to_numpy()
    i, j = i[i < j], j[i < j]
    size = np.maximum(np.minimum(boxes[i, 2:], boxes[j, 2:]) - np.maximum(boxes[i, :2], boxes[j, :2]), 0.0)
    area = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    shared = size.prod(axis=1)
    # Of one family, a box inside another is a part of it; of two, only covering the same ground makes them one thing.
    of_smaller = shared >= grouping.overlap * np.maximum(np.minimum(area[i], area[j]), 1e-9)
    of_both = shared >= grouping.same_ground * np.maximum(area[i] + area[j] - shared, 1e-9)
    alike = family[i] == family[j]
    # What a better box of another family covers is that thing called otherwise: it ties nothing to a larger area.
    score = table["score"].to_numpy(np.float64)
    worse = np.where(score[i] < score[j], i, j)[~alike & of_both]
    other = np.isin(np.arange(len(table)), worse)
    same = np.where(alike & ~other[i] & ~other[j], of_smaller, of_both)
    graph = coo_array((np.ones(same.sum(), np.int8), (i[same], j[same])), shape=(len(table), len(table)))
    _, labels = connected_components(graph, directed=False)
    return np.asarray(pd.factorize(labels)[0], np.int64)


def _evidence(group: Index, family: Index, weight: Array) -> Array:
    """(groups, families) float64: the best box of each family; several boxes of one frame say the same thing once."""
    evidence = np.zeros((int(group.max(initial=-1)) + 1, int(family.max(initial=0)) + 1))
    np.maximum.at(evidence, (group, family), weight)
    return evidence


def _leaders(group: Index, score: Array) -> Index:
    """(groups,) int64: row of each group's highest score, the first of equals."""
    order = np.lexsort((np.arange(len(group)), -score, group))
    return order[np.unique(group[order], return_index=True)[1]]


def _frame_numbers(led: pd.DataFrame) -> Index:
    return pd.factorize(led["frame"])[0].astype(np.int64)


def _view_part(led: pd.DataFrame, track_sd: Array) -> Array:
    """(n, 2, 2) m²: total covariance less the track's, kept positive definite."""
    cov = np.empty((len(led), 2, 2))
    cov[:, 0, 0], cov[:, 1, 1] = led["cov_xx"] - track_sd**2, led["cov_yy"] - track_sd**2
    cov[:, 0, 1] = cov[:, 1, 0] = led["cov_xy"]
    values, vectors = np.linalg.eigh(cov)
    values = np.maximum(values, _LEAST_VIEW_SD_M**2)
    kept: Array = np.einsum("nij,nj,nkj->nik", vectors, values, vectors)
    return kept
