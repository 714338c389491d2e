"""Pavement with known cracks, seen straight from above at 3 mm a pixel: as asphalt, or as colours to be counted."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import geopandas as gpd
import numpy as np
import shapely
from affine import Affine
from foresting import GROUND, JAPAN_NORTH_WEST, ExactDetector, colour, write_ortho
from numpy.typing import NDArray

from models.card import ModelCard, ObjectClass, Suppression, Thresholds
from pipelines.sample.damage import crack_line
from pipelines.sample.textures import noise_cut

GSD_M = 0.003
PIECE_M = 0.6
"""A model that was taught on cracks up to a metre shows longer ones as a chain."""
_LINE_PX = 7
_SHIFT = 4

Line = NDArray[np.float64]


@dataclass(frozen=True)
class Pavement:
    """Cracks as lines (n, 2) px, pieces of them no longer than `PIECE_M`, and the crack that each piece is of."""

    width_px: int
    height_px: int
    cracks: Sequence[Line]
    pieces: Sequence[Line]
    crack_of: Sequence[int]

    @property
    def counted(self) -> NDArray[np.uint8]:
        """(h, w, 3): each piece in a colour of its own, for `ExactDetector`."""
        picture = np.zeros((self.height_px, self.width_px, 3), np.uint8)
        picture[:] = GROUND
        for number, piece in enumerate(self.pieces):
            _draw(picture, piece, colour(number + 1), _LINE_PX)
        return picture

    def asphalt(self, seed: int = 0) -> NDArray[np.uint8]:
        """(h, w, 3): grey, grainy, with dark cracks 3 to 9 mm wide."""
        rng = np.random.default_rng(seed)
        grain = 14 * noise_cut(rng, (1024, 1024), 0.0, smallest_px=1.4) + 5 * noise_cut(rng, (1024, 1024), 1.2)
        times = -(-self.height_px // 1024), -(-self.width_px // 1024)
        ground = 118 + np.tile(grain, times)[: self.height_px, : self.width_px]
        dark = np.zeros((self.height_px, self.width_px, 1), np.uint8)
        for crack in self.cracks:
            for start in range(0, len(crack) - 1, 12):
                _draw(dark, crack[start : start + 13], (int(rng.integers(150, 230)),), int(rng.integers(1, 4)))
        soft = cv2.GaussianBlur(dark[..., 0], (0, 0), 0.8).astype(np.float32) / 255
        grey = ground * (1 - 0.75 * soft)
        return np.clip(grey[..., None] + np.array([2, 0, -3]), 0, 255).astype(np.uint8)


def pave(width_px: int, height_px: int, ends_m: Sequence[tuple[float, float, float, float]], seed: int = 0) -> Pavement:
    """Cracks between given places.

    Args:
        width_px: of the picture.
        height_px: of the picture.
        ends_m: x1, y1, x2, y2 of each crack, metres right and down from the top left corner.
        seed: how they wander in between.
    """
    rng = np.random.default_rng(seed)
    cracks = [_wandering(rng, np.array(ends) / GSD_M) for ends in ends_m]
    pieces = [_cut(crack) for crack in cracks]
    numbers = [number for number, parts in enumerate(pieces) for _ in parts]
    return Pavement(width_px, height_px, cracks, [piece for parts in pieces for piece in parts], numbers)


def scattered(width_m: float, height_m: float, n: int, seed: int, apart_m: float = 1.0) -> list[tuple[float, ...]]:
    """Ends of about n cracks of 0.4 to 5 m, along, across and slantwise, none nearer than `apart_m` to another."""
    rng = np.random.default_rng(seed)
    kept: list[shapely.LineString] = []
    for _ in range(60 * n):
        length = float(np.exp(rng.uniform(np.log(0.4), np.log(5.0))))
        turn = rng.choice([0.0, np.pi / 2, rng.uniform(0, np.pi)])
        start = rng.uniform([0.3, 0.3], [width_m - 0.3, height_m - 0.3])
        stop = start + length * np.array([np.cos(turn), np.sin(turn)])
        inside = (stop > 0.3).all() and (stop < [width_m - 0.3, height_m - 0.3]).all()
        line = shapely.LineString([start, stop])
        if inside and all(line.distance(other) >= apart_m for other in kept):
            kept.append(line)
        if len(kept) == n:
            break
    return [tuple(float(v) for v in shapely.get_coordinates(line).ravel()) for line in kept]


def _wandering(rng: np.random.Generator, ends: Line) -> Line:
    line = crack_line(rng, ends[:2], ends[2:], 0.03)
    length = shapely.length(shapely.linestrings(line))
    at = np.linspace(0, length, max(3, int(length / 4)))
    return np.asarray(shapely.get_coordinates(shapely.line_interpolate_point(shapely.linestrings(line), at)))


def _cut(crack: Line) -> list[Line]:
    steps = np.append(0, np.cumsum(np.hypot(*np.diff(crack, axis=0).T)))
    n = max(1, int(np.ceil(steps[-1] * GSD_M / PIECE_M)))
    number = np.minimum((steps / steps[-1] * n).astype(int), n - 1)
    return [crack[max(0, np.flatnonzero(number == k)[0] - 1) : np.flatnonzero(number == k)[-1] + 1] for k in range(n)]


def _draw(picture: NDArray[np.uint8], line: Line, ink: tuple[int, ...], thick: int) -> None:
    points = np.rint((line - 0.5) * 2**_SHIFT).astype(np.int32)
    kind = cv2.LINE_8 if picture.shape[2] == 3 else cv2.LINE_AA
    cv2.polylines(picture, [points], False, ink, thick, kind, _SHIFT)


def card(**changes: Any) -> ModelCard:
    """The card of the detector without fault, for pavement."""
    stated = {
        "task": "pavement",
        "name": "cracks by their colour",
        "architecture": "none",
        "classes": [ObjectClass(name="crack", title_en="crack", title_ja="ひび割れ", largest_m=1.0)],
        "suppression": Suppression(max_boxes=2000),
        "thresholds": Thresholds(score={"crack": 0.3}, chosen="by construction"),
        "gsd_m": GSD_M,
        "training": [],
        "metrics": {},
        "limits": ["knows colours alone"],
        "made_on": "2026-01-01",
        "sha256": "0" * 64,
    }
    return ModelCard(**(stated | changes))


def exact(**changes: Any) -> ExactDetector:
    """Finds every piece of a crack in the counted picture."""
    return ExactDetector(card=card(), **changes)


def write_pavement(path: Path, picture: NDArray[Any], **options: Any) -> Path:
    """A GeoTIFF of 3 mm in Japanese plane zone 9, dated 2026-05-01, unless options say otherwise."""
    east, north = JAPAN_NORTH_WEST
    place = {"transform": Affine(GSD_M, 0, east, 0, -GSD_M, north), **options}
    return write_ortho(path, picture, **place)


def on_map(line_px: Line, gsd_m: float = GSD_M) -> shapely.LineString:
    """A line of pixels in zone 9."""
    return shapely.LineString(np.array(JAPAN_NORTH_WEST) + line_px * (gsd_m, -gsd_m))


def write_roads(
    path: Path, lines_m: Sequence[Sequence[tuple[float, float]]], width_m: float = 4.0, crs: int = 6677
) -> Path:
    """Roads by points right and down from the picture's corner, metres, their width stated."""
    shapes = [on_map(np.array(line, np.float64), 1.0) for line in lines_m]
    table = {
        "link": [f"R{k}" for k in range(len(shapes))],
        "name": "港通り",
        "highway": "residential",
        "width": width_m,
    }
    gpd.GeoDataFrame(table, geometry=shapes, crs=6677).to_crs(crs).to_file(path, layer="roads")
    return path
