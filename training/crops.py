"""Square crops of pictures at their native resolution, with their boxes: what the network learns from.

A pothole 25 m ahead is 15 px wide. Shrinking a frame to the network's usual 640 px loses it, so that the frame is cut
rather than shrunk. Crops are mirrored, scaled and, seen from above, turned by right angles; never by others: a box
around a rotated box is larger than the object.
"""

from dataclasses import dataclass, field, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from training.recipe import CropParams

__all__ = ["NO_KIND", "Crop", "Window", "choose_window", "cut", "see_boxes", "see_regions"]

PAD = 114
NO_KIND = -1
_MOSTLY = 0.5
Picture = NDArray[np.uint8]
Boxes = NDArray[np.float32]
"""float32 (n, 4) px, x1 y1 x2 y2."""


def _none() -> Boxes:
    return np.empty((0, 4), np.float32)


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of a picture, in its px: `left`, `top`, `width`, `height`. It may reach beyond the picture."""

    left: int
    top: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Crop:
    """A square picture and what is on it.

    Attributes:
        picture: uint8 (side, side, 3) RGB.
        xyxy: float32 (n, 4) px, its boxes.
        class_id: int16 (n,), their classes.
        ignored: float32 (m, 4) px, regions in which nobody labelled anything.
        kind_id: int16 (n,), the class that is a box's type, beside its own that tells none; NO_KIND where not known.
    """

    picture: Picture
    xyxy: Boxes
    class_id: NDArray[np.int16]
    ignored: Boxes = field(default_factory=_none)
    kind_id: NDArray[np.int16] | None = None

    @property
    def kinds(self) -> NDArray[np.int16]:
        """`kind_id`; NO_KIND for every box where nothing was said."""
        return np.full(len(self.xyxy), NO_KIND, np.int16) if self.kind_id is None else self.kind_id

    def mirrored(self) -> "Crop":
        """The crop with left and right exchanged."""
        picture, width = np.ascontiguousarray(self.picture[:, ::-1]), self.picture.shape[1]
        return replace(self, picture=picture, xyxy=_mirrored(self.xyxy, width), ignored=_mirrored(self.ignored, width))

    def turned(self, quarters: int) -> "Crop":
        """The crop turned by 90° to the left, `quarters` times."""
        picture, side = np.ascontiguousarray(np.rot90(self.picture, quarters)), self.picture.shape[0]
        xyxy, ignored = (_turned(boxes, quarters, side) for boxes in (self.xyxy, self.ignored))
        return replace(self, picture=picture, xyxy=xyxy, ignored=ignored)


def choose_window(
    size_px: tuple[int, int],
    xyxy: Boxes,
    ignored: Boxes,
    side: int,
    params: CropParams,
    rng: np.random.Generator,
) -> Window:
    """A window that becomes `side` px when scaled, mostly around one of the boxes.

    Where more than half of the picture is ignored, as around single reviewed boxes, it always shows some of the rest.

    Args:
        size_px: width and height of the picture.
        xyxy: float32 (n, 4) px, its boxes.
        ignored: float32 (m, 4) px, regions in which nobody labelled anything.
        side: side of the crop in px.
        params: scales, stretch and how often a box is looked for.
        rng: source of chance.
    """
    scale = np.exp(rng.uniform(*np.log(params.scale)))
    stretch = np.exp(rng.uniform(-1, 1) * np.log(params.stretch) / 2)
    extent = np.maximum(np.rint(side / scale * np.array([stretch, 1 / stretch])), 32).astype(int)
    room = np.array(size_px) - extent
    target = _target(size_px, xyxy, ignored, params, rng)
    corner = rng.uniform(0, 1, 2) * room if target is None else target - rng.uniform(0.15, 0.85, 2) * extent
    corner = np.clip(corner, np.minimum(room, 0), np.maximum(room, 0)).astype(int)
    return Window(int(corner[0]), int(corner[1]), int(extent[0]), int(extent[1]))


def _target(
    size_px: tuple[int, int], xyxy: Boxes, ignored: Boxes, params: CropParams, rng: np.random.Generator
) -> NDArray[np.float64] | None:
    """A place, px, that the crop must show; None where any crop will do."""
    if len(xyxy) and rng.random() < params.seek_boxes:
        left, top, right, bottom = xyxy[rng.integers(len(xyxy))]
        return np.array([rng.uniform(left, right), rng.uniform(top, bottom)])
    if np.prod(ignored[:, 2:] - ignored[:, :2], axis=1).sum() <= _MOSTLY * np.prod(size_px):
        return None
    return _known_place(size_px, ignored, rng)


def _known_place(size_px: tuple[int, int], ignored: Boxes, rng: np.random.Generator) -> NDArray[np.float64] | None:
    """A place, px, in no ignored region, each as likely as any other; None where there are none."""
    inside = np.clip(ignored, 0, np.tile(size_px, 2))
    columns, rows = (np.unique([0, size_px[k], *inside[:, [k, k + 2]].ravel()]) for k in (0, 1))
    x, y = np.meshgrid((columns[1:] + columns[:-1]) / 2, (rows[1:] + rows[:-1]) / 2)
    area = np.outer(np.diff(rows), np.diff(columns))
    for left, top, right, bottom in inside:
        area[(left < x) & (x < right) & (top < y) & (y < bottom)] = 0
    if not area.any():
        return None
    row, column = np.unravel_index(rng.choice(area.size, p=area.ravel() / area.sum()), area.shape)
    return np.array([rng.uniform(*columns[column : column + 2]), rng.uniform(*rows[row : row + 2])])


def see_boxes(
    xyxy: NDArray[np.float32], window: Window, side: int, params: CropParams
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Boxes as the crop shows them, float32 (n, 4) px, and which of them still count, bool (n,).

    A cut-off box counts when enough of it is left, or when what is left is large: a piece of a crack is a crack.
    """
    moved = _moved(xyxy, window, side)
    seen = np.clip(moved, 0, side).astype(np.float32)
    whole = np.prod(moved[:, 2:] - moved[:, :2], axis=1)
    extent = seen[:, 2:] - seen[:, :2]
    left = np.prod(extent, axis=1)
    counts = (left >= params.min_visible * whole) | (left >= params.large_px**2)
    return seen, counts & (extent.min(axis=1, initial=np.inf) >= params.min_box_px)


def see_regions(ignored: Boxes, window: Window, side: int) -> Boxes:
    """What the crop shows of ignored regions, float32 (m, 4) px; those it does not show are left out."""
    seen = np.clip(_moved(ignored, window, side), 0, side).astype(np.float32)
    return seen[(seen[:, 2:] > seen[:, :2]).all(axis=1)]


def _moved(xyxy: Boxes, window: Window, side: int) -> Boxes:
    scale = np.array([side / window.width, side / window.height] * 2, dtype=np.float32)
    moved: Boxes = (xyxy - np.array([window.left, window.top] * 2, dtype=np.float32)) * scale
    return moved


def _mirrored(xyxy: Boxes, width: int) -> Boxes:
    mirrored = xyxy.copy()
    mirrored[:, [0, 2]] = width - xyxy[:, [2, 0]]
    return mirrored


def _turned(xyxy: Boxes, quarters: int, side: int) -> Boxes:
    for _ in range(quarters % 4):
        left, top, right, bottom = xyxy.T
        xyxy = np.stack([top, side - right, bottom, side - left], axis=1)
    return xyxy


def cut(picture: Picture, window: Window, side: int) -> Picture:
    """The window's pixels as uint8 (side, side, 3); grey where it reaches beyond the picture."""
    height, width = picture.shape[:2]
    left, top = max(window.left, 0), max(window.top, 0)
    right, bottom = min(window.left + window.width, width), min(window.top + window.height, height)
    part = picture[top:bottom, left:right]
    if part.shape[:2] != (window.height, window.width):
        padded = np.full((window.height, window.width, 3), PAD, dtype=np.uint8)
        padded[top - window.top : bottom - window.top, left - window.left : right - window.left] = part
        part = padded
    shrinks = window.width > side
    interpolation = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(part, (side, side), interpolation=interpolation), dtype=np.uint8)
