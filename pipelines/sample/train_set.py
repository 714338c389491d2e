"""Rendered pictures with labels for training, in YOLO's layout.

The streets are the sample's; damage, surfaces, surroundings, cameras and light are drawn anew. What is taught on them
has seen the sample's renderer and street plan: figures on the sample flatter it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from geo.camera.pinhole import Camera
from pipelines.sample.damage import Sun
from pipelines.sample.journey import START
from pipelines.sample.randomness import stream
from pipelines.sample.render import Renderer, Shot
from pipelines.sample.scene import LANE_OFFSET_M, Scene, build_scene
from pipelines.sample.textures import Surface
from pipelines.sample.town import sample_town
from pipelines.sample.truth import TrueBox, visible_boxes
from pipelines.sample.view import View
from pipelines.sample.write import jpeg, replace_file

Array = NDArray[np.float64]

CLASSES = ("D00", "D10", "D20", "D40")
LABEL_RANGE_M = {"D00": 13.0, "D10": 13.0, "D20": 18.0, "D40": 25.0}
"""How far each class is labelled: a crack of a centimetre cannot be seen as far as a hole."""
PICTURES_PER_TOWN = 20
SIZES_PX = ((1280, 720), (1024, 640), (1280, 960), (1920, 1080))
_TOWN_SEED_BASE = 1_000_003  # far from the seeds that samples are made with

# Clean colour, and how much stone and blotch show: fresh, common and worn tarmac, concrete, red-brown local stone.
SURFACES = (
    Surface((72, 73, 75), 0.10, 0.04, 0.10),
    Surface((104, 104, 103), 0.13, 0.055, 0.30),
    Surface((126, 124, 120), 0.20, 0.08, 0.55),
    Surface((148, 145, 138), 0.16, 0.09, 0.70),
    Surface((166, 161, 150), 0.07, 0.06, 0.45),
    Surface((122, 110, 102), 0.17, 0.09, 0.60),
    Surface((58, 60, 64), 0.07, 0.07, 0.35),
)


@dataclass(frozen=True, slots=True)
class TrainSetPlan:
    """What is rendered.

    Attributes:
        count: number of pictures.
        seed: everything random follows from it.
    """

    count: int
    seed: int


def write_train_set(
    folder: Path, plan: TrainSetPlan, *, workers: int | None = None, progress: Callable[[int, int], None] | None = None
) -> None:
    """Render labelled pictures into `folder/images` and `folder/labels`.

    Args:
        folder: created if absent.
        plan: how many, and the seed.
        workers: threads that render; the machine's cores by default.
        progress: called with pictures done and in all.
    """
    done = 0
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        for town in range(-(-plan.count // PICTURES_PER_TOWN)):
            seed = _TOWN_SEED_BASE + plan.seed * 1009 + town
            renderer = Renderer(_varied_scene(seed), seed)
            numbers = range(town * PICTURES_PER_TOWN, min(plan.count, (town + 1) * PICTURES_PER_TOWN))
            for _ in pool.map(lambda k, r=renderer: _write_picture(folder, r, k), numbers):
                done += 1
                if progress:
                    progress(done, plan.count)


def _varied_scene(seed: int) -> Scene:
    rng = stream(seed, "variety")
    surface = SURFACES[int(rng.integers(len(SURFACES)))]
    sun = Sun(float(rng.uniform(0, 2 * np.pi)), float(np.radians(rng.uniform(18, 65))), float(rng.uniform(0.25, 0.75)))
    return build_scene(sample_town(), seed, surface, sun, (5.0, 10.0))


def _write_picture(folder: Path, renderer: Renderer, number: int) -> None:
    rng = stream(renderer.seed, "picture", number)
    view = _varied_view(rng, renderer.scene)
    shot = Shot(
        number,
        exposure=float(np.exp(rng.normal(0, 0.17))),
        warmth=float(rng.uniform(0.95, 1.06)),
        blur_px=float(rng.uniform(1, 7)),
        noise=float(rng.uniform(0.8, 5.0)),
    )
    name = f"rendered_{number:05}"
    replace_file(folder / "images" / f"{name}.jpg", jpeg(renderer.frame(view, shot), START.timestamp()))
    replace_file(folder / "labels" / f"{name}.txt", labels(view, renderer.scene).encode())


def labels(view: View, scene: Scene) -> str:
    """YOLO lines of the damage that can be seen: class, centre x and y, width and height, as shares of the picture."""
    size = np.array([view.camera.width_px, view.camera.height_px], np.float64)
    lines = []
    for box in visible_boxes(view, scene.damages):
        if box.forward_m <= LABEL_RANGE_M[box.damage.class_] and _large(box):
            low, high = np.array(box.xyxy_px[:2]) / size, np.array(box.xyxy_px[2:]) / size
            numbers = (*((low + high) / 2), *(high - low))
            lines.append(f"{CLASSES.index(box.damage.class_)} " + " ".join(f"{v:.6f}" for v in numbers))
    return "".join(f"{line}\n" for line in lines)


def _large(box: TrueBox) -> bool:
    x1, y1, x2, y2 = box.xyxy_px
    return max(x2 - x1, y2 - y1) >= 10 and min(x2 - x1, y2 - y1) >= 4


def _varied_view(rng: np.random.Generator, scene: Scene) -> View:
    """A camera somewhere in the town, nine times of ten a few metres before some damage."""
    width, height = SIZES_PX[int(rng.integers(len(SIZES_PX)))]
    loop = scene.town.loop
    s = float(rng.uniform(0, loop.length_m))
    if rng.random() < 0.9:
        s = scene.damages[int(rng.integers(len(scene.damages)))].s_m - float(rng.uniform(4, 14))
    s %= loop.length_m
    right = LANE_OFFSET_M + float(rng.normal(0, 0.5))
    east, north = loop.at(s, right)[0]
    camera = Camera.from_fov(
        width,
        height,
        float(rng.uniform(60, 110)),
        height_m=float(rng.uniform(1.2, 2.2)),
        pitch_deg=float(rng.uniform(-2, 16)),
        yaw_deg=float(rng.normal(0, 3)),
    )
    heading = float(loop.heading_at(s)[0]) + float(rng.normal(0, np.radians(1.5)))
    return View(camera, float(east), float(north), heading)
