"""Frames as Arrow tables, with one stated type a column: what GDAL writes is what was meant, also for empty layers."""

import datetime as dt
import json
import math
import uuid
from collections.abc import Callable
from pathlib import PurePath
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import pyarrow as pa
import shapely
from numpy.typing import NDArray

from geo.errors import LayerError
from geo.geopackage.layer import GEOMETRY, Layer
from geo.styles import Kind

_FAMILY: dict[Kind, str] = {"point": "Point", "line": "LineString", "polygon": "Polygon"}
_NARROWED = {pa.uint8(): pa.int16(), pa.uint16(): pa.int32(), pa.uint32(): pa.int64(), pa.int8(): pa.int16()}
_AS_TEXT = (str, uuid.UUID, PurePath)
_AS_JSON = (list, tuple, dict, set, frozenset, np.ndarray)


def to_arrow(layer: Layer) -> tuple[pa.Table, str | None]:
    """The layer as an Arrow table, and its geometry's type in GDAL's words (None for an attribute table).

    Floats that are nan become null. Lists and mappings become JSON text, UUIDs and paths text. Geometry becomes
    two-dimensional WKB; single and multiple parts in one layer all become multiple.

    Raises:
        LayerError: a column of mixed types, geometry of mixed kinds, or of another kind than the style draws.
    """
    table = {name: _column(layer, name) for name in layer.columns}
    if not layer.spatial:
        return pa.table(table), None
    shapes, kind = _geometry(layer)
    table[GEOMETRY] = pa.array(shapely.to_wkb(shapes), type=pa.binary())
    return pa.table(table), kind


def _column(layer: Layer, name: str) -> pa.Array:
    series = layer.frame[name]
    try:
        if series.dtype == object:
            return _from_objects(series)
        if isinstance(series.dtype, pd.CategoricalDtype):
            return _from_objects(series.astype(object))
        values = pa.Array.from_pandas(series)
        if isinstance(values, pa.ChunkedArray):
            values = values.combine_chunks()
        return _narrowed(values)
    except (pa.ArrowException, TypeError, ValueError) as error:
        raise LayerError(
            f"column {name} cannot be written ({str(error).splitlines()[0]})",
            where=layer.name,
            remedy="Give every value of the column the same type",
        ) from error


def _narrowed(values: pa.Array) -> pa.Array:
    """Types that GeoPackage lacks, as the ones it has."""
    if pa.types.is_large_string(values.type) or pa.types.is_string_view(values.type):
        return values.cast(pa.string())
    if pa.types.is_timestamp(values.type):
        return values.cast(pa.timestamp("ms", values.type.tz), safe=False)
    return values.cast(_NARROWED.get(values.type, values.type))


def _from_objects(series: "pd.Series[Any]") -> pa.Array:
    values = [None if _missing(value) else value for value in series]
    first = next((value for value in values if value is not None), None)
    if first is None or isinstance(first, _AS_TEXT):
        return pa.array([_mapped(str, _AS_TEXT, value) for value in values], type=pa.string())
    if isinstance(first, _AS_JSON):
        return pa.array([_mapped(_json, _AS_JSON, value) for value in values], type=pa.string())
    if isinstance(first, dt.date) and not isinstance(first, dt.datetime):
        return pa.array(values, type=pa.date32())
    return _narrowed(pa.array(values))


def _missing(value: object) -> bool:
    return value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value))


def _mapped(convert: Callable[[Any], str], accepted: tuple[type, ...], value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, accepted):
        raise TypeError(f"{type(value).__name__} among {accepted[0].__name__}")
    return convert(value)


def _json(value: object) -> str:
    def plain(inner: Any) -> object:
        if isinstance(inner, (set, frozenset)):
            return sorted(inner)
        return inner.tolist() if isinstance(inner, (np.ndarray, np.generic)) else str(inner)

    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=plain)


def _geometry(layer: Layer) -> tuple[NDArray[Any], str]:
    frame: gpd.GeoDataFrame = layer.frame
    shapes = frame.geometry.to_numpy()
    if shapely.has_z(shapes).any():  # not always: it copies every shape
        shapes = shapely.force_2d(shapes)
    present = {shape.geom_type for shape in shapes if shape is not None}
    families = {name.removeprefix("Multi") for name in present}
    wanted = _FAMILY[layer.style.kind] if layer.style is not None else None
    if len(families) > 1 or (wanted is not None and families - {wanted}):
        drawn = f"; its style draws {wanted}" if wanted else ""
        raise LayerError(f"the layer mixes or mistakes geometry: {', '.join(sorted(present))}{drawn}", where=layer.name)
    if not families:
        return shapes, wanted or "Unknown"
    family = families.pop()
    if f"Multi{family}" not in present:
        return shapes, family
    return np.array([_as_multiple(shape) for shape in shapes], dtype=object), f"Multi{family}"


def _as_multiple(shape: Any) -> Any:
    if shape is None or shape.geom_type.startswith("Multi"):
        return shape
    build = {"Point": shapely.multipoints, "LineString": shapely.multilinestrings, "Polygon": shapely.multipolygons}
    return build[shape.geom_type]([shape])
