"""Light, lens and codec: the ways in which another camera on another day would have shown the same road."""

import cv2
import numpy as np
from numpy.typing import NDArray

from training.recipe import LightParams

__all__ = ["equalise", "relight"]

Picture = NDArray[np.uint8]


def equalise(picture: Picture) -> Picture:
    """The picture with its contrast equalised locally: CLAHE of HSV's value, an eighth of the picture a tile.

    `skimage.exposure.equalize_adapthist(clip_limit=0.03)` but for rounding, which DeepForest's pictures went through.
    Zuiderveld, "Contrast Limited Adaptive Histogram Equalization", Graphics Gems IV, 1994.
    """
    hsv = cv2.cvtColor(picture, cv2.COLOR_RGB2HSV)
    hsv[..., 2] = cv2.createCLAHE(clipLimit=0.03 * 256, tileGridSize=(8, 8)).apply(np.ascontiguousarray(hsv[..., 2]))
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB), dtype=np.uint8)


def relight(picture: Picture, params: LightParams, rng: np.random.Generator) -> Picture:
    """The picture uint8 (h, w, 3) RGB under another light, seen by another camera; boxes stay where they are."""
    if rng.random() < params.tone:
        picture = _tone(picture, rng)
    if rng.random() < params.colour:
        picture = _colour(picture, rng)
    if rng.random() < params.shadow:
        picture = _shadow(picture, rng)
    if rng.random() < params.blur:
        picture = _blur(picture, rng)
    if rng.random() < params.noise:
        picture = _noise(picture, rng)
    if rng.random() < params.jpeg:
        picture = _jpeg(picture, rng)
    return picture


def _tone(picture: Picture, rng: np.random.Generator) -> Picture:
    gamma, gain, offset = np.exp(rng.uniform(-0.45, 0.45)), rng.uniform(0.7, 1.35), rng.uniform(-25, 25)
    levels = np.arange(256) / 255
    curve = np.clip((levels**gamma - 0.45) * gain * 255 + 0.45 * 255 + offset, 0, 255).astype(np.uint8)
    return np.asarray(cv2.LUT(picture, curve), dtype=np.uint8)


def _colour(picture: Picture, rng: np.random.Generator) -> Picture:
    saturation = 0.0 if rng.random() < 0.15 else rng.uniform(0.3, 1.5)
    balance = np.exp(rng.uniform(-0.12, 0.12, 3))
    mix = saturation * np.eye(3) + (1 - saturation) * np.array([0.299, 0.587, 0.114])
    return np.asarray(cv2.transform(picture, np.diag(balance) @ mix), dtype=np.uint8)


def _shadow(picture: Picture, rng: np.random.Generator) -> Picture:
    """A straight-edged shadow, as poles, walls and trees throw it over a road."""
    height, width = picture.shape[:2]
    y, x = np.ogrid[:height, :width]
    angle, at = rng.uniform(0, np.pi), rng.uniform(0.2, 0.8, 2) * (width, height)
    across = (x - at[0]) * np.cos(angle) + (y - at[1]) * np.sin(angle)
    breadth, soft = rng.uniform(10, width), rng.uniform(1, 20)
    inside = np.clip((breadth / 2 - np.abs(across)) / soft, 0, 1)[..., None]
    return np.asarray(picture * (1 - inside * rng.uniform(0.2, 0.6)), dtype=np.uint8)


def _blur(picture: Picture, rng: np.random.Generator) -> Picture:
    if rng.random() < 0.5:
        return np.asarray(cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.4, 1.5)), dtype=np.uint8)
    # Vibration and speed smear a frame downwards far more than sideways.
    length = int(rng.integers(2, 6))
    return np.asarray(cv2.blur(picture, (1, length) if rng.random() < 0.7 else (length, 1)), dtype=np.uint8)


def _noise(picture: Picture, rng: np.random.Generator) -> Picture:
    grain = rng.normal(0, rng.uniform(2, 9), picture.shape)
    return np.asarray(np.clip(picture + grain, 0, 255), dtype=np.uint8)


def _jpeg(picture: Picture, rng: np.random.Generator) -> Picture:
    quality = int(rng.integers(30, 90))
    _, coded = cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR), dtype=np.uint8)
