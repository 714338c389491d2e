"""What a report is made from: tables, pictures and the numbers about them, all in one frozen value."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from geo.camera.pinhole import Camera

if TYPE_CHECKING:
    import geopandas as gpd
    from shapely.geometry import LineString, MultiLineString

Picture = NDArray[np.uint8]
Box = tuple[float, float, float, float]
BlurRoadUsers = Callable[[Picture], Sequence[Box]]
Progress = Callable[[int, int], None]


class ReportParams(BaseModel):
    """How reports look and how much of a frame a photo shows.

    Attributes:
        lane_width_m: width of the lane that the vehicle drives in.
        road_width_m: width of the carriageway; what lies beside it is blurred.
        drives_on: the side of the road that the vehicle keeps to.
        far_margin_m: how much road a photo shows beyond the defect. Whatever stands farther off has its feet above
            that line in the picture, and is blurred whole.
        max_forward_m: no photo shows road beyond this, however far the defect.
        photo_width_px: width of the photos written.
        jpeg_quality: Pillow's scale, 1 to 95.
        document_blocks: defects that get a block with a photo in the PDF; the others are in its table.
        map_numbers: defects that get their number on the maps; the others are marked without one.
        road_user_score: what the street model holds for a person or vehicle with at least this score is concealed;
            lower than where it counts them, because a hidden shadow costs less than a face shown.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    lane_width_m: float = Field(default=3.25, gt=0)
    road_width_m: float = Field(default=6.5, gt=0)
    drives_on: Literal["left", "right"] = "left"
    far_margin_m: float = Field(default=4.0, ge=0)
    max_forward_m: float = Field(default=40.0, gt=0)
    photo_width_px: int = Field(default=960, ge=320)
    jpeg_quality: int = Field(default=82, ge=1, le=95)
    document_blocks: int = Field(default=100, ge=0)
    map_numbers: int = Field(default=40, ge=0)
    road_user_score: float = Field(default=0.15, ge=0, le=1)


@dataclass(frozen=True, slots=True)
class PhotoBox:
    """Where a defect is best seen.

    Attributes:
        frame: name of the frame.
        x1: left edge, px of the full frame; `y1`, `x2`, `y2` likewise: top, right, bottom.
        heading_deg: where the vehicle was heading, clockwise from grid north; NaN where unknown.
    """

    frame: str
    x1: float
    y1: float
    x2: float
    y2: float
    heading_deg: float = math.nan


@dataclass(frozen=True, slots=True)
class Overhead:
    """The ground around a defect, seen straight from above.

    Attributes:
        picture: (h, w, 3) uint8 RGB.
        shown: (h, w) bool, what may be seen: the road surface, and the defect's own surroundings.
        outline: (k, 2) float64 px each, rings around the defect.
        metre_px: pixels of a metre on the ground.
        north: right and down px of a step to the north, a unit vector.
    """

    picture: Picture
    shown: NDArray[np.bool_]
    outline: Sequence[NDArray[np.float64]]
    metre_px: float
    north: tuple[float, float]


@dataclass(frozen=True, slots=True)
class PhotoSource:
    """Where photos come from, and what must not be seen on them.

    Attributes:
        read_frame: frame name → (h, w, 3) uint8 RGB; raises MichisoraError or OSError for one that cannot be read.
        boxes: uuid of a defect → where it is best seen.
        camera: how the frames look onto the road; None where unknown, and then only a box's surroundings are shown.
        blur_road_users: (h, w, 3) uint8 RGB → boxes (x1, y1, x2, y2) px of people and vehicles on the road. The one
            place where a street model enters; None while there is none.
        overhead: uuid of a defect and its box → the ground around it, for surveys from above: no frame is read then.
        kept: uuid of a defect that these frames do not show → its photo of an earlier run.
    """

    read_frame: Callable[[str], Picture]
    boxes: Mapping[str, PhotoBox] = field(default_factory=dict)
    camera: Camera | None = None
    blur_road_users: BlurRoadUsers | None = None
    overhead: Callable[[str, PhotoBox], Overhead] | None = None
    kept: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Summary:
    """The survey in numbers.

    Attributes:
        frames: looked at; tiles, where an orthophoto was surveyed.
        km: driven while frames were looked at.
        rejected: frames or fixes left out by reason code.
        area_m2: ground looked at from above; None for a drive.
        place_sd_m: standard deviation per axis that was assumed for an orthophoto's place.
        changes: defects by what became of them since the previous survey (code); {} without one.
    """

    frames: int
    km: float
    rejected: Mapping[str, int] = field(default_factory=dict)
    area_m2: float | None = None
    place_sd_m: float = 0.0
    changes: Mapping[str, int] = field(default_factory=dict)

    @property
    def from_above(self) -> bool:
        """Whether an orthophoto was surveyed, and not driven."""
        return self.area_m2 is not None

    @property
    def extent(self) -> str:
        """How much was surveyed: km driven, or the area seen from above."""
        if self.area_m2 is None:
            return f"{self.km:.1f} km"
        return f"{self.area_m2:,.0f} m²" if self.area_m2 < 20_000 else f"{self.area_m2 / 1e4:,.1f} ha"


@dataclass(frozen=True, slots=True)
class Provenance:
    """What made the report.

    Attributes:
        model: name of the detector.
        sha256: of its weights; the first twelve digits are printed.
        limits: by language, what the model's card says it cannot do, one sentence each.
        version: of the command that wrote the report.
    """

    model: str
    sha256: str
    limits: Mapping[str, Sequence[str]] = field(default_factory=dict)
    version: str = ""

    def limits_in(self, lang: str) -> Sequence[str]:
        """The card's limits in `lang`; in English where they are not written in it."""
        return self.limits.get(lang) or self.limits.get("en", ())


@dataclass(frozen=True, slots=True)
class ReportContent:
    """One survey's results, ready to be written for people.

    Attributes:
        survey: name of the survey.
        date: day of the survey; every file is dated by it.
        defects: the table `defects` of docs/design/house.md.
        sections: the table `sections`.
        track: the driven line in `crs`; None or empty where unknown.
        crs: metric plane CRS that maps are drawn in.
        summary: frames, km, rejected.
        provenance: model and command.
        photos: frames and boxes.
        roads: road links beneath the map.
        coverage: the road surface that was seen, polygons.
        languages: of the files written, the first one is shown first.
        params: how reports look.
    """

    survey: str
    date: date
    defects: gpd.GeoDataFrame
    sections: gpd.GeoDataFrame
    track: LineString | MultiLineString | None
    crs: Any
    summary: Summary
    provenance: Provenance
    photos: PhotoSource
    roads: gpd.GeoDataFrame | None = None
    coverage: gpd.GeoDataFrame | None = None
    languages: tuple[str, ...] = ("ja", "en")
    params: ReportParams = field(default_factory=ReportParams)
