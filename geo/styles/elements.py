"""Building blocks of QML: options and symbols, in the schema of QGIS 3.22 and later."""

from xml.etree.ElementTree import Element, SubElement

from geo.styles.symbols import Kind, Symbol

SYMBOL_TYPE: dict[Kind, str] = {"point": "marker", "line": "line", "polygon": "fill"}
_LAYER_CLASS: dict[Kind, str] = {"point": "SimpleMarker", "line": "SimpleLine", "polygon": "SimpleFill"}


def option_map(parent: Element, values: dict[str, str], name: str | None = None) -> Element:
    """Append an `<Option type="Map">` of strings."""
    attributes = {"type": "Map"} if name is None else {"type": "Map", "name": name}
    options = SubElement(parent, "Option", attributes)
    for key, value in values.items():
        SubElement(options, "Option", {"type": "QString", "name": key, "value": value})
    return options


def add_symbol(parent: Element, name: str, kind: Kind, symbol: Symbol) -> Element:
    """Append a `<symbol>` of one simple layer."""
    attributes = {"alpha": f"{symbol.opacity:g}", "clip_to_extent": "1", "force_rhr": "0"}
    element = SubElement(parent, "symbol", {"name": name, "type": SYMBOL_TYPE[kind], **attributes})
    layer = SubElement(element, "layer", {"class": _LAYER_CLASS[kind], "pass": "0", "locked": "0", "enabled": "1"})
    option_map(layer, {"point": _marker, "line": _line, "polygon": _fill}[kind](symbol))
    return element


def rgba(colour: str, opacity: float = 1.0) -> str:
    """`#rrggbb` as QGIS writes it, `r,g,b,a`, each from 0 to 255."""
    return ",".join([*(str(int(colour[k : k + 2], 16)) for k in (1, 3, 5)), str(round(255 * opacity))])


def _ground_size(symbol: Symbol) -> str:
    """QgsMapUnitScale: no limits by scale, then smallest and largest size in millimetres."""
    return f"3x:0,0,1,{symbol.min_mm:g},1,{symbol.max_mm:g}"


def _marker(symbol: Symbol) -> dict[str, str]:
    return {
        "name": symbol.shape if symbol.shape != "solid" else "circle",
        "color": rgba(symbol.colour),
        "size": f"{symbol.size_m:g}",
        "size_unit": "RenderMetersInMapUnits",
        "size_map_unit_scale": _ground_size(symbol),
        "outline_color": rgba(symbol.outline),
        "outline_style": "solid",
        "outline_width": f"{symbol.outline_mm:g}",
        "outline_width_unit": "MM",
        "scale_method": "diameter",
        "horizontal_anchor_point": "1",
        "vertical_anchor_point": "1",
    }


def _line(symbol: Symbol) -> dict[str, str]:
    return {
        "line_color": rgba(symbol.colour),
        "line_style": symbol.shape,
        "line_width": f"{symbol.size_m:g}",
        "line_width_unit": "RenderMetersInMapUnits",
        "width_map_unit_scale": _ground_size(symbol),
        "capstyle": "flat",
        "joinstyle": "round",
    }


def _fill(symbol: Symbol) -> dict[str, str]:
    return {
        "color": rgba(symbol.colour, symbol.fill_opacity),
        "style": symbol.shape,
        "outline_color": rgba(symbol.outline),
        "outline_style": "solid",
        "outline_width": f"{symbol.outline_mm:g}",
        "outline_width_unit": "MM",
    }
