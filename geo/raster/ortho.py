"""An orthophoto, understood before it is read: bands, number type, mask, place and what to tell people about them."""

import datetime as dt
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyproj import CRS
from rasterio.enums import MaskFlags
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader
from rasterio.windows import Window

from geo.errors import RasterError
from geo.raster.bands import Bands, find_bands
from geo.raster.files import beside, check_whole, opened
from geo.raster.place import Place, Stated, find_place
from geo.raster.stretch import Stretch, find_stretch

__all__ = ["Ortho", "Stated", "open_ortho"]

_SAMPLES = 6
_SAMPLE_PX = (16, 256)
"""Least and largest side of a sample; in between an eighth of the raster, so that an empty corner fills one."""
_FILLED_PX = 225
"""Fewer pixels of a value are glints, not what surrounds a picture."""
_FAR_OFF = 10.0
"""A value is no colour if it lies farther from all others than so many times what those span."""
Colour = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Ortho:
    """An orthophoto.

    Attributes:
        path: the file that is read; a tiled copy of the one given, perhaps.
        name: of the file given.
        width_px: columns.
        height_px: rows.
        bands: what each band is.
        place: where it lies.
        stretch: how numbers become 8-bit colours; None where they are.
        masked: whether the file itself says where nothing was photographed.
        nodata: what each band says stands for nothing.
        collar: the colour around the picture in a file that masks nothing; what is no number is outside, too.
        beside: the other files that its pixels come from.
        date: YYYY-MM-DD of the flight, where the file says it, else "".
        lines: what to tell people, one sentence each.
    """

    path: Path
    name: str
    width_px: int
    height_px: int
    bands: Bands
    place: Place
    stretch: Stretch | None
    masked: bool
    nodata: tuple[str, ...]
    collar: Colour | None
    beside: tuple[Path, ...]
    date: str
    lines: tuple[str, ...]

    @property
    def gsd_m(self) -> float:
        """Ground sampling distance: metres on the ground of one pixel, the mean of both directions."""
        return sum(self.place.ground_m) / 2

    @property
    def plane(self) -> CRS:
        """The metric CRS that its map is made in."""
        return self.place.plane


def open_ortho(path: Path, stated: Stated | None = None) -> Ortho:
    """Understand an orthophoto; pixels are sampled, not read.

    Args:
        path: any raster that GDAL reads.
        stated: CRS and resolution, for a file that lacks them.

    Raises:
        RasterError: no raster, cut off, too few bands, or nothing but nodata where it was sampled.
        CrsError: no CRS.
    """
    path = Path(path)
    with opened(path) as source:
        check_whole(source, path)
        bands = find_bands(source, path)
        place = find_place(source, path, stated or Stated())
        pixels, collar, numbers = _sampled(source, bands, path)
        stretch = find_stretch(pixels)
        return Ortho(
            path=path,
            name=path.name,
            width_px=source.width,
            height_px=source.height,
            bands=bands,
            place=place,
            stretch=stretch,
            masked=not _masks_nothing(source),
            nodata=tuple(str(value) for value in source.nodatavals),
            collar=collar,
            beside=beside(source, path),
            date=_date(source),
            lines=tuple(_told(source, bands, place, stretch, collar, numbers)),
        )


def _sampled(source: DatasetReader, bands: Bands, path: Path) -> tuple[NDArray[Any], Colour | None, bool]:
    """Valid pixels (n, 3) from windows spread over the raster, the colour of its collar, and if all are numbers."""
    patches, masks = [], []
    masked = not _masks_nothing(source)
    for window in _windows(source.width, source.height, source.block_shapes[0]):
        with suppress(RasterioError):  # a part that cannot be decoded is named when its tile is read
            patch = source.read(bands.rgb, window=window).reshape(3, -1).T
            masks.append(source.dataset_mask(window=window).ravel() > 0 if masked else np.ones(len(patch), bool))
            patches.append(patch)
    if not patches:
        raise RasterError("the file cannot be decoded", where=path, remedy="Copy it again from where it was made")
    pixels, valid = np.concatenate(patches), np.concatenate(masks)
    collar = None if masked else _collar(patches)
    numbers = np.isfinite(pixels).all(axis=1)
    valid &= numbers
    if collar is not None:
        valid &= (pixels != collar).any(axis=1)
    if not valid.any() and not _any_valid(source, collar, bands):
        raise RasterError("there is nothing but nodata in it", where=path, remedy="Check the export's extent")
    return pixels[valid], collar, bool(numbers.all())


def _masks_nothing(source: DatasetReader) -> bool:
    return all(MaskFlags.all_valid in flags for flags in source.mask_flag_enums)


def _any_valid(source: DatasetReader, collar: Colour | None, bands: Bands) -> bool:
    """Whether a look from far above shows anything: the samples may all have fallen beside a narrow strip."""
    shape = (min(512, source.height), min(512, source.width))
    far = source.read(bands.rgb, out_shape=(3, *shape))
    shown = np.isfinite(far).all(axis=0) & (source.dataset_mask(out_shape=shape) > 0)
    if collar is not None:
        shown &= (far != np.array(collar)[:, None, None]).any(axis=0)
    return bool(shown.any())


def _windows(width_px: int, height_px: int, block: tuple[int, int]) -> Iterator[Window]:
    """Small windows on a coarse grid, the four corners of the raster among them.

    All but the last of a row or column begin with a block (height, width), so that few blocks are decoded.
    """
    least, largest = _SAMPLE_PX
    length = min(largest, max(least, min(width_px, height_px) // 8))
    side = min(length, width_px), min(length, height_px)
    columns, rows = (
        _starts(whole - part, one) for whole, part, one in zip((width_px, height_px), side, block[::-1], strict=True)
    )
    for row in rows:
        for column in columns:
            yield Window(int(column), int(row), *side)


def _starts(last: int, block: int) -> NDArray[np.int64]:
    """Evenly spread from 0 to `last`, those between moved to the beginning of a block unless blocks are very long."""
    starts = np.linspace(0, last, _SAMPLES).astype(np.int64)
    if block * _SAMPLES <= last:
        starts[1:-1] -= starts[1:-1] % block
    return np.unique(starts)


def _collar(patches: list[NDArray[Any]]) -> Colour | None:
    """What exporters that write no mask fill with: no colour, or black or white if a whole sample is nothing else."""
    if patches[0].dtype.kind in "if" and (filler := _no_colour(np.concatenate(patches))) is not None:
        return (filler, filler, filler)
    for value in (0, _full(patches[0].dtype)):
        if any((patch == value).all() for patch in patches):
            return (value, value, value)
    return None


def _full(dtype: np.dtype[Any]) -> int:
    """White of a type of whole numbers; floats, whose white may be any, have none (0)."""
    return int(np.iinfo(dtype).max) if dtype.kind in "ui" else 0


def _no_colour(pixels: NDArray[Any]) -> float | None:
    """The value, −9999 or −3.4e38 as a rule, that all bands of many pixels (n, 3) have and that is no colour."""
    finite = pixels[np.isfinite(pixels).all(axis=1)].astype(np.float64)
    for value in (finite.min(), finite.max()) if len(finite) else ():
        filled = (finite == value).all(axis=1)
        rest = finite[~filled]
        if filled.sum() < _FILLED_PX or not len(rest):
            continue
        low, high = float(rest.min()), float(rest.max())
        if value < 0 <= low or max(low - value, value - high) > _FAR_OFF * (high - low):
            return float(value)
    return None


def _date(source: DatasetReader) -> str:
    tags = {**source.tags(), **source.tags(ns="IMAGERY")}
    text = tags.get("ACQUISITIONDATETIME") or tags.get("TIFFTAG_DATETIME") or ""
    try:
        return dt.date.fromisoformat(text[:10].replace(":", "-")).isoformat()
    except ValueError:
        return ""


def _told(
    source: DatasetReader, bands: Bands, place: Place, stretch: Stretch | None, collar: Colour | None, numbers: bool
) -> Iterator[str]:
    wide, high = place.ground_m
    code = place.plane.to_epsg()
    plane = f"{place.plane.name}" + (f" (EPSG:{code})" if code else "")
    size = f"{source.width:,} × {source.height:,} px of {100 * (wide + high) / 2:.1f} cm"
    yield f"{size}, {source.width * wide:,.0f} × {source.height * high:,.0f} m, measured in {plane}"
    if not place.crs.equals(place.plane, ignore_axis_order=True):
        yield f"the file is in {place.crs.name}"
    if place.free:
        yield "the file has no place: the map is true to size, but lies at the origin of its coordinate system"
    if stretch is not None:
        yield f"{source.dtypes[0]} pixels: {stretch} (0.5th to 99.5th percentile of a sample)"
    if bands.known_by == "names":
        yield f"bands {', '.join(map(str, bands.rgb))} are red, green and blue, by their names"
    if bands.known_by == "order":
        order = ", ".join(map(str, bands.rgb))
        yield f"the file does not state its colours: bands {order} are taken as red, green, blue in this order"
    if bands.others:
        yield f"band {', '.join(map(str, bands.others))} is kept apart: the model looks at red, green and blue"
    if _date(source) and "ACQUISITIONDATETIME" not in source.tags(ns="IMAGERY"):
        yield f"dated {_date(source)}, when the file was made: state the day of the flight with --date if it is another"
    if collar is not None:
        names: dict[float, str] = {_full(np.dtype(source.dtypes[0])): "white", 0: "black"}
        named = names.get(collar[0], f"{collar[0]:g}")
        yield f"nothing is masked, but whole parts are {named}: taken as outside"
    if not numbers and _masks_nothing(source):
        yield "nothing is masked, but parts are no numbers (NaN): taken as outside"
