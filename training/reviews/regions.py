"""What a picture's reviews let it teach, and where: the rest is an ignored region.

A review says something of one box. Around it, and of other classes, nobody said anything: a picture that was not looked
through must not teach that all else on it is nothing. Hence it teaches the classes that were asked about, around the
reviewed boxes, and is silent on the rest of the ground (`training.loss`), of which the network still sees all.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.measures import box_iou
from training.reviews.lines import Corrections
from training.road import CRACKS, UNTYPED
from training.sources.boxes import Box

__all__ = ["Lesson", "lessons", "settled"]

SAME_IOU = 0.5


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one picture teaches of some classes.

    Attributes:
        labelled: the classes whose absence is known wherever nothing is ignored.
        boxes: (class, box in px of the picture) of what is there.
        ignored: where nothing is known, px: rectangles that do not overlap. None: the picture was looked through.
    """

    labelled: tuple[str, ...]
    boxes: tuple[tuple[str, Box], ...]
    ignored: tuple[Box, ...] | None = None


def settled(said: Iterable[Corrections]) -> list[Corrections]:
    """The latest word on each box: of two reviews of one (IoU 0.5), the later `when` counts, then the later line.

    What was said of no box stands beside it.
    """
    kept: list[Corrections] = []
    for one in sorted(said, key=lambda review: review.when):
        if one.boxes:
            kept = [other for other in kept if not (other.boxes and _same(one, other))]
        kept.append(one)
    return kept


def lessons(
    said: Sequence[Corrections], classes: Sequence[str], size_px: tuple[int, int], context: float
) -> list[Lesson]:
    """What a picture may teach: first of the classes that it was looked through for, then of others around boxes.

    Args:
        said: the settled reviews of the picture, those of nobody (verdict None) included.
        classes: the classes of the task.
        size_px: width and height of the picture.
        context: how much a reviewer is taken to have seen around a box, as a part of its sides, each way.
    """
    through = {name for one in said if one.verdict is not None and not one.boxes for name in _known(one, classes)}
    reviewed = [one for one in said if one.verdict is not None and one.boxes]
    there = [(one.name, one.boxes[0]) for one in reviewed if one.verdict != "reject" and one.name is not None]
    found = []
    if through:
        found.append(Lesson(_ordered(through, classes), tuple((name, box) for name, box in there if name in through)))
    groups: dict[tuple[str, ...], list[Corrections]] = {}
    for one in reviewed:
        if asked := _ordered(set(_known(one, classes)) - through, classes):
            groups.setdefault(asked, []).append(one)
    unknown = [one.boxes[0] for one in said if one.verdict is None]
    for asked, some in sorted(groups.items()):
        boxes = tuple((one.name, one.boxes[0]) for one in some if one.verdict != "reject" and one.name in asked)
        # What others say is there, or nobody knows of, must not pass for nothing.
        elsewhere = [box for name, box in there if name in asked and (name, box) not in boxes]
        seen = [_region(one, size_px, context) for one in some]
        found.append(Lesson(asked, boxes, _rest(seen, [*unknown, *elsewhere], size_px)))
    return found


def _ordered(names: set[str], classes: Sequence[str]) -> tuple[str, ...]:
    return tuple(name for name in classes if name in names)


def _known(one: Corrections, classes: Sequence[str]) -> tuple[str, ...]:
    """The classes that a review speaks of; a fix says also that the class which the box had is not there."""
    if one.name is None:
        return tuple(classes)
    # Who names a crack's type, or takes it away, does not say that it is none.
    refined = UNTYPED in (one.name, one.former) and {one.name, one.former} <= set(CRACKS)
    return (one.name,) if one.former is None or refined else (one.name, one.former)


def _region(one: Corrections, size_px: tuple[int, int], context: float) -> Box:
    """The box, and for a fix also where it was, with what lies around them, within the picture."""
    corners = np.array(one.boxes, np.float64)
    low, high = corners[:, :2].min(axis=0), corners[:, 2:].max(axis=0)
    margin = context * (high - low)
    (x1, y1), (x2, y2) = np.maximum(low - margin, 0), np.minimum(high + margin, size_px)
    return (float(x1), float(y1), float(x2), float(y2))


def _rest(seen: Sequence[Box], unknown: Sequence[Box], size_px: tuple[int, int]) -> tuple[Box, ...]:
    """The picture without what was `seen`, and with what is `unknown`, in rectangles that do not overlap."""
    edges = np.array([(0, 0, *size_px), *seen, *unknown], np.float64)
    columns, rows = (np.unique(np.clip(edges[:, [k, k + 2]], 0, size_px[k])) for k in (0, 1))
    x, y = np.meshgrid((columns[1:] + columns[:-1]) / 2, (rows[1:] + rows[:-1]) / 2)
    dark = ~_within(x, y, seen) | _within(x, y, unknown)
    done: list[Box] = []
    open_: dict[tuple[int, int], int] = {}
    for row, line in enumerate([*dark, np.zeros(dark.shape[1], bool)]):
        turns = np.flatnonzero(np.diff(line, prepend=False, append=False))
        runs = {(int(first), int(last)) for first, last in turns.reshape(-1, 2)}
        for run in [one for one in open_ if one not in runs]:
            top = open_.pop(run)
            done.append((float(columns[run[0]]), float(rows[top]), float(columns[run[1]]), float(rows[row])))
        for run in runs - open_.keys():
            open_[run] = row
    return tuple(sorted(done))


def _within(x: NDArray[np.float64], y: NDArray[np.float64], boxes: Sequence[Box]) -> NDArray[np.bool_]:
    inside = np.zeros(x.shape, bool)
    for x1, y1, x2, y2 in boxes:
        inside |= (x1 < x) & (x < x2) & (y1 < y) & (y < y2)
    return inside


def _same(one: Corrections, other: Corrections) -> bool:
    if one.verdict is None or other.verdict is None:
        return False
    # "No D40" and "a D20" are both said of one place; a fix, or a rejection of everything, speaks of all classes.
    all_classes = None in (one.name, other.name) or "fix" in (one.verdict, other.verdict)
    if not all_classes and one.name != other.name:
        return False
    return bool(box_iou(np.array(one.boxes), np.array(other.boxes)).max() >= SAME_IOU)
