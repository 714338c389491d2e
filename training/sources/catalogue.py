"""The catalogue: which data sets there are, under which licence, in which layout, and what they leave unlabelled."""

from collections.abc import Mapping
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from training.errors import SourceError

__all__ = ["Source", "find_source", "read_catalogue"]


class Source(BaseModel):
    """One data set as `catalogue.yaml` describes it (the fields are explained at its top)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: str
    licence: str
    url: str
    attribution: str = ""
    layout: Literal["yolo", "voc"]
    path: Path
    classes: Mapping[str, str]
    labels: tuple[str, ...]
    distrust_empty: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    blank: tuple[float, float, float, float] | None = None
    masks: Mapping[str, Path] = Field(default_factory=dict)
    faults: tuple[str, ...] = ()


def read_catalogue(extra: Path | None = None) -> dict[str, Source]:
    """The built-in catalogue, with the entries of `extra` added or put in place of those of the same name.

    Raises:
        SourceError: when an entry says something impossible; the first fault is named.
    """
    texts = {"the built-in catalogue": files("training.sources").joinpath("catalogue.yaml").read_text(encoding="utf-8")}
    if extra is not None:
        try:
            texts[str(extra)] = extra.read_text(encoding="utf-8")
        except OSError as error:
            raise SourceError("the catalogue cannot be read", where=extra) from error
    catalogue: dict[str, Source] = {}
    for where, text in texts.items():
        for name, entry in (yaml.safe_load(text) or {}).items():
            catalogue[name] = _source(name, entry, where)
    return catalogue


def find_source(catalogue: Mapping[str, Source], name: str) -> Source:
    """The data set of that name.

    Raises:
        SourceError: when there is none; the nearest name is offered.
    """
    if name in catalogue:
        return catalogue[name]
    near = get_close_matches(name, catalogue, n=1)
    remedy = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(sorted(catalogue))}."
    raise SourceError(f"no data set is called {name!r}", remedy=remedy)


def _source(name: str, entry: object, where: str) -> Source:
    try:
        return Source.model_validate(entry)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise SourceError(f"data set {name}: {field}: {first['msg']}", where=where) from error
