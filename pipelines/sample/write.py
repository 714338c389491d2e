"""Writes the sample survey: frames, track, roads, manifest, and the truth that tests compare with."""

from __future__ import annotations

import datetime as dt
import io
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import geopandas as gpd
import gpxpy.gpx
import numpy as np
import pandas as pd
import yaml
from PIL import Image as Pillow
from pydantic import BaseModel, ConfigDict, Field

from geo.crs import grid_convergence_deg, require_crs, to_lonlat
from geo.geopackage import Layer, write_geopackage
from pipelines.errors import OutputError
from pipelines.files import replacing
from pipelines.journal import writing_to
from pipelines.sample.damage import Damage
from pipelines.sample.journey import (
    SAMPLE_CAMERA,
    START,
    ReceiverFixes,
    TrueFrame,
    receiver_fixes,
    sample_journey,
    true_frames,
)
from pipelines.sample.phone import PhoneFixes
from pipelines.sample.randomness import stream
from pipelines.sample.render import Renderer, Shot
from pipelines.sample.scene import build_scene
from pipelines.sample.textures import Image
from pipelines.sample.town import EPSG, Town, sample_town
from pipelines.sample.truth import visible_boxes

_JPEG_QUALITY = 88
_EXIF, _GPS = 0x8769, 0x8825
_DATE_TIME_ORIGINAL, _SUBSECONDS, _OFFSET = 36867, 37521, 36881
_TRACK = "track.gpx"
_TRUTH = "truth.gpkg"
"""Written before all else: what tells a sample, whole or begun, from a drive of people's own."""

GpsIn = Literal["gpx", "exif"]
"""Where the receiver's fixes are written: a GPX beside the frames, or the frames' EXIF headers."""


class SampleParams(BaseModel):
    """The embedded sample survey (params.yaml, section `sample`).

    Attributes:
        seed: everything random follows from it.
        frames: how many pictures the drive takes, at equal distances.
        gps: `gpx` writes the receiver's fixes beside the frames. `exif` writes them into the frames, as a phone's
            camera app does: every picture states the newest fix of that moment, one in three seconds, with the fix's
            own time and speed but no course, and fixes that no picture follows are lost.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    seed: int = Field(default=7, ge=0)
    frames: int = Field(default=220, ge=2, le=5000)
    gps: GpsIn = "gpx"


def write_sample(
    folder: Path,
    params: SampleParams,
    *,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> None:
    """Render the sample survey into a folder. Equal parameters give equal bytes, whatever the worker count.

    Args:
        folder: created if absent; a sample that was written here before is replaced.
        params: seed, number of frames, and where GPS is written.
        workers: threads that render; the machine's cores by default.
        progress: called with frames done and frames in all.

    Raises:
        OutputError: the folder holds something else than a sample, or cannot be written.
    """
    _refuse_other_drives(folder)
    town = sample_town()
    scene = build_scene(town, params.seed)
    journey = sample_journey(town, params.seed)
    frames = true_frames(journey, SAMPLE_CAMERA, params.frames, params.seed)
    with writing_to(folder):
        folder.mkdir(parents=True, exist_ok=True)
    _write_truth(folder, scene.damages, frames)
    _drop_other_frames(folder / "frames", {f.name for f in frames})
    renderer = Renderer(scene, params.seed)
    fixes = PhoneFixes.of(receiver_fixes(journey, params.seed))

    def render(frame: TrueFrame) -> None:
        picture = renderer.frame(frame.view, shot_of(frame, params.seed))
        gps = fixes.newest(frame.t_s) if params.gps == "exif" else None
        replace_file(folder / "frames" / frame.name, jpeg(picture, frame.t_s, gps))

    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        for done, _ in enumerate(pool.map(render, frames), start=1):
            if progress:
                progress(done, len(frames))
    if params.gps == "gpx":
        replace_file(folder / _TRACK, _gpx(receiver_fixes(journey, params.seed)).encode())
    else:
        (folder / _TRACK).unlink(missing_ok=True)
    write_geopackage(folder / "roads.gpkg", [_roads(town)], START.date())
    replace_file(folder / "survey.yaml", _manifest(params.gps).encode())


def _refuse_other_drives(folder: Path) -> None:
    """Nothing is put into a folder that holds anything but a sample: it may be somebody's drive."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / _TRUTH).exists():
        remedy = "Give a folder that is empty or not there yet, or one that a sample was written to"
        raise OutputError("the folder holds files that are not a sample's", where=folder, remedy=remedy)


def _drop_other_frames(folder: Path, names: set[str]) -> None:
    """A longer drive written here before must not lend its last frames to this one."""
    for path in folder.glob("frame_*.jpg"):
        if path.name not in names:
            path.unlink()


def shot_of(frame: TrueFrame, seed: int) -> Shot:
    """Exposure that follows the drive slowly, as a phone's does."""
    phase = stream(seed, "exposure").uniform(0, 6, 2)
    light = 1.03 + 0.07 * np.sin(frame.s_m / 47 + phase[0]) + 0.04 * np.sin(frame.s_m / 13 + phase[1])
    return Shot(frame.number, exposure=float(light), warmth=float(1 + 0.015 * np.sin(frame.s_m / 90)))


def jpeg(picture: Image, t_s: float, gps: Mapping[int, object] | None = None) -> bytes:
    """A JPEG file with the time it was taken, to the millisecond, in its EXIF header, and GPS tags where given."""
    local = dt.datetime.fromtimestamp(t_s, START.tzinfo)
    exif = Pillow.Exif()
    exif[271], exif[272] = "Michisora", "rendered sample"
    times = exif.get_ifd(_EXIF)
    times[_DATE_TIME_ORIGINAL] = f"{local:%Y:%m:%d %H:%M:%S}"
    times[_SUBSECONDS] = f"{round(local.microsecond / 1000):03}"
    times[_OFFSET] = "+09:00"
    exif.get_ifd(_GPS).update(gps or {})
    buffer = io.BytesIO()
    Pillow.fromarray(picture).save(buffer, "JPEG", quality=_JPEG_QUALITY, exif=exif)
    return buffer.getvalue()


def _gpx(fixes: ReceiverFixes) -> str:
    crs = require_crs(f"EPSG:{EPSG}")
    lon, lat = to_lonlat(crs, *fixes.xy_m.T)
    course = (fixes.heading_deg + grid_convergence_deg(crs, lon, lat)) % 360
    segment = gpxpy.gpx.GPXTrackSegment()
    for k, t in enumerate(fixes.t_s):
        point = gpxpy.gpx.GPXTrackPoint(round(float(lat[k]), 8), round(float(lon[k]), 8))
        point.time = dt.datetime.fromtimestamp(float(t), dt.UTC)
        point.speed = round(float(fixes.speed_mps[k]), 2)
        point.course = round(float(course[k]), 1)
        segment.points.append(point)
    gpx = gpxpy.gpx.GPX()
    gpx.creator = "Michisora"
    gpx.tracks.append(gpxpy.gpx.GPXTrack("sample drive"))
    gpx.tracks[0].segments.append(segment)
    # GPX 1.0 has plain <speed> and <course>; 1.1 has them in vendors' extensions only.
    return str(gpx.to_xml("1.0"))


def _roads(town: Town) -> Layer:
    columns = ("link", "name_ja", "name_en", "road_class", "width_m", "lanes")
    rows = [{c: getattr(s, c) for c in columns} | {"geometry": s.line} for s in town.streets]
    return Layer("roads", gpd.GeoDataFrame(rows, crs=f"EPSG:{EPSG}"), title_ja="道路", title_en="Roads")


def _manifest(gps: GpsIn) -> str:
    manifest = {
        "name": "Sample drive",
        "date": START.date(),
        "frames": "frames",
        "track": _TRACK,
        "roads": "roads.gpkg",
        "clock_offset_s": 0.0,
        "timezone": "Asia/Tokyo",
        "camera": {"height_m": SAMPLE_CAMERA.height_m, "hfov_deg": round(SAMPLE_CAMERA.hfov_deg, 6)},
    }
    if gps == "exif":
        del manifest["track"]
    return str(yaml.safe_dump(manifest, sort_keys=False, allow_unicode=True))


def _write_truth(folder: Path, damages: list[Damage], frames: list[TrueFrame]) -> None:
    """`truth.gpkg` (damage outlines), `truth_boxes.parquet` and `truth_poses.parquet`."""
    frame = pd.DataFrame(_defect_rows(damages))
    layer = Layer("defects", gpd.GeoDataFrame(frame, geometry=[d.outline for d in damages], crs=f"EPSG:{EPSG}"))
    write_geopackage(folder / _TRUTH, [layer], START.date())
    pd.DataFrame(_pose_rows(frames)).to_parquet(folder / "truth_poses.parquet", index=False)
    boxes = pd.DataFrame(
        _box_rows(damages, frames), columns=["frame", "t_s", "damage", "class", *"xyzw", "forward_m", "visible"]
    )
    boxes = boxes.rename(columns=dict(zip("xyzw", ("x1", "y1", "x2", "y2"), strict=True)))
    boxes.to_parquet(folder / "truth_boxes.parquet", index=False)


def _defect_rows(damages: list[Damage]) -> Iterator[dict[str, object]]:
    for d in damages:
        middle = d.outline.envelope.centroid
        yield {"damage": d.key, "class": d.class_, "x_m": middle.x, "y_m": middle.y, "area_m2": d.outline.area}


def _pose_rows(frames: list[TrueFrame]) -> Iterator[dict[str, object]]:
    for f in frames:
        heading = float(np.degrees(f.view.heading_rad) % 360)
        angles = {"pitch_deg": f.view.camera.pitch_deg, "yaw_deg": f.view.camera.yaw_deg}
        place = {"x_m": f.view.east_m, "y_m": f.view.north_m, "heading_deg": heading}
        yield {"frame": f.name, "t_s": f.t_s, "distance_m": f.s_m, **place, **angles}


def _box_rows(damages: list[Damage], frames: list[TrueFrame]) -> Iterator[tuple[object, ...]]:
    for f in frames:
        for b in visible_boxes(f.view, damages):
            yield (f.name, f.t_s, b.damage.key, b.damage.class_, *b.xyxy_px, b.forward_m, b.visible)


def replace_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    with replacing(path) as part:
        part.write_bytes(content)
