"""From boxes in an orthophoto's pixels to crowns on the map."""

import uuid
from typing import Final

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray

from geo.raster import Grid
from models.card import ModelCard
from models.detections import Detections

__all__ = ["SEEN_BY", "crown_frame", "crown_id"]

Floats = NDArray[np.float64]

SEEN_BY: Final = ("image", "both", "chm")
"""What shows a crown: the orthophoto, orthophoto and height model, the height model alone."""

_CORNERS: Final = 24
_AT_ONCE: Final = 5_000
_HOUSE: Final = uuid.UUID("b1d1f0f4-54a3-5f0e-9a53-6e1d3f1b9b0e")


def crown_frame(boxes: Detections, grid: Grid, card: ModelCard) -> gpd.GeoDataFrame:
    """Crowns in the orthophoto's plane CRS, from north to south and west to east.

    A crown is the ellipse inside its box; its diameter is the mean of the box's sides, measured on the ground.

    Args:
        boxes: grid pixels.
        grid: their frame.
        card: of the model that saw them.

    Returns:
        `uuid`, `class`, `score`, `crown_diameter_m`, `area_m2`, `seen_by`, `counted`, `top_x_m`, `top_y_m`, polygon.
    """
    xyxy = boxes.xyxy.astype(np.float64)
    centre, half = (xyxy[:, :2] + xyxy[:, 2:]) / 2, (xyxy[:, 2:] - xyxy[:, :2]) / 2
    turn = np.linspace(0, 2 * np.pi, _CORNERS, endpoint=False)
    # A polygon inscribed in an ellipse is smaller than it: widened so that the areas agree.
    swell = np.sqrt(2 * np.pi / (_CORNERS * np.sin(2 * np.pi / _CORNERS)))
    circle = swell * np.column_stack([np.cos(turn), np.sin(turn)])
    middle = grid.to_plane(centre)
    shapes = np.empty(len(boxes), object)
    for start in range(0, len(boxes), _AT_ONCE):  # corners of 200,000 crowns and all that they pass through are 400 MB
        some = slice(start, start + _AT_ONCE)
        corners = centre[some, None, :] + half[some, None, :] * circle
        shapes[some] = shapely.polygons(grid.to_plane(corners.reshape(-1, 2)).reshape(-1, _CORNERS, 2))
    by_class = zip(card.class_names, card.score_thresholds, strict=True)
    limit = np.array([card.thresholds.count.get(name, score) for name, score in by_class])
    frame = gpd.GeoDataFrame(
        {
            "class": np.array(card.class_names, object)[boxes.class_id],
            "score": boxes.score.astype(np.float64),
            "crown_diameter_m": (2 * half * np.array(grid.pixel_m)).mean(axis=1),
            "area_m2": shapely.area(shapes),
            "seen_by": np.full(len(boxes), "image", object),
            "counted": boxes.score >= limit.astype(np.float32)[boxes.class_id],
            "top_x_m": middle[:, 0],
            "top_y_m": middle[:, 1],
        },
        geometry=shapes,
        crs=grid.ortho.plane,
    )
    frame = frame.iloc[np.lexsort((frame["score"], middle[:, 0], -middle[:, 1]))].reset_index(drop=True)
    frame.insert(0, "uuid", crown_id(frame))
    return frame


def crown_id(crowns: gpd.GeoDataFrame) -> list[str]:
    """A UUID a crown, of its place to the decimetre and its size: the same whenever the same is found again."""
    middle = shapely.get_coordinates(shapely.centroid(crowns.geometry.to_numpy()))
    keys = np.column_stack([np.rint(10 * middle), np.rint(100 * crowns["area_m2"].to_numpy())]).astype(np.int64)
    code = crowns.crs.to_epsg()
    return [str(uuid.uuid5(_HOUSE, f"{code} {x} {y} {area}")) for x, y, area in keys.tolist()]
