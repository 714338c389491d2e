"""The road network of a survey."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import geopandas as gpd
import numpy as np
import pyproj
from numpy.typing import ArrayLike, NDArray
from shapely import LineString, MultiLineString

from geo.errors import NetworkError
from geo.network import chainage as linear
from geo.network import matching, sections
from geo.network.links import to_links
from geo.network.snapping import Candidates, Index, Sights, cheapest
from geo.network.traces import first_passes
from geo.network.values import LINK_COLUMNS, NO_LINK, Floats, Ints, PosesLike, SnapParams, Snapped


class HasLine(Protocol):
    """What a network needs of `geo.track.Trajectory`: the driven line, and the plane CRS it is in."""

    @property
    def crs(self) -> pyproj.CRS:
        """The metric plane CRS."""

    def line(self) -> LineString | MultiLineString:
        """The driven line in `crs`, in parts where the way between is not known."""


@dataclass(frozen=True)
class Roads:
    """Road links in the map frame.

    Attributes:
        links: GeoDataFrame[link, name_ja, name_en, road_class, width_m, width_source, lanes, geometry], one LineString
            a row in a metric plane CRS, link ids unique.
        params: how places are matched to links.
    """

    links: gpd.GeoDataFrame
    params: SnapParams = field(default_factory=SnapParams)

    def __post_init__(self) -> None:
        missing = set(LINK_COLUMNS) - set(self.links.columns)
        if missing:
            raise NetworkError(f"links lack {', '.join(sorted(missing))}")
        if not self.links["link"].is_unique:
            raise NetworkError("link ids are not unique")
        if self.links.crs is None or not self.links.crs.is_projected:
            raise NetworkError("links are not in a metric plane CRS")

    @classmethod
    def from_track(cls, trajectory: HasLine, sd_m: float = 0.0) -> "Roads":
        """Links along the drive itself, `track-1`, `track-2` …, in the order driven, chainage in the direction driven.

        There is one link unless the drive comes back over its own ground and then leaves it for new ground, or its way
        is not known in between.

        Args:
            trajectory: the drive.
            sd_m: how well its line is known, standard deviation per axis: the less, the farther apart passes of one
                street may lie.
        """
        line = trajectory.line()
        if line.is_empty or line.length == 0.0:
            raise NetworkError("the track covers no distance, so that no link can be laid along it")
        passes = first_passes(line, sd_m)
        names = [f"track-{number}" for number in range(1, len(passes) + 1)]
        return cls(to_links(gpd.GeoDataFrame({"link": names}, geometry=passes, crs=trajectory.crs)))

    @property
    def crs(self) -> pyproj.CRS:
        """The plane CRS of the links."""
        return self.links.crs

    @cached_property
    def _index(self) -> Index:
        return Index(self.links.geometry.to_numpy(), self.links["width_m"].to_numpy(dtype=np.float64))

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {str(link): row for row, link in enumerate(self.links["link"])}

    @cached_property
    def _names(self) -> NDArray[np.object_]:
        return np.asarray(self.links["link"], dtype=object)

    def snap(
        self,
        x_m: ArrayLike,
        y_m: ArrayLike,
        heading_deg: ArrayLike,
        sd_m: ArrayLike,
        link: NDArray[np.object_] | None = None,
    ) -> Snapped:
        """The link each place lies on, each place by itself.

        Args:
            x_m: float64 (n,) metres east.
            y_m: float64 (n,) metres north.
            heading_deg: float64 (n,) clockwise from grid north, nan = unknown; a road is taken to run both ways.
            sd_m: float64 (n,) standard deviation per axis; the reach grows with it.
            link: object (n,) links that the vehicle was on (from `match`), "" = unknown. A place stays on that link
                unless it lies beyond its end, or further across than its reach.

        Returns:
            The best link of each place, "" where none is in reach.
        """
        x, y, heading, sd = (
            np.asarray(part, dtype=np.float64).ravel() for part in np.broadcast_arrays(x_m, y_m, heading_deg, sd_m)
        )
        sights = Sights(np.column_stack([x, y]), heading, sd)
        candidates = self._index.candidates(sights, self.params)
        free = self._snapped(candidates, cheapest(candidates), len(sights.xy_m))
        return free if link is None else self._held(link, sights, free)

    def match(self, poses: PosesLike) -> Snapped:
        """The links a drive went along: as `snap`, but the most likely sequence, so that it does not flip at crossings.

        Args:
            poses: in the order driven; those that are not valid get no link.
        """
        xy = np.column_stack([poses.x_m, poses.y_m]).astype(np.float64)
        xy[~np.asarray(poses.valid, dtype=bool)] = np.nan
        sights = Sights(xy, np.asarray(poses.heading_deg, float), np.asarray(poses.sd_m, float))
        candidates = self._index.candidates(sights, self.params)
        chosen = matching.most_likely(candidates, xy, self._index.lines, self.params)
        return self._snapped(candidates, chosen, len(xy))

    def place(self, link: NDArray[np.object_], chainage_m: ArrayLike, offset_m: ArrayLike) -> Floats:
        """Map positions (n, 2) x east, y north of linear references; nan where the link is "" or unknown."""
        rows = self._rows_of(link)
        chainage, offset = (np.asarray(part, dtype=np.float64) for part in (chainage_m, offset_m))
        out = np.full((len(rows), 2), np.nan)
        on = rows >= 0
        out[on] = linear.place(self._index.lines[rows[on]], chainage[on], offset[on])
        return out

    def sections(self, length_m: float = 20.0) -> gpd.GeoDataFrame:
        """All links cut at every `length_m`: GeoDataFrame[section, link, from_m, to_m, width_m, geometry].

        What is left at a link's end is a section if it is at least half a length, else it joins the one before.
        """
        return sections.sections_of(self.links, length_m)

    def section_at(self, link: NDArray[np.object_], chainage_m: Floats, length_m: float = 20.0) -> NDArray[np.object_]:
        """Ids, as in `sections(length_m)`, of the sections that hold places on links; "" where there is no link."""
        return sections.section_at(link, chainage_m, self._lengths, length_m)

    @cached_property
    def _lengths(self) -> dict[str, float]:
        return sections.lengths(self.links)

    def _rows_of(self, link: NDArray[Any]) -> Ints:
        return np.array([self._rows.get(str(one), -1) for one in link], dtype=np.int64)

    def _snapped(self, candidates: Candidates, rows: Ints, n: int) -> Snapped:
        link = np.full(n, NO_LINK, dtype=object)
        chainage, offset = np.full(n, np.nan), np.full(n, np.nan)
        place = candidates.place[rows]
        link[place] = self._names[candidates.link[rows]]
        chainage[place] = candidates.chainage_m[rows]
        offset[place] = candidates.offset_m[rows]
        return Snapped(link, chainage, offset)

    def _held(self, link: NDArray[np.object_], sights: Sights, free: Snapped) -> Snapped:
        """Places kept on the given links where these pass beside them, else where they snap freely."""
        rows = self._rows_of(link)
        on = np.flatnonzero((rows >= 0) & np.isfinite(sights.xy_m).all(axis=1))
        along, across, overshoot = linear.project(self._index.lines[rows[on]], sights.xy_m[on])
        spread = np.hypot(sights.sd_m[on], self.params.centreline_sd_m)
        reach = self._index.width_m[rows[on]] / 2 + self.params.reach_sd * spread
        stays = (overshoot <= 0.0) & (np.abs(across) <= reach)
        out = Snapped(free.link.copy(), free.chainage_m.copy(), free.offset_m.copy())
        out.link[on[stays]] = self._names[rows[on[stays]]]
        out.chainage_m[on[stays]] = along[stays]
        out.offset_m[on[stays]] = across[stays]
        return out
