"""Which true defect each feature shows, by its boxes in the pictures.

Places cannot tell a second feature of one hole from a patch three metres beside it: the track's error is as large.
Pictures can: a feature shows the true defect that its boxes lie on.
"""

from __future__ import annotations

import geopandas as gpd
import numpy as np
import pandas as pd

from pipelines.road.classes import family_of
from pipelines.road.sightings import Array

Figure = float | int | None

# Far boxes are a few pixels high, and a detector's edge is off by two.
_SAME_IOU = 0.3
# A feature most of whose boxes lie elsewhere shows something else.
_LEAST_SHARE = 1 / 3
_BOX = ["x1", "y1", "x2", "y2"]


def score_in_pictures(
    defects: gpd.GeoDataFrame, observations: pd.DataFrame, truth_boxes: pd.DataFrame
) -> dict[str, Figure]:
    """Measure a list by what its boxes lie on.

    Args:
        defects: `uuid`, `class`, and `listed` where not all rows are.
        observations: `frame`, the box in px of the full frame, and `defect`, the uuid of the feature it belongs to.
        truth_boxes: `frame`, `damage`, `class` and the box of every true defect in every frame.

    Returns:
        Of the rows listed: `shown_precision` (share that shows a true defect), `shown_right` (and is of its family of
        classes), `shown_features_per_defect`, and `shown_kept_apart`: of the true defects that some box shows, those
        with a feature of their own, listed or not. None where a figure has no cases.
    """
    listed = defects[defects["listed"].astype(bool)] if "listed" in defects.columns else defects
    on = true_of_boxes(observations, truth_boxes)
    shown = _shown(observations["defect"], on)
    of_row = shown.reindex(listed["uuid"]).fillna("").to_numpy(object)
    true = of_row != ""
    kind = truth_boxes.drop_duplicates("damage").set_index("damage")["class"].map(family_of)
    right = np.array([family_of(c) == kind.get(d) for c, d in zip(listed["class"], of_row, strict=True)], bool)
    boxed = set(on[(on != "") & (observations["defect"] != "")])
    return {
        "shown_precision": float(true.mean()) if len(listed) else None,
        "shown_right": float(right.mean()) if len(listed) else None,
        "shown_features_per_defect": float(true.sum() / len(set(of_row[true]))) if true.any() else None,
        "shown_kept_apart": len(boxed & set(shown)) / len(boxed) if boxed else None,
    }


def true_of_boxes(observations: pd.DataFrame, truth_boxes: pd.DataFrame) -> pd.Series[str]:
    """The true defect that each box lies on, "" for none: the one it covers best.

    Args:
        observations: `frame` and boxes.
        truth_boxes: `frame`, `damage` and boxes.

    Returns:
        A series indexed as the observations.
    """
    left = observations[["frame", *_BOX]].assign(row=np.arange(len(observations)))
    pairs = left.merge(truth_boxes[["frame", "damage", *_BOX]], on="frame", suffixes=("", "_true"))
    pairs["iou"] = _iou(pairs[_BOX].to_numpy(np.float64), pairs[[f"{edge}_true" for edge in _BOX]].to_numpy(np.float64))
    best = pairs[pairs["iou"] >= _SAME_IOU].sort_values(["row", "iou", "damage"], ascending=[True, False, True])
    best = best.drop_duplicates("row")
    on = np.full(len(observations), "", object)
    on[best["row"].to_numpy()] = best["damage"].to_numpy()
    return pd.Series(on, index=observations.index)


def _shown(defect: pd.Series[str], on: pd.Series[str]) -> pd.Series[str]:
    """By feature, the true defect that most of its boxes lie on; features that show none are left out."""
    boxes = pd.DataFrame({"defect": defect.to_numpy(object), "true": on.to_numpy(object)})
    boxes = boxes[boxes["defect"].fillna("") != ""]
    count = boxes.groupby(["defect", "true"], sort=True).size().rename("n").reset_index()
    whole = count.groupby("defect")["n"].sum()
    count = count[count["true"] != ""]
    count = count[count["n"] >= _LEAST_SHARE * whole.loc[count["defect"]].to_numpy()]
    ranked = count.sort_values(["defect", "n", "true"], ascending=[True, False, True]).drop_duplicates("defect")
    return pd.Series(ranked["true"].to_numpy(object), index=ranked["defect"].to_numpy(object))


def _iou(a: Array, b: Array) -> Array:
    """(n,) float64: intersection over union of boxes, pair by pair."""
    sides = np.maximum(np.minimum(a[:, 2:], b[:, 2:]) - np.maximum(a[:, :2], b[:, :2]), 0.0)
    shared = sides.prod(axis=1)
    area = (a[:, 2:] - a[:, :2]).prod(axis=1) + (b[:, 2:] - b[:, :2]).prod(axis=1) - shared
    return np.asarray(shared / np.maximum(area, 1e-9), np.float64)
