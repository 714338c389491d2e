"""Every report of a survey, written at once."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from pipelines.errors import OutputError
from pipelines.report.content import Progress, ReportContent
from pipelines.report.document import PHOTO_PX, Sources, document
from pipelines.report.items import items_of
from pipelines.report.page import page_html
from pipelines.report.photo import thumbnails, write_photos
from pipelines.report.picture import map_png
from pipelines.report.sheet import workbook

PAGE_NAME = "repair_list.html"
SHEET_NAME = "repair_list.xlsx"


def document_name(lang: str) -> str:
    """Name of the PDF in a language."""
    return f"repair_list_{lang}.pdf"


def map_name(lang: str) -> str:
    """Name of the PNG map in a language."""
    return f"map_{lang}.png"


def write_report(content: ReportContent, out_dir: Path, progress: Progress | None = None) -> list[Path]:
    """Write page, workbook, documents, maps and photos.

    Args:
        content: what the reports say.
        out_dir: folder to write into, made where it is missing.
        progress: called with steps done and steps in all; a photo is a step, and so is each file.

    Returns:
        The page, the workbook, then document and map of each language. Photos lie in `photos/` beside the page.

    Raises:
        OutputError: the folder cannot be written, or the disk is full.
    """
    files = 2 + 2 * len(content.languages)
    steps = len(content.photos.boxes) + files
    tell = progress or (lambda _done, _total: None)
    try:
        photos = write_photos(content.photos, out_dir, content.params, lambda done, _: tell(done, steps))
        written: list[Path] = []
        for name, make in _files(content, photos, out_dir):
            written.append(out_dir / name)
            written[-1].write_bytes(make())
            tell(steps - files + len(written), steps)
    except OSError as error:
        raise OutputError(
            f"the report cannot be written: {error.strerror or error}",
            where=out_dir,
            remedy="Free space on the disk or give a folder that may be written with --out",
        ) from error
    order = {PAGE_NAME: 0, SHEET_NAME: 1}
    return sorted(written, key=lambda path: order.get(path.name, 2))


def _files(content: ReportContent, photos: dict[str, str], out_dir: Path) -> list[tuple[str, Callable[[], bytes]]]:
    """Name and maker of every file; maps come first because documents show them."""

    def plot(lang: str) -> bytes:
        return map_png(content, items_of(content, photos), lang)

    @cache
    def small() -> dict[str, bytes]:
        shown = [item.uuid for item in items_of(content, photos) if item.photo][: content.params.document_blocks]
        return thumbnails(out_dir, {uuid: photos[uuid] for uuid in shown}, PHOTO_PX)

    def print_out(lang: str) -> bytes:
        return document(content, Sources((out_dir / map_name(lang)).read_bytes(), small()), lang)

    return [
        *((map_name(lang), lambda lang=lang: plot(lang)) for lang in content.languages),
        (PAGE_NAME, lambda: page_html(content, photos).encode()),
        (SHEET_NAME, lambda: workbook(content, photos, out_dir)),
        *((document_name(lang), lambda lang=lang: print_out(lang)) for lang in content.languages),
    ]
