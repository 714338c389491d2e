"""Peak memory and time of a stand map of 60,000 × 60,000 px: `python tests/pipelines/measure_orthophoto.py`.

One block row in sixteen is a picture across the whole width, the rest is nodata, so that the file is written in seconds
and every size that could grow with the raster still does. The detector costs nothing and finds 100 crowns a tile.
"""

import multiprocessing
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import rasterio
from affine import Affine
from rasterio.windows import Window

sys.path.append(str(Path(__file__).parent.parent))

from foresting import ExactDetector, card, plant

from models.detections import Detections
from pipelines.forest.job import ForestInput, ForestJob, run_forest
from pipelines.forest.params import ForestParams

SIDE_PX = int(sys.argv[1]) if len(sys.argv) > 1 else 60_000
BLOCK_PX = 512


class Hundred(ExactDetector):
    """Finds a hundred crowns in every picture, on a grid."""

    def look(self, picture: Any) -> Detections:
        height, width = picture.shape[:2]
        x, y = (axis.ravel() for axis in np.meshgrid(np.linspace(5, width - 75, 10), np.linspace(5, height - 75, 10)))
        xyxy = np.column_stack([x, y, x + 70, y + 70]).astype(np.float32)
        return Detections(xyxy, np.full(100, 0.8, np.float32), np.zeros(100, np.int16))


def peak_mib() -> float:
    """Peak resident memory of this process, MiB."""
    peak = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    return int(peak[1]) / 1024 if peak else float("nan")


def write(path: Path) -> None:
    """The raster, with one block row in sixteen."""
    strip = np.moveaxis(np.tile(plant(BLOCK_PX * 4, BLOCK_PX).picture, (1, SIDE_PX // (BLOCK_PX * 4) + 1, 1)), -1, 0)
    profile = {"driver": "GTiff", "width": SIDE_PX, "height": SIDE_PX, "count": 3, "dtype": "uint8", "nodata": 0}
    profile |= {"tiled": True, "blockxsize": BLOCK_PX, "blockysize": BLOCK_PX, "compress": "zstd", "zstd_level": 1}
    place = {"crs": "EPSG:6677", "transform": Affine(0.1, 0, -20_000, 0, -0.1, -30_000)}
    options = {"sparse_ok": True, "bigtiff": "yes", "interleave": "pixel"}
    with rasterio.Env(GDAL_CACHEMAX=64), rasterio.open(path, "w", **profile, **place, **options) as target:
        for top in range(0, SIDE_PX - BLOCK_PX, 16 * BLOCK_PX):
            target.write(strip[:, :, :SIDE_PX], window=Window(0, top, SIDE_PX, BLOCK_PX))


def main() -> None:
    """Write (in a process of its own, whose memory does not count), make the stand map, report."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.tif"
        writer = multiprocessing.get_context("spawn").Process(target=write, args=(path,))
        writer.start()
        writer.join()
        sys.stdout.write(
            f"{SIDE_PX:,} px a side, {path.stat().st_size / 2**20:.0f} MiB; {peak_mib():.0f} MiB to begin\n"
        )
        started, at_work = time.perf_counter(), time.process_time()
        detector: Any = Hundred(card(largest_m=12.0))
        job = ForestJob(Path(folder) / "out", detector, ForestParams(), tell=lambda line: sys.stdout.write(f"{line}\n"))
        results, _ = run_forest(ForestInput(path), job)
        sys.stdout.write(
            f"{detector.looked_at:,} tiles looked at, {len(results.crowns):,} crowns, {len(results.stands):,} stands, "
            f"{time.perf_counter() - started:.0f} s ({time.process_time() - at_work:.0f} s of processor), "
            f"peak {peak_mib():.0f} MiB\n"
        )


if __name__ == "__main__":
    main()
