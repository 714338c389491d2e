"""A raster of any size and a detector that costs nothing: what the forest job itself needs, in memory and time.

One block row in sixteen is a picture across the whole width, the rest is nodata, so that the file is written in seconds
and every size that could grow with the raster still does.
"""

import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import rasterio
from affine import Affine
from numpy.typing import NDArray
from rasterio.windows import Window

from geo.raster import open_ortho
from models.card import ModelCard, ObjectClass, Suppression, Thresholds
from models.detections import Detections
from models.types import LOWEST_SCORE, Picture, Runtime
from pipelines.forest.job import ForestInput, ForestJob, run_forest
from pipelines.forest.params import ForestParams
from pipelines.orthophoto import plan_scan

__all__ = ["Mapped", "map_large_forest", "write_large"]

GSD_M: Final = 0.1
_BLOCK_PX: Final = 512
_APART: Final = 16
_CROWN_PX: Final = (30, 70)


@dataclass(frozen=True, slots=True)
class Mapped:
    """What the map holds, to know that it was made."""

    n_crowns: int
    n_stands: int
    area_ha: float


def write_large(path: Path, side_px: int) -> None:
    """Write the raster, 10 cm a pixel."""
    rng = np.random.default_rng(0)
    strip = rng.integers(40, 200, (3, _BLOCK_PX, _BLOCK_PX), np.uint8)
    strip = np.tile(np.repeat(np.repeat(strip[:, ::8, ::8], 8, 1), 8, 2), (1, 1, side_px // _BLOCK_PX + 1))
    profile = {"driver": "GTiff", "width": side_px, "height": side_px, "count": 3, "dtype": "uint8", "nodata": 0}
    profile |= {"tiled": True, "blockxsize": _BLOCK_PX, "blockysize": _BLOCK_PX, "compress": "zstd", "zstd_level": 1}
    place = {"crs": "EPSG:6677", "transform": Affine(GSD_M, 0, -20_000, 0, -GSD_M, -30_000)}
    options = {"sparse_ok": True, "bigtiff": "yes", "interleave": "pixel"}
    with rasterio.Env(GDAL_CACHEMAX=64 * 2**20), rasterio.open(path, "w", **profile, **place, **options) as target:
        for top in range(0, side_px - _BLOCK_PX + 1, _APART * _BLOCK_PX):
            target.write(strip[:, :, :side_px], window=Window(0, top, side_px, _BLOCK_PX))


def map_large_forest(path: Path, crowns: int) -> Callable[[], Mapped]:
    """The forest job on that raster, ready to run; about as many crowns are found as asked for."""
    plan = plan_scan(open_ortho(path), _card(), ForestParams().orthophoto)
    tops = np.arange(0, plan.grid.inside_px[1], _APART * _BLOCK_PX)
    shows = ((plan.tiles[:, None, 1] < tops + _BLOCK_PX) & (plan.tiles[:, None, 3] > tops)).any(axis=1)
    detector: Any = _Sower(max(1, round(crowns / int(shows.sum()))))

    def work() -> Mapped:
        with tempfile.TemporaryDirectory() as folder:
            results, _ = run_forest(ForestInput(path), ForestJob(Path(folder) / "out", detector, ForestParams()))
        return Mapped(len(results.crowns), len(results.stands), results.area_ha)

    return work


def _card() -> ModelCard:
    return ModelCard(
        task="crown",
        name="crowns where nothing is",
        architecture="none",
        classes=[ObjectClass(name="crown", title_en="tree crown", title_ja="樹冠", largest_m=12.0)],
        suppression=Suppression(max_boxes=5000),
        thresholds=Thresholds(score={"crown": 0.3}, chosen="by construction"),
        gsd_m=GSD_M,
        training=[],
        metrics={},
        limits=["for measuring memory alone"],
        made_on="2026-01-01",
        sha256="0" * 64,
    )


@dataclass(slots=True)
class _Sower:
    """Finds as many crowns in every picture as it is told to, of several sizes, nowhere near the picture's edge."""

    n: int
    card: ModelCard = field(default_factory=_card)
    runtime: Runtime = field(default_factory=lambda: Runtime("numpy", "cpu", "f32", 1))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def submit(self, picture: Picture, _min_score: float = LOWEST_SCORE) -> Future[Detections]:
        """What a picture shows, at once."""
        found: Future[Detections] = Future()
        found.set_result(self._look(picture))
        return found

    def predict(self, batch: NDArray[np.uint8], _min_score: float = LOWEST_SCORE) -> list[Detections]:
        """The same of several pictures."""
        return [self._look(picture) for picture in batch]

    def stream(self, pictures: Any, _min_score: float = LOWEST_SCORE) -> Iterator[Detections]:
        """The same, one after another."""
        return (self._look(picture) for picture in pictures)

    def close(self) -> None:
        """Nothing is held."""

    def _look(self, picture: Picture) -> Detections:
        height, width = picture.shape[:2]
        inside = np.flatnonzero((picture != 114).any(axis=(1, 2)))
        low, high = (int(inside[0]), int(inside[-1]) + 1) if len(inside) else (0, height)
        rng = np.random.default_rng([low, high, int(picture[low].sum())])
        middle = rng.uniform([40, low], [width - 40, high], (self.n, 2))
        half = rng.uniform(*_CROWN_PX, (self.n, 1)) / 2
        xyxy = np.hstack([middle - half, middle + half]).clip(6, [width - 6, height - 6] * 2)
        score = rng.uniform(0.3, 0.9, self.n).astype(np.float32)
        return Detections(xyxy.astype(np.float32), score, np.zeros(self.n, np.int16))
