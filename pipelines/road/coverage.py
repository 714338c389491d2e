"""The road surface that was looked at: where nothing was found there, nothing was seen; elsewhere nothing is known."""

from __future__ import annotations

from typing import Any, Self

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from shapely.geometry.base import BaseGeometry

from geo.camera.locate import CameraErrors, reach_m
from geo.camera.pinhole import Camera

Array = NDArray[np.float64]

_CHUNK = 256


class CoverageParams(BaseModel):
    """How much of the road a frame counts as looked at (params.yaml, section `coverage`).

    Attributes:
        near_m: nearer road is taken to be hidden by the vehicle, m ahead of the lens.
        far_m: farther road is taken to be too small in the picture, m. Road where no box can be located is not looked
            at either, whatever stands here (`within`).
        corridor_m: width about the vehicle's path that is looked at, half of it to either side. Wide enough for both
            lanes as seen from one of them; a section's own width cuts off the rest.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    near_m: float = Field(default=2.0, ge=0)
    far_m: float = Field(default=20.0, gt=0)
    corridor_m: float = Field(default=10.0, gt=0)

    def within(self, camera: Camera, errors: CameraErrors) -> Self:
        """The same, but no farther than boxes are located (`camera.max_range_m`, `camera.max_forward_sd_m`).

        Where none could be located, finding none says nothing: such road does not count as seen.
        """
        return self.model_copy(update={"far_m": min(self.far_m, reach_m(camera, errors))})


def seen_ground(
    frames: pd.DataFrame, camera: Camera, params: CoverageParams | None = None, *, crs: Any = None
) -> gpd.GeoDataFrame:
    """The road that each frame shows: the picture's outline on the ground, from near to far, within the corridor.

    Args:
        frames: table `frames`. Frames whose pose is not valid show road that nobody can place, and are left out.
        camera: of the frames, whatever size they were read at.
        params: near, far and corridor; `CoverageParams.within` what is located.
        crs: the plane CRS of the frames; without it, the one in their `attrs["crs"]`.

    Returns:
        `frame`, `t_s`, `heading_deg` and one Polygon a frame, map metres. No row where the camera shows no road.
    """
    knobs = params or CoverageParams()
    outline = visible_outline(camera, knobs)
    used = frames["valid"].to_numpy(bool) & np.isfinite(frames[["x_m", "y_m", "heading_deg"]].to_numpy(float)).all(1)
    shown = frames.loc[used & (not outline.is_empty), ["frame", "t_s", "heading_deg", "x_m", "y_m"]]
    shapes = _on_map(shapely.get_coordinates(outline), shown[["x_m", "y_m", "heading_deg"]].to_numpy(np.float64))
    crs = frames.attrs.get("crs") if crs is None else crs
    table = shown[["frame", "t_s", "heading_deg"]].reset_index(drop=True)
    return gpd.GeoDataFrame(table, geometry=gpd.GeoSeries(shapes, crs=crs), crs=crs)


def visible_outline(camera: Camera, params: CoverageParams) -> BaseGeometry:
    """The road in the picture as a polygon with x = forward, y = right, m; empty where the picture shows none."""
    if params.far_m <= params.near_m:
        return shapely.Polygon()
    width, height = float(camera.width_px), float(camera.height_px)
    rows = camera.to_image(np.array([[params.far_m, -5.0], [params.far_m, 5.0]]))
    slope = (rows[1, 1] - rows[0, 1]) / (rows[1, 0] - rows[0, 0])
    left, right = (float(rows[0, 1] + slope * (x - rows[0, 0])) for x in (0.0, width))
    picture = np.array([[0, height], [width, height], [width, max(right, 0.0)], [0, max(left, 0.0)]])
    ground = camera.to_ground(picture)
    if not (np.isfinite(ground).all() and max(left, right) < height):
        return shapely.Polygon()
    half = params.corridor_m / 2
    return shapely.intersection(shapely.Polygon(ground), shapely.box(params.near_m, -half, params.far_m, half))


def coverage_layer(seen: gpd.GeoDataFrame) -> gpd.GeoDataFrame:
    """The ground of all frames in one: `area_m2` and Polygons that do not overlap, in a stable order.

    Args:
        seen: as from `seen_ground`.
    """
    shapes = seen.geometry.to_numpy()
    # Frames that follow each other overlap: merging them first keeps the final union small.
    chunks = [shapely.union_all(shapes[start : start + _CHUNK]) for start in range(0, len(shapes), _CHUNK)]
    parts = shapely.get_parts(shapely.normalize(shapely.union_all(chunks))) if chunks else np.array([], object)
    parts = parts[shapely.area(parts) > 0]
    return gpd.GeoDataFrame({"area_m2": shapely.area(parts)}, geometry=gpd.GeoSeries(parts, crs=seen.crs), crs=seen.crs)


def _on_map(ground: Array, poses: Array) -> NDArray[np.object_]:
    """(n,) Polygon: a ring (k, 2) forward, right placed at poses (n, 3) x, y, heading."""
    if not len(poses):
        return np.array([], object)
    heading = np.radians(poses[:, 2])[:, None]
    forward, right = ground[:, 0], ground[:, 1]
    x = poses[:, 0, None] + forward * np.sin(heading) + right * np.cos(heading)
    y = poses[:, 1, None] + forward * np.cos(heading) - right * np.sin(heading)
    return np.asarray(shapely.polygons(np.stack([x, y], axis=-1)), object)
