"""The fast way of following defects gives what the plain way gives."""

from dataclasses import replace

import numpy as np
import pandas as pd
import plain_tracking
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from road_simulator import Drive, survey

from pipelines.road.sightings import Grouping, sightings_of
from pipelines.road.tracking import Gates, assign, follow

GATES = Gates(
    same_m=3.0,
    gate_sigmas=3.0,
    model_sd_m=0.35,
    extent_share=0.25,
    track_memory_m=60.0,
    pitch_share=0.8,
    reach_m=35.0,
)


def grouped(run: np.ndarray) -> list[int]:
    """The same groups, numbered in order of their first member."""
    return pd.factorize(run)[0].tolist()


@pytest.mark.parametrize("pitch_share", [0.0, 0.8])
@pytest.mark.parametrize(("seed", "n_defects"), [(111, 20), (112, 45), (113, 110)])
def test_runs_are_those_of_the_plain_way(seed, n_defects, pitch_share):
    observations, frames, _ = survey(Drive(seed=seed, passes=2, length_m=300.0, n_defects=n_defects))
    sightings = sightings_of(observations, frames, Grouping(0.4, 0.5, True))
    passes = np.array([int(name[4]) for name in sightings.frame_name])
    gates = replace(GATES, pitch_share=pitch_share)
    found = grouped(follow(sightings, passes, gates))
    assert found == grouped(plain_tracking.follow(sightings, passes, gates))
    assert max(found) + 1 < 0.8 * len(found), "most sightings are followed from frame to frame"


def test_no_sightings_give_no_runs():
    observations, frames, _ = survey(Drive(seed=111, passes=1, length_m=60.0, n_defects=3))
    none = sightings_of(observations.iloc[:0], frames, Grouping(0.4, 0.5, True))
    assert follow(none, np.empty(0, np.int64), GATES).tolist() == []


costs = st.integers(1, 5).flatmap(
    lambda rows: st.integers(0, 5).flatmap(
        lambda columns: st.lists(
            st.lists(st.floats(0, 12) | st.just(np.inf), min_size=columns, max_size=columns),
            min_size=rows,
            max_size=rows,
        )
    )
)


@settings(deadline=None)
@given(costs)
def test_assignment_costs_the_least_and_takes_no_column_twice(rows):
    cost = np.array(rows, float).reshape(len(rows), -1)

    def total(chosen: np.ndarray) -> float:
        return sum(9.0 if j < 0 else cost[i, j] for i, j in enumerate(chosen))

    chosen = assign(cost, 9.0)
    taken = chosen[chosen >= 0]
    assert len(set(taken.tolist())) == len(taken)
    assert all(cost[i, j] < 9.0 for i, j in enumerate(chosen) if j >= 0)
    assert total(chosen) == pytest.approx(total(plain_tracking.assign(cost, 9.0)))
