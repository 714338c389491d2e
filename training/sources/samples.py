"""A labelled picture, and how a split of a data set becomes a list of them."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.errors import SourceError
from training.sources.boxes import Box, Labelled
from training.sources.catalogue import RoadView, Source, find_source
from training.sources.layouts import read_split
from training.sources.places import place_of, read_table, side_of, stretch_of

__all__ = ["Sample", "Sets", "Tally", "load_samples"]

Row = Mapping[str, str]


def _no_boxes() -> NDArray[np.float32]:
    return np.empty((0, 4), np.float32)


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
        ignored: float32 (m, 4), px, regions in which nobody labelled anything: nothing there is judged.
        place: `SPACE/PLACE`, what must not lie on both sides of a split; "" where it is not told.
        stretch: the part of the place that a bootstrap draws as one.
        facts: columns of the data set's table, by name.
        above: whether it was taken looking down.
        gsd_m: metres on the ground that a pixel covers; None where it is not known, or a frame looks ahead.
        road_view: how the camera sees the road; None where the data set does not say.
    """

    picture: Path
    source: str
    xyxy: NDArray[np.float32]
    class_id: NDArray[np.int16]
    labelled: NDArray[np.bool_]
    blank: tuple[float, float, float, float] | None = None
    masks: Mapping[str, Path] = field(default_factory=dict)
    ignored: NDArray[np.float32] = field(default_factory=_no_boxes)
    place: str = ""
    stretch: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    above: bool = False
    gsd_m: float | None = None
    road_view: RoadView | None = None


@dataclass(slots=True)
class Tally:
    """What people labelled that is no box of a class of the model, or is one twice.

    Attributes:
        unmapped: by label that the entry maps to no class and does not ignore, how many boxes.
        unknown: by class of the entry that the model does not know, how many.
        twice: boxes whose very label is there already, on the same picture.
    """

    unmapped: Counter[str] = field(default_factory=Counter)
    unknown: Counter[str] = field(default_factory=Counter)
    twice: int = 0

    def count(self, one: Labelled, source: Source, classes: Sequence[str]) -> None:
        """Add the labels of a picture."""
        for label, _ in one.boxes:
            if label not in source.classes:
                self.unmapped[label] += label not in source.ignored
            elif source.classes[label] not in classes:
                self.unknown[source.classes[label]] += 1
        mapped = [pair for pair in one.boxes if source.classes.get(pair[0]) in classes]
        self.twice += len(mapped) - len(set(mapped))


@dataclass(frozen=True, slots=True)
class Sets:
    """The data sets of a `catalogue`, as they lie below the directory `data`, or else below a `mirror` of it."""

    catalogue: Mapping[str, Source]
    data: Path
    mirror: Path | None = None

    def source(self, name: str) -> Source:
        """The catalogue's entry of that name; an unknown name is refused with the nearest known one."""
        return find_source(self.catalogue, name)

    def root(self, name: str) -> Path:
        """The directory that the set's path is below: the mirror where only that has it."""
        path = self.source(name).path
        if self.mirror is not None and not (self.data / path).exists() and (self.mirror / path).exists():
            return self.mirror
        return self.data

    def samples(self, name: str, split: str, classes: Sequence[str], tally: Tally | None = None) -> list[Sample]:
        """All labelled pictures of one split, as `load_samples` gives them."""
        return load_samples(name, self.source(name), self.root(name), split, classes, tally)


def load_samples(
    name: str, source: Source, data: Path, split: str, classes: Sequence[str], tally: Tally | None = None
) -> list[Sample]:
    """All labelled pictures of one split of a data set, ordered by name.

    Args:
        name: the data set's name in the catalogue.
        source: its entry there.
        data: the data directory that the entry's path is below.
        split: `train` or `val`, or another folder of the set.
        classes: the model's classes, in the order of their ids.
        tally: counts what of their labels is no box of a class, or is one twice.

    Raises:
        SourceError: when the split is absent or empty, or a label says something impossible.
    """
    folder = data / source.path
    both = [(one, _sample(name, source, one, row, classes)) for one, row in _wanted(name, source, folder, split)]
    if source.divide is not None and split in ("train", "val"):
        # Pooled folders, in the order that the prepared form of the set has: crops are drawn by it.
        mine = [(one, sample) for one, sample in both if side_of(source.divide, sample.place) == split]
        both = sorted(mine, key=lambda pair: pair[1].picture.name)
    left_out = source.without.get(split, ())
    both = [(one, sample) for one, sample in both if sample.place.partition("/")[2] not in left_out]
    if not both:
        raise SourceError(f"no picture of {name} is in the split {split}", where=folder)
    if tally is not None:
        for one, _ in both:
            tally.count(one, source, classes)
    return [sample for _, sample in both]


def _wanted(name: str, source: Source, folder: Path, split: str) -> list[tuple[Labelled, Row | None]]:
    """The pictures of a split before they are divided by place, each with its row of the table."""
    divided = source.divide is not None and split in ("train", "val")
    folders = source.divide.folders if source.divide is not None and divided else (split,)
    wanted: list[tuple[Labelled, Row | None]] = []
    for part in folders:
        rows = read_table(folder, source.table, (part, source.splits.get(part, part)))
        labelled = read_split(name, source, folder, part)
        if source.only is not None:
            labelled = [one for one in labelled if re.search(source.only, one.key)]
        wanted += [(one, rows.get(one.picture.stem)) for one in labelled]
    if source.table is None:
        return wanted
    lost = next((one.picture for one, row in wanted if row is None), None)
    if lost is not None:
        raise SourceError(f"the picture has no row in {source.table.path}", where=lost)
    where = source.table.where.items()
    return [(one, row) for one, row in wanted if row is not None and all(row[column] == said for column, said in where)]


def _sample(name: str, source: Source, one: Labelled, row: Row | None, classes: Sequence[str]) -> Sample:
    kept = [(source.classes[label], box) for label, box in one.boxes if source.classes.get(label) in classes]
    ignored = [*one.ignored, *(box for label, box in one.boxes if label in source.ignored)]
    names = {label for label, _ in kept}
    place = place_of(name, source, one.key, row)
    stem = one.picture.stem
    masks = one.picture.parent.parent
    return Sample(
        picture=one.picture,
        source=name,
        xyxy=_array([box for _, box in kept]),
        class_id=np.array([classes.index(label) for label, _ in kept], dtype=np.int16),
        labelled=np.array([label in _labelled(source, names, row) for label in classes]),
        blank=source.blank,
        masks={label: masks / folder_of / f"{stem}.png" for label, folder_of in source.masks.items()},
        ignored=_array(ignored),
        place=place,
        stretch=stretch_of(name, source, one.key, place, row),
        facts={} if row is None or source.table is None else {fact: row[fact] for fact in source.table.facts},
        above=source.view == "above",
        gsd_m=source.gsd_m,
        road_view=source.road_view,
    )


def _labelled(source: Source, there: set[str], row: Mapping[str, str] | None) -> set[str]:
    """The classes whose absence from this picture teaches something."""
    labels = set(source.labels) - (set(source.distrust_empty) - there)
    if row is None or source.table is None or source.table.labelled is None:
        return labels
    return labels & set(row[source.table.labelled].split())


def _array(boxes: Sequence[Box]) -> NDArray[np.float32]:
    return np.array(boxes, dtype=np.float32).reshape(-1, 4)
