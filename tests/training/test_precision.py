"""What is shipped keeps its accuracy in the precision that the fast path computes in."""

from pathlib import Path

import pytest

from models.backends.openvino import cpu_computes_bf16
from models.detector import open_detector
from training.evaluate import figures_of, judge_all
from training.sources.catalogue import read_catalogue
from training.sources.samples import Sets

MOST_LOST = 0.005


@pytest.mark.shared
@pytest.mark.parametrize("name", ["dnit", "rdd2022_china_motorbike"])
def test_bf16_costs_at_most_half_a_point(shared_data: Path, name):
    if not cpu_computes_bf16():
        pytest.skip("this processor does not compute in bf16")
    sets, means = Sets(read_catalogue(), shared_data), {}
    for precision in ("f32", "bf16"):
        with open_detector("road", "openvino", precision) as detector:
            judged = judge_all(detector, [name], sets)[name]
            means[precision] = figures_of(judged, detector.card.thresholds, sets.source(name))["map50"]
    assert means["f32"] - means["bf16"] <= MOST_LOST
