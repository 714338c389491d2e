"""A project as QGIS writes it (.qgs): its layers, their tree, the first view, and the sheets to print.

The schema is that of QGIS 3.22; later versions read it. Paths are relative to the project's folder.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from xml.etree.ElementTree import Element, SubElement

from pyproj import CRS

from geo.geopackage import Layer
from geo.project.elements import add_crs, add_extent, add_values
from geo.project.sheet import Sheet, add_sheet
from geo.styles.qml import add_style, document
from geo.styles.symbols import Kind

__all__ = ["Group", "MapLayer", "PictureLayer", "Project", "to_qgs"]

Bounds = tuple[float, float, float, float]
_VERSION: Final = "3.22.0-Białowieża"
_GEOMETRY: Final[dict[Kind, str]] = {"point": "Point", "line": "Line", "polygon": "Polygon"}


@dataclass(frozen=True, slots=True)
class MapLayer:
    """A layer of a GeoPackage, in the style that it has there.

    Attributes:
        layer: what was written.
        file: the GeoPackage's name, beside the project.
        shown: whether it is ticked when the project opens.
        from_scale: it is drawn at 1 : this and larger scales; None draws it at all.
    """

    layer: Layer
    file: str
    shown: bool = True
    from_scale: int | None = None

    @property
    def key(self) -> str:
        """The layer's id in the project; QGIS replaces ids of up to ten letters."""
        return f"michisora_layer_{self.layer.name}"

    @property
    def title(self) -> str:
        """What the tree calls it."""
        return self.layer.title

    @property
    def source(self) -> str:
        """Where QGIS finds it."""
        return f"./{self.file}|layername={self.layer.name}"


@dataclass(frozen=True, slots=True)
class PictureLayer:
    """A GeoTIFF of red, green, blue and alpha (or a mask) in the project's CRS.

    Attributes:
        title: what the tree calls it.
        file: its name, beside the project.
        shown: whether it is ticked when the project opens.
    """

    title: str
    file: str
    shown: bool = True

    @property
    def key(self) -> str:
        """The layer's id in the project."""
        return f"michisora_picture_{self.file.partition('.')[0]}"

    @property
    def source(self) -> str:
        """Where QGIS finds it."""
        return f"./{self.file}"


@dataclass(frozen=True, slots=True)
class Group:
    """Layers under one heading of the tree, those drawn on top first."""

    title: str
    layers: tuple[MapLayer | PictureLayer, ...]


@dataclass(frozen=True, slots=True)
class Project:
    """A project.

    Attributes:
        title: of the window.
        crs: of the map view.
        bounds: west, south, east, north of the first view, in `crs`.
        groups: those drawn on top first.
        sheets: print layouts.
        date: the survey's; stands for the time of saving, so that equal input gives equal bytes.
    """

    title: str
    crs: CRS
    bounds: Bounds
    groups: tuple[Group, ...]
    sheets: tuple[Sheet, ...]
    date: dt.date

    @property
    def layers(self) -> Iterator[MapLayer | PictureLayer]:
        """All layers, those drawn on top first."""
        return (layer for group in self.groups for layer in group.layers)


def to_qgs(project: Project) -> str:
    """The project as XML."""
    saved = f"{project.date.isoformat()}T00:00:00"
    root = Element("qgis", {"projectname": project.title, "version": _VERSION, "saveDateTime": saved})
    SubElement(root, "homePath", {"path": ""})
    SubElement(root, "title").text = project.title
    add_crs(SubElement(root, "projectCrs"), project.crs)
    _tree(root, project)
    _canvas(root, project)
    listed = SubElement(root, "projectlayers")
    # QGIS reads layers from the bottom up.
    for layer in reversed(list(project.layers)):
        _map_layer(listed, layer) if isinstance(layer, MapLayer) else _picture_layer(listed, layer, project.crs)
    order = SubElement(root, "layerorder")
    for layer in project.layers:
        SubElement(order, "layer", {"id": layer.key})
    _properties(root)
    sheets = SubElement(root, "Layouts")
    for sheet in project.sheets:
        add_sheet(sheets, sheet, project.bounds)
    _first_view(root, project)
    return document(root)


def _tree(root: Element, project: Project) -> None:
    tree = SubElement(root, "layer-tree-group")
    for group in project.groups:
        ticked = {"checked": "Qt::Checked", "expanded": "1"}
        branch = SubElement(tree, "layer-tree-group", {"name": group.title, **ticked})
        for layer in group.layers:
            leaf = {
                "id": layer.key,
                "name": layer.title,
                "source": layer.source,
                "providerKey": "ogr" if isinstance(layer, MapLayer) else "gdal",
                "checked": "Qt::Checked" if layer.shown else "Qt::Unchecked",
                "expanded": "1" if layer.shown and isinstance(layer, MapLayer) else "0",
            }
            SubElement(branch, "layer-tree-layer", leaf)
    SubElement(tree, "custom-order", {"enabled": "0"})


def _canvas(root: Element, project: Project) -> None:
    canvas = SubElement(root, "mapcanvas", {"name": "theMapCanvas", "annotationsVisible": "1"})
    SubElement(canvas, "units").text = "meters"
    add_extent(canvas, "extent", project.bounds)
    SubElement(canvas, "rotation").text = "0"
    add_crs(SubElement(canvas, "destinationsrs"), project.crs)


def _map_layer(parent: Element, one: MapLayer) -> None:
    style = one.layer.style
    geometry = "No geometry" if style is None else _GEOMETRY[style.kind]
    limited = {"hasScaleBasedVisibilityFlag": "1", "minScale": str(one.from_scale), "maxScale": "0"}
    element = SubElement(
        parent,
        "maplayer",
        {
            "type": "vector",
            "geometry": geometry,
            "styleCategories": "AllStyleCategories",
            **(limited if one.from_scale is not None else {"hasScaleBasedVisibilityFlag": "0"}),
        },
    )
    _named(element, one, "ogr")
    if one.layer.spatial:
        add_crs(SubElement(element, "srs"), CRS(one.layer.frame.crs))
    if style is not None:
        add_style(element, style, one.layer.columns, one.layer.aliases)


def _picture_layer(parent: Element, one: PictureLayer, crs: CRS) -> None:
    element = SubElement(parent, "maplayer", {"type": "raster", "styleCategories": "AllStyleCategories"})
    _named(element, one, "gdal")
    add_crs(SubElement(element, "srs"), crs)
    pipe = SubElement(element, "pipe")
    bands = {"redBand": "1", "greenBand": "2", "blueBand": "3", "alphaBand": "4"}
    SubElement(pipe, "rasterrenderer", {"type": "multibandcolor", "opacity": "1", **bands})


def _named(element: Element, one: MapLayer | PictureLayer, provider: str) -> None:
    SubElement(element, "id").text = one.key
    SubElement(element, "datasource").text = one.source
    SubElement(element, "layername").text = one.title
    SubElement(element, "provider", {"encoding": "UTF-8"}).text = provider


def _properties(root: Element) -> None:
    """Relative paths, so that the folder can be moved; lengths on the ellipsoid in metres, areas in hectares."""
    properties = SubElement(root, "properties")
    # Without this the project's CRS is not read.
    add_values(SubElement(properties, "SpatialRefSys"), {"ProjectionsEnabled": ("int", "1")})
    add_values(SubElement(properties, "Paths"), {"Absolute": ("bool", "false")})
    measured = {"DistanceUnits": ("QString", "meters"), "AreaUnits": ("QString", "ha")}
    add_values(SubElement(properties, "Measurement"), measured)


def _first_view(root: Element, project: Project) -> None:
    settings = SubElement(root, "ProjectViewSettings", {"UseProjectScales": "0"})
    west, south, east, north = (f"{value:.3f}" for value in project.bounds)
    extent = {"xmin": west, "ymin": south, "xmax": east, "ymax": north}
    add_crs(SubElement(settings, "DefaultViewExtent", extent), project.crs)
