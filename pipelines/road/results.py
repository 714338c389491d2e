"""What a survey of the road came to: the one value that products are made from."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import geopandas as gpd
import pandas as pd
import pyproj
from shapely.geometry import LineString, MultiLineString

from geo.camera.pinhole import Camera
from pipelines.report.content import BlurRoadUsers, Overhead, PhotoBox, Picture, Provenance, ReportParams, Summary
from pipelines.report.words import CHANGES


@dataclass(frozen=True, slots=True)
class Results:
    """Everything that a survey of the road came to.

    Attributes:
        survey: its name.
        date: its day; products are dated by it.
        crs: the survey's plane CRS.
        defects: table `defects`, judged; `frame` and `box_x1` … say where each is best seen.
        sections: table `sections`.
        observations: table `observations`, footprints as geometry.
        frames: table `frames`.
        seen: as from `coverage.seen_ground`.
        track: the driven line in `crs`, None where unknown.
        rejected: `item`, `reason` (code), `detail`, and Points in `geometry` (in `crs` or their own) where known.
        read_frame: frame name → (h, w, 3) uint8 RGB.
        provenance: what made the results.
        km: distance driven while frames were looked at.
        camera: of the frames, None where unknown.
        roads: `Roads.links`, drawn beneath the map.
        blur_road_users: what finds people and vehicles on photos; None while there is no street model.
        languages: of the reports, the first one first.
        report: how reports look.
        area_m2: ground looked at from above; None for a drive.
        place_sd_m: standard deviation per axis that was assumed for an orthophoto's place.
        overhead: what cuts photos out of an orthophoto; None for a drive.
    """

    survey: str
    date: dt.date
    crs: pyproj.CRS
    defects: gpd.GeoDataFrame
    sections: gpd.GeoDataFrame
    observations: gpd.GeoDataFrame
    frames: pd.DataFrame
    seen: gpd.GeoDataFrame
    track: LineString | MultiLineString | None
    rejected: pd.DataFrame
    read_frame: Callable[[str], Picture]
    provenance: Provenance
    km: float
    camera: Camera | None = None
    roads: gpd.GeoDataFrame | None = None
    blur_road_users: BlurRoadUsers | None = None
    languages: tuple[str, ...] = ("ja", "en")
    report: ReportParams = field(default_factory=ReportParams)
    area_m2: float | None = None
    place_sd_m: float = 0.0
    overhead: Callable[[str, PhotoBox], Overhead] | None = None

    @property
    def summary(self) -> Summary:
        """The survey in numbers."""
        return Summary(
            len(self.frames), self.km, self.rejected_by_reason, self.area_m2, self.place_sd_m, changes=self.changes
        )

    @property
    def changes(self) -> dict[str, int]:
        """How many defects are new, the same, worse, gone or not passed since the previous survey; {} without one."""
        counts = Counter(self.defects["change"].fillna("").astype(str))
        found = {code: counts[code] for code in CHANGES}
        return found if any(found.values()) else {}

    @property
    def rejected_by_reason(self) -> dict[str, int]:
        """How many frames or fixes were left out by reason code, most first."""
        counts = Counter(self.rejected["reason"].astype(str))
        return dict(sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])))
