"""A frame, and what is said of one that cannot be read."""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipelines.errors import PipelineError

__all__ = ["BadFrame", "BadFrameCode", "Frame", "Picture"]

Picture = NDArray[np.uint8]
"""uint8 (h, w, 3), rows from the top, RGB, turned upright, pixels square."""

BadFrameCode = Literal[
    "empty", "not_an_image", "truncated", "damaged", "too_many_pixels", "unreadable", "not_a_video", "no_such_frame"
]


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame that can be asked for.

    Attributes:
        name: its path below the folder that was opened, or the file's name, with more of its folders where another
            frame has that name, as `files.as_text` writes it; a video's frames add `#` and their number.
        source: the file it is in.
        number: its place in a video, in order of presentation; 0 for a picture.
        t_s: seconds since 1970-01-01 UTC; nan where nothing says so.
        offset_s: seconds since the video's first frame; 0 for a picture.
    """

    name: str
    source: Path
    number: int = 0
    t_s: float = math.nan
    offset_s: float = 0.0


class BadFrame(PipelineError):  # noqa: N818 - a value as often as it is raised
    """A frame, or a file of frames, that cannot be used; a drive goes on without it.

    Args:
        code: what is wrong, for tables.
        detail: what is wrong, for people.
        where: the frame's name or the file.
    """

    def __init__(self, code: BadFrameCode, detail: str, where: object = None) -> None:
        super().__init__(detail, where=where)
        self.code = code
        self.detail = detail
