"""Things painted on the road: a small picture with a place, a heading and a size in metres.

A decal's rows run across its picture from far to near and its columns from left to right, seen along its heading.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import Polygon

from pipelines.sample.textures import Field, Image, noise_cut

Array = NDArray[np.float64]

DECAL_RESOLUTION_M = 0.005


@dataclass(frozen=True)
class Decal:
    """One picture lying on the road.

    Attributes:
        xy_m: centre in the plane CRS.
        heading_rad: direction of its upper edge, clockwise from grid north.
        rgba: (rows, columns, 4) uint8, straight alpha.
        metres_per_px: size of its pixels.
        depth_m: (rows, columns) float32 depth below the road, for holes; None for what is flat.
    """

    xy_m: tuple[float, float]
    heading_rad: float
    rgba: Image = field(repr=False)
    metres_per_px: float = DECAL_RESOLUTION_M
    depth_m: Field | None = field(default=None, repr=False)

    @cached_property
    def to_map(self) -> Array:
        """(3, 3) float64: from picture corners (column, row, 1) to plane metres (east, north, 1)."""
        rows, columns = self.rgba.shape[:2]
        c, s, r = np.cos(self.heading_rad), np.sin(self.heading_rad), self.metres_per_px
        east = [r * c, -r * s, self.xy_m[0] - r * (c * columns - s * rows) / 2]
        north = [-r * s, -r * c, self.xy_m[1] + r * (s * columns + c * rows) / 2]
        return np.array([east, north, [0.0, 0.0, 1.0]])

    def placed(self, px: Array) -> Array:
        """(n, 2) float64 plane metres of picture corners (n, 2)."""
        return px @ self.to_map[:2, :2].T + self.to_map[:2, 2]

    @cached_property
    def footprint(self) -> Polygon:
        """The picture's own rectangle on the map."""
        rows, columns = self.rgba.shape[:2]
        return Polygon(self.placed(np.array([[0.0, 0], [columns, 0], [columns, rows], [0, rows]])))

    @cached_property
    def levels(self) -> dict[tuple[int, int], Image]:
        """Shrunken copies by (halvings along, halvings across), filled as they are asked for."""
        return {(0, 0): premultiplied(self.rgba)}

    def shrunk(self, along: int, across: int) -> Image:
        """The premultiplied picture, halved `along` times in its rows and `across` times in its columns."""
        rows, columns = self.rgba.shape[:2]
        key = (min(along, max(0, rows.bit_length() - 2)), min(across, max(0, columns.bit_length() - 2)))
        if key not in self.levels:
            size = (max(1, round(columns / 2 ** key[1])), max(1, round(rows / 2 ** key[0])))
            self.levels[key] = np.asarray(cv2.resize(self.levels[0, 0], size, interpolation=cv2.INTER_AREA), np.uint8)
        return self.levels[key]


def premultiplied(rgba: Image) -> Image:
    """Colours times alpha, so that averaging neighbours does not bleed the transparent ones' colour."""
    alpha = rgba[..., 3:].astype(np.float32) / 255
    return np.dstack([np.rint(rgba[..., :3] * alpha), rgba[..., 3:]]).astype(np.uint8)


def outline(mask: Image, decal: Decal, *, simplify_m: float = 0.01) -> Polygon:
    """The map polygon around a mask of a decal: every part of it, convex hull where it is in pieces.

    Args:
        mask: (rows, columns) uint8, non-zero where the damage is.
        decal: the decal of the same size.
        simplify_m: how far the outline may leave the pixels.
    """
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    points = [c[:, 0, :].astype(np.float64) + 0.5 for c in contours]
    if len(points) == 1 and len(points[0]) >= 4:
        shape = Polygon(decal.placed(points[0])).buffer(decal.metres_per_px / 2)
        return shapely.simplify(shape, simplify_m)
    hull = shapely.MultiPoint(decal.placed(np.vstack(points))).convex_hull
    return shapely.simplify(hull.buffer(decal.metres_per_px / 2), simplify_m)


def soft_shape(rng: np.random.Generator, rows: int, columns: int, *, rough: float, slope: float = 1.4) -> Field:
    """(rows, columns) float32: about 1 in the middle, 0 on an irregular outline, negative outside of it."""
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    radius = np.hypot((x + 0.5) / columns * 2 - 1, (y + 0.5) / rows * 2 - 1) / 0.8
    n = 1 << max(5, int(max(rows, columns) - 1).bit_length())
    ragged = noise_cut(rng, (n, n), slope, smallest_px=2)[:rows, :columns]
    return np.asarray(1 - radius + rough * ragged, np.float32)


def flat_patch(rng: np.random.Generator, size_m: tuple[float, float], shade: float, opacity: float) -> Image:
    """A rectangular repair of another tarmac with a dark sealed joint around it.

    Args:
        rng: source of randomness.
        size_m: along and across.
        shade: its grey, 0 to 255.
        opacity: how far it hides what is below.
    """
    rows, columns = (round(v / DECAL_RESOLUTION_M) for v in size_m)
    n = 1 << int(max(rows, columns) - 1).bit_length()
    grain = noise_cut(rng, (n, n), 0.2, smallest_px=2)[:rows, :columns]
    grey = shade * (1 + 0.10 * grain)
    alpha = np.full((rows, columns), 255 * opacity, np.float32)
    edge = np.zeros((rows, columns), np.uint8)
    cv2.rectangle(edge, (3, 3), (columns - 4, rows - 4), 255, 5)
    sealed = (edge > 0) & (noise_cut(rng, (n, n), 1.0, smallest_px=4)[:rows, :columns] > -0.9)
    grey[sealed], alpha[sealed] = shade * 0.55, 190
    return _grey_rgba(grey, alpha)


def stain(rng: np.random.Generator, size_m: tuple[float, float], shade: float, opacity: float) -> Image:
    """A soft blot: oil, damp or spilt cement."""
    rows, columns = (max(8, round(v / 0.01)) for v in size_m)
    shape = soft_shape(rng, rows, columns, rough=0.22)
    return _grey_rgba(np.full((rows, columns), shade, np.float32), 255 * opacity * np.clip(shape * 1.6, 0, 1))


def manhole(rng: np.random.Generator, diameter_m: float) -> Image:
    """An iron cover: a ring, a pattern of knobs, and tarmac dark around it."""
    n = round(diameter_m * 1.25 / DECAL_RESOLUTION_M)
    y, x = np.mgrid[0:n, 0:n].astype(np.float32)
    radius = np.hypot(x + 0.5 - n / 2, y + 0.5 - n / 2) / (n / 2 / 1.25)
    knobs = np.sin(x * 0.42) * np.sin(y * 0.42)
    grey = 96 + 22 * np.clip(knobs * 2, -1, 1) + 6 * rng.standard_normal((n, n)).astype(np.float32)
    grey[(radius > 0.86) & (radius < 0.9)] = 48
    grey[(radius > 0.96) & (radius < 1.02)] = 42
    alpha = np.where(radius < 1.02, 255, np.clip((1.25 - radius) / 0.23, 0, 1) * 90)
    grey[radius >= 1.02] = 60
    return _grey_rgba(grey, alpha)


def shadow_of_foliage(rng: np.random.Generator, size_m: tuple[float, float], opacity: float) -> Image:
    """The dappled shadow of a tree's crown."""
    rows, columns = (round(v / 0.03) for v in size_m)
    n = 1 << int(max(rows, columns) - 1).bit_length()
    holes = noise_cut(rng, (n, n), 1.1, smallest_px=5)[:rows, :columns]
    body = np.clip(soft_shape(rng, rows, columns, rough=0.3) * 4, 0, 1)
    leaves = np.clip(0.75 + 0.9 * holes, 0, 1)
    return _grey_rgba(np.full((rows, columns), 12, np.float32), 255 * opacity * body * leaves)


def _grey_rgba(grey: Field, alpha: Field) -> Image:
    grey8, alpha8 = (np.clip(np.rint(v), 0, 255).astype(np.uint8) for v in (grey, alpha))
    return np.ascontiguousarray(np.dstack([grey8, grey8, grey8, alpha8]))
