"""The fixes of a satellite receiver, as they were recorded."""

from dataclasses import dataclass, field, fields, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from geo.errors import TrackError

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ReadCounts:
    """What a reader put right or left out, by number of records.

    `astray` are fixes whose time strays from that of the others.
    """

    out_of_order: int = 0
    duplicates: int = 0
    unreadable: int = 0
    no_position: int = 0
    astray: int = 0


@dataclass(frozen=True, slots=True)
class Fixes:
    """Recorded fixes in order of time; every array is float64 (n,), nan where the receiver did not say.

    Attributes:
        t_s: seconds since 1970-01-01 UTC, strictly increasing.
        lon: longitude, degrees east, WGS 84.
        lat: latitude, degrees north, WGS 84.
        speed_mps: speed over ground, m/s.
        bearing_deg: course over ground, degrees clockwise from *true* north.
        sd_m: the receiver's own standard deviation per horizontal axis, m.
        source: where they came from (a file's path, "EXIF").
        counts: what the reader put right or left out.
    """

    t_s: Array
    lon: Array
    lat: Array
    speed_mps: Array
    bearing_deg: Array
    sd_m: Array
    source: str = ""
    counts: ReadCounts = field(default_factory=ReadCounts)

    def __post_init__(self) -> None:
        sizes = {getattr(self, name).shape for name in ARRAYS}
        if len(sizes) != 1 or len(self.t_s.shape) != 1:
            raise TrackError(f"arrays of differing shapes {sorted(sizes)}", where=self.source or "Fixes")
        if not np.isfinite(self.t_s).all() or (np.diff(self.t_s) <= 0).any():
            remedy = "Build them with Fixes.of, which sorts"
            raise TrackError("times are not strictly increasing", where=self.source or "Fixes", remedy=remedy)

    @classmethod
    def of(  # noqa: PLR0913 - one argument per column, all but three of them optional
        cls,
        t_s: npt.ArrayLike,
        lon: npt.ArrayLike,
        lat: npt.ArrayLike,
        *,
        speed_mps: npt.ArrayLike | None = None,
        bearing_deg: npt.ArrayLike | None = None,
        sd_m: npt.ArrayLike | None = None,
        source: str = "",
        counts: ReadCounts | None = None,
    ) -> Self:
        """Sort by time, drop what has no time or position and what repeats a time, and count all three."""
        given = ReadCounts() if counts is None else counts
        time = np.asarray(t_s, float)
        columns = [time, lon, lat, *(np.nan if c is None else c for c in (speed_mps, bearing_deg, sd_m))]
        table = np.array([np.broadcast_to(np.asarray(column, float), time.shape) for column in columns])
        usable = np.isfinite(table[:3]).all(axis=0)
        table = table[:, usable]
        out_of_order = int((np.diff(table[0]) < 0).sum())
        table = table[:, np.argsort(table[0], kind="stable")]
        first = np.diff(table[0], prepend=-np.inf) > 0
        counted = replace(
            given,
            out_of_order=given.out_of_order + out_of_order,
            duplicates=given.duplicates + int((~first).sum()),
            no_position=given.no_position + int((~usable).sum()),
        )
        t, x, y, speed, bearing, sd = (np.ascontiguousarray(row) for row in table[:, first])
        return cls(t, x, y, speed, bearing, sd, source=source, counts=counted)

    def __len__(self) -> int:
        return len(self.t_s)

    def where(self, keep: npt.NDArray[np.bool_] | npt.NDArray[np.intp] | slice) -> Self:
        """The fixes that a mask, an index or a slice picks; the order must stay that of time."""
        return replace(self, **{name: getattr(self, name)[keep] for name in ARRAYS})

    def shifted(self, seconds: float) -> Self:
        """The same fixes on another clock: `seconds` are added to every time."""
        return replace(self, t_s=self.t_s + seconds)


ARRAYS = tuple(f.name for f in fields(Fixes) if f.name not in {"source", "counts"})
