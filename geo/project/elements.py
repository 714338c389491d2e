"""Building blocks of a project's XML."""

from collections.abc import Mapping
from xml.etree.ElementTree import Element, SubElement

from pyproj import CRS

__all__ = ["add_crs", "add_extent", "add_values"]


def add_crs(parent: Element, crs: CRS) -> None:
    """Append a `<spatialrefsys>`: the authority's code where there is one, and WKT."""
    element = SubElement(parent, "spatialrefsys")
    SubElement(element, "wkt").text = crs.to_wkt()
    authority = crs.to_authority()
    SubElement(element, "authid").text = "" if authority is None else ":".join(authority)
    SubElement(element, "description").text = crs.name
    SubElement(element, "geographicflag").text = "true" if crs.is_geographic else "false"


def add_extent(parent: Element, name: str, bounds: tuple[float, float, float, float]) -> None:
    """Append west, south, east and north, to the millimetre."""
    element = SubElement(parent, name)
    for key, value in zip(("xmin", "ymin", "xmax", "ymax"), bounds, strict=True):
        SubElement(element, key).text = f"{value:.3f}"


def add_values(parent: Element, values: Mapping[str, tuple[str, str]]) -> None:
    """Append a project's properties: name → (type, value)."""
    for name, (kind, value) in values.items():
        SubElement(parent, name, {"type": kind}).text = value
