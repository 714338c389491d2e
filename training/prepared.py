"""One form for everything a recipe wants: YOLO text, a table by picture, and a catalogue that names it.

    OUT/catalogue.yaml            the sets under their own names, for `--data OUT --catalogue OUT/catalogue.yaml`
    OUT/dataset.yaml              version (a hash of the content), pictures, places and boxes of every part
    OUT/NAME/manifest.csv         by picture: place, stretch, labelled classes, facts, where it came from
    OUT/NAME/SPLIT/images/        the pictures as they were: linked where the disk allows it, else copied
    OUT/NAME/SPLIT/labels/        a line a box; the id after the last class marks ignored regions
    OUT/NAME/SPLIT/masks/CLASS/   pixel masks, where the set has them

Samples read from here are the samples that were read from the sets themselves, so that nothing below `michisora
prepare` knows where data came from.
"""

import csv
import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from models.card import sha256_of
from training.errors import SourceError
from training.folders import foreign, sources_within
from training.sources.catalogue import PictureTable, Source
from training.sources.pictures import picture_size
from training.sources.samples import Sample, Sets

__all__ = ["ABOUT", "CATALOGUE", "Part", "chosen", "write_prepared"]

ABOUT, CATALOGUE, MANIFEST = "dataset.yaml", "catalogue.yaml", "manifest.csv"
COLUMNS = ("name", "split", "place", "stretch", "labelled", "boxes", "ignored_regions", "picture", "sha256")
OF_THE_ORIGINAL = (
    *("archives", "images", "annotations", "splits", "divide", "without"),
    *("only", "place", "stretch", "distrust_empty", "pieces"),
)
"""Fields of an entry that say how the set was found and read: they say nothing of what is written here."""
Part = tuple[str, str]
"""A data set and one of its splits."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class _Page:
    """One picture to write: its `name` in the set, its `split`, its sample, and its path below the original set."""

    name: str
    split: str
    sample: Sample
    origin: PurePosixPath


def chosen(samples: Sequence[Sample], limit: int | None) -> list[Sample]:
    """At most `limit` of the pictures, the same whatever else is in the set: those whose names hash lowest."""
    if limit is None or len(samples) <= limit:
        return list(samples)
    kept = sorted(samples, key=lambda one: hashlib.sha256(one.picture.stem.encode()).digest())[:limit]
    names = {one.picture for one in kept}
    return [one for one in samples if one.picture in names]


def write_prepared(
    parts: Mapping[Part, Sequence[Sample]],
    classes: Sequence[str],
    sets: Sets,
    out: Path,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Write the parts below `out`, in place of what was prepared there before; returns what `dataset.yaml` says.

    Args:
        parts: the samples of each data set and split.
        classes: the model's classes, in the order of their ids.
        sets: where the samples were read from.
        out: the folder.
        progress: called with pictures done and in all.

    Raises:
        SourceError: when `out` holds something else or a set that is read, or a set cannot be written in this form.
    """
    _refuse_foreign(out, dict.fromkeys(name for name, _ in parts), sets)
    staging = out.with_name(f".{out.name}.part")
    shutil.rmtree(staging, ignore_errors=True)
    staging.mkdir(parents=True)
    done, total = 0, sum(len(some) for some in parts.values())
    entries: dict[str, Any] = {}
    rows: dict[str, list[dict[str, Any]]] = {}
    try:
        for name in dict.fromkeys(name for name, _ in parts):
            pages = _pages(name, parts, sets)
            rows[name] = []
            for page in pages:
                rows[name].append(_write_page(page, classes, staging / name))
                done += 1
                if progress is not None:
                    progress(done, total)
            facts = _facts(name, [page.sample for page in pages])
            _write_manifest(staging / name / MANIFEST, facts, rows[name])
            entries[name] = _entry(name, sets.source(name), [page.sample for page in pages], classes)
        about = _about(parts, classes, rows, entries)
        for file, content in ((CATALOGUE, entries), (ABOUT, about)):
            text = yaml.safe_dump(content, allow_unicode=True, sort_keys=False, width=110)
            (staging / file).write_text(text, encoding="utf-8")
        shutil.rmtree(out, ignore_errors=True)
        staging.replace(out)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return about


def _pages(name: str, parts: Mapping[Part, Sequence[Sample]], sets: Sets) -> list[_Page]:
    """The pictures of a set in the order they were read, under names of which no two are equal."""
    folder = sets.root(name) / sets.source(name).path
    some = [
        (split, one, PurePosixPath(one.picture.relative_to(folder)))
        for (of_set, split), samples in parts.items()
        if of_set == name
        for one in samples
    ]
    often = Counter(origin.stem for _, _, origin in some)
    named = [
        _Page(origin.stem if often[origin.stem] == 1 else "_".join(origin.with_suffix("").parts), split, one, origin)
        for split, one, origin in some
    ]
    twice = next((name for name, n in Counter(page.name for page in named).items() if n > 1), None)
    if twice is not None:
        remedy = "Rename one: YOLO tells labels by the picture's name without suffix."
        raise SourceError(f"two pictures are called {twice}", where=folder, remedy=remedy)
    return named


def _write_page(page: _Page, classes: Sequence[str], folder: Path) -> dict[str, Any]:
    """Write picture, labels and masks; returns the row of the manifest."""
    sample, split = page.sample, folder / page.split
    picture = split / "images" / f"{page.name}{sample.picture.suffix}"
    _link(sample.picture, picture)
    for label, mask in sample.masks.items():
        if mask.is_file():
            _link(mask, split / "masks" / label / f"{page.name}.png")
    size = picture_size(picture)
    lines = [*_lines(sample.class_id, sample.xyxy, size)]
    lines += _lines(np.full(len(sample.ignored), len(classes)), sample.ignored, size)
    labels = split / "labels" / f"{page.name}.txt"
    labels.parent.mkdir(parents=True, exist_ok=True)
    labels.write_text("".join(lines), encoding="utf-8")
    return {
        **sample.facts,
        "name": page.name,
        "split": page.split,
        "place": sample.place.partition("/")[2],
        "stretch": sample.stretch.partition("/")[2],
        "labelled": " ".join(one for one, known in zip(classes, sample.labelled, strict=True) if known),
        "boxes": len(sample.xyxy),
        "ignored_regions": len(sample.ignored),
        "picture": str(page.origin),
        "sha256": sha256_of(picture),
    }


def _link(source: Path, target: Path) -> None:
    """The same file under another path: a hard link, or a copy where the two lie on different file systems."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.link(source.resolve(), target)
    except OSError:
        shutil.copyfile(source, target)


def _lines(class_id: NDArray[Any], xyxy: NDArray[np.float32], size_px: tuple[int, int]) -> Iterable[str]:
    """YOLO lines with all the digits that bring the very same pixels back."""
    width, height = size_px
    for label, (left, top, right, bottom) in zip(class_id.tolist(), xyxy.astype(np.float64).tolist(), strict=True):
        fractions = ((left + right) / 2 / width, (top + bottom) / 2 / height)
        extent = ((right - left) / width, (bottom - top) / height)
        yield f"{label} " + " ".join(repr(one) for one in (*fractions, *extent)) + "\n"


def _facts(name: str, samples: Sequence[Sample]) -> list[str]:
    facts = list(dict.fromkeys(fact for one in samples for fact in one.facts))
    taken = next((one for one in facts if one in COLUMNS), None)
    if taken is not None:
        remedy = f"Call it otherwise: the prepared table has the columns {', '.join(COLUMNS)}."
        raise SourceError(f"a fact of {name} is called {taken}", remedy=remedy)
    return facts


def _write_manifest(path: Path, facts: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, [*COLUMNS, *facts], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _entry(name: str, source: Source, samples: Sequence[Sample], classes: Sequence[str]) -> dict[str, Any]:
    """The catalogue's entry: who made the set and what is wrong with it as before, its form as it is written here."""
    table = PictureTable(
        path=Path(MANIFEST),
        place="place" if any(one.place for one in samples) else None,
        stretch="stretch" if any(one.stretch for one in samples) else None,
        labelled="labelled",
        facts=tuple(_facts(name, samples)),
    )
    plain = {field: Source.model_fields[field].get_default(call_default_factory=True) for field in OF_THE_ORIGINAL}
    form = {
        "by_hand": "run `michisora prepare TASK --out DIR` again",
        "layout": "yolo",
        "layout_checked": True,
        "path": Path(name),
        "table": table,
        "classes": {str(number): label for number, label in enumerate(classes)},
        "ignored": (str(len(classes)),),
        "masks": {label: Path("masks") / label for label in source.masks},
    }
    entry = source.model_copy(update={**plain, **form})
    return entry.model_dump(mode="json", exclude_defaults=True)


def _about(
    parts: Mapping[Part, Sequence[Sample]],
    classes: Sequence[str],
    rows: Mapping[str, Sequence[Mapping[str, Any]]],
    entries: Mapping[str, Any],
) -> dict[str, Any]:
    digest = hashlib.sha256(repr([list(classes), entries, rows]).encode())
    for some in parts.values():
        for one in some:
            digest.update(one.xyxy.tobytes() + one.class_id.tobytes() + one.ignored.tobytes())
            for mask in one.masks.values():
                digest.update(sha256_of(mask).encode() if mask.is_file() else b"")
    return {
        "version": digest.hexdigest()[:16],
        "classes": list(classes),
        "parts": {
            f"{name}/{split}": {
                "pictures": len(some),
                "places": len({one.place for one in some if one.place}),
                "boxes": {
                    label: int(sum((one.class_id == number).sum() for one in some))
                    for number, label in enumerate(classes)
                },
            }
            for (name, split), some in parts.items()
        },
    }


def _refuse_foreign(out: Path, names: Iterable[str], sets: Sets) -> None:
    remedy = "Name another folder with --out."
    if (strange := foreign(out, ABOUT, ("version", "classes", "parts"), _wrote)) is not None:
        raise SourceError(
            "something else is here, which `michisora prepare` did not write", where=strange, remedy=remedy
        )
    lost = sources_within(out, (sets.root(name) / sets.source(name).path for name in names))
    if lost is not None:
        raise SourceError(f"writing {out} would remove this data set, which is read", where=lost, remedy=remedy)


def _wrote(said: Mapping[str, Any], parts: tuple[str, ...]) -> bool:
    written = said["parts"] or {}
    match parts:
        case ("catalogue.yaml" | "dataset.yaml",):
            return True
        case (name, "manifest.csv"):
            return any(part.rpartition("/")[0] == name for part in written)
        case (name, split, "images" | "labels", _) | (name, split, "masks", _, _):
            return f"{name}/{split}" in written
    return False
