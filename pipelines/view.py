"""The camera of a drive: how it sees, as people state it, and where it points, as its pictures tell."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from geo.camera.calibrate import Calibration, CalibrationParams, calibrate
from geo.camera.pinhole import Camera
from pipelines.errors import SurveyError
from pipelines.frames import BadFrame, FrameSource, Picture
from pipelines.road.observe import fits
from pipelines.survey import CameraEntry, Survey

__all__ = ["camera_of", "find_camera"]

Index = NDArray[np.int64]
Size = tuple[int, int]
"""Width and height, px."""

_SAMPLE_FRAMES = 40
"""Read twice, once here and once by the detector: as few as the calibration's median needs."""


def find_camera(
    survey: Survey, source: FrameSource, chosen: Index, params: CalibrationParams
) -> tuple[Camera, Calibration | None]:
    """The camera of most frames, pointed; and where its angles come from, None where the survey states them.

    Args:
        survey: as stated.
        source: its frames.
        chosen: int64 (n,), the frames to look at, in order of time.
        params: how angles are found.

    Raises:
        SurveyError: not one of the frames can be read.
    """
    sample = chosen[np.unique(np.linspace(0, len(chosen) - 1, _SAMPLE_FRAMES).astype(np.int64))]
    stated = survey.camera
    size = _commonest(list(_sizes(source, sample)))
    camera = None if size is None else camera_of(stated, *size)
    pictures = iter(()) if camera is None else _pictures(source, sample, camera)
    first = next(pictures, None)
    if camera is None or first is None:
        raise SurveyError(
            "not one of the frames can be read", where=survey.frames[0], remedy=_first_fault(source, sample)
        )
    if stated.pitch_deg is not None and stated.yaw_deg is not None:
        return camera, None
    found = calibrate(_with(first, pictures), camera, params)
    pitch = found.camera.pitch_deg if stated.pitch_deg is None else stated.pitch_deg
    yaw = found.camera.yaw_deg if stated.yaw_deg is None else stated.yaw_deg
    return camera.pointed(pitch, yaw), found


def camera_of(stated: CameraEntry, width_px: int, height_px: int) -> Camera:
    """The camera a manifest states, for frames of a size."""
    if stated.focal_px is not None:
        middle = Camera(width_px, height_px, stated.focal_px, width_px / 2, height_px / 2, stated.height_m)
    else:
        middle = Camera.from_fov(width_px, height_px, stated.hfov_deg or 0.0, height_m=stated.height_m)
    return Camera(
        width_px,
        height_px,
        middle.focal_px,
        middle.cx_px if stated.cx_px is None else stated.cx_px,
        middle.cy_px if stated.cy_px is None else stated.cy_px,
        stated.height_m,
        pitch_deg=stated.pitch_deg or 0.0,
        yaw_deg=stated.yaw_deg or 0.0,
        roll_deg=stated.roll_deg,
    )


def _sizes(source: FrameSource, indices: Index) -> Iterator[Size]:
    for index in indices:
        try:
            yield source.size(int(index))
        except BadFrame:
            continue


def _commonest(sizes: list[Size]) -> Size | None:
    """The size, of those in the commonest shape, that most frames have; the first of equals. None of none.

    A drive may begin with a test shot, and a shape that differs cannot be placed on the road.
    """
    counts = Counter(sizes)
    shapes = Counter({size: sum(n for other, n in counts.items() if _alike(size, other)) for size in counts})
    return max(counts, key=lambda size: (shapes[size], counts[size]), default=None)


def _alike(one: Size, other: Size) -> bool:
    return fits(Camera.from_fov(*one, 90.0, height_m=1.0), *other)


def _pictures(source: FrameSource, indices: Index, camera: Camera) -> Iterator[Picture]:
    for _, outcome in source.read_many(int(index) for index in indices):
        if not isinstance(outcome, BadFrame) and fits(camera, outcome.shape[1], outcome.shape[0]):
            yield outcome


def _with(first: Picture, others: Iterator[Picture]) -> Iterator[Picture]:
    yield first
    yield from others


def _first_fault(source: FrameSource, indices: Index) -> str:
    for index, outcome in source.read_many(int(index) for index in indices):
        if isinstance(outcome, BadFrame):
            return f"The first, {source.frames[index].name}: {outcome.detail}"
    return "The track leaves none of them"
