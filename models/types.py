"""Names for what travels between the parts of a detector."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "LOWEST_SCORE",
    "BackendName",
    "LoadRequest",
    "Network",
    "Picture",
    "PrecisionName",
    "RawOutput",
    "Runtime",
]

BackendName = Literal["auto", "openvino", "onnx", "torch"]
PrecisionName = Literal["auto", "f32", "bf16"]

LOWEST_SCORE = 0.01
"""Below this a box says nothing about the picture; measures of average precision change by less than 0.1 points."""

Picture = NDArray[np.uint8]
"""uint8 (h, w, 3), rows from the top, RGB."""

RawOutput = NDArray[np.float32]
"""float32 (4 + classes, anchors): box centre x, y, width, height in input pixels, then a score per class."""


@dataclass(frozen=True, slots=True)
class Runtime:
    """What runs the network: `backend` (openvino, onnx, torch), its `device`, `precision` and `threads`."""

    backend: str
    device: str
    precision: str
    threads: int

    def __str__(self) -> str:
        return f"{self.backend} on {self.device}, {self.precision}, {self.threads} at a time"


@dataclass(frozen=True, slots=True)
class LoadRequest:
    """A network to load: the ONNX file `weights` of `n_classes` classes, built as ultralytics' `architecture`.

    `threads` is how many pictures are looked at side by side.
    """

    weights: Path
    architecture: str
    n_classes: int
    precision: PrecisionName
    threads: int


class Network(Protocol):
    """A loaded network. Called from several threads at once, each call with one picture."""

    @property
    def runtime(self) -> Runtime:
        """What runs it."""
        ...

    def __call__(self, picture: Picture) -> RawOutput:
        """The raw output for one picture whose sides are multiples of the stride."""
        ...
