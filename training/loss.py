"""The detection loss of YOLO, silent about classes that a picture's data set does not label."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from models.backends.pillow import pillow_kept

with pillow_kept():
    from ultralytics.utils.loss import v8DetectionLoss
    from ultralytics.utils.tal import make_anchors

from training.distil import distillation
from training.recipe import TeacherParams

__all__ = ["Family", "LabelledClassLoss", "MaskedCrossEntropy"]


@dataclass(frozen=True, slots=True)
class Family:
    """A class that tells no type, and the classes that are its types: ids of `crack`, and of D00, D10 and D20."""

    whole: int
    kinds: tuple[int, ...]


class MaskedCrossEntropy(nn.Module):  # type: ignore[misc]
    """Binary cross entropy per anchor and class, zero (in value and gradient) where nothing is known of a class."""

    def __init__(self) -> None:
        super().__init__()
        self.taught: Tensor | None = None

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Loss (batch, anchors, classes) of `logits` against `target`, both of that shape.

        `taught`, set before and of a shape that spreads to that one, says what each picture may teach.
        """
        loss = binary_cross_entropy_with_logits(logits, target, reduction="none")
        return loss if self.taught is None else loss * self.taught.to(loss.dtype)


class LabelledClassLoss(v8DetectionLoss):  # type: ignore[misc]
    """`v8DetectionLoss` whose batches carry `labelled`, bool (batch, classes).

    Everywhere on a picture, an unlabelled class gets neither reward nor blame: a road whose cracks nobody drew does
    not teach that it has none. Boxes are always of labelled classes and keep the whole of their loss.

    With `families`, one thing more is known. Where a picture labels all cracks but not their types, there is no crack
    of any type outside its boxes; where it labels all types, there is no untyped crack outside them. Within the boxes
    nothing is said.

    With `teaching`, batches carry `answers` of a teacher, who speaks for the classes that a picture does not label.
    """

    def __init__(
        self, model: nn.Module, families: Sequence[Family] = (), teaching: TeacherParams | None = None
    ) -> None:
        super().__init__(model)
        self.bce = MaskedCrossEntropy()
        self.families = families
        self.teaching = teaching

    def loss(self, preds: dict[str, Any], batch: dict[str, Any]) -> tuple[Tensor, dict[str, Tensor]]:
        """The three losses (box, class, distribution) times the batch size, and the same for the log."""
        labelled = torch.as_tensor(batch["labelled"], device=self.device)
        points, strides = make_anchors(preds["feats"], self.stride, 0.5)
        taught = labelled[:, None, :].expand(-1, len(points), -1).clone()
        for family in self.families:
            _teach_outside(taught, labelled, family, self._outside(points * strides, preds["feats"][0], batch, family))
        self.bce.taught = taught
        total, log = super().loss(preds, batch)
        if self.teaching is not None:
            score, edges = distillation(preds, batch["answers"], ~labelled)
            said = torch.stack([torch.zeros_like(score), self.teaching.score * score, self.teaching.edges * edges])
            total = total + said * len(labelled)
            log = {name: one + more for (name, one), more in zip(log.items(), said.detach(), strict=True)}
        return total, log

    def _outside(self, points_px: Tensor, finest: Tensor, batch: dict[str, Any], family: Family) -> Tensor:
        """Bool (batch, anchors): no box of the family lies over the anchor's middle."""
        size = torch.tensor([finest.shape[3], finest.shape[2]], device=self.device) * self.stride[0]
        member = torch.isin(batch["cls"].long(), torch.tensor([family.whole, *family.kinds]))
        index = batch["batch_idx"][member].long().to(self.device)
        middle, extent = (batch["bboxes"][member].to(self.device) * size.repeat(2)).split(2, dim=1)
        within = ((points_px[None] - middle[:, None]).abs() <= extent[:, None] / 2).all(dim=2)
        covered = torch.zeros(finest.shape[0], len(points_px), device=self.device)
        return covered.index_add_(0, index, within.float()) == 0


def _teach_outside(taught: Tensor, labelled: Tensor, family: Family, outside: Tensor) -> None:
    kinds = list(family.kinds)
    taught[:, :, kinds] |= (labelled[:, family.whole, None] & outside)[..., None]
    taught[:, :, family.whole] |= labelled[:, kinds].all(dim=1)[:, None] & outside
