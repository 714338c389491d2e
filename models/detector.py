"""The one way to look at pictures, whatever runs the network."""

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from models.backends.loading import load_network
from models.card import CARD_NAME, ModelCard, load_card, verify_weights
from models.detections import Detections
from models.errors import CardError
from models.pool import PooledDetector
from models.types import LOWEST_SCORE, BackendName, LoadRequest, Picture, PrecisionName, Runtime

__all__ = [
    "LOWEST_SCORE",
    "Detector",
    "Picture",
    "Runtime",
    "available_cores",
    "known_tasks",
    "model_folder",
    "open_detector",
]

WEIGHTS = Path(__file__).parent / "weights"


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

    def submit(self, picture: Picture, min_score: float = LOWEST_SCORE) -> Future[Detections]:
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


def available_cores() -> int:
    """Cores this process may run on, where the system tells, else all of them."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def known_tasks() -> list[str]:
    """The tasks whose weights ship with the package."""
    return sorted(card.parent.name for card in WEIGHTS.glob(f"*/{CARD_NAME}"))


def model_folder(task_or_dir: str | Path) -> Path:
    """The folder of a model: of a task that ships with the package, or a folder with a card.

    Raises:
        CardError: when it is neither.
    """
    if str(task_or_dir) in known_tasks():
        return WEIGHTS / str(task_or_dir)
    folder = Path(task_or_dir)
    if (folder / CARD_NAME).is_file():
        return folder
    tasks = ", ".join(known_tasks()) or "none in this installation"
    remedy = f"Name a task ({tasks}) or a folder with {CARD_NAME}."
    raise CardError("no such task, and no folder with a model card", where=task_or_dir, remedy=remedy)


def open_detector(
    task_or_dir: str | Path,
    backend: BackendName = "auto",
    precision: PrecisionName = "auto",
    threads: int | None = None,
) -> PooledDetector:
    """Load the weights of a task or a model folder, checked against their card.

    Args:
        task_or_dir: `road`, or a folder that holds card.yaml and the weights it names.
        backend: "auto" takes a CUDA device if ONNX Runtime sees one, else OpenVINO.
        precision: "auto" takes bf16 where the processor computes in it, else f32.
        threads: how many pictures are looked at side by side, each by one thread; by default one per core.

    Raises:
        CardError: no such model, or an impossible card.
        WeightsError: weights absent or not those of the card.
        BackendError: the back end is not installed or cannot run the network in that precision.
    """
    folder = model_folder(task_or_dir)
    card = load_card(folder)
    weights = verify_weights(card, folder)
    request = LoadRequest(
        weights=weights,
        architecture=card.architecture,
        n_classes=len(card.classes),
        precision=precision,
        threads=threads or available_cores(),
    )
    return PooledDetector(card, load_network(request, backend))
