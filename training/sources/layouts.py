"""The layouts that data sets come in: where their parts lie, and what reads them."""

from collections.abc import Callable, Mapping
from pathlib import Path

from training.errors import SourceError
from training.sources.boxes import Labelled, Place
from training.sources.catalogue import LayoutName, Source
from training.sources.coco import load_coco
from training.sources.deepforest import load_deepforest
from training.sources.masks import load_dnit, load_masks
from training.sources.mot import load_mot, load_visdrone
from training.sources.people import load_crowdhuman, load_vistas
from training.sources.voc import load_annotated, load_voc
from training.sources.yolo import load_yolo

__all__ = ["place_of_split", "read_split"]

WHERE: Mapping[LayoutName, tuple[str, str]] = {
    "yolo": ("{split}/images", "{split}/labels"),
    "voc": ("{split}/images", "{split}/annotations/xmls"),
    "masks": ("{split}/images", "{split}"),
    "dnit": ("{split}", "{split}"),
    "coco": ("{split}", "annotations/{split}.json"),
    "deepforest_csv": ("{split}", "{split}.csv"),
    "deepforest_xml": ("{split}", "annotations"),
    "mot": ("{split}", "{split}"),
    "visdrone": ("{split}/images", "{split}/annotations"),
    "crowdhuman": ("Images", "annotation_{split}.odgt"),
    "vistas": ("{split}/images", "{split}/v2.0/polygons"),
}
"""Folder of the pictures, folder or file of the annotations, below the data set's folder; entries may say otherwise."""

READERS: Mapping[LayoutName, Callable[[Place], list[Labelled]]] = {
    "yolo": load_yolo,
    "voc": load_voc,
    "coco": load_coco,
    "deepforest_csv": load_deepforest,
    "deepforest_xml": load_annotated,
    "mot": load_mot,
    "visdrone": load_visdrone,
    "crowdhuman": load_crowdhuman,
    "vistas": load_vistas,
}


def place_of_split(source: Source, folder: Path, split: str) -> Place:
    """Where the pictures and annotations of one split lie.

    Args:
        source: the data set's entry.
        folder: the data set's folder.
        split: the split as we call it (`train`, `val`); `source.splits` says what the data set calls it.
    """
    images, annotations = WHERE[source.layout]
    theirs = source.splits.get(split, split)
    parts = (source.images or images, source.annotations or annotations)
    return Place(*(folder / part.replace("{split}", theirs) for part in parts))


def read_split(name: str, source: Source, folder: Path, split: str) -> list[Labelled]:
    """The labelled pictures of one folder of a data set, ordered by name.

    Raises:
        SourceError: when there are none, or a label says something impossible.
    """
    place = place_of_split(source, folder, split)
    if not place.images.is_dir():
        raise SourceError(f"the data set {name} has no pictures here", where=place.images, remedy=_remedy(name, source))
    if source.layout == "masks":
        labelled = load_masks(place, {label: source.masks[label] for label in source.classes}, source.pieces)
    elif source.layout == "dnit":
        labelled = load_dnit(place, source.classes, source.pieces)
    else:
        labelled = READERS[source.layout](place)
    if source.layout == "yolo" and source.labels and not any(place.annotations.glob("*.txt")):
        remedy = "YOLO keeps labels beside the folder of pictures; where nothing is on any picture, put one empty file."
        raise SourceError(f"the pictures of {name} have no label files here", where=place.annotations, remedy=remedy)
    if not labelled:
        raise SourceError(f"the data set {name} has no pictures here", where=place.images, remedy=_remedy(name, source))
    return labelled


def _remedy(name: str, source: Source) -> str:
    if source.archives:
        return f"Run `michisora fetch {name}`, or name another directory with --data or --mirror."
    how = source.by_hand or f"fetch it from {source.url} and unpack it there"
    return f"{how[0].upper()}{how[1:]}, or name another directory with --data or --mirror."
