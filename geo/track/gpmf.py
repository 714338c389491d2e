"""GPMF, the format of GoPro's telemetry: entries of key, length and value.

Written after GoPro's own description (the README of its `gpmf-parser`). An entry is a key of four letters, the letter
of its values' type, the size of a row in bytes (uint8), the number of rows (uint16) and the rows, filled up to a
multiple of four bytes; everything is big-endian. An entry of type 0 holds entries again: a device (`DEVC`) holds
streams (`STRM`), and within a stream an entry may say how to read those after it: `SCAL` holds the divisors of the
columns, `TYPE` the columns' types where they differ (the type is `?`).
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from geo.track.fixes import Array

NESTED: Final = ""
_COMPLEX: Final = "?"
_HEAD: Final = struct.Struct(">4sBBH")
_ALIGNED: Final = 4
_NUMBERS: Final = {
    **{"b": "i1", "B": "u1", "s": ">i2", "S": ">u2", "l": ">i4", "L": ">u4"},
    **{"j": ">i8", "J": ">u8", "f": ">f4", "d": ">f8"},
}


class GpmfError(ValueError):
    """Bytes that are not GPMF, or GPMF cut short; readers of a file count it and go on."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry.

    Attributes:
        key: its four letters.
        kind: the letter of its values' type; `NESTED` where it holds entries.
        row_bytes: size of one row.
        data: its rows, without what fills them up.
    """

    key: str
    kind: str
    row_bytes: int
    data: bytes


def entries(data: bytes) -> Iterator[Entry]:
    """The entries that follow one another in `data`.

    Raises:
        GpmfError: an entry ends behind the data's end.
    """
    at = 0
    while at + _HEAD.size <= len(data):
        key, kind, row_bytes, rows = _HEAD.unpack_from(data, at)
        start = at + _HEAD.size
        end = start + row_bytes * rows
        if end > len(data):
            raise GpmfError(f"the entry {key!r} is cut short")
        yield Entry(key.decode("latin-1"), chr(kind) if kind else NESTED, row_bytes, data[start:end])
        at = start + -(-(end - start) // _ALIGNED) * _ALIGNED


def streams(payload: bytes) -> Iterator[dict[str, Entry]]:
    """The streams of all devices in a payload, each as its entries by key (the last one of a key).

    Raises:
        GpmfError: an entry is cut short.
    """
    for device in entries(payload):
        if device.key == "DEVC" and device.kind == NESTED:
            for stream in entries(device.data):
                if stream.key == "STRM" and stream.kind == NESTED:
                    yield {entry.key: entry for entry in entries(stream.data)}


def measured(stream: Mapping[str, Entry], key: str, columns: int) -> Array:
    """An entry's rows in their units, float64 (n, `columns`): as stored, over the stream's `SCAL`.

    Args:
        stream: a stream's entries.
        key: of the entry.
        columns: how many columns it must have at least; more are left out.

    Raises:
        GpmfError: types that are no numbers, fewer columns, or no divisor for each of them.
    """
    table = _numbers(stream[key], _text(stream.get("TYPE")))
    divisors = _numbers(stream["SCAL"]).ravel() if "SCAL" in stream else np.ones(1)
    if len(divisors) == 1:
        divisors = np.repeat(divisors, table.shape[1])
    if table.shape[1] < columns or len(divisors) < columns or not divisors[:columns].all():
        raise GpmfError(f"{key} has {table.shape[1]} columns and {len(divisors)} divisors")
    return np.asarray(table[:, :columns] / divisors[:columns])


def first_number(stream: Mapping[str, Entry], key: str) -> float:
    """The first number of an entry, without divisor; nan where the stream has no such entry.

    Raises:
        GpmfError: its type is no number.
    """
    values = _numbers(stream[key]).ravel() if key in stream else np.empty(0)
    return float(values[0]) if len(values) else float("nan")


def _numbers(entry: Entry, types: str = "") -> Array:
    """An entry's rows as stored, float64 (n, columns)."""
    try:
        letters = types if entry.kind == _COMPLEX else entry.kind
        kinds = [_NUMBERS[letter] for letter in letters]
        if entry.kind != _COMPLEX:
            kinds *= entry.row_bytes // np.dtype(kinds[0]).itemsize
        row = np.dtype([(f"f{k}", kind) for k, kind in enumerate(kinds)])
        if row.itemsize != entry.row_bytes:
            raise GpmfError(f"{entry.key} states rows of {entry.row_bytes} bytes and types of {row.itemsize}")
        table = np.frombuffer(entry.data, row)
    except (KeyError, ValueError, ZeroDivisionError) as error:
        raise GpmfError(f"{entry.key} cannot be read ({error})") from error
    return np.stack([table[name].astype(float) for name in row.names or ()], axis=-1)


def _text(entry: Entry | None) -> str:
    return entry.data.decode("latin-1").rstrip("\0 ") if entry else ""
