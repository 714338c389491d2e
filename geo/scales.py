"""Round lengths and scales, as maps state them."""

import math
from typing import Final

__all__ = ["map_scale", "round_length"]

# Half of a power of ten too: the logarithm of the last number below a power may round up to it.
_LENGTHS: Final = (5.0, 2.0, 1.0, 0.5)
_SCALES: Final = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 7.5)


def round_length(at_most: float) -> float:
    """The longest of 1, 2 or 5 × 10ⁿ that is not above `at_most` (> 0)."""
    power = 10.0 ** math.floor(math.log10(at_most))
    return next(step * power for step in _LENGTHS if step * power <= at_most)


def map_scale(width_m: float, height_m: float, paper_mm: tuple[float, float]) -> float:
    """The denominator n of the largest round scale 1 : n at which an area fits on paper (width, height in mm)."""
    least = max(1000 * width_m / paper_mm[0], 1000 * height_m / paper_mm[1], 1.0)
    power = 10.0 ** math.floor(math.log10(least))
    return next((step * power for step in _SCALES if step * power >= least), 10 * power)
