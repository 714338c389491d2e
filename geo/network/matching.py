"""Map matching of a drive: the most likely sequence of links, so that the link does not flip at crossings.

A hidden Markov model after P. Newson and J. Krumm, "Hidden Markov Map Matching Through Noise and Sparseness" (ACM GIS
2009): emissions from distance and heading, transitions from the difference between the way along the network and the
straight way. The way along the network changes links at most once between two poses, at the place where the two
links come closest. That needs no topology, so that lines drawn straight through a crossing match as well as split
ones; frames are metres apart, hence no link in between is skipped.
"""

from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.network.snapping import Candidates
from geo.network.values import Floats, Ints, SnapParams


def most_likely(candidates: Candidates, xy_m: Floats, lines: NDArray[Any], params: SnapParams) -> Ints:
    """Rows of the candidates on the most likely way (Viterbi), one for each place that has a candidate.

    Places without a candidate are passed over; a jump of more than `params.max_jump_m` starts afresh.
    """
    places, first = np.unique(candidates.place, return_index=True)
    bounds = np.append(first, len(candidates.place))
    ways = _Ways(lines, params)
    cost = np.empty(0)
    back: list[Ints] = []
    for k, place in enumerate(places):
        rows = slice(bounds[k], bounds[k + 1])
        step = float(np.hypot(*(xy_m[place] - xy_m[places[k - 1]]))) if k else np.inf
        if step > params.max_jump_m:
            back.append(np.full(rows.stop - rows.start, _cheapest(cost), dtype=np.int64))
            cost = candidates.cost[rows]
            continue
        before = slice(bounds[k - 1], bounds[k])
        total = cost[:, None] + ways.costs(candidates, before, rows, step)
        back.append(np.argmin(total, axis=0))
        cost = total.min(axis=0) + candidates.cost[rows]
    return _traced(back, bounds, _cheapest(cost))


def _cheapest(cost: Floats) -> int:
    return int(np.argmin(cost)) if len(cost) else 0


def _traced(back: list[Ints], bounds: Ints, last: int) -> Ints:
    chosen = np.empty(len(back), dtype=np.int64)
    for k in range(len(back) - 1, -1, -1):
        chosen[k] = bounds[k] + last
        last = int(back[k][last])
    return chosen


class _Ways:
    """Costs of going from one candidate to the next along the network; remembers where two links come closest."""

    def __init__(self, lines: NDArray[Any], params: SnapParams) -> None:
        self._lines = lines
        self._params = params
        self._meetings: dict[tuple[int, int], tuple[float, float, float]] = {}

    def costs(self, candidates: Candidates, before: slice, after: slice, step_m: float) -> Floats:
        """(b, a) costs of every pair of a candidate before and a candidate after, `step_m` of straight way apart."""
        params = self._params
        out = np.empty((before.stop - before.start, after.stop - after.start))
        for b in range(before.start, before.stop):
            for a in range(after.start, after.stop):
                way, gap = self._way(candidates, b, a)
                detour = abs(way - step_m) + params.gap_weight * gap
                out[b - before.start, a - after.start] = detour / params.route_scale_m
        return out

    def _way(self, candidates: Candidates, b: int, a: int) -> tuple[float, float]:
        start, end = float(candidates.chainage_m[b]), float(candidates.chainage_m[a])
        one, other = int(candidates.link[b]), int(candidates.link[a])
        if one == other:
            return abs(end - start), 0.0
        leave, enter, gap = self._meeting(one, other)
        return abs(leave - start) + gap + abs(end - enter), gap

    def _meeting(self, one: int, other: int) -> tuple[float, float, float]:
        if (one, other) not in self._meetings:
            bridge = shapely.shortest_line(self._lines[one], self._lines[other])
            ends = shapely.points(shapely.get_coordinates(bridge))
            leave = float(shapely.line_locate_point(self._lines[one], ends[0]))
            enter = float(shapely.line_locate_point(self._lines[other], ends[1]))
            gap = float(shapely.length(bridge))
            self._meetings[one, other] = (leave, enter, gap)
            self._meetings[other, one] = (enter, leave, gap)
        return self._meetings[one, other]
