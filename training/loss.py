"""The detection loss of YOLO, silent about classes that a picture's data set does not label."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits
from ultralytics.utils.loss import v8DetectionLoss

__all__ = ["LabelledClassLoss", "MaskedCrossEntropy"]


class MaskedCrossEntropy(nn.Module):  # type: ignore[misc]
    """Binary cross entropy per anchor and class, zero (in value and gradient) where a class is not labelled."""

    def __init__(self) -> None:
        super().__init__()
        self.labelled: Tensor | None = None

    def forward(self, logits: Tensor, target: Tensor) -> Tensor:
        """Loss (batch, anchors, classes) of `logits` against `target`, both of that shape.

        `labelled` (batch, classes), set before, says which classes each picture may teach.
        """
        loss = binary_cross_entropy_with_logits(logits, target, reduction="none")
        if self.labelled is None:
            return loss
        return loss * self.labelled[:, None, :].to(loss.dtype)


class LabelledClassLoss(v8DetectionLoss):  # type: ignore[misc]
    """`v8DetectionLoss` whose batches carry `labelled`, bool (batch, classes).

    Everywhere on a picture, an unlabelled class gets neither reward nor blame: a road whose cracks nobody drew does
    not teach that it has none. Boxes are always of labelled classes and keep the whole of their loss.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__(model)
        self.bce = MaskedCrossEntropy()

    def loss(self, preds: dict[str, Tensor], batch: dict[str, Any]) -> tuple[Tensor, dict[str, Tensor]]:
        """The three losses (box, class, distribution) times the batch size, and the same for the log."""
        self.bce.labelled = torch.as_tensor(batch["labelled"], device=self.device)
        total, log = super().loss(preds, batch)
        return total, log
