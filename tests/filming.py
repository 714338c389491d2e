"""Videos for tests, written here and now: dash-cam films, and GoPro's with telemetry in them.

The telemetry is put together by hand after GoPro's description, apart from the reader, so that one checks the other.
"""

import datetime as dt
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path

import av
import numpy as np

MILLISECONDS = Fraction(1, 1000)


@dataclass(frozen=True)
class Film:
    """What a film is besides its pictures."""

    payloads: Sequence[tuple[float, bytes]] = ()  # (video time s, telemetry), each until the next, the last for 1 s
    metadata: dict[str, str] = field(default_factory=dict)
    turn_deg: int = 0
    crf: int = 10
    pixel_shape: Fraction = Fraction(1)  # how much wider than high a pixel is shown


def write_film(path: Path, pictures: Iterable[np.ndarray], times_s: Sequence[float], film: Film | None = None) -> Path:
    """An H.264 MP4 or MOV whose pictures, uint8 (h, w, 3), are shown at `times_s`, however unevenly."""
    film = film or Film()
    with av.open(str(path), "w", options={"movflags": "use_metadata_tags"}) as container:
        container.metadata.update(film.metadata)
        stream = container.add_stream("libx264", rate=30)
        stream.pix_fmt, stream.time_base, stream.codec_context.time_base = "yuv420p", MILLISECONDS, MILLISECONDS
        stream.options = {"g": "12", "bf": "0", "crf": str(film.crf), "preset": "ultrafast"}
        track = container.add_data_stream("bin_data") if film.payloads else None
        for picture, time_s in zip(pictures, times_s, strict=True):
            if time_s == times_s[0]:
                stream.height, stream.width = picture.shape[:2]
                stream.codec_context.sample_aspect_ratio = film.pixel_shape
                if film.turn_deg:
                    stream.set_display_rotation(film.turn_deg)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = round(time_s * 1000), MILLISECONDS
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        for start_s, data in film.payloads:
            packet = av.Packet(data)
            packet.stream, packet.time_base = track, MILLISECONDS
            packet.pts = packet.dts = round(start_s * 1000)
            packet.duration = 1000
            container.mux(packet)
    return path


def grey(n: int, width_px: int = 64, height_px: int = 48) -> Iterable[np.ndarray]:
    """Pictures of nothing."""
    return (np.full((height_px, width_px, 3), 100 + k % 100, np.uint8) for k in range(n))


def klv(key: str, kind: str, row_bytes: int, data: bytes) -> bytes:
    """One GPMF entry; kind "" nests."""
    head = key.encode() + (kind.encode() or b"\0") + struct.pack(">BH", row_bytes, len(data) // max(row_bytes, 1))
    return head + data + bytes(-len(data) % 4)


def nest(key: str, *parts: bytes) -> bytes:
    return klv(key, "", 1, b"".join(parts))


def device(*streams: bytes) -> bytes:
    """A payload: one device, its streams, and an accelerometer's stream that has nothing to do with places."""
    name = klv("DVNM", "c", 1, b"Camera")
    shaken = nest(
        "STRM", klv("SCAL", "s", 2, struct.pack(">h", 418)), klv("ACCL", "s", 6, struct.pack(">6h", *range(6)))
    )
    return nest("DEVC", klv("DVID", "L", 4, struct.pack(">L", 1)), name, shaken, *streams)


@dataclass(frozen=True)
class Ride:
    """Fixes as a receiver has them, (n,) each; UTC in seconds since 1970."""

    utc_s: np.ndarray
    lat: np.ndarray
    lon: np.ndarray
    speed_mps: np.ndarray

    def part(self, rows: slice) -> "Ride":
        return Ride(self.utc_s[rows], self.lat[rows], self.lon[rows], self.speed_mps[rows])


def gps5(ride: Ride, *, stamp: str | None = None, dop: float | None = 1.5, lock: int | None = 3) -> bytes:
    """The stream of a payload of HERO5 to HERO10: one time, of the first fix."""
    first = dt.datetime.fromtimestamp(float(ride.utc_s[0]), dt.UTC)
    said = f"{first:%y%m%d%H%M%S}.{first.microsecond // 1000:03d}" if stamp is None else stamp
    rows = zip(ride.lat, ride.lon, ride.speed_mps, strict=True)
    fixes = b"".join(
        struct.pack(">5l", round(lat * 1e7), round(lon * 1e7), 20_000, round(v * 1000), round(v * 100))
        for lat, lon, v in rows
    )
    return nest(
        "STRM",
        klv("STNM", "c", 1, b"GPS (Lat., Long., Alt., 2D speed, 3D speed)"),
        klv("GPSF", "L", 4, struct.pack(">L", lock)) if lock is not None else b"",
        klv("GPSU", "U", 16, said.encode()) if said else b"",
        klv("GPSP", "S", 2, struct.pack(">H", round(dop * 100))) if dop is not None else b"",
        klv("SCAL", "l", 4, struct.pack(">5l", 10**7, 10**7, 1000, 1000, 100)),
        klv("GPS5", "l", 20, fixes),
    )


def gps9(ride: Ride, *, dop: float = 1.5, lock: int = 3, late_s: float = 0.0) -> bytes:
    """The stream of a payload from HERO11 on: every fix with its own time, geometry and kind."""
    epoch = dt.datetime(2000, 1, 1, tzinfo=dt.UTC).timestamp()
    rows = []
    for utc_s, lat, lon, v in zip(ride.utc_s + late_s, ride.lat, ride.lon, ride.speed_mps, strict=True):
        days, seconds = divmod(float(utc_s) - epoch, 86_400.0)
        place = (round(lat * 1e7), round(lon * 1e7), 20_000, round(v * 1000), round(v * 100))
        rows.append(struct.pack(">7l2H", *place, int(days), round(seconds * 1000), round(dop * 100), lock))
    return nest(
        "STRM",
        klv("TYPE", "c", 1, b"lllllllSS"),
        klv("SCAL", "l", 4, struct.pack(">9l", 10**7, 10**7, 1000, 1000, 100, 1, 1000, 100, 1)),
        klv("GPS9", "?", 32, b"".join(rows)),
    )
