"""Looking at an orthophoto: the detect arrow of every job from the air, through executor and journal.

Tiles are read at the model's ground sampling distance and looked at row by row; a row is a segment of the journal. What
is kept of a tile is what it shows, before seams: where tiles meet is settled while the rows below are looked at.
Nothing here knows what the model was taught: crowns, cracks or people.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import rasterio
import shapely
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from geo.errors import MichisoraError
from geo.raster import GDAL_OPTIONS, BadWindow, Grid, Ortho, OrthoReader
from geo.raster.files import state_of
from geo.raster.grid import CELL_PX
from models.card import ModelCard
from models.detections import Detections
from models.detector import Detector
from models.seams import SeamMerger, SeamRule
from models.tiles import plan_tiles, tile_rows
from pipelines.errors import SurveyError
from pipelines.executor import READERS, run
from pipelines.files import HASHED_WHOLE, content_of
from pipelines.journal import Journal, journal_key

__all__ = ["OrthoParams", "Scan", "Scanned", "ortho_key", "plan_scan", "scan", "scan_lines"]

Progress = Callable[[int, int], None]
Cells = NDArray[np.bool_]

_FLOATS: Final = pa.list_(pa.float32())
SHARD: Final = pa.schema(
    [
        ("left", pa.int32()),
        ("top", pa.int32()),
        ("reason", pa.string()),
        ("detail", pa.string()),
        ("cells", pa.binary()),
        *((name, _FLOATS) for name in ("x1", "y1", "x2", "y2", "score")),
        ("class_id", pa.list_(pa.int16())),
        ("n_seen", pa.int32()),
    ]
)
"""One row per tile: its boxes in grid pixels, and bit by bit which of its cells were photographed (none: an empty
tile). `reason` is empty for a tile that could be read; `n_seen` counts boxes before thresholds."""

_AGAIN: Final = ("undecodable",)
"""GDAL does not tell a tile that is damaged from a disk that failed for a moment: the next run tries again."""

_COARSE: Final = 2.0
"""Models are taught on pictures enlarged up to this: 10 cm a pixel for a model that looks at 6."""


class OrthoParams(BaseModel):
    """How an orthophoto is cut (params.yaml, sections `forest.orthophoto` and `road.orthophoto`).

    Attributes:
        tile_px: side of a tile, pixels of the model's ground sampling distance.
        margin_m: what neighbouring tiles share beyond the largest object.
        largest_m: the largest object, where the model's card states none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tile_px: int = Field(1280, ge=2 * CELL_PX)
    margin_m: float = Field(1.0, ge=0)
    largest_m: float = Field(12.0, gt=0)


@dataclass(frozen=True, slots=True)
class Scan:
    """How an orthophoto is looked at: its grid, the tiles (k, 4), grid px, row by row, and how many others are not."""

    grid: Grid
    tiles: NDArray[np.int64]
    overlap_px: int
    n_left_out: int = 0


@dataclass(frozen=True, slots=True)
class Scanned:
    """What an orthophoto shows.

    Attributes:
        boxes: each object once, grid pixels, highest score first; at or above the card's thresholds, of detection or
            of counting.
        cells: bool (rows, columns) of `CELL_PX` grid pixels, where the ground was photographed and looked at.
        rejected: tiles that could not be read: `item`, `reason`, `detail`, `left`, `top`, `right`, `bottom` (grid px).
        n_empty: tiles without any picture, which were not looked at.
        n_full: tiles that showed as many boxes as the model keeps of one picture, and perhaps more.
    """

    boxes: Detections
    cells: Cells
    rejected: pd.DataFrame
    n_empty: int
    n_full: int


def plan_scan(ortho: Ortho, card: ModelCard, params: OrthoParams, within: shapely.Geometry | None = None) -> Scan:
    """Cut an orthophoto at the model's ground sampling distance, so that every object is whole in some tile.

    Args:
        ortho: as opened.
        card: of the model that will look.
        params: how it is cut.
        within: polygons in the orthophoto's plane; tiles that touch none of them are left out. None: all are looked at.

    Raises:
        SurveyError: the model states no ground sampling distance, its objects do not fit into a tile, or no tile is
            left.
    """
    if card.gsd_m is None:
        remedy = "Give a model for pictures from above; its card states gsd_m"
        raise SurveyError("the model was not made for orthophotos", where=card.name, remedy=remedy)
    grid = Grid(ortho, card.gsd_m)
    wanted = ((card.largest_m or params.largest_m) + params.margin_m) / card.gsd_m + 2 * SeamRule().edge_px
    overlap = _whole_cells(wanted)
    tile = _whole_cells(params.tile_px)
    if 2 * overlap > tile:
        what = f"tiles of {tile} px are too small for objects of {card.largest_m or params.largest_m:g} m"
        raise SurveyError(what, where=card.name, remedy=f"Set orthophoto.tile_px to {2 * overlap} or more")
    tiles = plan_tiles(*grid.size_px, tile, overlap)
    if within is None:
        return Scan(grid, tiles, overlap)
    touched = tiles[_touching(grid, tiles, within)]
    if not len(touched):
        raise SurveyError("nothing of the orthophoto lies where it is to be looked at", where=ortho.name)
    return Scan(grid, touched, overlap, len(tiles) - len(touched))


def _touching(grid: Grid, tiles: NDArray[np.int64], within: shapely.Geometry) -> Cells:
    """Bool (k,): tiles that share ground with an area of the plane."""
    corners = tiles[:, [0, 1, 2, 1, 2, 3, 0, 3]].reshape(-1, 2).astype(np.float64)
    shapely.prepare(within)
    places = shapely.polygons(grid.to_plane(corners).reshape(-1, 4, 2))
    return np.asarray(shapely.intersects(within, places), bool)


def scan_lines(plan: Scan) -> Iterator[str]:
    """What to tell people of a plan: how much work, and what another sampling distance than the model's costs."""
    grid = plan.grid
    ratio = grid.ortho.gsd_m / grid.gsd_m
    share = f"{_times_looked_at(plan):.2f} times the picture's pixels are looked at"
    if plan.n_left_out:
        share = f"{plan.n_left_out:,} others left out"
    yield f"{len(plan.tiles):,} tiles at {100 * grid.gsd_m:g} cm/px, {share}"
    if ratio > _COARSE:
        yield (
            f"warning: the orthophoto has {100 * grid.ortho.gsd_m:.1f} cm/px, the model looks at "
            f"{100 * grid.gsd_m:g}: enlarged {ratio:.1f} times, it shows no more detail; small objects are missed, and "
            f"{ratio * ratio:.0f} times the pixels are looked at"
        )
    if ratio < 1 / 8:
        yield (
            f"the orthophoto is {1 / ratio:.0f} times finer than the model needs: reading it takes longer than looking "
            "at it unless it has overviews (`gdaladdo -r average ortho.tif 2 4 8`)"
        )


def _times_looked_at(plan: Scan) -> float:
    width, height = plan.grid.size_px
    looked_at = np.prod(plan.tiles[:, 2:] - plan.tiles[:, :2], axis=1).sum()
    return float(looked_at / (width * height))


def ortho_key(given: Path, plan: Scan, detector: Detector) -> str:
    """The journal key: the file's contents, the weights, and all that decides the boxes of a tile."""
    card, runtime, ortho = detector.card, detector.runtime, plan.grid.ortho
    chosen = {"chosen": hashlib.sha256(plan.tiles.tobytes()).hexdigest()} if plan.n_left_out else {}
    return journal_key(
        {
            **chosen,
            "file": content_of(given),
            # Samples do not find what was edited in place; a copy of a large file is looked at again for that.
            "changed": 0 if given.stat().st_size <= HASHED_WHOLE else given.stat().st_mtime_ns,
            "beside": [state_of(path) for path in ortho.beside],
            "masked": [ortho.masked, ortho.nodata],
            "bands": ortho.bands.rgb,
            "stretch": str(ortho.stretch),
            "collar": ortho.collar,
            "scale": [plan.grid.x_scale, plan.grid.y_scale],
            "tiles": [plan.tiles[0].tolist(), len(plan.tiles), plan.overlap_px],
            "weights": card.sha256,
            "card": card.model_dump(mode="json", include={"classes", "suppression", "thresholds", "input"}),
            "runtime": [runtime.backend, runtime.device, runtime.precision],
            "gdal": rasterio.__gdal_version__,
        }
    )


def scan(
    plan: Scan,
    detector: Detector,
    journal: Journal,
    *,
    workers: int = READERS,
    progress: Progress | None = None,
) -> Scanned:
    """Look at every tile with a picture in it; finished rows are taken from the journal.

    A row with tiles that could not be read is kept for this run and looked at again by the next one.

    Args:
        plan: what is cut.
        detector: looks at the tiles.
        journal: opened with `ortho_key` of the same.
        workers: readers of tiles; they change the speed alone.
        progress: called with tiles done and tiles in all.

    Raises:
        OutputError: the journal cannot be written.
    """
    tell = progress or (lambda _done, _total: None)
    rows = {f"{number:06d}": row for number, row in enumerate(tile_rows(plan.tiles))}
    pending = {name: row for name, row in rows.items() if not journal.done(name, _AGAIN)}
    done = len(plan.tiles) - sum(map(len, pending.values()))
    tell(done, len(plan.tiles))
    gathered = _Gathered(plan, detector.card.suppression.max_boxes)
    with rasterio.Env(**GDAL_OPTIONS), OrthoReader(plan.grid, detector.card.input.pad_value) as reader:
        looked = _looked(reader, [tile for row in pending.values() for tile in row.tolist()], detector, workers)
        for name, row in rows.items():
            if name in pending:
                taken = []
                for one in islice(looked, len(row)):
                    taken.append(one)
                    done += 1
                    tell(done, len(plan.tiles))
                journal.write(name, pa.Table.from_pylist(taken, SHARD))
            gathered.add(row, journal.read(name))
    return gathered.finish()


def _looked(reader: OrthoReader, tiles: list[list[int]], detector: Detector, workers: int) -> Iterator[dict[str, Any]]:
    """Shard rows, in order. Reading runs on over the rows' ends, so that writing one does not stop it."""
    limits = _limits(detector.card)
    lowest = float(limits.min())

    def start(tile: list[int]) -> Callable[[], dict[str, Any]]:
        with rasterio.Env(**GDAL_OPTIONS):
            patch = reader.read(*tile)
        cells = patch.cells
        if not patch.valid.any():
            return lambda: _row(tile, cells[:0], Detections.empty(), 0)
        future = detector.submit(patch.rgb, lowest)

        def result() -> dict[str, Any]:
            seen = future.result()
            kept = seen.where(seen.score >= limits[seen.class_id]).shifted(tile[0], tile[1])
            return _row(tile, cells, kept, len(seen))

        return result

    ahead = detector.runtime.threads + workers
    for tile, outcome in run(tiles, start, workers=workers, ahead=ahead):
        yield _refused(tile, outcome) if isinstance(outcome, MichisoraError) else outcome


def _limits(card: ModelCard) -> NDArray[np.float32]:
    """The score, by class, from which a box is kept: from which it counts, or is counted, whichever is lower."""
    thresholds = card.thresholds
    return np.array(
        [
            min(score, thresholds.count.get(name, score))
            for name, score in zip(card.class_names, card.score_thresholds, strict=True)
        ],
        np.float32,
    )


def _row(tile: Sequence[int], cells: Cells, boxes: Detections, n_seen: int) -> dict[str, Any]:
    edges = {name: boxes.xyxy[:, k] for k, name in enumerate(("x1", "y1", "x2", "y2"))}
    return {
        "left": tile[0],
        "top": tile[1],
        "reason": "",
        "detail": "",
        "cells": np.packbits(cells).tobytes(),
        **edges,
        "score": boxes.score,
        "class_id": boxes.class_id,
        "n_seen": n_seen,
    }


def _refused(tile: Sequence[int], error: MichisoraError) -> dict[str, Any]:
    if not isinstance(error, BadWindow):
        raise error
    return {**_row(tile, np.empty(0, bool), Detections.empty(), 0), "reason": "undecodable", "detail": error.what}


class _Gathered:
    """Rows laid together from the top, one at a time: seams settled, cells joined."""

    def __init__(self, plan: Scan, max_boxes: int) -> None:
        self._plan = plan
        self._max_boxes = max_boxes
        width, height = plan.grid.size_px
        self._cells = np.zeros((height // CELL_PX, width // CELL_PX), bool)
        self._merger = SeamMerger((width, height))
        self._settled: list[Detections] = []
        self._rejected: list[dict[str, Any]] = []
        self._n_empty = self._n_full = 0

    def add(self, tiles: NDArray[np.int64], row: pa.Table) -> None:
        """Take the next row of tiles (k, 4), grid px, with its shard."""
        self._settled.append(self._merger.settled(int(tiles[0, 1])))
        shard = row.to_pydict()
        read = [k for k, reason in enumerate(shard["reason"]) if not reason]
        self._merger.add([_boxes(shard, k) for k in read], tiles[read])
        for k, (left, top, right, bottom) in enumerate(tiles.tolist()):
            if shard["reason"][k]:
                place = {"left": left, "top": top, "right": right, "bottom": bottom}
                item = f"tile at column {left}, row {top}"
                refused = {"item": item, "reason": shard["reason"][k], "detail": shard["detail"][k], **place}
                self._rejected.append(refused)
            elif not shard["cells"][k]:
                self._n_empty += 1
            else:
                cells = self._cells[top // CELL_PX : bottom // CELL_PX, left // CELL_PX : right // CELL_PX]
                cells |= _unpacked(shard["cells"][k], cells.shape)
                self._n_full += shard["n_seen"][k] >= self._max_boxes

    def finish(self) -> Scanned:
        """The whole orthophoto."""
        boxes = Detections.concat([*self._settled, self._merger.finish()])
        columns = ["item", "reason", "detail", "left", "top", "right", "bottom"]
        rejected = pd.DataFrame(self._rejected, columns=columns)
        kept = boxes.clipped(*self._plan.grid.inside_px).sorted()
        return Scanned(kept, self._cells, rejected, self._n_empty, self._n_full)


def _boxes(shard: dict[str, list[Any]], k: int) -> Detections:
    xyxy = np.column_stack([np.array(shard[name][k], np.float32) for name in ("x1", "y1", "x2", "y2")])
    return Detections(xyxy, np.array(shard["score"][k], np.float32), np.array(shard["class_id"][k], np.int16))


def _unpacked(bits: bytes, shape: tuple[int, ...]) -> Cells:
    n = shape[0] * shape[1]
    return np.unpackbits(np.frombuffer(bits, np.uint8), count=n).reshape(shape).astype(bool)


def _whole_cells(length_px: float) -> int:
    return int(-(-length_px // CELL_PX)) * CELL_PX
