"""Which frames of a drive to look at: by distance travelled, so that a stop at the lights is seen once."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pipelines.frames.types import Frame

__all__ = ["Travelled", "select_by_distance"]


class Travelled(Protocol):
    """What is needed of a trajectory (`geo.track`)."""

    def at(self, t_s: NDArray[np.float64]) -> Any:
        """Poses, with `valid` bool (n,), false outside the track."""
        ...

    def distance_m(self, t_s: NDArray[np.float64]) -> NDArray[np.float64]:
        """Metres travelled since the start, (n,)."""
        ...


def select_by_distance(
    frames: Sequence[Frame], trajectory: Travelled, spacing_m: float, clock_offset_s: float = 0.0
) -> NDArray[np.int64]:
    """Indices of the frames to look at: the first, then each that lies at least `spacing_m` after the last one taken.

    Args:
        frames: in any order; those without a time or outside the track's are never taken.
        trajectory: where the vehicle was.
        spacing_m: least distance travelled between frames; 0 takes every frame.
        clock_offset_s: what to add to the frames' clock to get the track's.

    Returns:
        int64 (m,), in order of time.
    """
    t_s = np.array([frame.t_s for frame in frames], np.float64) + clock_offset_s
    usable = np.flatnonzero(trajectory.at(t_s).valid) if len(frames) else np.empty(0, np.int64)
    ordered = usable[np.argsort(t_s[usable], kind="stable")]
    if spacing_m <= 0:
        return ordered.astype(np.int64)
    chosen: list[int] = []
    reached = -np.inf
    for index, distance in zip(ordered, trajectory.distance_m(t_s[ordered]), strict=True):
        if distance >= reached:
            chosen.append(int(index))
            reached = distance + spacing_m
    return np.array(chosen, np.int64)
