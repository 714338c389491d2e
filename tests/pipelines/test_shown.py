"""A feature shows what its boxes lie on, not what happens to be near it."""

import geopandas as gpd
import pandas as pd
import pytest

from pipelines.road.shown import score_in_pictures, true_of_boxes

HOLE, PATCH = (100.0, 100.0, 140.0, 120.0), (160.0, 100.0, 220.0, 130.0)


def table(*rows: tuple[str, tuple[float, float, float, float], str], name: str) -> pd.DataFrame:
    return pd.DataFrame(
        [
            {"frame": frame, **dict(zip(("x1", "y1", "x2", "y2"), box, strict=True)), name: what}
            for frame, box, what in rows
        ]
    )


TRUTH = table(("a", HOLE, "t0"), ("b", HOLE, "t0"), name="damage").assign(**{"class": "D40"})


def features(*rows: tuple[str, str, bool]) -> gpd.GeoDataFrame:
    return gpd.GeoDataFrame(pd.DataFrame(rows, columns=["uuid", "class", "listed"]))


def test_a_patch_beside_a_hole_is_no_second_feature_of_it():
    seen = table(("a", HOLE, "u0"), ("b", HOLE, "u0"), ("a", PATCH, "u1"), name="defect")
    figures = score_in_pictures(features(("u0", "D40", True), ("u1", "D40", True)), seen, TRUTH)
    assert figures == {
        **{"shown_precision": 0.5, "shown_right": 0.5, "shown_features_per_defect": 1.0, "shown_kept_apart": 1.0}
    }


def test_two_features_of_one_hole_are_counted_unless_one_is_not_listed():
    seen = table(("a", HOLE, "u0"), ("b", HOLE, "u1"), name="defect")
    both = features(("u0", "D40", True), ("u1", "D20", True))
    assert score_in_pictures(both, seen, TRUTH)["shown_features_per_defect"] == 2.0
    assert score_in_pictures(both, seen, TRUTH)["shown_right"] == 0.5
    one = both.assign(listed=[True, False])
    assert score_in_pictures(one, seen, TRUTH)["shown_features_per_defect"] == 1.0


def test_a_hole_swallowed_by_a_feature_of_another_is_not_kept_apart():
    truth = pd.concat([TRUTH, table(("a", PATCH, "t1"), name="damage").assign(**{"class": "D40"})])
    seen = table(("a", HOLE, "u0"), ("b", HOLE, "u0"), ("a", PATCH, "u0"), name="defect")
    assert score_in_pictures(features(("u0", "D40", True)), seen, truth)["shown_kept_apart"] == pytest.approx(0.5)


def test_a_box_lies_on_the_true_one_it_covers_best_of_its_own_frame():
    truth = pd.concat(
        [TRUTH, table(("a", (105.0, 100.0, 150.0, 120.0), "t1"), name="damage").assign(**{"class": "D40"})]
    )
    seen = table(("a", HOLE, "u0"), ("a", (110.0, 100.0, 150.0, 120.0), "u1"), ("c", HOLE, "u2"), name="defect")
    assert true_of_boxes(seen, truth).tolist() == ["t0", "t1", ""]
