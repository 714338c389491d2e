"""What takes how long, measured in turns: times alone say more about the machine than about the code."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Interleaved", "interleaved"]


@dataclass(frozen=True, slots=True)
class Interleaved:
    """Times of contestants that took turns, one entry a round.

    Attributes:
        seconds: by the clock on the wall.
        cpu_seconds: of all cores together; what else runs on the machine changes it little.
    """

    seconds: dict[str, list[float]]
    cpu_seconds: dict[str, list[float]]

    def median(self, name: str) -> float:
        """Median time of a contestant, s."""
        return statistics.median(self.seconds[name])

    def ratio(self, name: str, to: str) -> float:
        """Median over the rounds of one contestant's time by another's in the same round."""
        return _median_ratio(self.seconds[name], self.seconds[to])

    def cpu_ratio(self, name: str, to: str) -> float:
        """As `ratio`, of processor time."""
        return _median_ratio(self.cpu_seconds[name], self.cpu_seconds[to])


def _median_ratio(ones: list[float], others: list[float]) -> float:
    return statistics.median(one / other for one, other in zip(ones, others, strict=True))


def interleaved(
    contestants: dict[str, Callable[[], object]], rounds: int, progress: Callable[[int, int], None]
) -> Interleaved:
    """Time contestants in turns, after a round that is not counted: a slow minute of the machine slows all of them.

    Every other round runs in the opposite order, so that none of them always comes after another.
    """
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    cpu_seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        order = list(contestants) if number % 2 else list(reversed(contestants))
        for name in order:
            start, cpu_start = time.perf_counter(), time.process_time()
            contestants[name]()
            if number:
                seconds[name].append(time.perf_counter() - start)
                cpu_seconds[name].append(time.process_time() - cpu_start)
        progress(number + 1, rounds + 1)
    return Interleaved(seconds, cpu_seconds)
