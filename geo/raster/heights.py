"""A canopy height model: heights above ground, read in blocks of a metric plane."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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

__all__ = ["HeightModel", "Heights", "open_heights"]

_HIGHEST_M = 130.0
"""No tree is higher; a surface model above sea level usually is."""


@dataclass(frozen=True, slots=True)
class HeightModel:
    """A canopy height model: `path`, the `plane` it is read in, metres per pixel, and its extent there (x, y)."""

    path: Path
    plane: CRS
    pixel_m: float
    bounds: tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Heights:
    """A block of heights: float32 (h, w) metres above ground, nan where unknown; `transform` pixel corners to plane."""

    values: NDArray[np.float32]
    transform: Affine


def open_heights(path: Path, plane: CRS, bounds: tuple[float, float, float, float]) -> HeightModel:
    """Open a height model that is to lie under an orthophoto.

    Args:
        path: one band, metres above ground.
        plane: the CRS it is to be read in; the file may be in another.
        bounds: west, south, east, north of the orthophoto in `plane`.

    Raises:
        CrsError: no CRS.
        RasterError: several bands, cut off, or no overlap with `bounds`.
    """
    path = Path(path)
    with opened(path) as source:
        check_whole(source, path)
        if source.count != 1:
            raise RasterError(f"{source.count} bands, but heights are one band", where=path)
        if source.crs is None or not is_placed(source.transform):
            remedy = "Assign it: `gdal_edit.py -a_srs EPSG:6677 chm.tif`"
            raise CrsError("has no coordinate reference system", where=path, remedy=remedy)
        with WarpedVRT(source, crs=plane.to_wkt()) as warped:
            model = HeightModel(path, plane, float(abs(warped.transform.a)), tuple(warped.bounds))
    west, south, east, north = bounds
    left, bottom, right, top = model.bounds
    if left >= east or right <= west or bottom >= north or top <= south:
        what = f"does not overlap the orthophoto (in {plane.name}: x {left:,.0f} to {right:,.0f}, y {bottom:,.0f} to "
        what += f"{top:,.0f}; orthophoto x {west:,.0f} to {east:,.0f}, y {south:,.0f} to {north:,.0f})"
        raise RasterError(what, where=path, remedy="Check both files' CRS")
    return model


@contextmanager
def reading(model: HeightModel) -> Iterator["HeightReader"]:
    """The model, open for reading."""
    with opened(model.path) as source:
        pixel = model.pixel_m
        left, _, right, top = model.bounds
        width = max(1, round((right - left) / pixel))
        height = max(1, round((top - model.bounds[1]) / pixel))
        transform = Affine(pixel, 0, left, 0, -pixel, top)
        options = {"crs": model.plane.to_wkt(), "transform": transform, "width": width, "height": height}
        with WarpedVRT(source, **options, resampling=Resampling.nearest, nodata=np.nan, dtype="float32") as warped:
            yield HeightReader(warped, model.path)


@dataclass(frozen=True, slots=True)
class HeightReader:
    """An open height model, in the pixels of its plane."""

    source: DatasetReader
    path: Path

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height."""
        return self.source.width, self.source.height

    @property
    def transform(self) -> Affine:
        """Pixel corners to the plane."""
        transform: Affine = self.source.transform
        return transform

    def read(self, left: int, top: int, right: int, bottom: int) -> Heights:
        """A block, cut at the model's borders; heights that no tree has, and what lies below ground, are unknown.

        Raises:
            RasterError: the block cannot be decoded.
        """
        width, height = self.size_px
        left, top, right, bottom = max(0, left), max(0, top), min(width, right), min(height, bottom)
        window = Window(left, top, max(0, right - left), max(0, bottom - top))
        try:
            values = self.source.read(1, window=window)
        except RasterioError as error:
            raise RasterError("a part of the height model cannot be decoded", where=self.path) from error
        values = np.where((values > -1) & (values < _HIGHEST_M), np.maximum(values, 0), np.nan).astype(np.float32)
        a, b, c, d, e, f = self.transform[:6]
        return Heights(values, Affine(a, b, c + a * left, d, e, f + e * top))
