"""The ground around a defect, cut from the orthophoto for its photo."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import shapely
from affine import Affine
from numpy.typing import NDArray
from rasterio.features import rasterize

from geo.raster import Grid, OrthoReader
from models.band import see
from models.detector import Detector
from pipelines.report.content import BlurRoadUsers, Box, Overhead, PhotoBox, Picture

__all__ = ["Overview", "users_of"]

Floats = NDArray[np.float64]
_ASPECT: Final = 16 / 9
_ROOM: Final = 1.3
"""A photo shows so many times the defect's own size."""
_OWN_M: Final = 0.3
"""Ground about a defect that belongs to it, whatever lies there."""
_FILL: Final = 200


@dataclass(frozen=True, slots=True)
class Overview:
    """Cuts photos out of an orthophoto.

    Attributes:
        grid: the pixels that boxes are in.
        footprints: uuid → the defect's polygon in the plane.
        road: the carriageways in the plane; None where nobody said where they are: then a defect's own surroundings are
            all that may be seen.
        width_px: of a photo.
        least_m: width of the ground that it shows at least.
    """

    grid: Grid
    footprints: Mapping[str, shapely.Geometry]
    road: shapely.Geometry | None
    width_px: int
    least_m: float

    def view(self, uuid: str, box: PhotoBox) -> Overhead:
        """The ground around one defect.

        Raises:
            BadWindow: this part of the orthophoto cannot be decoded.
        """
        seen = Grid(self.grid.ortho, self._gsd_m(box))
        left, top, right, bottom = self._window(box, seen)
        with OrthoReader(seen, _FILL) as reader:
            picture = reader.read(left, top, right, bottom).rgb
        corner = np.array([left, top], np.float64)
        footprint = self.footprints[uuid]
        own = shapely.buffer(footprint, _OWN_M, quad_segs=4)
        shown = own if self.road is None else shapely.union(own, self._road_near(own, 2 * self.least_m))
        return Overhead(
            picture=picture,
            shown=_mask(_pixels(shown, seen, corner), picture.shape[:2]),
            outline=[ring - corner for ring in _rings(footprint, seen)],
            metre_px=1 / float(np.mean(seen.pixel_m)),
            north=_north(seen, corner),
        )

    def _gsd_m(self, box: PhotoBox) -> float:
        """Metres per pixel of the photo: so that the defect has room both ways."""
        wide, high = (box.x2 - box.x1) * self.grid.pixel_m[0], (box.y2 - box.y1) * self.grid.pixel_m[1]
        return max(self.least_m, _ROOM * wide, _ROOM * high * _ASPECT) / self.width_px

    def _window(self, box: PhotoBox, seen: Grid) -> tuple[int, int, int, int]:
        """Left, top, right, bottom in pixels of `seen`, about the defect's middle but inside the orthophoto."""
        scale = np.array([seen.x_scale / self.grid.x_scale, seen.y_scale / self.grid.y_scale])
        middle = np.array([box.x1 + box.x2, box.y1 + box.y2]) / 2 * scale
        size = np.minimum([self.width_px, round(self.width_px / _ASPECT)], seen.inside_px)
        low = np.clip(np.rint(middle - size / 2), 0, np.array(seen.inside_px) - size)
        left, top, right, bottom = np.concatenate([low, low + size]).astype(int).tolist()
        return left, top, right, bottom

    def _road_near(self, place: shapely.Geometry, reach_m: float) -> shapely.Geometry:
        west, south, east, north = shapely.bounds(place).tolist()
        return shapely.clip_by_rect(self.road, west - reach_m, south - reach_m, east + reach_m, north + reach_m)


def users_of(detector: Detector, min_score: float) -> BlurRoadUsers:
    """What finds people and vehicles on a photo from above: no bonnet of the camera's own vehicle is among them."""

    def find(picture: Picture) -> list[Box]:
        return [(x1, y1, x2, y2) for x1, y1, x2, y2 in see(detector, picture, min_score).xyxy.tolist()]

    return find


def _pixels(shape: shapely.Geometry, grid: Grid, corner: Floats) -> shapely.Geometry:
    return shapely.transform(shape, lambda at: grid.to_pixels(at) - corner)


def _mask(shape: shapely.Geometry, size: tuple[int, int]) -> NDArray[np.bool_]:
    drawn = rasterize([shape], size, transform=Affine.identity(), dtype=np.uint8)
    return np.asarray(drawn > 0, bool)


def _rings(shape: shapely.Geometry, grid: Grid) -> list[Floats]:
    """The outer rings of an area, in grid pixels."""
    return [grid.to_pixels(shapely.get_coordinates(part.exterior)) for part in shapely.get_parts(shape)]


def _north(grid: Grid, at_px: Floats) -> tuple[float, float]:
    """Right and down of a step to the north, from a place in the photo."""
    here = grid.to_plane(at_px[None])
    step = (grid.to_pixels(here + np.array([0.0, 1.0])) - at_px[None])[0]
    right, down = (step / np.hypot(*step)).tolist()
    return right, down
