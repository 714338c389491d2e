"""A finished stand map of a planted forest, with a register in compartments and with heights, for tests of products."""

from dataclasses import dataclass
from pathlib import Path

import geopandas as gpd
import numpy as np
import rasterio
import shapely
from affine import Affine
from foresting import GSD_M, JAPAN_NORTH_WEST, ExactDetector, Forest, plant, write_ortho

from models.card import ModelCard
from pipelines.forest.job import ForestInput, ForestJob, run_forest
from pipelines.forest.params import ForestParams
from pipelines.forest.publish import Published
from pipelines.forest.results import Results
from pipelines.orthophoto import OrthoParams

EAST, NORTH = JAPAN_NORTH_WEST
WIDTH_PX, HEIGHT_PX = 1296, 960
HOSTILE = '"><script>alert(1)</script>'
METRICS = {
    "command": "michisora evaluate crown plots",
    "plots_of_a_wood": {
        "n_pictures": 61,
        "plots": {"precision": 0.66, "recall": 0.65},
        "stems": {"ha_mae": 40.0, "ha_bias": -13.4, "ha_mean_true": 200.0},
        "cover_pct": {"mae": 6.8},
        "diameter_m": {"mae": 1.1},
    },
}


@dataclass(frozen=True)
class StandMap:
    """A survey's results, and where its products lie."""

    results: Results
    published: Published
    given: ForestInput


def measured_card() -> ModelCard:
    return ExactDetector().card.model_copy(update={"metrics": METRICS})


def write_register(path: Path) -> Path:
    """Twelve stands, 108 × 80 m altogether, in two compartments, one of them beyond what was photographed."""
    cells = [(column, row) for row in range(3) for column in range(4)]
    shapes = [shapely.box(*_corners(column, row)) for column, row in cells]
    shapes[-1] = shapely.affinity.translate(shapes[-1], 4000, 0)
    frame = gpd.GeoDataFrame(
        {
            "森林所有者": "山田太郎",
            "小班": ["1", "2", HOSTILE, "4", "5", "6", "1", "2", "3", "4", "5, 6", "9"],
            "林班": ["012"] * 6 + ["013"] * 6,
            "枝番": [1.0] + [np.nan] * 11,
            "林齢": 55,
        },
        geometry=shapes,
        crs=6677,
    )
    frame.to_file(path, layer="register")
    return path


def _corners(column: int, row: int) -> tuple[float, float, float, float]:
    wide, tall = WIDTH_PX * GSD_M / 4, HEIGHT_PX * GSD_M / 3
    return (
        EAST + wide * column,
        NORTH - tall * (row + 1),
        EAST + wide * (column + 1),
        NORTH - tall * row,
    )


def write_heights(path: Path, forest: Forest) -> Path:
    """A canopy height model of half a metre a pixel: every crown a cone, 8 to 16 m high."""
    x, y = np.meshgrid(np.arange(2.5, WIDTH_PX, 5), np.arange(2.5, HEIGHT_PX, 5))
    surface = np.zeros_like(x)
    tops = np.random.default_rng(3).uniform(8, 16, len(forest.xyxy))
    for box, top in zip(forest.xyxy, tops, strict=True):
        centre, radius = (box[:2] + box[2:]) / 2, (box[2] - box[0]) / 2
        away = np.hypot(x - centre[0], y - centre[1]) / radius
        surface = np.maximum(surface, np.where(away < 1, top * (1 - 0.6 * away), 0))
    height, width = surface.shape
    profile = {"driver": "GTiff", "width": width, "height": height, "count": 1, "dtype": "float32", "crs": "EPSG:6677"}
    with rasterio.open(path, "w", transform=Affine(0.5, 0, EAST, 0, -0.5, NORTH), **profile) as target:
        target.write(surface.astype("float32"), 1)
    return path


def make_stand_map(folder: Path, name: str = "午前の森.tif", **given: object) -> StandMap:
    """A stand map of the planted forest with register, heights and a date, unless `given` says otherwise."""
    folder.mkdir(parents=True, exist_ok=True)
    forest = plant(WIDTH_PX, HEIGHT_PX)
    usual = {
        "chm": write_heights(folder / "heights.tif", forest),
        "stands": write_register(folder / "register.gpkg"),
        "date": "2026-05-01",
    }
    flight = ForestInput(write_ortho(folder / name, forest.picture), **(usual | given))
    detector = ExactDetector(card=measured_card())
    params = ForestParams(orthophoto=OrthoParams(tile_px=640))
    return StandMap(*run_forest(flight, ForestJob(folder / "out", detector, params, 2)), flight)
