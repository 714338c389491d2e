"""An orthophoto of a planted forest whose crowns are known, drawn so that a model of real crowns finds many of them."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.windows import Window
from scipy import ndimage

__all__ = ["PlantedForest", "write_forest"]

Floats = NDArray[np.float64]

GSD_M: Final = 0.0625
"""What the crown model looks at: neither we nor anybody else has to scale the picture."""
_PATCH_PX: Final = 2048
_RADIUS_M: Final = (1.2, 4.0)
_STEMS_HA: Final = 170
_NORTH_WEST: Final = (-20_000.0, -30_000.0)
_SUN: Final = np.array([-0.5, -0.5, 0.7])
"""From the north-west, as on maps: x right, y down, z up."""


@dataclass(frozen=True, slots=True)
class PlantedForest:
    """A raster of a forest: its `path`, and `xyxy` float64 (n, 4) px, the box of every crown in it."""

    path: Path
    xyxy: Floats


def write_forest(path: Path, side_px: int, seed: int = 0) -> PlantedForest:
    """Write a square orthophoto of 6.25 cm a pixel, as tiled JPEG in a GeoTIFF.

    One patch of forest repeats without a seam, so that any size is written in seconds with little memory; tiles of
    other sizes than the patch's see it shifted every time.

    Args:
        path: the GeoTIFF to write.
        side_px: its width and height.
        seed: of the forest.
    """
    picture, boxes = _patch(np.random.default_rng(seed))
    profile: dict[str, Any] = {"driver": "GTiff", "width": side_px, "height": side_px, "count": 3, "dtype": "uint8"}
    profile |= {"tiled": True, "blockxsize": 512, "blockysize": 512, "compress": "jpeg", "photometric": "ycbcr"}
    place = Affine(GSD_M, 0, _NORTH_WEST[0], 0, -GSD_M, _NORTH_WEST[1])
    bands = np.moveaxis(picture, -1, 0)
    with rasterio.open(path, "w", crs="EPSG:6677", transform=place, interleave="pixel", **profile) as target:
        for top in range(0, side_px, _PATCH_PX):
            for left in range(0, side_px, _PATCH_PX):
                wide, high = min(_PATCH_PX, side_px - left), min(_PATCH_PX, side_px - top)
                target.write(bands[:, :high, :wide], window=Window(left, top, wide, high))
    return PlantedForest(path, _repeated(boxes, side_px))


def _repeated(boxes: Floats, side_px: int) -> Floats:
    """The patch's boxes all over the raster, cut at its border; less than a third of a crown is no crown."""
    starts = np.arange(-_PATCH_PX, side_px, _PATCH_PX)
    shift = np.stack(np.meshgrid(starts, starts), axis=-1).reshape(-1, 1, 2)
    whole = (boxes[None] + np.tile(shift, 2)).reshape(-1, 4)
    cut = np.clip(whole, 0, side_px)
    area, left = (np.prod(np.clip(one[:, 2:] - one[:, :2], 0, None), axis=1) for one in (whole, cut))
    return np.asarray(cut[left > area / 3], np.float64)


def _patch(rng: np.random.Generator) -> tuple[NDArray[np.uint8], Floats]:
    """A patch of forest that fits to itself on all sides, uint8 (h, w, 3), and its crowns' boxes px (n, 4)."""
    centre, radius = _planted(rng)
    canvas = _floor(rng)
    leaves = _noise(rng, 2.0) + 0.6 * _noise(rng, 5.0)
    for at, one in zip(centre, radius, strict=True):
        _shade(canvas, at, one)
    boxes = []
    for number, (at, one) in enumerate(zip(centre, radius, strict=True)):
        boxes.append(_draw(canvas, at, one, leaves, np.random.default_rng([7, number])))
    soft = ndimage.gaussian_filter(canvas, (0.8, 0.8, 0), mode="wrap")
    return np.clip(soft, 0, 255).astype(np.uint8), np.array(boxes, np.float64)


def _planted(rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Places (n, 2) and radii (n,), px, of crowns that overlap by a tenth at most, small ones first."""
    wanted = round(_STEMS_HA * (_PATCH_PX * GSD_M) ** 2 / 1e4)
    low, high = (one / GSD_M for one in _RADIUS_M)
    radius = np.sort(rng.uniform(low, high, wanted))[::-1]
    centre = np.empty((0, 2))
    kept: list[float] = []
    for one in radius:
        for _ in range(30):
            at = rng.uniform(0, _PATCH_PX, 2)
            apart = np.abs(centre - at)
            apart = np.hypot(*np.minimum(apart, _PATCH_PX - apart).T)
            if (apart >= 0.95 * (np.array(kept) + one)).all():
                centre = np.vstack([centre, at])
                kept.append(float(one))
                break
    return centre[::-1], np.array(kept)[::-1]


def _noise(rng: np.random.Generator, sigma_px: float) -> Floats:
    """Noise (h, w) of a size, mean 0, standard deviation 1, that fits to itself on all sides."""
    wave = 2 * np.pi * np.stack(np.meshgrid(np.fft.rfftfreq(_PATCH_PX), np.fft.fftfreq(_PATCH_PX)))
    blur = np.exp(-0.5 * sigma_px**2 * (wave**2).sum(axis=0))  # a Gaussian's own transform: wide ones cost no more
    field = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((_PATCH_PX, _PATCH_PX))) * blur)
    return np.asarray(field / field.std(), np.float64)


def _floor(rng: np.random.Generator) -> Floats:
    """Grass and soil in patches, float64 (h, w, 3)."""
    grass, soil = np.array([112.0, 116, 78]), np.array([148.0, 132, 104])
    share = 1 / (1 + np.exp(-1.5 * _noise(rng, 60.0)))[..., None]
    grain = (6 * _noise(rng, 1.2) + 7 * _noise(rng, 8.0))[..., None]
    return np.asarray(grass * share + soil * (1 - share) + grain, np.float64)


def _around(at: Floats, reach: float) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats, Floats]:
    """Rows and columns of a window (wrapped), and each pixel's x and y from the centre, px."""
    x0, y0 = (int(np.floor(one - reach)) for one in at)
    n = int(2 * reach) + 3
    xs, ys = np.arange(x0, x0 + n), np.arange(y0, y0 + n)
    x, y = np.meshgrid(xs + 0.5 - at[0], ys + 0.5 - at[1])
    return ys % _PATCH_PX, xs % _PATCH_PX, x, y


def _shade(canvas: Floats, at: Floats, radius: float) -> None:
    """The shadow of a crown on the ground, away from the sun."""
    rows, columns, x, y = _around(at + 0.55 * radius, 1.1 * radius)
    dark = np.clip(1.15 - np.hypot(x, y) / radius, 0, 0.3) / 0.3
    canvas[np.ix_(rows, columns)] *= (1 - 0.6 * dark)[..., None]


def _draw(canvas: Floats, at: Floats, radius: float, leaves: Floats, rng: np.random.Generator) -> list[float]:
    """Draw a crown as a rough dome that the sun lights; gives its box."""
    rows, columns, x, y = _around(at, 1.2 * radius)
    turn = np.arctan2(y, x)
    waves = sum(rng.uniform(-0.05, 0.05) * np.cos(k * turn + rng.uniform(0, 6.3)) for k in range(2, 9))
    near = np.hypot(x, y) / (radius * (1 + waves))
    inside = near <= 1
    grain = leaves[np.ix_(rows, columns)]
    height = np.sqrt(np.clip(1 - near**2, 0, 1)) * radius + 0.05 * radius * grain
    down, right = np.gradient(height)
    normal = np.stack([-right, -down, np.ones_like(down)], axis=-1)
    light = np.clip((normal @ _SUN) / np.linalg.norm(normal, axis=-1) / np.linalg.norm(_SUN), 0, 1)
    green = np.array([rng.uniform(60, 105), rng.uniform(95, 130), rng.uniform(45, 70)])
    colour = green * (0.3 + 1.0 * light)[..., None] + 5 * grain[..., None]
    part = canvas[np.ix_(rows, columns)]
    canvas[np.ix_(rows, columns)] = np.where(inside[..., None], colour, part)
    there_rows, there_columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    left, top = at[0] + x[0, there_columns[0]] - 0.5, at[1] + y[there_rows[0], 0] - 0.5
    return [left, top, left + np.ptp(there_columns) + 1, top + np.ptp(there_rows) + 1]
