"""Draws the ground as a camera sees it: materials, paint, decals and holes, filtered for distance."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import cv2
import numpy as np
import shapely
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from shapely.geometry import Polygon

from pipelines.sample import textures
from pipelines.sample.decals import Decal, premultiplied
from pipelines.sample.randomness import stream
from pipelines.sample.scene import LANE_OFFSET_M, Area, Colour, Scene
from pipelines.sample.textures import ASPHALT, GRASS, WEAR, Field, Image
from pipelines.sample.view import FROM_INDEX, View, apply, centred

Array = NDArray[np.float64]

SUPERSAMPLING = 2
_NEAR_M, _FAR_M, _SIDE_M = 1.2, 130.0, 70.0
_SHIFT = 4
_BAND_RATIO = 1.4
_BLOTCH_M = 0.045
_COARSE = 16
_RELIEF_STEPS = 10
_VERGE = (112, 112, 84)
_PAINT = 226


@dataclass(frozen=True, slots=True)
class Band:
    """Rows of the supersampled ground that lie at about one distance.

    Attributes:
        rows: from and to, indices.
        across_m: ground covered by one supersampled pixel across the view.
        along_m: the same along the view.
    """

    rows: tuple[int, int]
    across_m: float
    along_m: float

    def halvings(self, metres_per_px: float) -> tuple[int, int]:
        """How often a picture of this resolution is halved (along, across) to fit the band."""
        along, across = (max(0, round(np.log2(v / metres_per_px))) for v in (self.along_m, self.across_m))
        return along, across


@dataclass
class GroundArtist:
    """Draws one scene's ground; built once, used for every frame, from any thread."""

    scene: Scene
    seed: int
    _levels: list[Image] = field(init=False, repr=False)
    _blotches: Field = field(init=False, repr=False)
    _areas: shapely.STRtree = field(init=False, repr=False)
    _marks: shapely.STRtree = field(init=False, repr=False)
    _path: cKDTree = field(init=False, repr=False)
    _kinds: list[tuple[Colour, int]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        rng = stream(self.seed, "ground")
        self._levels = textures.pyramid(textures.ground_texture(rng, self.scene.surface))
        self._blotches = textures.blotches(rng)
        self._areas = shapely.STRtree([a.outline for a in self.scene.areas])
        self._marks = shapely.STRtree(self.scene.marks)
        self._path = cKDTree(self.scene.town.loop.xy_m)
        self._kinds = [(_VERGE, GRASS), *sorted({(a.colour, a.material) for a in self.scene.areas})]

    def draw(self, view: View) -> tuple[Image, int]:
        """The ground of one frame.

        Returns:
            (rows, width, 3) uint8 RGB from the horizon down, and the frame row where it begins.
        """
        camera = view.camera
        top = max(0, int(np.ceil(camera.horizon_px(camera.width_px / 2))) + 1)
        shape = ((camera.height_px - top) * SUPERSAMPLING, camera.width_px * SUPERSAMPLING)
        to_index = centred(view.ground, supersampling=SUPERSAMPLING, top_px=top)
        frustum = Polygon(view.on_map(_frustum(view)))
        bands = _bands(view, top, shape[0])
        picture, material = self._materials(view, to_index, frustum, shape)
        grain = self._texture(view, to_index, bands, shape)
        gain = _chosen(grain, material)
        cv2.multiply(picture, gain, dst=picture, scale=1 / 128)
        self._shade_tarmac(view, to_index, picture, material)
        self._paint(view, to_index, frustum, picture, grain)
        damage = [d.decal for d in self.scene.damages]
        for decal in (*self.scene.decals, *damage, *self.scene.shadows):
            if decal.footprint.intersects(frustum):
                _lay(picture, decal, view, top, bands)
        size = (camera.width_px, shape[0] // SUPERSAMPLING)
        return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8), top

    def _materials(
        self, view: View, to_index: Array, frustum: Polygon, shape: tuple[int, int]
    ) -> tuple[Image, NDArray[np.uint8]]:
        kind = np.zeros(shape, np.uint8)
        found = np.sort(self._areas.query(frustum, predicate="intersects"))
        chosen: list[Area] = [self.scene.areas[k] for k in found]
        for area, ring in zip(chosen, _rings([a.outline for a in chosen], frustum, view, to_index), strict=True):
            number = self._kinds.index((area.colour, area.material))
            for part in ring:
                cv2.fillPoly(kind, [part], number, cv2.LINE_8, _SHIFT)
        colours, materials = np.zeros((256, 1, 3), np.uint8), np.zeros((256, 1), np.uint8)
        colours[: len(self._kinds), 0] = [k[0] for k in self._kinds]
        materials[: len(self._kinds), 0] = [k[1] for k in self._kinds]
        picture = cv2.LUT(cv2.merge([kind, kind, kind]), colours)
        return np.asarray(picture, np.uint8), np.asarray(cv2.LUT(kind, materials), np.uint8)

    def _texture(self, view: View, to_index: Array, bands: list[Band], shape: tuple[int, int]) -> Image:
        """(rows, columns, 4) uint8 gains of the periodic ground texture."""
        inverse = np.linalg.inv(to_index)
        out = np.empty((*shape, 4), np.uint8)
        columns = np.arange(shape[1], dtype=np.float32)[None, :]
        for band in bands:
            footprint = np.sqrt(band.across_m * band.along_m)
            level = int(np.clip(round(np.log2(footprint / textures.RESOLUTION_M)), 0, len(self._levels) - 1))
            image = self._levels[level]
            size = image.shape[0] - 1
            rows = np.arange(*band.rows, dtype=np.float32)[:, None]
            east, north = _sample_points(inverse, columns, rows)
            scale = size / textures.PERIOD_M
            x = _wrapped((east + np.float32(view.east_m % textures.PERIOD_M)) * np.float32(scale), size)
            y = _wrapped((north + np.float32(view.north_m % textures.PERIOD_M)) * np.float32(scale), size)
            cv2.remap(image, x, y, cv2.INTER_LINEAR, dst=out[slice(*band.rows)], borderMode=cv2.BORDER_REPLICATE)
        return out

    def _shade_tarmac(self, view: View, to_index: Array, picture: Image, material: NDArray[np.uint8]) -> None:
        """Large light and dark areas and the lanes' wheel paths, computed coarsely."""
        inverse = np.linalg.inv(to_index)
        rows, columns = (np.arange(_COARSE / 2, n, _COARSE, dtype=np.float32) for n in picture.shape[:2])
        east, north = _sample_points(inverse, columns[None, :], rows[:, None])
        places = np.column_stack([east.ravel() + view.east_m, north.ravel() + view.north_m])
        _, nearest = self._path.query(places, distance_upper_bound=30.0, workers=1)
        known = np.minimum(nearest, len(self.scene.town.loop.s_m) - 1)
        heading = self.scene.town.loop.heading_rad[known]
        away = places - self.scene.town.loop.xy_m[known]
        right = away[:, 0] * np.cos(heading) - away[:, 1] * np.sin(heading)
        lane = np.abs(np.abs(right) + LANE_OFFSET_M)
        worn = 0.045 * np.exp(-(((lane - 0.78) / 0.26) ** 2)) - 0.04 * np.exp(-((lane / 0.22) ** 2))
        n = len(self._blotches)
        index = np.mod(np.floor(places / _BLOTCH_M), n).astype(int)
        other = np.mod(np.floor(places / (2.7 * _BLOTCH_M)), n).astype(int)
        cloudy = self._blotches[index[:, 1], index[:, 0]] + self._blotches[other[:, 0], other[:, 1]]
        gain = 1 + self.scene.surface.blotch * 0.7 * cloudy + worn
        coarse = np.clip(128 * gain, 60, 220).astype(np.uint8).reshape(len(rows), len(columns))
        fine = cv2.resize(coarse, (picture.shape[1], picture.shape[0]), interpolation=cv2.INTER_LINEAR)
        fine[material != ASPHALT] = 128
        cv2.multiply(picture, cv2.merge([fine, fine, fine]), dst=picture, scale=1 / 128)

    def _paint(self, view: View, to_index: Array, frustum: Polygon, picture: Image, grain: Image) -> None:
        """White marks, thinned where they have worn off."""
        found = np.sort(self._marks.query(frustum, predicate="intersects"))
        mask = np.zeros(picture.shape[:2], np.uint8)
        for ring in _rings([self.scene.marks[k] for k in found], frustum, view, to_index):
            cv2.fillPoly(mask, ring, 255, cv2.LINE_8, _SHIFT)
        x, y, wide, tall = cv2.boundingRect(mask)
        if not wide:
            return
        part = (slice(y, y + tall), slice(x, x + wide))
        alpha = cv2.multiply(mask[part], 255 - grain[part][..., WEAR], scale=0.94 / 255)
        white = cv2.multiply(np.full_like(alpha, _PAINT), grain[part][..., ASPHALT], scale=1 / 128)
        _blend(picture[part], cv2.merge([cv2.multiply(white, alpha, scale=1 / 255)] * 3), alpha)


def _frustum(view: View) -> Array:
    """(4, 2) float64 forward and right: the ground that can be in the picture, near to far."""
    camera = view.camera
    near = camera.to_ground(np.array([[camera.width_px / 2, camera.height_px + 2.0]]))[0, 0]
    near = max(_NEAR_M, 0.7 * near)
    spread = 1.25 * camera.width_px / 2 / camera.focal_px + abs(np.tan(np.radians(camera.yaw_deg)))
    wide = min(_SIDE_M, spread * _FAR_M)
    return np.array([[near, -spread * near - 2], [near, spread * near + 2], [_FAR_M, wide], [_FAR_M, -wide]])


def _bands(view: View, top: int, rows: int) -> list[Band]:
    camera = view.camera
    y = top + (np.arange(rows) + 0.5) / SUPERSAMPLING
    forward = camera.to_ground(np.column_stack([np.full(rows, camera.width_px / 2), y]))[:, 0]
    index = np.floor(np.log(forward) / np.log(_BAND_RATIO)).astype(int)
    edges = [0, *(np.flatnonzero(np.diff(index)) + 1), rows]
    bands = []
    for start, stop in pairwise(edges):
        middle = float(forward[(start + stop) // 2])
        across = middle / camera.focal_px / SUPERSAMPLING
        along = middle**2 / camera.focal_px / camera.height_m / SUPERSAMPLING
        bands.append(Band((int(start), int(stop)), across, along))
    return bands


def _sample_points(inverse: NDArray[np.floating], columns: Field, rows: Field) -> tuple[Field, Field]:
    """East and north of the lens, (rows, columns) float32, for picture indices."""
    h = inverse.astype(np.float32)
    w = h[2, 0] * columns + (h[2, 1] * rows + h[2, 2])
    np.reciprocal(w, out=w)
    return (h[0, 0] * columns + (h[0, 1] * rows + h[0, 2])) * w, (h[1, 0] * columns + (h[1, 1] * rows + h[1, 2])) * w


def _wrapped(coordinates: Field, size: int) -> Field:
    return np.asarray(coordinates - np.float32(size) * np.floor(coordinates / np.float32(size)), np.float32)


def _chosen(grain: Image, material: NDArray[np.uint8]) -> Image:
    """(rows, columns, 3) uint8: for every pixel the gain of its own material."""
    gain = cv2.extractChannel(grain, ASPHALT)
    for other in (textures.PAVING, GRASS):
        mask = cv2.compare(material, other, cv2.CMP_EQ)
        cv2.copyTo(cv2.extractChannel(grain, other), mask, gain)
    return np.asarray(cv2.merge([gain, gain, gain]), np.uint8)


def _rings(outlines: list[Polygon], frustum: Polygon, view: View, to_index: Array) -> list[list[NDArray[np.int32]]]:
    """Fixed-point rings of each polygon's visible part, as cv2 fills them."""
    clipped = shapely.intersection(np.array(outlines, dtype=object), frustum)
    rings = []
    for shape in clipped:
        parts = [g for g in shapely.get_parts(shape) if g.geom_type == "Polygon" and not g.is_empty]
        points = [shapely.get_coordinates(g.exterior) - [view.east_m, view.north_m] for g in parts]
        rings.append([np.rint(apply(to_index, p) * (1 << _SHIFT)).astype(np.int32) for p in points])
    return rings


def _lay(picture: Image, decal: Decal, view: View, top: int, bands: list[Band]) -> None:
    """Draw a decal into the supersampled ground, each band of rows from a copy of fitting resolution."""
    rows, columns = decal.rgba.shape[:2]
    corners = np.array([[0.0, 0], [columns, 0], [columns, rows], [0, rows]])
    forward = view.ahead_m(decal.placed(corners))[:, 0]
    if forward.max() < _NEAR_M:
        return
    hole = _relief(decal, view) if decal.depth_m is not None else None
    to_px = view.of_plane(decal.to_map)
    to_index = centred(to_px, supersampling=SUPERSAMPLING, top_px=top)
    box = _extent(to_index, corners, picture.shape[:2], in_front=bool(forward.min() > _NEAR_M))
    for band in bands:
        y0, y1 = max(box[1], band.rows[0]), min(box[3], band.rows[1])
        if y0 >= y1 or box[0] >= box[2]:
            continue
        along, across = band.halvings(decal.metres_per_px)
        source = decal.shrunk(along, across) if hole is None else _shrunk(hole, along, across)
        stretch = np.diag([columns / source.shape[1], rows / source.shape[0], 1.0])
        shift = np.array([[1.0, 0, -box[0]], [0, 1.0, -y0], [0, 0, 1.0]])
        matrix = shift @ to_index @ stretch @ FROM_INDEX
        part = cv2.warpPerspective(source, matrix, (box[2] - box[0], y1 - y0), flags=cv2.INTER_LINEAR)
        _blend(picture[y0:y1, box[0] : box[2]], np.ascontiguousarray(part[..., :3]), part[..., 3])


def _extent(to_index: Array, corners: Array, shape: tuple[int, int], *, in_front: bool) -> tuple[int, int, int, int]:
    """Columns and rows (x0, y0, x1, y1) of the picture that a decal can touch."""
    if not in_front:  # reaches behind the lens: its corners do not bound it
        return 0, 0, shape[1], shape[0]
    points = apply(to_index, corners)
    low, high = np.floor(points.min(0)) - 1, np.ceil(points.max(0)) + 2
    x0, x1 = np.clip([low[0], high[0]], 0, shape[1]).astype(int)
    y0, y1 = np.clip([low[1], high[1]], 0, shape[0]).astype(int)
    return int(x0), int(y0), int(x1), int(y1)


def _shrunk(image: Image, along: int, across: int) -> Image:
    rows, columns = image.shape[:2]
    size = (max(2, columns >> across), max(2, rows >> along))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)


def _relief(decal: Decal, view: View) -> Image:
    """A hole's picture as seen from the side: every point shows what its line of sight meets below the road.

    Relief mapping (Policarpo et al. 2005): the sight line is marched down until it is deeper than the hole.
    """
    depth, deepest = decal.depth_m, 0.0 if decal.depth_m is None else float(decal.depth_m.max())
    if depth is None or deepest <= 0:
        return decal.shrunk(0, 0)
    away = np.array(decal.xy_m) - [view.east_m, view.north_m]
    travel = away / view.camera.height_m * deepest
    step = np.linalg.solve(decal.to_map[:2, :2], travel) / _RELIEF_STEPS
    rows, columns = depth.shape
    x, y = np.meshgrid(np.arange(columns, dtype=np.float32), np.arange(rows, dtype=np.float32))
    hit_x, hit_y, open_ = x.copy(), y.copy(), depth > 0
    for k in range(1, _RELIEF_STEPS + 1):
        at_x, at_y = x + np.float32(k * step[0]), y + np.float32(k * step[1])
        below = cv2.remap(depth, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        hit_x, hit_y = np.where(open_, at_x, hit_x), np.where(open_, at_y, hit_y)
        open_ &= below > k / _RELIEF_STEPS * deepest
    colour = cv2.remap(decal.rgba[..., :3].copy(), hit_x, hit_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return premultiplied(np.dstack([colour, decal.rgba[..., 3]]))


def _blend(below: Image, colour: Image, alpha: Image) -> None:
    """Lay a premultiplied colour over a picture, in place."""
    rest = cv2.bitwise_not(alpha)
    kept = cv2.multiply(below, cv2.merge([rest, rest, rest]), scale=1 / 255)
    below[:] = cv2.add(kept, colour)
