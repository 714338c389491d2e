"""QML, the style format of QGIS, from a style."""

import re
from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from geo.styles.elements import add_symbol, option_map, rgba
from geo.styles.form import Choice, Form, Labels, MapTip
from geo.styles.renderers import Categorized, Graduated, Single, Style
from geo.styles.symbols import Kind

Aliases = Mapping[str, tuple[str, str]]

QGIS_VERSION = "3.28.0"
DOCTYPE = "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n"
_NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
# Around the symbol's edge, not its centre, in the first of these places that is free.
_AROUND = {
    "placement": "6",
    "offsetType": "1",
    "predefinedPositionOrder": "TR,TL,BR,BL,R,L,TSR,BSR",
    "dist": "0.4",
    "distUnits": "MM",
}
# Level and in the middle of what is in view of an area: QGIS's own choice lies aslant and at its edge.
_WITHIN = {"placement": "1", "quadOffset": "4", "centroidInside": "1", "centroidWhole": "0", "fitInPolygonOnly": "0"}
_PLACES: dict[Kind, dict[str, str]] = {"point": _AROUND, "line": _AROUND, "polygon": _WITHIN}
_GEOMETRY_TYPE: dict[Kind, str] = {"point": "0", "line": "1", "polygon": "2"}


def to_qml(style: Style, columns: Sequence[str] = (), aliases: Aliases | None = None) -> str:
    """The style as a QML document.

    Args:
        style: how features are drawn, labelled and edited.
        columns: the layer's columns without geometry, in order.
        aliases: column → (Japanese, English) names shown in place of the column's.
    """
    root = Element("qgis", {"version": QGIS_VERSION, "styleCategories": "AllStyleCategories"})
    add_style(root, style, columns, aliases or {})
    return document(root)


def document(root: Element) -> str:
    """A document as QGIS reads it, indented; control characters, which XML cannot hold, are left out."""
    indent(root, " ")
    return DOCTYPE + _NO_XML.sub("", tostring(root, encoding="unicode")) + "\n"


def add_style(parent: Element, style: Style, columns: Sequence[str], aliases: Aliases) -> None:
    """Append what makes up a style: to a QML document, or to a layer of a project, which hold the same elements."""
    parent.set("labelsEnabled", "0" if style.form.labels is None else "1")
    _fields(parent, columns, style.form)
    _aliases(parent, columns, aliases)
    _editable(parent, columns, style.form)
    _renderer(parent, style)
    if style.form.labels is not None:
        _labelling(parent, style.form.labels, style.kind)
    if style.form.tip is not None:
        SubElement(parent, "mapTip", {"enabled": "1"}).text = _tip_html(style.form.tip, style.form, aliases)
        SubElement(parent, "previewExpression").text = f'"{style.form.tip.title}"'
    if style.form.sort_by is not None:
        table = {"sortExpression": f'"{style.form.sort_by}"', "sortOrder": "0", "actionWidgetStyle": "dropDown"}
        SubElement(parent, "attributetableconfig", table)
    SubElement(parent, "layerGeometryType").text = _GEOMETRY_TYPE[style.kind]


def alias(names: tuple[str, str]) -> str:
    """Japanese and English as one alias: 順位 (Rank)."""
    ja, en = names
    return f"{ja} ({en})" if ja and en else ja or en


def _renderer(root: Element, style: Style) -> None:
    kinds: dict[type, Callable[[Element, Any], None]] = {
        Single: _single,
        Categorized: _categorized,
        Graduated: _graduated,
    }
    renderer = SubElement(root, "renderer-v2", {"symbollevels": "0", "enableorderby": "0", "forceraster": "0"})
    kinds[type(style)](renderer, style)


def _single(renderer: Element, style: Single) -> None:
    renderer.set("type", "singleSymbol")
    add_symbol(SubElement(renderer, "symbols"), "0", style.kind, style.symbol)


def _categorized(renderer: Element, style: Categorized) -> None:
    renderer.set("type", "categorizedSymbol")
    renderer.set("attr", style.column)
    listed = SubElement(renderer, "categories")
    symbols = SubElement(renderer, "symbols")
    rows = [(category.choice, category.symbol) for category in style.categories]
    if style.other is not None:
        # QGIS takes the empty value for "all other values".
        rows.append((Choice("", "その他", "Other"), style.other))
    for k, (choice, symbol) in enumerate(rows):
        attributes = {"value": choice.value, "type": "string", "label": choice.label, "symbol": str(k)}
        SubElement(listed, "category", {**attributes, "render": "true"})
        add_symbol(symbols, str(k), style.kind, symbol)


def _graduated(renderer: Element, style: Graduated) -> None:
    renderer.set("type", "graduatedSymbol")
    renderer.set("attr", style.column)
    renderer.set("graduatedMethod", "GraduatedColor")
    listed = SubElement(renderer, "ranges")
    symbols = SubElement(renderer, "symbols")
    for k, one in enumerate(style.ranges):
        bounds = {"lower": f"{one.lower:.15f}", "upper": f"{one.upper:.15f}"}
        SubElement(listed, "range", {**bounds, "label": one.label, "symbol": str(k), "render": "true"})
        add_symbol(symbols, str(k), style.kind, one.symbol)


def _fields(root: Element, columns: Sequence[str], form: Form) -> None:
    configuration = SubElement(root, "fieldConfiguration")
    for column in columns:
        field = SubElement(configuration, "field", {"name": column, "configurationFlags": "None"})
        if column not in form.choices:
            continue
        widget = SubElement(field, "editWidget", {"type": "ValueMap"})
        options = SubElement(SubElement(widget, "config"), "Option", {"type": "Map"})
        listed = SubElement(options, "Option", {"type": "List", "name": "map"})
        for choice in form.choices[column]:
            option_map(listed, {choice.label: choice.value})


def _aliases(root: Element, columns: Sequence[str], aliases: Aliases) -> None:
    listed = SubElement(root, "aliases")
    for k, column in enumerate(columns):
        name = alias(aliases[column]) if column in aliases else ""
        # The feature number comes before the layer's own columns.
        SubElement(listed, "alias", {"index": str(k + 1), "field": column, "name": name})


def _editable(root: Element, columns: Sequence[str], form: Form) -> None:
    if form.editable is None:
        return
    listed = SubElement(root, "editable")
    for column in columns:
        SubElement(listed, "field", {"name": column, "editable": "1" if column in form.editable else "0"})


def _labelling(root: Element, labels: Labels, kind: Kind) -> None:
    settings = SubElement(SubElement(root, "labeling", {"type": "simple"}), "settings", {"calloutType": "simple"})
    text = SubElement(
        settings,
        "text-style",
        {
            "fieldName": labels.column,
            "isExpression": "0",
            "fontSize": f"{labels.size_pt:g}",
            "fontSizeUnit": "Point",
            "fontFamily": "Noto Sans",
            "fontWeight": "75" if labels.strong else "50",
            "textColor": rgba("#000000"),
            "textOpacity": "1",
        },
    )
    buffer = {"bufferDraw": "1", "bufferSize": "0.8", "bufferSizeUnits": "MM", "bufferColor": rgba("#ffffff")}
    SubElement(text, "text-buffer", buffer)
    SubElement(settings, "placement", {**_PLACES[kind], "priority": "5"})
    scale = {"scaleVisibility": "1", "scaleMin": "1", "scaleMax": str(labels.shown_from_scale)}
    SubElement(settings, "rendering", {**scale, "drawLabels": "1", "obstacle": "1"})


def _tip_html(tip: MapTip, form: Form, aliases: Aliases) -> str:
    def value(column: str) -> str:
        field = f'"{column.replace(chr(34), 2 * chr(34))}"'
        shown = f"represent_value({field})" if column in form.choices else field
        # Tips are HTML, to QGIS; what stands in a column is text.
        return f"[% replace(replace(coalesce({shown}, '–'), '&', '&amp;'), '<', '&lt;') %]"

    lines = [f"<b>{value(tip.title)}</b>"]
    if tip.rows:
        cells = [
            f"<tr><td>{escape(alias(aliases.get(column, (column, ''))))}</td><td>{value(column)}</td></tr>"
            for column in tip.rows
        ]
        lines.append(f"<table>{''.join(cells)}</table>")
    if tip.photo is not None:
        folder = "file_path(layer_property(@layer_id, 'path'))"
        lines.append(f'<img src="[% \'file:///\' || {folder} || \'/\' || "{tip.photo}" %]" width="320">')
    return "\n".join(lines)
