"""The three ways of drawing a layer: all features alike, by the value of a column, by ranges of a number."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from geo.styles.form import Choice, Form
from geo.styles.symbols import Kind, Symbol, distinct


@dataclass(frozen=True, slots=True)
class Single:
    """All features alike."""

    kind: Kind
    symbol: Symbol
    form: Form = field(default_factory=Form)


@dataclass(frozen=True, slots=True)
class Category:
    """A value of the column, its symbol, and its name in the legend."""

    choice: Choice
    symbol: Symbol


@dataclass(frozen=True, slots=True)
class Categorized:
    """One symbol a value.

    Attributes:
        kind: what the layer is made of.
        column: the column that decides.
        categories: in the legend's order.
        other: symbol of every other value and of missing ones; None does not draw them.
        form: labels and attribute form.
    """

    kind: Kind
    column: str
    categories: tuple[Category, ...]
    other: Symbol | None = None
    form: Form = field(default_factory=Form)

    def __post_init__(self) -> None:
        values = [category.choice.value for category in self.categories]
        if len(set(values)) < len(values):
            raise ValueError(f"categories of {self.column} repeat a value: {values}")


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from `lower` to `upper`, both drawn alike; on a shared bound the range named first holds."""

    lower: float
    upper: float
    ja: str
    en: str
    symbol: Symbol

    @property
    def label(self) -> str:
        """Both languages, Japanese first."""
        return f"{self.ja} {self.en}".strip()


@dataclass(frozen=True, slots=True)
class Graduated:
    """One symbol a range of a number; features without the number, or outside of all ranges, are not drawn."""

    kind: Kind
    column: str
    ranges: tuple[Range, ...]
    form: Form = field(default_factory=Form)

    def __post_init__(self) -> None:
        for one in self.ranges:
            if not one.lower <= one.upper:
                raise ValueError(f"range {one.lower} to {one.upper} of {self.column} is out of order")


Style = Single | Categorized | Graduated


def categories(kind: Kind, choices: Sequence[Choice]) -> tuple[Category, ...]:
    """A category for each choice, with colours and shapes that can be told apart."""
    return tuple(Category(c, s) for c, s in zip(choices, distinct(kind, len(choices)), strict=True))
