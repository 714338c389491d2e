"""Real fixes of two receivers on one drive, thinned to one per 3 s, against the drive's surveyed pose.

The table of docs/design/tracks.md comes from
``pytest tests/geo/test_track_accuracy.py --junitxml=scores.xml -o junit_family=xunit1``.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from pyproj import CRS, Transformer

from geo.crs import plane_crs, to_plane
from geo.track import Fixes, smooth
from geo.track.score import Score, score

PERIOD_S = 3.0
OFFSETS_S = (0.0, 1.0, 2.0)


@dataclass(frozen=True)
class Truth:
    folder: Path
    crs: CRS
    t_s: np.ndarray
    x_m: np.ndarray
    y_m: np.ndarray


@pytest.fixture(scope="module")
def truth(shared_data: Path) -> Truth:
    folder = shared_data / "drive" / "comma2k19"
    pose = folder / "global_pose"
    lon, lat, _ = Transformer.from_crs(4978, 4979, always_xy=True).transform(*np.load(pose / "frame_positions").T)
    crs = plane_crs(lon[0], lat[0])
    return Truth(folder, crs, np.load(pose / "frame_times"), *to_plane(crs, lon, lat))


def receiver(truth: Truth, name: str) -> Fixes:
    folder = truth.folder / "processed_log" / "GNSS" / f"live_gnss_{name}"
    lat, lon, speed, _, _, bearing = np.load(folder / "value").T
    return Fixes.of(np.load(folder / "t"), lon, lat, speed_mps=speed, bearing_deg=bearing, source=name)


def next_after(t_s: np.ndarray, offset_s: float) -> list[int]:
    """Each fix at least 3 s after the one kept before."""
    kept, due = [], t_s[0] + offset_s - 1e-3
    for index, time in enumerate(t_s):
        if time >= due:
            kept.append(index)
            due = time + PERIOD_S - 1e-3
    return kept


def on_grid(t_s: np.ndarray, offset_s: float) -> list[int]:
    """The first fix of every 3 s: for fixes 2 s apart, now 2 s and now 4 s apart."""
    cell = np.floor((t_s - t_s[0] - offset_s) / PERIOD_S)
    first = np.flatnonzero(np.diff(cell, prepend=-2) > 0)
    return [int(index) for index in first if cell[index] >= 0]


def within(fixes: Fixes, truth: Truth) -> np.ndarray:
    return (truth.t_s >= fixes.t_s[0]) & (truth.t_s <= fixes.t_s[-1])


def smoothed_score(fixes: Fixes, truth: Truth) -> Score:
    asked = within(fixes, truth)
    return score(smooth(fixes, truth.crs).at(truth.t_s[asked]), truth.x_m[asked], truth.y_m[asked])


def linear_score(fixes: Fixes, truth: Truth) -> Score:
    asked = within(fixes, truth)
    x_m, y_m = to_plane(truth.crs, fixes.lon, fixes.lat)
    error = np.hypot(
        np.interp(truth.t_s[asked], fixes.t_s, x_m) - truth.x_m[asked],
        np.interp(truth.t_s[asked], fixes.t_s, y_m) - truth.y_m[asked],
    )
    return Score(float(np.median(error)), float(np.percentile(error, 95)), float("nan"))


def mean_of(scores: list[Score]) -> Score:
    return Score(*np.mean([(s.median_m, s.p95_m, s.coverage) for s in scores], axis=0).tolist())


@pytest.mark.shared
@pytest.mark.parametrize(("name", "bars"), [("ublox", (1.5, 2.1)), ("qcom", (2.2, 5.2))])
def test_thinned_fixes_reach_the_accuracy_that_the_design_asks(
    truth: Truth, name: str, bars: tuple[float, float], record_property: Callable[[str, object], None]
) -> None:
    recorded = receiver(truth, name)
    fixes = recorded.where(np.array(next_after(recorded.t_s, 0.0)))
    linear, ours = linear_score(fixes, truth), smoothed_score(fixes, truth)
    record_property("linear", linear)
    record_property("smoothed", ours)
    assert ours.median_m <= bars[0]
    assert ours.p95_m <= bars[1]
    assert ours.median_m < linear.median_m
    assert ours.p95_m < linear.p95_m
    assert 0.55 <= ours.coverage <= 0.80


@pytest.mark.shared
@pytest.mark.parametrize("thin", [next_after, on_grid])
@pytest.mark.parametrize(("name", "bars"), [("ublox", (1.5, 2.1)), ("qcom", (2.2, 5.2))])
def test_the_accuracy_does_not_hang_on_which_fixes_were_kept(
    truth: Truth,
    thin: Callable[[np.ndarray, float], list[int]],
    name: str,
    bars: tuple[float, float],
    record_property: Callable[[str, object], None],
) -> None:
    recorded = receiver(truth, name)
    kept = [recorded.where(np.array(thin(recorded.t_s, offset))) for offset in OFFSETS_S]
    linear, ours = (mean_of([by(fixes, truth) for fixes in kept]) for by in (linear_score, smoothed_score))
    record_property("linear", linear)
    record_property("smoothed", ours)
    assert ours.median_m <= bars[0]
    assert ours.p95_m <= bars[1]
    assert ours.p95_m < linear.p95_m
    assert 0.55 <= ours.coverage <= 0.80
