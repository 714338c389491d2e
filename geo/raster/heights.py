"""A canopy height model: heights above ground, read in blocks of a metric plane.

One file that holds them, or a surface model and a terrain model of which they are the difference.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from affine import Affine
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.enums import Resampling
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.vrt import WarpedVRT
from rasterio.windows import Window

from geo.errors import CrsError, RasterError
from geo.raster.files import check_whole, is_placed, opened
from geo.raster.place import apply
from geo.raster.units import height_unit

__all__ = ["HeightModel", "Heights", "open_heights"]

_HIGHEST_M = 130.0
"""No tree is higher; a surface model above sea level usually is, and so are centimetres."""
_GROUND_M = 2.0
_LEAST_SHARE = 0.01
"""Less of a model is noise above bare land: it may be as high as it likes."""
_SAMPLES, _SAMPLE_PX = 8, 64
_LOWEST_PCT = 2.0
_SAME_DATUM_M = 8.0
"""Between crowns a surface model shows the ground; ellipsoid and geoid lie up to 100 m apart, in Japan 25 to 45 m."""


@dataclass(frozen=True, slots=True)
class HeightModel:
    """A canopy height model.

    Attributes:
        path: heights above ground; with a terrain, those of the surface above the same datum.
        plane: the CRS it is read in.
        pixel_m: metres per pixel there.
        bounds: its west, south, east and north there.
        terrain: heights of the ground, subtracted from the surface.
        lines: what to tell people, one sentence each.
    """

    path: Path
    plane: CRS
    pixel_m: float
    bounds: tuple[float, float, float, float]
    terrain: Path | None = None
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Heights:
    """A block of heights: float32 (h, w) metres above ground, nan where unknown; `transform` pixel corners to plane."""

    values: NDArray[np.float32]
    transform: Affine


def open_heights(
    path: Path, plane: CRS, bounds: tuple[float, float, float, float], terrain: Path | None = None
) -> HeightModel:
    """Open a height model that is to lie under an orthophoto.

    Args:
        path: one band, heights above ground, or, with a `terrain`, of the surface; metres unless the file states
            another unit.
        plane: the CRS it is to be read in; the files may be in others.
        bounds: west, south, east, north of the orthophoto in `plane`.
        terrain: one band, heights of the bare ground above the same datum as the surface, in a unit of its own.

    Raises:
        CrsError: no CRS.
        RasterError: several bands, cut off, no overlap with `bounds`, an unknown unit, or what stands is mostly
            higher than any tree.
    """
    pixel_m, extent, lines = _measured(Path(path), plane, bounds)
    if terrain is not None:
        lines += _measured(Path(terrain), plane, bounds)[2]
    model = HeightModel(Path(path), plane, pixel_m, extent, terrain if terrain is None else Path(terrain), lines)
    with reading(model) as reader:
        sample = _without_filler(reader.sampled(bounds))
    standing = sample[sample > _GROUND_M]  # open forest is mostly ground, which is low in any unit
    if len(standing) > _LEAST_SHARE * len(sample) and (standing > _HIGHEST_M).mean() > 0.5:
        what = f"most of what is above {_GROUND_M:g} is above {_HIGHEST_M:g}, too (half of it above "
        what += f"{np.median(standing):,.0f})"
        what = what if terrain is None else f"most of the surface lies more than {_HIGHEST_M:g} m above the terrain"
        remedy = "Heights are metres above ground; of a surface above sea level give --dsm and --dtm"
        remedy = remedy if terrain is None else "Both must be in metres above the same datum, ellipsoid or geoid"
        raise RasterError(what, where=path, remedy=remedy)
    lowest = float(np.percentile(sample, _LOWEST_PCT)) if len(sample) else 0.0
    if terrain is None or abs(lowest) <= _SAME_DATUM_M:
        return model
    told = (
        f"the surface comes down to {lowest:+.0f} m from the terrain, not to the ground: unless trees hide all of it, "
        "the two models have different datums (ellipsoid, geoid) and heights are wrong by that much"
    )
    return replace(model, lines=(*lines, told))


def _without_filler(sample: NDArray[np.float32]) -> NDArray[np.float32]:
    """Without the one value far above all trees that a file which declares no nodata fills its gaps with."""
    values, counts = np.unique(sample[sample > _HIGHEST_M], return_counts=True)
    if not len(values) or counts.max() <= counts.sum() / 2:
        return sample
    return np.asarray(sample[sample != values[counts.argmax()]], np.float32)


def _measured(
    path: Path, plane: CRS, bounds: tuple[float, float, float, float]
) -> tuple[float, tuple[float, float, float, float], tuple[str, ...]]:
    """Metres per pixel and extent in the plane of a file of heights that overlaps `bounds`, and what to tell of it."""
    with opened(path) as source:
        check_whole(source, path)
        if source.count != 1:
            raise RasterError(f"{source.count} bands, but heights are one band", where=path)
        if source.crs is None or not is_placed(source.transform):
            remedy = "Assign it: `gdal_edit.py -a_srs EPSG:6677 chm.tif`"
            raise CrsError("has no coordinate reference system", where=path, remedy=remedy)
        unit, _ = height_unit(source, path)
        with WarpedVRT(source, crs=plane.to_wkt()) as warped:
            pixel_m, (left, bottom, right, top) = float(abs(warped.transform.a)), tuple(warped.bounds)
    west, south, east, north = bounds
    if left >= east or right <= west or bottom >= north or top <= south:
        what = f"does not overlap the orthophoto (in {plane.name}: x {left:,.0f} to {right:,.0f}, y {bottom:,.0f} to "
        what += f"{top:,.0f}; orthophoto x {west:,.0f} to {east:,.0f}, y {south:,.0f} to {north:,.0f})"
        raise RasterError(what, where=path, remedy="Check both files' CRS")
    told = (f"{path.name}: heights are in {unit}, converted to metres",) if unit else ()
    return pixel_m, (left, bottom, right, top), told


@contextmanager
def reading(model: HeightModel) -> Iterator["HeightReader"]:
    """The model, open for reading."""
    pixel = model.pixel_m
    left, bottom, right, top = model.bounds
    options = {
        "crs": model.plane.to_wkt(),
        "transform": Affine(pixel, 0, left, 0, -pixel, top),
        "width": max(1, round((right - left) / pixel)),
        "height": max(1, round((top - bottom) / pixel)),
        "nodata": np.nan,
        "dtype": "float32",
    }
    with ExitStack() as stack:

        def file_of(path: Path, resampling: Resampling) -> HeightFile:
            source = stack.enter_context(opened(path))
            warped = stack.enter_context(WarpedVRT(source, **options, resampling=resampling))
            metres = height_unit(source, path)[1]
            return HeightFile(path, warped, metres * float(source.scales[0]), metres * float(source.offsets[0]))

        # Terrain models are coarse: their pixels would be steps in the heights.
        terrain = None if model.terrain is None else file_of(model.terrain, Resampling.bilinear)
        yield HeightReader(file_of(model.path, Resampling.nearest), terrain)


@dataclass(frozen=True, slots=True)
class HeightFile:
    """A file of heights, open in the plane's pixels: metres are its values times `scale` plus `offset`."""

    path: Path
    source: DatasetReader
    scale: float
    offset: float

    def read(self, window: Window) -> NDArray[np.float32]:
        """Metres, nan where there are none.

        Raises:
            RasterError: the part cannot be decoded.
        """
        try:
            values: NDArray[np.float32] = self.source.read(1, window=window)
        except RasterioError as error:
            raise RasterError("a part of the height model cannot be decoded", where=self.path) from error
        return np.asarray(values * np.float32(self.scale) + np.float32(self.offset), np.float32)


@dataclass(frozen=True, slots=True)
class HeightReader:
    """An open height model, in the pixels of its plane."""

    surface: HeightFile
    terrain: HeightFile | None = None

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height."""
        return self.surface.source.width, self.surface.source.height

    @property
    def transform(self) -> Affine:
        """Pixel corners to the plane."""
        transform: Affine = self.surface.source.transform
        return transform

    def read(self, left: int, top: int, right: int, bottom: int) -> Heights:
        """A block, cut at the model's borders; heights that no tree has, and what lies below ground, are unknown.

        Raises:
            RasterError: the block cannot be decoded.
        """
        width, height = self.size_px
        left, top, right, bottom = max(0, left), max(0, top), min(width, right), min(height, bottom)
        values = self._above_ground(Window(left, top, max(0, right - left), max(0, bottom - top)))
        values = np.where((values > -1) & (values < _HIGHEST_M), np.maximum(values, 0), np.nan).astype(np.float32)
        a, b, c, d, e, f = self.transform[:6]
        return Heights(values, Affine(a, b, c + a * left, d, e, f + e * top))

    def sampled(self, bounds: tuple[float, float, float, float]) -> NDArray[np.float32]:
        """Metres above ground as the files have them, float32 (n,), of small windows spread over a part of the plane.

        Args:
            bounds: west, south, east, north of the part, m.
        """
        west, south, east, north = bounds
        columns, rows = apply(~self.transform, np.array([west, east]), np.array([north, south]))
        left, right = np.clip(np.rint(columns), 0, self.size_px[0]).astype(int).tolist()
        top, bottom = np.clip(np.rint(rows), 0, self.size_px[1]).astype(int).tolist()
        wide, high = min(right - left, _SAMPLE_PX), min(bottom - top, _SAMPLE_PX)
        if wide < 1 or high < 1:
            return np.empty(0, np.float32)
        values = [
            self._above_ground(Window(int(column), int(row), wide, high)).ravel()
            for row in np.unique(np.linspace(top, bottom - high, _SAMPLES).astype(int))
            for column in np.unique(np.linspace(left, right - wide, _SAMPLES).astype(int))
        ]
        joined = np.concatenate(values)
        return joined[np.isfinite(joined)]

    def _above_ground(self, window: Window) -> NDArray[np.float32]:
        values = self.surface.read(window)
        return values if self.terrain is None else values - self.terrain.read(window)
