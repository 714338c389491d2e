"""The whole forest job on labelled pictures: each becomes a survey of its own, and its map is judged by the labels."""

from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import geopandas as gpd
import numpy as np
import shapely

from geo.raster import Grid, Stated, open_ortho
from models.card import ModelCard
from models.detections import Detections
from models.detector import Detector
from models.plots import LabelledPlot, PlotFigures
from pipelines.forest.accuracy import TreeMap, judge_plots
from pipelines.forest.crowns import crown_frame
from pipelines.forest.ground import plane_bounds
from pipelines.forest.job import ForestInput, ForestJob, run_forest
from pipelines.forest.params import ForestParams
from pipelines.forest.results import Results
from pipelines.forest.truth import FieldTruth

__all__ = ["judge_labelled"]

_NOWHERE: Final = "EPSG:6677"
"""A labelled picture has no place; any metric plane that is true to scale serves."""


def judge_labelled(
    plots: Sequence[LabelledPlot],
    detector: Detector,
    params: ForestParams,
    progress: Callable[[int, int], None] | None = None,
) -> list[PlotFigures]:
    """Map every plot as `michisora forest` does, and judge the map.

    The crowns of the truth are the ellipses in its boxes, as those of the map are. One to one are compared the boxes
    from the model's detection threshold on (the protocol of NeonTreeEvaluation), stems, cover and diameter are those of
    crowns that count.

    Raises:
        RasterError: a picture cannot be read.
    """
    figures = []
    for plot in plots:
        with TemporaryDirectory() as folder:
            stated = Stated(_NOWHERE, plot.gsd_m)
            job = ForestJob(Path(folder) / "map", detector, params)
            results, _ = run_forest(ForestInput(plot.picture, stated=stated), job)
        truth = _truth(plot, Grid(open_ortho(plot.picture, stated), detector.card.gsd_m or plot.gsd_m), detector.card)
        figures.extend(judge_plots(_trees(results, detector.card), truth).plots)
        if progress is not None:
            progress(len(figures), len(plots))
    return figures


def _trees(results: Results, card: ModelCard) -> TreeMap:
    crowns = results.crowns
    seen = crowns[crowns["score"].notna()]  # the height model alone gives no score, and perhaps no class
    limits = np.array(card.score_thresholds, np.float32)[[card.class_names.index(one) for one in seen["class"]]]
    found = seen[seen["score"].to_numpy(np.float32) >= limits].reset_index(drop=True)
    counted = crowns[crowns["counted"]].reset_index(drop=True)
    return TreeMap(counted, found, shapely.union_all(results.extent.geometry.to_numpy()))


def _truth(plot: LabelledPlot, grid: Grid, card: ModelCard) -> FieldTruth:
    n = len(plot.xyxy)
    boxes = plot.xyxy * np.array([grid.x_scale, grid.y_scale] * 2, np.float32)
    trees = crown_frame(Detections(boxes, np.ones(n, np.float32), np.zeros(n, np.int16)), grid, card)
    unknown = dict.fromkeys(("stems", "cover_pct", "diameter_m"), np.nan)
    shape = shapely.box(*plane_bounds(grid))
    return FieldTruth(gpd.GeoDataFrame({"plot": [plot.name], **unknown}, geometry=[shape], crs=trees.crs), trees)
