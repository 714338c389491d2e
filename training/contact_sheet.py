"""One picture of the worst errors: what was missed and what was seen where nothing is, each with its surroundings."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from models.measures import box_iou
from training.judge import Judged
from training.outcomes import outcomes_of
from training.sources.pictures import read_upright
from training.sources.samples import Sample

__all__ = ["Blunder", "contact_sheet", "worst_errors"]

MOST = 32
COLUMNS, TILE_PX, CAPTION_PX, GAP_PX, LEGEND_PX = 8, 180, 32, 6, 30
SURROUNDINGS = 2.5
LEAST_PX = 48
# Okabe and Ito's colours, which colour-blind people tell apart; the caption says the kind in words as well.
COLOURS = {"missed": "#56B4E9", "false": "#E69F00"}
NEIGHBOUR = "#FFFFFF"
KINDS = {"missed": "missed: labelled, not found", "false": "false: found, not labelled"}


@dataclass(frozen=True, slots=True)
class Blunder:
    """One error.

    Attributes:
        kind: `missed` or `false`.
        class_id: of the truth that was missed, or the box that is false.
        xyxy: its box in px of the picture.
        score: of the false box; of a missed truth, the best of its class there below the threshold, else 0.
        sample: the picture.
    """

    kind: Literal["missed", "false"]
    class_id: int
    xyxy: tuple[float, float, float, float]
    score: float
    sample: Sample


def worst_errors(judged: Judged, thresholds: Mapping[str, float], most: int = MOST) -> list[Blunder]:
    """The errors to look at first, missed and false ones by turns.

    Among false boxes the worst is that of the highest score; among missed truths one that nothing was seen of at any
    threshold, and among those the largest.
    """
    missed: list[Blunder] = []
    false: list[Blunder] = []
    for sample, truth, boxes in zip(judged.samples, judged.truths, judged.found, strict=True):
        one = outcomes_of(truth, boxes, list(thresholds.values()))
        for index in one.missed:
            class_id = int(truth.class_id[index])
            alike = boxes.where(boxes.class_id == class_id)
            near = box_iou(alike.xyxy, truth.xyxy[index : index + 1])[:, 0] >= 0.5
            missed.append(_blunder("missed", class_id, truth.xyxy[index], alike.score[near].max(initial=0), sample))
        for index in one.false:
            class_id = int(boxes.class_id[index])
            false.append(_blunder("false", class_id, boxes.xyxy[index], boxes.score[index], sample))
    missed.sort(key=lambda one: (one.score, -_area(one)))
    false.sort(key=lambda one: -one.score)
    turns = chain.from_iterable(zip_longest(missed, false))
    return [one for one in turns if one is not None][:most]


def contact_sheet(blunders: Sequence[Blunder], classes: Sequence[str]) -> Image.Image:
    """The errors side by side, with a legend above."""
    rows = max(1, -(-len(blunders) // COLUMNS))
    width = COLUMNS * (TILE_PX + GAP_PX) + GAP_PX
    height = LEGEND_PX + rows * (TILE_PX + CAPTION_PX + GAP_PX) + GAP_PX
    sheet = Image.new("RGB", (width, height), "#202020")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(12)
    _legend(draw, font, len(blunders))
    for number, one in enumerate(blunders):
        left = GAP_PX + number % COLUMNS * (TILE_PX + GAP_PX)
        top = LEGEND_PX + number // COLUMNS * (TILE_PX + CAPTION_PX + GAP_PX)
        sheet.paste(_tile(one), (left, top))
        draw.text((left, top + TILE_PX + 2), _caption(one, classes), fill="white", font=font)
    return sheet


def _legend(draw: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, n: int) -> None:
    left = GAP_PX
    entries = [(colour, KINDS[kind]) for kind, colour in COLOURS.items()] + [(NEIGHBOUR, "other labels of the picture")]
    for colour, words in entries:
        draw.rectangle((left, 9, left + 14, 21), outline=colour, width=2)
        draw.text((left + 20, 8), words, fill="white", font=font)
        left += 230
    draw.text((left, 8), f"{n} worst errors; the number is the model's score", fill="white", font=font)


def _tile(one: Blunder) -> Image.Image:
    """The error amid its surroundings, `TILE_PX` square."""
    left, top, right, bottom = one.xyxy
    side = round(max(LEAST_PX, SURROUNDINGS * max(right - left, bottom - top)))
    scale = TILE_PX / side
    image = Image.fromarray(read_upright(one.sample.picture))
    middle = (left + right, top + bottom)
    # Inside the picture, where that is large enough.
    corner = [max(0, min(round((twice - side) / 2), at - side)) for twice, at in zip(middle, image.size, strict=True)]
    box = (corner[0], corner[1], corner[0] + side, corner[1] + side)
    tile = image.crop(box).resize((TILE_PX, TILE_PX), Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(tile)
    others = [(tuple(other), NEIGHBOUR, 1) for other in one.sample.xyxy.tolist() if tuple(other) != one.xyxy]
    for xyxy, colour, width in (*others, (one.xyxy, COLOURS[one.kind], 3)):
        x1, y1, x2, y2 = ((edge - corner[axis % 2]) * scale for axis, edge in enumerate(xyxy))
        draw.rectangle((x1, y1, max(x1, x2), max(y1, y2)), outline=colour, width=width)
    return tile


def _caption(one: Blunder, classes: Sequence[str]) -> str:
    said = f" {one.score:.2f}" if one.score else ""
    return f"{one.kind} {classes[one.class_id]}{said}\n{_short(one.sample.picture.stem)}"


def _short(name: str, most: int = 24) -> str:
    """The end of a name tells more than its beginning."""
    return name if len(name) <= most else f"…{name[1 - most :]}"


def _blunder(
    kind: Literal["missed", "false"], class_id: int, xyxy: np.ndarray, score: float | np.floating, sample: Sample
) -> Blunder:
    left, top, right, bottom = (float(edge) for edge in xyxy)
    return Blunder(kind, class_id, (left, top, right, bottom), float(score), sample)


def _area(one: Blunder) -> float:
    left, top, right, bottom = one.xyxy
    return (right - left) * (bottom - top)
