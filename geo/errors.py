"""Errors of the whole house, rooted here because every package may import `geo`.

MichisoraError                 what went wrong, where, and what to do about it
└── GeoError
    ├── CrsError               no CRS, an unusable one, or one that does not fit
    ├── TrackError             a track that cannot be read or used
    ├── CameraError            a camera that cannot be placed over the road
    ├── NetworkError           a roads file that cannot be read or used
    ├── RasterError            an orthophoto or height model that cannot be read or used
    └── LayerError             a layer that cannot be written
"""


class MichisoraError(Exception):
    """A failure that the user can do something about.

    Args:
        what: what is wrong, in one sentence without a full stop.
        where: the path, layer, frame or row it is about.
        remedy: what to do about it.
    """

    def __init__(self, what: str, *, where: object = None, remedy: str | None = None) -> None:
        self.what = what
        self.where = None if where is None else str(where)
        self.remedy = remedy
        super().__init__(what, self.where, remedy)

    def __str__(self) -> str:
        text = self.what if self.where is None else f"{self.where}: {self.what}"
        return text if self.remedy is None else f"{text}. {self.remedy}"


class GeoError(MichisoraError):
    """Something about places."""


class CrsError(GeoError):
    """No coordinate reference system, an unusable one, or one that does not fit."""


class TrackError(GeoError):
    """A track that cannot be read or used."""


class CameraError(GeoError):
    """A camera that cannot be placed over the road."""


class NetworkError(GeoError):
    """A roads file that cannot be read or used."""


class RasterError(GeoError):
    """An orthophoto or height model that cannot be read or used."""


class LayerError(GeoError):
    """A layer that cannot be written."""
