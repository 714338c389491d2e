"""Rows of `left, top, width, height` in px: MOTChallenge's gt.txt a sequence, and VisDrone's a picture."""

import csv
from collections import defaultdict
from pathlib import Path

from training.errors import SourceError
from training.sources.boxes import Box, Labelled, Place, clip, pictures_in, read_labels
from training.sources.pictures import picture_size

__all__ = ["load_mot", "load_visdrone"]

MOT_FIELDS = 8
VISDRONE_FIELDS = 6


def load_mot(place: Place) -> list[Labelled]:
    """Every frame of every sequence below `place.images`: `SEQUENCE/img1/000001.jpg` and `SEQUENCE/gt/gt.txt`.

    A row is frame, track, left, top, width, height, whether it counts, class, visibility; frames and pixels count from
    1. A row that does not count (distractors, reflections) is a region in which nothing is judged.

    Raises:
        SourceError: when a sequence has no labels, a row is no box, or names a frame that is missing.
    """
    labelled = []
    for sequence in sorted(one for one in place.images.glob("*") if (one / "img1").is_dir()):
        labelled += _sequence(sequence)
    return labelled


def load_visdrone(place: Place) -> list[Labelled]:
    """Every picture of a split: a row is left, top, width, height, whether it counts, category, truncation, occlusion.

    Category 0 and rows that do not count are regions in which nobody labelled anything.

    Raises:
        SourceError: when a label file is missing or a row is no box.
    """
    labelled = []
    for picture in pictures_in(place.images):
        path, size = place.annotations / f"{picture.stem}.txt", picture_size(picture)
        boxes: list[tuple[str, Box]] = []
        ignored: list[Box] = []
        for number, row in enumerate(_rows(path, VISDRONE_FIELDS), start=1):
            box = clip(_corners(row[:4]), size, f"{path}, line {number}")
            if box is not None and (row[4] == 0 or row[5] == 0):
                ignored.append(box)
            elif box is not None:
                boxes.append((f"{row[5]:g}", box))
        labelled.append(Labelled(picture, picture.stem, boxes, tuple(ignored)))
    return labelled


def _sequence(folder: Path) -> list[Labelled]:
    path = folder / "gt" / "gt.txt"
    frames = {int(one.stem): one for one in pictures_in(folder / "img1") if one.stem.isdigit()}
    boxes: dict[int, list[tuple[str, Box]]] = defaultdict(list)
    ignored: dict[int, list[Box]] = defaultdict(list)
    size = picture_size(next(iter(frames.values()))) if frames else (0, 0)
    for number, row in enumerate(_rows(path, MOT_FIELDS), start=1):
        frame, where = int(row[0]), f"{path}, line {number}"
        if frame not in frames:
            raise SourceError(f"the frame {frame} is missing from {folder / 'img1'}", where=where)
        # People walk out of the picture and are labelled to their full extent: beyond its edge is no fault here.
        box = _inside(_corners([row[2] - 1, row[3] - 1, *row[4:6]]), size, where)
        if box is not None and row[6] == 0:
            ignored[frame].append(box)
        elif box is not None:
            boxes[frame].append((f"{row[7]:g}", box))
    return [
        Labelled(one, f"{folder.name}/img1/{one.stem}", boxes[frame], tuple(ignored[frame]))
        for frame, one in sorted(frames.items())
    ]


def _inside(box: Box, size_px: tuple[int, int], where: str) -> Box | None:
    left, top, right, bottom = box
    touches = left < size_px[0] and top < size_px[1] and right > 0 and bottom > 0
    return clip(box, size_px, where) if touches else None


def _corners(row: list[float]) -> Box:
    left, top, width, height = row
    return (left, top, left + width, top + height)


def _rows(path: Path, least: int) -> list[list[float]]:
    if not path.is_file():
        remedy = "Pictures without a label file are unlabelled; one with nothing on it has an empty file."
        raise SourceError("the label file is missing", where=path, remedy=remedy)
    lines = [[field for field in row if field.strip()] for row in csv.reader(read_labels(path).splitlines()) if row]
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            row = [float(field) for field in line]
        except ValueError as error:
            raise SourceError("a label is a row of numbers", where=f"{path}, line {number}") from error
        if len(row) < least:
            raise SourceError(f"a label has {len(row)} numbers, not {least}", where=f"{path}, line {number}")
        rows.append(row)
    return rows
