"""Claims where nothing happened, finds where much did: `python tests/pipelines/measure_forest_change.py`.

Forests of 7.2 ha are flown twice by a model that finds a share of the trees at random and 20 boxes a hectare that are
none; the second flight lies 3.6 m away. Round and long patches lose 92 % of their trees.
"""

import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import shapely

sys.path.append(str(Path(__file__).parent.parent))

from flying_twice import Flight, flown_twice, patches, wood

WIDE_M, HIGH_M = 300.0, 240.0
SHIFT = (3.0, -2.0)
SIZES_HA = (0.25, 0.1, 0.1, 0.05, 0.05, 0.05)
FORESTS = int(sys.argv[1]) if len(sys.argv) > 1 else 6


def measured(stems_ha: float, detection: float) -> str:
    """One line of the table."""
    claimed, areas, right = [], 0, []
    found: dict[float, list[float]] = defaultdict(list)
    for seed in range(FORESTS):
        trees = wood(stems_ha, WIDE_M, HIGH_M, seed=seed)
        before = Flight(detection, seed=10 * seed)
        after = Flight(detection, seed=10 * seed + 1, offset_m=SHIFT)
        calm = flown_twice(trees, np.zeros(len(trees.xy_m), bool), before, after)
        claimed.append(calm.areas["area_m2"].sum() / (1e4 * calm.shared_ha))
        areas += len(calm.areas)
        holes = patches(WIDE_M, HIGH_M, list(SIZES_HA), seed=seed)
        gone = trees.within(holes) & (np.random.default_rng(seed).random(len(trees.xy_m)) < 0.92)
        change = flown_twice(trees, gone, before, after)
        truth = [shapely.transform(one, lambda xy: xy + SHIFT) for one in holes]
        drawn = shapely.union_all(change.areas.geometry.to_numpy())
        for one in truth:
            size = min(SIZES_HA, key=lambda ha: abs(ha - one.area / 1e4))
            found[size].append(shapely.intersection(one, drawn).area / one.area)
        if not drawn.is_empty:
            right.append(shapely.intersection(drawn, shapely.union_all(truth)).area / drawn.area)
    recall = " ".join(f"| {np.mean(np.array(found[ha]) > 0.3):.2f}" for ha in sorted(found))
    return (
        f"| {stems_ha:g} | {detection:g} | {100 * np.mean(claimed):.2f} % ({areas}) {recall} "
        f"| {np.mean(found[0.25]):.2f} | {np.mean(right):.2f} |"
    )


def main() -> None:
    """Write the table."""
    titles = "claimed of calm ground (areas) | 0.05 ha | 0.1 ha | 0.25 ha | its area | right of what is drawn"
    sys.stdout.write(f"| stems/ha | found | {titles} |\n")
    begun = time.process_time()
    for stems in (250, 500, 900):
        for detection in (0.5, 0.65, 0.8):
            sys.stdout.write(f"{measured(stems, detection)}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{time.process_time() - begun:.0f} s of one core\n")


if __name__ == "__main__":
    main()
