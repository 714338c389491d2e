"""Places are laid on the right link, at the right chainage, and links are cut without gaps."""

from dataclasses import dataclass

import geopandas as gpd
import numpy as np
import pyproj
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from shapely import LineString, MultiLineString, Point

from geo.errors import NetworkError
from geo.network import Roads, SnapParams
from geo.network.links import to_links

CRS = pyproj.CRS.from_epsg(6677)


def _roads(**lines: list[tuple[float, float]]) -> Roads:
    frame = gpd.GeoDataFrame({"link": list(lines)}, geometry=[LineString(line) for line in lines.values()], crs=CRS)
    return Roads(to_links(frame))


@dataclass(frozen=True)
class _Poses:
    x_m: np.ndarray
    y_m: np.ndarray
    heading_deg: np.ndarray
    sd_m: np.ndarray
    valid: np.ndarray


def _drive(line: list[tuple[float, float]], spacing_m: float, noise_m: float = 0.0, seed: int = 0) -> _Poses:
    """Poses along a line with the slowly wandering error of a receiver."""
    path = LineString(line)
    along = np.arange(0.5, path.length, spacing_m)
    xy = shapely.get_coordinates(path.interpolate(along))
    ahead = shapely.get_coordinates(path.interpolate(np.minimum(along + 0.5, path.length)))
    behind = shapely.get_coordinates(path.interpolate(along - 0.5))
    heading = np.degrees(np.arctan2(*(ahead - behind).T)) % 360
    rng = np.random.default_rng(seed)
    wander = np.cumsum(rng.normal(0, 1, (len(xy), 2)), axis=0)
    wander *= noise_m / max(1e-9, float(np.abs(wander).max()))
    xy = xy + wander
    n = len(xy)
    return _Poses(xy[:, 0], xy[:, 1], heading, np.full(n, max(noise_m, 0.5)), np.ones(n, bool))


@dataclass(frozen=True)
class _Track:
    driven: LineString
    crs: pyproj.CRS = CRS

    def line(self) -> LineString:
        return self.driven


# --- linear referencing -----------------------------------------------------------------------------------------------

GENTLE = _roads(arc=[(400 * np.sin(a), 400 - 400 * np.cos(a)) for a in np.linspace(0, 1.2, 60)])


@given(part=st.floats(0.02, 0.98), offset=st.floats(-15.0, 15.0))
def test_chainage_and_offset_lead_back_to_the_place_they_came_from(part: float, offset: float) -> None:
    chainage = part * float(GENTLE.links.length.iloc[0])
    link = np.array(["arc"], dtype=object)
    [[x, y]] = GENTLE.place(link, [chainage], [offset])
    back = GENTLE.snap(x, y, np.nan, 10.0)
    assert back.link.tolist() == ["arc"]
    # Inside of a vertex of the polyline two feet are equally near: 15 m × the 1.2° between its segments.
    assert abs(back.chainage_m[0] - chainage) < 0.35
    again = GENTLE.place(back.link, back.chainage_m, back.offset_m)
    assert np.hypot(*(again[0] - (x, y))) < 0.35
    assert np.sign(back.offset_m[0]) == np.sign(offset) or abs(offset) < 1e-6


@given(
    angle=st.floats(0, 2 * np.pi),
    along=st.floats(0.1, 99.9),
    offset=st.floats(-10, 10),
    shift=st.floats(-50_000, 50_000),
)
def test_on_a_straight_link_the_round_trip_is_exact(angle: float, along: float, offset: float, shift: float) -> None:
    start = np.array([shift, -shift])
    end = start + 100 * np.array([np.sin(angle), np.cos(angle)])
    roads = _roads(straight=[tuple(start), tuple(end)])
    [[x, y]] = roads.place(np.array(["straight"], dtype=object), [along], [offset])
    back = roads.snap(x, y, np.degrees(angle), 10.0)
    assert back.chainage_m[0] == pytest.approx(along, abs=1e-5)
    assert back.offset_m[0] == pytest.approx(offset, abs=1e-5)


def test_right_of_the_drawing_direction_is_positive() -> None:
    roads = _roads(north=[(0, 0), (0, 100)])
    snapped = roads.snap([3.0, -2.0], [50.0, 50.0], np.nan, 2.0)
    assert snapped.offset_m.tolist() == [3.0, -2.0]
    assert snapped.chainage_m.tolist() == [50.0, 50.0]


def test_beyond_an_end_the_offset_is_only_what_lies_across() -> None:
    roads = _roads(north=[(0, 0), (0, 100)])
    snapped = roads.snap([2.0], [104.0], np.nan, 2.0)
    assert snapped.chainage_m.tolist() == [100.0]
    assert snapped.offset_m == pytest.approx([2.0])


def test_a_place_without_a_link_has_no_position() -> None:
    roads = _roads(north=[(0, 0), (0, 100)])
    assert np.isnan(roads.place(np.array(["", "south"], dtype=object), [1.0, 1.0], [0.0, 0.0])).all()


# --- snapping ---------------------------------------------------------------------------------------------------------

CROSS = {"east": [(0, 0), (200, 0)], "north": [(100, -100), (100, 100)]}


def test_at_a_crossing_the_heading_decides_and_either_way_along_counts() -> None:
    roads = _roads(**CROSS)
    snapped = roads.snap([101.0] * 4, [1.0] * 4, [90.0, 270.0, 0.0, 180.0], 2.0)
    assert snapped.link.tolist() == ["east", "east", "north", "north"]


def test_a_road_that_runs_across_the_heading_is_crossed_not_driven() -> None:
    roads = _roads(north=CROSS["north"])
    assert roads.snap([101.0], [1.0], [90.0], 2.0).link.tolist() == [""]


def test_the_reach_grows_with_the_uncertainty() -> None:
    roads = _roads(north=CROSS["north"])
    near_and_far = roads.snap([125.0, 125.0], [0.0, 0.0], [0.0, 0.0], [1.0, 12.0])
    assert near_and_far.link.tolist() == ["", "north"]
    assert np.isnan(near_and_far.chainage_m[0])
    assert near_and_far.found.tolist() == [False, True]


def test_unusable_places_get_no_link_and_disturb_no_other() -> None:
    roads = _roads(**CROSS)
    snapped = roads.snap([np.nan, 50.0, 50.0], [0.0, 1.0, 1.0], 90.0, [2.0, np.nan, 2.0])
    assert snapped.link.tolist() == ["", "", "east"]


def test_a_place_seen_ahead_stays_on_the_vehicles_link_until_that_ends() -> None:
    roads = _roads(east=[(0, 0), (100, 0)], further=[(100, 0), (200, 0)], north=[(50, -100), (50, 100)])
    held = np.array(["east", "east", ""], dtype=object)
    snapped = roads.snap([51.0, 110.0, 51.0], [2.0, 0.0, 3.0], [0.0, 90.0, 0.0], 1.0, link=held)
    assert snapped.link.tolist() == ["east", "further", "north"]
    assert snapped.offset_m[0] == pytest.approx(-2.0)
    assert snapped.chainage_m[1] == pytest.approx(10.0)


# --- map matching -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spacing_m", [1.0, 5.0, 20.0])
@pytest.mark.parametrize("seed", range(3))
def test_a_drive_straight_over_crossings_never_leaves_its_link(spacing_m: float, seed: int) -> None:
    lines = {f"cross{k}": [(k * 60.0, -80.0), (k * 60.0 + 30, 80.0)] for k in range(1, 9)}
    roads = _roads(main=[(0, 0), (600, 0)], **lines)
    matched = roads.match(_drive([(0, 0), (600, 0)], spacing_m, noise_m=4.0, seed=seed))
    assert set(matched.link) == {"main"}
    assert (np.diff(matched.chainage_m) > -1e-6).mean() > 0.9


def test_a_turn_is_followed_once_on_split_and_on_unsplit_links() -> None:
    split = _roads(a=[(0, 0), (100, 0)], b=[(100, 0), (200, 0)], c=[(100, 0), (100, 100)], d=[(100, -100), (100, 0)])
    unsplit = _roads(a=[(0, 0), (200, 0)], c=[(100, -100), (100, 100)])
    drive = _drive([(0, 0), (94, 0), (98, 2), (100, 6), (100, 100)], 2.0, noise_m=2.0)
    for roads in (split, unsplit):
        links = roads.match(drive).link
        links = links[links != ""]
        assert (links[0], links[-1]) == ("a", "c")
        assert (links[1:] != links[:-1]).sum() == 1


def test_a_parallel_road_nearer_for_a_moment_does_not_catch_the_drive() -> None:
    roads = _roads(main=[(0, 0), (400, 0)], service=[(0, 12), (400, 12)])
    drive = _drive([(0, 0), (180, 0), (200, 7.5), (220, 0), (400, 0)], 4.0)
    alone = roads.snap(drive.x_m, drive.y_m, 90.0, 3.0).link
    assert "service" in set(alone)
    steady = _Poses(drive.x_m, drive.y_m, np.full(len(drive.x_m), 90.0), np.full(len(drive.x_m), 3.0), drive.valid)
    assert set(roads.match(steady).link) == {"main"}


def test_invalid_poses_and_holes_in_the_network_are_passed_over() -> None:
    roads = _roads(west=[(0, 0), (100, 0)], east=[(160, 0), (300, 0)])
    drive = _drive([(0, 0), (300, 0)], 5.0)
    drive.valid[:3] = False
    links = roads.match(drive).link
    assert links[:3].tolist() == [""] * 3
    assert links[3] == "west"
    assert links[-1] == "east"
    assert "" in set(links[3:])


def test_matching_nothing_gives_nothing() -> None:
    roads = _roads(**CROSS)
    empty = np.empty(0)
    assert len(roads.match(_Poses(empty, empty, empty, empty, np.empty(0, bool)))) == 0
    far = _drive([(5000, 5000), (5100, 5000)], 10.0)
    assert set(roads.match(far).link) == {""}


def test_the_order_of_the_links_in_the_file_does_not_matter() -> None:
    drive = _drive([(0, 0), (94, 0), (100, 6), (100, 100)], 3.0, noise_m=3.0)
    one, other = _roads(**CROSS), _roads(**dict(reversed(CROSS.items())))
    assert one.match(drive).link.tolist() == other.match(drive).link.tolist()


# --- sections ---------------------------------------------------------------------------------------------------------


@given(length=st.floats(0.5, 500.0), section=st.floats(5.0, 60.0))
def test_sections_cover_a_link_exactly_once(length: float, section: float) -> None:
    roads = _roads(bent=[(0, 0), (length / 2, 0), (length / 2, length / 2)])
    cut = roads.sections(section)
    total = float(roads.links.length.iloc[0])
    assert cut["from_m"].iloc[0] == 0.0
    assert cut["to_m"].iloc[-1] == pytest.approx(total)
    assert (cut["from_m"].to_numpy()[1:] == cut["to_m"].to_numpy()[:-1]).all()
    assert cut.length.sum() == pytest.approx(total)
    assert np.allclose(cut.length, cut["to_m"] - cut["from_m"])
    assert cut["section"].is_unique
    if len(cut) > 1:
        assert np.allclose(cut.length[:-1], section)
        assert section * 0.499 <= cut.length.iloc[-1] <= section * 1.501


def test_what_is_left_at_the_end_is_a_section_from_half_a_length_on() -> None:
    roads = _roads(a=[(0, 0), (49, 0)], b=[(0, 9), (50, 9)], c=[(0, 50), (3, 50)])
    cut = roads.sections(20.0)
    assert cut.groupby("link")["to_m"].agg(list).to_dict() == {"a": [20, 49], "b": [20, 40, 50], "c": [3]}
    assert cut["section"].tolist()[:2] == ["a:0000", "a:0001"]


@given(part=st.floats(0, 1), section=st.floats(5.0, 60.0))
def test_every_chainage_has_the_section_that_holds_it(part: float, section: float) -> None:
    roads = _roads(a=[(0, 0), (173, 0)])
    chainage = part * 173
    [name] = roads.section_at(np.array(["a"], dtype=object), np.array([chainage]), section)
    row = roads.sections(section).set_index("section").loc[name]
    assert row["from_m"] <= chainage + 1e-9
    assert chainage <= row["to_m"] + 1e-9


def test_no_link_has_no_section() -> None:
    named = _roads(**CROSS).section_at(np.array(["", "east"], dtype=object), np.array([np.nan, 25.0]))
    assert named.tolist() == ["", "east:0001"]


# --- without a network ------------------------------------------------------------------------------------------------


def test_a_drive_without_a_network_is_one_link_in_the_direction_driven() -> None:
    roads = Roads.from_track(_Track(LineString([(0, 0), (300, 0), (300, 200)])))
    assert roads.links["link"].tolist() == ["track-1"]
    assert roads.links["width_source"].tolist() == ["class"]
    assert roads.snap([300.0], [100.0], [0.0], 1.0).chainage_m[0] == pytest.approx(400.0, abs=2.0)


def test_the_way_back_on_the_same_street_maps_to_the_same_link() -> None:
    out_and_back = [(0, 0), (500, 0), (506, 2), (506, 5), (500, 6), (0, 6)]
    roads = Roads.from_track(_Track(LineString(out_and_back)))
    assert roads.links["link"].tolist() == ["track-1"]
    assert roads.links.length.iloc[0] < 530
    back = roads.match(_drive([(400, 6), (100, 6)], 10.0))
    assert set(back.link) == {"track-1"}
    assert np.allclose(back.chainage_m, np.linspace(399.5, 109.5, 30), atol=1.0)


def test_a_second_round_adds_nothing_and_a_new_street_adds_a_link() -> None:
    block = [(0, 0), (300, 0), (300, 200), (0, 200), (0, 0)]
    second = [(x + 2.0, y - 1.5) for x, y in block[1:]]
    roads = Roads.from_track(_Track(LineString([*block, *second, (0, -250)])))
    assert roads.links["link"].tolist() == ["track-1", "track-2"]
    assert roads.links.length.tolist() == pytest.approx([1000, 250], abs=12)


@pytest.mark.parametrize(
    ("beside_m", "sd_m", "length_m"), [(10, 0.0, 1010), (10, 2.8, 510), (20, 2.8, 1020), (20, 30.0, 1020)]
)
def test_passes_are_of_one_street_as_far_as_the_receiver_may_have_put_them_apart(beside_m, sd_m, length_m) -> None:
    there_and_back = LineString([(0, 0), (500, 0), (500, beside_m), (0, beside_m)])
    roads = Roads.from_track(_Track(there_and_back), sd_m)
    assert roads.links.length.tolist() == pytest.approx([length_m], abs=12)


def test_where_nobody_knows_the_way_there_is_no_link() -> None:
    parts = MultiLineString([[(0, 0), (300, 0)], [(500, 200), (500, 0), (100, 3)]])
    roads = Roads.from_track(_Track(parts))
    assert roads.links["link"].tolist() == ["track-1", "track-2"]
    assert roads.links.length.tolist() == pytest.approx([300, 400], abs=14)  # on the way back it meets the first
    assert not roads.links.intersects(Point(400, 100).buffer(30)).any()


def test_crossing_ones_own_track_does_not_cut_the_link() -> None:
    eight = [(0, 0), (400, 0), (400, 200), (200, 200), (200, -200)]
    assert len(Roads.from_track(_Track(LineString(eight))).links) == 1


# --- what links must be -----------------------------------------------------------------------------------------------


def test_links_that_cannot_be_told_apart_or_measured_are_refused() -> None:
    links = _roads(**CROSS).links
    with pytest.raises(NetworkError, match="not unique"):
        Roads(links.assign(link="same"))
    with pytest.raises(NetworkError, match="metric"):
        Roads(links.to_crs(4326))
    with pytest.raises(NetworkError, match="lack width_m"):
        Roads(links.drop(columns="width_m"))


def test_the_knobs_of_snapping_refuse_what_is_none() -> None:
    with pytest.raises(ValueError, match="reach"):
        SnapParams.model_validate({"reach": 3})
    tight = Roads(_roads(**CROSS).links, SnapParams(reach_sd=0.1, centreline_sd_m=0.1))
    assert tight.snap([50.0], [6.0], [90.0], 0.1).link.tolist() == [""]
