"""Which boxes show one crack.

A model that was taught on cracks up to a metre shows a longer one as a chain of boxes, and now and then misses a link
of the chain. Boxes of one family of classes are one crack

1. where they touch: no farther apart than `touch_m`;
2. where a gap of at most `bridge_m`, and no longer than the longer piece, lies in their line: the narrowest rectangle
   around both pieces is slender, and hardly wider than the wider piece. Two cracks side by side fail that, and so do
   patches of cracked ground that lie near each other; pieces end to end pass.

What a pothole shows is one box; holes are joined where their boxes touch, never over a gap.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from pipelines.road.classes import CRACKS

__all__ = ["JoinRule", "join", "near", "rectangle_m", "united"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Shapes = NDArray[np.object_]


@dataclass(frozen=True, slots=True)
class JoinRule:
    """When two boxes show one crack.

    Attributes:
        touch_m: no farther apart than this.
        bridge_m: longest gap in a line of pieces.
        wider: how much wider than its wider piece a joined crack may be. A chain of square boxes along a diagonal is
            √2 times as wide as one of them.
        slender: a crack joined over a gap is at least so many times longer than wide. Without this, square boxes, which
            point nowhere, would join all of a cracked ground.
    """

    touch_m: float = 0.05
    bridge_m: float = 0.6
    wider: float = 1.5
    slender: float = 3.0


def join(shapes: Shapes, names: NDArray[np.object_], rule: JoinRule) -> Ints:
    """The crack that each box shows.

    Args:
        shapes: object (n,), the boxes as polygons in a metric plane.
        names: object (n,), their classes.
        rule: when two are one.

    Returns:
        int64 (n,), numbered without gaps in order of the first box of each.
    """
    crack = np.isin(names, CRACKS)
    family = np.where(crack, "cracks", names).astype(str)
    pairs = near(shapes, rule.touch_m)
    pieces = _groups(len(shapes), pairs[family[pairs[:, 0]] == family[pairs[:, 1]]])
    first = np.unique(pieces, return_index=True)[1]
    whole = united(shapes, pieces)
    gaps = near(whole, rule.bridge_m)
    gaps = gaps[crack[first[gaps]].all(axis=1)]
    return _groups(len(whole), gaps[_in_line(whole, gaps, rule)])[pieces]


def rectangle_m(shapes: Shapes) -> tuple[Floats, Floats]:
    """Longer and shorter side (n,), m, of the narrowest rectangle around each shape."""
    around = shapely.oriented_envelope(shapes)
    corners = np.array([_corners(one) for one in around], np.float64).reshape(-1, 3, 2)
    sides = np.linalg.norm(np.diff(corners, axis=1), axis=2)
    return sides.max(axis=1, initial=0), sides.min(axis=1, initial=np.inf)


def _corners(rectangle: shapely.Geometry) -> Floats:
    """(3, 2): three corners in a row; a line or a point has no width."""
    at = shapely.get_coordinates(rectangle)
    return np.asarray(at[:3] if len(at) >= 4 else [at[0], at[-1], at[-1]], np.float64)


def near(shapes: Shapes, distance_m: float) -> Ints:
    """Pairs (m, 2) of shapes no farther apart than that, each once, the lower index first."""
    first, second = shapely.STRtree(shapes).query(shapes, predicate="dwithin", distance=distance_m)
    below = first < second
    return np.column_stack([first[below], second[below]]).astype(np.int64)


def _in_line(pieces: Shapes, gaps: Ints, rule: JoinRule) -> NDArray[np.bool_]:
    """Bool (m,): whether two pieces (m, 2) lie in one line."""
    a, b = pieces[gaps[:, 0]], pieces[gaps[:, 1]]
    length, width = rectangle_m(pieces)
    long, wide = rectangle_m(shapely.union(a, b))
    near_enough = shapely.distance(a, b) <= length[gaps].max(axis=1, initial=0)
    in_line = (wide <= rule.wider * width[gaps].max(axis=1, initial=0)) & (long >= rule.slender * wide)
    return np.asarray(near_enough & in_line, bool)


def united(shapes: Shapes, group: Ints) -> Shapes:
    """The union of the shapes of each group (n,), groups numbered without gaps."""
    members = pd.Series(shapes).groupby(group, sort=True)
    return np.array([shapely.union_all(part.to_numpy()) for _, part in members] + [None], object)[:-1]


def _groups(n: int, pairs: Ints) -> Ints:
    """The number (n,) of the connected part that each is in, counted by first members."""
    graph = coo_array((np.ones(len(pairs), bool), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    found = connected_components(graph, directed=False)[1] if n else np.empty(0, np.int64)
    return np.asarray(pd.factorize(found)[0], np.int64)
