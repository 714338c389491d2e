"""The sample's section of params.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pipelines.params import read_knobs
from pipelines.sample.write import SampleParams


def read_params(path: Path | None, stated: Mapping[str, object]) -> SampleParams:
    """The sample's parameters: the file's section `sample`, overridden by what the command line states.

    Raises:
        ParamsError: the file cannot be read, or a knob or a stated value is not valid.
    """
    return read_knobs(SampleParams, path, "sample", stated)
