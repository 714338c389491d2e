"""`params.yaml`: every knob of the jobs, one section a step."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from geo.camera.calibrate import CalibrationParams
from geo.camera.locate import CameraErrors
from geo.network import SnapParams
from geo.track import CleanLimits, SmoothParams
from geo.yaml_files import read_yaml
from pipelines.drive import DriveParams
from pipelines.errors import PipelineError
from pipelines.report.content import ReportParams
from pipelines.road.consolidate import ConsolidateParams
from pipelines.road.coverage import CoverageParams
from pipelines.road.evidence import EvidenceParams
from pipelines.road.judge import JudgeParams
from pipelines.road.ortho.params import RoadOrthoParams
from pipelines.road.previous import PreviousParams
from pipelines.road.sections import SectionParams

__all__ = ["ParamsError", "RoadParams", "read_knobs", "read_section"]

Knobs = TypeVar("Knobs", bound=BaseModel)


class ParamsError(PipelineError):
    """A knob that does not exist, or is turned too far."""


class RoadParams(BaseModel):
    """Section `road`: the knobs of the road job, one field a step."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    drive: DriveParams = Field(default_factory=DriveParams)
    clean: CleanLimits = Field(default_factory=CleanLimits)
    track: SmoothParams = Field(default_factory=SmoothParams)
    network: SnapParams = Field(default_factory=SnapParams)
    calibration: CalibrationParams = Field(default_factory=CalibrationParams)
    camera: CameraErrors = Field(default_factory=CameraErrors)
    consolidate: ConsolidateParams = Field(default_factory=ConsolidateParams)
    evidence: EvidenceParams = Field(default_factory=EvidenceParams)
    judge: JudgeParams = Field(default_factory=JudgeParams)
    coverage: CoverageParams = Field(default_factory=CoverageParams)
    sections: SectionParams = Field(default_factory=SectionParams)
    previous: PreviousParams = Field(default_factory=PreviousParams)
    report: ReportParams = Field(default_factory=ReportParams)
    orthophoto: RoadOrthoParams = Field(default_factory=RoadOrthoParams)

    @classmethod
    def read(cls, path: Path | None) -> Self:
        """The section of a params.yaml, or the defaults where no file is named.

        Raises:
            ParamsError: the file cannot be read, or a knob is unknown or out of its bounds.
        """
        return read_knobs(cls, path, "road")


def read_knobs(
    model: type[Knobs], path: Path | None, section: str, stated: Mapping[str, object] | None = None
) -> Knobs:
    """The knobs in one section of a params.yaml, or their defaults where no file is named.

    Args:
        model: what they are.
        path: the file.
        section: its section.
        stated: what goes before the file, by knob.

    Raises:
        ParamsError: the file cannot be read, or a knob is unknown (the nearest is offered) or out of its bounds.
    """
    content = {} if path is None else read_section(path, section)
    try:
        return model.model_validate({**content, **(stated or {})})
    except ValidationError as error:
        raise _params_error(error, path, model, section) from error


def read_section(path: Path, section: str) -> dict[str, object]:
    """One section of a params.yaml; empty where the file has none.

    Raises:
        ParamsError: the file cannot be read.
    """
    content = read_yaml(path, "parameters", ParamsError) or {}
    remedy = "See the params.yaml of the project"
    if not isinstance(content, dict):
        raise ParamsError("the parameters hold no sections", where=path, remedy=remedy)
    knobs = content.get(section) or {}
    if not isinstance(knobs, dict):
        raise ParamsError(f"the section {section} holds no knobs", where=path, remedy=remedy)
    return knobs


def _params_error(error: ValidationError, path: Path | None, model: type[BaseModel], section: str) -> ParamsError:
    first = error.errors()[0]
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] != "extra_forbidden":
        return ParamsError(f"{section}.{name}: {first['msg']}", where=path)
    known = sorted(_names(model))
    near = difflib.get_close_matches(str(first["loc"][-1]), known, n=1)
    return ParamsError(
        f"there is no knob {section}.{name}", where=path, remedy=f"Did you mean {near[0]!r}?" if near else None
    )


def _names(model: type[BaseModel]) -> set[str]:
    """The names of a model's fields and of those below them."""
    names: set[str] = set()
    for name, field in model.model_fields.items():
        names.add(name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            names |= _names(field.annotation)
    return names
