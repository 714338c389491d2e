"""The vanishing point of a road: where its lane lines, kerbs and edges meet in the picture.

Line segments (LSD, Grompone von Gioi et al. 2010) vote for the point that most of their length runs towards (RANSAC
over pairs of segments); only what lies below that point, on the road, may vote.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

Array = NDArray[np.float64]
Image = NDArray[np.uint8]


class VanishingParams(BaseModel):
    """How lane lines are found and counted (lengths in px of a picture `width_px` wide).

    Attributes:
        width_px: pictures are made this wide first; lane lines need no more.
        shortest_px: shorter segments are texture.
        flattest_deg: segments nearer to the horizontal run across the road.
        aim_deg: a segment supports a point if it misses it by less than this.
        pairs: pairs of segments that propose a point.
        support_px: total length that must run towards the point.
        weaker_px: the part of it on the side with less; one side alone points anywhere along its line.
        pitch_deg: lowest and highest pitch believed.
        yaw_deg: largest yaw believed.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    width_px: int = Field(default=960, ge=160)
    shortest_px: float = Field(default=28.0, gt=0)
    flattest_deg: float = Field(default=12.0, ge=0, lt=60)
    aim_deg: float = Field(default=1.2, gt=0)
    pairs: int = Field(default=600, ge=10)
    support_px: float = Field(default=420.0, gt=0)
    weaker_px: float = Field(default=60.0, gt=0)
    pitch_deg: tuple[float, float] = (-12.0, 40.0)
    yaw_deg: float = Field(default=20.0, gt=0)


@dataclass(frozen=True, slots=True)
class VanishingPoint:
    """Where a frame's road lines meet.

    Attributes:
        x_px: px of the full frame, also outside of it.
        y_px: px of the full frame.
        support: length of the lines that agree, as a share of the frame's width.
    """

    x_px: float
    y_px: float
    support: float


def vanishing_point(
    frame: Image, focal_px: float, centre_px: tuple[float, float], params: VanishingParams | None = None
) -> VanishingPoint | None:
    """Find the vanishing point of the road in one frame.

    Args:
        frame: (height, width, 3) uint8 RGB.
        focal_px: focal length at the frame's size.
        centre_px: principal point (x, y), px.
        params: how lines are found and counted.

    Returns:
        The point, or None where too few lines agree.
    """
    params = params or VanishingParams()
    scale = params.width_px / frame.shape[1]
    segments = _segments(frame, scale, params)
    if len(segments) < 4:
        return None
    middle, focal = np.array(centre_px) * scale, focal_px * scale
    candidates = _believable(_proposals(segments, params.pairs), middle, focal, params)
    if not len(candidates):
        return None
    scores = np.array([_support(segments, c, params.aim_deg).sum() for c in candidates])
    best = candidates[int(np.argmax(scores))]
    for _ in range(4):
        best = _refined(segments, best, params.aim_deg)
    weight = _support(segments, best, params.aim_deg)
    lower = np.where((segments[:, 1] > segments[:, 3])[:, None], segments[:, :2], segments[:, 2:])
    left = lower[:, 0] < best[0]
    weaker = min(weight[left].sum(), weight[~left].sum())
    if weight.sum() < params.support_px or weaker < params.weaker_px:
        return None
    return VanishingPoint(float(best[0] / scale), float(best[1] / scale), float(weight.sum() / params.width_px))


def _segments(frame: Image, scale: float, params: VanishingParams) -> Array:
    """(n, 4) float64 segments x1, y1, x2, y2 in corner px of the shrunken frame, long and steep enough."""
    grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
    size = (params.width_px, max(1, round(frame.shape[0] * scale)))
    small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    found = cv2.createLineSegmentDetector(cv2.LSD_REFINE_STD).detect(small)[0]
    if found is None:
        return np.empty((0, 4))
    segments = np.asarray(found, np.float64).reshape(-1, 4) + 0.5
    dx, dy = np.abs(segments[:, 2] - segments[:, 0]), np.abs(segments[:, 3] - segments[:, 1])
    kept = (np.hypot(dx, dy) >= params.shortest_px) & (dy > np.tan(np.radians(params.flattest_deg)) * dx)
    return np.asarray(segments[kept], np.float64)


def _proposals(segments: Array, pairs: int) -> Array:
    """(m, 2) float64 intersections of pairs of segments, long segments drawn more often."""
    length = np.hypot(segments[:, 2] - segments[:, 0], segments[:, 3] - segments[:, 1])
    # Seeded by the segments' own number: the same frame gives the same point on any machine and in any order.
    rng = np.random.default_rng(len(segments))
    drawn = rng.choice(len(segments), (pairs, 2), p=length / length.sum())
    lines = np.cross(_homogeneous(segments[:, :2]), _homogeneous(segments[:, 2:]))
    meet = np.cross(lines[drawn[:, 0]], lines[drawn[:, 1]])
    meet = meet[np.abs(meet[:, 2]) > 1e-6 * np.abs(meet).max(axis=1)]
    return np.asarray(meet[:, :2] / meet[:, 2:], np.float64)


def _believable(points: Array, middle: Array, focal: float, params: VanishingParams) -> Array:
    pitch = np.degrees(np.arctan((middle[1] - points[:, 1]) / focal))
    yaw = np.degrees(np.arctan((middle[0] - points[:, 0]) / focal))
    low, high = params.pitch_deg
    return np.asarray(points[(pitch > low) & (pitch < high) & (np.abs(yaw) < params.yaw_deg)], np.float64)


def _support(segments: Array, point: Array, aim_deg: float) -> Array:
    """(n,) float64 length of each segment that runs towards the point from below, 0 for all others."""
    a, b = segments[:, :2], segments[:, 2:]
    along, to_point = b - a, point - (a + b) / 2
    length, distance = np.hypot(*along.T), np.hypot(*to_point.T)
    off = np.abs(along[:, 0] * to_point[:, 1] - along[:, 1] * to_point[:, 0]) / np.maximum(length * distance, 1e-9)
    below = np.minimum(a[:, 1], b[:, 1]) > point[1] + 4
    return np.where(below & (off < np.sin(np.radians(aim_deg))), length, 0.0)


def _refined(segments: Array, point: Array, aim_deg: float) -> Array:
    """The point nearest to all supporting lines, each by its length and its angular accuracy."""
    weight = _support(segments, point, aim_deg)
    chosen = weight > 0
    if chosen.sum() < 2:
        return point
    a, b = segments[chosen, :2], segments[chosen, 2:]
    along = (b - a) / weight[chosen, None]
    normal = np.column_stack([-along[:, 1], along[:, 0]])
    distance = np.maximum(np.hypot(*((a + b) / 2 - point).T), 20.0)
    # An end of a segment is known to about a pixel: its line misses by distance / length of that.
    w = (weight[chosen] / distance)[:, None]
    solution, _, rank, _ = np.linalg.lstsq(normal * w, (normal * a).sum(1) * w[:, 0], rcond=1e-6)
    return np.asarray(solution, np.float64) if rank == 2 else point


def _homogeneous(points: Array) -> Array:
    return np.column_stack([points, np.ones(len(points))])
