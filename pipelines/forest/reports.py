"""The reports of a stand map: a page, a document a language, and the table for the register."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from PIL import Image

from pipelines.edited import Admit
from pipelines.files import replacing
from pipelines.forest.backdrop import Backdrop
from pipelines.forest.document import stand_document
from pipelines.forest.page import stand_page
from pipelines.forest.picture import plain_map
from pipelines.forest.register_csv import register_csv
from pipelines.forest.results import Results

__all__ = ["TABLE_NAME", "Reports", "write_reports"]

PAGE_NAME: Final = "stand_map.html"
TABLE_NAME: Final = "stands.csv"
_QUALITY: Final = 85


@dataclass(frozen=True, slots=True)
class Reports:
    """Where the reports lie; `documents` by language."""

    page: Path
    documents: dict[str, Path]
    table: Path


def write_reports(
    results: Results, beneath: Backdrop, out_dir: Path, languages: tuple[str, ...], admit: Admit
) -> Reports:
    """Write the reports, each whole or not at all.

    Args:
        results: the survey.
        beneath: its orthophoto, reduced.
        out_dir: the folder, which exists.
        languages: ja, en or both; the page shows the first one first, and the table's headings are Japanese where
            that is among them, as the register's are.
        admit: called with the table, which people fill in, and the file that is about to take its place.

    Raises:
        OutputError: the folder cannot be written, or the disk is full.
    """
    maps = {lang: _jpeg(plain_map(results, beneath, lang)) for lang in languages}
    documents = {lang: out_dir / f"stand_map_{lang}.pdf" for lang in languages}
    reports = Reports(out_dir / PAGE_NAME, documents, out_dir / TABLE_NAME)
    for lang, path in documents.items():
        with replacing(path) as part:
            part.write_bytes(stand_document(results, maps[lang], lang))
    with replacing(reports.page) as part:
        part.write_text(stand_page(results, maps), encoding="utf-8")
    with replacing(reports.table) as part:
        part.write_bytes(register_csv(results, "ja" if "ja" in languages else languages[0]))
        admit(reports.table, part)
    return reports


def _jpeg(png: bytes) -> bytes:
    """A map with a photograph beneath is several times as large as a PNG."""
    target = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").save(target, "JPEG", quality=_QUALITY, optimize=True)
    return target.getvalue()
