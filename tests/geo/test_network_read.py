"""Roads files of any make become the same table of links, or one line that says what is wrong."""

from pathlib import Path

import geopandas as gpd
import osmium
import pandas as pd
import pyogrio
import pyproj
import pytest
from shapely import LineString, MultiLineString, Point, box

from geo.errors import CrsError, NetworkError
from geo.network import LINK_COLUMNS, read_roads
from geo.network.classes import carriageway, parse_lanes, parse_width_m, road_class
from geo.network.links import to_links

CRS = pyproj.CRS.from_epsg(6677)
LINES = [LineString([(0, 0), (100, 0)]), LineString([(100, 0), (100, 80)])]

OSM = """<?xml version='1.0' encoding='UTF-8'?>
<osm version="0.6" generator="hand">
 <node id="1" lat="35.6000" lon="140.1000" version="1"/>
 <node id="2" lat="35.6010" lon="140.1000" version="1"/>
 <node id="3" lat="35.6020" lon="140.1000" version="1"/>
 <node id="4" lat="35.6010" lon="140.1010" version="1"/>
 <node id="5" lat="35.6015" lon="140.0990" version="1"/>
 <node id="6" lat="35.6015" lon="140.1010" version="1"/>
 <way id="20" version="1"><nd ref="1"/><nd ref="2"/><nd ref="3"/><nd ref="99"/>
  <tag k="highway" v="residential"/><tag k="name" v="本町通り"/><tag k="name:en" v="Hommachi Street"/></way>
 <way id="11" version="1"><nd ref="2"/><nd ref="4"/><tag k="highway" v="primary_link"/><tag k="lanes" v="2"/></way>
 <way id="12" version="1"><nd ref="5"/><nd ref="6"/>
  <tag k="highway" v="trunk"/><tag k="bridge" v="yes"/><tag k="width" v="12.5 m"/></way>
 <way id="13" version="1"><nd ref="3"/><nd ref="6"/><tag k="highway" v="footway"/></way>
 <way id="14" version="1"><nd ref="1"/><nd ref="6"/><tag k="highway" v="service"/><tag k="area" v="yes"/></way>
 <way id="15" version="1"><nd ref="98"/><nd ref="99"/><tag k="highway" v="service"/></way>
</osm>
"""


def _write(path: Path, layer: str | None = None, crs: str | None = "EPSG:6677", **columns: list) -> Path:
    geometry = columns.pop("geometry", LINES)
    frame = gpd.GeoDataFrame(columns or {"n": [1] * len(geometry)}, geometry=geometry, crs=crs)
    pyogrio.write_dataframe(frame, path, layer=layer)
    return path


@pytest.fixture
def extract(tmp_path: Path) -> Path:
    path = tmp_path / "town.osm"
    path.write_text(OSM, encoding="utf-8")
    return path


# --- files of lines ---------------------------------------------------------------------------------------------------


def test_a_geopackage_keeps_ids_names_classes_and_widths(tmp_path: Path) -> None:
    path = _write(
        tmp_path / "roads.gpkg",
        link_id=[7, 8],
        name=["本町通り", None],
        name_en=["Hommachi Street", ""],
        highway=["residential", "secondary_link"],
        lanes=[None, "2"],
        width=["5.5", None],
    )
    links = read_roads(path, CRS).links
    assert tuple(links.columns) == LINK_COLUMNS
    assert links["link"].tolist() == ["7", "8"]
    assert links["name_ja"].tolist() == ["本町通り", ""]
    assert links["name_en"].tolist() == ["Hommachi Street", ""]
    assert links["road_class"].tolist() == ["residential", "secondary"]
    assert links["width_m"].tolist() == [5.5, 6.0]
    assert links["width_source"].tolist() == ["given", "lanes"]
    assert links["lanes"].fillna(0).tolist() == [0, 2]


def test_japanese_column_names_and_classes_are_understood(tmp_path: Path) -> None:
    columns = {"路線名": ["国道16号", "市道1号線"], "道路種別": ["一般国道", "市町村道"], "幅員": [13.0, None]}
    links = read_roads(_write(tmp_path / "道路.gpkg", **columns), CRS).links
    assert links["name_ja"].tolist() == ["国道16号", "市道1号線"]
    assert links["road_class"].tolist() == ["trunk", "unclassified"]
    assert links["width_source"].tolist() == ["given", "class"]


def test_no_car_drives_on_footways_where_there_are_roads(tmp_path: Path) -> None:
    table = {"fclass": ["residential", "footway", "Cycleway"], "osm_id": ["1", "2", "3"]}
    lines = [LineString([(0, y), (100, y)]) for y in (0.0, 4.0, 8.0)]
    links = to_links(gpd.GeoDataFrame(table, geometry=lines, crs=6677))
    assert links["link"].tolist() == ["1"]
    only = to_links(gpd.GeoDataFrame({key: value[1:] for key, value in table.items()}, geometry=lines[1:], crs=6677))
    assert only["link"].tolist() == ["2", "3"]


def test_a_city_road_is_no_hokkaido_road() -> None:
    said = ("市道道路", "私道道路", "道道12号", "一般道道", "都道府県道")
    assert [road_class(one) for one in said] == ["unclassified", "service", "secondary", "secondary", "secondary"]


@pytest.mark.parametrize("suffix", ["gpkg", "geojson", "shp"])
def test_formats_and_reference_systems_end_in_the_same_plane(suffix: str, tmp_path: Path) -> None:
    lonlat = gpd.GeoSeries(LINES, crs=CRS).to_crs(4326)
    path = tmp_path / f"roads.{suffix}"
    pyogrio.write_dataframe(gpd.GeoDataFrame({"link": ["a", "b"]}, geometry=lonlat), path)
    links = read_roads(path, CRS).links
    assert links.crs == CRS
    assert links["link"].tolist() == ["a", "b"]
    assert links.geometry.geom_equals_exact(gpd.GeoSeries(LINES, crs=CRS), 0.01).all()


def test_repeated_route_numbers_and_parted_lines_get_ids_of_their_own(tmp_path: Path) -> None:
    apart = MultiLineString([[(0, 50), (9, 50)], [(20, 50), (29, 50)]])
    joined = MultiLineString([[(0, 90), (9, 90)], [(9, 90), (20, 90)]])
    path = _write(tmp_path / "r.gpkg", id=["r1", "r1", "r2", "r3"], geometry=[*LINES, apart, joined])
    links = read_roads(path, CRS).links
    assert links["link"].tolist() == ["r1.0", "r1.1", "r2.0", "r2.1", "r3"]
    assert links.set_index("link").length["r3"] == pytest.approx(20)


def test_a_number_that_the_file_gives_to_another_link_is_passed_over(tmp_path: Path) -> None:
    path = _write(tmp_path / "r.gpkg", id=["12", "12", "12.1"], geometry=[*LINES, LineString([(0, 50), (9, 50)])])
    assert read_roads(path, CRS).links["link"].tolist() == ["12.0", "12.1", "12.2"]
    assert read_roads(path, CRS).links.set_index("link").length["12.1"] == pytest.approx(9)


def test_bounds_do_not_rename_links_that_share_a_route_number(tmp_path: Path) -> None:
    path = _write(tmp_path / "r.gpkg", id=["12", "12"])
    assert read_roads(path, CRS, (95, 50, 120, 60)).links["link"].tolist() == ["12.1"]


def test_a_road_is_within_bounds_if_its_carriageway_is_though_its_centre_line_is_not(tmp_path: Path) -> None:
    lines = [LineString([(0, y), (100, y)]) for y in (-2.9, -3.1)]
    path = _write(tmp_path / "roads.gpkg", link=["on", "beside"], width=[6.0, 6.0], geometry=lines)
    assert read_roads(path, CRS, (0, 0, 100, 50)).links["link"].tolist() == ["on"]
    assert read_roads(path, CRS, (0, 0, 100, 50), 0.5).links["link"].tolist() == ["beside", "on"]


def test_lines_without_any_length_are_no_roads(tmp_path: Path) -> None:
    path = _write(tmp_path / "r.gpkg", geometry=[LineString([(5, 5), (5, 5)])])
    with pytest.raises(NetworkError, match="no road in the file"):
        read_roads(path, CRS, (0, 0, 10, 10))


def test_without_an_id_the_files_own_feature_numbers_serve_whatever_the_bounds(tmp_path: Path) -> None:
    path = _write(tmp_path / "r.gpkg")
    assert read_roads(path, CRS).links["link"].tolist() == ["1", "2"]
    assert read_roads(path, CRS, (95, 50, 120, 60)).links["link"].tolist() == ["2"]


def test_the_layer_called_roads_is_taken_before_other_lines(tmp_path: Path) -> None:
    path = _write(tmp_path / "r.gpkg", layer="rivers", link=["river", "brook"])
    _write(path, layer="city_roads", link=["a", "b"])
    _write(path, layer="poles", geometry=[Point(0, 0)])
    assert read_roads(path, CRS).links["link"].tolist() == ["a", "b"]


def test_features_that_are_no_lines_are_left_out(tmp_path: Path) -> None:
    mixed = [LINES[0], Point(1, 1), None, LineString()]
    path = _write(tmp_path / "r.geojson", crs="EPSG:4326", geometry=mixed)
    assert len(read_roads(path, CRS).links) == 1


# --- files that cannot serve ------------------------------------------------------------------------------------------


def test_a_file_that_names_no_reference_system_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = _write(tmp_path / "r.shp")
    path.with_suffix(".prj").unlink()
    with pytest.raises(CrsError, match=r"does not say which coordinate reference system.*\.prj"):
        read_roads(path, CRS)


def test_coordinates_that_belong_to_another_system_are_refused(tmp_path: Path) -> None:
    with pytest.raises((CrsError, NetworkError)):
        read_roads(_write(tmp_path / "r.gpkg", crs="EPSG:4326"), CRS, (0, 0, 100, 100))


@pytest.mark.parametrize(
    ("geometry", "message"),
    [
        ([Point(0, 0)], "no layer of lines, only .*Point"),
        ([box(0, 0, 1, 1)], "no layer of lines, only .*Polygon"),
    ],
)
def test_points_and_areas_are_no_roads(geometry: list, message: str, tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match=message):
        read_roads(_write(tmp_path / "r.gpkg", geometry=geometry), CRS)


def test_a_file_without_a_road_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "r.gpkg"
    empty = gpd.GeoDataFrame({"n": [1]}, geometry=[LINES[0]], crs=CRS).iloc[:0]
    pyogrio.write_dataframe(empty, path, geometry_type="LineString")
    with pytest.raises(NetworkError, match="no road in the file"):
        read_roads(path, CRS)


def test_roads_of_another_town_are_refused_with_their_distance(tmp_path: Path, extract: Path) -> None:
    path = _write(tmp_path / "r.gpkg")
    with pytest.raises(NetworkError, match=r"the roads lie 4\.9 km from the survey"):
        read_roads(path, CRS, (5000, 0, 6000, 100))
    with pytest.raises(NetworkError, match="no road within 400 m"):
        read_roads(path, CRS, (500, 0, 600, 80))
    with pytest.raises(NetworkError, match=r"lie \d+\.\d km from"):
        read_roads(extract, CRS, (50_000, 0, 51_000, 100))


def test_what_is_no_roads_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="no such roads file"):
        read_roads(tmp_path / "none.gpkg", CRS)
    for name in ("notes.txt", "roads.gpkg", "roads.osm", "roads.osm.pbf"):
        path = tmp_path / name
        path.write_bytes(b"neither lines nor ways\n" * 9)
        with pytest.raises(NetworkError, match="not a") as caught:
            read_roads(path, CRS)
        assert "\n" not in str(caught.value)


# --- OpenStreetMap ----------------------------------------------------------------------------------------------------


def test_ways_are_split_at_junctions_but_not_under_bridges_nor_at_footways(extract: Path) -> None:
    links = read_roads(extract, CRS).links.set_index("link")
    assert sorted(links.index) == ["11-0", "12-0", "20-0", "20-1"]
    assert links.loc["20-0", "geometry"].touches(links.loc["11-0", "geometry"])
    assert links.loc["12-0", "geometry"].crosses(links.loc["20-1", "geometry"])


def test_tags_become_classes_names_and_widths(extract: Path) -> None:
    links = read_roads(extract, CRS).links.set_index("link")
    assert links.loc["20-1", ["name_ja", "name_en", "road_class"]].tolist() == [
        "本町通り",
        "Hommachi Street",
        "residential",
    ]
    assert links["width_m"].to_dict() == {"11-0": 6.5, "12-0": 12.5, "20-0": 4.5, "20-1": 4.5}
    assert links["width_source"].to_dict() == {"11-0": "lanes", "12-0": "given", "20-0": "class", "20-1": "class"}


def test_bounds_leave_links_out_but_rename_none(extract: Path) -> None:
    everything = read_roads(extract, CRS).links.set_index("link")
    window = everything.loc["20-1", "geometry"].bounds
    some = read_roads(extract, CRS, (window[0] - 1, window[3] - 20, window[2] + 1, window[3])).links.set_index("link")
    assert list(some.index) == ["20-1"]
    assert some.loc["20-1", "geometry"].equals(everything.loc["20-1", "geometry"])


def _converted(extract: Path, suffix: str) -> Path:
    """The same extract in another of OpenStreetMap's formats, as osmium writes it."""
    path = extract.with_suffix(suffix)
    with osmium.SimpleWriter(str(path)) as writer:
        for entity in osmium.FileProcessor(str(extract)):
            writer.add(entity)
    return path


@pytest.mark.parametrize("suffix", [".osm.pbf", ".pbf", ".osm.bz2"])
def test_an_extract_reads_to_the_same_links_in_every_format(extract: Path, suffix: str) -> None:
    path = _converted(extract, suffix)
    assert not path.read_bytes().startswith(b"<?xml")
    expected, found = (read_roads(one, CRS).links for one in (extract, path))
    assert len(expected) == 4
    pd.testing.assert_frame_equal(found.drop(columns="geometry"), expected.drop(columns="geometry"))
    # A pbf keeps places to 1e-7 degrees, which is a centimetre.
    assert found.geometry.geom_equals_exact(expected.geometry, 0.01).all()


def test_bounds_pick_the_same_links_from_a_pbf(extract: Path) -> None:
    window = read_roads(extract, CRS).links.set_index("link").loc["20-1", "geometry"].bounds
    bounds = (window[0] - 1, window[3] - 20, window[2] + 1, window[3])
    assert read_roads(_converted(extract, ".osm.pbf"), CRS, bounds).links["link"].tolist() == ["20-1"]


def test_a_pbf_cut_short_is_refused_in_one_line(extract: Path) -> None:
    path = _converted(extract, ".osm.pbf")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(NetworkError, match="not a readable OpenStreetMap extract") as caught:
        read_roads(path, CRS)
    assert "\n" not in str(caught.value)


# --- classes and widths -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("Primary", "primary"),
        ("motorway_link", "motorway"),
        ("主要地方道", "primary"),
        ("県道", "secondary"),
        ("林道", "track"),
        ("footway", "unknown"),
        (None, "unknown"),
        ("", "unknown"),
    ],
)
def test_classes_are_recognised_or_unknown(said: object, meant: str) -> None:
    assert road_class(said) == meant


@pytest.mark.parametrize(
    ("said", "metres"), [("5.5", 5.5), ("5,5 m", 5.5), (6, 6.0), ("18 ft", 5.4864), ("20'", 6.096)]
)
def test_widths_are_read_in_their_unit(said: object, metres: float) -> None:
    assert parse_width_m(said) == pytest.approx(metres)


@pytest.mark.parametrize("said", ["wide", "", None, "0", "-3", "5000", "3;4", "nan"])
def test_widths_that_are_none_are_missing_not_zero(said: object) -> None:
    assert parse_width_m(said) != parse_width_m(said)
    assert carriageway("unknown", parse_lanes(said if said != "5000" else "x"), parse_width_m(said))[0] > 0
