"""Places: what must not lie on both sides of a split, and what a bootstrap draws.

A place is read from a picture's name by the pattern of its catalogue entry, or from the table beside the pictures.
Frames of one place look alike: a model that learned from one has seen the other.
"""

import csv
import hashlib
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path

from training.errors import SourceError
from training.sources.catalogue import Division, PictureTable, Source

__all__ = ["Rows", "place_of", "read_table", "side_of", "stretch_of", "unplaced"]

SPLIT = "split"
Rows = Mapping[str, Mapping[str, str]]
"""By a picture's name without suffix, its row of the table."""


def read_table(folder: Path, table: PictureTable | None, split: Container[str]) -> Rows:
    """The rows of a data set's table that are about one split; none where it has no table.

    Where several splits have a picture of one name, a column `split` tells their rows apart.

    Args:
        folder: the data set's folder.
        table: what its entry says of the table.
        split: what the column `split` may call the split.

    Raises:
        SourceError: when the table is absent or lacks a column, a row is too short, or a picture has two.
    """
    if table is None:
        return {}
    path = folder / table.path
    named: dict[str, list[tuple[str, Mapping[str, str]]]] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            wanted = {table.name, *table.where, *table.facts} | {
                one for one in (table.place, table.stretch, table.labelled) if one
            }
            lacking = wanted - set(reader.fieldnames or ())
            if lacking:
                raise SourceError(f"the table has no column {', '.join(sorted(lacking))}", where=path)
            for row in reader:
                where = f"{path}, line {reader.line_num}"
                short = next((one for one in sorted(wanted) if row[one] is None), None)
                if short is not None:
                    raise SourceError(f"the row is too short: it has no {short}", where=where)
                named.setdefault(row[table.name], []).append((where, row))
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError("the table of the pictures cannot be read", where=path) from error
    told = {name: _told_apart(name, rows, split) for name, rows in named.items()}
    return {name: row for name, row in told.items() if row is not None}


def _told_apart(
    name: str, rows: Sequence[tuple[str, Mapping[str, str]]], split: Container[str]
) -> Mapping[str, str] | None:
    """The row of a name that is about the split; None where all of several are about others."""
    if len(rows) == 1:
        return rows[0][1]
    ours = [(where, row) for where, row in rows if row.get(SPLIT) in split]
    others = [row.get(SPLIT) for _, row in rows]
    if len(ours) > 1 or not all(others) or len(set(others)) < len(others):
        where = (ours if len(ours) > 1 else rows)[1][0]
        remedy = f"Leave one, or tell them apart by a column {SPLIT}."
        raise SourceError(f"the picture {name} has two rows", where=where, remedy=remedy)
    return ours[0][1] if ours else None


def place_of(name: str, source: Source, key: str, row: Mapping[str, str] | None = None) -> str:
    """The place of a picture as `SPACE/PLACE`, "" where the entry tells no places.

    Args:
        name: the data set's name, which is its space of places unless the entry names another.
        source: its entry.
        key: the picture's path below the split's folder, without suffix.
        row: its row of the table.

    Raises:
        SourceError: when the pattern does not fit the picture's name.
    """
    space = source.place_space or name
    if source.table is not None and source.table.place is not None and row is not None:
        return f"{space}/{row[source.table.place]}"
    return "" if source.place is None else f"{space}/{_matched(source.place, key, name)}"


def stretch_of(name: str, source: Source, key: str, place: str, row: Mapping[str, str] | None = None) -> str:
    """What a bootstrap draws as one: the smaller stretch of the place where the entry tells it, else the place.

    A set whose places are two roads can be split by road, but two draws say nothing of chance.
    """
    if source.table is not None and source.table.stretch is not None and row is not None:
        return f"{source.place_space or name}/{row[source.table.stretch]}"
    return place if source.stretch is None else f"{source.place_space or name}/{_matched(source.stretch, key, name)}"


def side_of(division: Division, place: str) -> str:
    """`train` or `val`, the same for every picture of a place whatever else is in the set."""
    bare = place.partition("/")[2]
    if division.places:
        return "val" if bare in division.places else "train"
    # 32 bits of the hash as a number from 0 to 1: as good as a draw, and the same for ever.
    drawn = int.from_bytes(hashlib.sha256(place.encode()).digest()[:4]) / 2**32
    return "val" if drawn < (division.share or 0) else "train"


def unplaced(names: Iterable[tuple[str, Source]]) -> list[str]:
    """The data sets whose entry tells no places: nobody can say whether their split is clean."""
    return [name for name, one in names if one.place is None and (one.table is None or one.table.place is None)]


def _matched(pattern: str, key: str, name: str) -> str:
    found = re.search(pattern, key)
    parts = [] if found is None else [one for one in found.groups() if one is not None]
    if not parts:
        remedy = f"Correct the pattern of {name} ({pattern}) or rename the picture."
        raise SourceError("the picture's name does not tell its place", where=key, remedy=remedy)
    return "_".join(parts)
