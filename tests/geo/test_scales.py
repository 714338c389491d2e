"""Round lengths and scales."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from geo.scales import map_scale, round_length


@given(st.floats(1e-3, 1e7))
@example(9999999.999999998)
@example(1e-3)
def test_a_round_length_is_the_longest_that_fits(at_most: float) -> None:
    length = round_length(at_most)
    assert length <= at_most * (1 + 1e-9)
    assert at_most < 2.5 * length * (1 + 1e-9)
    assert f"{length:e}"[0] in "125"


@given(st.floats(1, 1e5), st.floats(1, 1e5))
def test_an_area_fits_on_its_paper_and_fills_most_of_it(width_m: float, height_m: float) -> None:
    scale = map_scale(width_m, height_m, (300.0, 240.0))
    used = max(1000 * width_m / scale / 300, 1000 * height_m / scale / 240)
    assert used <= 1 + 1e-9
    assert used > 0.6 or scale == 1


@pytest.mark.parametrize(("width_m", "scale"), [(144.0, 500), (150.0, 500), (151.0, 750), (1400.0, 5000)])
def test_scales_are_those_that_maps_have(width_m: float, scale: float) -> None:
    assert map_scale(width_m, 10.0, (300.0, 240.0)) == scale
