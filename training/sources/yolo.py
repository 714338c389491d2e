"""YOLO label files: one line a box, `class x y w h`, centre and size as fractions of the picture."""

from pathlib import Path

from training.errors import SourceError

__all__ = ["Box", "read_yolo"]

Box = tuple[float, float, float, float]
"""x1, y1, x2, y2 in px of the picture, corners."""


def read_yolo(path: Path, size_px: tuple[int, int]) -> list[tuple[str, Box]]:
    """The boxes of one label file as (label, box), clipped to the picture; none when there is no file.

    Args:
        path: the label file. YOLO writes none for a picture with nothing on it.
        size_px: width and height of its picture.

    Raises:
        SourceError: when a line is not five numbers; the line is named.
    """
    if not path.exists():
        return []
    width, height = size_px
    boxes = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        fields = line.split()
        try:
            x, y, w, h = (float(field) for field in fields[1:])
        except ValueError as error:
            raise SourceError("a box is `class x y w h`", where=f"{path}, line {number}") from error
        left, right = max(0.0, (x - w / 2) * width), min(float(width), (x + w / 2) * width)
        top, bottom = max(0.0, (y - h / 2) * height), min(float(height), (y + h / 2) * height)
        if right > left and bottom > top:
            boxes.append((fields[0], (left, top, right, bottom)))
    return boxes
