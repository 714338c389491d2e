"""Folders that a command writes anew: what may be taken the place of, and what belongs to somebody else."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

__all__ = ["foreign", "sources_within"]

Own = Callable[[Mapping[str, Any], tuple[str, ...]], bool]
"""Whether a command wrote a file: what the description says, and the parts of the file's path below the folder."""


def foreign(out: Path, about: str, fields: Iterable[str], own: Own) -> Path | None:
    """The first thing in a folder that an earlier run of the command did not write; None where it may be replaced.

    Args:
        out: the folder. One that is absent or empty is anybody's.
        about: name of the file in it that describes what was written.
        fields: fields of the description that only this command writes.
        own: tells the command's own files.
    """
    if not out.exists():
        return None
    if not out.is_dir():
        return out
    if not any(out.iterdir()):
        return None
    said = _description(out / about)
    if not set(fields) <= said.keys():
        return out
    files = (one for one in sorted(out.rglob("*")) if one.is_symlink() or not one.is_dir())
    return next((one for one in files if not own(said, one.relative_to(out).parts)), None)


def sources_within(out: Path, sources: Iterable[Path]) -> Path | None:
    """The first of the files and folders to read that the folder to write is, or contains."""
    target = out.resolve()
    return next((one for one in sources if one.resolve().is_relative_to(target)), None)


def _description(path: Path) -> Mapping[str, Any]:
    try:
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return {}
    return said if isinstance(said, dict) else {}
