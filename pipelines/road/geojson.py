"""Defects as GeoJSON, for maps on the web and for people without a GIS."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import geopandas as gpd
import numpy as np
import pandas as pd
import shapely


def geojson(defects: gpd.GeoDataFrame) -> str:
    """Defects as RFC 7946 GeoJSON: WGS 84 to seven decimals (a centimetre), the terms of the priority as an object.

    Columns of raw bytes, which people may add in QGIS, have no form in JSON and are left out.
    """
    raw = [name for name in defects.columns if any(isinstance(value, bytes) for value in defects[name])]
    degrees = (defects.to_crs(4326) if len(defects) else defects).drop(columns=raw)
    degrees = degrees.set_geometry(shapely.transform(degrees.geometry.to_numpy(), lambda at: np.round(at, 7)))
    features = [_feature(one) for one in degrees.iterfeatures(na="null", drop_id=True)]
    return json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False, indent=1) + "\n"


def _feature(feature: dict[str, Any]) -> dict[str, Any]:
    properties = {key: _json_value(value) for key, value in feature["properties"].items()}
    if isinstance(properties.get("terms"), str):
        properties["terms"] = json.loads(properties["terms"] or "{}")
    return {"type": "Feature", "properties": properties, "geometry": feature["geometry"]}


def _json_value(value: Any) -> Any:
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return None
    if isinstance(value, dt.date):
        return value.isoformat()
    return value.item() if isinstance(value, np.generic) else value
