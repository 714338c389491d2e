"""From a scene and a view to a picture as a windscreen camera takes it."""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from pipelines.sample.ground import GroundArtist
from pipelines.sample.randomness import stream
from pipelines.sample.scene import Scene
from pipelines.sample.textures import Image, noise_cut
from pipelines.sample.uprights import Panel
from pipelines.sample.view import FROM_INDEX, View, apply, centred

Array = NDArray[np.float64]

_NEAR_M = 0.5
_PANEL_RANGE_M = 130.0
_CLEAR_M = 10.0
_SMALLEST_PX = 3
_HAZE = (206, 214, 222)
_SKY_PX_PER_DEG = 6
_SKY_TOP_DEG = 50
_GRAIN_SHAPE = (1200, 2100, 3)


@dataclass(frozen=True, slots=True)
class Shot:
    """How one picture is exposed.

    Attributes:
        number: which frame, the key of its own noise.
        exposure: gain of brightness.
        warmth: gain of red over blue.
        blur_px: vertical smear at the bottom edge from driving.
        noise: standard deviation of sensor noise, grey levels.
    """

    number: int
    exposure: float = 1.0
    warmth: float = 1.0
    blur_px: float = 3.0
    noise: float = 2.0


@dataclass
class Renderer:
    """Renders frames of one scene; built once, used from any thread."""

    scene: Scene
    seed: int
    _ground: GroundArtist = field(init=False, repr=False)
    _sky: Image = field(init=False, repr=False)
    _noise: NDArray[np.float32] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._ground = GroundArtist(self.scene, self.seed)
        self._sky = sky_panorama(stream(self.seed, "sky"), float(self.scene.sun.azimuth_rad))
        self._noise = stream(self.seed, "sensor").standard_normal(_GRAIN_SHAPE, dtype=np.float32)

    def frame(self, view: View, shot: Shot) -> Image:
        """(height, width, 3) uint8 RGB."""
        ground, top = self._ground.draw(view)
        picture = np.empty((view.camera.height_px, view.camera.width_px, 3), np.uint8)
        picture[:top] = self._sky_seen(view, top)
        picture[top:] = _hazed(ground, view, top)
        for panel in _back_to_front(self.scene.panels, view):
            _stand(picture, panel, view)
        return self._exposed(picture, shot)

    def _sky_seen(self, view: View, rows: int) -> Image:
        """(rows, width, 3): the panorama looked up along coarse rays; clouds have no fine detail."""
        camera = view.camera
        x, y = np.meshgrid(np.arange(4, camera.width_px, 8.0), np.arange(4, rows + 8, 8.0))
        right, down, forward = camera.rays(np.column_stack([x.ravel(), y.ravel()])).T
        azimuth = np.degrees(view.heading_rad + np.arctan2(right, forward)) % 360
        up = np.degrees(np.arctan2(-down, np.hypot(right, forward)))
        column = (azimuth * _SKY_PX_PER_DEG).astype(np.float32).reshape(x.shape)
        row = ((_SKY_TOP_DEG - up) * _SKY_PX_PER_DEG).astype(np.float32).reshape(x.shape)
        coarse = cv2.remap(self._sky, column, row, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        size = (x.shape[1] * 8, x.shape[0] * 8)
        return np.asarray(cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR)[:rows, : camera.width_px], np.uint8)

    def _exposed(self, picture: Image, shot: Shot) -> Image:
        rng = stream(self.seed, "shot", shot.number)
        light = cv2.GaussianBlur(_smeared(picture, shot.blur_px), (3, 3), 0.6).astype(np.float32)
        gain = (np.array([shot.warmth, 1.0, 1 / shot.warmth]) * shot.exposure).astype(np.float32)
        light *= _vignette(picture.shape[:2]) * gain
        rows, columns = light.shape[:2]
        dy, dx = (int(v) for v in rng.integers(0, np.array(_GRAIN_SHAPE[:2]) - light.shape[:2] + 1))
        light += np.float32(shot.noise) * self._noise[dy : dy + rows, dx : dx + columns]
        return np.asarray(np.clip(light, 0, 255), np.uint8)


def sky_panorama(rng: np.random.Generator, sun_azimuth_rad: float) -> Image:
    """(rows, columns, 3) uint8: all around from 50° up to the horizon, with clouds and the glow of the sun."""
    rows, columns = _SKY_TOP_DEG * _SKY_PX_PER_DEG, 360 * _SKY_PX_PER_DEG
    up = np.linspace(_SKY_TOP_DEG, 0, rows)[:, None, None]
    blue = np.array([112.0, 158, 214]) + (np.array([214.0, 224, 232]) - [112, 158, 214]) * np.exp(-up / 14)
    field_ = noise_cut(rng, (512, 2048), 1.5, smallest_px=5)
    stretched = cv2.resize(field_, (columns, rows * 2), interpolation=cv2.INTER_CUBIC)[:rows]
    cloud = np.clip(stretched * 0.75 - 0.05, 0, 1)[..., None] * np.clip(up / 10, 0.25, 1)
    azimuth = np.linspace(0, 2 * np.pi, columns)[None, :, None]
    glow = np.exp(-((np.angle(np.exp(1j * (azimuth - sun_azimuth_rad))) / 0.9) ** 2)) * 26
    sky = blue * (1 - cloud) + np.array([240.0, 241, 243]) * cloud + glow
    return np.asarray(np.clip(sky, 0, 252), np.uint8)


def _hazed(ground: Image, view: View, top: int) -> Image:
    """Far ground fades into the air's colour."""
    rows = len(ground)
    y = top + np.arange(rows) + 0.5
    forward = view.camera.to_ground(np.column_stack([np.full(rows, view.camera.width_px / 2), y]))[:, 0]
    veil = (1 - np.exp(-np.minimum(forward, 2000) / 900)).astype(np.float32)[:, None, None]
    far = ground[: int(np.searchsorted(-forward, -_CLEAR_M))]
    faint = veil[: len(far)]
    far[:] = (far * (1 - faint) + np.array(_HAZE, np.float32) * faint).astype(np.uint8)
    return ground


def _back_to_front(panels: list[Panel], view: View) -> list[Panel]:
    """Panels that may be in view, the farthest first."""
    centres = np.array([p.centre_m[:2] for p in panels]).reshape(-1, 2)
    forward, right = view.ahead_m(centres).T
    distance = np.hypot(forward, right)
    wide = np.array([np.hypot(*p.across_m[:2]) for p in panels])
    near = np.flatnonzero((forward > -12) & (distance < _PANEL_RANGE_M + 8 * np.maximum(wide - 20, 0)))
    return [panels[k] for k in near[np.argsort(-distance[near], kind="stable")]]


def _stand(picture: Image, panel: Panel, view: View) -> None:
    """Draw a panel, cut off where it passes the lens."""
    corner, across, down = panel.seen_from(view.east_m, view.north_m)
    plane = view.projection @ np.column_stack([across, down, corner - view.lens_m])
    shape = _clipped(np.array([[0.0, 0], [1, 0], [1, 1], [0, 1]]), plane)
    if len(shape) < 3:
        return
    points = apply(plane, shape)
    if _area(points) <= 0:  # its back
        return
    height, width = picture.shape[:2]
    x0, y0 = np.clip(np.floor(points.min(0)), 0, [width, height]).astype(int)
    x1, y1 = np.clip(np.ceil(points.max(0)) + 1, 0, [width, height]).astype(int)
    if x1 - x0 < _SMALLEST_PX or y1 - y0 < _SMALLEST_PX:
        return
    source = panel.levels[_level(panel, points)]
    to_unit = np.diag([1 / source.shape[1], 1 / source.shape[0], 1.0])
    shift = np.array([[1.0, 0, -x0], [0, 1.0, -y0], [0, 0, 1.0]])
    matrix = shift @ centred(plane @ to_unit) @ FROM_INDEX
    part = cv2.warpPerspective(source, matrix, (int(x1 - x0), int(y1 - y0)), flags=cv2.INTER_LINEAR)
    if len(shape) > 4 or not np.isin(shape, (0.0, 1.0)).all():
        mask = np.zeros(part.shape[:2], np.uint8)
        cv2.fillConvexPoly(mask, np.rint((points - [x0, y0] - 0.5) * 16).astype(np.int32), 255, cv2.LINE_AA, 4)
        part = cv2.copyTo(part, mask, np.zeros_like(part))
    rest = cv2.bitwise_not(np.ascontiguousarray(part[..., 3]))
    below = picture[y0:y1, x0:x1]
    below[:] = cv2.add(cv2.multiply(below, cv2.merge([rest] * 3), scale=1 / 255), np.ascontiguousarray(part[..., :3]))


def _clipped(square: Array, plane: Array) -> Array:
    """The part of the unit square in front of the lens (Sutherland-Hodgman against one plane)."""
    depth = square @ plane[2, :2] + plane[2, 2] - _NEAR_M
    kept = []
    for k in range(len(square)):
        a, b, da, db = square[k - 1], square[k], depth[k - 1], depth[k]
        if (da > 0) != (db > 0):
            kept.append(a + (b - a) * da / (da - db))
        if db > 0:
            kept.append(b)
    return np.array(kept).reshape(-1, 2)


def _area(points: Array) -> float:
    """Signed area of a polygon in px, positive clockwise on the screen."""
    x, y = points.T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def _level(panel: Panel, points: Array) -> int:
    """The halving of the panel's picture that fits its size in the frame."""
    rows, columns = panel.rgba.shape[:2]
    wide, tall = np.maximum(points.max(0) - points.min(0), 1)
    shrink = min(columns / wide, rows / tall)
    return int(np.clip(round(np.log2(max(shrink, 1.0))), 0, len(panel.levels) - 1))


def _smeared(picture: Image, blur_px: float) -> Image:
    """Vertical motion blur that grows towards the bottom edge, where the road passes fastest."""
    taps = int(blur_px)
    if taps < 2:
        return picture
    rows = len(picture)
    start = rows * 3 // 5
    low = picture[start:]
    weight = np.linspace(0, 1, rows - start, dtype=np.float32)[:, None, None]
    smeared = cv2.blur(low, (1, taps))
    out = picture.copy()
    out[start:] = (low * (1 - weight) + smeared * weight).astype(np.uint8)
    return out


def _vignette(shape: tuple[int, int]) -> NDArray[np.float32]:
    """(rows, columns, 1) float32: darker corners, by the square of the distance to the middle."""
    y, x = (np.linspace(-1, 1, n, dtype=np.float32) for n in shape)
    return (1.02 - 0.09 * (y[:, None] ** 2 + x[None, :] ** 2))[..., None]
