"""Video files as tracks."""

from pathlib import Path
from typing import NoReturn

from geo.errors import TrackError


def read_gopro(path: Path) -> NoReturn:
    """Refuse a video, and say how to get its track out.

    Raises:
        TrackError: always.
    """
    remedy = "Export its telemetry as GPX (GoPro: gopro2gpx, or ExifTool with -ee) and name that as the track"
    raise TrackError("positions inside a video cannot be read", where=path, remedy=remedy)
