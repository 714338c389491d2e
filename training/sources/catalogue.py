"""The catalogue: which data sets there are, under which licence, in which layout, and what they leave unlabelled."""

import re
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from geo.yaml_files import read_yaml
from training.errors import SourceError

__all__ = [
    "Archive",
    "Division",
    "LayoutName",
    "PictureTable",
    "RoadView",
    "Source",
    "find_source",
    "read_catalogue",
    "read_mirror",
]

MIRROR = "mirror"
BUILT_IN = Path(__file__).with_name("catalogue.yaml")
LayoutName = Literal[
    "yolo",
    "voc",
    "masks",
    "dnit",
    "coco",
    "deepforest_csv",
    "deepforest_xml",
    "mot",
    "visdrone",
    "crowdhuman",
    "vistas",
]


def _below(path: Path) -> Path:
    if path.is_absolute() or ".." in path.parts:
        raise ValueError("the path must lie below the data directory")
    return path


def _pattern(text: str) -> str:
    try:
        groups = re.compile(text).groups
    except re.error as error:
        raise ValueError(f"no regular expression ({error})") from error
    if groups == 0:
        raise ValueError("the pattern needs a group in parentheses: what it matches is the place")
    return text


Below = Annotated[Path, AfterValidator(_below)]
Pattern = Annotated[str, AfterValidator(_pattern)]
Label = Annotated[str, Field(coerce_numbers_to_str=True)]
"""As the data set writes it: YAML takes the `0` of YOLO for a number."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class PictureTable(_Section):
    """A CSV file beside the pictures that says more of each.

    `path` is below the data set's folder, `name` the column with the picture's file name without suffix, `place` the
    column with its place, `stretch` that of the smaller part of it that a bootstrap draws, `labelled` the column with
    the classes (blank-separated) whose every instance is labelled on it. `where` keeps the pictures whose columns say
    this; `facts` are columns that samples carry along.
    """

    path: Below
    name: str = "name"
    place: str | None = None
    stretch: str | None = None
    labelled: str | None = None
    where: Mapping[str, str] = Field(default_factory=dict)
    facts: tuple[str, ...] = ()


class Division(_Section):
    """Train and validation by place, for a set whose own folders do not separate places.

    The pictures of `folders` are pooled. Those of the `places` named are `val`, or else about a `share` of all places,
    chosen by a hash of the place: a place stays on its side when pictures are added.
    """

    folders: tuple[str, ...] = Field(min_length=1)
    share: float | None = Field(default=None, gt=0, lt=1)
    places: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        if (self.share is None) == (not self.places):
            raise ValueError("a division names either a share or the places of val")
        return self


class Pieces(_Section):
    """How the pixels of a mask become objects.

    Pieces whose gap is at most about `join_px` wide are one; those of fewer marked pixels than `least_px` are specks.
    """

    join_px: int = Field(default=5, gt=0)
    least_px: int = Field(default=25, gt=0)


class Archive(_Section):
    """A file to fetch: its address, its sha256 where that is known, and the folder below `--data` to unpack it in."""

    url: str
    sha256: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    into: Below

    @property
    def name(self) -> str:
        """The file's name, as a mirror keeps it."""
        return PurePosixPath(self.url.partition("?")[0]).name


class RoadView(_Section):
    """How a set's camera sees a flat road, about.

    `height_m` is the camera's, `horizon` the horizon's place as a fraction of the picture's height, `focal` the focal
    length as a fraction of its width.
    """

    height_m: float = Field(gt=0)
    horizon: float = Field(ge=-1, le=1)
    focal: float = Field(gt=0)


class Source(_Section):
    """One data set as `catalogue.yaml` describes it (the fields are explained at its top)."""

    title: str
    task: str = ""
    licence: str
    may_ship: bool | None = None
    url: str
    attribution: str = ""
    archives: tuple[Archive, ...] = ()
    by_hand: str = ""
    layout: LayoutName
    layout_checked: bool = False
    path: Below
    images: str | None = None
    annotations: str | None = None
    splits: Mapping[str, str] = Field(default_factory=dict)
    divide: Division | None = None
    without: Mapping[str, tuple[str, ...]] = Field(default_factory=dict)
    only: str | None = None
    place: Pattern | None = None
    stretch: Pattern | None = None
    place_space: str | None = None
    table: PictureTable | None = None
    classes: Mapping[Label, str]
    labels: tuple[str, ...]
    distrust_empty: tuple[str, ...] = ()
    ignored: tuple[Label, ...] = ()
    view: Literal["ahead", "above"] = "ahead"
    gsd_m: float | None = Field(default=None, gt=0)
    blank: tuple[float, float, float, float] | None = None
    masks: Mapping[str, Path] = Field(default_factory=dict)
    road_view: RoadView | None = None
    pieces: Mapping[str, Pieces] = Field(default_factory=dict)
    faults: tuple[str, ...] = ()


def read_catalogue(extra: Path | None = None) -> dict[str, Source]:
    """The built-in catalogue, with the entries of `extra` added or put in place of those of the same name.

    Raises:
        SourceError: when an entry says something impossible; the first fault is named.
    """
    entries = {name: (entry, "the built-in catalogue") for name, entry in _entries(BUILT_IN).items()}
    if extra is not None:
        entries |= {name: (entry, str(extra)) for name, entry in _entries(extra).items()}
    return {name: _source(name, entry, where) for name, (entry, where) in entries.items() if name != MIRROR}


def read_mirror(extra: Path | None) -> Path | None:
    """The mirror directory that a catalogue of one's own names (`mirror: DIR`, relative to that file), or None."""
    named = None if extra is None else _entries(extra).get(MIRROR)
    if extra is None or named is None:
        return None
    if not isinstance(named, str):
        raise SourceError("mirror is no directory's name", where=extra, remedy="Write `mirror: DIRECTORY`.")
    return extra.parent / named


def find_source(catalogue: Mapping[str, Source], name: str, besides: Iterable[str] = ()) -> Source:
    """The data set of that name; `besides` are other names that may have been meant.

    Raises:
        SourceError: when there is none; the nearest name is offered.
    """
    if name in catalogue:
        return catalogue[name]
    known = [*catalogue, *besides]
    near = get_close_matches(name, known, n=1)
    remedy = f"Did you mean {near[0]}?" if near else f"Known: {', '.join(sorted(known))}."
    raise SourceError(f"no data set is called {name!r}", remedy=remedy)


def _entries(path: Path) -> dict[str, object]:
    entries = read_yaml(path, "catalogue", SourceError) or {}
    if not isinstance(entries, dict):
        raise SourceError("the catalogue is no mapping of names to data sets", where=path)
    return entries


def _source(name: str, entry: object, where: str) -> Source:
    try:
        return Source.model_validate(entry)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise SourceError(f"data set {name}: {field}: {first['msg']}", where=where) from error
