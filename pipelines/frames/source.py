"""The frames of a drive as one list, wherever they are, and reading them ahead of whoever looks at them."""

import math
import os
import re
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

from pipelines.errors import SurveyError
from pipelines.files import as_text
from pipelines.frames.pictures import PICTURE_SUFFIXES, picture_size, read_picture
from pipelines.frames.rasters import RASTER_SUFFIXES, read_raster
from pipelines.frames.types import BadFrame, Frame, Picture
from pipelines.frames.videos import VIDEO_SUFFIXES, VideoIndex, VideoReader, index_video, last_digit_s

__all__ = ["FrameSource", "PictureTimes", "open_frames"]

PictureTimes = Callable[[Sequence[Path]], NDArray[np.float64]]
"""From n picture files to float64 (n,) seconds since 1970-01-01 UTC, nan where a picture does not tell."""

_VIDEOS_KEPT_OPEN = 2
_CHAPTERS_SHARE_S = 10.0
_NAS_FOLDER = "@eaDir"
"""Synology's, beside the pictures: each of them again, in several sizes and under the same suffix."""


class FrameSource:
    """Frames in order of name, readable in any order and fastest in this one.

    Attributes:
        frames: the frames that can be asked for. A picture in the list may still turn out to be unreadable.
        refused: files that hold no frames at all, as the errors that opening them gave.
    """

    def __init__(self, frames: Sequence[Frame], refused: Sequence[BadFrame], videos: dict[Path, VideoIndex]) -> None:
        self.frames = list(frames)
        self.refused = list(refused)
        self._videos = videos
        self._readers: OrderedDict[Path, VideoReader] = OrderedDict()
        self._sizes: dict[Path, tuple[int, int]] = {}
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self.frames)

    @property
    def clock_sd_s(self) -> float:
        """How well the frames' times are known, s: those of the worst video; pictures are taken to be exact."""
        return max((index.clock.sd_s for index in self._videos.values()), default=0.0)

    @property
    def losses(self) -> list[str]:
        """A sentence for each video that holds fewer frames than its own index states: its end is not there."""
        return [index.loss for index in self._videos.values() if index.loss]

    def overlaps(self) -> Iterator[tuple[Path, Path, float]]:
        """Videos one after the other that seem to have been taken at the same time, and for how long, s.

        A camera that begins a chapter before it has ended the last, or states the second alone, is none of it.
        """
        timed = [index for index in self._videos.values() if math.isfinite(index.created_s)]
        timed.sort(key=lambda index: index.created_s)
        for first, second in pairwise(timed):
            both_s = min(first.taken_s, first.created_s + first.taken_s - second.created_s, second.taken_s)
            if both_s > min(_CHAPTERS_SHARE_S, min(first.taken_s, second.taken_s) / 2):
                yield first.path, second.path, both_s

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the videos that are open."""
        while self._readers:
            self._readers.popitem()[1].close()

    def read(self, index: int) -> Picture:
        """Frame `index` of `frames`, uint8 (h, w, 3) RGB, upright, its pixels square.

        Raises:
            BadFrame: it cannot be read; its `code` and `detail` say why.
        """
        frame = self.frames[index]
        if frame.source in self._videos:
            return self._reader(frame.source).read(frame.number)
        return read_raster(frame.source) if _is(frame.source, RASTER_SUFFIXES) else read_picture(frame.source)

    def size(self, index: int) -> tuple[int, int]:
        """Width and height of frame `index`, px, as `read` gives it; a picture is not decoded for it, and a video once.

        Raises:
            BadFrame: as for `read`.
        """
        path = self.frames[index].source
        if path not in self._videos and not _is(path, RASTER_SUFFIXES):
            return picture_size(path)
        if path not in self._sizes:
            height, width = self.read(index).shape[:2]
            self._sizes[path] = width, height
        return self._sizes[path]

    def read_many(self, indices: Iterable[int], threads: int = 2) -> Iterator[tuple[int, Picture | BadFrame]]:
        """Frames in the order asked for, read ahead by other threads; a bad one comes as its error.

        At most twice `threads` frames are held, however many are asked for. A video is decoded by one thread of ours
        (and as many of the decoder's), because decoding runs forwards.
        """
        workers = 1 if self._videos else max(1, threads)
        waiting: deque[tuple[int, Future[Picture]]] = deque()
        with ThreadPoolExecutor(workers, thread_name_prefix="frames") as pool:
            try:
                for index in indices:
                    waiting.append((index, pool.submit(self.read, index)))
                    if len(waiting) >= 2 * workers:
                        yield _outcome(*waiting.popleft())
                while waiting:
                    yield _outcome(*waiting.popleft())
            finally:
                for _, future in waiting:
                    future.cancel()

    def _reader(self, path: Path) -> VideoReader:
        with self._lock:
            if path not in self._readers:
                self._readers[path] = VideoReader(self._videos[path])
            self._readers.move_to_end(path)
            while len(self._readers) > _VIDEOS_KEPT_OPEN:
                self._readers.popitem(last=False)[1].close()
            return self._readers[path]


def open_frames(
    paths: Path | Iterable[Path], picture_times: PictureTimes | None = None, video_start_s: float = math.nan
) -> FrameSource:
    """List the frames in folders, pictures and videos.

    Files in a folder count by suffix, at any depth, and are ordered as people number them (`f2` before `f10`); what
    is hidden, and what is neither picture nor video, is passed over. Videos carry the time that their telemetry or
    container states.

    Args:
        paths: a folder, a picture, a video, or several of them, kept in the order given. A name that two of them
            have takes the folder before it; a file named twice counts once.
        picture_times: tells when pictures were taken; without it their time is nan.
        video_start_s: when the first video that states no time began, seconds since 1970-01-01 UTC; it is read off a
            display that cuts off what comes after its last digit, and means the middle of that. The next videos that
            state no time follow without a gap, as chapters of a recording do.

    Raises:
        SurveyError: a path is absent, or there is not one frame in all of them.
    """
    places = [paths] if isinstance(paths, Path) else list(paths)
    files = _distinct([found for place in places for found in _files(place)])
    frames: list[Frame] = []
    refused: list[BadFrame] = []
    videos: dict[Path, VideoIndex] = {}
    digit_s = last_digit_s(video_start_s)
    begins_s = video_start_s + digit_s / 2
    for name, path in files:
        if not _is(path, VIDEO_SUFFIXES):
            frames.append(Frame(name, path))
            continue
        try:
            index = index_video(path)
        except BadFrame as error:
            refused.append(error)
            continue
        if math.isnan(index.created_s):
            index = index.beginning(begins_s, digit_s)
            begins_s += index.length_s
        videos[path] = index
        frames.extend(_video_frames(name, index))
    if not frames and not refused:
        suffixes = " ".join(PICTURE_SUFFIXES + VIDEO_SUFFIXES)
        where = ", ".join(str(place) for place in places) or None
        raise SurveyError("no frames here", where=where, remedy=f"Name a folder or a file with one of {suffixes}")
    return FrameSource(_timed(frames, videos, picture_times), refused, videos)


def _files(place: Path) -> list[tuple[str, Path]]:
    """Names and paths of the frame files at `place`; a file named outright counts whatever its suffix."""
    if place.is_file():
        return [(place.name, place)]
    if not place.is_dir():
        raise SurveyError("no such file or folder", where=place, remedy="Check the path to the frames")
    below = [path for path in place.rglob("*") if _is(path, PICTURE_SUFFIXES + VIDEO_SUFFIXES) and path.is_file()]
    within = [(path.relative_to(place), path) for path in below]
    named = [(one.as_posix(), path) for one, path in within if not any(map(_hidden, one.parts))]
    return sorted(named, key=lambda one: _natural(one[0]))


def _hidden(name: str) -> bool:
    """Whether a file or folder is a machine's own: what begins with a dot, and small pictures that a NAS makes."""
    return name.startswith(".") or name == _NAS_FOLDER


def _distinct(files: list[tuple[str, Path]]) -> list[tuple[str, Path]]:
    """The files, each once, under names of their own: repeated ones take as many folders before them as it needs."""
    # Links are not followed: pictures of one drive may be links to files of any name.
    whole = {Path(os.path.abspath(path)).parts: (name, path) for name, path in files}  # noqa: PTH100
    depth = {parts: name.count("/") + 1 for parts, (name, _) in whole.items()}
    while True:
        names = {parts: as_text("/".join(parts[-n:])) for parts, n in depth.items()}
        counts = Counter(names.values())
        if len(counts) == len(names):
            return [(names[parts], path) for parts, (_, path) in whole.items()]
        for parts, name in names.items():
            depth[parts] += counts[name] > 1


def _natural(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """A sorting key that takes runs of digits as numbers; the name itself settles `01` against `1`."""
    parts = re.split(r"(\d+)", name.casefold())
    return [(1, int(part), "") if part.isdecimal() else (0, 0, part) for part in parts], name


def _video_frames(name: str, index: VideoIndex) -> Iterator[Frame]:
    times = index.clock.at(np.array(index.pts) * index.time_base_s).tolist()
    for number, t_s in enumerate(times):
        yield Frame(f"{name}#{number:06d}", index.path, number, t_s, index.offset_s(number))


def _timed(frames: list[Frame], videos: dict[Path, VideoIndex], picture_times: PictureTimes | None) -> list[Frame]:
    if picture_times is None:
        return frames
    pictures = [place for place, frame in enumerate(frames) if frame.source not in videos]
    times = picture_times([frames[place].source for place in pictures])
    for place, t_s in zip(pictures, times, strict=True):
        frames[place] = replace(frames[place], t_s=float(t_s))
    return frames


def _outcome(index: int, future: Future[Picture]) -> tuple[int, Picture | BadFrame]:
    try:
        return index, future.result()
    except BadFrame as error:
        return index, error


def _is(path: Path, suffixes: tuple[str, ...]) -> bool:
    return path.suffix.lower() in suffixes
