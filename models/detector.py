"""The one way to look at pictures, whatever runs the network."""

from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.card import ModelCard
from models.detections import Detections

__all__ = ["LOWEST_SCORE", "Detector", "Picture", "Runtime"]

LOWEST_SCORE = 0.01
"""Below this a box says nothing about the picture; measures of average precision change by less than 0.1 points."""

Picture = NDArray[np.uint8]
"""uint8 (h, w, 3), rows from the top, RGB."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """What runs the network: `backend` (openvino, onnx, torch), its `device`, `precision` and `threads`."""

    backend: str
    device: str
    precision: str
    threads: int

    def __str__(self) -> str:
        return f"{self.backend} on {self.device}, {self.precision}, {self.threads} at a time"


class Detector(Protocol):
    """Finds the objects of its card's classes in pictures.

    Boxes come back in the pixels of the picture given, at the scale given: `models.band` crops and scales frames
    as the card wants them. One picture's boxes do not depend on the pictures around it, nor on the number of threads.
    """

    @property
    def card(self) -> ModelCard:
        """What the model is, was trained on, and is worth."""
        ...

    @property
    def runtime(self) -> Runtime:
        """What runs the network."""
        ...

    def submit(self, picture: Picture, min_score: float = LOWEST_SCORE) -> "Future[Detections]":
        """Queue one picture; its boxes at or above `min_score`, highest first, when the future is done."""
        ...

    def predict(self, batch: NDArray[np.uint8], min_score: float = LOWEST_SCORE) -> list[Detections]:
        """Boxes in each picture of a uint8 (b, h, w, 3) RGB batch."""
        ...

    def stream(self, pictures: Iterable[Picture], min_score: float = LOWEST_SCORE) -> Iterator[Detections]:
        """Boxes in each picture, in order; a few pictures are in flight at a time, so memory stays flat."""
        ...

    def close(self) -> None:
        """Give back threads and memory; the detector is of no use afterwards."""
        ...
