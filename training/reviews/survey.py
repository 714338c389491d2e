"""An edited road survey as reviews: what people set in QGIS says what the boxes of each defect were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from geo.errors import LayerError
from geo.geopackage import last_change, read_layer
from geo.status import FIRST, VALUES, status_of
from training.errors import ReviewError
from training.reviews.lines import Corrections
from training.road import CRACKS
from training.sources.boxes import Box

__all__ = ["Note", "read_survey"]

REAL = {"accepted", "planned", "assigned", "in_progress", "deferred", "done", "verified"}
"""States that nobody sets on what is no damage. `reopened` is none of them: surveys write it themselves."""
REJECTED = "rejected"
REACH_M = 3.0
"""Boxes farther from a defect are not taken for its own where the survey does not say whose they are."""
CLEARLY = 2.0
"""The next defect must be this many times as far away."""
Note = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Edit:
    """Whose word it is: the file's name, and when its layer was last changed, ISO 8601 in UTC."""

    by: str
    when: str


def read_survey(path: Path, note: Note | None = None) -> list[Corrections]:
    """What an edited road GeoPackage says about the boxes that its survey drew.

    A defect whose `status` is `rejected` is no damage of any class: so say all its boxes. One in a state that only real
    damage gets is what its `class` says. A `class` that a person wrote holds whatever the status. All other boxes were
    reviewed by nobody, and so were those of a defect whose state and class are as the survey itself wrote them, though
    it had them from an earlier one: nobody looked at the new frames. All is taken to be said when the layer was last
    changed, as the GeoPackage keeps it.

    Args:
        path: the GeoPackage.
        note: called with a line for each thing that says nothing and was perhaps meant to.

    Raises:
        ReviewError: when the layers `defects` or `observations` are not there, or lack a column.
    """
    try:
        defects, boxes = read_layer(path, "defects"), read_layer(path, "observations")
    except LayerError as error:
        raise ReviewError("this is no road survey", where=path, remedy="Name the road.gpkg of a survey.") from error
    for frame, columns in ((defects, ("uuid", "class", "status")), (boxes, ("frame", "class", "x1", "y1", "x2", "y2"))):
        lacking = [column for column in columns if column not in frame.columns]
        if lacking:
            raise ReviewError(f"the survey has no column {', '.join(lacking)}", where=path)
    owner, told = _owners(defects, boxes)
    verdicts = _verdicts(_edits(defects, boxes, np.where(told, owner, -1)))
    if note is not None:
        for line in _notes(defects):
            note(f"{path.name}: {line}")
    edit = _Edit(path.name, last_change(path, "defects"))
    return [
        _correction(row, verdicts[at] if at >= 0 else None, edit) for row, at in zip(_rows(boxes), owner, strict=True)
    ]


def _owners(defects: pd.DataFrame, boxes: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The row of the defect that each box shows, -1 where that is not clear; and whether the survey itself tells it."""
    of_uuid = {str(uuid): row for row, uuid in enumerate(defects["uuid"])}
    owner = np.full(len(boxes), -1, np.int64)
    of_none = np.zeros(len(boxes), bool)
    if "defect" in boxes.columns:
        said = boxes["defect"].fillna("").astype(str)
        owner = np.array([of_uuid.get(one, -1) for one in said], np.int64)
        of_none = (said == "").to_numpy(bool)
    # Boxes of older results do not know the uuid that their defect has from an earlier survey: those go by place. Where
    # others are known by theirs, a defect that is not there was deleted, and says nothing of what it was.
    told = owner >= 0
    lost = ~told & ~of_none & ~told.any()
    if lost.any() and len(defects) and {"x_m", "y_m"} <= set(boxes.columns):
        owner[lost] = _nearest(defects, boxes[lost])
    return owner, told


def _nearest(defects: pd.DataFrame, boxes: pd.DataFrame) -> NDArray[np.int64]:
    there = shapely.get_coordinates(defects.geometry.to_numpy())
    seen = boxes[["x_m", "y_m"]].to_numpy(np.float64, na_value=np.nan)
    away = np.hypot(*(seen[:, None, axis] - there[None, :, axis] for axis in (0, 1)))
    kinds = [np.array([_kind(name) for name in frame["class"].astype(str)]) for frame in (boxes, defects)]
    away = np.where(kinds[0][:, None] == kinds[1][None, :], np.nan_to_num(away, nan=np.inf), np.inf)
    order = np.argsort(away, axis=1)
    first = np.take_along_axis(away, order[:, :1], axis=1)[:, 0]
    second = np.take_along_axis(away, order[:, 1:2], axis=1)[:, 0] if len(there) > 1 else np.full(len(seen), np.inf)
    clear = (first <= REACH_M) & (second >= CLEARLY * first)
    return np.where(clear, order[:, 0], -1)


def _kind(name: str) -> str:
    """Cracks change their type as the vehicle nears them; a pothole is never the crack beside it."""
    return "crack" if name in CRACKS else name


def _edits(defects: pd.DataFrame, boxes: pd.DataFrame, owner: NDArray[np.int64]) -> pd.DataFrame:
    """By defect: its `state` and `class` as they are, and whether a person has `set` the one and `called` it the other.

    Args:
        defects: the edited layer.
        boxes: the observations.
        owner: the row of the defect that the survey itself says each box shows, -1 where it does not: in results that
            do not keep the class they wrote, it is only known to be rewritten where all the boxes it was voted from
            are known, and none of them has it.
    """
    said = pd.DataFrame({"state": _states(defects["status"]), "class": _names(defects["class"])})
    if {"status_written", "class_written"} <= set(defects.columns):
        said["set"] = said["state"] != _states(defects["status_written"])
        said["called"] = said["class"] != _names(defects["class_written"])
        return said
    # What such results have from an earlier survey may be set or only carried over.
    again = pd.to_numeric(defects["n_surveys"], errors="coerce") > 1 if "n_surveys" in defects.columns else False
    said["set"] = (said["state"] != FIRST) & ~np.asarray(again)
    seen = _names(boxes["class"])
    of = [set(seen[owner == row]) for row in range(len(defects))]
    said["called"] = [bool(some) and name not in some for name, some in zip(said["class"], of, strict=True)]
    return said


def _verdicts(edits: pd.DataFrame) -> list[tuple[str, str] | None]:
    """By defect: ("reject", ""), ("accept", class), or None where nobody said anything."""
    verdicts: list[tuple[str, str] | None] = []
    for state, name, is_set, called in edits[["state", "class", "set", "called"]].itertuples(index=False):
        if state == REJECTED and is_set:
            verdicts.append(("reject", ""))
        elif name and state != REJECTED and (called or (is_set and state in REAL)):
            verdicts.append(("accept", name))
        else:
            verdicts.append(None)
    return verdicts


def _notes(defects: pd.DataFrame) -> list[str]:
    """What people wrote that says nothing of a defect's boxes, and was perhaps meant to."""
    states = Counter(one for one in _states(defects["status"]) if one not in VALUES)
    known = f"known: {', '.join(VALUES)}"
    notes = [
        f"the state {one!r} of {n} defects is none we know, and says nothing ({known})" for one, n in states.items()
    ]
    empty = _names(defects["class"]) == ""
    return notes + [
        f"the defect {uuid} has no class, and accepts nothing" for uuid in defects["uuid"][empty].astype(str)
    ]


def _states(column: pd.Series[Any]) -> NDArray[np.object_]:
    return np.array([status_of(one) for one in column], object)


def _names(column: pd.Series[Any]) -> NDArray[np.object_]:
    return np.array(["" if pd.isna(one) else str(one).strip() for one in column], object)


def _rows(boxes: pd.DataFrame) -> Sequence[tuple[str, str, Box]]:
    corners = boxes[["x1", "y1", "x2", "y2"]].to_numpy(np.float64)
    pairs = zip(boxes["frame"].astype(str), boxes["class"].astype(str), corners.tolist(), strict=True)
    return [(frame, name, (box[0], box[1], box[2], box[3])) for frame, name, box in pairs]


def _correction(row: tuple[str, str, Box], verdict: tuple[str, str] | None, edit: _Edit) -> Corrections:
    frame, name, box = row
    if verdict is None:
        return Corrections(frame, None, (box,), name)
    said, as_class = verdict
    if said == "reject":
        return Corrections(frame, "reject", (box,), None, edit.by, edit.when)
    if as_class == name:
        return Corrections(frame, "accept", (box,), name, edit.by, edit.when)
    return Corrections(frame, "fix", (box,), as_class, edit.by, edit.when, name)
