"""A small raster read as one picture."""

import warnings
from pathlib import Path

import numpy as np
import rasterio
from rasterio.enums import ColorInterp
from rasterio.errors import NotGeoreferencedWarning, RasterioError

from pipelines.frames.types import BadFrame, Picture

__all__ = ["MAX_SIDE_PX", "RASTER_SUFFIXES", "read_raster"]

RASTER_SUFFIXES = (".tif", ".tiff")
MAX_SIDE_PX = 4096
"""A larger raster would be shrunk until its objects are gone; it has to be looked at tile by tile."""


def read_raster(path: Path) -> Picture:
    """The first three bands of a small 8-bit raster, uint8 (h, w, 3); one band alone becomes grey.

    Raises:
        BadFrame: it is empty, no raster, not of 8 bits, of a palette, damaged, or larger than `MAX_SIDE_PX`.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotGeoreferencedWarning)
            with rasterio.open(path, driver="GTiff") as raster:
                return _bands(raster, path)
    except RasterioError as error:
        raise BadFrame("not_an_image", f"the file is not a GeoTIFF that can be read ({error})", path) from error
    except UnicodeEncodeError as error:
        raise BadFrame("not_an_image", "GDAL opens no path that is not in UTF-8; rename it", path) from error


def _bands(raster: rasterio.DatasetReader, path: Path) -> Picture:
    if max(raster.width, raster.height) > MAX_SIDE_PX:
        size = f"{raster.width} x {raster.height}"
        detail = f"the raster is {size} px, more than {MAX_SIDE_PX} a side; cut it with gdal_retile.py -ps 2048 2048"
        raise BadFrame("too_many_pixels", detail, path)
    if set(raster.dtypes) != {"uint8"}:
        detail = (
            f"the raster's bands are {raster.dtypes[0]}, not 8 bits; convert it with gdal_translate -ot Byte -scale"
        )
        raise BadFrame("not_an_image", detail, path)
    if ColorInterp.palette in raster.colorinterp:
        detail = "the colours are numbers of a palette; expand them with gdal_translate -expand rgb in.tif out.tif"
        raise BadFrame("not_an_image", detail, path)
    bands = raster.read([1, 2, 3] if raster.count >= 3 else [1, 1, 1])
    return np.ascontiguousarray(np.moveaxis(bands, 0, -1))
