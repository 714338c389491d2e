"""DeepForest's table: one CSV file a split, `image_path, xmin, ymin, xmax, ymax, label` in px."""

import csv
from pathlib import Path

from training.errors import SourceError
from training.sources.boxes import Box, Labelled, Place, clip, find_picture
from training.sources.pictures import picture_size

__all__ = ["load_deepforest"]

CORNERS = ("xmin", "ymin", "xmax", "ymax")


def load_deepforest(place: Place) -> list[Labelled]:
    """Every picture that the table names; a row without corners, or with zeros alone, says that it shows nothing.

    Raises:
        SourceError: when the table or a picture is missing, a column lacks, or a row is no box.
    """
    rows = _rows(place.annotations)
    boxes: dict[str, list[tuple[str, Box]]] = {}
    sizes: dict[str, tuple[int, int]] = {}
    for number, row in enumerate(rows, start=2):
        name, where = row["image_path"], f"{place.annotations}, line {number}"
        if name not in boxes:
            boxes[name], sizes[name] = [], picture_size(find_picture(place.images, name, where))
        corners = _corners(row, where)
        inside = clip(corners, sizes[name], where) if any(corners) else None
        if inside is not None:
            boxes[name].append((row["label"].strip(), inside))
    return [
        Labelled(place.images / name, str(Path(name).with_suffix("").as_posix()), boxes[name]) for name in sorted(boxes)
    ]


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file)
            lacking = {"image_path", "label", *CORNERS} - set(reader.fieldnames or ())
            if lacking:
                raise SourceError(f"the table has no column {', '.join(sorted(lacking))}", where=path)
            return [{name: value or "" for name, value in row.items() if name} for row in reader]
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError("the table of labels cannot be read", where=path) from error


def _corners(row: dict[str, str], where: str) -> Box:
    texts = [row[corner].strip() for corner in CORNERS]
    if not any(texts):
        return (0.0, 0.0, 0.0, 0.0)
    try:
        left, top, right, bottom = (float(text) for text in texts)
    except ValueError as error:
        raise SourceError("a box is four numbers, xmin ymin xmax ymax", where=where) from error
    return (left, top, right, bottom)
