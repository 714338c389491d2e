"""A section is rated by what was seen of it, and not rated where little was seen."""

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely import LineString, Point, Polygon, box

from geo.network import Roads
from pipelines.road.sections import SECTION_COLUMNS, SectionParams, diagnosis, mci, rate_sections

CRS = "EPSG:6677"


def roads(*extra: tuple[str, LineString]) -> Roads:
    rows = [("A", LineString([(0, 0), (100, 0)])), *extra]
    return Roads(
        gpd.GeoDataFrame(
            {
                "link": [name for name, _ in rows],
                "name_ja": "",
                "name_en": "",
                "road_class": "residential",
                "width_m": 5.0,
                "width_source": "given",
                "lanes": pd.array([None] * len(rows), dtype="Int32"),
            },
            geometry=[line for _, line in rows],
            crs=CRS,
        )
    )


def seen(*shapes: Polygon, heading_deg: float = 90.0) -> gpd.GeoDataFrame:
    table = {"frame": [f"{i}" for i in range(len(shapes))], "t_s": 0.0, "heading_deg": heading_deg}
    return gpd.GeoDataFrame(table, geometry=list(shapes), crs=CRS)


def cracked(*rows: tuple[str, Polygon | None], link: str = "A", **more: object) -> gpd.GeoDataFrame:
    shapes = np.array([shape for _, shape in rows] or [None], object)[: len(rows)]
    table = {"class": pd.Series([name for name, _ in rows], dtype=object), "link": link, "chainage_m": 0.0, **more}
    return gpd.GeoDataFrame(table | {"footprint": shapes}, geometry=[Point(0, 0)] * len(rows), crs=CRS)


def holes(*chainage_m: float, **more: object) -> gpd.GeoDataFrame:
    at = np.array(chainage_m, float)
    table = {"class": pd.Series(["D40"] * len(at), dtype=object), "link": "A", "chainage_m": at, **more}
    table |= {"footprint": np.full(len(at), None, object)}
    return gpd.GeoDataFrame(table, geometry=gpd.points_from_xy(at, at * 0), crs=CRS)


ALL = seen(box(0, -4, 60, 4), box(40, -4, 100, 4))


def test_the_crack_ratio_is_the_share_of_the_lanes_seen_that_boxes_cover():
    # Two boxes of 4 m² that share 2 m², of a section of 20 × 5 m; one of them half beside the road counts by half.
    cracks = cracked(
        ("D20", box(2, 0, 4, 2)), ("crack", box(3, 0, 5, 2)), ("D00", box(22, 1.5, 24, 3.5)), ("D40", box(60, 0, 62, 2))
    )
    table = rate_sections(roads(), cracks, ALL)
    assert list(table.columns) == SECTION_COLUMNS
    assert table["crack_ratio_pct"].to_numpy() == pytest.approx([6.0, 2.0, 0.0, 0.0, 0.0])
    assert table["coverage_pct"].to_numpy() == pytest.approx(100.0)
    assert table["area_seen_m2"].to_numpy() == pytest.approx(100.0)
    assert table["mci"].iloc[0] == pytest.approx(10 - 2.23 * 6.0**0.3)
    assert table["mci"].iloc[4] == 10.0
    assert table["diagnosis"].tolist() == ["I"] * 5


def test_boxes_of_another_road_or_without_a_place_do_not_count():
    for cracks in (cracked(("D20", box(2, 0, 4, 2)), link="B"), cracked(("D20", Polygon())), cracked(("D20", None))):
        assert rate_sections(roads(), cracks, ALL)["crack_ratio_pct"].max() == 0.0


@pytest.mark.parametrize("more", [{"change": "gone"}, {"status": "done"}, {"status": "rejected"}, {"listed": False}])
def test_cracks_that_are_not_there_or_too_doubtful_do_not_count(more):
    cracks = cracked(("D20", box(2, 0, 4, 2)), **more)
    assert rate_sections(roads(), cracks, ALL)["crack_ratio_pct"].max() == 0.0


def test_what_was_hardly_seen_is_null_not_zero():
    table = rate_sections(roads(), holes(), seen(box(0, -4, 44, 4)))
    assert table["coverage_pct"].to_numpy() == pytest.approx([100.0, 100.0, 20.0, 0.0, 0.0])
    unseen = table.iloc[2:]
    assert unseen[["crack_ratio_pct", "mci", "diagnosis", "n_potholes"]].isna().all(axis=None)
    assert table["n_potholes"].iloc[:2].tolist() == [0, 0]


def test_potholes_are_counted_where_they_lie_unless_gone_or_closed():
    defects = holes(
        5, 15, 25, 45, 65, change=["", "new", "gone", "", ""], status=["detected", "planned", "detected", "done", ""]
    )
    assert rate_sections(roads(), defects, ALL)["n_potholes"].tolist() == [2, 0, 0, 1, 0]


def test_a_road_that_is_only_crossed_is_left_out():
    network = roads(("B", LineString([(50, -30), (50, 30)])), ("far", LineString([(0, 900), (100, 900)])))
    table = rate_sections(network, holes(), ALL)
    assert set(table["link"]) == {"A"}


def test_a_road_driven_against_its_direction_is_rated_all_the_same():
    assert len(rate_sections(roads(), holes(), seen(box(0, -4, 100, 4), heading_deg=270.0))) == 5


def test_sections_out_of_reach_of_the_drive_are_left_out():
    table = rate_sections(roads(), holes(), seen(box(0, -4, 30, 4)), SectionParams(reach_m=20.0))
    assert table["section"].tolist() == ["A:0000", "A:0001", "A:0002"]


def test_nothing_seen_gives_the_empty_table():
    table = rate_sections(roads(), holes(), seen())
    assert list(table.columns) == SECTION_COLUMNS
    assert len(table) == 0


def test_the_limits_belong_to_the_worse_level():
    ratios = np.array([0.0, 19.99, 20.0, 39.99, 40.0, 100.0, np.nan])
    assert diagnosis(ratios, SectionParams()).tolist() == ["I", "I", "II", "II", "III", "III", None]


@settings(deadline=None)
@given(st.floats(0, 100), st.floats(0, 100))
def test_more_cracks_never_make_a_better_index(a, b):
    low, high = sorted((a, b))
    assert mci(np.array([low]))[0] >= mci(np.array([high]))[0]


@settings(deadline=None)
@given(st.lists(st.tuples(st.floats(0, 95), st.floats(-3, 3), st.floats(0.1, 4)), max_size=8))
def test_ratios_are_shares_and_coverage_is_never_above_the_whole(rows):
    cracks = cracked(*(("D20", box(x, y, x + size, y + size)) for x, y, size in rows))
    table = rate_sections(roads(), cracks, ALL)
    assert table["crack_ratio_pct"].between(0, 100).all()
    total = shapely.area(
        shapely.intersection(shapely.union_all(cracks["footprint"].to_numpy()), box(0, -2.5, 100, 2.5))
    )
    assert (table["crack_ratio_pct"] / 100 * table["area_seen_m2"]).sum() == pytest.approx(total, abs=1e-6)
