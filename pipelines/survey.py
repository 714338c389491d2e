"""What a survey is: one drive's frames, its track, its camera, and the roads it ran on.

A survey is a folder with a manifest, `survey.yaml`:

    name: Route 12, spring            # the name of the outputs' title
    frames: frames                    # a folder of pictures, a video, or a list of either
    track: track.gpx                  # leave out where the pictures or the video carry GPS themselves
    roads: roads.gpkg                 # leave out to work in 20 m sections along the track
    timezone: Asia/Tokyo              # of picture and CSV times that state no offset
    start: 2026-04-21T10:12:05+09:00  # when a video began whose header does not say
    clock_offset_s: 0.0               # what to add to the frames' clock to get the track's
    camera:
      height_m: 1.35                  # lens above the road
      hfov_deg: 84                    # or focal_px
    previous: ../autumn/road.gpkg     # the last survey's result

Paths are taken from the manifest's folder.
"""

import datetime
import difflib
import hashlib
import os
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from geo.yaml_files import read_yaml
from pipelines.errors import SurveyError
from pipelines.files import as_text

MANIFEST = "survey.yaml"
HEIGHT_REMEDY = (
    "Measure from the road up to the lens (a car's windscreen: 1.2 to 1.5 m) and state it with --camera-height, or as "
    "camera: height_m in survey.yaml"
)
VIEW_REMEDY = (
    "State the camera's horizontal field of view with --hfov, or as camera: hfov_deg in survey.yaml, or its focal "
    "length there as camera: focal_px"
)

_CHUNK = 1 << 20
_MOST_OFFSET_S = 100 * 365.25 * 86_400
"""A clock that was never set is decades off; what is more is a slip of the pen, and no date any more."""

_PLAIN_NAMES = {"frames", "images", "pictures"}


class CameraEntry(BaseModel):
    """How the camera was mounted and how it sees.

    Attributes:
        height_m: lens above the road.
        hfov_deg: horizontal field of view; either this or `focal_px`.
        focal_px: focal length at the frames' full size.
        pitch_deg: optical axis below the horizon; calibrated from lane lines where not given.
        yaw_deg: optical axis right of the vehicle's heading; calibrated likewise.
        roll_deg: clockwise turn about the optical axis.
        cx_px: principal point, x; the middle of the frame where not given.
        cy_px: principal point, y.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    height_m: Annotated[float, Field(gt=0.2, lt=10.0)]
    hfov_deg: Annotated[float, Field(gt=5.0, lt=170.0)] | None = None
    focal_px: Annotated[float, Field(gt=10.0)] | None = None
    pitch_deg: Annotated[float, Field(gt=-45.0, lt=80.0)] | None = None
    yaw_deg: Annotated[float, Field(gt=-90.0, lt=90.0)] | None = None
    roll_deg: Annotated[float, Field(gt=-45.0, lt=45.0)] = 0.0
    cx_px: float | None = None
    cy_px: float | None = None

    @model_validator(mode="after")
    def _one_view(self) -> Self:
        if (self.hfov_deg is None) == (self.focal_px is None):
            raise ValueError("either hfov_deg or focal_px is needed, and not both")
        return self


class Manifest(BaseModel):
    """`survey.yaml`, as written by hand."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(min_length=1)]
    date: datetime.date | None = None
    frames: Path | Annotated[tuple[Path, ...], Field(min_length=1)]
    track: Path | None = None
    roads: Path | None = None
    camera: CameraEntry
    clock_offset_s: Annotated[float, Field(ge=-_MOST_OFFSET_S, le=_MOST_OFFSET_S, allow_inf_nan=False)] = 0.0
    timezone: str | None = None
    start: datetime.datetime | None = None
    previous: Path | None = None

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, name: str | None) -> str | None:
        if name is not None:
            try:
                ZoneInfo(name)
            except (ZoneInfoNotFoundError, ValueError) as error:
                raise ValueError(f"no timezone is called {name!r}; write it like Asia/Tokyo") from error
        return name

    @model_validator(mode="after")
    def _start_in_a_zone(self) -> Self:
        if self.start is not None and self.start.tzinfo is None and self.timezone is None:
            raise ValueError(f"start has no offset; write it like {self.start.isoformat()}+09:00, or state timezone")
        return self

    @property
    def start_s(self) -> float | None:
        """Seconds since 1970-01-01 UTC of `start`, which is in `timezone` where it has no offset of its own."""
        if self.start is None:
            return None
        zone = ZoneInfo(self.timezone) if self.timezone else None
        return (self.start if self.start.tzinfo else self.start.replace(tzinfo=zone)).timestamp()


@dataclass(frozen=True, slots=True)
class FrameClock:
    """What people know of the frames' clock and the files do not say; as the fields of `Manifest` of these names."""

    clock_offset_s: float = 0.0
    timezone: str | None = None
    start: str | None = None


@dataclass(frozen=True, slots=True)
class Survey:
    """One drive, its files found.

    Attributes:
        name: what people call it.
        date: the day it was driven; None takes it from the frames' times.
        frames: folders of pictures, pictures and videos, in the order given.
        track: the position log; None where frames carry their own.
        roads: a roads file; None for sections along the track.
        camera: the camera as stated.
        clock_offset_s: seconds to add to the frames' clock to get the track's.
        timezone: IANA name for times of pictures and of a CSV track that state no offset.
        start_s: when the first video that does not say so began, seconds since 1970-01-01 UTC.
        previous: the last survey's GeoPackage.
        where: the manifest or folder, for messages.
    """

    name: str
    frames: tuple[Path, ...]
    camera: CameraEntry
    where: Path
    date: datetime.date | None = None
    track: Path | None = None
    roads: Path | None = None
    clock_offset_s: float = 0.0
    timezone: str | None = None
    start_s: float | None = None
    previous: Path | None = None


def load_survey(folder: Path) -> Survey:
    """Read a survey's manifest and find its files.

    Args:
        folder: the survey's folder, or the manifest itself.

    Raises:
        SurveyError: no manifest, a manifest that says something unknown or impossible, or a file it names is absent.
    """
    path = _manifest_of(folder)
    manifest = _validated(_read_yaml(path), path)
    frames = manifest.frames if isinstance(manifest.frames, tuple) else (manifest.frames,)
    base = path.parent
    survey = Survey(
        name=manifest.name,
        date=manifest.date,
        frames=tuple(base / frame for frame in frames),
        track=_under(base, manifest.track),
        roads=_under(base, manifest.roads),
        camera=manifest.camera,
        clock_offset_s=manifest.clock_offset_s,
        timezone=manifest.timezone,
        start_s=manifest.start_s,
        previous=_under(base, manifest.previous),
        where=path,
    )
    return _with_files(survey)


def survey_from_parts(
    frames: Iterable[Path],
    *,
    camera: dict[str, float | None],
    track: Path | None = None,
    roads: Path | None = None,
    previous: Path | None = None,
    name: str | None = None,
    clock: FrameClock | None = None,
) -> Survey:
    """A survey without a manifest, from paths and the camera's figures.

    Args:
        frames: folders of pictures, pictures or videos.
        camera: fields of `CameraEntry`; those that are None are left out.
        track: the position log.
        roads: a roads file.
        previous: the last survey's GeoPackage.
        name: what to call it; by default as the first frames' folder, or as the one it lies in where it says no more
            than that it holds frames.
        clock: what is known of the frames' clock.

    Raises:
        SurveyError: as for `load_survey`.
    """
    found = tuple(frames)
    if not found:
        raise SurveyError("no frames were given", remedy="Name a folder of pictures or a video")
    stated = {key: value for key, value in camera.items() if value is not None}
    fields = {"name": name or _called(found[0].resolve()), "frames": found, "camera": stated}
    manifest = _validated(fields | asdict(clock or FrameClock()), found[0])
    return _with_files(
        Survey(
            name=manifest.name,
            frames=found,
            track=track,
            roads=roads,
            camera=manifest.camera,
            clock_offset_s=manifest.clock_offset_s,
            timezone=manifest.timezone,
            start_s=manifest.start_s,
            previous=previous,
            where=found[0],
        )
    )


def _called(frames: Path) -> str:
    """What a folder of frames is called by: `2026-04-21/frames` by its drive."""
    return as_text((frames.parent if frames.name.lower() in _PLAIN_NAMES else frames).name or frames.name)


def content_hash(paths: Iterable[Path], workers: int = 2) -> str:
    """Hash of files' contents and names, in the order given: the identity of an input.

    Args:
        paths: files; a moved or touched file keeps its hash, a changed or renamed one does not.
        workers: files read at the same time.

    Returns:
        32 hexadecimal digits.
    """
    files = list(paths)
    total = hashlib.blake2b(digest_size=16)
    with ThreadPoolExecutor(max_workers=max(1, workers)) as pool:
        for path, digest in zip(files, pool.map(_file_digest, files), strict=True):
            total.update(os.fsencode(path.name) + b"\0" + digest)
    return total.hexdigest()


def _file_digest(path: Path) -> bytes:
    digest = hashlib.blake2b(digest_size=16)
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(_CHUNK):
                digest.update(chunk)
    except OSError as error:
        # An unreadable picture is rejected later with its reason; here it only has to hash the same each time.
        digest.update(type(error).__name__.encode())
    return digest.digest()


def _under(base: Path, path: Path | None) -> Path | None:
    return None if path is None else base / path


def _manifest_of(named: Path) -> Path:
    """The manifest that a folder's or its own name stands for."""
    path = named / MANIFEST if named.is_dir() else named
    if path.exists():
        return path
    remedy = "Write one, or name the parts with --frames and --track"
    if named.is_dir():
        raise SurveyError("no survey here: there is no survey.yaml", where=named, remedy=remedy)
    kind = "file" if named.suffix.lower() in {".yaml", ".yml"} else "folder"
    raise SurveyError(f"no survey here: there is no such {kind}", where=named, remedy="Check the path to the survey")


def _read_yaml(path: Path) -> dict[str, Any]:
    content = read_yaml(path, "manifest", SurveyError)
    if not isinstance(content, dict):
        raise SurveyError("the manifest holds no keys", where=path, remedy="Write name, frames, track and camera")
    return content


def _validated(content: dict[str, Any], path: Path) -> Manifest:
    try:
        return Manifest.model_validate(content)
    except ValidationError as error:
        raise _survey_error(error, path) from error


def _survey_error(error: ValidationError, path: Path) -> SurveyError:
    """The first fault of a manifest, with what to do about it."""
    first = error.errors()[0]
    kind = first["type"]
    key = ".".join(str(part) for part in first["loc"] if part not in {"function-after[_one_view()"})
    message = first["msg"].removeprefix("Value error, ")
    remedy = None
    if kind == "missing" and key in {"camera", "camera.height_m"}:
        what, remedy = "the camera's height is missing", HEIGHT_REMEDY
    elif kind == "missing":
        what = f"{key} is missing"
    elif kind == "extra_forbidden":
        what, remedy = f"unknown key {key!r}", _near_match(first["loc"])
    elif key.startswith("frames"):
        what = "frames names no folder, no video and no list of them"
        remedy = "Write it like frames: pictures, or frames: [morning, noon.mp4]"
    elif kind == "model_type":
        what, remedy = f"{key} names none of its figures", f"Write it like {key}: {{height_m: 1.35, hfov_deg: 84}}"
    elif kind == "path_type":
        what = f"{key} names no file"
    else:
        what = f"{key}: {message[:1].lower()}{message[1:]}" if key else message
        remedy = VIEW_REMEDY if "hfov_deg" in message else None
    return SurveyError(what, where=path, remedy=remedy)


def _near_match(location: tuple[int | str, ...]) -> str:
    model: type[BaseModel] = CameraEntry if location[0] == "camera" and len(location) > 1 else Manifest
    near = difflib.get_close_matches(str(location[-1]), model.model_fields, n=1, cutoff=0.5)
    return f"Did you mean {near[0]!r}?" if near else f"Known keys: {', '.join(model.model_fields)}"


def _with_files(survey: Survey) -> Survey:
    """The survey, once every file it names is known to be there."""
    named: list[tuple[str, Path | None]] = [("frames", path) for path in survey.frames]
    named += [("track", survey.track), ("roads", survey.roads), ("previous", survey.previous)]
    for role, path in named:
        if path is not None and not path.exists():
            raise SurveyError(
                f"the {role} are not there" if role.endswith("s") else f"the {role} is not there", where=path
            )
    return survey
