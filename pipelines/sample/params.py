"""The sample's section of params.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml
from pydantic import ValidationError

from pipelines.errors import PipelineError
from pipelines.sample.write import SampleParams


def read_params(path: Path | None, stated: Mapping[str, object]) -> SampleParams:
    """The sample's parameters: the file's section `sample`, overridden by what the command line states.

    Raises:
        PipelineError: the file's section or a stated value is not valid.
    """
    content = yaml.safe_load(path.read_text("utf-8")) if path else {}
    try:
        return SampleParams(**{**((content or {}).get("sample") or {}), **stated})
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        raise PipelineError(f"sample.{name}: {first['msg']}", where=path, remedy="See params.yaml") from error
