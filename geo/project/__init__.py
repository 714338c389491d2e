"""QGIS projects: the layers of a product, in order and styled, with a sheet to print; written without QGIS."""

from geo.project.document import Group, MapLayer, PictureLayer, Project, to_qgs
from geo.project.sheet import Entry, Sheet, SheetWords, sheet_scale

__all__ = ["Entry", "Group", "MapLayer", "PictureLayer", "Project", "Sheet", "SheetWords", "sheet_scale", "to_qgs"]
