"""The list says what comes first and why, and claims nothing that nobody saw."""

import json

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.road.judge import TERMS, JudgeParams, judge
from pipelines.road.status import CLOSED, VALUES, seen_again, status_of


def defects(*rows: dict[str, object]) -> gpd.GeoDataFrame:
    """Potholes of 0.5 m on link A unless a row says otherwise."""
    day = pd.Timestamp("2026-04-01")
    plain = {
        **{"class": "D40", "length_m": 0.5, "width_m": 0.5, "area_m2": 0.25, "score": 0.8, "n_seen": 3, "n_passes": 1},
        **{"confidence": 0.8, "n_looked": 4, "offset_m": 0.0, "position_sd_m": 1.0},
        **{"depth": "unknown", "link": "A", "first_seen": day, "last_seen": day},
    }
    table = pd.DataFrame([{"uuid": f"u{k:02}", **plain, **row} for k, row in enumerate(rows)])
    points = gpd.points_from_xy(np.arange(len(table), dtype=float), np.zeros(len(table)))
    return gpd.GeoDataFrame(table, geometry=points, crs="EPSG:6677")


def links(road_class: str | None = "primary") -> gpd.GeoDataFrame:
    row = {"link": "A", "name_ja": "県道1号", "name_en": "Route 1", "road_class": road_class}
    return gpd.GeoDataFrame([row], geometry=gpd.points_from_xy([0.0], [0.0]), crs="EPSG:6677")


def terms(table: gpd.GeoDataFrame) -> list[dict[str, float]]:
    return [json.loads(text) for text in table["terms"]]


row = st.fixed_dictionaries(
    {
        "class": st.sampled_from(["D00", "D10", "D20", "D40", "crack", "X9"]),
        "length_m": st.floats(0, 30) | st.just(np.nan),
        "width_m": st.floats(0, 5) | st.just(np.nan),
        "area_m2": st.floats(0, 90) | st.just(np.nan),
        "score": st.floats(0, 1) | st.just(np.nan),
        "confidence": st.floats(0, 1) | st.just(np.nan),
        "offset_m": st.floats(-9, 9) | st.just(np.nan),
        "n_seen": st.integers(1, 60),
        "n_passes": st.integers(1, 4),
        "link": st.sampled_from(["A", "B", ""]),
        "change": st.sampled_from(["", "new", "same", "worse", "gone", "not_seen"]),
        "growth_m": st.floats(-3, 3) | st.just(np.nan),
        "people_per_h": st.floats(0, 3000) | st.just(np.nan),
        "status": st.sampled_from(VALUES),
    }
)


@settings(max_examples=20, deadline=None)
@given(rows=st.lists(row, min_size=1, max_size=6))
def test_the_terms_sum_to_the_priority_and_none_exceeds_its_weight(rows):
    knobs = JudgeParams()
    table = judge(defects(*rows), links(), knobs)
    for priority, named in zip(table["priority"], terms(table), strict=True):
        assert priority == pytest.approx(sum(named.values()), abs=0.005)
        assert set(named) <= set(TERMS)
        for name in set(named) - {"safety"}:
            assert 0 <= named[name] <= getattr(knobs, f"{name}_weight")


@pytest.mark.parametrize(
    ("said", "counts"), [(300.0, True), (300, True), ("300", True), ("many", False), (None, False)]
)
def test_how_many_people_pass_counts_where_it_is_a_number_whatever_people_wrote(said, counts):
    table = judge(defects({"people_per_h": said}, {"people_per_h": None}), links())
    assert ["people" in named for named in terms(table)] == [counts, False]


@settings(max_examples=20, deadline=None)
@given(rows=st.lists(row, min_size=1, max_size=6))
def test_ranks_run_from_one_over_the_open_defects_by_falling_priority(rows):
    table = judge(defects(*rows), links())
    ranked = table[table["rank"].notna()]
    assert ranked["rank"].tolist() == list(range(1, len(ranked) + 1))
    assert ranked["priority"].is_monotonic_decreasing
    left = table[table["rank"].isna()]
    closed = left["status"].isin(CLOSED) | (left["change"] == "gone")
    doubtful = (left["confidence"] < JudgeParams().list_confidence) & (left["status"] == "detected")
    assert (closed | doubtful).all()
    assert not (ranked["status"].isin(CLOSED) | (ranked["change"] == "gone")).any()
    assert not ((ranked["confidence"] < JudgeParams().list_confidence) & (ranked["status"] == "detected")).any()
    assert (table["listed"] == table["rank"].notna()).all()
    assert closed.is_monotonic_increasing, "what is closed stands last"


@settings(max_examples=10, deadline=None)
@given(rows=st.lists(row, min_size=2, max_size=8), order=st.randoms(use_true_random=False))
def test_the_ranking_does_not_depend_on_the_order_of_the_rows(rows, order):
    table = defects(*rows, *rows)
    places = list(range(len(table)))
    order.shuffle(places)
    assert judge(table.iloc[places], links())["uuid"].tolist() == judge(table, links())["uuid"].tolist()


def test_equal_priorities_keep_the_order_of_their_uuids():
    assert judge(defects({}, {}, {}).iloc[[2, 0, 1]])["uuid"].tolist() == ["u00", "u01", "u02"]


def test_what_is_not_known_adds_no_term():
    (named,) = terms(judge(defects({})))
    assert set(named) == {"safety", "size", "seen_again", "confidence"}


@pytest.mark.parametrize(
    ("known", "term"),
    [({"change": "new"}, "growth"), ({"people_per_h": 120.0}, "people")],
)
def test_what_is_known_adds_its_term(known, term):
    assert term in terms(judge(defects(known)))[0]


def test_a_road_without_a_class_adds_no_traffic_term():
    assert "traffic" not in terms(judge(defects({}), links(None)))[0]
    assert terms(judge(defects({}), links("primary")))[0]["traffic"] == pytest.approx(12 * 0.85)


def test_the_road_is_named_in_the_row():
    assert judge(defects({}), links())["road_name"].tolist() == ["県道1号"]
    assert judge(defects({}), links())["road_name_en"].tolist() == ["Route 1"]
    for missing in ("name_ja", "name_en"):
        (named,) = judge(defects({}), links().assign(**{missing: None}))[["road_name", "road_name_en"]].to_numpy()
        assert named[0] == named[1] != ""
    assert judge(defects({"link": ""}), links())["road_name_en"].tolist() == [""]


def test_a_small_pothole_comes_before_the_largest_crack_of_a_busier_road():
    hole = {"length_m": 0.2, "width_m": 0.2, "area_m2": 0.04, "score": 0.3, "n_seen": 1, "link": "B"}
    crack = {"class": "D00", "length_m": 30.0, "width_m": 1.0, "area_m2": 9.0, "score": 0.99, "n_seen": 50}
    table = judge(defects(crack, hole), links("trunk"))
    assert table["class"].tolist() == ["D40", "D00"]


@pytest.mark.parametrize(
    ("row", "level"),
    [
        ({"length_m": 0.19, "width_m": 0.2}, "damage"),
        ({"length_m": 0.2, "width_m": 0.2}, "repair"),
        ({"class": "D20", "area_m2": 0.5}, "repair"),
        ({"class": "D00", "length_m": 20.0}, "damage"),
        ({"change": "gone"}, "none"),
    ],
)
def test_each_defect_gets_one_of_three_levels(row, level):
    assert judge(defects(row))["judgement"].tolist() == [level]


def test_depth_is_unknown_in_both_languages_and_no_term_speaks_of_it():
    table = judge(defects({}))
    assert "Depth unknown." in table["reasons_en"][0]
    assert "深さは不明。" in table["reasons_ja"][0]
    assert table["depth"].tolist() == ["unknown"]


@pytest.mark.parametrize(
    ("row", "ja", "en"),
    [
        (
            {"change": "worse", "growth_m": 0.22},
            "前回調査から約22 cm 拡大。",
            "Grown by about 22 cm since the last survey.",
        ),
        ({"change": "same"}, "前回調査でも確認。", "Seen in the last survey too."),
        ({"change": "new"}, "前回調査にはなし。", "Not in the last survey."),
        ({"change": "gone"}, "前回はあったが、今回は通過しても確認できず。", "this one passed and did not see it."),
        ({"change": "not_seen"}, "前回調査で確認。今回は通過していない。", "this one did not pass it."),
        ({"status": "reopened"}, "補修済みとされたが再び確認。", "Marked repaired, and back."),
        ({"n_seen": 1}, "1 枚のみで確認：現地確認を。", "Seen once only: look before you load."),
        ({"people_per_h": 300.0}, "通行者 約300 人/時。", "About 300 people an hour pass here."),
        ({"n_passes": 2}, "2 回の走行", "on 2 passes"),
        ({"class": "D20", "length_m": 2.0}, "亀甲状ひび割れ（長さ 約2.0 m、幅 約0.5 m）", "about 2.0 m by 0.5 m"),
        ({"length_m": 0.62}, "径 約55 cm", "about 55 cm across"),
    ],
)
def test_the_reasons_say_why_in_both_languages(row, ja, en):
    table = judge(defects(row), links())
    assert ja in table["reasons_ja"][0]
    assert en in table["reasons_en"][0]


def test_from_above_no_frames_are_counted():
    seen, gone = ({"n_seen": 1, "n_looked": 1, "confidence": 0.7, "change": change} for change in ("new", "gone"))
    table = judge(defects(seen, gone), links(), above=True)
    now, then = (table[table["change"] == change].iloc[0] for change in ("new", "gone"))
    assert "seen from above" in now["reasons_en"] and "Believed to 70 %.\n" in now["reasons_en"]
    assert "上空からの画像で確認" in now["reasons_ja"] and "確からしさ 70 %。" in now["reasons_ja"]
    for text in (now["reasons_en"], now["reasons_ja"]):
        assert "frame" not in text and "once" not in text and "枚" not in text
    assert "seen in 1 frame" in then["reasons_en"] and "1 枚の画像で確認" in then["reasons_ja"]


def wide(width_m: float, source: str = "given") -> gpd.GeoDataFrame:
    return links().assign(width_m=width_m, width_source=source)


@pytest.mark.parametrize(
    ("row", "listed", "said"),
    [
        ({"confidence": 0.49}, False, "Not ranked: believed too little."),
        ({"confidence": 0.51}, True, ""),
        ({"confidence": 0.49, "status": "accepted"}, True, ""),
        ({"confidence": np.nan}, True, ""),
        ({"offset_m": -5.1}, False, "Not ranked: it seems to lie beside the carriageway."),
        ({"offset_m": 4.9}, True, ""),
        ({"offset_m": 5.1, "position_sd_m": 2.0}, True, ""),
    ],
)
def test_what_is_believed_too_little_or_lies_beside_the_road_is_kept_without_a_rank(row, listed, said):
    table = judge(defects(row), wide(7.0))
    assert table["listed"].tolist() == [listed]
    assert table["rank"].notna().tolist() == [listed]
    assert ("Not ranked" in table["reasons_en"][0]) == (not listed)
    assert said in table["reasons_en"][0]
    assert table["judgement"].tolist() == ["repair"]


def test_what_lies_beside_the_road_is_known_whatever_else_keeps_it_from_the_list():
    table = judge(defects({"offset_m": -5.1, "confidence": 0.1}, {"offset_m": -5.1, "status": "accepted"}), wide(7.0))
    assert sorted(table["listed"]) == [False, True]
    assert table["beside_road"].all()
    assert not judge(defects({"offset_m": 4.9}), wide(7.0))["beside_road"].any()


def test_a_width_that_the_map_does_not_give_puts_nothing_beside_the_road():
    assert judge(defects({"offset_m": 30.0}), wide(7.0, "class"))["listed"].tolist() == [True]


def test_a_doubtful_pothole_does_not_outrank_a_certain_one_though_it_is_larger():
    sure = {"confidence": 0.95, "length_m": 0.3, "width_m": 0.3}
    doubtful = {"confidence": 0.55, "length_m": 1.2, "width_m": 1.2}
    table = judge(defects(doubtful, sure))
    assert table["confidence"].tolist() == [0.95, 0.55]
    assert terms(table)[0]["safety"] == pytest.approx(50 * 0.95)


def test_a_slit_is_no_large_hole():
    slit, hole = {"length_m": 3.0, "width_m": 0.2}, {"length_m": 1.0, "width_m": 1.0}
    assert judge(defects(slit, hole))["length_m"].tolist() == [1.0, 3.0]


def test_growth_counts_only_where_it_is_beyond_doubt():
    table = judge(defects({"change": "same", "growth_m": 0.4}, {"change": "worse", "growth_m": 0.4}))
    points = {change: named["growth"] for change, named in zip(table["change"], terms(table), strict=True)}
    assert points == {"same": 0.0, "worse": 8.0}


def test_a_knob_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="traffic_wieght"):
        JudgeParams.model_validate({"traffic_wieght": 1.0})


@pytest.mark.parametrize(
    ("said", "value"), [("補修済み", "done"), ("Done", "done"), (" done ", "done"), (None, "detected")]
)
def test_a_status_is_known_by_its_value_and_either_name(said, value):
    assert status_of(said) == value


def test_only_what_was_repaired_is_reopened():
    assert {s for s in VALUES if seen_again(s) != s} == {"done", "verified"}
