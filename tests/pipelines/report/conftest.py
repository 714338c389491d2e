"""A small drawn town: frames of a road with damage at known places, and the tables a survey of it gives."""

import json
from collections.abc import Callable
from datetime import date
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

import cv2
import geopandas as gpd
import numpy as np
import pytest
from pyproj import CRS, Transformer
from shapely import LineString, Point, box
from shapely.ops import substring

from geo.camera.pinhole import Camera
from pipelines.report.content import PhotoBox, PhotoSource, Provenance, ReportContent, Summary

PLANE = CRS.from_epsg(6677)
START = (-8200.0, -35400.0)
CLASSES = ["D40", "D20", "D00", "D10", "crack"]
LANES_M = (-1.625, 4.875)
PLATE = "MICHI 50-12"


@pytest.fixture(scope="session")
def camera() -> Camera:
    return Camera.from_fov(1280, 720, 72.0, height_m=1.4, pitch_deg=5.0)


def ground_polygon(camera: Camera, forward: tuple[float, float], right: tuple[float, float]) -> np.ndarray:
    corners = [(forward[0], right[0]), (forward[1], right[0]), (forward[1], right[1]), (forward[0], right[1])]
    return np.rint(camera.to_image(np.array(corners))).astype(np.int32)


def draw_frame(camera: Camera, holes: list[tuple[str, float, float, float]], seed: int) -> np.ndarray:
    """(h, w, 3) uint8 RGB: sky, houses with sharp text, grass, a road and `holes` on it."""
    rng = np.random.default_rng(seed)
    w, h = camera.width_px, camera.height_px
    horizon = round(camera.horizon_px(w / 2))
    frame = np.full((h, w, 3), (168, 200, 226), np.uint8)
    frame[horizon:] = (92, 124, 70)
    for x in range(0, w, 150):
        tall = int(rng.integers(60, 190))
        colour = tuple(int(v) for v in rng.integers(90, 220, 3))
        cv2.rectangle(frame, (x, horizon - tall), (x + 110, horizon + 20), colour, -1)
        cv2.putText(frame, PLATE, (x, horizon - tall // 2), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (10, 10, 10), 2)
    road = ground_polygon(camera, (0.8, 300.0), LANES_M)
    cv2.fillConvexPoly(frame, road, (112, 112, 116))
    for middle in (LANES_M[0] + 0.1, 1.625, LANES_M[1] - 0.1):
        cv2.fillConvexPoly(frame, ground_polygon(camera, (0.8, 200.0), (middle - 0.07, middle + 0.07)), (232, 232, 228))
    for klass, forward, right, size in holes:
        draw_damage(frame, camera, klass, (forward, right, size), rng)
    noise = cv2.GaussianBlur(rng.normal(0, 22, (h, w, 1)).astype(np.float32), (0, 0), 0.8)
    return np.clip(frame + noise.reshape(h, w, 1), 0, 255).astype(np.uint8)


def draw_damage(
    frame: np.ndarray, camera: Camera, klass: str, at: tuple[float, float, float], rng: np.random.Generator
) -> None:
    forward, right, size = at
    if klass == "D40":
        turn = np.linspace(0, 2 * np.pi, 24)
        radius = size / 2 * rng.uniform(0.8, 1.1, 24)
        rim = np.column_stack([forward + radius * np.sin(turn), right + radius * np.cos(turn)])
        cv2.fillPoly(frame, [np.rint(camera.to_image(rim)).astype(np.int32)], (44, 42, 42))
        return
    for _ in range({"D20": 12, "crack": 4}.get(klass, 1)):
        along, across = {"D00": (1.0, 0.08), "D10": (0.08, 1.0)}.get(klass, (0.5, 0.5))
        steps = np.linspace(-0.5, 0.5, 9)
        jitter = rng.normal(0, 0.06, (9, 2)) * size
        turn = rng.uniform(0, np.pi) if klass in ("D20", "crack") else 0.0
        line = np.column_stack(
            [steps * size * (along * np.cos(turn) + 0.1), steps * size * (across + np.sin(turn) * 0.4)]
        )
        points = camera.to_image(line + jitter + (forward, right))
        cv2.polylines(frame, [np.rint(points).astype(np.int32)], False, (38, 36, 36), 2, cv2.LINE_AA)


def drive_line() -> LineString:
    """A loop through town, 1.9 km: straights and bends, plane metres."""
    t = np.linspace(0, 1, 240)
    x = START[0] + 620 * t + 60 * np.sin(5 * t)
    y = START[1] + 260 * np.sin(2.4 * np.pi * t) + 120 * t
    return LineString(np.column_stack([x, y]))


def a_defect(i: int, line: LineString) -> dict[str, object]:
    rng = np.random.default_rng(1000 + i)
    klass = CLASSES[0] if i < 8 else CLASSES[int(rng.integers(0, 5))]
    size = float(rng.uniform(0.25, 1.3))
    along = float(rng.uniform(0, line.length))
    point = line.interpolate(along)
    lon, lat = Transformer.from_crs(PLANE, 4326, always_xy=True).transform(point.x, point.y)
    judgement = "repair" if i < 9 else "damage" if i < 25 else "none"
    terms = {
        "safety": 5.0 if klass == "D40" else 2.0,
        "size": round(2 * size, 2),
        "traffic": 1.5,
        "growth": float(i % 3 == 0),
    }
    return {
        "uuid": str(uuid5(NAMESPACE_URL, f"defect/{i}")),
        "rank": i + 1,
        "priority": round(sum(terms.values()), 2),
        "terms": json.dumps(terms),
        "judgement": judgement,
        "class": klass,
        "class_ja": "",
        "class_en": "",
        "length_m": size,
        "width_m": 0.8 * size,
        "area_m2": 0.8 * size * size,
        "depth": "unknown",
        "score": float(rng.uniform(0.3, 0.95)),
        "position_sd_m": float(rng.uniform(0.6, 2.4)),
        "n_seen": int(rng.integers(1, 7)),
        "first_seen": date(2026, 5, 12),
        "last_seen": date(2026, 11, 3),
        "link": f"L{1 + int(along // 500)}",
        "road_name": ["本町通り", "市道 12 号線", "", "Harbour Road"][int(along // 500) % 4],
        "chainage_m": along % 500,
        "offset_m": -1.2,
        "photo": "",
        "status": ["detected", "accepted", "planned", "deferred"][i % 4],
        "change": ["new", "same", "worse", ""][i % 4],
        "note": "",
        "reasons_ja": "車輪の通る位置にあるポットホール\n5 月の調査より大きい"
        if klass == "D40"
        else "ひび割れが広がっている",
        "reasons_en": "A pothole in the wheel path\nLarger than in May"
        if klass == "D40"
        else "Cracks spread over the lane",
        "lat": lat,
        "lon": lon,
        "geometry": point,
    }


def some_sections(line: LineString) -> gpd.GeoDataFrame:
    rng = np.random.default_rng(7)
    rows = []
    for i, start in enumerate(np.arange(0, line.length, 20.0)):
        ratio = float(np.clip(rng.gamma(1.2, 11.0), 0, 90))
        seen = i % 17 != 5
        rows.append(
            {
                "section": f"L{1 + int(start // 500)}-{i:03d}",
                "link": f"L{1 + int(start // 500)}",
                "from_m": start % 500,
                "to_m": start % 500 + 20,
                "crack_ratio_pct": ratio if seen else np.nan,
                "mci": 10 - 2.23 * ratio**0.3 if seen else np.nan,
                "diagnosis": ("I" if ratio < 20 else "II" if ratio < 40 else "III") if seen else None,
                "n_potholes": int(rng.integers(0, 2)),
                "coverage_pct": float(rng.uniform(60, 98)) if seen else 10.0,
                "area_seen_m2": 50.0,
                "geometry": substring(line, start, min(start + 20, line.length)),
            }
        )
    return gpd.GeoDataFrame(rows, crs=PLANE)


def make_content(camera: Camera, n: int) -> ReportContent:
    """A survey with `n` defects, one frame each."""
    line = drive_line()
    rows = [a_defect(i, line) for i in range(n)]
    columns = list(a_defect(0, line))
    defects = gpd.GeoDataFrame(rows, columns=columns, geometry="geometry", crs=PLANE)
    holes, boxes = {}, {}
    for i, row in enumerate(rows):
        rng = np.random.default_rng(i)
        at = (str(row["class"]), float(rng.uniform(5, 14)), float(rng.uniform(-1.2, 2.5)), float(str(row["length_m"])))
        half = at[3] / 2
        corners = ground_polygon(camera, (at[1] - half, at[1] + half), (at[2] - half, at[2] + half))
        (x1, y1), (x2, y2) = corners.min(axis=0), corners.max(axis=0)
        frame = f"frame_{i:05d}.jpg"
        holes[frame] = (at, i)
        boxes[str(row["uuid"])] = PhotoBox(frame, x1, y1, x2, y2, heading_deg=float(rng.uniform(0, 360)))

    def read_frame(name: str) -> np.ndarray:
        at, seed = holes[name]
        return draw_frame(camera, [at], seed)

    roads = gpd.GeoDataFrame(
        {"link": ["L1", "X1"], "geometry": [line, LineString([line.coords[0], line.coords[-1]])]}, crs=PLANE
    )
    return ReportContent(
        survey="本町地区 2026 秋 · Honmachi autumn 2026",
        date=date(2026, 11, 3),
        defects=defects,
        sections=some_sections(line),
        track=line,
        crs=PLANE,
        summary=Summary(frames=612, km=line.length / 1000, rejected={"unreadable": 3, "outside_track": 11}),
        provenance=Provenance(
            "road-s-768",
            "9f8b" * 16,
            {
                "ja": ["5か国の道路で学習。夜間の画像はない。"],
                "en": ["Trained on roads of five countries, none by night."],
            },
            "0.1.0",
        ),
        photos=PhotoSource(read_frame, boxes, camera),
        roads=roads,
        coverage=gpd.GeoDataFrame(geometry=[line.buffer(3.0)], crs=PLANE),
    )


@pytest.fixture
def content_of(camera: Camera) -> Callable[[int], ReportContent]:
    return lambda n: make_content(camera, n)


@pytest.fixture(scope="session")
def report(camera: Camera, tmp_path_factory: pytest.TempPathFactory) -> tuple[ReportContent, Path]:
    """A report of thirty defects, written once for all tests that only read it."""
    from pipelines.report.write import write_report  # noqa: PLC0415 - what is under test loads when it is asked for

    content = make_content(camera, 30)
    folder = tmp_path_factory.mktemp("report")
    write_report(content, folder)
    return content, folder


__all__ = ["PLANE", "PLATE", "Point", "box"]
