"""A raster in strips, copied once into tiles: cutting a tile out of strips decodes their whole width."""

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import rasterio
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.shutil import copy

from geo.errors import RasterError
from geo.leftovers import part_of, remove_leftovers
from geo.raster.files import opened, state_of
from geo.raster.ortho import Ortho

__all__ = ["is_cheap_to_cut", "tiled_copy"]

_SMALL_BYTES: Final = 128 * 2**20
"""Decoded, a raster of this size stays in GDAL's cache as a whole, whatever its blocks."""

_SUFFIX: Final = ".tiled.tif"
_COPY: Final = {
    "driver": "COG",
    "COMPRESS": "ZSTD",
    "LEVEL": "1",
    "PREDICTOR": "YES",
    "BLOCKSIZE": "512",
    "BIGTIFF": "IF_SAFER",
    "OVERVIEW_RESAMPLING": "AVERAGE",
    "NUM_THREADS": "ALL_CPUS",
}


def is_cheap_to_cut(source: DatasetReader) -> bool:
    """Whether tiles can be cut from a raster without decoding far more than they show."""
    height, width = source.block_shapes[0]
    whole = sum(source.width * source.height * _bytes(name) for name in source.dtypes)
    blocks_are_tiles = width <= 4096 and height <= 4096 and (width < source.width or source.width <= 1024)
    return bool(whole <= _SMALL_BYTES or blocks_are_tiles)


def tiled_copy(ortho: Ortho, cache: Path, tell: Callable[[str], None]) -> Ortho:
    """The orthophoto itself, or, where its blocks are strips, a tiled copy without loss in `cache`, made once.

    Copies of other files, or of the file as it was, are removed, and so is what a killed process left of one: they are
    as large as the orthophoto.

    Args:
        ortho: as opened.
        cache: folder of the copy, of one job at a time; made where it is missing.
        tell: called with what is done and why, before it is done.

    Raises:
        RasterError: the copy cannot be written, or the file not be read to its end.
    """
    with opened(ortho.path) as source:
        if is_cheap_to_cut(source):
            _keep_alone(None, cache)
            return ortho
    states = [state_of(path) for path in (ortho.path, *ortho.beside)]
    known = hashlib.blake2b(json.dumps([states, ortho.nodata]).encode(), digest_size=8).hexdigest()
    target = cache / f"{ortho.path.stem}-{known}{_SUFFIX}"
    _keep_alone(target, cache)
    if not target.exists():
        tell(f"the orthophoto is stored in strips: it is copied once into tiles, {target}")
        _copy(ortho.path, target)
    return replace(ortho, path=target)


def _keep_alone(target: Path | None, cache: Path) -> None:
    remove_leftovers(cache)
    for path in cache.glob(f"*{_SUFFIX}"):
        if path != target:
            with suppress(OSError):
                path.unlink()


def _copy(path: Path, target: Path) -> None:
    partial = part_of(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with rasterio.Env(GDAL_CACHEMAX=256 * 2**20):
            copy(path, partial, **_COPY)
        partial.replace(target)
    except (RasterioError, OSError) as error:
        reason = str(error).splitlines()[0]
        remedy = "Free space there (the size of the pixels uncompressed, at most), or give a tiled GeoTIFF"
        raise RasterError(f"the tiled copy cannot be made ({reason})", where=target, remedy=remedy) from error
    finally:
        partial.unlink(missing_ok=True)


def _bytes(dtype: str) -> int:
    return int(np.dtype(dtype).itemsize)
