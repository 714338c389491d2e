"""Orthophotos and height models as they come: opened, understood, and read at a ground sampling distance."""

from geo.raster.grid import Grid
from geo.raster.heights import HeightModel, Heights, open_heights, reading
from geo.raster.ortho import Ortho, Stated, open_ortho
from geo.raster.read import GDAL_OPTIONS, BadWindow, OrthoReader, Patch
from geo.raster.tiled import is_cheap_to_cut, tiled_copy

__all__ = [
    "GDAL_OPTIONS",
    "BadWindow",
    "Grid",
    "HeightModel",
    "Heights",
    "Ortho",
    "OrthoReader",
    "Patch",
    "Stated",
    "is_cheap_to_cut",
    "open_heights",
    "open_ortho",
    "reading",
    "tiled_copy",
]
