"""JSON a picture: CrowdHuman's `.odgt` (one JSON object a line) and Mapillary Vistas' polygons (one file a picture)."""

import json
from pathlib import Path
from typing import Any

from training.errors import SourceError
from training.sources.boxes import Box, Labelled, Place, clip, find_picture, pictures_in, read_labels, refuse_other_size
from training.sources.pictures import picture_size

__all__ = ["load_crowdhuman", "load_vistas"]


def load_crowdhuman(place: Place) -> list[Labelled]:
    """Every picture of an `.odgt` file, with the visible part (`vbox`) of each person.

    Boxes tagged `mask` or to be ignored are regions in which single people are not labelled.

    Raises:
        SourceError: when the file cannot be read, a picture is missing, or a line is no such record.
    """
    labelled = []
    for number, line in enumerate(read_labels(place.annotations).splitlines(), start=1):
        where = f"{place.annotations}, line {number}"
        try:
            labelled.append(_person_picture(json.loads(line), place.images, where))
        except (KeyError, TypeError, ValueError) as error:
            raise SourceError(f"no CrowdHuman record ({type(error).__name__}: {error})", where=where) from error
    return labelled


def load_vistas(place: Place) -> list[Labelled]:
    """Every picture of a split, with the box around each polygon; `NAME.json` says width, height and objects.

    Raises:
        SourceError: when an annotation is missing or is no such record.
    """
    return [_vistas_picture(one, place.annotations / f"{one.stem}.json") for one in pictures_in(place.images)]


def _person_picture(record: dict[str, Any], folder: Path, where: str) -> Labelled:
    name = str(record["ID"])
    picture = find_picture(folder, f"{name}.jpg", where)
    size = picture_size(picture)
    boxes: list[tuple[str, Box]] = []
    ignored: list[Box] = []
    for one in record["gtboxes"]:
        left, top, width, height = (float(number) for number in one["vbox"])
        box = clip((left, top, left + width, top + height), size, where)
        if box is not None and (one["tag"] != "person" or one.get("extra", {}).get("ignore")):
            ignored.append(box)
        elif box is not None:
            boxes.append((str(one["tag"]), box))
    return Labelled(picture, name, boxes, tuple(ignored))


def _vistas_picture(picture: Path, path: Path) -> Labelled:
    if not path.is_file():
        raise SourceError("the annotation is missing", where=path)
    try:
        record = json.loads(read_labels(path))
        size = picture_size(picture)
        refuse_other_size((float(record["width"] or 0), float(record["height"] or 0)), size, path)
        boxes = [(str(one["label"]), _around(one["polygon"], size, path)) for one in record["objects"]]
    except (KeyError, TypeError, ValueError) as error:
        raise SourceError(f"no Vistas annotation ({type(error).__name__}: {error})", where=path) from error
    return Labelled(picture, picture.stem, [(label, box) for label, box in boxes if box is not None])


def _around(polygon: list[list[float]], size_px: tuple[float, float], where: Path) -> Box | None:
    x, y = ([float(point[axis]) for point in polygon] for axis in (0, 1))
    return clip((min(x), min(y), max(x), max(y)), size_px, where)
