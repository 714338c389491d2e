"""Writing GeoPackages whole."""

import contextlib
import datetime as dt
import os
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyogrio
from pyogrio.errors import DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError

from geo.errors import LayerError
from geo.geopackage.arrow import to_arrow
from geo.geopackage.layer import FID, GEOMETRY, Layer
from geo.styles import to_qml
from geo.styles.qml import alias

VERSION = "1.2"
STYLES_TABLE = "layer_styles"

_OGR_ERRORS = (DataLayerError, DataSourceError, FeatureError, FieldError, GeometryError)

# GeoPackage 1.2, extension "Schema"; GDAL takes `name` for a field's alternative name, other programs `title`.
_DATA_COLUMNS = """
CREATE TABLE gpkg_data_columns (
  table_name TEXT NOT NULL, column_name TEXT NOT NULL, name TEXT, title TEXT, description TEXT, mime_type TEXT,
  constraint_name TEXT, CONSTRAINT pk_gdc PRIMARY KEY (table_name, column_name),
  CONSTRAINT gdc_tn UNIQUE (table_name, name))
"""
_DATA_COLUMN_CONSTRAINTS = """
CREATE TABLE gpkg_data_column_constraints (
  constraint_name TEXT NOT NULL, constraint_type TEXT NOT NULL, value TEXT, min NUMERIC, min_is_inclusive BOOLEAN,
  max NUMERIC, max_is_inclusive BOOLEAN, description TEXT,
  CONSTRAINT gdcc_ntv UNIQUE (constraint_name, constraint_type, value))
"""
_EXTENSIONS = """
CREATE TABLE IF NOT EXISTS gpkg_extensions (
  table_name TEXT, column_name TEXT, extension_name TEXT NOT NULL, definition TEXT NOT NULL, scope TEXT NOT NULL,
  CONSTRAINT ge_tce UNIQUE (table_name, column_name, extension_name))
"""
_SCHEMA = ("gpkg_schema", "http://www.geopackage.org/spec120/#extension_schema", "read-write")


def write_geopackage(path: Path, layers: Sequence[Layer], date: dt.date) -> None:
    """Write a GeoPackage 1.2 whole: to a temporary name beside `path`, synced, then renamed over it.

    Equal layers and an equal date give equal bytes: the time stamps that the format wants are the date's midnight. A
    reader sees the old file or the new one, never a part of it. Not for several threads of one process at a time:
    GDAL's clock is one for all.

    Args:
        path: the GeoPackage; replaced if it exists.
        layers: in the order that they are listed in.
        date: the survey's date.

    Raises:
        LayerError: a layer that cannot be written, a full disk, or a place that cannot be written to.
    """
    path = Path(path)
    _refuse_repeated(layers, path)
    temporary = path.with_name(f".{path.stem}.tmp.gpkg")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _discard(temporary)
        with _fixed_clock(date):
            for layer in layers:  # one at a time: a table of 200,000 crowns is 100 MB
                _write_layer(temporary, layer, *to_arrow(layer))
            _write_styles(temporary, layers, date)
        _describe(temporary, layers)
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
    except (OSError, sqlite3.Error, *_OGR_ERRORS) as error:
        raise LayerError(
            f"the GeoPackage cannot be written ({str(error).splitlines()[0]})",
            where=path,
            remedy="Check the free space, the folder's permissions, and that no other program has it open",
        ) from error
    finally:
        with contextlib.suppress(OSError):
            _discard(temporary)


def _refuse_repeated(layers: Sequence[Layer], path: Path) -> None:
    names = [layer.name.lower() for layer in layers]
    if not names:
        raise LayerError("no layer to write", where=path)
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise LayerError(f"several layers are called {', '.join(repeated)}", where=path)


@contextlib.contextmanager
def _fixed_clock(date: dt.date) -> Iterator[None]:
    """GDAL stamps `gpkg_contents.last_change` with this time instead of the clock's."""
    before = pyogrio.get_gdal_config_option("OGR_CURRENT_DATE")
    pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": f"{date:%Y-%m-%d}T00:00:00.000Z"})
    try:
        yield
    finally:
        pyogrio.set_gdal_config_options({"OGR_CURRENT_DATE": before})


def _write_layer(path: Path, layer: Layer, table: pa.Table, kind: str | None) -> None:
    spatial = (
        {} if kind is None else {"geometry_name": GEOMETRY, "geometry_type": kind, "crs": layer.frame.crs.to_wkt()}
    )
    _append(path, layer.name, table, {"IDENTIFIER": layer.title, "FID": FID}, **spatial)


def _append(path: Path, name: str, table: pa.Table, options: dict[str, str], **spatial: str) -> None:
    creation = {} if path.exists() else {"dataset_options": {"VERSION": VERSION}}
    pyogrio.write_arrow(table, path, layer=name, driver="GPKG", layer_options=options, **creation, **spatial)


def _write_styles(path: Path, layers: Sequence[Layer], date: dt.date) -> None:
    """The table in which QGIS keeps styles inside a GeoPackage, with one default style a layer."""
    styled = [layer for layer in layers if layer.style is not None]
    if not styled:
        return
    count = len(styled)
    midnight = dt.datetime.combine(date, dt.time(), tzinfo=dt.UTC)
    table = pa.table(
        {
            "f_table_catalog": pa.array([""] * count),
            "f_table_schema": pa.array([""] * count),
            "f_table_name": pa.array([layer.name for layer in styled]),
            "f_geometry_column": pa.array([GEOMETRY if layer.spatial else "" for layer in styled]),
            "styleName": pa.array([layer.name for layer in styled]),
            "styleQML": pa.array([_qml(layer) for layer in styled]),
            "styleSLD": pa.array([""] * count),
            "useAsDefault": pa.array([True] * count),
            "description": pa.array([layer.title for layer in styled]),
            "owner": pa.array([""] * count),
            "ui": pa.array([None] * count, type=pa.string()),
            "update_time": pa.array([midnight] * count, type=pa.timestamp("ms", "UTC")),
        }
    )
    _append(path, STYLES_TABLE, table, {"FID": "id"})


def _qml(layer: Layer) -> str | None:
    return None if layer.style is None else to_qml(layer.style, layer.columns, layer.aliases)


def _describe(path: Path, layers: Sequence[Layer]) -> None:
    """Name the columns for other programs than QGIS (GDAL's Arrow writer has no words for it), and prove the file.

    What SQLite could not write in full shows here at the latest: GDAL reports some failures of closing as warnings.
    """
    with contextlib.closing(sqlite3.connect(path)) as base, base:
        for layer in layers:
            (count,) = base.execute(f'SELECT count(*) FROM "{layer.name}"').fetchone()
            if count != len(layer.frame):
                raise sqlite3.DatabaseError(f"{layer.name} holds {count} of {len(layer.frame)} features")
        for statement in (_EXTENSIONS, _DATA_COLUMNS, _DATA_COLUMN_CONSTRAINTS):
            base.execute(statement)
        for table in ("gpkg_data_columns", "gpkg_data_column_constraints"):
            base.execute("INSERT INTO gpkg_extensions VALUES (?, NULL, ?, ?, ?)", (table, *_SCHEMA))
        base.executemany(
            "INSERT INTO gpkg_data_columns (table_name, column_name, name, title) VALUES (?, ?, ?, ?)", _named(layers)
        )


def _named(layers: Sequence[Layer]) -> Iterator[tuple[str, str, str, str]]:
    for layer in layers:
        for column in layer.columns:
            if column in layer.aliases:
                name = alias(layer.aliases[column])
                yield layer.name, column, name, name


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _discard(temporary: Path) -> None:
    for suffix in ("", "-journal", "-wal", "-shm"):
        temporary.with_name(temporary.name + suffix).unlink(missing_ok=True)
