"""What somebody wants a training run to compute on; what there is, `training.machine` finds out."""

from dataclasses import dataclass
from typing import Literal

__all__ = ["Hardware", "PrecisionWish"]

PrecisionWish = Literal["auto", "bf16", "f16", "f32"]


@dataclass(frozen=True, slots=True)
class Hardware:
    """What to compute on.

    Attributes:
        device: `auto`, `cpu`, `cuda` (every GPU there is) or `cuda:N`.
        precision: what convolutions compute in; `auto` is what the hardware multiplies fastest.
        processes: how many teach together; by default one a GPU.
    """

    device: str = "auto"
    precision: PrecisionWish = "auto"
    processes: int | None = None
