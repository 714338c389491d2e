"""Classes of roads, and the widths assumed where a map gives none.

The vocabulary is OpenStreetMap's `highway`, without the `_link` of ramps. Japanese administrative classes are mapped as
the Japanese OpenStreetMap community tags them (wiki page "JA:Japan tagging", 道路).
"""

import math
import re

LANE_WIDTH_M = {
    "motorway": 3.5,
    "trunk": 3.25,
    "primary": 3.25,
    "secondary": 3.0,
    "tertiary": 3.0,
}
"""Lane widths by Japan's Road Structure Ordinance (道路構造令, article 5): 3.5 m down to 2.75 m for local roads."""

DEFAULT_LANE_WIDTH_M = 2.75

DEFAULT_WIDTH_M = {
    "motorway": 7.0,
    "trunk": 6.5,
    "primary": 6.5,
    "secondary": 6.0,
    "tertiary": 6.0,
    "unclassified": 5.5,
    "residential": 4.5,
    "living_street": 4.0,
    "service": 4.0,
    "track": 3.0,
}
"""Carriageway width where neither width nor lanes are known: two lanes, or one shared by both directions."""

NOT_DRIVEN = (
    *("footway", "pedestrian", "steps", "path", "cycleway", "bridleway", "corridor", "platform", "elevator"),
    *("construction", "proposed", "planned", "razed", "abandoned"),
)
"""Values of `highway` that no car drives on."""

UNKNOWN = "unknown"
UNKNOWN_WIDTH_M = 5.5

_JAPANESE = (
    ("高速", "motorway"),
    ("自動車専用", "motorway"),
    ("国道", "trunk"),
    ("主要地方道", "primary"),
    ("都道府県道", "secondary"),
    ("県道", "secondary"),
    ("都道", "secondary"),
    ("府道", "secondary"),
    ("市町村道", "unclassified"),
    ("市道", "unclassified"),
    ("町道", "unclassified"),
    ("村道", "unclassified"),
    ("区道", "unclassified"),
    ("林道", "track"),
    ("農道", "track"),
    ("私道", "service"),
    ("道道", "secondary"),
)
"""Words in a class, the first that fits counting: 市道道路 is a 市道, and no 道道."""

_LENGTH = re.compile(r"^\s*(\d+(?:[.,]\d+)?)\s*(m|ft|'|)\s*$", re.IGNORECASE)
_METRES = {"": 1.0, "m": 1.0, "ft": 0.3048, "'": 0.3048}
_PLAUSIBLE_WIDTH_M = (1.0, 100.0)


def road_class(value: object) -> str:
    """The class of a road from what a map says (`primary_link`, `市道 1級` …); `unknown` if it says nothing known."""
    text = str(value).strip().lower().removesuffix("_link")
    if text in DEFAULT_WIDTH_M:
        return text
    return next((name for word, name in _JAPANESE if word in text), UNKNOWN)


def parse_width_m(value: object) -> float:
    """Metres from a number or a tag such as `5.5`, `5,5 m` or `18 ft`; nan if it is not a plausible width."""
    found = _LENGTH.match(str(value))
    if found is None:
        return math.nan
    width = float(found[1].replace(",", ".")) * _METRES[found[2].lower()]
    return width if _PLAUSIBLE_WIDTH_M[0] <= width <= _PLAUSIBLE_WIDTH_M[1] else math.nan


def parse_lanes(value: object) -> int:
    """Number of lanes from a number or a tag, 0 if unknown."""
    try:
        lanes = float(str(value))
    except ValueError:
        return 0
    return int(lanes) if 1 <= lanes <= 16 else 0


def carriageway(class_: str, lanes: int, width_m: float) -> tuple[float, str]:
    """Width of the carriageway in metres, and where it comes from: `given`, `lanes` or `class`."""
    if math.isfinite(width_m):
        return width_m, "given"
    if lanes:
        return lanes * LANE_WIDTH_M.get(class_, DEFAULT_LANE_WIDTH_M), "lanes"
    return DEFAULT_WIDTH_M.get(class_, UNKNOWN_WIDTH_M), "class"
