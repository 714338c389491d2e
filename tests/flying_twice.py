"""A forest whose trees are known, what is planted into it as damage, and what two imperfect flights see of it."""

from dataclasses import dataclass, field
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.features import rasterize

from pipelines.forest.change import Change, Flown, compare
from pipelines.forest.crowns import crown_id
from pipelines.forest.ground import MESH_M, Ground
from pipelines.forest.mesh import mesh20m
from pipelines.forest.params import ForestParams, MeshParams
from pipelines.forest.previous import Previous

PLANE = CRS(6677)
WEST, NORTH = -20_000.0, -30_000.0
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Wood:
    """Trees: `xy_m` (n, 2) in the plane, `diameter_m` (n,), on `wide_m` × `high_m` of ground."""

    xy_m: Floats
    diameter_m: Floats
    wide_m: float
    high_m: float

    def without(self, gone: NDArray[np.bool_]) -> "Wood":
        return Wood(self.xy_m[~gone], self.diameter_m[~gone], self.wide_m, self.high_m)

    def within(self, shapes: list[shapely.Geometry]) -> NDArray[np.bool_]:
        if not shapes:
            return np.zeros(len(self.xy_m), bool)
        return shapely.contains_xy(shapely.union_all(shapes), *self.xy_m.T)


@dataclass(frozen=True)
class Flight:
    """How well a flight sees.

    `detection` is a share, or shares tree by tree; `false_ha` boxes a hectare are no trees; places are off by `noise_m`
    a tree and by `offset_m` as a whole, and an orthophoto is warped by up to `warp_m`.
    """

    detection: float | Floats = 0.65
    noise_m: float = 0.35
    offset_m: tuple[float, float] = (0.0, 0.0)
    warp_m: float = 0.0
    false_ha: float = 20.0
    seed: int = 0
    columns: dict[str, object] = field(default_factory=dict)


def wood(stems_ha: float, wide_m: float = 240, high_m: float = 200, *, seed: int = 0, rows: float = 0.0) -> Wood:
    """Trees no nearer than two thirds of their mean spacing; `rows` > 0 plants a grid with that much jitter, m."""
    rng = np.random.default_rng([seed, 1])
    spacing = 100 / np.sqrt(stems_ha)
    n = round(stems_ha * wide_m * high_m / 1e4)
    if rows:
        x, y = np.meshgrid(np.arange(spacing / 2, wide_m, spacing), np.arange(spacing / 2, high_m, spacing))
        xy = np.column_stack([x.ravel(), y.ravel()]) + rng.normal(0, rows, (x.size, 2))
    else:
        columns = int(np.ceil(wide_m / spacing))
        x, y = np.meshgrid(np.arange(columns), np.arange(int(np.ceil(high_m / spacing))))
        xy = spacing * (np.column_stack([x.ravel(), y.ravel()]) + rng.uniform(0.0, 1.0, (x.size, 2)))
        xy = rng.permutation(xy)[:n]
    diameter = 0.85 * spacing * np.exp(rng.normal(0, 0.25, len(xy)))
    return Wood(xy * [1, -1] + np.array([WEST, NORTH]), diameter, wide_m, high_m)


def seen_by(trees: Wood, flight: Flight) -> gpd.GeoDataFrame:
    """The crowns that a flight's map shows, as the forest job makes them."""
    rng = np.random.default_rng([flight.seed, 2])
    found = rng.random(len(trees.xy_m)) < flight.detection
    xy = trees.xy_m[found] + rng.normal(0, flight.noise_m, (found.sum(), 2))
    diameter = trees.diameter_m[found] * np.exp(rng.normal(0, 0.12, found.sum()))
    n_false = rng.poisson(flight.false_ha * trees.wide_m * trees.high_m / 1e4)
    false = rng.uniform([0, -trees.high_m], [trees.wide_m, 0], (n_false, 2)) + np.array([WEST, NORTH])
    mean = float(np.median(trees.diameter_m)) if len(trees.xy_m) else 3.0
    score = np.append(rng.beta(5, 3, found.sum()), rng.beta(2, 5, n_false))
    xy = np.vstack([xy, false])
    diameter = np.append(diameter, mean * np.exp(rng.normal(0, 0.3, n_false)))
    bend = (xy - [WEST, NORTH]) / 90
    xy = xy + flight.offset_m + flight.warp_m * np.column_stack([np.sin(bend[:, 1]), np.cos(bend[:, 0])])
    return crowns_at(xy, diameter, score=score, **flight.columns)


def crowns_at(xy: Floats, diameter: Floats, **columns: object) -> gpd.GeoDataFrame:
    """Round crowns with the columns of the job."""
    shapes = shapely.buffer(shapely.points(xy), np.asarray(diameter) / 2, quad_segs=6) if len(xy) else []
    table = {"class": "crown", "score": 0.6, "crown_diameter_m": diameter, "area_m2": shapely.area(shapes)}
    table |= {"seen_by": "image", "counted": True, "top_x_m": xy[:, 0], "top_y_m": xy[:, 1]}
    frame = gpd.GeoDataFrame(table | columns, geometry=shapes, crs=PLANE)
    frame.insert(0, "uuid", crown_id(frame))
    return frame


def ground_under(crowns: gpd.GeoDataFrame, wide_m: float, high_m: float, *, west: float = WEST) -> Ground:
    """All of the rectangle is photographed; crowns cover it."""
    columns, rows = (int(np.ceil(length / MESH_M)) * MESH_M * 2 for length in (wide_m, high_m))
    bare = Ground(PLANE, west, NORTH, 0.5, np.zeros((rows, columns), bool), np.zeros((rows, columns), bool))
    seen = np.zeros_like(bare.seen)
    seen[: round(2 * high_m), : round(2 * wide_m)] = True
    cover = rasterize(crowns.geometry, seen.shape, transform=bare.transform) > 0 if len(crowns) else np.zeros_like(seen)
    return Ground(PLANE, west, NORTH, 0.5, seen, cover & seen)


def patches(wide_m: float, high_m: float, areas_ha: list[float], *, seed: int = 0) -> list[shapely.Geometry]:
    """Round and long patches that do not touch, apart from each other and the border."""
    rng = np.random.default_rng([seed, 3])
    found: list[shapely.Geometry] = []
    for area in areas_ha:
        stretch = rng.uniform(1.0, 2.0)
        half = np.sqrt(area * 1e4 / np.pi)
        for _ in range(200):
            x, y = rng.uniform([2 * half, 2 * half], [wide_m - 2 * half, high_m - 2 * half])
            shape = shapely.affinity.scale(shapely.Point(0, 0).buffer(half), stretch, 1 / stretch)
            shape = shapely.affinity.translate(shapely.affinity.rotate(shape, rng.uniform(0, 180)), WEST + x, NORTH - y)
            if all(shape.distance(other) > 15 for other in found):
                found.append(shape)
                break
    return found


def map_of(crowns: gpd.GeoDataFrame, wide_m: float, high_m: float, **stated: object) -> Previous:
    """An earlier flight's map."""
    extent = shapely.box(WEST, NORTH - high_m, WEST + wide_m, NORTH)
    stands = gpd.GeoDataFrame({"stand": ["S1"], "origin": "delineated"}, geometry=[extent], crs=crowns.crs)
    said = {"date": None, "gsd_m": 0.1, "model_sha256": "", "stands": stands, "lines": (), **stated}
    return Previous(path=Path("earlier.gpkg"), survey="earlier.tif", extent=extent, crowns=crowns, **said)


def flown(crowns: gpd.GeoDataFrame, wide_m: float, high_m: float, **stated: object) -> Flown:
    """A new flight's map, of one stand."""
    ground = ground_under(crowns[crowns["counted"]], wide_m, high_m)
    mesh = mesh20m(ground, crowns, MeshParams())
    area = shapely.box(WEST, NORTH - high_m, WEST + wide_m, NORTH)
    stands = gpd.GeoDataFrame({"stand": ["S1"], "origin": "delineated"}, geometry=[area], crs=crowns.crs)
    return Flown(ground, crowns, mesh, **{"stands": stands, "gsd_m": 0.1, "model_sha256": "", **stated})


def flown_twice(trees: Wood, gone: NDArray[np.bool_], before: Flight, after: Flight) -> Change:
    """What the second of two flights says, between which the trees of `gone` (n,) bool went."""
    size = trees.wide_m, trees.high_m
    then, now = seen_by(trees, before), seen_by(trees.without(gone), after)
    return compare(map_of(then, *size), flown(now, *size), ForestParams())
