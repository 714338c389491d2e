"""A data set made of corrections, versioned by its content: equal reviews of equal pictures give an equal version."""

import csv
import hashlib
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from PIL import Image

from models.card import sha256_of
from training.errors import ReviewError
from training.folders import foreign, sources_within
from training.reviews.lines import Corrections, read_detections, read_reviews
from training.reviews.regions import Lesson, lessons, settled
from training.reviews.survey import Note, read_survey
from training.sources.boxes import clip
from training.sources.pictures import read_upright

__all__ = ["Request", "build"]

MANIFEST, ABOUT, CATALOGUE = "manifest.csv", "dataset.yaml", "catalogue.yaml"
COLUMNS = ("name", "kind", "labelled", "boxes", "ignored_regions", "place", "image", "copied_from")
WHOLE, PARTLY = "whole", "partly"
SLIVER_PX = 0.5
"""Ignored regions thinner than this, between the edges of two boxes, hold the middle of hardly a pixel."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Request:
    """What to make.

    Attributes:
        reviews: files of reviews (CSV, JSONL) and edited road GeoPackages.
        pictures: folders that the pictures' names are below.
        out: the folder to write; an earlier build in it is replaced.
        data: the data directory that `out` is below.
        licence: the licence of the pictures, as their owner states it.
        classes: the classes of the task, in the order of their ids.
        detections: table of the model's boxes, where reviews name them by id.
        place: a pattern whose groups in a picture's name are its place; without it all pictures are of one place.
        context: how much was seen around a reviewed box, as a part of its sides, each way.
    """

    reviews: tuple[Path, ...]
    pictures: tuple[Path, ...]
    out: Path
    data: Path
    licence: str
    classes: tuple[str, ...]
    detections: Path | None = None
    place: str | None = None
    context: float = 0.25


@dataclass(frozen=True, slots=True)
class _Part:
    """One picture of the set: its `row` of the manifest, and what it teaches."""

    row: Mapping[str, Any]
    lesson: Lesson


def build(request: Request, progress: Progress | None = None) -> dict[str, Any]:
    """Write the data set; returns what `dataset.yaml` says of it, with `notes` of what was left out.

    Raises:
        ReviewError: when reviews cannot be read or contradict one another, or a picture or class is unknown.
        SourceError: when a picture cannot be read.
    """
    notes: list[str] = []
    by_picture = _gathered(request, notes.append)
    if not by_picture:
        raise ReviewError("nothing was reviewed", where=", ".join(map(str, request.reviews)))
    _refuse_foreign(request)
    _path_below(request)
    staging = request.out.with_name(f".{request.out.name}.part")
    shutil.rmtree(staging, ignore_errors=True)
    parts: list[_Part] = []
    try:
        for folder in ("images", "labels"):
            (staging / "train" / folder).mkdir(parents=True)
        for done, (image, said) in enumerate(sorted(by_picture.items()), start=1):
            parts += _picture(request, staging, image, said)
            if progress is not None:
                progress(done, len(by_picture))
        about = _about(request, parts, [one for said in by_picture.values() for one in said])
        about |= {"notes": notes} if notes else {}
        _write_tables(request, staging, parts, about)
        shutil.rmtree(request.out, ignore_errors=True)
        staging.replace(request.out)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return about


def _gathered(request: Request, note: Note) -> dict[str, list[Corrections]]:
    """By picture, the settled reviews; pictures of which nobody said anything are left out."""
    detections = {} if request.detections is None else read_detections(request.detections)
    drawn = [Corrections(one.image, None, (one.bbox,), one.name) for one in detections.values()]
    said: list[Corrections] = []
    for path in request.reviews:
        said += read_survey(path, note) if path.suffix.lower() == ".gpkg" else read_reviews(path, detections)
    strange = next((one for one in said if one.verdict and one.name and one.name not in request.classes), None)
    if strange is not None:
        remedy = f"Known: {', '.join(request.classes)}. Name others with --classes."
        raise ReviewError(f"the class {strange.name} is not of this task", where=strange.image, remedy=remedy)
    images = {one.image for one in said if one.verdict is not None}
    grouped: dict[str, list[Corrections]] = {}
    for one in [*said, *_unreviewed(drawn, said)]:
        if one.image in images:
            grouped.setdefault(one.image, []).append(one)
    return {image: _consistent(image, settled(some)) for image, some in grouped.items()}


def _unreviewed(drawn: Iterable[Corrections], said: Iterable[Corrections]) -> list[Corrections]:
    reviewed = {(one.image, box) for one in said if one.verdict is not None for box in one.boxes}
    return [one for one in drawn if (one.image, one.boxes[0]) not in reviewed]


def _consistent(image: str, said: list[Corrections]) -> list[Corrections]:
    empty = {one.name for one in said if one.verdict == "reject" and not one.boxes}
    there = {one.name for one in said if one.verdict in ("accept", "fix") and one.boxes}
    if (empty & there) or (None in empty and there):
        remedy = "Correct the one that is wrong."
        raise ReviewError("one review says nothing is here, another that something is", where=image, remedy=remedy)
    return said


def _picture(request: Request, staging: Path, image: str, said: Sequence[Corrections]) -> list[_Part]:
    path = _find(request.pictures, image)
    picture = read_upright(path)
    size = picture.shape[1], picture.shape[0]
    inside = [box for one in said for box in one.boxes]
    for box in inside:
        clip(box, size, image)
    digest, place = sha256_of(path), _place(request, image)
    which = hashlib.sha256(f"{digest} {image}".encode()).hexdigest()[:8]  # one picture may lie in two folders
    parts: list[_Part] = []
    for number, lesson in enumerate(lessons(said, request.classes, size, request.context)):
        name = f"{Path(image).stem}-{which}-{number}"
        row = {
            "name": re.sub(r"[^A-Za-z0-9_.-]", "_", name),
            "kind": WHOLE if lesson.ignored is None else PARTLY,
            "labelled": " ".join(lesson.labelled),
            "boxes": len(lesson.boxes),
            "ignored_regions": len(lesson.ignored or ()),
            "place": place,
            "image": image,
            "copied_from": digest,
        }
        target = _file(staging, row, "images", ".webp")
        if parts:
            shutil.copyfile(_file(staging, parts[0].row, "images", ".webp"), target)
        else:
            # Saved anew, so that no EXIF (where, when, whose camera) goes along; lossless: nothing is lost twice.
            Image.fromarray(picture).save(target, lossless=True)
        _file(staging, row, "labels", ".txt").write_text(_lines(lesson, request.classes, size), encoding="utf-8")
        parts.append(_Part(row, lesson))
    return parts


def _lines(lesson: Lesson, classes: Sequence[str], size: tuple[int, int]) -> str:
    """YOLO's lines; the id after the last class marks ignored regions."""
    rows = [(classes.index(name), box) for name, box in lesson.boxes]
    rows += [(len(classes), box) for box in lesson.ignored or ()]
    width, height = size
    lines = []
    for class_id, box in rows:
        x1, y1, x2, y2 = np.clip(box, 0, (width, height, width, height)).tolist()
        if class_id == len(classes) and min(x2 - x1, y2 - y1) < SLIVER_PX:
            continue
        fractions = ((x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height)
        lines.append(f"{class_id} " + " ".join(f"{one:.7f}" for one in fractions))
    return "".join(f"{line}\n" for line in lines)


def _about(request: Request, parts: Sequence[_Part], said: Sequence[Corrections]) -> dict[str, Any]:
    content = [[part.row, part.lesson.boxes, part.lesson.ignored] for part in parts]
    text = json.dumps([content, list(request.classes), request.licence], sort_keys=True)
    verdicts = Counter(one.verdict for one in said if one.verdict is not None and one.boxes)
    times = sorted(one.when for one in said if one.when)
    return {
        "version": hashlib.sha256(text.encode()).hexdigest()[:16],
        "licence": request.licence,
        "classes": list(request.classes),
        "reviews": {verdict: verdicts[verdict] for verdict in ("accept", "reject", "fix")},
        "reviewers": sorted({one.reviewer for one in said if one.reviewer}),
        "first": times[0] if times else None,
        "last": times[-1] if times else None,
        "source_pictures": len({part.row["image"] for part in parts}),
        "pictures": len(parts),
        "whole_pictures": sum(part.row["kind"] == WHOLE for part in parts),
        "hard_negatives": sum(not part.lesson.boxes for part in parts),
        "boxes": dict(sorted(Counter(name for part in parts for name, _ in part.lesson.boxes).items())),
        "places": len({part.row["place"] for part in parts}),
        "context": request.context,
    }


def _write_tables(request: Request, staging: Path, parts: Sequence[_Part], about: Mapping[str, Any]) -> None:
    with (staging / MANIFEST).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerows(part.row for part in parts)
    entry = {
        "title": f"Corrections {request.out.name}, version {about['version']}",
        "licence": request.licence,
        "url": "made by `michisora reviews build`",
        "layout": "yolo",
        "layout_checked": True,
        "path": _path_below(request),
        "table": {"path": MANIFEST, "place": "place", "labelled": "labelled", "facts": ["kind", "copied_from"]},
        "classes": {str(number): name for number, name in enumerate(request.classes)},
        "ignored": [str(len(request.classes))],
        "labels": list(request.classes),
    }
    for name, content in ((ABOUT, dict(about)), (CATALOGUE, {request.out.name: entry})):
        text = yaml.safe_dump(content, allow_unicode=True, sort_keys=False, width=110)
        (staging / name).write_text(text, encoding="utf-8")


def _path_below(request: Request) -> str:
    try:
        return request.out.resolve().relative_to(request.data.resolve()).as_posix()
    except ValueError as error:
        remedy = f"Write it below {request.data}, or name another directory with --data."
        raise ReviewError("a recipe could not name a data set here", where=request.out, remedy=remedy) from error


def _refuse_foreign(request: Request) -> None:
    out, remedy = request.out, "Name another folder with --out."
    if (strange := foreign(out, ABOUT, ("version", "reviews", "source_pictures"), _wrote)) is not None:
        what = "something else is here, which `michisora reviews build` did not write"
        raise ReviewError(what, where=strange, remedy=remedy)
    read = [*request.pictures, *request.reviews, *([] if request.detections is None else [request.detections])]
    if (lost := sources_within(out, read)) is not None:
        raise ReviewError(f"writing {out} would remove this, which is read", where=lost, remedy=remedy)


def _wrote(_: Mapping[str, Any], parts: tuple[str, ...]) -> bool:
    match parts:
        case ("manifest.csv" | "dataset.yaml" | "catalogue.yaml",) | ("train", "images" | "labels", _):
            return True
    return False


def _place(request: Request, image: str) -> str:
    if request.place is None:
        return request.out.name
    try:
        found = re.search(request.place, image)
    except re.error as error:
        raise ReviewError(f"--place is no regular expression ({error})", where=request.place) from error
    parts = [] if found is None else [one for one in found.groups() if one is not None]
    if not parts:
        remedy = f"Correct the pattern ({request.place})."
        raise ReviewError("the picture's name does not tell its place", where=image, remedy=remedy)
    return "_".join(parts)


def _find(folders: Sequence[Path], image: str) -> Path:
    remedy = "Name its folder with --pictures; of a video's frames, save those that were reviewed as pictures first."
    if Path(image).is_absolute() or ".." in Path(image).parts:
        raise ReviewError("a picture is named by its path below --pictures", where=image, remedy=remedy)
    found = next((folder / image for folder in folders if (folder / image).is_file()), None)
    if found is None:
        raise ReviewError("the picture is not there", where=image, remedy=remedy)
    return found


def _file(staging: Path, row: Mapping[str, Any], folder: str, suffix: str) -> Path:
    return staging / "train" / folder / f"{row['name']}{suffix}"
