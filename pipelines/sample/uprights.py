"""What stands beside the road: houses, walls, poles and trees, as flat pictures in space."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from pipelines.sample.decals import premultiplied, soft_shape
from pipelines.sample.textures import Image, noise_cut
from pipelines.sample.town import Path

Array = NDArray[np.float64]

_LEVELS = 5


@dataclass(frozen=True)
class Panel:
    """A flat picture in space: a parallelogram by its upper left corner and two edges.

    Attributes:
        corner_m: (3,) float64, east, north, up of the picture's upper left corner.
        across_m: (3,) float64, from the upper left to the upper right corner.
        down_m: (3,) float64, from the upper left to the lower left corner.
        rgba: (rows, columns, 4) uint8, straight alpha.
        faces_camera: whether it turns about its middle to face the camera, as a tree's picture does.
    """

    corner_m: Array
    across_m: Array
    down_m: Array
    rgba: Image = field(repr=False)
    faces_camera: bool = False

    @cached_property
    def centre_m(self) -> Array:
        """(3,) float64, middle of the panel."""
        return np.asarray(self.corner_m + (self.across_m + self.down_m) / 2, np.float64)

    @cached_property
    def levels(self) -> list[Image]:
        """Premultiplied picture and its halvings by area averaging."""
        levels = [premultiplied(self.rgba)]
        for _ in range(_LEVELS):
            rows, columns = levels[-1].shape[:2]
            size = (max(1, columns // 2), max(1, rows // 2))
            levels.append(np.asarray(cv2.resize(levels[-1], size, interpolation=cv2.INTER_AREA), np.uint8))
        return levels

    def seen_from(self, east: float, north: float) -> tuple[Array, Array, Array]:
        """Corner and edges as seen from a place; only panels that face the camera turn."""
        if not self.faces_camera:
            return self.corner_m, self.across_m, self.down_m
        away = self.centre_m[:2] - [east, north]
        away = away / max(float(np.hypot(*away)), 1e-6)
        width = float(np.hypot(*self.across_m[:2]))
        across = width * np.array([away[1], -away[0], 0.0])
        top = self.centre_m - self.down_m / 2
        return top - across / 2, across, self.down_m


def upright(start: Array, stop: Array, top_m: float, rgba: Image, *, faces_camera: bool = False) -> Panel:
    """A vertical panel that stands on a ground line, seen so that `start` is on its left."""
    corner = np.array([*start, top_m])
    across = np.array([*(np.asarray(stop) - np.asarray(start)), 0.0])
    return Panel(corner, across, np.array([0.0, 0.0, -top_m]), rgba, faces_camera)


def house(
    rng: np.random.Generator, path: Path, s_m: float, right_m: float, size: tuple[float, float, float]
) -> list[Panel]:
    """A plain house of two storeys: walls that can be seen from the road, and a pitched roof.

    Args:
        rng: source of randomness.
        path: the street's centre line.
        s_m: where along it the house begins.
        right_m: offset of its front, negative on the left.
        size: frontage, depth and height of the eaves, m.
    """
    frontage, deep, eaves = size
    side = np.sign(right_m)
    heading = path.heading_at(s_m)[0]
    along, out = np.array([np.sin(heading), np.cos(heading)]), side * np.array([np.cos(heading), -np.sin(heading)])
    near = path.at(s_m, right_m)[0]
    a, b, c, d = near, near + along * frontage, near + along * frontage + out * deep, near + out * deep
    colour = _wall_colour(rng)
    light, dim = 1.0, rng.uniform(0.6, 0.8)
    if side * np.sin(heading) > 0:
        light, dim = dim, light
    rise = float(rng.uniform(1.2, 2.2))
    front = facade(rng, frontage, eaves, colour * light)
    gable = _gabled(facade(rng, deep, eaves, colour * dim), colour * dim, rise / eaves)
    # Each is seen from outside only: its left end comes first.
    panels = [
        upright(b, a, eaves, front) if side > 0 else upright(a, b, eaves, front),
        upright(a, d, eaves + rise, gable) if side > 0 else upright(d, a, eaves + rise, gable),
        upright(c, b, eaves + rise, gable) if side > 0 else upright(b, c, eaves + rise, gable),
    ]
    return [*panels, _roof(rng, (b, a, c) if side > 0 else (a, b, d), eaves, rise)]


def _gabled(wall: Image, colour: Array, share: float) -> Image:
    """The wall with a triangle above it, `share` of its height."""
    rows, columns = round(len(wall) * share), wall.shape[1]
    top = _opaque(np.broadcast_to(colour, (rows, columns, 3)).astype(np.float64))
    from_middle = np.abs(np.linspace(-1, 1, columns))[None, :]
    top[..., 3] = np.where(np.linspace(0, 1, rows)[:, None] >= from_middle, 255, 0)
    return np.vstack([top, wall])


def _roof(rng: np.random.Generator, corners: tuple[Array, Array, Array], eaves: float, rise: float) -> Panel:
    """The slope that faces the street, with eaves that hang over."""
    a, b, d = corners
    tile = np.array([[70, 72, 78], [92, 62, 52], [58, 70, 84], [96, 92, 88]])[rng.integers(4)]
    over = 0.5
    along, out = b - a, (d - a) / 2
    unit_along, unit_out = along / np.linalg.norm(along), out / np.linalg.norm(out)
    corner = np.array([*(a + out - unit_along * over), eaves + rise])
    across = np.array([*(along + 2 * unit_along * over), 0.0])
    down = np.array([*(-out - unit_out * over), -rise - 0.1])
    rows, columns = 96, 160
    courses = 1 - 0.18 * (np.arange(rows) % 8 < 2)[:, None]
    rgb = tile * (courses * (1 + 0.05 * rng.standard_normal((rows, columns))))[..., None]
    return Panel(corner, across, down, _opaque(rgb))


def facade(rng: np.random.Generator, width_m: float, height_m: float, colour: Array) -> Image:
    """A wall with two rows of windows, streaks under them and a darker foot; 4 cm a pixel."""
    rows, columns = max(16, round(height_m / 0.04)), max(16, round(width_m / 0.04))
    n = 1 << int(max(rows, columns) - 1).bit_length()
    base = 1 + 0.03 * noise_cut(rng, (n, n), 1.2)[:rows, :columns] + 0.02 * rng.standard_normal((rows, columns))
    if rng.random() < 0.5:
        base -= 0.05 * (np.arange(rows) % 6 == 0)[:, None]
    rgb = colour * base[..., None]
    for floor in range(max(1, round(height_m / 2.8))):
        sill = rows - round((floor * 2.8 + 0.9) / 0.04)
        for column in range(round(0.8 / 0.04), columns - round(1.6 / 0.04), round(rng.uniform(2.2, 3.4) / 0.04)):
            _window(rng, rgb, sill, column, door=floor == 0 and rng.random() < 0.25)
    rgb[-round(0.35 / 0.04) :] *= 0.72
    return _opaque(rgb)


def _window(rng: np.random.Generator, rgb: Array, sill: int, column: int, *, door: bool) -> None:
    tall, wide = (52, 24) if door else (int(rng.integers(24, 34)), int(rng.integers(26, 42)))
    bottom = min(len(rgb), sill + (22 if door else 0))
    top, end = max(2, bottom - tall), min(rgb.shape[1] - 2, column + wide)
    rgb[top - 2 : bottom + 2, column - 2 : end + 2] = 205 if not door else 90
    glass = np.array([58.0, 70, 82]) * rng.uniform(0.6, 1.5)
    rgb[top:bottom, column:end] = np.linspace(1.35, 0.8, bottom - top)[:, None, None] * glass
    rgb[top:bottom, (column + end) // 2 : (column + end) // 2 + 2] = 185


def block_wall(
    rng: np.random.Generator, path: Path, span: tuple[float, float], right_m: float, height_m: float
) -> list[Panel]:
    """A wall of concrete blocks or a hedge along the property line, in pieces that follow the street."""
    hedge = rng.random() < 0.35
    panels = []
    for start in np.arange(span[0], span[1], 6.0):
        a, b = path.at(start, right_m)[0], path.at(min(start + 6.0, span[1]), right_m)[0]
        picture = _hedge(rng, 6.0, height_m) if hedge else _blocks(rng, 6.0, height_m)
        panels.append(upright(*((b, a) if right_m > 0 else (a, b)), height_m, picture))
    return panels


def _blocks(rng: np.random.Generator, width_m: float, height_m: float) -> Image:
    rows, columns = round(height_m / 0.02), round(width_m / 0.02)
    grey = 150 + 7 * rng.standard_normal((rows, columns)) - 30 * np.linspace(0, 1, rows)[:, None] ** 3
    grey += 9 * noise_cut(rng, (256, 512), 1.3)[:rows, :columns]
    grey[::10] -= 22
    grey[:, ::20] -= 14
    grey[:4] += 18
    return _opaque(grey[..., None] * np.array([1.0, 0.985, 0.95]))


def _hedge(rng: np.random.Generator, width_m: float, height_m: float) -> Image:
    rows, columns = round(height_m / 0.02), round(width_m / 0.02)
    leaves = noise_cut(rng, (256, 512), 0.6, smallest_px=3)[:rows, :columns]
    shade = np.linspace(1.15, 0.55, rows)[:, None]
    rgba = _opaque((shade * (1 + 0.33 * leaves))[..., None] * np.array([62.0, 84, 40]))
    ragged = np.clip(8 + 5 * noise_cut(rng, (32, 512), 1.0)[0, :columns], 0, rows - 1)
    rgba[..., 3] = np.where(np.arange(rows)[:, None] > ragged[None, :], 255, 0)
    return rgba


def tree(rng: np.random.Generator, place: Array, height_m: float) -> Panel:
    """A street tree: a trunk and a lumpy crown, turned to the camera."""
    rows, columns = 256, 192
    crown = soft_shape(rng, 190, columns, rough=0.20, slope=1.5)
    leaves = noise_cut(rng, (256, 256), 0.7, smallest_px=3)[:190, :columns]
    clumps = noise_cut(rng, (256, 256), 1.8, smallest_px=14)[:190, :columns]
    green = np.array([[70, 92, 44], [86, 100, 50], [60, 84, 52], [104, 98, 50]])[rng.integers(4)] * rng.uniform(
        0.8, 1.1
    )
    light = np.linspace(1.3, 0.55, 190)[:, None] * (1 + 0.26 * leaves + 0.22 * clumps)
    rgba = np.zeros((rows, columns, 4), np.float32)
    rgba[150:, columns // 2 - 5 : columns // 2 + 5] = [72, 62, 52, 255]
    inside = (crown + 0.16 * leaves > 0.08).astype(np.float32)
    rgba[:190, :, :3] = np.where(inside[..., None] > 0, green * light[..., None], rgba[:190, :, :3])
    rgba[:190, :, 3] = np.maximum(rgba[:190, :, 3], 255 * inside)
    picture = rgba.clip(0, 255).astype(np.uint8)
    half = np.array([height_m * 0.36, 0.0])
    return upright(place - half, place + half, height_m, picture, faces_camera=True)


def woods(rng: np.random.Generator, place: Array, width_m: float, height_m: float) -> Panel:
    """A far line of trees and roofs, pale with distance, turned to the camera."""
    rows, columns = 64, 512
    crowns = noise_cut(rng, (64, 512), 1.3, smallest_px=3)
    top = np.clip(26 - 9 * crowns[0] - 5 * crowns[20], 0, rows - 8)
    shade = np.linspace(1.1, 0.8, rows)[:, None] * (1 + 0.07 * crowns)
    rgba = _opaque(shade[..., None] * np.array([122.0, 134, 124]))
    for column in rng.integers(0, columns - 60, 4):
        roof = int(rng.integers(24, 34))
        rgba[roof : roof + 5, column : column + 50, :3] = [132, 122, 118]
        rgba[roof + 5 :, column + 3 : column + 47, :3] = [186, 184, 180]
        top[column : column + 50] = np.minimum(top[column : column + 50], roof)
    rgba[..., 3] = np.where(np.arange(rows)[:, None] >= top[None, :], 255, 0)
    half = np.array([width_m / 2, 0.0])
    return upright(place - half, place + half, height_m, rgba, faces_camera=True)


def pole(rng: np.random.Generator, place: Array) -> Panel:
    """A concrete utility pole with a transformer and arms."""
    rows, columns = 440, 80
    rgba = np.zeros((rows, columns, 4), np.float32)
    round_shade = 1 - 0.45 * np.abs(np.linspace(-0.6, 1, 12)) ** 1.5
    rgba[:, 34:46, :3] = (150 + 5 * rng.standard_normal((rows, 12)))[..., None] * round_shade[:, None]
    rgba[:, 34:46, 3] = 255
    for row in (12, 40, 70):
        rgba[row : row + 4, 8:72] = [96, 96, 94, 255]
    if rng.random() < 0.6:
        rgba[92:130, 46:66] = [128, 130, 130, 255]
    rgba[330:380:10, 34:46, :3] = [196, 168, 40]
    half = np.array([0.9, 0.0])
    return upright(place - half, place + half, 10.0, rgba.clip(0, 255).astype(np.uint8), faces_camera=True)


def _wall_colour(rng: np.random.Generator) -> Array:
    tones = np.array(
        [[206, 200, 188], [186, 178, 166], [214, 212, 208], [168, 152, 134], [190, 196, 200], [150, 142, 132]]
    )
    return np.asarray(tones[rng.integers(len(tones))] * rng.uniform(0.85, 1.05), np.float64)


def _opaque(rgb: Array) -> Image:
    return np.dstack([rgb, np.full(rgb.shape[:2], 255.0)]).clip(0, 255).astype(np.uint8)
