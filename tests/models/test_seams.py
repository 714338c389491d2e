"""Where tiles meet, every object comes out once and whole."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.detections import Detections
from models.errors import DetectionsError
from models.seams import SeamMerger, merge_tiles
from models.tiles import plan_tiles, tile_rows

SIZE = (2600, 1900)


def _forest(seed: int, spacing_px: int = 60) -> Detections:
    """Round crowns that touch, but hardly overlap: a jittered grid, no crown wider than 75 px."""
    rng = np.random.default_rng(seed)
    grid = np.meshgrid(np.arange(30, SIZE[0], spacing_px), np.arange(30, SIZE[1], spacing_px))
    centre = np.column_stack([axis.ravel() for axis in grid]) + rng.uniform(-9, 9, (grid[0].size, 2))
    radius = rng.uniform(12, 37, (len(centre), 1))
    xyxy = np.clip(np.hstack([centre - radius, centre + radius]), 0, [*SIZE, *SIZE]).astype(np.float32)
    classes = rng.integers(0, 2, len(xyxy)).astype(np.int16)
    return Detections(xyxy, rng.uniform(0.3, 1, len(xyxy)).astype(np.float32), classes).sorted()


def _exact(truth: Detections, tiles: NDArray[np.int64]) -> list[Detections]:
    """What a detector without fault sees in each tile: all that a tenth of is inside, cut at the tile's edges.

    A piece scores higher than the whole it is of, which plain suppression would be misled by.
    """
    parts = []
    for tile in tiles:
        low, high = np.maximum(truth.xyxy[:, :2], tile[:2]), np.minimum(truth.xyxy[:, 2:], tile[2:])
        share = np.prod(np.clip(high - low, 0, None), axis=1) / np.prod(truth.xyxy[:, 2:] - truth.xyxy[:, :2], axis=1)
        seen = share > 0.1
        score = np.where(share > 0.999, truth.score, np.float32(1))[seen]
        parts.append(Detections(np.hstack([low, high])[seen], score, truth.class_id[seen]))
    return parts


@pytest.mark.parametrize("tile_px", [320, 640, 1280])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_a_forest_is_the_same_whatever_the_tiles(tile_px: int, seed: int) -> None:
    truth = _forest(seed)
    tiles = plan_tiles(*SIZE, tile_px, 84)
    assert merge_tiles(_exact(truth, tiles), tiles, SIZE) == truth


def test_what_comes_row_by_row_is_what_comes_at_once_and_little_is_held() -> None:
    truth = _forest(3)
    tiles = plan_tiles(*SIZE, 320, 84)
    merger, settled, held = SeamMerger(SIZE), [], 0
    rows = tile_rows(tiles)
    for row, below in zip(rows, [*rows[1:], None], strict=True):
        merger.add(_exact(truth, row), row)
        settled.append(merger.finish() if below is None else merger.settled(float(below[0, 1])))
        held = max(held, len(merger._open.boxes))
    assert Detections.concat(settled).sorted() == truth
    assert held < len(truth) / 3
    assert len(merger.finish()) == 0


@given(st.permutations(range(9)))
def test_the_order_of_tiles_does_not_matter(order: list[int]) -> None:
    truth = _forest(4).clipped(700, 700)
    tiles = plan_tiles(700, 700, 300, 84)
    parts = _exact(truth, tiles)
    shuffled = merge_tiles([parts[one] for one in order], tiles[order], (700, 700))
    assert shuffled == merge_tiles(parts, tiles, (700, 700))


def test_a_whole_crown_wins_over_a_piece_that_scores_higher() -> None:
    tiles = np.array([[0, 0, 100, 100], [60, 0, 160, 100]])
    piece = Detections(np.array([[80, 40, 100, 60]]), np.array([0.9]), np.array([0]))
    whole = Detections(np.array([[80, 40, 120, 60]]), np.array([0.5]), np.array([0]))
    assert merge_tiles([piece, whole], tiles, (160, 100)) == whole


def test_pieces_of_what_is_larger_than_the_overlap_become_one() -> None:
    tiles = np.array([[0, 0, 100, 100], [80, 0, 180, 100]])
    left = Detections(np.array([[50, 10, 100, 91]]), np.array([0.6]), np.array([0]))
    right = Detections(np.array([[80, 11, 150, 90]]), np.array([0.7]), np.array([0]))
    merged = merge_tiles([left, right], tiles, (180, 100))
    assert merged.xyxy.tolist() == [[50, 10, 150, 91]]
    assert merged.score.tolist() == pytest.approx([0.7])


def test_a_piece_goes_where_a_tile_that_sees_more_sees_nothing() -> None:
    tiles = np.array([[0, 0, 100, 100], [60, 0, 160, 100]])
    sliver = Detections(np.array([[90, 40, 100, 60]]), np.array([0.9]), np.array([0]))
    assert len(merge_tiles([sliver, Detections.empty()], tiles, (160, 100))) == 0
    unread = merge_tiles([sliver], tiles[:1], (160, 100))  # nobody saw what is beyond the edge
    assert unread == sliver
    just = Detections(
        np.array([[90, 40, 96, 60]]), np.array([0.9]), np.array([0])
    )  # as far from its edge as a piece is
    assert merge_tiles([just], tiles[:1], (160, 100)) == just
    wide = Detections(np.array([[50, 40, 100, 60]]), np.array([0.9]), np.array([0]))  # the other tile cuts it as well
    assert merge_tiles([wide, Detections.empty()], tiles, (160, 100)) == wide


def test_a_piece_waits_for_the_row_that_sees_more() -> None:
    tiles = np.array([[0, 0, 100, 100], [0, 60, 100, 160], [0, 120, 100, 220]])
    above = Detections(np.array([[40, 85, 60, 100]]), np.array([0.9]), np.array([0]))
    below = Detections(np.array([[40, 121, 60, 130]]), np.array([0.9]), np.array([0]))
    merger = SeamMerger((100, 220))
    found = []
    for tile, boxes in zip(tiles, (above, Detections.empty(), below), strict=True):
        found.append(merger.settled(float(tile[1])))
        merger.add([boxes], tile[None])
    assert sum(map(len, [*found, merger.finish()])) == 0


def test_neighbours_cut_by_one_edge_stay_two() -> None:
    tiles = np.array([[0, 0, 100, 100], [80, 0, 180, 100]])
    left = Detections(np.array([[50, 0, 100, 40]]), np.array([0.6]), np.array([0]))
    right = Detections(np.array([[80, 50, 150, 90]]), np.array([0.7]), np.array([0]))
    assert len(merge_tiles([left, right], tiles, (180, 100))) == 2


def test_boxes_of_one_tile_and_boxes_of_two_classes_leave_each_other_alone() -> None:
    tiles = np.array([[0, 0, 100, 100], [0, 60, 100, 160]])
    close = np.array([[20, 70, 40, 90], [22, 70, 42, 90]])
    one_tile = Detections(close, np.array([0.9, 0.8]), np.array([0, 0]))
    assert len(merge_tiles([one_tile, Detections.empty()], tiles, (100, 160))) == 2
    apart = [one_tile.where(np.array([0])), Detections(close[1:], np.array([0.8]), np.array([1]))]
    assert len(merge_tiles(apart, tiles, (100, 160))) == 2


def test_what_lies_on_the_pictures_border_is_whole() -> None:
    tiles = np.array([[0, 0, 100, 100], [60, 0, 160, 100]])
    crown = Detections(np.array([[70, 0, 90, 30]]), np.array([0.5]), np.array([0]))
    double = Detections(np.array([[70, 0, 91, 31]]), np.array([0.6]), np.array([0]))
    assert merge_tiles([crown, double], tiles, (160, 100)) == double
    shifted = tiles + np.array(
        [0, 50, 0, 50]
    )  # now the top edge lies inside the picture, and both are pieces of one crown
    merged = merge_tiles([crown.shifted(0, 50), double.shifted(0, 50)], shifted, (160, 150))
    assert merged.xyxy.tolist() == [[70, 50, 91, 81]]


def test_parts_without_their_tiles_are_refused() -> None:
    with pytest.raises(DetectionsError, match="1 parts of a picture, but 2 tiles"):
        merge_tiles([Detections.empty()], np.zeros((2, 4), np.int64), (10, 10))
