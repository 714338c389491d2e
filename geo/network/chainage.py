"""Linear referencing: chainage along a line, offset across it (right positive), and back to the map."""

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.network.values import Floats

Lines = NDArray[Any]
"""object (n,) of shapely LineString, coordinates x east, y north in metres."""

_TANGENT_STEP_M = 1e-3


def tangent(lines: Lines, chainage_m: Floats) -> Floats:
    """Unit vectors (n, 2) east, north along the lines at the chainages, pointing towards growing chainage.

    At a vertex it is the mean of the two directions.
    """
    length = shapely.length(lines)
    ahead = np.minimum(chainage_m + _TANGENT_STEP_M, length)
    behind = np.maximum(np.minimum(chainage_m, length) - _TANGENT_STEP_M, 0.0)
    step = _xy(shapely.line_interpolate_point(lines, ahead)) - _xy(shapely.line_interpolate_point(lines, behind))
    norm = np.hypot(step[:, 0], step[:, 1])
    return np.asarray(step / np.where(norm > 0, norm, np.nan)[:, None], dtype=np.float64)


def heading_deg(lines: Lines, chainage_m: Floats) -> Floats:
    """Direction of the lines at the chainages, degrees clockwise from grid north, 0 ≤ h < 360."""
    along = tangent(lines, chainage_m)
    return np.asarray(np.degrees(np.arctan2(along[:, 0], along[:, 1])) % 360.0, dtype=np.float64)


def undirected_diff_deg(a_deg: Floats, b_deg: Floats) -> Floats:
    """Smallest angle between two headings when a road may be driven either way, 0 to 90 degrees."""
    return np.abs((np.asarray(a_deg) - b_deg + 90.0) % 180.0 - 90.0)


def project(lines: Lines, xy_m: Floats) -> tuple[Floats, Floats, Floats]:
    """Linear reference of places on lines, pairwise.

    Args:
        lines: object (n,) of LineString.
        xy_m: float64 (n, 2) x east, y north.

    Returns:
        chainage_m (n,), offset_m (n,) right positive, and overshoot_m (n,): how far a place lies beyond the end of
        its line, measured along it, 0 for places beside the line. Beyond an end the offset is the part across the line.
    """
    chainage = np.asarray(shapely.line_locate_point(lines, shapely.points(xy_m)), dtype=np.float64)
    away = xy_m - _xy(shapely.line_interpolate_point(lines, chainage))
    along = tangent(lines, chainage)
    across = along[:, 1] * away[:, 0] - along[:, 0] * away[:, 1]
    ahead = np.sum(along * away, axis=1)
    length = shapely.length(lines)
    overshoot = np.where(chainage >= length, np.maximum(ahead, 0.0), 0.0)
    overshoot = np.where(chainage <= 0.0, np.maximum(-ahead, 0.0), overshoot)
    distance = np.copysign(np.hypot(away[:, 0], away[:, 1]), across)
    return chainage, np.where(overshoot > 0, across, distance), overshoot


def place(lines: Lines, chainage_m: Floats, offset_m: Floats) -> Floats:
    """Map position (n, 2) x east, y north of chainage and offset (right positive) on lines, pairwise."""
    along = tangent(lines, chainage_m)
    right = np.column_stack([along[:, 1], -along[:, 0]])
    foot = _xy(shapely.line_interpolate_point(lines, chainage_m))
    return np.asarray(foot + right * np.asarray(offset_m)[:, None], dtype=np.float64)


def _xy(points: NDArray[Any]) -> Floats:
    return np.column_stack([shapely.get_x(points), shapely.get_y(points)])
