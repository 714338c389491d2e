"""A teacher for what nobody labelled: the base weights' own answers, which the network in training should keep.

Weights that know eighty classes from a hundred thousand pictures see people and vehicles on any street. Taught on a
few hundred pictures of another kind, they would forget most of it. Where a data set does not label a class, the
teacher looks at the very same crop, and its score at every anchor is what the network's score should be; where it saw
something, its distribution of box edges too. Hinton, Vinyals, Dean, "Distilling the Knowledge in a Neural Network",
2015; for detectors, Shmelkov, Schmid, Alahari, "Incremental Learning of Object Detectors without Catastrophic
Forgetting", ICCV 2017.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, smooth_l1_loss

from training.network import BASE_CLASSES, build_network, start_from

__all__ = ["Answers", "Teacher", "distillation"]

SEEN = 0.05
"""Teacher's score from which an anchor's box teaches; what counts on a street scores five times this."""


@dataclass(frozen=True, slots=True)
class Answers:
    """What the teacher said of a batch.

    Attributes:
        score: float32 (batch, classes, anchors), 0 to 1.
        edges: float32 (batch, 4 × bins, anchors), logits of the distribution of each box edge's distance; of one bin,
            the distance.
    """

    score: Tensor
    edges: Tensor


class Teacher:
    """The base network, frozen; each of our classes is the surest of some of its own."""

    def __init__(self, architecture: str, base: Path, classes: Sequence[Sequence[int]], device: torch.device) -> None:
        self.classes = [list(some) for some in classes]
        self.network: nn.Module = build_network(architecture, BASE_CLASSES)
        start_from(self.network, base, classes=[[one] for one in range(BASE_CLASSES)])
        self.network = self.network.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)

    def answers(self, pictures: Tensor) -> Answers:
        """What it sees in float32 (batch, 3, height, width), 0 to 1."""
        with torch.no_grad():
            raw: dict[str, Any] = self.network(pictures)[1]
        score = raw["scores"].float().sigmoid()
        ours = torch.stack([score[:, some].amax(dim=1) for some in self.classes], dim=1)
        return Answers(ours, raw["boxes"].float())


def distillation(
    preds: dict[str, Any], answers: Answers, asked: Tensor, over_all: Callable[[Tensor], Tensor] = lambda part: part
) -> tuple[Tensor, Tensor]:
    """Loss of class scores and of box edges against the teacher's answers, both 0 where the two agree.

    Args:
        preds: the network's raw head, logits: `scores` (batch, classes, anchors), `boxes` (batch, 4 × bins, anchors).
        answers: the teacher's.
        asked: bool (batch, classes, anchors), what the teacher answers for.
        over_all: makes a sum over this part of a batch one over the whole, where it is shared out.

    Returns:
        Scalars: cross entropy of scores over the sum of the teacher's, and of edges over the anchors where it saw
        something, weighted by its score. Both less the teacher's own entropy.
    """
    taught = asked.to(answers.score.dtype)
    wanted = answers.score * taught
    total = over_all(wanted.sum()).clamp(min=1)
    score = _divergence(preds["scores"].float(), answers.score, taught).sum() / total
    weight = wanted.amax(dim=1)
    weight = torch.where(weight > SEEN, weight, torch.zeros_like(weight))
    batch, _, anchors = preds["boxes"].shape
    ours, theirs = (
        one.float().reshape(batch, 4, -1, anchors).transpose(1, 2) for one in (preds["boxes"], answers.edges)
    )
    likely = theirs.softmax(dim=1)
    if ours.shape[1] == 1:  # a head without bins gives the distances themselves, in cells of its grid
        apart = smooth_l1_loss(ours, theirs, reduction="none")[:, 0]
    else:
        apart = cross_entropy(ours, likely, reduction="none") + (likely * theirs.log_softmax(dim=1)).sum(dim=1)
    edges = (apart.mean(dim=1) * weight).sum() / over_all(weight.sum()).clamp(min=1)
    return score, edges


def _divergence(logits: Tensor, wanted: Tensor, taught: Tensor) -> Tensor:
    """Kullback-Leibler divergence per anchor and class of the network's Bernoulli from the teacher's."""
    sure = wanted.clamp(1e-6, 1 - 1e-6)
    entropy = -(sure * sure.log() + (1 - sure) * (1 - sure).log())
    return (binary_cross_entropy_with_logits(logits, sure, reduction="none") - entropy) * taught
