"""Objects cut out of some pictures and set into others: the same pothole on another road, in another light.

A model taught on the large, lone holes of one road misses the small ones within cracked areas of the next. Holes that
have a pixel mask are shrunk and set into areas labelled as damaged, where such holes are found, and never elsewhere: a
pothole on a bonnet teaches nothing. After Ghiasi et al., "Simple Copy-Paste is a Strong Data Augmentation Method for
Instance Segmentation", CVPR 2021.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from training.crops import NO_KIND, Crop
from training.recipe import TransplantParams

__all__ = ["Change", "Cutting", "cut_out", "transplant"]

MARGIN_PX = 6
LEAST_PX = 16
LEAST_FILLED = 0.25
Picture = NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Cutting:
    """An object cut out along its mask.

    Attributes:
        picture: uint8 (h, w, 3) RGB, the object's box with a margin.
        cover: float32 (h, w) from 0 to 1, soft at the edge: how much of each pixel is the object.
        ground: float32 (3,), the mean colour around it.
        xyxy: float32 (4,), its box in `picture`, px.
    """

    picture: Picture
    cover: NDArray[np.float32]
    ground: NDArray[np.float32]
    xyxy: NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Change:
    """What is done to a crop.

    Attributes:
        class_id: the class of the objects set into it.
        params: their size and number.
        light: range of a factor on their brightness.
    """

    class_id: int
    params: TransplantParams
    light: tuple[float, float] = (1.0, 1.0)


def cut_out(picture: Picture, mask: NDArray[np.bool_], boxes: NDArray[np.float32]) -> Iterable[Cutting]:
    """The objects of a picture that can be cut out: whole, with a margin inside the picture, and filled by the mask.

    Args:
        picture: uint8 (h, w, 3) RGB.
        mask: bool (h, w), pixels of any object of the class.
        boxes: float32 (n, 4) px, its boxes.
    """
    height, width = mask.shape
    for left, top, right, bottom in np.rint(boxes).astype(int):
        x1, y1, x2, y2 = left - MARGIN_PX, top - MARGIN_PX, right + MARGIN_PX, bottom + MARGIN_PX
        if x1 < 0 or y1 < 0 or x2 > width or y2 > height or min(right - left, bottom - top) < LEAST_PX:
            continue
        if mask[top:bottom, left:right].mean() < LEAST_FILLED:
            continue
        inside = np.zeros((y2 - y1, x2 - x1), np.float32)
        inside[MARGIN_PX:-MARGIN_PX, MARGIN_PX:-MARGIN_PX] = mask[top:bottom, left:right]
        wide = cv2.dilate(inside, np.ones((5, 5), np.uint8))
        part = picture[y1:y2, x1:x2]
        yield Cutting(
            picture=part.copy(),
            cover=np.asarray(cv2.GaussianBlur(wide, (0, 0), 1.5), np.float32),
            ground=part[wide == 0].mean(axis=0).astype(np.float32),
            xyxy=np.array([MARGIN_PX, MARGIN_PX, MARGIN_PX + right - left, MARGIN_PX + bottom - top], np.float32),
        )


def transplant(crop: Crop, cuttings: Sequence[Cutting], change: Change, rng: np.random.Generator) -> Crop:
    """The crop with up to `change.params.most` more objects, each within a box of another class.

    Objects are shrunk, never enlarged, flipped at random and lit as the place they are set into. Where there is no
    box to set them into, or no room in it, the crop stays as it is.
    """
    own = crop.class_id == change.class_id
    hosts = crop.xyxy[~own]
    if not len(hosts) or not cuttings:
        return crop
    picture, taken = crop.picture.copy(), list(crop.xyxy[own])
    added: list[NDArray[np.float32]] = []
    for _ in range(int(rng.integers(1, change.params.most + 1))):
        cutting = _shrunk(cuttings[int(rng.integers(len(cuttings)))], change.params, rng)
        place = _place(cutting, hosts[int(rng.integers(len(hosts)))], [*taken, *added], rng)
        if place is not None:
            _set_into(picture, cutting, place, rng.uniform(*change.light))
            added.append(cutting.xyxy + np.array([*place, *place], np.float32))
    if not added:
        return crop
    class_ids = np.append(crop.class_id, np.full(len(added), change.class_id, np.int16)).astype(np.int16)
    xyxy = np.vstack([crop.xyxy, *added]).astype(np.float32)
    kinds = np.append(crop.kinds, np.full(len(added), NO_KIND, np.int16)).astype(np.int16)
    return replace(crop, picture=picture, xyxy=xyxy, class_id=class_ids, kind_id=kinds)


def _shrunk(cutting: Cutting, params: TransplantParams, rng: np.random.Generator) -> Cutting:
    wanted = np.exp(rng.uniform(*np.log(params.size_px)))
    own = np.sqrt(np.prod(cutting.xyxy[2:] - cutting.xyxy[:2]))
    height, width = cutting.cover.shape
    scale = min(1.0, wanted / own)
    size = max(round(width * scale), 3), max(round(height * scale), 3)
    ratio = np.array([size[0] / width, size[1] / height] * 2, np.float32)
    picture = np.asarray(cv2.resize(cutting.picture, size, interpolation=cv2.INTER_AREA), np.uint8)
    cover = np.asarray(cv2.resize(cutting.cover, size, interpolation=cv2.INTER_AREA), np.float32)
    xyxy = cutting.xyxy * ratio
    if rng.random() < 0.5:
        picture, cover = picture[:, ::-1], cover[:, ::-1]
        xyxy = xyxy.copy()
        xyxy[[0, 2]] = size[0] - xyxy[[2, 0]]
    return Cutting(picture, cover, cutting.ground, xyxy)


def _place(
    cutting: Cutting, host: NDArray[np.float32], taken: Sequence[NDArray[np.float32]], rng: np.random.Generator
) -> tuple[int, int] | None:
    """Left and top px of the cutting within `host`, clear of what is there already; None where there is no room."""
    height, width = cutting.cover.shape
    left, top = np.ceil(host[:2]).astype(int)
    room_x, room_y = int(host[2]) - width - left, int(host[3]) - height - top
    if room_x < 0 or room_y < 0:
        return None
    x, y = int(left + rng.integers(room_x + 1)), int(top + rng.integers(room_y + 1))
    clear = all(x >= b[2] or y >= b[3] or x + width <= b[0] or y + height <= b[1] for b in taken)
    return (x, y) if clear else None


def _set_into(picture: Picture, cutting: Cutting, place: tuple[int, int], factor: float) -> None:
    x, y = place
    height, width = cutting.cover.shape
    under = picture[y : y + height, x : x + width].astype(np.float32)
    light = np.clip((under.mean(axis=(0, 1)) + 1) / (cutting.ground + 1), 0.5, 2.0)
    cover = cutting.cover[..., None]
    mixed = under * (1 - cover) + np.clip(cutting.picture * (light * factor), 0, 255) * cover
    picture[y : y + height, x : x + width] = np.rint(mixed).astype(np.uint8)
