"""Reading an orthophoto at the sampling distance of a grid, through overviews, from several threads."""

import threading
import warnings
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import cv2
import numpy as np
import rasterio
from numpy.typing import NDArray
from rasterio.enums import Resampling
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window

from geo.errors import RasterError
from geo.raster.grid import CELL_PX, Grid

__all__ = ["GDAL_OPTIONS", "BadWindow", "OrthoReader", "Patch"]

GDAL_OPTIONS: Final[dict[str, Any]] = {
    "GDAL_CACHEMAX": 64 * 2**20,
    "GDAL_NUM_THREADS": 1,
    "GDAL_DISABLE_READDIR_ON_OPEN": True,
}
"""For `rasterio.Env`, which takes bytes where GDAL itself takes megabytes. GDAL's own choice is a twentieth of the
machine's memory; this holds what two rows of tiles share of a 14,000 px wide raster, and of a wider one the blocks that
neighbouring tiles share."""


class BadWindow(RasterError):  # noqa: N818 - as BadFrame: what it is about, not how it is raised
    """A part of a raster that cannot be decoded; the rest can."""


@dataclass(frozen=True, slots=True)
class Patch:
    """A part of an orthophoto: `rgb` uint8 (h, w, 3), and `valid` bool (h, w), where anything was photographed."""

    rgb: NDArray[np.uint8]
    valid: NDArray[np.bool_]

    @property
    def cells(self) -> NDArray[np.bool_]:
        """Bool (h / cell, w / cell): cells of which at least half was photographed; sides are whole cells."""
        height, width = self.valid.shape
        if self.valid.all():
            return np.ones((height // CELL_PX, width // CELL_PX), bool)
        blocks = self.valid.reshape(height // CELL_PX, CELL_PX, width // CELL_PX, CELL_PX)
        return np.asarray(blocks.mean(axis=(1, 3)) >= 0.5, bool)


_COLLAR_NOISE: Final = 3
"""JPEG, which has 8 bits, leaves so much around black; with more bits dark parts of a picture are as near to it."""

_SPECK_PX: Final = 15
"""Of pixels that look like nodata, patches narrower than this are shadows (or glints) in the picture."""


class OrthoReader:
    """Reads parts of an orthophoto, from any thread, one at a time.

    GDAL keeps decoded blocks by dataset. Readers with datasets of their own would each decode what they share; taking
    turns at one costs less, since decoding a tile takes a twentieth of looking at it.

    Args:
        grid: the frame that parts are asked in.
        fill: what stands where nothing was photographed, 0 to 255.
    """

    def __init__(self, grid: Grid, fill: int = 0) -> None:
        self._grid = grid
        self._fill = fill
        self._turn = threading.Lock()
        self._source: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; the next read opens it again."""
        with self._turn:
            if self._source is not None:
                self._source.close()
            self._source = None

    def read(self, left: int, top: int, right: int, bottom: int) -> Patch:
        """What the file shows of a tile (grid pixels); beyond its borders nothing is valid.

        Shrinking averages over the pixels covered, enlarging interpolates.

        Raises:
            BadWindow: this part of the file cannot be decoded.
        """
        grid, ortho = self._grid, self._grid.ortho
        rgb = np.full((bottom - top, right - left, 3), self._fill, np.uint8)
        valid = np.zeros((bottom - top, right - left), bool)
        window, wide, high = grid.window(left, top, right, bottom)
        if wide <= 0 or high <= 0:
            return Patch(rgb, valid)
        try:
            with self._turn:
                pixels, mask = self._pixels(window, (high, wide))
        except RasterioError as error:
            raise BadWindow("a part of the file cannot be decoded", where=f"rows {window.row_off:.0f} ff.") from error
        if mask is not None:
            mask = _without_specks(mask)
        valid[:high, :wide] = True if mask is None else mask
        if pixels is not None:
            part = pixels if ortho.stretch is None else ortho.stretch.apply(pixels)
            if (high, wide) == valid.shape:
                cv2.merge(list(part), rgb)  # in place
            else:
                rgb[:high, :wide] = cv2.merge(list(part))
            if mask is not None and not mask.all():
                rgb[~valid] = self._fill
        return Patch(rgb, valid)

    def _pixels(self, window: Window, shape: tuple[int, int]) -> tuple[NDArray[Any] | None, NDArray[np.bool_] | None]:
        """Colours (3, h, w), None where nothing is valid; and where they are, bool (h, w), None for everywhere."""
        ortho, source = self._grid.ortho, self._opened()
        mask = None
        if ortho.masked:
            mask = source.dataset_mask(window=window, out_shape=shape) > 0
            if not mask.any():
                return None, mask
        way = Resampling.average if self._grid.x_scale < 1 else Resampling.bilinear
        pixels = source.read(ortho.bands.rgb, window=window, out_shape=(3, *shape), resampling=way)
        numbers = np.isfinite(pixels).all(axis=0) if pixels.dtype.kind == "f" else None
        if numbers is not None and not numbers.all():
            mask = numbers if mask is None else mask & numbers
        if ortho.collar is not None:
            noise = _COLLAR_NOISE if pixels.dtype == np.uint8 else 0
            far = np.abs(pixels.astype(np.float32) - np.array(ortho.collar, np.float32)[:, None, None])
            beside = (far > noise).any(axis=0)
            mask = beside if mask is None else mask & beside
        return pixels, mask

    def _opened(self) -> Any:
        if self._source is None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", NotGeoreferencedWarning)
                self._source = rasterio.open(self._grid.ortho.path)
        return self._source


def _without_specks(valid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Counts as photographed what looks like nodata only here and there; nodata comes in wide areas."""
    if valid.all():
        return valid
    gaps = np.pad((~valid).view(np.uint8), _SPECK_PX, mode="edge")
    wide = cv2.morphologyEx(gaps, cv2.MORPH_OPEN, np.ones((_SPECK_PX, _SPECK_PX), np.uint8))
    return np.asarray(wide[_SPECK_PX:-_SPECK_PX, _SPECK_PX:-_SPECK_PX] == 0, bool)
