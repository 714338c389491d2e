"""Links from the drive itself, where there is no road network.

The first pass over a street draws its link; a later pass over the same ground, in either direction, adds nothing, so
that a return or a repeated round maps to the same link.
"""

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely import LineString, MultiLineString

from geo.network.chainage import undirected_diff_deg
from geo.network.values import Floats

STEP_M = 2.0
SAME_STREET_M, SAME_STREET_SIGMAS, SAME_STREET_MOST_M = 8.0, 3.0, 15.0
"""Passes nearer than this are of one street, or than so many standard deviations of their distance up to the last."""
SAME_STREET_DEG = 30.0
OWN_TAIL_M = 30.0
SHORTEST_LINK_M = 20.0
SHAPE_M = 0.05


def first_passes(line: LineString | MultiLineString, sd_m: float = 0.0) -> list[LineString]:
    """The stretches of a driven line, known with the standard deviation `sd_m` per axis, that no earlier part covers.

    A place is covered when an earlier, not itself covered place lies within 8 m (up to 15 m where the line is known
    less well than by 2 m) and runs within 30° of the same or the opposite direction. Going the same way, the last 30 m
    driven do not count as earlier: they are the place's own tail. Parts shorter than 20 m, new or covered, count as
    what surrounds them.
    """
    parts = [_sampled(part) for part in shapely.get_parts(line)]
    reach = min(max(SAME_STREET_M, SAME_STREET_SIGMAS * float(np.hypot(sd_m, sd_m))), SAME_STREET_MOST_M)
    places, heading = (np.concatenate([part[at] for part in parts]) for at in (0, 1))
    new = ~_covered(places, heading, np.arange(len(places), dtype=np.float64) * STEP_M, reach)
    new[0] = True
    links = []
    for places_of, new_of in zip((part[0] for part in parts), _split(new, parts), strict=True):
        kept = _without_short_runs(new_of, max(1, int(SHORTEST_LINK_M / STEP_M)))
        runs = [run for run in _runs(kept) if kept[run.start] and run.stop - run.start > 1]
        links += [LineString(places_of[run]).simplify(SHAPE_M) for run in runs]
    return links


def _sampled(part: LineString) -> tuple[Floats, Floats]:
    """Places (n, 2) every 2 m or somewhat less, and headings (n,), degrees, along a line."""
    along = np.linspace(0.0, part.length, max(2, int(np.ceil(part.length / STEP_M)) + 1))
    places = shapely.get_coordinates(shapely.line_interpolate_point(part, along))
    step = np.gradient(places, axis=0)
    return places, np.degrees(np.arctan2(step[:, 0], step[:, 1]))


def _split(flags: NDArray[np.bool_], parts: list[tuple[Floats, Floats]]) -> list[NDArray[np.bool_]]:
    return np.split(flags, np.cumsum([len(places) for places, _ in parts])[:-1])


def _covered(places: Floats, heading: Floats, along: Floats, reach_m: float) -> NDArray[np.bool_]:
    points = shapely.points(places)
    later, earlier = shapely.STRtree(points).query(points, predicate="dwithin", distance=reach_m)
    turn = np.abs((heading[later] - heading[earlier] + 180.0) % 360.0 - 180.0)
    back = turn > 90.0
    lag = along[later] - along[earlier]
    aligned = undirected_diff_deg(heading[later], heading[earlier]) <= SAME_STREET_DEG
    pairs = aligned & np.where(back, lag > STEP_M, lag > OWN_TAIL_M)
    later, earlier = later[pairs], earlier[pairs]
    order = np.argsort(later, kind="stable")
    later, earlier = later[order], earlier[order]
    starts = np.searchsorted(later, np.arange(len(places) + 1))
    covered = np.zeros(len(places), dtype=bool)
    for k in range(len(places)):
        covered[k] = (~covered[earlier[starts[k] : starts[k + 1]]]).any()
    return covered


def _runs(flags: NDArray[np.bool_]) -> list[slice]:
    edges = np.flatnonzero(np.diff(flags)) + 1
    return [slice(int(a), int(b)) for a, b in zip([0, *edges], [*edges, len(flags)], strict=True)]


def _without_short_runs(flags: NDArray[np.bool_], shortest: int) -> NDArray[np.bool_]:
    """Flags with runs shorter than `shortest` flipped: covered ones first, so that a link is not cut by a brush."""
    flags = flags.copy()
    for value in (False, True):
        for run in _runs(flags):
            inner = run.start > 0 and run.stop < len(flags)
            if flags[run.start] == value and run.stop - run.start < shortest and (inner or value):
                flags[run] = not value or run.start == 0
    return flags
