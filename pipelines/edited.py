"""Products that people may have edited since they were written: known by their SHA-256, and not overwritten."""

from collections.abc import Callable
from pathlib import Path

from models.card import sha256_of
from pipelines.errors import OutputError
from pipelines.files import replacing
from pipelines.journal import WORK

__all__ = ["Admit", "admit", "refuse_edited", "refuse_previous", "work_folder"]

Admit = Callable[[Path, Path], None]
"""Called with a product's place and the file that is about to take it."""


def work_folder(out_dir: Path) -> Path:
    """Where work in progress on `out_dir` is kept: beside it, because DVC empties a stage's outputs before a run."""
    place = out_dir.resolve()
    return place.parent / WORK / place.name


def refuse_previous(previous: Path | None, product: Path, what: str, remedy: str) -> None:
    """A survey compared with is not overwritten by the new one.

    Raises:
        OutputError: it would be.
    """
    if previous is not None and product.exists() and previous.resolve() == product.resolve():
        raise OutputError(what, where=product, remedy=remedy)


def refuse_edited(product: Path, known: Path, remedy: str) -> None:
    """A product that people have worked on since it was admitted to `known` is not overwritten, nor is one of others.

    Raises:
        OutputError: it would be.
    """
    if not product.exists():
        return
    if not known.exists():
        what = "these results were moved here, or made by somebody else: they may have been edited"
        raise OutputError(what, where=product, remedy=remedy)
    if sha256_of(product) not in known.read_text().split():
        raise OutputError("the results were edited since they were written", where=product, remedy=remedy)


def admit(known: Path, product: Path, staged: Path) -> None:
    """Remember a file that is about to take a product's place, beside the product as it is.

    So whichever of the two is there after a kill is known, and what people did to it since is noticed.

    Raises:
        OutputError: people edited the product while its successor was made.
    """
    refuse_edited(product, known, "Give another --out")
    ours = [sha256_of(path) for path in (product, staged) if path.exists()]
    with replacing(known) as temporary:
        temporary.write_text("".join(f"{one}\n" for one in ours))
