"""An orthophoto with known crowns, looked at by us and by others with the same weights."""

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import numpy as np
import rasterio
import shapely
from numpy.typing import NDArray

from geo.raster import GDAL_OPTIONS, OrthoReader, open_ortho
from models.detector import Detector, open_detector
from models.plots import assigned
from models.timing import Interleaved, interleaved
from models.types import BackendName
from pipelines.bench.slicing import (
    SAHI_OVERLAP,
    SAHI_SLICE_PX,
    deepforest_boxes,
    lowest_score,
    sahi_boxes,
    sahi_model,
    sahi_torch_model,
)
from pipelines.journal import Journal
from pipelines.orthophoto import OrthoParams, Scan, ortho_key, plan_scan, scan

__all__ = ["CONTESTANTS", "MODEL", "OURS", "Look", "available", "f1_score", "pace"]

Boxes = NDArray[np.float32]
Work = Callable[[], Boxes]
OURS: Final = "michisora"
MODEL: Final = "model alone"
_IOU: Final = 0.5


@dataclass(frozen=True, slots=True)
class Look:
    """What is looked at: the raster, with which model and back end, cut how."""

    path: Path
    model: str
    backend: BackendName
    params: OrthoParams


def _ours(look: Look) -> Work:
    detector = _warm(look)

    def work() -> Boxes:
        return _scanned(look, detector)

    return work


def _sahi(look: Look) -> Work:
    detector = _warm(look)
    model = sahi_model(detector)
    tile_px, overlap = _tiles(look, detector)
    return lambda: sahi_boxes(look.path, model, tile_px, overlap)


def _sahi_as_it_comes(look: Look) -> Work:
    with open_detector(look.model, look.backend) as detector:
        model = sahi_torch_model(detector, look.model)
    model.perform_inference(np.zeros((SAHI_SLICE_PX, SAHI_SLICE_PX, 3), np.uint8))
    return lambda: sahi_boxes(look.path, model, SAHI_SLICE_PX, SAHI_OVERLAP)


def _deepforest(look: Look) -> Work:
    detector = _warm(look)
    tile_px, overlap = _tiles(look, detector)
    return lambda: deepforest_boxes(look.path, detector, tile_px, overlap)


CONTESTANTS: Final[Mapping[str, tuple[Callable[[Look], Work], tuple[str, ...]]]] = {
    OURS: (_ours, ()),
    "SAHI, our network": (_sahi, ("sahi",)),
    "SAHI as it comes": (_sahi_as_it_comes, ("sahi", "ultralytics")),
    "DeepForest, our network": (_deepforest, ("deepforest",)),
}
"""Who looks, and which packages that takes."""


def available() -> dict[str, Callable[[Look], Work]]:
    """Those whose packages are installed."""
    return {name: work for name, (work, needs) in CONTESTANTS.items() if all(map(find_spec, needs))}


def pace(look: Look, rounds: int, progress: Callable[[int, int], None]) -> Interleaved:
    """The whole scan, from the file to its boxes, and its model alone on the same tiles in memory, in turns."""
    with open_detector(look.model, look.backend) as detector:
        tiles, limit = _read(plan_scan(open_ortho(look.path), detector.card, look.params)), lowest_score(detector)
        contestants: dict[str, Callable[[], object]] = {
            OURS: lambda: _scanned(look, detector),
            MODEL: lambda: sum(len(seen) for seen in detector.stream(tiles, limit)),
        }
        return interleaved(contestants, rounds, progress)


def f1_score(found: Boxes, true: NDArray[np.floating]) -> float:
    """F1 at IoU 0.5 of boxes (n, 4) and true ones (m, 4), assigned one to one."""
    mine, theirs = shapely.box(*found.astype(np.float64).T), shapely.box(*np.asarray(true, np.float64).T)
    first, second = shapely.STRtree(theirs).query(mine)
    shared = shapely.area(shapely.intersection(mine[first], theirs[second]))
    iou = shared / (shapely.area(mine[first]) + shapely.area(theirs[second]) - shared)
    over = iou > 0
    taken = assigned(first[over], second[over], iou[over])
    right = int((taken & (iou[over] >= _IOU)).sum())
    return 2 * right / (len(found) + len(true)) if len(found) + len(true) else float("nan")


def _warm(look: Look) -> Detector:
    """The detector, after it has looked at a tile once: what comes is no start."""
    detector = open_detector(look.model, look.backend)
    plan = plan_scan(open_ortho(look.path), detector.card, look.params)
    side = int(plan.tiles[0, 2] - plan.tiles[0, 0])
    detector.predict(np.zeros((detector.runtime.threads, side, side, 3), np.uint8))
    return detector


def _tiles(look: Look, detector: Detector) -> tuple[int, float]:
    """Side of our tiles, px, and which part of it two of them share."""
    plan = plan_scan(open_ortho(look.path), detector.card, look.params)
    return look.params.tile_px, plan.overlap_px / look.params.tile_px


def _scanned(look: Look, detector: Detector) -> Boxes:
    with tempfile.TemporaryDirectory() as folder, rasterio.Env(**GDAL_OPTIONS):
        plan = plan_scan(open_ortho(look.path), detector.card, look.params)
        journal = Journal(Path(folder), ortho_key(look.path, plan, detector))
        return scan(plan, detector, journal).boxes.xyxy


def _read(plan: Scan) -> list[NDArray[np.uint8]]:
    with rasterio.Env(**GDAL_OPTIONS), OrthoReader(plan.grid) as reader:
        return [reader.read(*tile).rgb for tile in plan.tiles.tolist()]
