"""The values that the road network hands out, and the knobs of snapping."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

LINK_COLUMNS = ("link", "name_ja", "name_en", "road_class", "width_m", "width_source", "lanes", "geometry")
"""Columns of `Roads.links`. `width_source` says where `width_m` comes from: `given`, `lanes` or `class`."""

NO_LINK = ""


class SnapParams(BaseModel):
    """How places are matched to links.

    Attributes:
        centreline_sd_m: standard deviation per axis of the drawn centre line itself.
        reach_sd: a link is out of reach beyond half its width plus this many standard deviations.
        heading_sd_deg: standard deviation of the difference between the heading driven and the link's direction.
        max_heading_diff_deg: a link that runs further across the heading than this is crossed, not driven.
        route_scale_m: scale of the difference between the way along the network and the straight way between
            two successive poses (β of Newson & Krumm 2009).
        gap_weight: how many metres of detour one metre of missing road between two links is worth.
        max_jump_m: successive poses further apart are matched independently.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    centreline_sd_m: float = Field(default=2.0, gt=0)
    reach_sd: float = Field(default=3.0, gt=0)
    heading_sd_deg: float = Field(default=15.0, gt=0)
    max_heading_diff_deg: float = Field(default=60.0, gt=0, le=90)
    route_scale_m: float = Field(default=3.0, gt=0)
    gap_weight: float = Field(default=4.0, ge=0)
    max_jump_m: float = Field(default=200.0, gt=0)


class PosesLike(Protocol):
    """What map matching needs of `geo.track.Poses`: float64 (n,) arrays in the map frame, and `valid` bool (n,)."""

    @property
    def x_m(self) -> Floats:
        """Metres east."""

    @property
    def y_m(self) -> Floats:
        """Metres north."""

    @property
    def heading_deg(self) -> Floats:
        """Degrees clockwise from grid north, nan = unknown."""

    @property
    def sd_m(self) -> Floats:
        """Standard deviation per axis in metres."""

    @property
    def valid(self) -> NDArray[np.bool_]:
        """False outside the track."""


@dataclass(frozen=True, slots=True)
class Snapped:
    """Where places lie on the network.

    Attributes:
        link: object (n,) str, the link's id; "" where no link is in reach.
        chainage_m: float64 (n,) metres along the link from its first vertex, nan where there is no link.
        offset_m: float64 (n,) metres across the link, seen in the direction of growing chainage: right positive,
            left negative; nan where there is no link.
    """

    link: NDArray[np.object_]
    chainage_m: Floats
    offset_m: Floats

    def __post_init__(self) -> None:
        if not len(self.link) == len(self.chainage_m) == len(self.offset_m):
            raise ValueError("link, chainage_m and offset_m differ in length")

    def __len__(self) -> int:
        return len(self.link)

    @property
    def found(self) -> NDArray[np.bool_]:
        """Where a link is in reach, bool (n,)."""
        return np.asarray(self.link != NO_LINK, dtype=bool)
