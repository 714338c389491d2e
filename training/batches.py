"""Batches of crops, the same for a given recipe, stage and epoch whatever happened before."""

import os
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from training.crops import NO_KIND, Crop, choose_window, cut, see_boxes, see_regions
from training.errors import SourceError
from training.kinds import Shape, shape_of
from training.recipe import Recipe, Stage
from training.sources.pictures import Picture, read_upright
from training.sources.samples import Sample
from training.transplant import Change, Cutting, cut_out, transplant
from training.weather import equalise, relight

__all__ = ["Album", "Batch", "epoch_batches", "memory_share", "read_picture", "smallest_batch"]

PAD = 114
ASSUMED_BYTES = 16 << 30
"""The memory of a machine that does not tell it."""


@dataclass(frozen=True, slots=True)
class Batch:
    """What one step learns from.

    Attributes:
        pictures: uint8 (b, side, side, 3) RGB.
        index: int64 (n,), the picture each box is on.
        class_id: int64 (n,).
        xywh: float32 (n, 4), centre and size as fractions of the crop.
        kind_id: int64 (n,), the class that is a box's type, beside its own; `training.crops.NO_KIND` where not known.
        labelled: bool (b, classes), the classes each picture may teach.
        ignored: float32 (m, 5), regions in which nobody labelled anything: the picture each is on, centre and size as
            fractions of the crop.
    """

    pictures: Picture
    index: NDArray[np.int64]
    class_id: NDArray[np.int64]
    kind_id: NDArray[np.int64]
    xywh: NDArray[np.float32]
    labelled: NDArray[np.bool_]
    ignored: NDArray[np.float32]


def read_picture(sample: Sample) -> Picture:
    """The sample's picture, uint8 (h, w, 3) RGB, its watermark painted over.

    Raises:
        SourceError: when it is not there, or cannot be read to its end.
    """
    picture = read_upright(sample.picture)
    if sample.blank is not None:
        height, width = picture.shape[:2]
        left, top, right, bottom = sample.blank
        picture[int(top * height) : int(np.ceil(bottom * height)), int(left * width) : int(np.ceil(right * width))] = (
            PAD
        )
    return picture


class Album:
    """Labelled pictures by data set, kept decoded in memory (about 2 MB a frame of 1024 × 640) as far as it reaches.

    Args:
        samples: the pictures.
        most_bytes: what the decoded pictures may take; those that nobody asked for the longest are let go.
    """

    def __init__(self, samples: Mapping[str, Sequence[Sample]], most_bytes: int | None = None) -> None:
        self.samples = {name: list(some) for name, some in samples.items()}
        self._most_bytes = memory_share() if most_bytes is None else most_bytes
        self._n_bytes = 0
        self._lock = Lock()
        self._pictures: OrderedDict[tuple[str, bool], Picture] = OrderedDict()
        self._cuttings: dict[str, list[Cutting]] = {}
        self._found_shapes: dict[tuple[str, str], list[Shape | None]] = {}
        self._alike: dict[tuple[str, bytes], list[Sample]] = {}
        for one in (one for some in self.samples.values() for one in some):
            self._alike.setdefault(_kind(one), []).append(one)

    def picture(self, sample: Sample, equalised: bool = False) -> Picture:
        """The decoded picture of a sample, its contrast equalised where asked; what came equalised stays as it is."""
        key = (str(sample.picture), equalised and sample.facts.get("contrast_equalised") != "1")
        with self._lock:
            if key in self._pictures:
                self._pictures.move_to_end(key)
                return self._pictures[key]
        picture = read_picture(sample)
        return self._kept(key, equalise(picture) if key[1] else picture)

    def alike(self, sample: Sample) -> Sequence[Sample]:
        """The samples of the same data set that label the same classes, itself among them."""
        return self._alike[_kind(sample)]

    def cuttings(self, name: str, class_id: int) -> Sequence[Cutting]:
        """Every object of the class that a mask lets be cut out; made at the first call."""
        if name not in self._cuttings:
            masked = (one for some in self.samples.values() for one in some if name in one.masks)
            self._cuttings[name] = [cutting for one in masked for cutting in self._cut_out(one, name, class_id)]
        return self._cuttings[name]

    def kinds(
        self, sample: Sample, classes: Sequence[str], shapes: Mapping[str, Mapping[Shape, str]]
    ) -> NDArray[np.int16]:
        """The class (n,) that is the type of each box of a sample, by the shape of its mask; NO_KIND where not told."""
        found = np.full(len(sample.xyxy), NO_KIND, np.int16)
        for name, types in shapes.items():
            boxes = np.flatnonzero(sample.class_id == classes.index(name))
            if sample.road_view is None or name not in sample.masks or not len(boxes):
                continue
            for box, shape in zip(boxes, self._shapes(sample, name, boxes), strict=True):
                if shape is not None and shape in types:
                    found[box] = classes.index(types[shape])
        return found

    def _shapes(self, sample: Sample, name: str, boxes: NDArray[np.int64]) -> list[Shape | None]:
        key = (str(sample.picture), name)
        if key not in self._found_shapes and sample.road_view is not None:
            mask = _read_mask(sample.masks[name])
            self._found_shapes[key] = [shape_of(mask, sample.xyxy[one], sample.road_view) for one in boxes]
        return self._found_shapes[key]

    def _kept(self, key: tuple[str, bool], picture: Picture) -> Picture:
        with self._lock:
            if key not in self._pictures:
                self._pictures[key] = picture
                self._n_bytes += picture.nbytes
            while self._n_bytes > self._most_bytes:
                self._n_bytes -= self._pictures.popitem(last=False)[1].nbytes
        return picture

    def _cut_out(self, sample: Sample, name: str, class_id: int) -> Iterable[Cutting]:
        boxes = sample.xyxy[sample.class_id == class_id]
        if not len(boxes):
            return ()
        return cut_out(self.picture(sample), _read_mask(sample.masks[name]), boxes)


def _read_mask(path: Path) -> NDArray[np.bool_]:
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("L")) > 0
    except OSError as error:
        raise SourceError("the mask cannot be read", where=path) from error


def memory_share(processes: int = 1) -> int:
    """Bytes of decoded pictures that each of so many processes may keep: together a quarter of the machine's memory."""
    try:
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        whole = ASSUMED_BYTES
    return whole // 4 // processes


def _kind(sample: Sample) -> tuple[str, bytes]:
    return sample.source, sample.labelled.tobytes()


def smallest_batch(recipe: Recipe) -> int:
    """How many crops the smallest batch of a recipe has: the last one of an epoch may be a part."""
    sizes = [sum(_crops_of(stage).values()) for stage in recipe.stages]
    return min(size if size < recipe.batch else size % recipe.batch or recipe.batch for size in sizes)


def epoch_batches(album: Album, recipe: Recipe, stage_index: int, epoch: int, cutters: int = 1) -> Iterator[Batch]:
    """The batches of one epoch; the next ones are cut while the network is busy with the last.

    Args:
        album: the pictures.
        recipe: sizes, shares and chances.
        stage_index: which of the recipe's stages.
        epoch: the epoch within that stage, from 0.
        cutters: how many batches are cut at a time. The crops are the same for any number.
    """
    stage = recipe.stages[stage_index]
    order = _order(album, stage, np.random.default_rng([recipe.seed, stage_index, epoch]))
    groups = [order[start : start + recipe.batch] for start in range(0, len(order), recipe.batch)]

    def make(number: int) -> Batch:
        rng = np.random.default_rng([recipe.seed, stage_index, epoch, number])
        return _batch([(one, _crop(album, one, recipe, stage, rng)) for one in groups[number]])

    with ThreadPoolExecutor(max_workers=cutters, thread_name_prefix="crops") as pool:
        coming = deque(pool.submit(make, number) for number in range(min(cutters, len(groups))))
        for number in range(len(groups)):
            batch = coming.popleft().result()
            if number + cutters < len(groups):
                coming.append(pool.submit(make, number + cutters))
            yield batch


def _order(album: Album, stage: Stage, rng: np.random.Generator) -> list[Sample]:
    """The epoch's pictures: each data set gives its share, every picture of it as often as any other (± 1)."""
    order: list[Sample] = []
    for name, n in _crops_of(stage).items():
        samples = album.samples[name]
        picks = np.concatenate([rng.permutation(len(samples)) for _ in range(-(-n // len(samples)))])[:n]
        order.extend(samples[pick] for pick in picks)
    return [order[place] for place in rng.permutation(len(order))]


def _crops_of(stage: Stage) -> dict[str, int]:
    """How many crops of an epoch each data set gives: one at least."""
    total = sum(share.weight for share in stage.sources.values())
    return {name: max(1, round(stage.crops * share.weight / total)) for name, share in stage.sources.items()}


def _crop(album: Album, sample: Sample, recipe: Recipe, stage: Stage, rng: np.random.Generator) -> Crop:
    side = stage.side_px
    if rng.random() < stage.mosaic:
        alike = album.alike(sample)
        four = [sample, *(alike[int(pick)] for pick in rng.integers(len(alike), size=3))]
        crop = _mosaic([_one(album, part, recipe, stage, side // 2, rng) for part in four])
    else:
        crop = _one(album, sample, recipe, stage, side, rng)
    for name, chance in stage.transplant.items():
        class_id = recipe.classes.index(name)
        if sample.labelled[class_id] and rng.random() < chance:
            change = Change(class_id, recipe.transplant, stage.transplant_light)
            crop = transplant(crop, album.cuttings(name, class_id), change, rng)
    crop = replace(crop, picture=relight(crop.picture, recipe.light, rng))
    crop = crop.mirrored() if rng.random() < 0.5 else crop
    return crop if recipe.crop.upright else crop.turned(int(rng.integers(4)))


def _one(album: Album, sample: Sample, recipe: Recipe, stage: Stage, side: int, rng: np.random.Generator) -> Crop:
    # No chance is drawn where nothing hangs on it: recipes without equalising keep their crops.
    picture = album.picture(sample, equalised=recipe.equalise > 0 and rng.random() < recipe.equalise)
    scale = stage.sources[sample.source].scale or recipe.crop.scale
    params = recipe.crop.model_copy(update={"scale": scale})
    window = choose_window((picture.shape[1], picture.shape[0]), sample.xyxy, sample.ignored, side, params, rng)
    xyxy, counts = see_boxes(sample.xyxy, window, side, params)
    ignored = see_regions(sample.ignored, window, side)
    kinds = album.kinds(sample, recipe.classes, stage.shapes)[counts] if stage.shapes else None
    return Crop(cut(picture, window, side), xyxy[counts], sample.class_id[counts], ignored, kinds)


def _mosaic(quarters: Sequence[Crop]) -> Crop:
    """Four crops of one side as one of twice that side."""
    pictures = [one.picture for one in quarters]
    side = pictures[0].shape[0]
    places = np.array([[0, 0], [side, 0], [0, side], [side, side]], np.float32)
    return Crop(
        np.vstack([np.hstack(pictures[:2]), np.hstack(pictures[2:])]),
        np.concatenate([one.xyxy + np.tile(place, 2) for one, place in zip(quarters, places, strict=True)]),
        np.concatenate([one.class_id for one in quarters]),
        np.concatenate([one.ignored + np.tile(place, 2) for one, place in zip(quarters, places, strict=True)]),
        np.concatenate([one.kinds for one in quarters]),
    )


def _batch(cuts: Sequence[tuple[Sample, Crop]]) -> Batch:
    crops = [crop for _, crop in cuts]
    side = crops[0].picture.shape[0]
    of_region, ignored = _gathered([crop.ignored for crop in crops], side)
    index, xywh = _gathered([crop.xyxy for crop in crops], side)
    return Batch(
        pictures=np.stack([crop.picture for crop in crops]),
        index=index,
        class_id=np.concatenate([crop.class_id for crop in crops]).astype(np.int64),
        kind_id=np.concatenate([crop.kinds for crop in crops]).astype(np.int64),
        xywh=xywh,
        labelled=np.stack([sample.labelled for sample, _ in cuts]),
        ignored=np.hstack([of_region[:, None], ignored]).astype(np.float32),
    )


def _gathered(by_crop: Sequence[NDArray[np.float32]], side: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Boxes of all crops: the crop each is on, int64 (n,), and centre and size as fractions of it, float32 (n, 4)."""
    xyxy = np.concatenate(by_crop) / side
    index = np.repeat(np.arange(len(by_crop)), [len(one) for one in by_crop]).astype(np.int64)
    return index, np.hstack([(xyxy[:, :2] + xyxy[:, 2:]) / 2, xyxy[:, 2:] - xyxy[:, :2]]).astype(np.float32)
