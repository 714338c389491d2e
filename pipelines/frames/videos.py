"""Reading frames of a dash-cam video by number, forwards without seeking and backwards with."""

import math
import threading
from bisect import bisect_right
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import numpy as np

from geo.track import VideoClock, video_clock
from pipelines.files import as_text
from pipelines.frames.types import BadFrame, Picture

__all__ = ["HEADER_CLOCK_SD_S", "VIDEO_SUFFIXES", "VideoIndex", "VideoReader", "index_video", "last_digit_s"]

VIDEO_SUFFIXES = (".mp4", ".mov", ".m4v")
_FORMAT = "mp4"
"""The one container family that is opened: playlists name files and addresses, and ffmpeg would follow them."""

_EPOCH_UNSET_S = 86400.0 * 365
"""A creation time before 1971 is a clock that was never set: 1904 and 1970 are the containers' zeros."""

_HALF_SECOND_S = 0.5
"""Containers state whole seconds and cut off the rest: what is meant lies half a second later, give or take."""

HEADER_CLOCK_SD_S = 1 / math.sqrt(12)
"""Standard deviation of the second that is cut off: it is uniform between 0 and 1."""

_ANDROID = "com.android.version"
"""Android's own writer states this, and as creation time the moment it finished the file, not began it."""

_WIDEST_PIXEL = 4.0


@dataclass(frozen=True, slots=True)
class VideoIndex:
    """The frames of one video.

    Attributes:
        path: the file.
        pts: presentation times in `time_base_s`, increasing, one per frame.
        key_numbers: numbers of the frames that decoding can start from.
        time_base_s: seconds per unit of `pts`.
        clock: UTC of the video's time, by its telemetry or as the container says; nan where neither does.
        n_stated: frames that the file's own index speaks of; a file that was copied in part holds fewer.
    """

    path: Path
    pts: tuple[int, ...]
    key_numbers: tuple[int, ...]
    time_base_s: float
    clock: VideoClock
    n_stated: int = 0

    def __len__(self) -> int:
        return len(self.pts)

    @property
    def loss(self) -> str:
        """What is missing at the file's end, in a sentence; empty where nothing is."""
        if len(self) >= self.n_stated:
            return ""
        return f"{as_text(self.path.name)} is cut short: {len(self)} of the {self.n_stated} frames it states are there"

    @property
    def created_s(self) -> float:
        """Seconds since 1970-01-01 UTC of the first frame; nan where nothing says so."""
        return float(self.clock.at(self.pts[0] * self.time_base_s))

    @property
    def length_s(self) -> float:
        """Seconds from the first frame to the end of the last, which stays as long as those before it on average."""
        return self.offset_s(len(self) - 1) * len(self) / max(len(self) - 1, 1)

    @property
    def taken_s(self) -> float:
        """Seconds that it took to take it: in a time lapse more than it is long."""
        return self.length_s * self.clock.rate

    def offset_s(self, number: int) -> float:
        """Seconds of video from the first frame to frame `number`."""
        return (self.pts[number] - self.pts[0]) * self.time_base_s

    def beginning(self, t_s: float, digit_s: float = 1.0) -> Self:
        """The same video, its first frame taken at `t_s`, which is known to `digit_s`, what its last digit counts."""
        zero_s = t_s - self.pts[0] * self.time_base_s
        return replace(self, clock=VideoClock(zero_s, sd_s=HEADER_CLOCK_SD_S * digit_s))


def index_video(path: Path) -> VideoIndex:
    """Count a video's frames without decoding them, and find out when they were taken.

    A GoPro's telemetry tells best. Without it the container's creation time is taken as UTC, as the format defines; a
    camera that writes its local time there is off by whole quarter hours, which the survey's preflight notices.

    Raises:
        BadFrame: the file is empty, no MP4 or MOV, cut short before its index, or without pictures.
    """
    with _open(path) as container:
        stream = _video_stream(container, path)
        found, n_packets = [], 0
        for packet in container.demux(stream):
            n_packets += packet.dts is not None
            if packet.pts is not None and packet.size and not packet.is_discard:
                found.append((packet.pts, packet.is_keyframe))
        found.sort()
        if not found:
            raise BadFrame("not_a_video", "the video holds no frames", path)
        keys = tuple(number for number, (_, is_key) in enumerate(found) if is_key)
        clock = video_clock(path) if container.streams.data else None
        # Packets that show nothing (cut away by an edit, or empty) are stated, too, and are no loss.
        stated = len(found) + max(0, stream.frames - n_packets)
        index = VideoIndex(
            path, tuple(pts for pts, _ in found), keys, float(stream.time_base), clock or VideoClock(math.nan), stated
        )
        return index if clock else index.beginning(_stated_s(container, stream, index.length_s))


def last_digit_s(stated_s: float) -> float:
    """What the last digit of a time that people state counts, s: a hundredth of 12.25, and 1 of 12 and of nan."""
    if not math.isfinite(stated_s):
        return 1.0
    micros = round(stated_s % 1.0 * 1e6) % 1_000_000
    return next(10.0**-n for n in range(7) if micros % 10 ** (6 - n) == 0)


class VideoReader:
    """Frames of one video by number. One thread at a time decodes; others wait."""

    def __init__(self, index: VideoIndex) -> None:
        self._index = index
        self._container = _open(index.path)
        self._stream = _video_stream(self._container, index.path)
        self._stream.thread_type = "AUTO"
        self._decoded: Any = None
        self._next: int | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._container.close()

    def read(self, number: int) -> Picture:
        """Frame `number`, uint8 (h, w, 3) RGB, turned upright as the container says, its pixels square.

        A film of other pixels (1440×1080 px shown 16:9) is made wider or narrower; boxes and focal lengths are in px
        of the picture so made.

        Raises:
            BadFrame: there is no such frame, or it cannot be decoded.
        """
        where = f"{self._index.path}#{number}"
        if not 0 <= number < len(self._index):
            raise BadFrame("no_such_frame", f"the video has {len(self._index)} frames", where)
        with self._lock:
            try:
                frame = self._decode(number)
            except (av.FFmpegError, ValueError, EOFError) as error:
                self._next = None
                if isinstance(error, OSError):  # the system's word; FFmpeg's own errors are none
                    raise BadFrame("unreadable", f"the file cannot be read ({error.strerror})", where) from error
                raise BadFrame("damaged", f"the frame cannot be decoded ({error})", where) from error
            if frame is None or frame.is_corrupt:
                raise BadFrame("damaged", "the frame cannot be decoded", where)
            return _upright(frame, _pixel_shape(self._stream))

    def _decode(self, number: int) -> Any | None:
        """Decode from where we are, or from the key frame before, until frame `number`; None when it is skipped."""
        wanted = self._index.pts[number]
        if self._next is None or number < self._next or self._key_before(number) > self._next:
            self._container.seek(self._index.pts[self._key_before(number)], stream=self._stream, backward=True)
            self._decoded = self._container.decode(self._stream)
        self._next = number + 1
        for frame in self._decoded:
            if frame.pts is None or frame.pts < wanted:
                continue
            if frame.pts == wanted:
                return frame
            break
        self._next = None
        return None

    def _key_before(self, number: int) -> int:
        place = bisect_right(self._index.key_numbers, number) - 1
        return self._index.key_numbers[place] if place >= 0 else 0


def _open(path: Path) -> Any:
    try:
        if path.stat().st_size == 0:
            raise BadFrame("empty", "the file is empty", path)
        container = av.open(str(path), format=_FORMAT)
    except av.FFmpegError as error:
        detail = f"the file is not an MP4 or MOV video, or is cut short ({error.strerror})"
        raise BadFrame("not_a_video", detail, path) from error
    except OSError as error:
        raise BadFrame("unreadable", f"the file cannot be read ({error.strerror or error})", path) from error
    return container


def _video_stream(container: Any, path: Path) -> Any:
    if not container.streams.video:
        container.close()
        raise BadFrame("not_a_video", "the file has sound but no pictures", path)
    return container.streams.video[0]


def _pixel_shape(stream: Any) -> float:
    """How much wider than high the pixels of a film are; 1 where it states what no camera's are."""
    ratio = float(stream.sample_aspect_ratio or 1)
    return ratio if 1 / _WIDEST_PIXEL <= ratio <= _WIDEST_PIXEL else 1.0


def _upright(frame: Any, pixel_shape: float) -> Picture:
    rgb = frame.to_ndarray(format="rgb24", width=round(frame.width * pixel_shape))
    turns = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(rgb, turns))


def _stated_s(container: Any, stream: Any, length_s: float) -> float:
    """When the first frame was taken, as the container says; nan where it does not."""
    apple = _utc_s(container.metadata.get("com.apple.quicktime.creationdate"))
    if math.isfinite(apple):
        return apple + _HALF_SECOND_S
    stated = _utc_s(stream.metadata.get("creation_time") or container.metadata.get("creation_time"))
    ended = _ANDROID in container.metadata
    return stated + _HALF_SECOND_S - (length_s if ended else 0.0)


def _utc_s(stated: str | None) -> float:
    try:
        moment = datetime.fromisoformat(stated or "")
    except ValueError:
        return math.nan
    seconds = moment.replace(tzinfo=moment.tzinfo or UTC).timestamp()
    return seconds if seconds > _EPOCH_UNSET_S else math.nan
