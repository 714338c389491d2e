"""Where tiles meet: each object once, whole if any tile saw it whole.

Suppression by overlap alone keeps the piece of a crown that the next tile saw whole, if the piece scored higher. So
whole boxes come first:

1. Boxes clear of the tile edges that lie inside the picture are suppressed among themselves, the highest score first;
   boxes of one tile leave each other alone, as the detector has suppressed them already.
2. A box at such an edge is a piece. It goes if a whole box that was kept covers it.
3. Pieces that remain and agree where their tiles overlap are of one object, larger than the overlap: they become one
   box.
4. A piece that nothing agrees with goes if another tile shows its ground clear of that tile's edges: where one sees
   more of an object, and none is there, the sliver of one is no better knowledge.

Which boxes decide about which is a sparse graph, found with an STR tree: memory is that of the boxes. Its connected
parts are small, so `SeamMerger` lets go of a part as soon as no later row of tiles can reach it, and a picture of any
height is merged with one row of tiles in memory, to the same boxes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from models.detections import Detections
from models.errors import DetectionsError

__all__ = ["SeamMerger", "SeamRule", "merge_tiles"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class SeamRule:
    """When two boxes of different tiles are of one object.

    Attributes:
        iou: two whole boxes are, from this intersection over union on; two pieces, from this one within the ground
            that their tiles share.
        cover: a piece is of the whole box that covers this much of it.
        edge_px: a box that comes this near to a tile's edge inside the picture is a piece. Tiles that overlap by the
            largest object and twice this see every object whole.
    """

    iou: float = 0.5
    cover: float = 0.5
    edge_px: float = 4.0


@dataclass(frozen=True, slots=True)
class _Seen:
    """Boxes, the tile (n, 4) px that each was seen in, and whether it is a piece."""

    boxes: Detections
    tile: Floats
    piece: Flags

    def where(self, keep: NDArray[np.bool_] | Ints) -> Self:
        return type(self)(self.boxes.where(keep), self.tile[keep], self.piece[keep])

    def sorted(self) -> Self:
        """Highest score first; equal scores by class, edges and tile, so that the order of tiles does not matter."""
        keys = (*self.tile.T[::-1], *self.boxes.xyxy.T[::-1], self.boxes.class_id, -self.boxes.score)
        return self.where(np.lexsort(keys))


@dataclass(frozen=True, slots=True)
class _Links:
    """Pairs (m, 2) of boxes by index, the higher score first: same whole object, whole over piece, piece and piece."""

    doubles: Ints
    covers: Ints
    joins: Ints


def merge_tiles(
    parts: Sequence[Detections], tiles: NDArray[np.integer], size_px: tuple[int, int], rule: SeamRule | None = None
) -> Detections:
    """The objects of a picture that was seen in overlapping tiles, highest score first.

    Args:
        parts: boxes a tile, in pixels of the whole picture.
        tiles: int (k, 4), left, top, right, bottom px of each tile, in the same order.
        size_px: width and height of the picture; tile edges on its border cut nothing.
        rule: when two boxes are of one object.

    Raises:
        DetectionsError: as many tiles as parts are not there.
    """
    merger = SeamMerger(size_px, rule)
    merger.add(parts, tiles)
    return merger.finish().sorted()


class SeamMerger:
    """The same, row by row of tiles from the top: `add` a row, take what is `settled` by now, at the end `finish`."""

    def __init__(self, size_px: tuple[int, int], rule: SeamRule | None = None) -> None:
        self._size_px = size_px
        self._rule = rule or SeamRule()
        self._open = _Seen(Detections.empty(), np.empty((0, 4)), np.empty(0, bool))
        self._tiles = np.empty((0, 4))

    def add(self, parts: Sequence[Detections], tiles: NDArray[np.integer]) -> None:
        """Take what some tiles show, in pixels of the whole picture; leave out tiles that could not be read.

        Raises:
            DetectionsError: as many tiles as parts are not there.
        """
        if len(parts) != len(tiles):
            raise DetectionsError(f"{len(parts)} parts of a picture, but {len(tiles)} tiles")
        boxes, edges = Detections.concat(parts), np.asarray(tiles, np.float64).reshape(-1, 4)
        self._tiles = np.concatenate([self._tiles, edges])
        tile = np.repeat(edges, [len(part) for part in parts], axis=0)
        piece = _touches_inner_edge(boxes.xyxy, tile, self._size_px, self._rule.edge_px)
        known = self._open
        self._open = _Seen(
            Detections.concat([known.boxes, boxes]),
            np.concatenate([known.tile, tile]),
            np.concatenate([known.piece, piece]),
        )

    def settled(self, next_top_px: float) -> Detections:
        """Objects that tiles from `next_top_px` down cannot change; they are handed out once."""
        seen = self._open.sorted()
        links = _links(seen, self._rule)
        group = _groups(len(seen.boxes), links.doubles, links.covers, links.joins)
        lowest = np.full(group.max(initial=-1) + 1, -np.inf)
        np.maximum.at(lowest, group, seen.boxes.xyxy[:, 3].astype(np.float64))
        done = lowest[group] <= next_top_px
        self._open = seen.where(~done)
        number = np.cumsum(done) - 1
        ready = seen.where(done), _Links(*(number[_within(part, done)] for part in _all(links)))
        found = _resolved(*ready, _clear(self._tiles, self._size_px, self._rule.edge_px))
        # What is open, or still to come, reaches below this.
        floor = min(self._open.boxes.xyxy[:, 3].min(initial=np.inf), next_top_px)
        self._tiles = self._tiles[self._tiles[:, 3] > floor]
        return found

    def finish(self) -> Detections:
        """The objects that are left, once every tile is in."""
        return self.settled(np.inf)


def _all(links: _Links) -> tuple[Ints, Ints, Ints]:
    return links.doubles, links.covers, links.joins


def _within(pairs: Ints, chosen: Flags) -> Ints:
    return pairs[chosen[pairs].all(axis=1)]


def _touches_inner_edge(xyxy: NDArray[np.float32], tile: Floats, size_px: tuple[int, int], edge_px: float) -> Flags:
    return np.asarray((_inner(tile, size_px) & (np.abs(xyxy - tile) <= edge_px)).any(axis=1), bool)


def _inner(tile: Floats, size_px: tuple[int, int]) -> Flags:
    """Which edges (n, 4) of tiles are not on the picture's border."""
    return np.column_stack([tile[:, :2] > 0, tile[:, 2:] < size_px])


def _clear(tile: Floats, size_px: tuple[int, int], edge_px: float) -> Floats:
    """The part of each tile (n, 4) in which a box is no piece."""
    return np.asarray(tile + _inner(tile, size_px) * np.array([edge_px, edge_px, -edge_px, -edge_px]), np.float64)


def _links(seen: _Seen, rule: SeamRule) -> _Links:
    """Pairs that decide about each other. `seen` is sorted, so the lower index has the higher score."""
    first, second = _overlapping(seen)
    xyxy, piece = seen.boxes.xyxy.astype(np.float64), seen.piece
    a, b = xyxy[first], xyxy[second]
    shared, area_a, area_b = _shared(a, b), _area(a), _area(b)
    whole = ~piece[first] & ~piece[second]
    double = whole & (shared > rule.iou * (area_a + area_b - shared))
    covered_b = ~piece[first] & piece[second] & (shared >= rule.cover * area_b)
    covered_a = piece[first] & ~piece[second] & (shared >= rule.cover * area_a)
    join = np.flatnonzero(piece[first] & piece[second])
    both = seen.tile[first[join]], seen.tile[second[join]]
    common = np.column_stack([np.maximum(*both)[:, :2], np.minimum(*both)[:, 2:]])
    join = join[_iou(_cut(a[join], common), _cut(b[join], common)) > rule.iou]
    covers = np.concatenate(
        [np.column_stack([first[covered_b], second[covered_b]]), np.column_stack([second[covered_a], first[covered_a]])]
    )
    return _Links(
        np.column_stack([first[double], second[double]]), covers, np.column_stack([first[join], second[join]])
    )


def _overlapping(seen: _Seen) -> tuple[Ints, Ints]:
    """Pairs of boxes of one class and different tiles that share ground, each pair once, lower index first."""
    xyxy = seen.boxes.xyxy.astype(np.float64)
    if not len(xyxy):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    diagonals = shapely.linestrings(xyxy.reshape(-1, 2, 2))  # their bounds are the boxes, and building them is cheaper
    first, second = shapely.STRtree(diagonals).query(diagonals)
    other = (first < second) & (seen.boxes.class_id[first] == seen.boxes.class_id[second])
    first, second = first[other], second[other]
    apart = (seen.tile[first] != seen.tile[second]).any(axis=1)
    return first[apart], second[apart]


def _resolved(seen: _Seen, links: _Links, clear: Floats) -> Detections:
    """The objects that boxes are of; `clear` (k, 4) is where tiles see what is there whole."""
    kept = _greedy(~seen.piece, links.doubles)
    gone = np.zeros(len(kept), bool)
    gone[links.covers[kept[links.covers[:, 0]], 1]] = True
    open_pieces = seen.piece & ~gone
    agreed = np.zeros(len(kept), bool)
    agreed[_within(links.joins, open_pieces)] = True
    alone = np.flatnonzero(open_pieces & ~agreed)
    open_pieces[alone[_inside_any(seen.boxes.xyxy[alone], clear)]] = False
    left = np.flatnonzero(open_pieces)
    number = np.full(len(kept), -1)
    number[left] = np.arange(len(left))
    joins = number[links.joins]
    return Detections.concat([seen.boxes.where(kept), _united(seen.boxes.where(left), joins[(joins >= 0).all(axis=1)])])


def _inside_any(xyxy: NDArray[np.float32], windows: Floats) -> Flags:
    """Which boxes (n, 4) lie inside one of the windows (k, 4), not touching its edge."""
    inside = np.zeros(len(xyxy), bool)
    boxes = shapely.STRtree(shapely.box(*xyxy.T.astype(np.float64)))
    inside[boxes.query(shapely.box(*windows.T), "contains_properly")[1]] = True
    return inside


def _greedy(candidates: Flags, doubles: Ints) -> Flags:
    """Which of `candidates` remain when each, from the highest score down, drops those it is a double of.

    In rounds over all at once: whoever has no undecided double above it is kept and drops those below.
    """
    kept = candidates.copy()
    open_pairs = doubles
    while len(open_pairs):
        waiting = np.zeros(len(kept), bool)
        waiting[open_pairs[:, 1]] = True
        sure = open_pairs[~waiting[open_pairs[:, 0]]]
        kept[sure[:, 1]] = False
        open_pairs = open_pairs[kept[open_pairs].all(axis=1) & waiting[open_pairs[:, 0]]]
    return kept


def _united(pieces: Detections, joins: Ints) -> Detections:
    """Pieces of one object as the box around them, with the highest of their scores."""
    group = _groups(len(pieces), joins)
    n = group.max(initial=-1) + 1
    low, high = np.full((n, 2), np.inf, np.float32), np.full((n, 2), -np.inf, np.float32)
    score, class_id = np.zeros(n, np.float32), np.zeros(n, np.int16)
    np.minimum.at(low, group, pieces.xyxy[:, :2])
    np.maximum.at(high, group, pieces.xyxy[:, 2:])
    np.maximum.at(score, group, pieces.score)
    class_id[group] = pieces.class_id
    return Detections(np.hstack([low, high]), score, class_id)


def _groups(n: int, *pairs: Ints) -> Ints:
    """The number of the connected part, int64 (n,), that each of n boxes belongs to."""
    if not n:
        return np.empty(0, np.int64)
    every = np.concatenate(pairs)
    graph = coo_array((np.ones(len(every), bool), (every[:, 0], every[:, 1])), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def _area(xyxy: Floats) -> Floats:
    return np.asarray((xyxy[:, 2] - xyxy[:, 0]) * (xyxy[:, 3] - xyxy[:, 1]), np.float64)


def _shared(a: Floats, b: Floats) -> Floats:
    """Area (n,) that box by box is in both."""
    wide = np.minimum(a[:, 2], b[:, 2]) - np.maximum(a[:, 0], b[:, 0])
    high = np.minimum(a[:, 3], b[:, 3]) - np.maximum(a[:, 1], b[:, 1])
    return np.asarray(np.clip(wide, 0, None) * np.clip(high, 0, None), np.float64)


def _iou(a: Floats, b: Floats) -> Floats:
    shared = _shared(a, b)
    union = _area(a) + _area(b) - shared
    return np.divide(shared, union, out=np.zeros_like(shared), where=union > 0)


def _cut(xyxy: Floats, window: Floats) -> Floats:
    """Boxes (n, 4) cut to windows (n, 4); nothing left is a box without area."""
    low = np.maximum(xyxy[:, :2], window[:, :2])
    return np.hstack([low, np.maximum(low, np.minimum(xyxy[:, 2:], window[:, 2:]))])
