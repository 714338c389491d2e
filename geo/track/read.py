"""Opening a position log, whatever wrote it."""

from collections.abc import Callable
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

from geo.errors import TrackError
from geo.track.exif import PICTURE_SUFFIXES, fixes_from_photos
from geo.track.fixes import Fixes
from geo.track.gopro import read_gopro
from geo.track.gpx import read_gpx
from geo.track.nmea import read_nmea
from geo.track.table import read_table

_HEAD: Final = 4096
_TALKERS: Final = (b"$GP", b"$GN", b"$GL", b"$GA", b"$GB", b"$GQ", b"$QZ", b"$BD")
_KINDS: Final = "Give a GPX, CSV or NMEA file, a GoPro's video, or pictures with EXIF GPS"
_SUFFIXES: Final[dict[str, Callable[[Path], Fixes]]] = {
    ".gpx": read_gpx,
    ".csv": read_table,
    ".tsv": read_table,
    ".nmea": read_nmea,
}


def read_fixes(path: Path, timezone: ZoneInfo | None = None) -> Fixes:
    """The fixes of a position log: GPX, CSV, NMEA 0183, a GoPro's video, a picture, or a folder of pictures.

    What the file holds counts for more than its name: an NMEA log called ``.txt`` or ``.csv`` is read as what it is.

    Args:
        path: the file or folder.
        timezone: of pictures and of tables (CSV) that state no offset, UTC for the latter if not given; GPX, NMEA and
            GoPro's videos are in UTC by definition.

    Raises:
        TrackError: there is no such file, it cannot be read as any of these, or no fix in it has time and position.
    """
    if path.is_dir():
        return fixes_from_photos(sorted(p for p in path.rglob("*") if p.suffix.lower() in PICTURE_SUFFIXES), timezone)
    try:
        with path.open("rb") as stream:
            head = stream.read(_HEAD)
    except OSError as error:
        raise TrackError(f"the track cannot be opened: {error.strerror}", where=path) from error
    if not head.strip():
        raise TrackError("the track file is empty", where=path, remedy=_KINDS)
    if path.suffix.lower() in PICTURE_SUFFIXES:
        return fixes_from_photos([path], timezone)
    reader = _reader(path.suffix.lower(), head, path)
    return read_table(path, timezone) if reader is read_table else reader(path)


def _reader(suffix: str, head: bytes, path: Path) -> Callable[[Path], Fixes]:
    if head[4:8] == b"ftyp":
        return read_gopro
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    # A logger may put its own time before each sentence, so NMEA is looked for anywhere in the first lines.
    if any(talker in head for talker in _TALKERS) and not text.startswith(b"<"):
        return read_nmea
    if text.startswith((b"<?xml", b"<gpx")):
        return read_gpx
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    if b"\0" not in head:
        return read_table
    raise TrackError("not a kind of track that can be read", where=path, remedy=_KINDS)
