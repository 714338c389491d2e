"""Which part of a frame is looked at, and at what scale: the crop the card asks for, and the way back."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass

import cv2
import numpy as np

from models.card import InputCard
from models.detections import Detections
from models.detector import LOWEST_SCORE, Detector, Picture

__all__ = ["Look", "look_at", "plan_look", "see", "see_all"]


@dataclass(frozen=True, slots=True)
class Look:
    """A crop of a frame in whole pixels, and the size it is scaled to.

    `left_px`, `top_px`, `right_px`, `bottom_px` are corners in the full frame; `width_px` × `height_px` is the size of
    the picture the network gets, before padding.
    """

    left_px: int
    top_px: int
    right_px: int
    bottom_px: int
    width_px: int
    height_px: int

    @property
    def x_scale(self) -> float:
        """Network pixels per frame pixel across."""
        return self.width_px / (self.right_px - self.left_px)

    @property
    def y_scale(self) -> float:
        """Network pixels per frame pixel downwards; differs from `x_scale` by rounding to whole pixels alone."""
        return self.height_px / (self.bottom_px - self.top_px)

    def crop(self, frame: Picture) -> Picture:
        """The picture for the network.

        Shrinking averages over the pixels covered, so that thin cracks fade rather than vanish between samples;
        enlarging interpolates linearly. Both keep corners on corners: no half-pixel shift.
        """
        part = frame[self.top_px : self.bottom_px, self.left_px : self.right_px]
        if part.shape[:2] == (self.height_px, self.width_px):
            return np.ascontiguousarray(part)
        way = cv2.INTER_AREA if self.x_scale < 1 else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(part, (self.width_px, self.height_px), interpolation=way), np.uint8)

    def undo(self, seen: Detections) -> Detections:
        """Boxes in the network's picture as boxes in the full frame."""
        boxes = seen.scaled(1 / self.x_scale, 1 / self.y_scale).shifted(self.left_px, self.top_px)
        return boxes.clipped(self.right_px, self.bottom_px)


def plan_look(width_px: int, height_px: int, card: InputCard) -> Look:
    """What the card wants to see of a frame of this size; at least one pixel each way, whatever the fractions."""
    band = card.band
    left, right = _span(band.left, band.right, width_px)
    top, bottom = _span(band.top, band.bottom, height_px)
    wide, high = right - left, bottom - top
    scale = _scale(max(wide, high), card)
    return Look(left, top, right, bottom, max(1, round(wide * scale)), max(1, round(high * scale)))


def look_at(frame: Picture, card: InputCard) -> tuple[Picture, Look]:
    """The picture the card wants of `frame`, and the way back."""
    look = plan_look(frame.shape[1], frame.shape[0], card)
    return look.crop(frame), look


def see(detector: Detector, frame: Picture, min_score: float = LOWEST_SCORE) -> Detections:
    """Boxes in one frame, in the frame's own pixels, highest score first."""
    return next(see_all(detector, [frame], min_score))


def see_all(detector: Detector, frames: Iterable[Picture], min_score: float = LOWEST_SCORE) -> Iterator[Detections]:
    """Boxes in each frame, in order, in the frame's own pixels.

    Two frames per thread are in flight, so that reading the next ones overlaps with looking at these.
    """
    ahead = 2 * detector.runtime.threads
    waiting: deque[tuple[Look, Future[Detections]]] = deque()
    try:
        for frame in frames:
            picture, look = look_at(frame, detector.card.input)
            waiting.append((look, detector.submit(picture, min_score)))
            if len(waiting) > ahead:
                yield _undone(*waiting.popleft())
        while waiting:
            yield _undone(*waiting.popleft())
    finally:
        for _, future in waiting:
            future.cancel()


def _undone(look: Look, future: Future[Detections]) -> Detections:
    return look.undo(future.result())


def _span(start: float, end: float, length_px: int) -> tuple[int, int]:
    first = min(round(start * length_px), length_px - 1)
    return first, max(first + 1, round(end * length_px))


def _scale(long_side_px: int, card: InputCard) -> float:
    wanted = card.long_side_px if card.long_side_px is not None else long_side_px
    if wanted > long_side_px and not card.enlarge:
        wanted = long_side_px
    return min(wanted, card.max_side_px) / long_side_px
