"""A sheet to print: A3 across, with map, legend, scale bar, north arrow and what a reader must know.

Left the map, at a round scale; right the legend and the notes; below the scale bar and the source.
"""

import uuid
from dataclasses import dataclass
from typing import Final
from xml.etree.ElementTree import Element, SubElement

from geo.scales import map_scale, round_length
from geo.styles.elements import option_map, rgba

__all__ = ["MAP_MM", "Entry", "Sheet", "SheetWords", "add_sheet", "sheet_scale"]

Box = tuple[float, float, float, float]
"""Left, top, width, height on the page, mm."""

_PAGE_MM: Final = (420.0, 297.0)
_TITLE: Final[Box] = (10, 8, 340, 11)
_UNDER: Final[Box] = (10, 19.5, 340, 6)
_MAP: Final[Box] = (10, 28, 302, 240)
MAP_MM: Final = (_MAP[2], _MAP[3])
_NORTH: Final[Box] = (392, 8, 18, 18)
_LEGEND: Final[Box] = (319, 28, 91, 140)
_WORTH: Final[Box] = (319, 182, 91, 7)
_NOTES: Final[Box] = (319, 190, 91, 78)
_BAR: Final[Box] = (10, 271, 120, 12)
_SCALE: Final[Box] = (118, 271.5, 60, 8)
_SOURCE: Final[Box] = (10, 285, 400, 6)
_BAR_MM: Final = 80.0
_FONT: Final = "Noto Sans"
_INK, _SOFT = "#1f2933", "#5b6470"
# QGIS's numbers of layout items, and Qt's of alignments.
_PAGE_ITEM, _MAP_ITEM, _PICTURE_ITEM, _LABEL_ITEM, _LEGEND_ITEM, _BAR_ITEM = 65638, 65639, 65640, 65641, 65642, 65646
_LEFT, _TOP = "1", "32"
_HOUSE: Final = uuid.UUID("0d6b5a53-5f5e-5c8e-9d46-6a1b6f6c2d11")


@dataclass(frozen=True, slots=True)
class Entry:
    """A layer in the legend.

    Attributes:
        key: the layer's id in the project.
        title: what the legend calls it.
        classes: number of the class in the style → its words; classes that are not named are left out. Empty for a
            layer of one symbol, which stands beside the title.
    """

    key: str
    title: str
    classes: tuple[tuple[int, str], ...] = ()


@dataclass(frozen=True, slots=True)
class SheetWords:
    """What is written on a sheet.

    Attributes:
        title: the heading.
        under: what, when and how much, in a line.
        legend: heading of the legend.
        notes_title: heading of the notes.
        notes: what a reader must know to trust the map as far as it deserves; a paragraph a line.
        source: what the map was made from, and by what.
    """

    title: str
    under: str
    legend: str
    notes_title: str
    notes: str
    source: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """A print layout: its name in QGIS, its words, and its legend from top to bottom."""

    name: str
    words: SheetWords
    entries: tuple[Entry, ...]


def sheet_scale(bounds: Box) -> float:
    """The scale's denominator at which west, south, east and north (m) are printed."""
    west, south, east, north = bounds
    return map_scale(east - west, north - south, MAP_MM)


def add_sheet(parent: Element, sheet: Sheet, bounds: Box) -> None:
    """Append a `<Layout>`.

    Args:
        parent: the project's `<Layouts>`.
        sheet: what to print.
        bounds: west, south, east, north of what the map must show, m.
    """
    layout = SubElement(parent, "Layout", {"name": sheet.name, "units": "mm", "printResolution": "300"})
    pages = SubElement(layout, "PageCollection")
    _item(pages, sheet, "page", _PAGE_ITEM, (0, 0, *_PAGE_MM))
    scale = sheet_scale(bounds)
    _picture(layout, sheet)
    words = sheet.words
    for name, box, text, size, colour in (
        ("title", _TITLE, words.title, 20.0, _INK),
        ("under", _UNDER, words.under, 11.0, _SOFT),
        ("notes_title", _WORTH, words.notes_title, 13.0, _INK),
        ("notes", _NOTES, words.notes, 8.5, _INK),
        ("source", _SOURCE, words.source, 8.0, _SOFT),
    ):
        _label(layout, sheet, name, box, (text, size, colour))
    _bar(layout, sheet, scale, "Single Box", _BAR)
    _bar(layout, sheet, scale, "Numeric", _SCALE)
    _legend(layout, sheet)
    _map(layout, sheet, bounds, scale)


def _uuid(sheet: Sheet, name: str) -> str:
    return "{" + str(uuid.uuid5(_HOUSE, f"{sheet.name} {name}")) + "}"


def _item(parent: Element, sheet: Sheet, name: str, kind: int, box: Box, **more: str) -> Element:
    left, top, width, height = (f"{value:g}" for value in box)
    attributes = {
        "type": str(kind),
        "id": name,
        "uuid": _uuid(sheet, name),
        "templateUuid": _uuid(sheet, name),
        "position": f"{left},{top},mm",
        "positionOnPage": f"{left},{top},mm",
        "size": f"{width},{height},mm",
        "referencePoint": "0",
        "visibility": "1",
        "frame": "false",
        "background": "false",
        "opacity": "1",
    }
    return SubElement(parent, "LayoutItem", attributes | more)


def _map(parent: Element, sheet: Sheet, bounds: Box, scale: float) -> None:
    west, south, east, north = bounds
    x, y = (west + east) / 2, (south + north) / 2
    half_x, half_y = (scale * length / 2000 for length in MAP_MM)
    more = {"frame": "true", "background": "true", "zValue": "1", "keepLayerSet": "false", "drawCanvasItems": "true"}
    item = _item(parent, sheet, "map", _MAP_ITEM, _MAP, **more)
    extent = {"xmin": x - half_x, "ymin": y - half_y, "xmax": x + half_x, "ymax": y + half_y}
    SubElement(item, "Extent", {key: f"{value:.6f}" for key, value in extent.items()})


def _picture(parent: Element, sheet: Sheet) -> None:
    arrow = {"file": ":/images/north_arrows/layout_default_north_arrow.svg", "mapUuid": _uuid(sheet, "map")}
    fill = {"svgFillColor": rgba(_INK), "svgBorderColor": rgba(_INK), "svgBorderWidth": "0.2"}
    _item(parent, sheet, "north", _PICTURE_ITEM, _NORTH, northMode="0", resizeMode="0", mode="2", **arrow, **fill)


def _label(parent: Element, sheet: Sheet, name: str, box: Box, said: tuple[str, float, str]) -> None:
    text, size, colour = said
    plain = {"halign": _LEFT, "valign": _TOP, "htmlState": "0", "marginX": "0", "marginY": "0"}
    item = _item(parent, sheet, name, _LABEL_ITEM, box, labelText=text, **plain)
    SubElement(item, "LabelFont", {"description": _font(size), "style": ""})
    red, green, blue, alpha = rgba(colour).split(",")
    SubElement(item, "FontColor", {"red": red, "green": green, "blue": blue, "alpha": alpha})


def _font(size: float) -> str:
    """Qt's description: family, points, pixels, hint, weight, italic, underlined, struck out, fixed, raw."""
    return f"{_FONT},{size:g},-1,5,50,0,0,0,0,0"


def _bar(parent: Element, sheet: Sheet, scale: float, style: str, box: Box) -> None:
    length = round_length(_BAR_MM * scale / 1000)
    kilometres = length >= 2000
    more = {
        "style": style,
        "mapUuid": _uuid(sheet, "map"),
        "numSegments": "2",
        "numSegmentsLeft": "0",
        "numUnitsPerSegment": f"{length / 2 / (1000 if kilometres else 1):g}",
        "numMapUnitsPerScaleBarUnit": "1",
        "segmentSizeMode": "0",
        "unitType": "km" if kilometres else "meters",
        "unitLabel": "km" if kilometres else "m",
        "height": "2.5",
        "boxContentSpace": "0",
        "labelBarSpace": "1.5",
        "alignment": "0",
    }
    item = _item(parent, sheet, style.lower().replace(" ", "_"), _BAR_ITEM, box, **more)
    text = {"fontFamily": _FONT, "fontSize": "10", "fontSizeUnit": "Point", "fontWeight": "50"}
    SubElement(item, "text-style", {**text, "textColor": rgba(_INK), "textOpacity": "1"})
    # Bars of half a unit have a decimal; a scale is a whole number, and 499.999999 is 500.
    decimals = "2" if style == "Single Box" else "0"
    digits = {"decimals": decimals, "rounding_type": "0", "show_thousand_separator": "true"}
    option_map(SubElement(item, "numericFormat", {"id": "basic"}), {**digits, "show_trailing_zeros": "false"})


def _legend(parent: Element, sheet: Sheet) -> None:
    look = {"symbolWidth": "7", "symbolHeight": "4", "lineSpacing": "1", "columnCount": "1", "boxSpace": "0"}
    linked = {"title": sheet.words.legend, "map_uuid": _uuid(sheet, "map"), "resizeToContents": "1"}
    item = _item(parent, sheet, "legend", _LEGEND_ITEM, _LEGEND, **look, **linked)
    styles = SubElement(item, "styles")
    for name, size, margins in (
        ("title", 13.0, {"marginBottom": "2"}),
        ("group", 11.0, {"marginTop": "3"}),
        ("subgroup", 10.0, {"marginTop": "3"}),
        ("symbol", 9.0, {"marginTop": "1.3"}),
        ("symbolLabel", 9.0, {"marginTop": "1.3", "marginLeft": "2"}),
    ):
        style = SubElement(styles, "style", {"name": name, "alignment": "1", **margins})
        SubElement(style, "styleFont", {"description": _font(size), "style": ""})
    tree = SubElement(item, "layer-tree-group")
    for entry in sheet.entries:
        leaf = SubElement(tree, "layer-tree-layer", {"id": entry.key, "name": entry.title, "checked": "Qt::Checked"})
        told = {"cached_name": entry.title, "legend/title-label": entry.title}
        if entry.classes:
            told["legend/node-order"] = ",".join(str(number) for number, _ in entry.classes)
            told |= {f"legend/label-{number}": text for number, text in entry.classes}
        option_map(SubElement(leaf, "customproperties"), told)
