"""Reading a layer back with the types it was written with."""

import datetime as dt
import sqlite3
from contextlib import closing
from pathlib import Path

import geopandas as gpd
import pandas as pd
import pyarrow as pa
import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError

from geo.errors import LayerError

_NULLABLE = {
    pa.int16(): pd.Int16Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.bool_(): pd.BooleanDtype(),
}


def last_change(path: Path, name: str) -> str:
    """When a layer was last changed, ISO 8601 in UTC, as GDAL and QGIS note it; "" where they do not."""
    query = "SELECT last_change FROM gpkg_contents WHERE table_name = ?"
    try:
        with closing(sqlite3.connect(f"{Path(path).absolute().as_uri()}?mode=ro", uri=True)) as database:
            (text,) = database.execute(query, (name,)).fetchone() or ("",)
        when = dt.datetime.fromisoformat(str(text))
    except (sqlite3.Error, ValueError):
        return ""
    return (when if when.tzinfo else when.replace(tzinfo=dt.UTC)).astimezone(dt.UTC).isoformat()


def read_layer(path: Path, name: str, most: int | None = None) -> gpd.GeoDataFrame | pd.DataFrame:
    """A layer as it was written: integers that may be missing stay integers, dates are `datetime.date`.

    Args:
        path: the GeoPackage.
        name: the layer.
        most: so many rows at most.

    Returns:
        GeoDataFrame, or DataFrame for an attribute table; without the row number.

    Raises:
        LayerError: no such file or layer, or not a GeoPackage.
    """
    path = Path(path)
    if not path.exists():
        raise LayerError("no such GeoPackage", where=path)
    try:
        meta, table = pyogrio.read_arrow(path, layer=name, max_features=most)
    except (DataLayerError, DataSourceError) as error:
        raise LayerError(f"layer {name} cannot be read ({str(error).splitlines()[0]})", where=path) from error
    frame = table.to_pandas(types_mapper=_NULLABLE.get, date_as_object=True)
    geometry = meta["geometry_name"] or ("wkb_geometry" if "wkb_geometry" in frame else None)
    if geometry is None:
        return frame
    shapes = gpd.GeoSeries.from_wkb(frame.pop(geometry), crs=meta["crs"])
    return gpd.GeoDataFrame(frame, geometry=shapes)
