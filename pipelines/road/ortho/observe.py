"""From boxes in an orthophoto's pixels to observations on the road; there is no camera in between.

A box's place is exact to a pixel within the survey. What all boxes share is the error of the orthophoto's own place
(`georeference_sd_m`), which the file does not tell.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray

from geo.network import Roads, Snapped
from geo.raster import Grid
from models.card import ModelCard
from models.detections import Detections
from pipelines.road.observe import OBSERVATION_COLUMNS
from pipelines.road.ortho.joining import rectangle_m

__all__ = ["BESIDE", "Sheet", "Streets", "observe_boxes"]

Floats = NDArray[np.float64]
BESIDE: Final = "outside_road"
"""Why a box shows no defect although it has a place."""
_MEET_M: Final = 0.01
"""Ends of lines that lie no farther apart are one place."""


@dataclass(frozen=True)
class Streets:
    """The carriageways that an orthophoto is looked at along.

    Attributes:
        roads: centre lines in the orthophoto's plane.
        beside_m: what lies farther outside a carriageway is no road.
    """

    roads: Roads
    beside_m: float

    def ground(self, margin_m: float = 0.0) -> shapely.Geometry:
        """The carriageways as one area, widened by a margin on either side."""
        links = self.roads.links
        lines, half = links.geometry.to_numpy(), links["width_m"].to_numpy(np.float64) / 2 + margin_m
        strips = shapely.buffer(lines, half, cap_style="flat")
        return shapely.union_all(np.append(strips, _joints(lines, half)))

    @cached_property
    def corridor(self) -> shapely.Geometry:
        """What counts as road."""
        area = self.ground(self.beside_m)
        shapely.prepare(area)
        return area

    def snap(self, xy_m: Floats, sd_m: float) -> Snapped:
        """The link that each place (n, 2) lies on."""
        nowhere = np.full(len(xy_m), np.nan)
        return self.roads.snap(xy_m[:, 0], xy_m[:, 1], nowhere, np.full(len(xy_m), sd_m))


def _joints(lines: NDArray[np.object_], half_m: Floats) -> NDArray[np.object_]:
    """Discs that fill the outer corners of bends in which lines meet, flat as their ends are; none at free ends.

    Args:
        lines: (n,) centre lines.
        half_m: (n,) half of each carriageway.

    Returns:
        (k,) Polygon, as wide as the narrower road where two meet, as the second widest where more do.
    """
    ends = shapely.get_coordinates(shapely.get_point(np.repeat(lines, 2), np.tile([0, -1], len(lines))))
    place = np.unique(np.rint(ends / _MEET_M), axis=0, return_inverse=True)[1].ravel()
    half = np.repeat(half_m, 2)
    order = np.lexsort((-half, place))
    place, half, ends = place[order], half[order], ends[order]
    first = np.diff(place, prepend=-1) > 0
    second = np.append(False, first[:-1]) & ~first
    return np.asarray(shapely.buffer(shapely.points(ends[second]), half[second]), object)


@dataclass(frozen=True, slots=True)
class Sheet:
    """What places boxes: the pixels they are in, the file's name, the orthophoto's error, and the streets if given."""

    grid: Grid
    name: str
    georeference_sd_m: float
    streets: Streets | None

    @property
    def sd_m(self) -> float:
        """Standard deviation per axis of a place on the map: the file's own, and a pixel of what was looked at."""
        return float(np.hypot(self.georeference_sd_m, max(*self.grid.pixel_m, self.grid.ortho.gsd_m)))


def observe_boxes(boxes: Detections, sheet: Sheet, card: ModelCard) -> gpd.GeoDataFrame:
    """The table `observations`: one row per box, in the order given.

    Boxes outside the streets keep their place; `why_not` says why they show no defect, and they have no link.

    Args:
        boxes: in grid pixels.
        sheet: where they lie.
        card: names the classes.
    """
    shapes = box_shapes(boxes, sheet.grid)
    xy = shapely.get_coordinates(shapely.centroid(shapes)).reshape(-1, 2)
    length, width = rectangle_m(shapes)
    outside = np.zeros(len(shapes), bool)
    if sheet.streets is not None:
        outside = ~shapely.intersects(sheet.streets.corridor, shapes)
    table = pd.DataFrame(
        {
            "frame": np.full(len(shapes), sheet.name, object),
            "t_s": np.nan,
            "class": np.array([card.class_names[k] for k in boxes.class_id], object),
            "score": boxes.score.astype(np.float64),
            **{name: boxes.xyxy[:, k].astype(np.float64) for k, name in enumerate(("x1", "y1", "x2", "y2"))},
            "located": True,
            "why_not": np.where(outside, BESIDE, "").astype(object),
            "forward_m": np.nan,
            "right_m": np.nan,
            "x_m": xy[:, 0],
            "y_m": xy[:, 1],
            "cov_xx": sheet.sd_m**2,
            "cov_xy": 0.0,
            "cov_yy": sheet.sd_m**2,
            "sd_m": sheet.sd_m,
            "length_m": length,
            "width_m": width,
            "area_m2": shapely.area(shapes),
            "length_cut": False,
            "width_cut": False,
            "heading_deg": np.nan,
            **_links(sheet, xy, outside),
        }
    )
    table["located"] = table["located"].astype(bool)
    return gpd.GeoDataFrame(table[OBSERVATION_COLUMNS], geometry=list(shapes), crs=sheet.grid.ortho.plane)


def box_shapes(boxes: Detections, grid: Grid) -> NDArray[np.object_]:
    """(n,) Polygon: boxes of grid pixels in the plane."""
    corners = boxes.xyxy[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 2)
    if not len(corners):
        return np.empty(0, object)
    return np.asarray(shapely.polygons(grid.to_plane(corners).reshape(-1, 4, 2)), object)


def _links(sheet: Sheet, xy_m: Floats, outside: NDArray[np.bool_]) -> dict[str, NDArray[np.generic]]:
    """`link`, `chainage_m`, `offset_m` of places; none for those outside the streets, nor without streets."""
    link = np.full(len(xy_m), "", object)
    chainage, offset = np.full(len(xy_m), np.nan), np.full(len(xy_m), np.nan)
    if sheet.streets is not None and len(xy_m):
        found = sheet.streets.snap(xy_m[~outside], sheet.sd_m)
        link[~outside], chainage[~outside], offset[~outside] = found.link, found.chainage_m, found.offset_m
    return {"link": link, "chainage_m": chainage, "offset_m": offset}
