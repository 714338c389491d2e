"""COCO annotations: one JSON file a split, boxes as `[left, top, width, height]` in px."""

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from training.errors import SourceError
from training.sources.boxes import Box, Labelled, Place, clip, find_picture, read_labels, refuse_other_size
from training.sources.pictures import picture_size

__all__ = ["load_coco"]


def load_coco(place: Place) -> list[Labelled]:
    """Every picture that the file lists, by name; labels are the names of its categories.

    Crowds (`iscrowd`) are regions in which single objects are not labelled.

    Raises:
        SourceError: when the file cannot be read, a picture is missing or of another size than is stated (null states
            nothing), or an annotation names no picture or category.
    """
    content = _read(place.annotations)
    try:
        return _labelled(content, place)
    except (KeyError, TypeError, ValueError) as error:
        what = f"the annotations are not COCO's ({type(error).__name__}: {error})"
        raise SourceError(what, where=place.annotations) from error


def _labelled(content: dict[str, Any], place: Place) -> list[Labelled]:
    names = {one["id"]: str(one["name"]) for one in content["categories"]}
    images = {one["id"]: one for one in content["images"]}
    pictures = {key: find_picture(place.images, one["file_name"], place.annotations) for key, one in images.items()}
    sizes = {key: picture_size(picture) for key, picture in pictures.items()}
    for key, one in images.items():
        stated = float(one.get("width") or 0), float(one.get("height") or 0)
        refuse_other_size(stated, sizes[key], f"{place.annotations}, {one['file_name']}")
    boxes: dict[Any, list[tuple[str, Box]]] = defaultdict(list)
    crowds: dict[Any, list[Box]] = defaultdict(list)
    for one in content["annotations"]:
        where = f"{place.annotations}, annotation {one.get('id')}"
        image, name = images.get(one["image_id"]), names.get(one["category_id"])
        if image is None or name is None:
            raise SourceError("the annotation names no picture or category of the file", where=where)
        left, top, width, height = (float(number) for number in one["bbox"])
        inside = clip((left, top, left + width, top + height), sizes[image["id"]], where)
        if inside is None:
            continue
        if one.get("iscrowd"):
            crowds[image["id"]].append(inside)
        else:
            boxes[image["id"]].append((name, inside))
    return [
        Labelled(
            picture=pictures[one["id"]],
            key=str(Path(one["file_name"]).with_suffix("").as_posix()),
            boxes=boxes[one["id"]],
            ignored=tuple(crowds[one["id"]]),
        )
        for one in sorted(images.values(), key=lambda image: str(image["file_name"]))
    ]


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_labels(path))
    except ValueError as error:
        raise SourceError(f"the annotations are no JSON ({error})", where=path) from error
    if not isinstance(content, dict):
        raise SourceError("the annotations are no JSON object", where=path)
    return content
