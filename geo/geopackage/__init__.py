"""GeoPackages: written whole, styled, and with equal bytes for equal input; and read back with their types."""

from geo.geopackage.layer import Layer
from geo.geopackage.read import last_change, read_layer
from geo.geopackage.write import write_geopackage

__all__ = ["Layer", "last_change", "read_layer", "write_geopackage"]
