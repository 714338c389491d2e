"""`ultralytics predict` with our weights: its own loader, network, suppression, on the same files."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from models.backends.pillow import pillow_kept
from models.backends.torch import build_network
from models.card import ModelCard, load_card, write_card
from models.detector import model_folder
from models.types import LoadRequest

__all__ = ["Agreement", "Rival", "agreement", "one_label_an_anchor"]

Array = NDArray[np.float64]
SAME_IOU = 0.5
"""The field's usual limit for one box being another: we cut and pad frames differently, which moves edges by pixels."""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two detectors found the same: numbers of boxes, and the share of all that the other found too."""

    ours: int
    theirs: int
    shared: float


class Rival:
    """Ultralytics' predictor on the card's weights, at the card's resolution and thresholds.

    Args:
        card: of the model.
        weights: its ONNX file.

    Raises:
        BackendError: the weights do not fit the architecture.
        ModuleNotFoundError: the extra `train` is not installed.
    """

    def __init__(self, card: ModelCard, weights: Path) -> None:
        self._card = card
        request = LoadRequest(weights, card.architecture, len(card.classes), "f32", threads=1)
        with pillow_kept():
            self._yolo: Any = import_module("ultralytics").YOLO(f"{card.architecture}.yaml")
        self._yolo.model = build_network(request)
        self._yolo.model.names = dict(enumerate(card.class_names))

    def predict(self, files: list[Path], long_side_px: int) -> pd.DataFrame:
        """Boxes as `ultralytics predict` gives them: `frame`, `class`, `score`, `x1`, `y1`, `x2`, `y2`."""
        limits = np.array(self._card.score_thresholds)
        found = self._yolo.predict(
            [str(path) for path in files],
            imgsz=long_side_px,
            conf=float(limits.min()),
            iou=self._card.suppression.iou,
            max_det=self._card.suppression.max_boxes,
            stream=True,
            verbose=False,
            device="cpu",
        )
        rows = []
        for path, result in zip(files, found, strict=True):
            boxes = result.boxes.cpu().numpy()
            for kind, score, edges in zip(boxes.cls.astype(int), boxes.conf, boxes.xyxy, strict=True):
                if score >= limits[kind]:
                    rows.append((path.name, self._card.class_names[kind], float(score), *map(float, edges)))
        return pd.DataFrame(rows, columns=["frame", "class", "score", "x1", "y1", "x2", "y2"])


@contextmanager
def one_label_an_anchor(model: str) -> Iterator[Path]:
    """A copy of the model's folder whose card keeps the best class of an anchor alone, as `ultralytics predict` does.

    Our cards may keep every class that an anchor scores high enough in; boxes are compared under one rule.
    """
    folder = model_folder(model)
    card = load_card(folder)
    with TemporaryDirectory() as copy:
        (Path(copy) / card.weights).symlink_to((folder / card.weights).resolve())
        suppression = card.suppression.model_copy(update={"labels": "best"})
        write_card(card.model_copy(update={"suppression": suppression}), Path(copy))
        yield Path(copy)


def agreement(ours: pd.DataFrame, theirs: pd.DataFrame) -> Agreement:
    """Share of both detectors' boxes that have one of the same class and nearly the same place in the other's."""
    matched = _having_match(ours, theirs) + _having_match(theirs, ours)
    total = len(ours) + len(theirs)
    return Agreement(len(ours), len(theirs), matched / total if total else 1.0)


def _having_match(one: pd.DataFrame, other: pd.DataFrame) -> int:
    edges = ["x1", "y1", "x2", "y2"]
    groups = {key: group[edges].to_numpy(np.float64) for key, group in other.groupby(["frame", "class"])}
    count = 0
    for key, group in one.groupby(["frame", "class"]):
        if key in groups:
            count += int((_iou(group[edges].to_numpy(np.float64), groups[key]).max(axis=1) >= SAME_IOU).sum())
    return count


def _iou(a: Array, b: Array) -> Array:
    """(n, m) intersection over union of boxes (n, 4) and (m, 4)."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    own = [(boxes[:, 2:] - boxes[:, :2]).prod(axis=1) for boxes in (a, b)]
    result: Array = shared / (own[0][:, None] + own[1][None, :] - shared)
    return result
