"""Pascal VOC annotations, one XML file a picture, as RDD2022 and NeonTreeEvaluation ship them."""

from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import parse

from training.errors import SourceError
from training.sources.boxes import Box, Labelled, Place, clip, pictures_in, refuse_other_size
from training.sources.pictures import picture_size

__all__ = ["load_annotated", "load_voc", "read_voc"]

SIDES = ("width", "height")
CORNERS = ("xmin", "ymin", "xmax", "ymax")


def load_voc(place: Place) -> list[Labelled]:
    """Every picture of a split; one without an annotation is refused, since it is not known to show nothing.

    Raises:
        SourceError: when an annotation is missing or unreadable, or has no picture.
    """
    pictures = pictures_in(place.images)
    stems = {one.stem for one in pictures}
    lone = next((one for one in sorted(place.annotations.glob("*.xml")) if one.stem not in stems), None)
    if lone is not None and pictures:
        raise SourceError(f"the picture of this annotation is missing from {place.images}", where=lone)
    return [_labelled(one, place.annotations / f"{one.stem}.xml") for one in pictures]


def load_annotated(place: Place) -> list[Labelled]:
    """The pictures that have an annotation: NeonTreeEvaluation keeps unlabelled plots beside its labelled ones.

    Its one folder of annotations serves several splits, so that an annotation without a picture here is no fault.
    """
    pairs = [(one, place.annotations / f"{one.stem}.xml") for one in pictures_in(place.images)]
    return [_labelled(one, path) for one, path in pairs if path.exists()]


def _labelled(picture: Path, annotation: Path) -> Labelled:
    return Labelled(picture, picture.stem, read_voc(annotation, picture_size(picture)))


def read_voc(path: Path, size_px: tuple[int, int]) -> list[tuple[str, Box]]:
    """The boxes of one annotation as (label, box), in px, clipped to the picture.

    VOC counts pixels from 1 and includes the last one; RDD2022 was labelled with tools that write corners, from 0.
    The corners are taken as they stand: the difference is under one pixel.

    Args:
        path: the annotation.
        size_px: width and height of its picture. The annotation must state the same, or nothing (0 × 0).

    Raises:
        SourceError: when there is no annotation, it is no XML or of another picture, or an object has no box or lies
            outside the picture.
    """
    try:
        root = parse(path).getroot()
    except FileNotFoundError as error:
        remedy = "A picture with nothing on it has an annotation without objects; pictures without one are unlabelled."
        raise SourceError("the annotation is missing", where=path, remedy=remedy) from error
    except (ParseError, DefusedXmlException) as error:
        raise SourceError(f"the annotation cannot be read ({error})", where=path) from error
    if root is None:
        raise SourceError("the annotation is empty", where=path)
    stated = [0.0 if root.find(f"size/{side}") is None else _number(root, f"size/{side}", path) for side in SIDES]
    refuse_other_size((stated[0], stated[1]), size_px, path)
    boxes = []
    for item in root.iter("object"):
        left, top, right, bottom = (_number(item, f"bndbox/{corner}", path) for corner in CORNERS)
        inside = clip((left, top, right, bottom), size_px, path)
        if inside is not None:
            boxes.append((item.findtext("name", default="").strip(), inside))
    return boxes


def _number(element: Element, tag: str, path: Path) -> float:
    text = element.findtext(tag, default="")
    try:
        return float(text)
    except ValueError as error:
        raise SourceError(f"{tag} is {text!r}, not a number", where=path) from error
