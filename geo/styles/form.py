"""What a person reads and edits: labels on the map, tips, and the attribute form."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Choice:
    """A value that a column may take, and how a person reads it."""

    value: str
    ja: str
    en: str

    @property
    def label(self) -> str:
        """Both languages, Japanese first."""
        return f"{self.ja} {self.en}".strip()


@dataclass(frozen=True, slots=True)
class Labels:
    """Text beside features, or inside of areas.

    Attributes:
        column: what it says.
        size_pt: its size.
        shown_from_scale: it is shown at 1 : this and larger scales.
        strong: bold, for text over a busy picture.
    """

    column: str
    size_pt: float = 9.0
    shown_from_scale: int = 10_000
    strong: bool = False


@dataclass(frozen=True, slots=True)
class MapTip:
    """What appears when the pointer rests on a feature: a headline column, columns as rows, and a picture.

    Attributes:
        title: column of the headline.
        rows: columns listed below it, under their aliases.
        photo: column with a picture's path relative to the GeoPackage's folder, or None.
    """

    title: str
    rows: tuple[str, ...] = ()
    photo: str | None = None


@dataclass(frozen=True, slots=True)
class Form:
    """The attribute form and table.

    Attributes:
        choices: columns edited through a list of choices.
        editable: the columns a person may edit; None leaves all open, () closes all.
        sort_by: column that the attribute table is sorted by, ascending.
        labels: text on the map.
        tip: the map tip.
    """

    choices: Mapping[str, tuple[Choice, ...]] = field(default_factory=dict)
    editable: tuple[str, ...] | None = None
    sort_by: str | None = None
    labels: Labels | None = None
    tip: MapTip | None = None
