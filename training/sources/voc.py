"""Pascal VOC annotations, one XML file a picture, as RDD2022 and NeonTreeEvaluation ship them."""

from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import parse

from training.errors import SourceError
from training.sources.boxes import Box, Labelled, Place, clip, pictures_in

__all__ = ["load_annotated", "load_voc", "read_voc"]

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
    return [Labelled(one, one.stem, read_voc(place.annotations / f"{one.stem}.xml")) for one in pictures]


def load_annotated(place: Place) -> list[Labelled]:
    """The pictures that have an annotation: NeonTreeEvaluation keeps unlabelled plots beside its labelled ones.

    Its one folder of annotations serves several splits, so that an annotation without a picture here is no fault.
    """
    pairs = [(one, place.annotations / f"{one.stem}.xml") for one in pictures_in(place.images)]
    return [Labelled(one, one.stem, read_voc(path)) for one, path in pairs if path.exists()]


def read_voc(path: Path) -> list[tuple[str, Box]]:
    """The boxes of one annotation as (label, box), in px, clipped to the picture.

    VOC counts pixels from 1 and includes the last one; RDD2022 was labelled with tools that write corners, from 0.
    The corners are taken as they stand: the difference is under one pixel.

    Raises:
        SourceError: when there is no annotation, it is no XML, or an object has no box or lies outside the picture.
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
    width, height = (_number(root, f"size/{side}", path) for side in ("width", "height"))
    boxes = []
    for item in root.iter("object"):
        left, top, right, bottom = (_number(item, f"bndbox/{corner}", path) for corner in CORNERS)
        inside = clip((left, top, right, bottom), (width, height), path)
        if inside is not None:
            boxes.append((item.findtext("name", default="").strip(), inside))
    return boxes


def _number(element: Element, tag: str, path: Path) -> float:
    text = element.findtext(tag, default="")
    try:
        return float(text)
    except ValueError as error:
        raise SourceError(f"{tag} is {text!r}, not a number", where=path) from error
