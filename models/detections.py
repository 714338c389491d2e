"""What a detector saw in one picture, as a struct of arrays."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from models.errors import DetectionsError

__all__ = ["Detections"]


@dataclass(frozen=True, slots=True, eq=False)
class Detections:
    """Boxes in one picture.

    Args:
        xyxy: float32 (n, 4), left, top, right, bottom in picture pixels. Edges are pixel *corners*: a box around
            the top-left pixel alone is (0, 0, 1, 1).
        score: float32 (n,), 0 to 1.
        class_id: int16 (n,), index into the card's classes.

    Raises:
        DetectionsError: on arrays of other shapes, on boxes turned inside out, on numbers that are not finite.
    """

    xyxy: NDArray[np.float32]
    score: NDArray[np.float32]
    class_id: NDArray[np.int16]

    def __post_init__(self) -> None:
        xyxy = np.asarray(self.xyxy, dtype=np.float32)
        score = np.asarray(self.score, dtype=np.float32)
        class_id = np.asarray(self.class_id, dtype=np.int16)
        if xyxy.ndim != 2 or xyxy.shape[1] != 4 or score.shape != xyxy.shape[:1] or class_id.shape != score.shape:
            shapes = f"xyxy {xyxy.shape}, score {score.shape}, class_id {class_id.shape}"
            raise DetectionsError(f"detections need arrays of shape (n, 4), (n,) and (n,), not {shapes}")
        if not (np.isfinite(xyxy).all() and np.isfinite(score).all()):
            raise DetectionsError("detections hold a number that is not finite")
        if (xyxy[:, :2] > xyxy[:, 2:]).any():
            raise DetectionsError("detections hold a box whose right or bottom edge lies before its left or top edge")
        if ((score < 0) | (score > 1)).any() or (class_id < 0).any():
            raise DetectionsError("detections hold a score outside 0 to 1 or a negative class")
        for name, array in (("xyxy", xyxy), ("score", score), ("class_id", class_id)):
            frozen = array.view()
            frozen.flags.writeable = False
            object.__setattr__(self, name, frozen)

    def __len__(self) -> int:
        return len(self.score)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Detections):
            return NotImplemented
        return (
            np.array_equal(self.xyxy, other.xyxy)
            and np.array_equal(self.score, other.score)
            and np.array_equal(self.class_id, other.class_id)
        )

    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def empty(cls) -> Self:
        """No boxes at all."""
        return cls(np.empty((0, 4), np.float32), np.empty(0, np.float32), np.empty(0, np.int16))

    @classmethod
    def concat(cls, parts: Iterable["Detections"]) -> Self:
        """All boxes of all `parts`, in the order given."""
        several = list(parts)
        if not several:
            return cls.empty()
        return cls(
            np.concatenate([part.xyxy for part in several]),
            np.concatenate([part.score for part in several]),
            np.concatenate([part.class_id for part in several]),
        )

    def where(self, keep: NDArray[Any]) -> "Detections":
        """The boxes that `keep` selects: a bool (n,) mask, or int (m,) indices in the order wanted."""
        return Detections(self.xyxy[keep], self.score[keep], self.class_id[keep])

    def shifted(self, dx_px: float, dy_px: float) -> "Detections":
        """The boxes moved right by `dx_px` and down by `dy_px`."""
        offset = np.array([dx_px, dy_px, dx_px, dy_px], np.float32)
        return Detections(self.xyxy + offset, self.score, self.class_id)

    def scaled(self, x_factor: float, y_factor: float) -> "Detections":
        """The boxes in a picture enlarged by `x_factor` and `y_factor` (both above 0) about its top-left corner."""
        factors = np.array([x_factor, y_factor, x_factor, y_factor], np.float32)
        return Detections(self.xyxy * factors, self.score, self.class_id)

    def clipped(self, width_px: float, height_px: float) -> "Detections":
        """The boxes cut at the edges of a picture; those with nothing left inside are dropped."""
        limits = np.array([width_px, height_px, width_px, height_px], np.float32)
        xyxy = np.clip(self.xyxy, np.float32(0), limits)
        inside = (xyxy[:, 2] > xyxy[:, 0]) & (xyxy[:, 3] > xyxy[:, 1])
        return Detections(xyxy[inside], self.score[inside], self.class_id[inside])

    def sorted(self) -> "Detections":
        """Highest score first; equal scores by class, then left, top, right and bottom edge."""
        x1, y1, x2, y2 = self.xyxy.T
        return self.where(np.lexsort((y2, x2, y1, x1, self.class_id, -self.score)))
