"""The detection loss of YOLO, silent about classes and regions of a picture that nobody labelled."""

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
from training.ranks import Ranks
from training.recipe import TeacherParams

__all__ = ["Family", "LabelledClassLoss", "MaskedCrossEntropy"]


@dataclass(frozen=True, slots=True)
class Family:
    """A class that tells no type, and the classes that are its types: ids of `crack`, and of D00, D10 and D20."""

    whole: int
    kinds: tuple[int, ...]


class TypedAssigner(nn.Module):  # type: ignore[misc]
    """Gives anchors their boxes as `assigner` does; those of a box whose type is known are of that type, too.

    `kinds`, set before, is int64 (pictures, boxes): the class that is each box's type, below 0 where not known.
    """

    def __init__(self, assigner: nn.Module) -> None:
        super().__init__()
        self.assigner = assigner
        self.kinds: Tensor | None = None

    def forward(self, *args: Any, **more: Any) -> tuple[Tensor, ...]:
        """What `assigner` gives: labels, boxes, scores (pictures, anchors, classes), which are taken, by which box."""
        labels, boxes, scores, taken, box = self.assigner(*args, **more)
        if self.kinds is not None:
            kind = self.kinds.gather(1, box)
            typed = (taken.bool() & (kind >= 0))[..., None]
            also = torch.zeros_like(scores).scatter_(2, kind.clamp(min=0)[..., None], scores.amax(2, keepdim=True))
            scores = torch.where(typed, torch.maximum(scores, also), scores)
        return labels, boxes, scores, taken, box


class MaskedCrossEntropy(nn.Module):  # type: ignore[misc]
    """Binary cross entropy per anchor and class, zero (in value and gradient) where nothing is known of a class."""

    def __init__(self) -> None:
        super().__init__()
        self.taught: Tensor | None = None
        self.types: Sequence[Sequence[int]] = ()
        self.there = torch.zeros(())

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Loss (batch, anchors, classes) of `logits` against `target`, both of that shape.

        `taught`, set before and of a shape that spreads to that one, says what each picture may teach; what is there
        is taught wherever it is, and what is of one of the classes of `types` is of none of the others. `there` is the
        sum of what is there, by which the losses are divided.
        """
        self.there = target.sum()
        loss = binary_cross_entropy_with_logits(logits, target, reduction="none")
        if self.taught is None:
            return loss
        told = self.taught | (target > 0)
        for kinds in self.types:
            told[..., kinds] |= (target[..., kinds] > 0).any(dim=-1, keepdim=True)
        return loss * told.to(loss.dtype)


class LabelledClassLoss(v8DetectionLoss):  # type: ignore[misc]
    """`v8DetectionLoss` whose batches carry `labelled`, bool (batch, classes), and `ignored`, regions (m, 5).

    Everywhere on a picture, an unlabelled class gets neither reward nor blame: a road whose cracks nobody drew does
    not teach that it has none. Boxes are always of labelled classes and keep the whole of their loss.

    In an ignored region (a crowd, a group of trees), outside the boxes drawn in it all the same, nothing is taught of
    any class: an anchor belongs to a region, or to a box, that its middle lies in.

    With `families`, one thing more is known. Where a picture labels all cracks but not their types, there is no crack
    of any type outside its boxes; where it labels all types, there is no untyped crack outside them. Within the boxes
    nothing is said.

    Where batches carry `kind` (n,), a box of a class that tells no type teaches that type as well, and that it is of
    none of the others.

    With `teaching`, batches carry `answers` of a teacher, who speaks for the classes that a picture does not label.

    Where a batch is shared out among `ranks`, each gives its part of the loss that the whole batch would have.
    """

    def __init__(
        self,
        model: nn.Module,
        families: Sequence[Family] = (),
        teaching: TeacherParams | None = None,
        ranks: Ranks | None = None,
    ) -> None:
        super().__init__(model)
        self.bce = MaskedCrossEntropy()
        self.assigner: TypedAssigner = TypedAssigner(self.assigner)  # the usual one, which the base class made
        self.families = families
        self.teaching = teaching
        self.ranks = ranks or Ranks()

    def loss(self, preds: dict[str, Any], batch: dict[str, Any]) -> tuple[Tensor, dict[str, Tensor]]:
        """The three losses (box, class, distribution) times the size of the whole batch, and the same for the log.

        Averaged over ranks, the gradient of the former is that of the whole batch.
        """
        labelled = torch.as_tensor(batch["labelled"], device=self.device)
        points, strides = make_anchors(preds["feats"], self.stride, 0.5)
        height, width = (side * float(self.stride[0]) for side in preds["feats"][0].shape[2:])
        anchors = points * strides / points.new_tensor([width, height])
        boxes = torch.cat([batch["batch_idx"][:, None].float(), batch["bboxes"]], dim=1).to(self.device)
        taught = labelled[:, None, :].expand(-1, len(points), -1).clone()
        for family in self.families:
            member = torch.isin(batch["cls"].long(), torch.tensor([family.whole, *family.kinds])).to(self.device)
            _teach_outside(taught, labelled, family, ~_covered(anchors, boxes[member], len(labelled)))
        silent = _covered(anchors, batch["ignored"].to(self.device), len(labelled))
        if silent.any():
            silent &= ~_covered(anchors, boxes, len(labelled))
        self.bce.taught = taught & ~silent[..., None]
        self.bce.types = [list(family.kinds) for family in self.families]
        self.assigner.kinds = _by_picture(batch["kind"], batch["batch_idx"], len(labelled), self.device)
        size = self.ranks.sum(torch.tensor(float(len(labelled)), device=self.device))
        total, log = super().loss(preds, batch)
        # Divided by what is there on this part; the whole has more.
        part = total / len(labelled) * self.bce.there.clamp(min=1) / self.ranks.sum(self.bce.there).clamp(min=1)
        if self.teaching is not None:
            asked = ~labelled[:, :, None] & ~silent[:, None, :]
            score, edges = distillation(preds, batch["answers"], asked, self.ranks.sum)
            part = part + torch.stack(
                [torch.zeros_like(score), self.teaching.score * score, self.teaching.edges * edges]
            )
        whole = self.ranks.sum(part.detach())
        return part * size * self.ranks.n, dict(zip(log, whole, strict=True))


def _by_picture(kinds: Tensor, index: Tensor, n_pictures: int, device: torch.device) -> Tensor | None:
    """Kinds (pictures, boxes) in the order in which the loss lays boxes out by picture; None where none is known."""
    if not (kinds >= 0).any():
        return None
    laid = torch.full((n_pictures, int(index.bincount().max())), -1, dtype=torch.long)
    for picture in index.unique().tolist():
        of_it = kinds[index == picture]
        laid[picture, : len(of_it)] = of_it
    return laid.to(device)


def _covered(anchors: Tensor, boxes: Tensor, n_pictures: int) -> Tensor:
    """Bool (pictures, anchors): a box lies over the anchor's middle.

    Args:
        anchors: float32 (anchors, 2), their middles' x and y as fractions of the picture.
        boxes: float32 (n, 5): the picture each is on, centre and size as fractions of it.
        n_pictures: how many pictures the batch has.
    """
    index, middle, extent = boxes.split([1, 2, 2], dim=1)
    within = ((anchors[None] - middle[:, None]).abs() <= extent[:, None] / 2).all(dim=2)
    covered = torch.zeros(n_pictures, len(anchors), device=anchors.device)
    return covered.index_add_(0, index[:, 0].long(), within.float()) > 0


def _teach_outside(taught: Tensor, labelled: Tensor, family: Family, outside: Tensor) -> None:
    kinds = list(family.kinds)
    taught[:, :, kinds] |= (labelled[:, family.whole, None] & outside)[..., None]
    taught[:, :, family.whole] |= labelled[:, kinds].all(dim=1)[:, None] & outside
