"""Opening raster files, and refusing those that cannot be used, each with one line."""

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import rasterio
from affine import Affine
from rasterio.errors import NotGeoreferencedWarning, RasterioError, RasterioIOError
from rasterio.io import DatasetReader

from geo.errors import RasterError

__all__ = ["beside", "check_whole", "is_placed", "opened", "state_of"]

_REMEDY = "Copy the file again from where it was made; `gdalinfo` shows what GDAL can read of it"


@contextmanager
def opened(path: Path) -> Iterator[DatasetReader]:
    """A raster, open for reading.

    Raises:
        RasterError: no such file, no raster that GDAL can read, or a name that it cannot.
    """
    if not path.exists():
        raise RasterError("no such file", where=path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotGeoreferencedWarning)  # `is_placed` says it with a remedy
        try:
            source = rasterio.open(path)
        except (RasterioIOError, RasterioError) as error:
            raise RasterError(f"not a raster that can be read ({_first_line(error)})", where=path) from error
        except UnicodeEncodeError as error:
            named = os.fsencode(path).decode("utf-8", "backslashreplace")
            raise RasterError("GDAL opens no path that is not in UTF-8", where=named, remedy="Rename it") from error
    with source:
        yield source


def is_placed(transform: Affine) -> bool:
    """Whether a file says where its pixels lie; GDAL gives one that does not the identity, or it turned upside down."""
    return transform not in (Affine.identity(), Affine(1, 0, 0, 0, -1, 0))


def beside(source: DatasetReader, path: Path) -> tuple[Path, ...]:
    """The other files that pixels come from: the tiles of a virtual raster, a mask, overviews.

    What is only said of the pixels, as the statistics that QGIS leaves in an `.aux.xml`, is none of them.
    """
    others = (Path(name) for name in source.files)
    return tuple(sorted(one for one in others if one.resolve() != path.resolve() and not one.name.endswith(".aux.xml")))


def state_of(path: Path) -> list[str | int]:
    """What changes when a file is replaced: its name, size and time of change.

    Of a file in an archive (`/vsizip/…`) those of the archive; of what lies on no disk here its whole name alone.
    """
    for one in (path, *_archives(path)):
        with suppress(OSError):
            status = one.stat()
            return [path.name if one == path else str(path), status.st_size, status.st_mtime_ns]
    return [str(path)]


def _archives(path: Path) -> Iterator[Path]:
    """The files that may hold one that GDAL reads through its virtual file systems, innermost first."""
    parts = path.parts
    if len(parts) < 3 or not parts[1].startswith("vsi"):
        return
    for end in range(len(parts) - 1, 2, -1):
        for inside in (Path("/", *parts[2:end]), Path(*parts[2:end])):
            if inside.is_file():
                yield inside


def check_whole(source: DatasetReader, path: Path) -> None:
    """Refuse a TIFF whose blocks lie beyond the file's end: a copy that was cut off.

    Only the file's table of contents is read, so this takes no time for any size.

    Raises:
        RasterError: the file is truncated.
    """
    if source.driver not in {"GTiff", "COG"}:
        return
    size = path.stat().st_size
    block_height, block_width = source.block_shapes[0]
    columns, rows = -(-source.width // block_width), -(-source.height // block_height)
    bands = source.indexes if source.interleaving is not None and source.interleaving.name == "band" else [1]
    # Blocks are written in order, as a rule, so the last rows are where a cut-off file ends; checking all of a
    # hundred thousand strips would cost seconds.
    for band in bands:
        for row in {0, rows // 2, max(0, rows - 2), rows - 1}:
            for column in {0, columns // 2, columns - 1}:
                end = _block_end(source, band, column, row)
                if end > size:
                    missing = f"data up to byte {end:,}, but the file ends at {size:,}"
                    raise RasterError(f"the file is cut off ({missing})", where=path, remedy=_REMEDY)


def _block_end(source: DatasetReader, band: int, column: int, row: int) -> int:
    offset = source.get_tag_item(f"BLOCK_OFFSET_{column}_{row}", "TIFF", bidx=band)
    length = source.get_tag_item(f"BLOCK_SIZE_{column}_{row}", "TIFF", bidx=band)
    return int(offset) + int(length) if offset and length else 0


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__
