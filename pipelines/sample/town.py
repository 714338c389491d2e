"""The sample town's streets: a block of four streets in Chiba City, driven around and its first street once more.

Places are metres in the plane CRS, offset by `ORIGIN_M` so that they fall on the real city. The streets are invented.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import LineString, Polygon

from geo.errors import GeoError

Array = NDArray[np.float64]

EPSG = 6677  # JGD2011 plane rectangular zone IX: Chiba, Tokyo, Kanagawa
ORIGIN_M = (24_600.0, -43_200.0)  # east, north: Chiba City
_STEP_M = 0.25


@dataclass(frozen=True, slots=True)
class Street:
    """One link of the network.

    Attributes:
        link: stable identifier.
        name_ja: name in Japanese.
        name_en: name in English.
        road_class: OpenStreetMap highway class.
        width_m: kerb to kerb.
        lanes: number of lanes, both directions.
        line: centre line in the plane CRS, in the direction it is driven.
        marked: whether it has a dashed centre line and edge lines.
    """

    link: str
    name_ja: str
    name_en: str
    road_class: str
    width_m: float
    lanes: int
    line: LineString
    marked: bool = True


@dataclass(frozen=True, slots=True)
class Path:
    """A line walked by distance: positions, headings and the side.

    Attributes:
        s_m: (n,) float64, distance from the start, increasing.
        xy_m: (n, 2) float64, east and north in the plane CRS.
        heading_rad: (n,) float64, clockwise from grid north, unwrapped.
    """

    s_m: Array
    xy_m: Array
    heading_rad: Array

    @classmethod
    def along(cls, line: LineString, *, smooth_m: float = 2.0) -> Path:
        """The path along a line, its heading smoothed over `smooth_m` as a steered vehicle's is."""
        s = np.arange(0.0, line.length, _STEP_M)
        xy = shapely.get_coordinates(shapely.line_interpolate_point(line, s))
        heading = np.unwrap(np.arctan2(np.gradient(xy[:, 0]), np.gradient(xy[:, 1])))
        half = max(1, round(smooth_m / _STEP_M / 2))
        padded = np.pad(heading, half, mode="edge")
        kernel = np.full(2 * half + 1, 1 / (2 * half + 1))
        return cls(s, xy, np.convolve(padded, kernel, mode="valid"))

    @property
    def length_m(self) -> float:
        """Distance from start to end, m."""
        return float(self.s_m[-1])

    def at(self, s_m: Array | float, right_m: Array | float = 0.0) -> Array:
        """(n, 2) float64 plane positions at distances `s_m`, `right_m` to the right of the path."""
        s = np.atleast_1d(np.asarray(s_m, np.float64))
        heading = self.heading_at(s)
        base = np.column_stack([np.interp(s, self.s_m, self.xy_m[:, k]) for k in (0, 1)])
        side = np.column_stack([np.cos(heading), -np.sin(heading)])
        return base + side * np.broadcast_to(np.asarray(right_m, np.float64), s.shape)[:, None]

    def heading_at(self, s_m: Array | float) -> Array:
        """(n,) float64 headings, radians clockwise from grid north, unwrapped."""
        return np.interp(np.atleast_1d(np.asarray(s_m, np.float64)), self.s_m, self.heading_rad)

    def strip(self, from_m: float, to_m: float, left_m: float, right_m: float) -> Polygon:
        """The strip between two offsets (right positive) over a stretch of the path."""
        s = np.unique(np.r_[from_m, np.arange(np.ceil(from_m), to_m, 1.0), to_m])
        return Polygon(np.vstack([self.at(s, left_m), self.at(s, right_m)[::-1]]))


@dataclass(frozen=True, slots=True)
class Town:
    """Streets, and the way the survey vehicle took through them.

    Attributes:
        streets: all streets in driving order; side streets that nobody drove come last.
        loop: centre line around the block, starting and ending at the same corner.
        spans: chainage range on the loop of each driven street, m.
        laps_m: distance along the loop's centre line that is driven (more than one lap: a street twice).
    """

    streets: tuple[Street, ...]
    loop: Path
    spans: tuple[tuple[float, float], ...]
    laps_m: float

    def street_at(self, s_m: float) -> Street:
        """The driven street at a distance along the loop, laps included."""
        around = s_m % self.loop.length_m
        for street, (start, stop) in zip(self.streets, self.spans, strict=False):
            if start <= around < stop:
                return street
        return self.streets[len(self.spans) - 1]


def rounded(corners: Array, radii_m: Array) -> Array:
    """A polyline whose inner corners are arcs.

    Args:
        corners: (n, 2) float64, n ≥ 3.
        radii_m: (n - 2,) float64, one radius per inner corner.

    Returns:
        (m, 2) float64.

    Raises:
        GeoError: a leg is too short for its arcs.
    """
    points = [corners[0]]
    for before, at, after, radius in zip(corners[:-2], corners[1:-1], corners[2:], radii_m, strict=True):
        u, v = _unit(before - at), _unit(after - at)
        half = np.arccos(np.clip(u @ v, -1, 1)) / 2
        reach = radius / np.tan(half)
        if reach > min(np.linalg.norm(before - at), np.linalg.norm(after - at)):
            raise GeoError(f"a corner of {radius} m radius does not fit its legs", where=at.tolist())
        centre = at + _unit(u + v) * radius / np.sin(half)
        start, stop = at + u * reach - centre, at + v * reach - centre
        turn = np.arctan2(start[0] * stop[1] - start[1] * stop[0], start @ stop)
        angles = np.linspace(0, turn, max(8, round(abs(turn) * radius / _STEP_M)))
        c, s = np.cos(angles), np.sin(angles)
        points.extend(centre + np.column_stack([c * start[0] - s * start[1], s * start[0] + c * start[1]]))
    points.append(corners[-1])
    return np.array(points)


def sample_town() -> Town:
    """The block that the sample survey drives: left turns all around, the first street twice."""
    corners = np.array([[60, 0], [236, 0], [240, 150], [150, 168], [0, 160], [0, 0], [60.0, 0]])
    radii = np.array([13.0, 13.0, 60.0, 13.0, 13.0])
    turn = np.radians(17.0)  # no street lies along the axes of the plane
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    loop = Path.along(LineString(rounded(corners, radii) @ rotation.T + ORIGIN_M))
    cuts = [float(np.argmin(np.hypot(*(loop.xy_m - (c @ rotation.T + ORIGIN_M)).T))) * _STEP_M for c in corners[1:6]]
    spans = ((0.0, cuts[0]), (cuts[0], cuts[1]), (cuts[1], cuts[3]), (cuts[3], cuts[4]), (cuts[4], loop.length_m))
    names = (
        ("S-101", "さくら通り", "Sakura-dori", "secondary", 7.6, 2, True),
        ("S-202", "けやき通り", "Keyaki-dori", "tertiary", 7.0, 2, True),
        ("S-303", "若葉町線", "Wakaba-cho Line", "residential", 6.0, 2, False),
        ("S-204", "みずほ通り", "Mizuho-dori", "tertiary", 7.0, 2, True),
        ("S-102", "さくら通り", "Sakura-dori", "secondary", 7.6, 2, True),
    )
    driven = [
        Street(*name[:6], line=LineString(loop.at(np.linspace(*span, round(span[1] - span[0])))), marked=name[6])
        for name, span in zip(names, spans, strict=True)
    ]
    return Town((*driven, *_side_streets(loop, spans)), loop, spans, loop.length_m + cuts[0] - 4.0)


def _side_streets(loop: Path, spans: tuple[tuple[float, float], ...]) -> list[Street]:
    """Narrow streets that leave the block outwards, one per driven street of some length."""
    sides = []
    for number, (start, stop) in enumerate(spans):
        if stop - start < 80:
            continue
        s = start + 0.55 * (stop - start)
        line = LineString(np.vstack([loop.at(s, 0.0), loop.at(s, 60.0)]))
        ja, en = f"若葉町{number + 1}号線", f"Wakaba-cho Route {number + 1}"
        sides.append(Street(f"S-40{number + 1}", ja, en, "service", 4.0, 1, line, marked=False))
    return sides


def _unit(v: Array) -> Array:
    return np.asarray(v / np.linalg.norm(v), np.float64)
