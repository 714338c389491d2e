"""Figures of docs/design/road-judgement.md: `PYTHONPATH=. python tests/pipelines/measure_consolidation.py SEED…`."""

import json
import sys

from road_simulator import Drive, survey

from pipelines.road.consolidate import consolidate
from pipelines.road.judge import judge
from pipelines.road.measures import score_against_truth


def main(seeds: list[int]) -> None:
    """Write a line of figures for each simulated drive of two passes at a track sd of 1.2 m."""
    for seed in seeds:
        observations, frames, truth = survey(Drive(seed=seed, passes=2, track_sd_m=1.2))
        truth = truth.assign(
            area_m2=truth["length_m"] * truth["width_m"], visible=truth["id"].isin(observations["truth"])
        )
        result = consolidate(observations, frames)
        member = result.membership[result.membership != ""]
        shown = observations.loc[member.index, "truth"].groupby(member).agg(lambda ids: ids.mode().iloc[0])
        true_id = {
            "features_by_id": len(result.defects) / observations["truth"].nunique(),
            "kept_apart_by_id": shown.nunique() / observations["truth"].nunique(),
        }
        figures = {"seed": seed, **true_id, **score_against_truth(judge(result.defects), truth)}
        rounded = {name: round(value, 3) if isinstance(value, float) else value for name, value in figures.items()}
        sys.stdout.write(json.dumps(rounded) + "\n")


if __name__ == "__main__":
    main([int(seed) for seed in sys.argv[1:]])
