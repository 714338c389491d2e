"""A real drive without GPS, laid on a synthetic road so that the whole job can run on it.

The frames and their distances along the road are real. Everything about *where* is not: the centre line is a gently
bending curve drawn in an empty part of the plane, the times follow from an assumed 15 m/s, and the camera's height and
lens are guesses of the right size. Positions from such a survey say nothing about the real road.
"""

import datetime as dt
import io
from pathlib import Path

import gpxpy.gpx
import numpy as np
import pandas as pd
import yaml
from PIL import Image
from pyproj import CRS

from geo.crs import to_lonlat

SPEED_MPS = 15.0
START = dt.datetime(2020, 1, 1, 12, tzinfo=dt.UTC)
PLANE = CRS.from_epsg(32722)
ORIGIN_M = (500_000.0, 6_700_000.0)
RADIUS_M = 900.0


def lay_out(drive: Path, folder: Path) -> Path:
    """Write a survey of one of the reference drives into `folder`, synthetic centre line and times included."""
    chainage = pd.read_csv(drive / "chainage.csv").sort_values("chainage_m", ignore_index=True)
    along = (chainage["chainage_m"] - chainage["chainage_m"].min()).to_numpy(float)
    (folder / "frames").mkdir(parents=True)
    for name, metres in zip(chainage["frame"], along, strict=True):
        source = drive / "frames" / name
        (folder / "frames" / name).write_bytes(_timed(source.read_bytes(), metres / SPEED_MPS))
    (folder / "track.gpx").write_text(_gpx(np.arange(-30.0, along.max() + 31.0, SPEED_MPS)))
    manifest = {
        "name": f"{drive.name} (synthetic centre line)",
        "frames": "frames",
        "track": "track.gpx",
        "camera": {"height_m": 1.5, "hfov_deg": 60.0},
    }
    (folder / "survey.yaml").write_text(yaml.safe_dump(manifest, sort_keys=False))
    return folder


def _timed(content: bytes, seconds: float) -> bytes:
    """The picture, its pixels untouched, with the time it was taken."""
    taken = START + dt.timedelta(seconds=seconds)
    exif = Image.Exif()
    details = exif.get_ifd(0x8769)
    details[36867], details[37521] = f"{taken:%Y:%m:%d %H:%M:%S}", f"{taken.microsecond // 1000:03d}"
    details[36881] = "+00:00"
    body = exif.tobytes()
    if content[:2] == b"\xff\xd8":
        return b"\xff\xd8\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + content[2:]
    payload = body.removeprefix(b"Exif\0\0")
    return _webp_with_exif(content, payload)


def _webp_with_exif(content: bytes, exif: bytes) -> bytes:
    out = io.BytesIO()
    Image.open(io.BytesIO(content)).save(out, "JPEG", quality=97, exif=b"Exif\0\0" + exif)
    return out.getvalue()


def _gpx(along_m: np.ndarray) -> str:
    angle = along_m / RADIUS_M
    x = ORIGIN_M[0] + RADIUS_M * (1 - np.cos(angle))
    y = ORIGIN_M[1] + RADIUS_M * np.sin(angle)
    lon, lat = to_lonlat(PLANE, x, y)
    segment = gpxpy.gpx.GPXTrackSegment()
    for metres, east, north in zip(along_m, lon, lat, strict=True):
        time = START + dt.timedelta(seconds=float(metres) / SPEED_MPS)
        segment.points.append(gpxpy.gpx.GPXTrackPoint(float(north), float(east), time=time))
    gpx = gpxpy.gpx.GPX()
    gpx.tracks.append(gpxpy.gpx.GPXTrack())
    gpx.tracks[0].segments.append(segment)
    return str(gpx.to_xml())
