"""Padding: the network wants sides that are multiples of its stride."""

import numpy as np

from models.types import Picture

__all__ = ["pad_to_stride"]


def pad_to_stride(picture: Picture, stride: int, value: int) -> Picture:
    """`picture` with columns on the right and rows at the bottom until both sides are multiples of `stride`.

    Padding on those two sides alone leaves every pixel coordinate as it is.
    """
    height, width = picture.shape[:2]
    rows, columns = -height % stride, -width % stride
    if not rows and not columns:
        return np.ascontiguousarray(picture)
    padded = np.full((height + rows, width + columns, 3), value, np.uint8)
    padded[:height, :width] = picture
    return padded
