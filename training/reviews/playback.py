"""Labels that are known played back as reviews of what a model saw: what a careful reviewer would have said.

It shows what corrections are worth without waiting for people: hold labelled pictures back, teach a model without them,
and let their labels answer its boxes.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.detections import Detections
from models.measures import Truth, box_iou
from training.judge import Judged
from training.outcomes import outcomes_of

__all__ = ["Playback", "play_back"]

GOOD_IOU = 0.7
"""A box that overlaps its object by less is drawn anew."""
Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Playback:
    """The two files that `training.reviews.lines` reads, a mapping a line: the model's boxes, and what was said.

    `added` counts the objects among them that the model had not seen.
    """

    detections: list[Line]
    reviews: list[Line]
    added: int


def play_back(
    judged: Judged, thresholds: Mapping[str, float], images: Sequence[str], *, looks_through: bool
) -> Playback:
    """Review every box that counts against the labels of its picture, and add the objects that were missed.

    A box of a class that the picture does not label, or in an ignored region, is reviewed by nobody.

    Args:
        judged: labelled pictures and what the model saw of them.
        thresholds: score from which a box counts, by class name in the order of the class ids.
        images: the pictures' names, in the same order.
        looks_through: whether the reviewer also says that a picture is done, for the classes labelled on it.
    """
    classes, least = list(thresholds), np.array(list(thresholds.values()))
    detections: list[Line] = []
    reviews: list[Line] = []
    added = 0
    for image, truth, found in zip(images, judged.truths, judged.found, strict=True):
        boxes = found.where(found.score >= least[found.class_id])
        ids = [f"{image}#{number}" for number in range(len(boxes))]
        detections += [
            {"detection": name, "image": image, "class": classes[class_id], "bbox": box}
            for name, class_id, box in zip(ids, boxes.class_id.tolist(), boxes.xyxy.tolist(), strict=True)
        ]
        outcomes = outcomes_of(truth, boxes, list(least))
        reviews += [_answer(ids, truth, boxes, classes, pair) for pair in outcomes.pairs.tolist()]
        reviews += [{"detection": ids[number], "verdict": "reject"} for number in outcomes.false]
        reviews += list(_missed(image, truth, classes, outcomes.missed))
        added += len(outcomes.missed)
        if looks_through and not len(truth.ignored):
            reviews += list(_looked_through(image, truth, classes))
    return Playback(detections, reviews, added)


def _answer(ids: Sequence[str], truth: Truth, boxes: Detections, classes: Sequence[str], pair: Sequence[int]) -> Line:
    there, seen = pair
    overlap = float(box_iou(boxes.xyxy[[seen]], truth.xyxy[[there]])[0, 0])
    if overlap >= GOOD_IOU and truth.class_id[there] == boxes.class_id[seen]:
        return {"detection": ids[seen], "verdict": "accept"}
    right = {"class": classes[truth.class_id[there]], "bbox": truth.xyxy[there].tolist()}
    return {"detection": ids[seen], "verdict": "fix", **right}


def _looked_through(image: str, truth: Truth, classes: Sequence[str]) -> Iterator[Line]:
    if truth.labelled.all():
        yield {"image": image, "verdict": "accept" if len(truth.xyxy) else "reject"}
        return
    for number in np.flatnonzero(truth.labelled).tolist():
        there = bool((truth.class_id == number).any())
        yield {"image": image, "verdict": "accept" if there else "reject", "class": classes[number]}


def _missed(image: str, truth: Truth, classes: Sequence[str], missed: NDArray[np.int64]) -> Iterator[Line]:
    for number in missed.tolist():
        right = {"class": classes[truth.class_id[number]], "bbox": truth.xyxy[number].tolist()}
        yield {"image": image, "verdict": "accept", **right}
