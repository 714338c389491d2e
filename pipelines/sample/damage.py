"""Road damage at known places: cracks and potholes with their true outlines.

Classes are those of RDD2022 (Arya et al. 2022): D00 longitudinal, D10 transverse, D20 alligator crack, D40 pothole.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Voronoi
from shapely.geometry import Polygon

from pipelines.sample.decals import DECAL_RESOLUTION_M, Decal, outline, soft_shape
from pipelines.sample.textures import Field, Image, noise_cut

Array = NDArray[np.float64]

_SHIFT = 4  # cv2's fixed-point bits: lines keep their sub-pixel place


@dataclass(frozen=True, slots=True)
class Damage:
    """One true damage.

    Attributes:
        key: stable name.
        class_: D00, D10, D20 or D40.
        s_m: distance along the driven path of its centre, first pass.
        right_m: offset from the street's centre line.
        outline: what a person would draw around it, in the plane CRS.
        decal: how it looks.
    """

    key: str
    class_: str
    s_m: float
    right_m: float
    outline: Polygon
    decal: Decal


@dataclass(frozen=True, slots=True)
class Sun:
    """Where light comes from: the direction towards it, and how much of the light is direct."""

    azimuth_rad: float
    elevation_rad: float
    direct: float = 0.65


@dataclass(frozen=True, slots=True)
class Place:
    """A decal's centre on the map and the street's heading there."""

    xy_m: tuple[float, float]
    heading_rad: float


def crack_line(rng: np.random.Generator, start: Array, stop: Array, wander: float) -> Array:
    """A fracture between two points by midpoint displacement.

    Args:
        rng: source of randomness.
        start: (2,) float64.
        stop: (2,) float64.
        wander: displacement at the coarsest scale, as a share of the length; it falls by 0.56 a halving.

    Returns:
        (n, 2) float64.
    """
    line = np.vstack([start, stop])
    amplitude = wander * float(np.linalg.norm(stop - start))
    while amplitude > 0.5 and len(line) < 700:
        middle = (line[:-1] + line[1:]) / 2
        step = line[1:] - line[:-1]
        normal = np.column_stack([-step[:, 1], step[:, 0]]) / np.maximum(np.linalg.norm(step, axis=1), 1e-9)[:, None]
        middle += normal * rng.normal(0, amplitude, len(middle))[:, None]
        merged = np.empty((2 * len(line) - 1, 2))
        merged[::2], merged[1::2] = line, middle
        line, amplitude = merged, amplitude * 0.56
    return line


def linear_crack(
    rng: np.random.Generator, place: Place, class_: str, length_m: float, width_mm: float
) -> tuple[Decal, Polygon]:
    """A longitudinal (D00) or transverse (D10) crack with branches.

    Args:
        rng: source of randomness.
        place: its centre and the street's heading.
        class_: `D00` runs along the heading, `D10` across it.
        length_m: end to end.
        width_mm: opening of the main crack.
    """
    n, band = round(length_m / DECAL_RESOLUTION_M), round(max(0.5, 0.16 * length_m) / DECAL_RESOLUTION_M)
    ink = np.zeros((n + 40, band), np.float32)
    lean = rng.normal(0, 0.10) * band
    start, stop = np.array([band / 2 - lean, 20.0]), np.array([band / 2 + lean, n + 20.0])
    main = crack_line(rng, start, stop, min(0.05, 0.10 * band / n + 0.012))
    _trace(rng, ink, main, width_mm)
    for _ in range(rng.poisson(length_m * 0.9)):
        at = main[rng.integers(len(main))]
        reach = rng.uniform(0.12, 0.45) / DECAL_RESOLUTION_M
        angle = rng.choice([-1, 1]) * rng.uniform(0.3, 1.2) + rng.choice([0, np.pi])
        tip = at + reach * np.array([np.sin(angle), np.cos(angle)])
        _trace(rng, ink, crack_line(rng, at, tip, 0.12), width_mm * 0.55)
    ink = ink if class_ == "D00" else np.ascontiguousarray(ink.T)
    return _inked(rng, place, ink)


def alligator_crack(
    rng: np.random.Generator, place: Place, size_m: tuple[float, float], cell_m: float
) -> tuple[Decal, Polygon]:
    """A net of interconnected cracks over an irregular area (D20).

    Args:
        rng: source of randomness.
        place: its centre and the street's heading.
        size_m: along and across.
        cell_m: typical size of the pieces between cracks.
    """
    rows, columns = (round(v / DECAL_RESOLUTION_M) for v in size_m)
    body = soft_shape(rng, rows, columns, rough=0.20, slope=1.8)
    ink = np.zeros((rows, columns), np.float32)
    cell = cell_m / DECAL_RESOLUTION_M
    grid = np.stack(np.meshgrid(np.arange(-2, columns / cell + 2), np.arange(-2, rows / cell + 2)), axis=-1)
    seeds = (grid.reshape(-1, 2) + rng.uniform(-0.42, 0.42, (grid.size // 2, 2))) * cell * [0.85, 1.15]
    web = Voronoi(seeds)
    for a, b in web.ridge_vertices:
        if min(a, b) < 0 or rng.random() < 0.08:
            continue
        middle = (web.vertices[a] + web.vertices[b]) / 2
        column, row = np.clip(middle, 0, [columns - 1, rows - 1]).astype(int)
        strength = float(np.clip(body[row, column] * 2.5, 0, 1))
        if strength > 0.12 and (middle >= 0).all() and (middle < [columns, rows]).all():
            _trace(rng, ink, crack_line(rng, web.vertices[a], web.vertices[b], 0.09), 5 + 9 * strength * rng.random())
    ink *= np.clip(body * 8 + 0.6, 0, 1)
    crumbs = np.clip(soft_shape(rng, rows, columns, rough=0.55, slope=0.7) - 1.25, 0, 0.5) * (body > 0.1)
    tint = 0.16 * np.clip(body * 3, 0, 1)
    return _inked(rng, place, np.maximum(ink, crumbs), tint=tint)


def pothole(
    rng: np.random.Generator, place: Place, size_m: tuple[float, float], depth_m: float, sun: Sun
) -> tuple[Decal, Polygon]:
    """A bowl with a broken rim, its floor of loose stones lit by the sun (D40).

    Args:
        rng: source of randomness.
        place: its centre and the street's heading.
        size_m: along and across.
        depth_m: how deep the floor lies.
        sun: where light comes from.
    """
    margin = 0.30
    rows, columns = (round((v + 2 * margin) / DECAL_RESOLUTION_M) for v in size_m)
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    half = np.array(size_m) / 2 / DECAL_RESOLUTION_M
    n = 1 << int(max(rows, columns) - 1).bit_length()
    lobes, ragged = noise_cut(rng, (n, n), 2.0, smallest_px=20), noise_cut(rng, (n, n), 1.0, smallest_px=3)
    radius = np.hypot((x + 0.5 - columns / 2) / half[1], (y + 0.5 - rows / 2) / half[0])
    inside = 1 - radius + 0.16 * lobes[:rows, :columns] + 0.035 * ragged[:rows, :columns]
    wall = 0.035 / float(half.min() * DECAL_RESOLUTION_M)
    bowl = np.clip(inside / wall, 0, 1) * (0.72 + 0.28 * np.clip(inside * 1.5, 0, 1))
    stones = noise_cut(rng, (n, n), 0.5, smallest_px=5)[:rows, :columns]
    depth = np.asarray(depth_m * bowl - 0.007 * stones * (bowl > 0.5), np.float32)
    mask = (inside > 0.25 * wall).astype(np.uint8)
    light = _light(np.maximum(depth, 0), sun, place.heading_rad)
    dusty = rng.uniform(0, 1)
    floor = np.array([108, 100, 90]) * (0.62 + 0.55 * dusty)
    albedo = floor * (1 + 0.17 * stones + 0.10 * ragged[:rows, :columns])[..., None]
    albedo = np.where((bowl < 0.93)[..., None] & (mask > 0)[..., None], albedo * 0.72, albedo)
    broken = np.clip(1 + inside / (0.10 / float(half.min() * DECAL_RESOLUTION_M)), 0, 1) * (
        ragged[:rows, :columns] > 0.2
    )
    alpha = np.maximum(cv2.GaussianBlur(mask.astype(np.float32), (0, 0), 0.8), 0.45 * broken)
    albedo = np.where(mask[..., None] > 0, albedo, 70.0)
    rgb = np.clip(albedo * light[..., None], 4, 245)
    rgba = np.dstack([rgb, 255 * alpha]).astype(np.uint8)
    decal = Decal(place.xy_m, place.heading_rad, rgba, depth_m=np.where(mask > 0, np.maximum(depth, 0), 0))
    return decal, outline(_largest(mask), decal)


def _light(depth: Field, sun: Sun, heading_rad: float) -> Field:
    """Brightness of a hole's surface: Lambert's law, cast shadow, and less sky where it is deep."""
    relative = sun.azimuth_rad - heading_rad
    # Columns run right and rows run backward, seen along the heading.
    to_sun = np.array([np.sin(relative), -np.cos(relative)])
    steep = np.tan(sun.elevation_rad)
    slope_y, slope_x = np.gradient(cv2.GaussianBlur(depth, (0, 0), 1.2), DECAL_RESOLUTION_M)
    facing = (steep + slope_x * to_sun[0] + slope_y * to_sun[1]) / np.sqrt(1 + slope_x**2 + slope_y**2) / steep
    rows, columns = depth.shape
    x, y = np.meshgrid(np.arange(columns, dtype=np.float32), np.arange(rows, dtype=np.float32))
    shaded = np.zeros(depth.shape, bool)
    reach = float(depth.max()) / steep / DECAL_RESOLUTION_M
    for step in np.arange(1.0, reach + 1, 1.5):
        ahead = cv2.remap(
            depth,
            x + np.float32(step * to_sun[0]),
            y + np.float32(step * to_sun[1]),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REPLICATE,
        )
        shaded |= depth - ahead > step * DECAL_RESOLUTION_M * steep
    sunlit = cv2.GaussianBlur(np.where(shaded, 0.0, np.clip(facing, 0, 1.8)).astype(np.float32), (0, 0), 1.0)
    sky = 1 - 0.45 * cv2.GaussianBlur(depth, (0, 0), 6) / max(float(depth.max()), 1e-6)
    return np.asarray(sun.direct * sunlit + (1 - sun.direct) * sky, np.float32)


def _trace(rng: np.random.Generator, ink: Field, line: Array, width_mm: float) -> None:
    """Draw a crack into `ink` (0 to 1), its opening varying along it and closing at its tips."""
    n = len(line)
    smooth = np.convolve(rng.standard_normal(n + 16), np.ones(17) / 17, mode="valid")
    taper = np.minimum(1, np.minimum(np.arange(n), np.arange(n)[::-1]) / (0.1 * n + 1) + 0.35)
    width = np.maximum(0.5, width_mm / 1000 / DECAL_RESOLUTION_M * taper * (1 + 1.4 * smooth))
    stroke = np.zeros(ink.shape, np.uint8)
    points = np.rint((line - 0.5) * (1 << _SHIFT)).astype(int)
    for k in range(n - 1):
        opening = float(width[k])
        strength = int(255 * min(1.0, opening))
        cv2.line(stroke, points[k], points[k + 1], strength, max(1, round(opening)), cv2.LINE_AA, _SHIFT)
    np.maximum(ink, stroke.astype(np.float32) / 255, out=ink)


def _inked(rng: np.random.Generator, place: Place, ink: Field, tint: Field | None = None) -> tuple[Decal, Polygon]:
    """A decal of dark cracks from their ink, and the outline of what is inked."""
    rows, columns = ink.shape
    halo = cv2.GaussianBlur(ink, (0, 0), 3.0)
    alpha = np.clip(0.88 * ink + 0.35 * halo, 0, 0.93)
    if tint is not None:
        alpha = np.maximum(alpha, tint)
    grey = np.full((rows, columns), 34.0) + 5 * rng.standard_normal((rows, columns))
    rgba = np.dstack([grey, grey * 0.97, grey * 0.93, alpha * 255]).clip(0, 255).astype(np.uint8)
    decal = Decal(place.xy_m, place.heading_rad, rgba)
    joined = cv2.dilate((ink > 0.25).astype(np.uint8), np.ones((9, 9), np.uint8))
    return decal, outline(joined, decal, simplify_m=0.02)


def _largest(mask: Image) -> Image:
    """The largest connected part of a mask."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    if count <= 2:
        return mask
    return np.asarray(labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA])), np.uint8)
