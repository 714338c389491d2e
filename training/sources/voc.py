"""Pascal VOC annotations, as RDD2022 ships them: `annotations/xmls/NAME.xml` beside `images/NAME.jpg`."""

from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import parse

from training.errors import SourceError
from training.sources.yolo import Box

__all__ = ["read_voc"]

CORNERS = ("xmin", "ymin", "xmax", "ymax")


def read_voc(path: Path) -> list[tuple[str, Box]]:
    """The boxes of one annotation as (label, box), in px, clipped to the picture.

    VOC counts pixels from 1 and includes the last one; RDD2022 was labelled with tools that write corners, from 0.
    The corners are taken as they stand: the difference is under one pixel.

    Raises:
        SourceError: when there is no annotation, it is no XML, or an object has no box.
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
        box = (max(0.0, left), max(0.0, top), min(width, right), min(height, bottom))
        if box[2] > box[0] and box[3] > box[1]:
            boxes.append((item.findtext("name", default="").strip(), box))
    return boxes


def _number(element: Element, tag: str, path: Path) -> float:
    text = element.findtext(tag, default="")
    try:
        return float(text)
    except ValueError as error:
        raise SourceError(f"{tag} is {text!r}, not a number", where=path) from error
