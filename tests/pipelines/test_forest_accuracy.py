"""A stand map is judged plot by plot, by an office's own truth or by labelled pictures, and what is wrong is said."""

import json
import math
import shutil

import geopandas as gpd
import numpy as np
import pandas as pd
import pytest
import shapely
from click.testing import CliRunner
from foresting import GSD_M, JAPAN_NORTH_WEST, ExactDetector, card, plant, write_ortho
from PIL import Image

from geo.errors import CrsError
from models.card import load_card
from models.detector import model_folder
from models.plots import LabelledPlot, PlotFigures, assigned, plot_summary
from pipelines.cli import evaluate as verb
from pipelines.errors import SurveyError
from pipelines.forest.accuracy import judge_map
from pipelines.forest.job import ForestInput, ForestJob, run_forest
from pipelines.forest.labelled import judge_labelled
from pipelines.forest.params import ForestParams, StandParams
from pipelines.forest.stands import count_error
from pipelines.forest.statement import worth_of
from pipelines.forest.truth import TruthRequest

EAST, NORTH = JAPAN_NORTH_WEST


@pytest.fixture(scope="module")
def forest():
    return plant(800, 600)


@pytest.fixture(scope="module")
def stand_map(forest, tmp_path_factory):
    folder = tmp_path_factory.mktemp("accuracy")
    ortho = write_ortho(folder / "ortho.tif", forest.picture)
    return run_forest(ForestInput(ortho), ForestJob(folder / "out", ExactDetector(), ForestParams()))[1].geopackage


@pytest.fixture(scope="module")
def true_crowns(forest):
    """The planted crowns as discs in the plane."""
    middle = (forest.xyxy[:, :2] + forest.xyxy[:, 2:]) / 2
    half = (forest.xyxy[:, 2:] - forest.xyxy[:, :2]).mean(axis=1) / 2
    centre = np.column_stack([EAST + GSD_M * middle[:, 0], NORTH - GSD_M * middle[:, 1]])
    shapes = shapely.buffer(shapely.points(centre), GSD_M * half, quad_segs=16)
    return gpd.GeoDataFrame(geometry=shapes, crs=6677)


def write(path, frame, **options):
    frame.to_file(path, **options)
    return TruthRequest(path)


def plots(*boxes, **columns):
    shapes = [shapely.box(EAST + a, NORTH - d, EAST + c, NORTH - b) for a, b, c, d in boxes]
    return gpd.GeoDataFrame(columns, geometry=shapes, crs=6677)


WEST, MIDDLE, AWAY = (0, 0, 40, 60), (40, 0, 80, 60), (500, 0, 540, 60)


def test_counted_plots_are_compared_by_their_stems_and_those_not_photographed_are_named(
    stand_map, true_crowns, tmp_path
):
    there = [int(true_crowns.centroid.within(shape).sum()) for shape in plots(WEST, MIDDLE).geometry]
    frame = plots(WEST, MIDDLE, AWAY, 本数=[there[0] - 6, there[1] + 3, 9], プロット=["い", "ろ", "は"])
    judged = judge_map(stand_map, write(tmp_path / "plots.gpkg", frame.to_crs(4612)))
    assert judged.outside == ["は"]
    assert [one.name for one in judged.plots] == ["い", "ろ"]
    assert [one.stems - one.stems_true for one in judged.plots] == [6, -3]
    stems = plot_summary(judged.plots)["stems"]
    assert stems["ha_mae"] == pytest.approx(4.5 / 0.24, rel=1e-3)
    assert stems["ha_bias"] == pytest.approx(1.5 / 0.24, rel=1e-3)
    assert stems["bias"] == pytest.approx(3 / (sum(there) - 3))


def test_a_crown_that_people_drew_counts_with_the_size_and_the_middle_it_has(stand_map, true_crowns, tmp_path):
    there = int(true_crowns.centroid.within(plots(WEST).geometry[0]).sum())
    request = write(tmp_path / "plots.gpkg", plots(WEST, 本数=[there + 1]))
    drawn = tmp_path / "drawn.gpkg"
    shutil.copy(stand_map, drawn)
    added = gpd.GeoDataFrame({"uuid": [None]}, geometry=[shapely.Point(EAST + 20, NORTH - 30).buffer(3)], crs=6677)
    added.to_file(drawn, layer="crowns", mode="a")
    (before,), (after,) = (judge_map(path, request).plots for path in (stand_map, drawn))
    assert (before.stems, after.stems) == (there, there + 1)
    assert after.diameter_m > before.diameter_m


def test_round_plots_with_a_density_are_plots_too(stand_map, tmp_path):
    frame = gpd.GeoDataFrame(
        {"radius_m": [15.0], "Stems_ha": [400.0], "cover_pct": [30.0]},
        geometry=[shapely.Point(EAST + 40, NORTH - 30)],
        crs=6677,
    )
    (plot,) = judge_map(stand_map, write(tmp_path / "round.gpkg", frame)).plots
    assert plot.area_ha == pytest.approx(math.pi * 225 / 1e4, rel=0.001)
    assert plot.stems_true == pytest.approx(400 * plot.area_ha)
    assert plot.cover_pct_true == 30


@pytest.mark.parametrize(("radius", "told"), [(0.0, "is 0"), (np.nan, "is missing")])
def test_a_round_plot_without_a_radius_is_refused_by_name(radius, told, stand_map, tmp_path):
    middle = shapely.Point(EAST + 40, NORTH - 30)
    frame = gpd.GeoDataFrame(
        {"plot": ["a", "b"], "stems": [5, 6], "radius_m": [10.0, radius]}, geometry=[middle, middle], crs=6677
    )
    said = f"round.gpkg row 2: plot b: radius_m {told}. Give a radius above 0 in metres"
    with pytest.raises(SurveyError, match=said):
        judge_map(stand_map, write(tmp_path / "round.gpkg", frame))


def test_every_planted_crown_is_found_with_its_cover_and_diameter(stand_map, true_crowns, tmp_path):
    request = write(tmp_path / "crowns.gpkg", true_crowns)
    (plot,) = judge_map(stand_map, request).plots
    assert (plot.precision, plot.recall) == (1, 1)
    assert plot.stems == plot.stems_true == len(true_crowns)
    assert plot.cover_pct == pytest.approx(plot.cover_pct_true, abs=0.5)
    assert plot.diameter_m == pytest.approx(plot.diameter_m_true, rel=0.02)


def test_missing_and_moved_crowns_lower_recall_and_precision_of_their_plot_alone(stand_map, true_crowns, tmp_path):
    west = plots(WEST).geometry[0]
    inside = np.flatnonzero(true_crowns.centroid.within(west))
    more = true_crowns.iloc[inside[:5]].translate(1000, 0)
    changed = pd.concat([true_crowns.drop(index=inside[:10]), more.to_frame("geometry")])
    request = write(tmp_path / "changed.gpkg", changed)
    write(tmp_path / "in.gpkg", plots(WEST, MIDDLE))
    judged = judge_map(stand_map, TruthRequest(request.path, plots=tmp_path / "in.gpkg")).plots
    n = len(inside)
    assert (judged[0].precision, judged[0].recall) == pytest.approx(((n - 10) / n, 1))
    assert (judged[1].precision, judged[1].recall) == (1, 1)


def test_stem_points_are_found_by_the_crown_that_holds_them_one_to_one(stand_map, true_crowns, tmp_path):
    points = true_crowns.set_geometry(true_crowns.centroid)
    doubled = pd.concat([points, points.iloc[:7]])
    (plot,) = judge_map(stand_map, write(tmp_path / "stems.gpkg", doubled)).plots
    assert plot.precision == 1
    assert plot.recall == pytest.approx(len(points) / len(doubled))
    assert math.isnan(plot.cover_pct_true)


def test_the_assignment_is_the_best_as_a_whole_not_pair_by_pair():
    first, second = np.array([0, 0, 1, 7]), np.array([0, 1, 0, 3])
    taken = assigned(first, second, np.array([0.9, 0.8, 0.5, 0.1]))
    assert taken.tolist() == [False, True, True, True]


def test_plots_count_as_one_whatever_they_hold_and_what_is_unknown_stays_unknown():
    nan = float("nan")
    one = PlotFigures("a", 0.1, 10, 8, precision=1.0, recall=0.5)
    other = PlotFigures("b", 1.0, 400, 500, precision=0.5, recall=1.0)
    figures = plot_summary([one, other])
    assert figures["stems"]["ha_mae"] == pytest.approx((20 + 100) / 2)
    assert figures["plots"]["f1"] == pytest.approx(0.75)
    assert math.isnan(figures["cover_pct"]["mae"]) and figures["cover_pct"]["n"] == 0
    assert plot_summary([PlotFigures("a", 0.1, 3, nan)])["stems"]["ha_mae"] != 0


def test_labelled_pictures_go_the_whole_way_and_are_judged_by_their_boxes(forest, tmp_path):
    Image.fromarray(forest.picture).save(tmp_path / "plot.png")
    counting = card().model_copy(
        update={"thresholds": card().thresholds.model_copy(update={"score": {"crown": 0.99}, "count": {"crown": 0.5}})}
    )
    plot = LabelledPlot("plot", tmp_path / "plot.png", GSD_M, forest.xyxy.astype(np.float32))
    (figures,) = judge_labelled([plot], ExactDetector(counting), ForestParams())
    assert figures.stems == figures.stems_true == len(forest.xyxy)
    assert figures.cover_pct == pytest.approx(figures.cover_pct_true, abs=0.01)
    assert figures.diameter_m == pytest.approx(figures.diameter_m_true, rel=1e-3)
    # They score 0.8 and 0.95: they count, but are no boxes of the protocol.
    assert figures.recall == 0


def call(*arguments):
    return CliRunner().invoke(verb.forest, [str(one) for one in arguments], catch_exceptions=False)


def test_the_verb_prints_a_table_and_writes_a_row_a_plot(stand_map, tmp_path):
    write(tmp_path / "plots.gpkg", plots(WEST, AWAY, stems=[70, 3]))
    result = call(
        stand_map, "--truth", tmp_path / "plots.gpkg", "--csv", tmp_path / "a.csv", "--json", tmp_path / "a.json"
    )
    assert "forest.gpkg: 1 plots" in result.output
    assert "left out, not photographed in full: 2" in result.output
    assert "nan" not in result.output
    rows = pd.read_csv(tmp_path / "a.csv")
    assert rows["stems_true"].tolist() == [70] and rows["precision"].isna().all()
    figures = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["forest.gpkg"]
    assert figures["plots"]["f1"] is None and figures["stems"]["ha_mae"] > 0


def test_figures_on_the_card_are_the_error_of_counts_that_stands_get(tmp_path, monkeypatch):
    folder = tmp_path / "model"
    shutil.copytree(model_folder("crown"), folder)
    before = load_card(folder)
    named = PlotFigures("a", 1.0, 300, 100, precision=1.0, recall=1.0)
    monkeypatch.setattr(verb, "_of_plots", lambda given, how: {"ours": [named]})
    call("ours", "--model", folder, "--onto-card")
    after = load_card(folder)
    assert after.sha256 == before.sha256
    assert after.metrics["ours, as a stand map"]["command"] == "michisora evaluate forest ours --split val"
    error = count_error(after, StandParams())
    assert error.sd == pytest.approx(math.sqrt(math.pi / 2) * 2, rel=1e-3)
    assert "200 of 100 stems/ha on ours, as a stand map" in error.source
    worth = worth_of(after)
    assert (worth.plots, worth.n, worth.bias_ha) == ("ours, as a stand map", 1, 200)


def _lines(path):
    return gpd.GeoDataFrame(geometry=[shapely.LineString([(EAST, NORTH), (EAST + 9, NORTH)])], crs=6677).to_file(path)


def _points(path):
    gpd.GeoDataFrame({"stems": [4]}, geometry=[shapely.Point(EAST, NORTH)], crs=6677).to_file(path)


def _two_layers(path):
    plots(WEST, stems=[1]).to_file(path, layer="a")
    plots(WEST, stems=[1]).to_file(path, layer="b")


@pytest.mark.parametrize(
    ("make", "options", "said"),
    [
        (lambda path: None, {}, "no such file"),
        (lambda path: path.write_bytes(b"no map"), {}, "cannot be read"),
        (_lines, {}, "LineString are neither plots nor trees. Give plots with a column stems"),
        (_two_layers, {}, "has 2 layers: a, b. Name one with --layer"),
        (lambda path: plots(WEST, stems=["many"]).to_file(path), {}, "stems is 'many'. Give numbers from 0 on"),
        (lambda path: plots(WEST, stems=[-4]).to_file(path), {}, "stems is .*-4"),
        (lambda path: plots(WEST, n=[4]).to_file(path), {"stems": "本"}, "no column 本. There are n"),
        (lambda path: plots(AWAY, stems=[4]).to_file(path), {}, "none of the 1 plots was photographed to 95 %"),
        (plots(WEST, stems=[4])[:0].to_file, {}, "holds no features"),
        (_points, {}, "plots are polygons, or points with a column radius_m"),
    ],
    ids=["absent", "no map", "lines", "layers", "words", "negative", "column", "elsewhere", "empty", "points"],
)
def test_a_truth_that_cannot_be_used_is_refused_in_one_line(make, options, said, stand_map, tmp_path):
    path = tmp_path / "truth.gpkg"
    make(path)
    with pytest.raises(SurveyError, match=said) as refused:
        judge_map(stand_map, TruthRequest(path, **options))
    assert "\n" not in str(refused.value)


def test_a_truth_without_crs_and_a_map_that_is_none_are_refused(stand_map, tmp_path):
    nowhere = plots(WEST, stems=[4]).set_crs(None, allow_override=True)
    with pytest.warns(UserWarning, match="'crs' was not provided"):
        nowhere.to_file(tmp_path / "nowhere.gpkg")
    with pytest.raises(CrsError, match="no coordinate reference system"):
        judge_map(stand_map, TruthRequest(tmp_path / "nowhere.gpkg"))
    write(tmp_path / "plots.gpkg", plots(WEST, stems=[4]))
    for other, said in ((tmp_path / "none.gpkg", "no such file"), (tmp_path / "plots.gpkg", "lacks the layers crowns")):
        with pytest.raises(SurveyError, match=said):
            judge_map(other, TruthRequest(tmp_path / "plots.gpkg"))
