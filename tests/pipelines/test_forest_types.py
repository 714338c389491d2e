"""Conifer and broadleaf are told by crowns that people named, and only where leaving those out shows that it works."""

from dataclasses import replace

import geopandas as gpd
import numpy as np
import pytest
import shapely
from foresting import GSD_M, JAPAN_NORTH_WEST, ExactDetector, colour, plant, write_ortho
from pyproj import CRS

from geo.geopackage import read_layer
from geo.raster import Grid, open_ortho
from pipelines.errors import SurveyError
from pipelines.forest.job import ForestInput, ForestJob, run_forest
from pipelines.forest.params import ForestParams, TypeParams
from pipelines.forest.tree_types import UNKNOWN, NamedCrowns, looks_of, read_named, tell_types
from pipelines.orthophoto import OrthoParams

EAST, NORTH = JAPAN_NORTH_WEST
PLANE = CRS(6677)
RADIUS = 14


@pytest.fixture(scope="module")
def painted(tmp_path_factory):
    """Crowns on a grid: dark cones with a bright top, broad light domes with coarse leaves, and a few red roofs."""
    rng = np.random.default_rng(3)
    side, step = 1280, 40
    picture = np.clip(rng.normal(70, 6, (side, side, 1)) * np.array([1.0, 0.9, 0.7]), 0, 255)
    y, x = np.mgrid[-RADIUS : RADIUS + 1, -RADIUS : RADIUS + 1]
    reach = np.hypot(x, y) / RADIUS
    places, kinds = [], []
    for row in range(step, side - step, step):
        for column in range(step, side - step, step):
            kind = "roof" if rng.random() < 0.03 else ("conifer", "broadleaf")[int(rng.random() < 0.5)]
            green = rng.normal({"conifer": 90, "broadleaf": 120, "roof": 90}[kind], 10)
            if kind == "conifer":
                light = 1.3 - 0.8 * reach + rng.normal(0, 0.05, reach.shape)
                tint = np.array([0.75, 1.0, 0.7])
            elif kind == "broadleaf":
                leaves = np.kron(rng.normal(0, 0.2, (10, 10)), np.ones((3, 3)))[: reach.shape[0], : reach.shape[1]]
                light = 1.0 - 0.25 * reach + leaves
                tint = np.array([0.9, 1.0, 0.5])
            else:
                light, tint = np.ones_like(reach), np.array([2.0, 0.7, 0.5])
            tint = tint * rng.normal(1, 0.04, 3)
            part = picture[row - RADIUS : row + RADIUS + 1, column - RADIUS : column + RADIUS + 1]
            part[reach <= 1] = (np.clip(light, 0.1, 2)[..., None] * tint * green)[reach <= 1]
            places.append((column + 0.5, row + 0.5))
            kinds.append(kind)
    path = write_ortho(tmp_path_factory.mktemp("types") / "mixed.tif", np.clip(picture, 0, 255).astype(np.uint8))
    xy = np.array(places) * (GSD_M, -GSD_M) + (EAST, NORTH)
    shapes = shapely.buffer(shapely.points(xy), (RADIUS + 0.5) * GSD_M)
    table = {"top_x_m": xy[:, 0], "top_y_m": xy[:, 1]}
    crowns = gpd.GeoDataFrame(table, geometry=shapes, crs=PLANE)
    return crowns, np.array(kinds, object), looks_of(crowns, Grid(open_ortho(path), GSD_M))


def named(crowns, kinds, rows):
    some = [row for row in rows if kinds[row] != "roof"]
    return NamedCrowns(crowns.geometry.to_numpy()[some], kinds[some].astype(str)), some


def test_unnamed_crowns_get_their_type_and_what_is_neither_stays_unknown(painted):
    crowns, kinds, looks = painted
    given, some = named(crowns, kinds, range(0, len(crowns), 12))
    told = tell_types(crowns, looks, given, TypeParams())
    assert told.trusted and told.right > 0.9 and sum(told.n_named.values()) == len(some)
    others = np.setdiff1d(np.arange(len(crowns)), some)
    trees = others[kinds[others] != "roof"]
    assert (told.type[trees] == kinds[trees]).mean() > 0.9
    assert np.isin(told.type[trees], [UNKNOWN, *("conifer", "broadleaf")]).all()
    wrong = (told.type[trees] != kinds[trees]) & (told.type[trees] != UNKNOWN)
    assert wrong.mean() < 0.03
    assert (told.type[kinds == "roof"] == UNKNOWN).mean() > 0.9
    assert (
        np.isnan(told.probability[told.type == UNKNOWN]).all() and (told.probability[trees][~wrong] > 0.8).mean() > 0.9
    )


def test_names_given_at_random_are_not_trusted_and_nothing_is_stated(painted):
    crowns, kinds, looks = painted
    rng = np.random.default_rng(0)
    mixed = np.where(rng.random(len(kinds)) < 0.5, "conifer", "broadleaf").astype(object)
    given, _ = named(crowns, mixed, range(0, len(crowns), 9))
    told = tell_types(crowns, looks, given, TypeParams())
    assert not told.trusted and (told.type == UNKNOWN).all() and "too few right" in told.line()


def test_too_few_named_crowns_or_places_are_refused_in_one_line(painted):
    crowns, kinds, looks = painted
    conifers, broadleaves = (np.flatnonzero(kinds == name) for name in ("conifer", "broadleaf"))
    few, _ = named(crowns, kinds, [*conifers[:40], *broadleaves[:9]])
    with pytest.raises(SurveyError, match="9 crowns that were found are named broadleaf") as error:
        tell_types(crowns, looks, few, TypeParams())
    assert "\n" not in str(error.value) and error.value.remedy
    xy = crowns[["top_x_m", "top_y_m"]].to_numpy()
    corner = [row for row in broadleaves if ((xy[row] // 20) == (xy[0] // 20)).all()]
    together, _ = named(crowns, kinds, [*conifers[::5], *corner])
    with pytest.raises(SurveyError, match="named broadleaf, in 1 places"):
        tell_types(crowns, looks, together, TypeParams(least_named=5))


def test_a_crown_that_holds_both_names_teaches_neither(painted):
    crowns, kinds, looks = painted
    given, some = named(crowns, kinds, range(0, len(crowns), 12))
    other = {"conifer": "broadleaf", "broadleaf": "conifer"}[kinds[some[0]]]
    both = NamedCrowns(np.append(given.places, shapely.centroid(given.places[0])), np.append(given.types, other))
    told = tell_types(crowns, looks, both, TypeParams())
    assert sum(told.n_named.values()) == len(some) - 1


def test_of_crowns_that_overlap_a_name_is_of_the_one_in_whose_middle_it_lies(painted):
    crowns, kinds, looks = painted
    given, _ = named(crowns, kinds, range(0, len(crowns), 12))
    wide = crowns.assign(geometry=crowns.buffer(2 * RADIUS * GSD_M))
    assert (
        tell_types(wide, looks, given, TypeParams()).n_named == tell_types(crowns, looks, given, TypeParams()).n_named
    )


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"kind": ["conifer"]}, "no crown in it has a type"),
        ({"type": ["oak"]}, "no crown in it is named conifer or broadleaf"),
        ({"type": [None]}, "no crown in it is named conifer or broadleaf"),
    ],
)
def test_a_file_that_names_nothing_is_refused(tmp_path, table, words):
    path = tmp_path / "named.gpkg"
    gpd.GeoDataFrame(table, geometry=shapely.points([[EAST, NORTH]]), crs=PLANE).to_file(path)
    with pytest.raises(SurveyError, match=words):
        read_named(path, PLANE)
    with pytest.raises(SurveyError, match="no such file"):
        read_named(tmp_path / "absent.gpkg", PLANE)


def test_names_are_read_in_both_languages_and_any_crs(tmp_path):
    path = tmp_path / "named.geojson"
    frame = gpd.GeoDataFrame(
        {"針広区分": ["針葉樹", "広葉樹", "?"]},
        geometry=shapely.points([(EAST + d, NORTH + d) for d in (0, 9, 5)]),
        crs=PLANE,
    )
    frame.to_crs(4326).to_file(path, driver="GeoJSON")
    given = read_named(path, PLANE)
    assert given.types.tolist() == ["conifer", "broadleaf"]
    np.testing.assert_allclose(shapely.get_coordinates(given.places)[1], [EAST + 9, NORTH + 9], atol=0.01)


def test_of_a_map_the_layer_is_read_in_which_people_named_crowns_and_never_what_a_run_told(tmp_path):
    path = tmp_path / "forest.gpkg"

    def write(layer, **columns):
        frame = gpd.GeoDataFrame(columns, geometry=shapely.points([(EAST, NORTH), (EAST + 9, NORTH)]), crs=PLANE)
        frame.to_file(path, layer=layer)

    write("tops", score=[0.5, 0.6])
    write("crowns", type=["conifer", None])
    assert read_named(path, PLANE).types.tolist() == ["conifer"]
    for layer in ("tops", "crowns"):
        write(layer, type=["conifer", "broadleaf"], type_probability=[0.9, 0.8])
    with pytest.raises(SurveyError, match="no crown in it has a type"):
        read_named(path, PLANE)
    write("crowns", type=["conifer"] * 2, type_probability=[0.9, 0.8], 針広区分=[None, "広葉樹"])
    assert read_named(path, PLANE).types.tolist() == ["broadleaf"]


def test_the_map_states_types_crown_by_crown_and_stand_by_stand(tmp_path):
    forest = plant(1696, 1296)
    ortho = write_ortho(tmp_path / "wood.tif", forest.picture)
    blue = np.array([colour(number + 1)[2] for number in range(len(forest.xyxy))])
    kinds = np.where(blue > 150, "broadleaf", "conifer")
    middle = (forest.xyxy[:, :2] + forest.xyxy[:, 2:]) / 2 * (GSD_M, -GSD_M) + (EAST, NORTH)
    some = np.flatnonzero(np.abs(blue - 150) > 30)[::5]
    path = tmp_path / "named.gpkg"
    gpd.GeoDataFrame({"type": kinds[some]}, geometry=shapely.points(middle[some]), crs=PLANE).to_file(path)
    job = ForestJob(tmp_path / "out", ExactDetector(), ForestParams(orthophoto=OrthoParams(tile_px=640)))
    results, published = run_forest(ForestInput(ortho, types=path, date="2026-05-01"), job)
    assert results.types is not None and results.types.trusted
    with pytest.raises(SurveyError, match="no crown in it has a type"):  # its own telling is no one's naming
        read_named(published.geopackage, PLANE)
    crowns, stands = (read_layer(published.geopackage, name) for name in ("crowns", "stands"))
    order, wanted = (np.lexsort(np.rint(4 * xy).T) for xy in (shapely.get_coordinates(crowns.centroid), middle))
    told, true = crowns["type"].to_numpy(object)[order], kinds[wanted]
    known = told != UNKNOWN
    assert known.mean() > 0.6 and (told[known] == true[known]).mean() > 0.95
    area = crowns.area.to_numpy()[order]
    for name, column in (("conifer", "conifer_pct"), ("broadleaf", "broadleaf_pct"), (UNKNOWN, "type_unknown_pct")):
        share = 100 * area[told == name].sum() / area.sum()
        assert np.average(
            stands[column], weights=stands["n_crowns"] * stands["crown_diameter_qm_m"] ** 2
        ) == pytest.approx(share, abs=1)
    with_types = read_layer(published.geopackage, "crowns").columns
    rng = np.random.default_rng(1)
    frame = gpd.GeoDataFrame({"type": rng.permutation(kinds[some])}, geometry=shapely.points(middle[some]), crs=PLANE)
    frame.to_file(tmp_path / "mixed.gpkg")
    doubtful, untold = run_forest(
        ForestInput(ortho, types=tmp_path / "mixed.gpkg", date="2026-05-01"), replace(job, out_dir=tmp_path / "doubt")
    )
    assert not doubtful.types.trusted and "conifer_pct" not in doubtful.stands
    assert set(with_types) - set(read_layer(untold.geopackage, "crowns").columns) == {"type", "type_probability"}
    assert "Types of trees are not stated" in untold.reports.page.read_text(encoding="utf-8")
    page = published.reports.page.read_text(encoding="utf-8")
    assert "that people named on this picture" in page and "針広区分" in page
    assert "針葉樹率(%)" in published.reports.table.read_text(encoding="utf-8-sig")
