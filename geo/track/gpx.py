"""GPX 1.0 and 1.1, read through gpxpy once the XML is known to be harmless."""

import datetime as dt
import re
from pathlib import Path
from typing import Any, Final
from xml.etree.ElementTree import Element, ParseError

import gpxpy
import numpy as np
from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring
from gpxpy.gpx import GPX, GPXException

from geo.errors import TrackError
from geo.track.fixes import Fixes, ReadCounts
from geo.track.repeats import without_repeats
from geo.track.units import sd_of_radius

MAX_BYTES: Final = 100 * 1024**2
_DECLARATION: Final = re.compile(rb"^\s*<\?xml[^>]*?\?>")
_ENCODING: Final = re.compile(rb"""encoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_SPEED: Final = ("speed",)
_COURSE: Final = ("course", "bearing")
_ACCURACY: Final = ("accuracy", "hacc", "horizontalaccuracy")


def read_gpx(path: Path, max_bytes: int = MAX_BYTES) -> Fixes:
    """The points of all tracks of a GPX file; of its routes or waypoints where it has no track.

    Speed (m/s) and course are taken from GPX 1.0's own elements and from 1.1's extensions (Garmin's
    TrackPointExtension, OsmAnd); an extension `accuracy` is the radius that holds 68 % of positions. Times without
    a zone are UTC, as GPX defines. Points elsewhere in the file than GPX has them count as unreadable,
    those that repeat a position while moving as duplicates.

    Args:
        path: the file.
        max_bytes: a larger file is refused unread.

    Raises:
        TrackError: too large, not GPX, XML that declares a DTD or entities, no points, or points without times.
    """
    text, root = _harmless(path, max_bytes)
    try:
        points, way = _points(gpxpy.parse(text))
    except (GPXException, ValueError, TypeError, AttributeError) as error:
        raise TrackError(f"not readable as GPX: {_one_line(error)}", where=path, remedy="Export it anew") from error
    if not points:
        raise TrackError("the GPX holds no points", where=path, remedy="Export the recorded track, with its points")
    times = [_seconds(point.time) for point in points]
    if not np.isfinite(times).any():
        remedy = "Export the recorded track with times; a planned route has none"
        raise TrackError(f"none of the GPX's {len(points)} points has a time", where=path, remedy=remedy)
    elements = _elements(root, way)
    if len(elements) != len(points):
        problem = f"not readable as GPX: {len(points)} of its {len(elements)} points lie where GPX has them"
        raise TrackError(problem, where=path, remedy="Export it anew")
    said = [_said(element) for element in elements]
    astray = sum(_local(element.tag) == way[-1] for element in root.iter()) - len(elements)
    fixes = Fixes.of(
        times,
        [point.longitude for point in points],
        [point.latitude for point in points],
        speed_mps=[_number(texts, _SPEED) for texts in said],
        bearing_deg=[_number(texts, _COURSE) for texts in said],
        sd_m=sd_of_radius([_number(texts, _ACCURACY) for texts in said]),
        source=str(path),
        counts=ReadCounts(unreadable=astray),
    )
    return without_repeats(fixes)


def _harmless(path: Path, max_bytes: int) -> tuple[str, Element]:
    """The file's text without its XML declaration, and its root, once it is known to be GPX and to declare no DTD."""
    if path.stat().st_size > max_bytes:
        remedy = "Split it by day; a day at ten fixes a second takes less"
        raise TrackError(f"the GPX is larger than {max_bytes // 1024**2} MiB", where=path, remedy=remedy)
    text = _decoded(path.read_bytes(), path)
    try:
        root = fromstring(text, forbid_dtd=True)
    except DefusedXmlException as error:
        remedy = "No GPX needs one: do not trust this file; export the track anew"
        raise TrackError("the XML declares a DTD or entities (an XML bomb)", where=path, remedy=remedy) from error
    except (ParseError, ValueError) as error:
        remedy = "It may be cut short: copy it anew from the logger"
        raise TrackError(f"not well-formed XML: {_one_line(error)}", where=path, remedy=remedy) from error
    if _local(root.tag) != "gpx":
        raise TrackError(f"not GPX: the XML is a <{_local(root.tag)}>", where=path, remedy="Export the track as GPX")
    return text, root


def _decoded(raw: bytes, path: Path) -> str:
    try:
        if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
            return re.sub(r"^\s*<\?xml[^>]*?\?>", "", raw.decode("utf-16"))
        raw = raw.removeprefix(b"\xef\xbb\xbf")
        declaration = _DECLARATION.match(raw)
        named = _ENCODING.search(declaration[0]) if declaration else None
        return _DECLARATION.sub(b"", raw).decode(named[1].decode() if named else "utf-8")
    except (UnicodeDecodeError, LookupError) as error:
        remedy = "Save the GPX as UTF-8"
        raise TrackError("the GPX is not in the encoding that it states", where=path, remedy=remedy) from error


def _points(gpx: GPX) -> tuple[list[Any], tuple[str, ...]]:
    """The points, and the names of the elements that they lie in, and of their own."""
    tracks = [point for track in gpx.tracks for segment in track.segments for point in segment.points]
    routes = [point for route in gpx.routes for point in route.points]
    if tracks:
        return tracks, ("trk", "trkseg", "trkpt")
    return (routes, ("rte", "rtept")) if routes else (list(gpx.waypoints), ("wpt",))


def _elements(root: Element, way: tuple[str, ...]) -> list[Element]:
    """The elements that lie below the root by the names in `way`, in the order of the file."""
    found = [root]
    for name in way:
        found = [child for parent in found for child in parent if _local(child.tag) == name]
    return found


def _seconds(time: dt.datetime | None) -> float:
    if time is None:
        return float("nan")
    return (time if time.tzinfo else time.replace(tzinfo=dt.UTC)).timestamp()


def _said(point: Element) -> dict[str, str]:
    """What a point says, plainly or in extensions: gpxpy keeps plain <speed> of GPX 1.0 only, many loggers write it."""
    return {_local(element.tag): element.text for element in point.iter() if element.text}


def _number(texts: dict[str, str], names: tuple[str, ...]) -> float:
    for name in names:
        try:
            return float(texts[name])
        except (KeyError, ValueError):
            continue
    return float("nan")


def _local(tag: object) -> str:
    return str(tag).rpartition("}")[2].rpartition(":")[2].lower()


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:160]
