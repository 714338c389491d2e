"""The roads that a survey is laid on: reading them, snapping to them, cutting them into sections."""

from geo.network.read import read_roads
from geo.network.roads import Roads
from geo.network.values import LINK_COLUMNS, SnapParams, Snapped

__all__ = ["LINK_COLUMNS", "Roads", "SnapParams", "Snapped", "read_roads"]
