"""The score of a repair list is what a person would count."""

import json

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from geo.geopackage import Layer, write_geopackage
from pipelines.cli.sample import sample
from pipelines.errors import SurveyError
from pipelines.road.measures import ndcg, score_against_truth, score_sample, true_severity, worst_in_top

CRS = "EPSG:6677"


def truth(*rows: tuple[str, float, float]) -> gpd.GeoDataFrame:
    """True defects: class, place along a line in m, side in m."""
    shapes = [shapely.box(x - side / 2, -side / 2, x + side / 2, side / 2) for _, x, side in rows]
    table = {"damage": [f"t{k}" for k in range(len(rows))], "class": [row[0] for row in rows]}
    return gpd.GeoDataFrame({**table, "area_m2": [s.area for s in shapes]}, geometry=shapes, crs=CRS)


def listed(*rows: tuple[str, float, float]) -> gpd.GeoDataFrame:
    """A list in order of rank: class, place in m along and beside the line."""
    table = {"uuid": [f"u{k}" for k in range(len(rows))], "class": [row[0] for row in rows]}
    rank = pd.array(np.arange(1, len(rows) + 1), dtype="Int64")
    points = gpd.points_from_xy([row[1] for row in rows], [row[2] for row in rows])
    return gpd.GeoDataFrame({**table, "rank": rank}, geometry=points, crs=CRS)


TRUE = truth(("D40", 0, 1.0), ("D40", 50, 0.5), ("D20", 100, 2.0), ("D00", 150, 1.0))


def test_a_perfect_list_scores_fully():
    figures = score_against_truth(listed(("D40", 0, 0), ("D40", 50, 0), ("D20", 100, 0), ("D00", 150, 0)), TRUE)
    assert figures == {
        **{"n_true": 4, "n_listed": 4, "n_detected": 4, "position_median_m": 0.0, "position_p95_m": 0.0},
        **{"features_per_detected": 1.0, "kept_apart": 1.0, "recall": 1.0, "recall_all": 1.0},
        "precision": 1.0,
        **{"ndcg_20": pytest.approx(1.0), "worst_in_top": 1.0},
    }


def test_misses_doubles_and_ghosts_are_told_apart():
    figures = score_against_truth(listed(("D40", 1, 0), ("D40", 0, 2), ("D00", 151, 0), ("D40", 300, 0)), TRUE)
    assert figures["n_detected"] == 2
    assert figures["recall"] == 0.5
    assert figures["features_per_detected"] == 1.5
    assert figures["precision"] == 0.75
    assert figures["position_median_m"] == 1.0


def test_a_crack_does_not_stand_for_a_pothole_but_for_another_crack():
    figures = score_against_truth(listed(("D20", 0, 0), ("D10", 100, 0)), TRUE)
    assert figures["n_detected"] == 1
    assert figures["precision"] == 0.5


def test_one_feature_for_two_neighbours_is_not_kept_apart():
    close = truth(("D40", 0, 0.5), ("D40", 3, 0.5), ("D40", 60, 0.5))
    assert score_against_truth(listed(("D40", 1.4, 0), ("D40", 60, 0)), close)["kept_apart"] == 0.5
    assert score_against_truth(listed(("D40", 0, 0), ("D40", 3, 0), ("D40", 60, 0)), close)["kept_apart"] == 1.0


def test_what_no_frame_shows_is_not_missed():
    shown = TRUE.assign(visible=[True, False, False, False])
    assert score_against_truth(listed(("D40", 0, 0)), shown)["recall"] == 1.0


def test_rows_left_over_from_an_earlier_survey_do_not_count():
    table = listed(("D40", 0, 0), ("D40", 50, 0)).assign(change=["same", "gone"])
    assert score_against_truth(table, TRUE)["n_detected"] == 1


def test_an_empty_list_has_no_position_error():
    figures = score_against_truth(listed(), TRUE)
    assert (figures["recall"], figures["position_median_m"], figures["ndcg_20"]) == (0.0, None, 0.0)


def test_another_crs_gives_the_same_figures():
    table = listed(("D40", 1, 0), ("D20", 100, 0))
    assert score_against_truth(table, TRUE.to_crs("EPSG:6668")) == pytest.approx(
        score_against_truth(table, TRUE), abs=1e-4
    )


def test_a_pothole_is_worse_than_an_alligator_crack_than_a_line_and_the_larger_one_first():
    rows = truth(("D00", 0, 3.0), ("D20", 9, 3.0), ("D40", 20, 0.3), ("D40", 30, 0.6), ("D10", 40, 1.0))
    assert np.argsort(-true_severity(rows)).tolist() == [3, 2, 1, 0, 4]


@given(st.lists(st.floats(0.01, 3), min_size=1, max_size=30), st.randoms(use_true_random=False))
def test_no_order_beats_the_true_one(severity, order):
    values = np.array(severity)
    best = np.argsort(-values, kind="stable")
    shuffled = list(range(len(values)))
    order.shuffle(shuffled)
    assert ndcg(best, values) == pytest.approx(1.0)
    assert ndcg(np.array(shuffled), values) <= 1.0 + 1e-9


def test_ndcg_is_what_pencil_and_paper_give():
    # Gains 3, 1 and 0; listed as [1, -, 0]: 1/log2(2) + 3/log2(4), ideally 3/log2(2) + 1/log2(3).
    assert ndcg(np.array([1, -1, 0]), np.array([2.0, 1.0, 0.0])) == pytest.approx(2.5 / (3 + 1 / np.log2(3)))


def test_the_worst_tenth_is_sought_in_the_first_tenth():
    severity = np.arange(20.0)
    assert worst_in_top(np.array([19, 0, *range(1, 19)]), severity) == 0.5


DAY = pd.Timestamp("2026-04-01").date()


def test_what_cannot_be_scored_is_refused_with_the_command_that_makes_it(tmp_path):
    made, result = tmp_path / "town", tmp_path / "out" / "road.gpkg"
    with pytest.raises(SurveyError, match=r"truth\.gpkg: no sample lies here.*michisora sample make .*town"):
        score_sample(result, made)
    write_geopackage(made / "truth.gpkg", [Layer("defects", TRUE)], DAY)
    pd.DataFrame({"damage": ["t0"]}).to_parquet(made / "truth_boxes.parquet")
    with pytest.raises(SurveyError, match=r"no results to score lie here.*michisora road .*town --out .*out"):
        score_sample(result, made)
    elsewhere = gpd.GeoDataFrame(geometry=[shapely.box(5000, 0, 5100, 100)], crs=TRUE.crs)
    write_geopackage(result, [Layer("defects", listed()), Layer("coverage", elsewhere)], DAY)
    with pytest.raises(SurveyError, match="saw nothing of the sample's town"):
        score_sample(result, made)
    here = elsewhere.translate(-5000)
    write_geopackage(result, [Layer("defects", listed()), Layer("coverage", elsewhere.set_geometry(here))], DAY)
    assert score_sample(result, made)["recall"] == 0.0, "nothing was found where something is"


def test_the_command_prints_and_writes_the_figures(tmp_path):
    made = tmp_path / "sample"
    write_geopackage(made / "truth.gpkg", [Layer("defects", TRUE)], pd.Timestamp("2026-04-01").date())
    pd.DataFrame({"damage": ["t0", "t1"]}).to_parquet(made / "truth_boxes.parquet")
    write_geopackage(
        tmp_path / "road.gpkg", [Layer("defects", listed(("D40", 0, 0)))], pd.Timestamp("2026-04-01").date()
    )
    target = tmp_path / "score.json"
    result = CliRunner().invoke(sample, ["score", str(tmp_path), str(made), "--json", str(target)])
    assert result.exit_code == 0, result.output
    assert json.loads(target.read_text())["recall"] == 0.5
    assert "recall" in result.output
