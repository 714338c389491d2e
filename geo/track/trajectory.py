"""A track as a function of time."""

from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
from pyproj import CRS
from shapely import LineString, MultiLineString

from geo.errors import TrackError
from geo.track.path import PathStates
from geo.track.poses import Array, Poses, heading_of

STEP_S = 0.25
MAX_STEPS_PER_GAP = 256
STANDING_MPS = 0.5
STANDING_S, STANDING_M, STANDING_SIGMAS = 30.0, 8.0, 4.0
"""Who stays for this long within this reach, or so many standard deviations of the track, stands."""
UNKNOWN_HEADING_SD_DEG = 180.0 / np.sqrt(3.0)


class States(Protocol):
    """What a trajectory is made of: the vehicle's position and velocity, and their covariance, at any time."""

    @property
    def t_s(self) -> Array:
        """Strictly increasing times of the nodes, float64 (n,), n ≥ 2."""

    def at(self, t_s: Array) -> tuple[Array, Array]:
        """Mean (n, 4) ``[x_m, y_m, vx_mps, vy_mps]`` and covariance (n, 4, 4) at times within or near the nodes."""


@dataclass(frozen=True, slots=True)
class _Travel:
    """The track finely sampled in time: position (n, 2), heading held while standing, travelled distance.

    Where nobody knows the way there are no samples, and the distance grows by the chord of the gap. `ways` are the
    parts in between, float64 (n, 2) each, which go on into gaps as far as the way is known.
    """

    t_s: Array
    xy_m: Array
    heading_deg: Array
    heading_sd_deg: Array
    distance_m: Array
    ways: tuple[Array, ...]


@dataclass(frozen=True, slots=True)
class Trajectory:
    """Where the vehicle was at any time, in a plane CRS.

    Attributes:
        crs: the plane CRS of ``x_m`` (east) and ``y_m`` (north).
        states: position and velocity as a function of time.
        latency_sd_s: how well the receiver's clock and the frames' clock agree, s; it counts along the road.
        extrapolate_s: how far beyond the first and the last fix a pose is still `valid`.
        max_sd_m: a pose known less well, m per axis, is not `valid`: between fixes far apart nobody knows the way.
    """

    crs: CRS
    states: States
    travel: _Travel
    latency_sd_s: float = 0.0
    extrapolate_s: float = 1.0
    max_sd_m: float = np.inf

    @classmethod
    def of(
        cls,
        crs: CRS,
        states: States,
        *,
        latency_sd_s: float = 0.0,
        extrapolate_s: float = 1.0,
        max_sd_m: float = np.inf,
    ) -> Self:
        """A trajectory from its states."""
        return cls(crs, states, _travel(states, max_sd_m), latency_sd_s, extrapolate_s, max_sd_m)

    @classmethod
    def from_path(
        cls, t_s: npt.ArrayLike, x_m: npt.ArrayLike, y_m: npt.ArrayLike, *, crs: CRS, sd_m: float = 0.0
    ) -> Self:
        """A true or surveyed track through given points.

        Args:
            t_s: strictly increasing seconds, (n,), n ≥ 2.
            x_m: metres east in `crs`, (n,).
            y_m: metres north, (n,).
            crs: the plane CRS.
            sd_m: standard deviation of the points per axis, m.
        """
        return cls.of(crs, PathStates.through(t_s, x_m, y_m, sd_m))

    @property
    def start_s(self) -> float:
        """Time of the first node."""
        return float(self.states.t_s[0])

    @property
    def end_s(self) -> float:
        """Time of the last node."""
        return float(self.states.t_s[-1])

    @property
    def length_m(self) -> float:
        """Travelled distance from the first node to the last, m; a gap too long to know the way counts as its chord."""
        return float(self.travel.distance_m[-1])

    def spans(self, t_s: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """(n,) bool: which of `t_s`, (n,) seconds, lie within the track's time, gaps between its fixes included."""
        asked = np.atleast_1d(np.asarray(t_s, float))
        # A comparison with nan is false.
        return (asked >= self.start_s - self.extrapolate_s) & (asked <= self.end_s + self.extrapolate_s)

    def at(self, t_s: npt.ArrayLike) -> Poses:
        """The poses at `t_s`, (n,) seconds, in any order; not `valid` and nan where the track does not tell."""
        asked = np.atleast_1d(np.asarray(t_s, float))
        valid = self.spans(asked)
        out = np.full((6, len(asked)), np.nan)
        if valid.any():
            out[:, valid] = self._poses(asked[valid])
        valid = valid & (out[4] <= self.max_sd_m)
        out[:, ~valid] = np.nan
        x_m, y_m, heading, speed, sd, heading_sd = out
        return Poses(asked, x_m, y_m, heading, speed, sd, heading_sd, valid)

    def distance_m(self, t_s: npt.ArrayLike) -> Array:
        """Distance travelled since the first node at `t_s` (n,); it never shrinks.

        Where a pose is valid beyond the ends it goes on at the speed there, before the first node below zero.
        """
        asked = np.atleast_1d(np.asarray(t_s, float))
        within = np.clip(asked, self.start_s, self.end_s)
        beyond_s = np.clip(asked - within, -self.extrapolate_s, self.extrapolate_s)
        travelled = np.interp(within, self.travel.t_s, self.travel.distance_m)
        out = np.flatnonzero(beyond_s)
        if len(out):
            mean, _ = self.states.at(within[out])
            travelled[out] += np.hypot(mean[:, 2], mean[:, 3]) * beyond_s[out]
        return np.asarray(travelled)

    def time_at(self, distance_m: npt.ArrayLike) -> Array:
        """When the vehicle first reached `distance_m` (n,); nan beyond the track's length."""
        asked = np.atleast_1d(np.asarray(distance_m, float))
        first = np.diff(self.travel.distance_m, prepend=-1.0) > 0
        times = np.interp(asked, self.travel.distance_m[first], self.travel.t_s[first])
        return np.where((asked >= 0) & (asked <= self.length_m), times, np.nan)

    def line(self) -> LineString | MultiLineString:
        """The travelled line, float64 x, y in `crs`; of several parts where there are gaps too long to know the way.

        Raises:
            TrackError: the vehicle never moved where the way is known.
        """
        lines = [LineString(way) for way in self.travel.ways if len(way) > 1]
        if not lines:
            raise TrackError("the vehicle never moved", remedy="Check that the track belongs to the frames")
        return lines[0] if len(lines) == 1 else MultiLineString(lines)

    def _poses(self, t_s: Array) -> Array:
        mean, cov = self.states.at(t_s)
        velocity = mean[:, 2:]
        speed = np.hypot(velocity[:, 0], velocity[:, 1])
        moving = speed >= STANDING_MPS
        held = np.clip(np.searchsorted(self.travel.t_s, t_s, side="right") - 1, 0, len(self.travel.t_s) - 1)
        heading = np.where(moving, heading_of(velocity), self.travel.heading_deg[held])
        heading_sd = np.where(moving, heading_sd_deg(velocity, cov[:, 2:, 2:]), self.travel.heading_sd_deg[held])
        variance = (cov[:, 0, 0] + cov[:, 1, 1] + (self.latency_sd_s * speed) ** 2) / 2
        return np.stack([mean[:, 0], mean[:, 1], heading, speed, np.sqrt(np.maximum(variance, 0)), heading_sd])


def heading_sd_deg(velocity: Array, cov: Array) -> Array:
    """Standard deviation of the direction of `velocity` (n, 2) with covariance (n, 2, 2), degrees (n,)."""
    speed = np.maximum(np.hypot(velocity[:, 0], velocity[:, 1]), 1e-9)
    across = np.stack([-velocity[:, 1], velocity[:, 0]], axis=-1) / speed[:, None]
    across_sd = np.sqrt(np.maximum(np.einsum("ni,nij,nj->n", across, cov, across), 0.0))
    return np.asarray(np.minimum(np.degrees(across_sd / speed), UNKNOWN_HEADING_SD_DEG))


def _travel(states: States, max_sd_m: float) -> _Travel:
    times = _fine_times(states.t_s)
    mean, cov = states.at(times)
    # The bridge over a long gap leaves and arrives at the vehicle's speed and swings out by kilometres between.
    known = np.sqrt(np.maximum(cov[:, 0, 0] + cov[:, 1, 1], 0.0) / 2) <= max_sd_m
    known[[0, -1]] = True
    sure, way = known.copy(), mean[:, :2]
    back, past = _turning_back(np.searchsorted(times, states.t_s), way, known)
    known[back], sure[past] = False, False
    gap = np.diff(np.flatnonzero(known)) > 1
    times, mean, cov = times[known], mean[known], cov[known]
    velocity = mean[:, 2:]
    moving = (np.hypot(velocity[:, 0], velocity[:, 1]) >= STANDING_MPS) & ~_staying(times, mean[:, :2], cov)
    last = np.maximum.accumulate(np.where(moving, np.arange(len(times)), -1))
    held = np.where(last >= 0, last, np.argmax(moving))
    sd = np.where(moving[held], heading_sd_deg(velocity, cov[:, 2:, 2:])[held], UNKNOWN_HEADING_SD_DEG)
    steps = np.hypot(*np.diff(mean[:, :2], axis=0).T)
    # A standing receiver wanders by metres: that is no distance travelled.
    steps[~(moving[1:] | moving[:-1] | gap)] = 0.0
    distance = np.concatenate([[0.0], np.cumsum(steps)])
    driven = sure.copy()
    driven[known] = np.append(True, np.diff(distance) > 0)
    ways = np.split(np.arange(len(sure))[sure], np.flatnonzero(np.diff(np.flatnonzero(sure)) > 1) + 1)
    parts = tuple(way[part[driven[part]]] for part in ways)
    return _Travel(times, mean[:, :2], heading_of(velocity)[held], sd, distance, parts)


def _staying(t_s: Array, xy_m: Array, cov: Array) -> npt.NDArray[np.bool_]:
    """(n,) bool: where the vehicle stays in one place for half a minute, as far as the track can tell.

    A standing receiver wanders, at more than a crawl where it states no speeds.
    """
    table = pd.DataFrame(xy_m, index=pd.to_timedelta(t_s - t_s[0], unit="s"))
    window = table.rolling(pd.Timedelta(seconds=STANDING_S), center=True)
    wander = np.hypot(*(window.max() - window.min()).to_numpy().T)
    sd = np.sqrt(np.maximum(cov[:, 0, 0] + cov[:, 1, 1], 0.0) / 2)
    inside = (t_s - t_s[0] >= STANDING_S / 2) & (t_s[-1] - t_s >= STANDING_S / 2)
    return np.asarray(inside & (wander <= np.maximum(STANDING_M, STANDING_SIGMAS * sd)), np.bool_)


def _turning_back(
    nodes: npt.NDArray[np.intp], xy_m: Array, known: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Samples between two nodes from which the chord over what is not `known` would lead back.

    The bridge goes on for some seconds as the vehicle went; where that is past the next fix, it is no way driven.

    Args:
        nodes: the nodes' places among the samples, (m,).
        xy_m: float64 (n, 2), the samples' positions.
        known: bool (n,), which of them are known well enough.

    Returns:
        Their places: of all such, and of those where the two ends together go farther than the nodes lie apart.
    """
    lost = np.flatnonzero(~known)
    back, past = [np.empty(0, np.intp)], [np.empty(0, np.intp)]
    for k in np.unique(np.searchsorted(nodes, lost, side="right") - 1):
        first, last = nodes[k], nodes[k + 1]
        inside = lost[slice(*np.searchsorted(lost, [first, last + 1]))]
        leave, arrive = max(inside[0] - 1, first), min(inside[-1] + 1, last)
        chord = xy_m[arrive] - xy_m[leave]
        if min(chord @ (xy_m[leave] - xy_m[first]), chord @ (xy_m[last] - xy_m[arrive])) < 0:
            back.append(np.arange(first + 1, last))
            gone = np.hypot(*(xy_m[leave] - xy_m[first])) + np.hypot(*(xy_m[last] - xy_m[arrive]))
            past += back[-1:] if gone >= np.hypot(*(xy_m[last] - xy_m[first])) else []
    return np.concatenate(back), np.concatenate(past)


def _fine_times(nodes: Array) -> Array:
    gaps = np.diff(nodes)
    steps = np.clip(np.ceil(gaps / STEP_S), 1, MAX_STEPS_PER_GAP).astype(int)
    start = np.repeat(nodes[:-1], steps)
    part = np.arange(steps.sum()) - np.repeat(np.cumsum(steps) - steps, steps)
    return np.append(start + part * np.repeat(gaps / steps, steps), nodes[-1])
