"""What lies and stands where in the sample town: everything that is true about it, before anyone looks at it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from shapely.geometry import Polygon

from pipelines.sample import decals as paint
from pipelines.sample.damage import Damage, Place, Sun, alligator_crack, linear_crack, pothole
from pipelines.sample.decals import Decal
from pipelines.sample.randomness import stream
from pipelines.sample.textures import ASPHALT, PAVING, Surface
from pipelines.sample.town import Path, Town
from pipelines.sample.uprights import Panel, block_wall, house, pole, tree, woods

Array = NDArray[np.float64]
Colour = tuple[float, float, float]

LANE_OFFSET_M = -1.7  # traffic keeps left in Japan
_KERB_M = 0.16
_PAVEMENT_M = 2.2
_LINE_M = 0.15


@dataclass(frozen=True, slots=True)
class Area:
    """A polygon of one material on the ground."""

    outline: Polygon
    colour: Colour
    material: int


@dataclass(slots=True)
class Scene:
    """The town as built.

    Attributes:
        town: streets and route.
        surface: how the carriageway looks.
        sun: where light comes from.
        areas: ground materials, later ones over earlier ones.
        marks: white paint.
        decals: confusers that are no damage: patches, covers, stains.
        shadows: confusers that darken everything below them, damage too.
        damages: the true damage.
        panels: what stands beside the road.
    """

    town: Town
    surface: Surface
    sun: Sun
    areas: list[Area] = field(default_factory=list)
    marks: list[Polygon] = field(default_factory=list)
    decals: list[Decal] = field(default_factory=list)
    shadows: list[Decal] = field(default_factory=list)
    damages: list[Damage] = field(default_factory=list)
    panels: list[Panel] = field(default_factory=list)


SAMPLE_SURFACE = Surface(colour=(104, 104, 103), grain=0.13, blotch=0.055, worn_marks=0.30)


SAMPLE_SUN = Sun(np.radians(215.0), np.radians(42.0))


def build_scene(
    town: Town,
    seed: int,
    surface: Surface = SAMPLE_SURFACE,
    sun: Sun = SAMPLE_SUN,
    damage_gap_m: tuple[float, float] = (9.0, 19.0),
) -> Scene:
    """Build a town.

    Args:
        town: its streets.
        seed: what stands, lies and is broken where.
        surface: how the carriageway looks.
        sun: where light comes from.
        damage_gap_m: least and largest distance from one group of damage to the next.
    """
    scene = Scene(town, surface, sun)
    _pave(scene)
    _mark(scene)
    _build(scene, seed)
    _distance(scene, seed)
    _confuse(scene, seed)
    _damage(scene, seed, damage_gap_m)
    return scene


def _pave(scene: Scene) -> None:
    """Carriageway, kerbs and pavements of every street."""
    town = scene.town
    stretches = [(town.loop, span, street) for street, span in zip(town.streets, town.spans, strict=False)] + [
        (Path.along(s.line), (0.0, s.line.length - 0.3), s) for s in town.streets[len(town.spans) :]
    ]
    tarmac: list[Area] = []
    for path, (start, stop), street in stretches:
        half = street.width_m / 2
        outer = half + _KERB_M + (_PAVEMENT_M if street.marked else 0.5)
        for s in np.arange(start, stop, 20.0):
            end = min(s + 20.0, stop)
            scene.areas.append(Area(path.strip(s, end, -outer, outer), (148, 143, 136), PAVING))
            tarmac.append(Area(path.strip(s, end, -half - _KERB_M, half + _KERB_M), (158, 156, 150), ASPHALT))
            tarmac.append(Area(path.strip(s, end, -half, half), scene.surface.colour, ASPHALT))
            for side in (-1, 1):
                gutter = (side * (half - 0.35), side * half)
                tarmac.append(Area(path.strip(s, end, min(gutter), max(gutter)), (128, 126, 121), ASPHALT))
    kerbs = [a for k, a in enumerate(tarmac) if k % 4 == 0]
    scene.areas += kerbs + [a for k, a in enumerate(tarmac) if k % 4]


def _mark(scene: Scene) -> None:
    """Centre dashes, edge lines, and a zebra crossing with its stop line before each corner."""
    loop = scene.town.loop
    for street, (start, stop) in zip(scene.town.streets, scene.town.spans, strict=False):
        half = street.width_m / 2 - 0.45
        edges = (-half, half)
        for s in np.arange(start, stop - 1, 10.0):
            for edge in edges:
                scene.marks.append(loop.strip(s, min(s + 10.0, stop), edge - _LINE_M / 2, edge + _LINE_M / 2))
            if street.marked and start + 12 < s < stop - 24:
                scene.marks.append(loop.strip(s, s + 5.0, -_LINE_M / 2, _LINE_M / 2))
        if street.marked and stop - start > 80:
            _crossing(scene, stop - 20.0, half)


def _crossing(scene: Scene, s_m: float, half: float) -> None:
    loop = scene.town.loop
    for right in np.arange(-half + 0.5, half - 0.7, 0.9):
        scene.marks.append(loop.strip(s_m, s_m + 3.0, right, right + 0.45))
    scene.marks.append(loop.strip(s_m - 2.0, s_m - 1.55, -half + 0.15, -0.1))


def _build(scene: Scene, seed: int) -> None:
    """Houses, walls, poles and trees along both sides."""
    loop = scene.town.loop
    for street, (start, stop) in zip(scene.town.streets, scene.town.spans, strict=False):
        edge = street.width_m / 2 + _KERB_M + (_PAVEMENT_M if street.marked else 0.5)
        for side in (-1, 1):
            rng = stream(seed, "build", street.link, side)
            margin = 24.0 if side < 0 else 4.0
            _row_of_houses(scene, rng, (start + margin, stop - margin), side * edge)
        rng = stream(seed, "poles", street.link)
        for s in np.arange(start + 9, stop - 5, 31.0):
            scene.panels.append(pole(rng, loop.at(s, edge - 0.35)[0]))
        if street.marked:
            for s in np.arange(start + 16, stop - 10, 17.0):
                if rng.random() < 0.7:
                    side = rng.choice([-1, 1])
                    place = loop.at(s + rng.uniform(-3, 3), side * (edge - 0.8))[0]
                    scene.panels.append(tree(rng, place, rng.uniform(4.0, 6.5)))


def _row_of_houses(scene: Scene, rng: np.random.Generator, span: tuple[float, float], edge_m: float) -> None:
    loop, s = scene.town.loop, span[0]
    gap_at = span[0] + 0.55 * (span[1] - span[0]) if edge_m > 0 else -1e9
    while s < span[1] - 6:
        frontage = rng.uniform(7, 13)
        setback = rng.uniform(1.5, 4.0)
        if abs(s + frontage / 2 - gap_at) > frontage / 2 + 6:
            size = (frontage, rng.uniform(7, 9), rng.choice([3.2, 5.6, 5.8, 8.6]))
            scene.panels += house(rng, loop, s, edge_m + np.sign(edge_m) * setback, size)
            if setback > 1.9 and rng.random() < 0.7:
                wall = (s - 0.4, s + frontage + 0.4)
                scene.panels += block_wall(rng, loop, wall, edge_m + np.sign(edge_m) * 0.2, rng.uniform(1.1, 1.6))
        if rng.random() < 0.35:
            place = loop.at(s + frontage + 1.2, edge_m + np.sign(edge_m) * rng.uniform(2, 4))[0]
            scene.panels.append(tree(rng, place, rng.uniform(5, 9)))
        s += frontage + rng.uniform(0.8, 3.0)


def _distance(scene: Scene, seed: int) -> None:
    """Woods and roofs all around the town, so that streets do not end in a bare horizon."""
    middle = scene.town.loop.xy_m.mean(axis=0)
    for k, angle in enumerate(np.arange(0, 2 * np.pi, 0.17)):
        rng = stream(seed, "distance", k)
        place = middle + rng.uniform(215, 245) * np.array([np.sin(angle), np.cos(angle)])
        scene.panels.append(woods(rng, place, rng.uniform(44, 60), rng.uniform(6, 11)))


def _confuse(scene: Scene, seed: int) -> None:
    """Patches, covers, stains and shadows: dark things on the road that are no damage."""
    loop = scene.town.loop
    rng = stream(seed, "confusers")
    for s in np.arange(8.0, loop.length_m - 8, 13.0):
        kind = rng.choice(["patch", "cover", "stain", "shadow", "none"], p=[0.24, 0.22, 0.2, 0.22, 0.12])
        right = float(rng.uniform(-2.6, 2.6))
        place = _place(loop, s + rng.uniform(-4, 4), right)
        if kind == "patch":
            size = (rng.uniform(1.2, 6), rng.uniform(0.7, 1.6))
            rgba = paint.flat_patch(rng, size, rng.uniform(58, 84), 0.85)
            scene.decals.append(Decal(place.xy_m, place.heading_rad, rgba))
        elif kind == "cover":
            scene.decals.append(
                Decal(place.xy_m, place.heading_rad, paint.manhole(rng, rng.choice([0.45, 0.62, 0.62])))
            )
        elif kind == "stain":
            size = (rng.uniform(0.6, 3), rng.uniform(0.3, 0.9))
            rgba = paint.stain(rng, size, 40, rng.uniform(0.15, 0.4))
            scene.decals.append(Decal(place.xy_m, place.heading_rad, rgba, 0.01))
        elif kind == "shadow":
            edge = _place(loop, s, float(rng.choice([-1, 1])) * rng.uniform(2.5, 4.5))
            rgba = paint.shadow_of_foliage(rng, (rng.uniform(4, 7), rng.uniform(3, 6)), 0.5)
            scene.shadows.append(Decal(edge.xy_m, edge.heading_rad, rgba, 0.03))


def _damage(scene: Scene, seed: int, gap_m: tuple[float, float]) -> None:
    """The true damage: spread over the drive, some in close company.

    Potholes come alone, in rows 4 to 8 m apart and side by side, so that keeping neighbours apart is tested.
    """
    rng = stream(seed, "damage plan")
    loop = scene.town.loop
    plan: list[tuple[str, float, float]] = []
    s = 14.0
    while s < loop.length_m - 20:
        kind = str(rng.choice(["D00", "D10", "D20", "D40", "row", "pair"], p=[0.16, 0.16, 0.16, 0.26, 0.13, 0.13]))
        half = scene.town.street_at(s).width_m / 2
        right = float(np.clip(LANE_OFFSET_M + rng.uniform(-0.9, 1.0), 1.1 - half, None))
        if kind == "row":
            gaps = np.cumsum(rng.uniform(4.2, 8.0, rng.integers(1, 3)))
            plan += [("D40", s, right), *(("D40", s + float(g), right + float(rng.uniform(-0.5, 0.5))) for g in gaps)]
            s += float(gaps[-1])
        elif kind == "pair":
            plan += [("D40", s, 1.0 - half), ("D40", s + float(rng.uniform(-0.5, 0.5)), float(rng.uniform(0.6, 1.4)))]
        else:
            plan.append((kind, s, right))
        s += float(rng.uniform(*gap_m))
    for number, (class_, at, right) in enumerate(plan):
        scene.damages.append(
            make_damage(scene, stream(seed, "damage", number), f"{class_}-{number:03}", (class_, at, right))
        )


def make_damage(scene: Scene, rng: np.random.Generator, key: str, where: tuple[str, float, float]) -> Damage:
    """One damage of a class at a distance along the loop and an offset from its centre line."""
    class_, s_m, right_m = where
    place = _place(scene.town.loop, s_m, right_m, float(rng.normal(0, 0.06)))
    if class_ == "D40":
        wide = float(np.exp(rng.normal(np.log(0.52), 0.32)))
        size = (wide * rng.uniform(0.8, 1.5), wide)
        decal, outline = pothole(rng, place, size, float(np.clip(rng.normal(0.055, 0.018), 0.028, 0.10)), scene.sun)
    elif class_ == "D20":
        size = (float(rng.uniform(1.4, 4.0)), float(rng.uniform(0.8, 1.7)))
        decal, outline = alligator_crack(rng, place, size, float(rng.uniform(0.10, 0.19)))
    else:
        length = float(rng.uniform(2.0, 6.0) if class_ == "D00" else rng.uniform(1.3, 3.0))
        decal, outline = linear_crack(rng, place, class_, length, float(rng.uniform(6, 13)))
    return Damage(key, class_, s_m, right_m, outline, decal)


def _place(loop: Path, s_m: float, right_m: float, turn_rad: float = 0.0) -> Place:
    east, north = loop.at(s_m, right_m)[0]
    return Place((float(east), float(north)), float(loop.heading_at(s_m)[0]) + turn_rad)
