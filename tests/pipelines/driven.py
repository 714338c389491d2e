"""A drive of plain pictures and a track, written in a moment: what preflight is asked about."""

import datetime as dt
from collections.abc import Callable, Iterable
from pathlib import Path

from PIL import Image

from pipelines.params import RoadParams
from pipelines.preflight import Ready, preflight
from pipelines.survey import FrameClock, Survey, survey_from_parts

BEGUN = dt.datetime(2026, 4, 21, 1, 12, 5, tzinfo=dt.UTC)
CAMERA = {"height_m": 1.35, "hfov_deg": 84.0, "pitch_deg": 4.0, "yaw_deg": 0.0}
TSUKUBA = 36.1, 140.1
METRES_A_DEGREE = 111_000.0
SPEED_MPS = 10.0

Place = tuple[float, float]


def north(second: float, start: Place = TSUKUBA) -> Place:
    """Latitude and longitude on a straight road to the north."""
    return start[0] + SPEED_MPS * second / METRES_A_DEGREE, start[1]


def picture(path: Path, second: float | None = None, size: tuple[int, int] = (64, 48), offset: str = "+00:00") -> Path:
    """A grey picture taken so many seconds after `BEGUN`; by a clock that states no offset where that is ""."""
    exif = Image.Exif()
    if second is not None:
        taken = BEGUN + dt.timedelta(seconds=second)
        exif.get_ifd(0x8769)[36867] = taken.strftime("%Y:%m:%d %H:%M:%S")
        if offset:
            exif.get_ifd(0x8769)[36881] = offset
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (90, 90, 90)).save(path, exif=exif)
    return path


def track(path: Path, seconds: Iterable[float], at: Callable[[float], Place] = north) -> Path:
    """A GPX of fixes so many seconds after `BEGUN`."""
    points = []
    for second in seconds:
        lat, lon = at(second)
        time = (BEGUN + dt.timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%SZ")
        points.append(f'<trkpt lat="{lat:.8f}" lon="{lon:.8f}"><time>{time}</time></trkpt>')
    path.write_text(f'<gpx version="1.1"><trk><trkseg>{"".join(points)}</trkseg></trk></gpx>', encoding="utf-8")
    return path


def survey_of(folder: Path, *frames: Path, timezone: str | None = None, **parts: object) -> Survey:
    """The survey of a folder with `frames` and `track.gpx`."""
    return survey_from_parts(
        frames or [folder / "frames"],
        camera=CAMERA,
        track=folder / "track.gpx",
        clock=FrameClock(timezone=timezone),
        **parts,
    )


def ready(survey: Survey) -> Ready:
    """What preflight makes of it, every frame looked at."""
    return preflight(survey, RoadParams(drive={"spacing_m": 0.0}))
