"""A labelled picture, and the readers of the layouts that data sets come in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.errors import SourceError
from training.sources.catalogue import Source, find_source
from training.sources.voc import read_voc
from training.sources.yolo import read_yolo

__all__ = ["Sample", "Sets", "load_samples"]

PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}


@dataclass(frozen=True, slots=True)
class Sample:
    """One picture and what people said is on it.

    Attributes:
        picture: path of the picture.
        source: name of its data set.
        xyxy: float32 (n, 4), px, corners in the frame of the picture.
        class_id: int16 (n,), the model's class.
        labelled: bool (classes,), True where every instance of that class is labelled on this picture. Where it is
            False, the absence of a box says nothing.
        blank: float (4,) or None, x1 y1 x2 y2 as fractions of the picture: painted over before use.
        masks: by class name, the path of a picture whose pixels above 0 belong to an object of that class.
    """

    picture: Path
    source: str
    xyxy: NDArray[np.float32]
    class_id: NDArray[np.int16]
    labelled: NDArray[np.bool_]
    blank: tuple[float, float, float, float] | None = None
    masks: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sets:
    """The data sets of a `catalogue`, as they lie below the directory `data`."""

    catalogue: Mapping[str, Source]
    data: Path

    def source(self, name: str) -> Source:
        """The catalogue's entry of that name; an unknown name is refused with the nearest known one."""
        return find_source(self.catalogue, name)

    def samples(self, name: str, split: str, classes: Sequence[str]) -> list[Sample]:
        """All labelled pictures of one split, as `load_samples` gives them."""
        return load_samples(name, self.source(name), self.data, split, classes)


def load_samples(name: str, source: Source, data: Path, split: str, classes: Sequence[str]) -> list[Sample]:
    """All labelled pictures of one split of a data set, ordered by name.

    Args:
        name: the data set's name in the catalogue.
        source: its entry there.
        data: the data directory that the entry's path is below.
        split: folder of the split, as `train` or `val`.
        classes: the model's classes, in the order of their ids.

    Raises:
        SourceError: when the split is absent or empty, or a label file says something impossible.
    """
    folder = data / source.path / split
    pictures = sorted(path for path in (folder / "images").glob("*") if path.suffix.lower() in PICTURES)
    if not pictures:
        remedy = f"Fetch it from {source.url} and unpack it there, or name another directory with --data."
        raise SourceError(f"the data set {name} has no pictures here", where=folder / "images", remedy=remedy)
    return [_sample(name, source, folder, picture, classes) for picture in pictures]


def _sample(name: str, source: Source, folder: Path, picture: Path, classes: Sequence[str]) -> Sample:
    if source.layout == "yolo":
        with Image.open(picture) as image:
            boxes = read_yolo(folder / "labels" / f"{picture.stem}.txt", image.size)
    else:
        boxes = read_voc(folder / "annotations" / "xmls" / f"{picture.stem}.xml")
    kept = [(source.classes[label], box) for label, box in boxes if source.classes.get(label) in classes]
    names = {label for label, _ in kept}
    empty_says_nothing = set(source.distrust_empty) - names
    return Sample(
        picture=picture,
        source=name,
        xyxy=np.array([box for _, box in kept], dtype=np.float32).reshape(-1, 4),
        class_id=np.array([classes.index(label) for label, _ in kept], dtype=np.int16),
        labelled=np.array([one in source.labels and one not in empty_says_nothing for one in classes]),
        blank=source.blank,
        masks={label: folder / masks / f"{picture.stem}.png" for label, masks in source.masks.items()},
    )
