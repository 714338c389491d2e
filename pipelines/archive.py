"""ZIP files that depend on what is in them alone."""

import datetime as dt
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

__all__ = ["write_zip"]

_EARLIEST = dt.date(1980, 1, 1)
"""The format knows no earlier day."""


def write_zip(path: Path, members: Mapping[str, Path | str], date: dt.date) -> None:
    """Write a ZIP whose members, files or texts in UTF-8, are dated `date`, not by the clock."""
    day = max(date, _EARLIEST)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, (day.year, day.month, day.day, 0, 0, 0))
            info.compress_type, info.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            if isinstance(content, str):
                archive.writestr(info, content.encode())
                continue
            info.file_size = content.stat().st_size
            with content.open("rb") as source, archive.open(info, "w") as target:
                shutil.copyfileobj(source, target, 1 << 20)
