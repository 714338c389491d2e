"""A knob that does not exist, or is turned too far, is one line that names it."""

import pytest

from pipelines.forest.params import ForestParams
from pipelines.params import ParamsError, RoadParams


@pytest.mark.parametrize(
    ("model", "text", "said"),
    [
        (RoadParams, "road: {drive: {spacing: 4}}", "there is no knob road.drive.spacing. Did you mean 'spacing_m'?"),
        (
            ForestParams,
            "forest: {gaps: {smallest: 9}}",
            "there is no knob forest.gaps.smallest. Did you mean 'smallest",
        ),
        (ForestParams, "forest: {mesh: {seen_share: 2}}", "forest.mesh.seen_share: Input should be less than or equal"),
    ],
)
def test_a_wrong_knob_is_named_and_the_nearest_offered(model, text, said, tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ParamsError) as caught:
        model.read(path)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"road: {since: 2026-02-30}", "holds a value that cannot be"),
        (b"road: [", "not valid YAML"),
        (b"road: \xe9", "not in UTF-8"),
        (b"road: 4", "the section road holds no knobs"),
        (b"- road", "hold no sections"),
        (None, "cannot be read: No such file"),
    ],
)
def test_a_file_of_knobs_that_cannot_be_read_is_one_line(content, said, tmp_path):
    path = tmp_path / "params.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ParamsError) as caught:
        RoadParams.read(path)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("model", [RoadParams, ForestParams])
def test_without_a_file_or_section_the_defaults_hold(model, tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text("sample: {}", encoding="utf-8")
    assert model.read(path) == model.read(None) == model()
