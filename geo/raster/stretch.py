"""Pixels of any number type as the 8-bit colours that models were taught on."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Stretch", "find_stretch"]

LOW_PERCENTILE, HIGH_PERCENTILE = 0.5, 99.5


@dataclass(frozen=True, slots=True)
class Stretch:
    """Values from `low` to `high` become 0 to 255, those beyond are cut; the three colours alike, so hues stay."""

    low: float
    high: float

    def apply(self, values: NDArray[Any]) -> NDArray[np.uint8]:
        """uint8 of the same shape; not-a-number becomes 0."""
        # Cut first: 3.4e38, which stands for nothing in some files, times anything overflows.
        cut = np.clip(np.nan_to_num(values.astype(np.float32)), self.low, self.high)
        return np.asarray(np.clip(np.rint((cut - self.low) * (255 / (self.high - self.low))), 0, 255), np.uint8)

    def __str__(self) -> str:
        return f"values {self.low:,.5g} to {self.high:,.5g} are seen as 0 to 255"


def find_stretch(samples: NDArray[Any]) -> Stretch | None:
    """The stretch for a sample (n,) or (n, bands) of valid pixels; None for 8-bit ones, which stay as they are.

    Percentiles, not extremes: one glint on a roof must not darken a forest.
    """
    if samples.dtype == np.uint8:
        return None
    finite = samples[np.isfinite(samples)] if samples.dtype.kind == "f" else samples
    if not finite.size:
        return Stretch(0.0, 1.0)
    low, high = np.percentile(finite, [LOW_PERCENTILE, HIGH_PERCENTILE])
    return Stretch(float(low), float(max(high, low + np.finfo(np.float32).eps)))
