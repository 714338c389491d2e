"""Surfaces made from noise: each is periodic, so that it covers a town without a seam."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Field = NDArray[np.float32]

RESOLUTION_M = 0.005
SIZE_PX = 1024
PERIOD_M = RESOLUTION_M * SIZE_PX

# Channels of the ground texture. 128 leaves the colour below as it is; it is a gain, not a colour.
ASPHALT, PAVING, GRASS, WEAR = range(4)


@dataclass(frozen=True, slots=True)
class Surface:
    """How the carriageway looks.

    Attributes:
        colour: (red, green, blue) of the clean surface, 0 to 255.
        grain: contrast of single stones, 0 to 1.
        blotch: contrast of large light and dark areas, 0 to 1.
        worn_marks: how much of the paint is gone, 0 to 1.
    """

    colour: tuple[float, float, float]
    grain: float
    blotch: float
    worn_marks: float


def noise(rng: np.random.Generator, shape: tuple[int, int], slope: float, *, smallest_px: float = 1.0) -> Field:
    """Periodic random field with a power-law spectrum.

    Args:
        rng: source of randomness.
        shape: rows and columns.
        slope: amplitude falls as frequency to the power of minus `slope`; 0 is white, 1 to 2 cloudy.
        smallest_px: details finer than this are left out.

    Returns:
        `shape` float32, mean 0, standard deviation 1.
    """
    spectrum = np.fft.rfft2(rng.standard_normal(shape, dtype=np.float32))
    fy, fx = np.fft.fftfreq(shape[0])[:, None], np.fft.rfftfreq(shape[1])[None, :]
    frequency = np.hypot(fy, fx)
    frequency[0, 0] = 1.0
    spectrum *= frequency**-slope * np.exp(-0.5 * (frequency * smallest_px) ** 2)
    spectrum[0, 0] = 0.0
    field = np.fft.irfft2(spectrum, shape).astype(np.float32)
    return np.asarray(field / max(float(field.std()), 1e-9), np.float32)


def noise_cut(rng: np.random.Generator, shape: tuple[int, int], slope: float, *, smallest_px: float = 1.0) -> Field:
    """The same as `noise`, cut from a kept field: a town needs hundreds, and each transform costs milliseconds."""
    kept = _kept_noise(shape, slope, smallest_px)
    shift = rng.integers(0, shape)
    turned = kept[:: int(rng.choice([-1, 1])), :: int(rng.choice([-1, 1]))]
    return np.roll(turned, tuple(int(v) for v in shift), axis=(0, 1))


@lru_cache(maxsize=96)
def _kept_noise(shape: tuple[int, int], slope: float, smallest_px: float) -> Field:
    return noise(
        np.random.default_rng([*shape, int(slope * 100), int(smallest_px * 100)]), shape, slope, smallest_px=smallest_px
    )


def ground_texture(rng: np.random.Generator, surface: Surface) -> Image:
    """The small-scale look of everything that lies flat.

    Returns:
        (1024, 1024, 4) uint8 gains at 5 mm a pixel: tarmac, paving slabs, grass, and where paint has worn off.
    """
    n = (SIZE_PX, SIZE_PX)
    stones = noise_cut(rng, n, 0.0, smallest_px=1.6)
    speckle = np.where(stones > 1.6, 1.3 * (stones - 1.6), 0) - np.where(stones < -1.3, 0.9 * (-stones - 1.3), 0)
    asphalt = surface.grain * (0.5 * stones + speckle) + 0.04 * noise_cut(rng, n, 1.0, smallest_px=6)
    paving = 0.07 * stones + 0.05 * noise_cut(rng, n, 1.0) + _slab_joints(n)
    grass = 0.22 * noise_cut(rng, n, 0.5, smallest_px=3) + 0.16 * noise_cut(rng, n, 1.2, smallest_px=20)
    patchy = 0.75 * noise_cut(rng, n, 1.1, smallest_px=4) + 0.5 * stones
    wear = np.clip(0.5 + (surface.worn_marks * 2.2 - 1.1 + 0.45 * patchy), 0, 1)
    gains = np.stack([asphalt, paving, grass], axis=2)
    return np.dstack([np.clip(128 * (1 + gains), 20, 250), wear * 255]).astype(np.uint8)


def blotches(rng: np.random.Generator, size_px: int = 1024) -> Field:
    """(n, n) float32 periodic field of large light and dark areas, standard deviation 1."""
    return noise_cut(rng, (size_px, size_px), 1.3, smallest_px=4)


def _slab_joints(shape: tuple[int, int]) -> Field:
    """Dark joints of a paving of 32 cm slabs, every second row shifted."""
    joints = np.zeros(shape, np.float32)
    slab = 64
    joints[::slab] = joints[1::slab] = -0.25
    for row in range(0, shape[0], slab):
        shift = slab // 2 if (row // slab) % 2 else 0
        for wide in (0, 1):
            joints[row : row + slab, (shift + wide) % slab :: slab] = -0.25
    return joints


def pyramid(image: Image) -> list[Image]:
    """The image and its halvings by area averaging, down to 8 px, each padded by one wrapped row and column."""
    levels, current = [], image
    while True:
        levels.append(np.ascontiguousarray(np.pad(current, ((0, 1), (0, 1), (0, 0)), mode="wrap")))
        if min(current.shape[:2]) <= 8:
            return levels
        current = np.asarray(
            cv2.resize(current, (current.shape[1] // 2, current.shape[0] // 2), interpolation=cv2.INTER_AREA), np.uint8
        )
