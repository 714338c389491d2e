"""Products that people may have edited since they were written: known by their SHA-256, and not overwritten."""

from pathlib import Path

from models.card import sha256_of
from pipelines.errors import OutputError
from pipelines.files import replacing

__all__ = ["record", "refuse_edited", "refuse_previous", "work_folder"]

_BEGUN = "begun"


def work_folder(out_dir: Path) -> Path:
    """Where work in progress on `out_dir` is kept: beside it, because DVC empties a stage's outputs before a run."""
    place = out_dir.resolve()
    return place.parent / ".work" / place.name


def refuse_previous(previous: Path | None, product: Path, what: str, remedy: str) -> None:
    """A survey compared with is not overwritten by the new one.

    Raises:
        OutputError: it would be.
    """
    if previous is not None and product.exists() and previous.resolve() == product.resolve():
        raise OutputError(what, where=product, remedy=remedy)


def refuse_edited(product: Path, known: Path, remedy: str) -> None:
    """A product that people have worked on since `known` was recorded is not overwritten, nor is one of unknown origin.

    Raises:
        OutputError: it would be.
    """
    if not product.exists():
        return
    if not known.exists():
        what = "these results were moved here, or made by somebody else: they may have been edited"
        raise OutputError(what, where=product, remedy=remedy)
    if known.read_text() not in {_BEGUN, sha256_of(product)}:
        raise OutputError("the results were edited since they were written", where=product, remedy=remedy)


def record(known: Path, product: Path | None) -> None:
    """Remember what was published, so that edits are noticed; None while it is not known whose a file is."""
    state = _BEGUN if product is None else sha256_of(product)
    with replacing(known) as temporary:
        temporary.write_text(state)
