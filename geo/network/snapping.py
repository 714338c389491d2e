"""Which links a place may lie on, and how well each fits: by distance and by heading."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import shapely
from numpy.typing import NDArray

from geo.network import chainage as linear
from geo.network.values import Floats, Ints, SnapParams


@dataclass(frozen=True, slots=True)
class Sights:
    """Places to be matched: float64 (n, 2) `xy_m` east, north; (n,) `heading_deg`, nan = unknown; (n,) `sd_m`."""

    xy_m: Floats
    heading_deg: Floats
    sd_m: Floats


@dataclass(frozen=True, slots=True)
class Candidates:
    """Pairs of place and link, sorted by place, then cost, then link. All arrays are (m,).

    Attributes:
        place: row of the place.
        link: row of the link.
        chainage_m: along the link.
        offset_m: across the link, right positive.
        cost: negative log-likelihood of the place if the vehicle is on that link, up to a constant.
    """

    place: Ints
    link: Ints
    chainage_m: Floats
    offset_m: Floats
    cost: Floats


class Index:
    """Lines, their widths, and the tree that finds them.

    Args:
        lines: object (n,) of LineString in metres.
        width_m: float64 (n,) carriageway widths.
    """

    def __init__(self, lines: NDArray[Any], width_m: Floats) -> None:
        self.lines = lines
        self.width_m = width_m
        self.tree = shapely.STRtree(lines)

    def candidates(self, sights: Sights, params: SnapParams) -> Candidates:
        """Links in reach of each place.

        A place may be anywhere across the carriageway, which adds the variance of a uniform distribution, width²/12,
        to that of the place and of the drawn centre line. The reach grows with the place's standard deviation.
        """
        usable = np.flatnonzero(np.isfinite(sights.xy_m).all(axis=1) & np.isfinite(sights.sd_m))
        spread = np.hypot(sights.sd_m, params.centreline_sd_m)
        margin = params.reach_sd * spread
        points = shapely.points(sights.xy_m[usable])
        widest = float(self.width_m.max()) if len(self.width_m) else 0.0
        found = self.tree.query(points, predicate="dwithin", distance=margin[usable] + widest / 2)
        place, link = usable[found[0]], found[1]
        chainage, offset, overshoot = linear.project(self.lines[link], sights.xy_m[place])
        distance = np.hypot(offset, overshoot)
        turn = linear.undirected_diff_deg(sights.heading_deg[place], linear.heading_deg(self.lines[link], chainage))
        turn = np.nan_to_num(turn, nan=0.0)
        keep = (distance <= margin[place] + self.width_m[link] / 2) & (turn <= params.max_heading_diff_deg)
        variance = spread[place] ** 2 + self.width_m[link] ** 2 / 12.0
        cost = distance**2 / (2 * variance) + (turn / params.heading_sd_deg) ** 2 / 2
        order = np.lexsort((link[keep], cost[keep], place[keep]))
        return Candidates(*(part[keep][order] for part in (place, link, chainage, offset, cost)))


def cheapest(candidates: Candidates) -> Ints:
    """Rows of the cheapest candidate of each place that has one."""
    return np.unique(candidates.place, return_index=True)[1].astype(np.int64)
