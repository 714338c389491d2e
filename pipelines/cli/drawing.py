"""Pictures with boxes drawn on, for a look at what a model sees."""

import colorsys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from models.detections import Detections
from pipelines.errors import OutputError
from pipelines.frames.types import Picture

__all__ = ["draw_boxes", "save_drawing"]


def draw_boxes(picture: Picture, boxes: Detections, names: list[str]) -> Image.Image:
    """`picture` with each box, its class and score; the least certain first, so that the others lie on top."""
    image = Image.fromarray(picture)
    canvas = ImageDraw.Draw(image)
    thick = max(2, round(max(image.size) / 500))
    letters_px = max(11, round(max(image.size) / 70))
    font = ImageFont.load_default(size=letters_px)
    for xyxy, score, class_id in zip(boxes.xyxy[::-1], boxes.score[::-1], boxes.class_id[::-1], strict=True):
        left, top, right, bottom = (float(edge) for edge in xyxy)
        colour = _colour(int(class_id))
        canvas.rectangle((left, top, max(left, right - 1), max(top, bottom - 1)), outline=colour, width=thick)
        label = f"{names[class_id]} {score:.2f}"
        place = (left, max(0.0, top - letters_px - 2 * thick))
        canvas.rectangle(canvas.textbbox(place, label, font=font), fill=colour)
        canvas.text(place, label, fill="black", font=font)
    return image


def save_drawing(picture: Picture, boxes: Detections, names: list[str], path: Path) -> None:
    """Write `draw_boxes` as a JPEG.

    Raises:
        OutputError: it cannot be written there.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draw_boxes(picture, boxes, names).save(path, quality=88)
    except OSError as error:
        raise OutputError(f"the picture cannot be written ({error.strerror or error})", where=path) from error


def _colour(class_id: int) -> tuple[int, int, int]:
    """Hues a golden angle apart: neighbours differ however many classes there are."""
    red, green, blue = colorsys.hsv_to_rgb((class_id * 0.381966) % 1.0, 0.75, 1.0)
    return round(red * 255), round(green * 255), round(blue * 255)
