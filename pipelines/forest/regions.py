"""Region merging: neighbouring cells that are alike become one region.

Best pair first (Ward's cost: what merging adds to the spread within regions), as in Baatz and Schäpe, "Multiresolution
segmentation" (2000), but with a limit people can read: the difference of two regions' means.
"""

import heapq

import numpy as np
from numpy.typing import NDArray

__all__ = ["merged_regions"]

Ints = NDArray[np.int64]


def merged_regions(features: NDArray[np.float64], pairs: Ints, differ: float, smallest: int) -> Ints:
    """The region of each cell, int64 (n,), numbered from 0 in the order of their first cells.

    Args:
        features: float64 (n, f), what cells are like, in units of a difference that counts.
        pairs: int64 (m, 2), cells that touch.
        differ: regions whose means differ by this or more stay apart.
        smallest: regions of fewer cells join their most similar neighbour whatever the difference.
    """
    means = [tuple(row) for row in features.tolist()]
    size = [1] * len(means)
    parent = list(range(len(means)))
    touching: list[set[int]] = [set() for _ in means]
    for a, b in pairs.tolist():
        touching[a].add(b)
        touching[b].add(a)
    heap: list[tuple[float, int, int, int, int]] = []

    def offer(a: int, b: int) -> None:
        a, b = (a, b) if a < b else (b, a)
        apart = sum((x - y) ** 2 for x, y in zip(means[a], means[b], strict=True))
        if apart < differ**2 or min(size[a], size[b]) < smallest:
            cost = apart * size[a] * size[b] / (size[a] + size[b])
            heapq.heappush(heap, (cost, a, b, size[a], size[b]))

    for a, b in pairs.tolist():
        offer(a, b)
    while heap:
        _, a, b, size_a, size_b = heapq.heappop(heap)
        if parent[a] != a or parent[b] != b or size[a] != size_a or size[b] != size_b:
            continue
        total = size[a] + size[b]
        means[a] = tuple((x * size[a] + y * size[b]) / total for x, y in zip(means[a], means[b], strict=True))
        size[a], parent[b] = total, a
        touching[a] = (touching[a] | touching[b]) - {a, b}
        for other in sorted(touching[b] - {a}):
            touching[other].discard(b)
            touching[other].add(a)
        touching[b] = set()
        for other in sorted(touching[a]):
            offer(a, other)
    roots = np.array([_root(parent, cell) for cell in range(len(means))], np.int64)
    return np.unique(roots, return_inverse=True)[1].astype(np.int64)


def _root(parent: list[int], cell: int) -> int:
    while parent[cell] != cell:
        parent[cell] = parent[parent[cell]]
        cell = parent[cell]
    return cell
