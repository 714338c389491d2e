"""How known cracks come out of an orthophoto: `PYTHONPATH=. python tests/pipelines/measure_road_ortho.py [SEEDS …]`.

Three parts: the rule that joins boxes, with boxes missed and moved; the job with a detector that makes no mistake; and
the job with the shipped pavement model on drawn asphalt, which is no real road: those figures say that the path
works, not how good the model is.
"""

import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import geopandas as gpd
import numpy as np
import shapely

sys.path.append(str(Path(__file__).parent.parent))

from paving import GSD_M, Pavement, exact, on_map, pave, scattered, write_pavement, write_roads

from models.detector import open_detector
from pipelines.params import RoadParams
from pipelines.road.job import Job
from pipelines.road.ortho.job import RoadOrtho, run_road_ortho
from pipelines.road.ortho.joining import JoinRule, join

SEEDS = [int(text) for text in sys.argv[1:]] or [11, 12, 13]
WIDE_M, HIGH_M, CRACKS = 18.0, 7.2, 16
NEAR_M = 0.05


def say(line: str) -> None:
    """Print it."""
    sys.stdout.write(f"{line}\n")


def main() -> None:
    """Print all three."""
    say("the rule, boxes of pieces of 0.6 m, moved by 2 cm sd at each edge, 200 cracks 1 m apart or more")
    say("missed   features per crack   cracks that share one   gone")
    for missed in (0.0, 0.1, 0.2, 0.3, 0.5):
        say(f"{missed:6.0%}   {'   '.join(f'{figure:16.3f}' for figure in rule(missed))}")
    say("two straight cracks of 3 m side by side stay two from this distance on, by their direction from the rows")
    say("   ".join(f"{turn}°: {apart(turn):.2f} m" for turn in (0, 5, 10, 20, 30, 45)))
    for what, detector in (("exact", exact()), ("pavement", open_detector("pavement"))):
        with closing(detector):
            for seed in SEEDS:
                say(f"{what} {seed}: {job(seed, detector, what)}")


def rule(missed: float) -> tuple[float, float, float]:
    """Features per crack found, share of cracks that share a feature with another, share of cracks without a box."""
    rng = np.random.default_rng(int(1000 * missed))
    pavement = pave(10, 10, scattered(60, 30, 200, 5), 5)
    of = np.array(pavement.crack_of)
    edges = np.array([[*piece.min(axis=0), *piece.max(axis=0)] for piece in pavement.pieces]) * GSD_M
    edges += np.array([-0.02, -0.02, 0.02, 0.02]) + rng.normal(0, 0.02, edges.shape)
    kept = rng.random(len(edges)) >= missed
    low, high = (edge(edges[kept, :2], edges[kept, 2:]) for edge in (np.minimum, np.maximum))
    shapes = shapely.box(*low.T, *high.T)
    label = join(shapes, np.full(len(shapes), "crack", object), JoinRule())
    pairs = {(int(crack), int(feature)) for crack, feature in zip(of[kept], label, strict=True)}
    found = {crack for crack, _ in pairs}
    shared = [feature for feature in set(label.tolist()) if len({c for c, f in pairs if f == feature}) > 1]
    mixed = {crack for crack, feature in pairs if feature in shared}
    return len(pairs) / len(found), len(mixed) / len(found), 1 - len(found) / len(pavement.cracks)


def apart(turn_deg: float) -> float:
    """The least distance, m, from which on two parallel cracks are two features, whatever their boxes' phase."""
    turn = np.radians(turn_deg)
    way, right = np.array([np.cos(turn), np.sin(turn)]), np.array([-np.sin(turn), np.cos(turn)])
    at = 0.6 * np.arange(6)[:, None] * way
    for distance in np.arange(0.05, 1.5, 0.01):
        joined = False
        for phase in np.arange(0, 0.6, 0.1):
            other = at + distance * right + phase * way
            low, high = (
                np.concatenate([edge(line[:-1], line[1:]) for line in (at, other)]) for edge in (np.minimum, np.maximum)
            )
            shapes = shapely.box(*(low - 0.02).T, *(high + 0.02).T)
            joined |= len(set(join(shapes, np.full(len(shapes), "crack", object), JoinRule()).tolist())) < 2
        if not joined:
            return float(distance)
    return float("inf")


def job(seed: int, detector: object, what: str) -> str:
    """Recall, features per crack, position error, false features and time of one survey."""
    pavement = pave(round(WIDE_M / GSD_M), round(HIGH_M / GSD_M), scattered(WIDE_M, HIGH_M, CRACKS, seed), seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        picture = pavement.counted if what == "exact" else pavement.asphalt(seed)
        path = write_pavement(folder / "road.tif", picture)
        roads = write_roads(folder / "roads.gpkg", [[(-2.0, HIGH_M / 2), (WIDE_M + 2, HIGH_M / 2)]], HIGH_M)
        begun = time.process_time()
        given = RoadOrtho(path, roads, date="2026-05-01")
        results, _ = run_road_ortho(given, Job(folder / "out", detector, RoadParams(), languages=("en",)))
        return f"{figures(pavement, results.defects)}, {time.process_time() - begun:.0f} s of processor time"


def figures(pavement: Pavement, defects: gpd.GeoDataFrame) -> str:
    """What the features of a survey are worth against the true cracks."""
    truth = np.array([on_map(crack) for crack in pavement.cracks])
    shapes = defects["footprint"].to_numpy()
    length = np.array([[shape.intersection(line).length for line in truth] for shape in shapes]).reshape(-1, len(truth))
    of = np.where(length.max(axis=1, initial=0) > 0, length.argmax(axis=1) if len(shapes) else [], -1)
    found = set(of[of >= 0].tolist())
    covered = [shapely.union_all(shapes).intersection(line).length / line.length for line in truth]
    places = [(defects.geometry.iloc[k], truth[one]) for k, one in enumerate(of) if one >= 0]
    off = 100 * np.array([place.distance(line) for place, line in places])
    middle = 100 * np.array([place.distance(line.interpolate(0.5, normalized=True)) for place, line in places])
    listed = defects["listed"].to_numpy(bool)
    right = of >= 0
    return (
        f"{len(found)} of {len(truth)} cracks, {right.sum() / max(len(found), 1):.2f} features each, "
        f"{np.mean(covered):.0%} of their length, {(~right).sum()} false ({(~right & listed).sum()} listed), "
        f"places off the crack by {np.median(off):.1f} cm (median), {off.max():.1f} cm (most), "
        f"off its middle by {np.median(middle):.1f} and {middle.max():.1f} cm"
    )


if __name__ == "__main__":
    main()
