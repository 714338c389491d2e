"""Photos for a crew: the concealed frame with the defect marked, enlarged, and with what leads there."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from PIL import Image, ImageDraw

from geo.camera.pinhole import Camera
from geo.errors import MichisoraError
from pipelines.report import privacy
from pipelines.report.content import Box, PhotoBox, PhotoSource, Picture, Progress, ReportParams
from pipelines.report.fonts import picture_font
from pipelines.report.overhead import photograph_above
from pipelines.report.words import compass

PHOTOS = "photos"
"""The folder of the photos, relative to the report."""

_ASPECT = 16 / 9
_HORIZON_AT = 0.42  # of the photo's height: leaves room for the enlargement, where nothing may be shown anyway
_INSET_SHARE = 0.38
_CROP_WIDTH_PX = 640
_BAR_GAP_PX = 14
_MARK, _HALO, _INK, _PAPER = "#ffd400", "#000000", "#111827", "#ffffff"

Pixels = tuple[int, int, int, int]
Read = TypeVar("Read")


@dataclass(frozen=True, slots=True)
class View:
    """A photo in the making.

    Attributes:
        image: the photo, already concealed.
        scale: photo px per frame px.
        left: the photo's left edge, px of the frame; `top` likewise.
        camera: of the frame.
    """

    image: Image.Image
    scale: float
    left: float
    top: float
    camera: Camera

    def place(self, box: Box) -> Box:
        """A box of the frame, px of the photo."""
        x1, y1, x2, y2 = box
        return (
            (x1 - self.left) * self.scale,
            (y1 - self.top) * self.scale,
            (x2 - self.left) * self.scale,
            (y2 - self.top) * self.scale,
        )


def photo_path(uuid: str) -> str:
    """Where the photo of a defect lies, relative to the report; the same in every run."""
    return f"{PHOTOS}/{uuid}.jpg"


def write_photos(
    source: PhotoSource, out_dir: Path, params: ReportParams, progress: Progress | None = None
) -> dict[str, str]:
    """Write the photo of every defect that has a box, and those kept of an earlier run as they are.

    A frame that cannot be read costs its own photos only. Frames are read in their order, each once.

    Returns:
        uuid → path of its photo relative to `out_dir`.
    """
    (out_dir / PHOTOS).mkdir(parents=True, exist_ok=True)
    ordered = sorted(source.boxes.items(), key=lambda pair: (pair[1].frame, pair[0]))
    written: dict[str, str] = {}
    take = _photographer(source, params)
    for done, (uuid, box) in enumerate(ordered, start=1):
        image = take(uuid, box)
        if image is not None:
            (out_dir / photo_path(uuid)).write_bytes(encode(image, params))
            written[uuid] = photo_path(uuid)
        if progress is not None:
            progress(done, len(ordered))
    for uuid, path in sorted(source.kept.items()):
        content = _tried(partial(_whole, path))
        if content is not None:
            (out_dir / photo_path(uuid)).write_bytes(content)
            written[uuid] = photo_path(uuid)
    return written


def _whole(path: Path) -> bytes:
    """The bytes of a photo that can be read to its end; raises OSError for others."""
    content = path.read_bytes()
    with Image.open(io.BytesIO(content)) as image:
        image.load()
    return content


def _photographer(source: PhotoSource, params: ReportParams) -> Callable[[str, PhotoBox], Image.Image | None]:
    """What takes the photo of a defect; None where its picture cannot be read. The last frame read is kept."""
    above = source.overhead
    if above is not None:
        return lambda uuid, box: _tried(lambda: photograph_above(above(uuid, box), source.blur_road_users))

    @lru_cache(maxsize=1)
    def frame_of(name: str) -> Picture | None:
        return _tried(lambda: source.read_frame(name))

    def take(_uuid: str, box: PhotoBox) -> Image.Image | None:
        frame = frame_of(box.frame)
        return None if frame is None else photograph(frame, box, source, params)

    return take


def photograph(frame: Picture, where: PhotoBox, source: PhotoSource, params: ReportParams) -> Image.Image:
    """One defect's photo.

    Args:
        frame: (h, w, 3) uint8 RGB, as the camera gave it.
        where: the defect in it.
        source: camera and road users.
        params: sizes.
    """
    box = (where.x1, where.y1, where.x2, where.y2)
    camera = privacy.fitted(source.camera, frame)
    if camera is None:
        return _close_up(frame, box, source)
    visible = privacy.visible_road(camera, box, params)
    concealed = privacy.conceal(frame, privacy.without_road_users(frame, visible, source.blur_road_users))
    view = _wide_view(concealed, box, camera, params)
    _enlargement(concealed, box, view)
    _frame_box(ImageDraw.Draw(view.image), view.place(box))
    _metre(view, box)
    _way(view, where, box)
    return view.image


def encode(image: Image.Image, params: ReportParams) -> bytes:
    """JPEG bytes from pixels alone: no EXIF, no thumbnail, equal for equal pixels."""
    buffer = io.BytesIO()
    image.save(buffer, format="JPEG", quality=params.jpeg_quality, optimize=True)
    return buffer.getvalue()


def thumbnail(path: Path, width_px: int, quality: int = 75) -> bytes:
    """A written photo made small, JPEG bytes."""
    buffer = io.BytesIO()
    with Image.open(path) as image:
        image.draft("RGB", (width_px, width_px))
        small = image.resize((width_px, round(image.height * width_px / image.width)), Image.Resampling.BILINEAR)
    small.save(buffer, format="JPEG", quality=quality, optimize=True)
    return buffer.getvalue()


def thumbnails(out_dir: Path, photos: Mapping[str, str], width_px: int) -> dict[str, bytes]:
    """Uuid → its photo made small."""
    return {uuid: thumbnail(out_dir / path, width_px) for uuid, path in photos.items()}


def _tried(read: Callable[[], Read]) -> Read | None:
    try:
        return read()
    except (MichisoraError, OSError):
        return None


def _close_up(frame: Picture, box: Box, source: PhotoSource) -> Image.Image:
    """The box's surroundings only, for a frame whose horizon is unknown."""
    everything = np.ones(frame.shape[:2], bool)
    if source.blur_road_users is not None:
        frame = privacy.conceal(frame, privacy.without_road_users(frame, everything, source.blur_road_users))
    crop, inside = privacy.surroundings(frame, box)
    scale = _CROP_WIDTH_PX / crop.shape[1]
    size = (_CROP_WIDTH_PX, max(1, round(crop.shape[0] * scale)))
    image = Image.fromarray(crop).resize(size, Image.Resampling.BICUBIC)
    x1, y1, x2, y2 = inside
    _frame_box(ImageDraw.Draw(image), (x1 * scale, y1 * scale, x2 * scale, y2 * scale))
    return image


def _wide_view(concealed: Picture, box: Box, camera: Camera, params: ReportParams) -> View:
    """The whole width of the frame, with the horizon high in the picture and the box in it."""
    height, width = concealed.shape[:2]
    rows = min(height, round(width / _ASPECT))
    top = camera.horizon_px(width / 2) - _HORIZON_AT * rows
    top = round(min(max(top, box[3] + 0.04 * rows - rows, 0), height - rows))
    scale = params.photo_width_px / width
    size = (params.photo_width_px, round(rows * scale))
    resampling = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    pixels = cv2.resize(concealed[top : top + rows], size, interpolation=resampling)
    return View(Image.fromarray(pixels), scale, 0.0, float(top), camera)


def _enlargement(concealed: Picture, box: Box, view: View) -> None:
    """Paste the defect enlarged into the upper corner away from it, unless it would cover the defect."""
    corner = _corner(view, view.place(box))
    if corner is None:
        return
    x1, y1, x2, y2 = _shaped(privacy.widened(box, 0.3), (corner[2] - corner[0]) / (corner[3] - corner[1]))
    crop = cv2.getRectSubPix(concealed, (math.ceil(x2 - x1), math.ceil(y2 - y1)), ((x1 + x2) / 2, (y1 + y2) / 2))
    enlarged = Image.fromarray(crop).resize((corner[2] - corner[0], corner[3] - corner[1]), Image.Resampling.BICUBIC)
    view.image.paste(enlarged, corner[:2])
    draw = ImageDraw.Draw(view.image)
    bx1, by1, bx2, _ = view.place(box)
    for start, end in (((corner[0], corner[3]), (bx1, by1)), ((corner[2], corner[3]), (bx2, by1))):
        draw.line([start, end], fill=_PAPER, width=1)
    draw.rectangle(corner, outline=_PAPER, width=3)


def _corner(view: View, placed: Box) -> Pixels | None:
    """Where the enlargement goes, px of the photo: the upper corner farther from the box, if it leaves the box free."""
    width, height = view.image.size
    horizon = (view.camera.horizon_px(view.camera.width_px / 2) - view.top) * view.scale
    pad = round(0.015 * width)
    tall = round(min(max(horizon - 2 * pad, 0.24 * height), placed[1] - 2.5 * pad, _INSET_SHARE * height))
    if tall < 0.16 * height:
        return None
    wide = round(tall * 1.5)
    on_left = (placed[0] + placed[2]) / 2 > width / 2
    left = pad if on_left else width - pad - wide
    return left, pad, left + wide, pad + tall


def _shaped(box: Box, aspect: float) -> Box:
    """The box grown about its middle to width ÷ height = `aspect`."""
    x1, y1, x2, y2 = box
    wide, tall = max(x2 - x1, (y2 - y1) * aspect), max(y2 - y1, (x2 - x1) / aspect)
    mx, my = (x1 + x2) / 2, (y1 + y2) / 2
    return mx - wide / 2, my - tall / 2, mx + wide / 2, my + tall / 2


def _frame_box(draw: ImageDraw.ImageDraw, box: Box) -> None:
    x1, y1, x2, y2 = box
    draw.rectangle((x1 - 4, y1 - 4, x2 + 4, y2 + 4), outline=_HALO, width=1)
    draw.rectangle((x1 - 3, y1 - 3, x2 + 3, y2 + 3), outline=_MARK, width=3)


def _metre(view: View, box: Box) -> None:
    """A bar one metre long on the road, just nearer than the defect."""
    x1, _, x2, y2 = box
    forward, right = view.camera.to_ground(np.array([[(x1 + x2) / 2, y2 + _BAR_GAP_PX / view.scale]]))[0]
    if not math.isfinite(forward):
        return
    ends = view.camera.to_image(np.array([[forward, right - 0.5], [forward, right + 0.5]]))
    a, b = ((ends - (view.left, view.top)) * view.scale).tolist()
    width, height = view.image.size
    if not (0 < a[0] < b[0] < width and max(a[1], b[1]) < height - 60):
        return
    draw = ImageDraw.Draw(view.image)
    for ink, thick in ((_HALO, 6), (_PAPER, 3)):
        draw.line([*a, *b], fill=ink, width=thick)
        for x, row in (a, b):
            draw.line([(x, row - 6), (x, row + 6)], fill=ink, width=thick)
    middle = ((a[0] + b[0]) / 2, (a[1] + b[1]) / 2 + 5)
    draw.text(middle, "1 m", font=picture_font(18), fill=_PAPER, anchor="mt", stroke_width=2, stroke_fill=_HALO)


def _way(view: View, where: PhotoBox, box: Box) -> None:
    """Which way the vehicle was heading and how far ahead the defect lies, in the lower left corner."""
    forward = view.camera.to_ground(np.array([[(box[0] + box[2]) / 2, box[3]]]))[0, 0]
    parts = []
    if math.isfinite(where.heading_deg):
        ja, en = compass(where.heading_deg)
        parts.append(f"{ja}向き {en} {where.heading_deg % 360:.0f}°")
    if math.isfinite(forward):
        parts.append(f"前方 {forward:.0f} m ahead")
    if not parts:
        return
    text, font = "　".join(parts), picture_font(18)
    width, height = view.image.size
    draw = ImageDraw.Draw(view.image)
    x1, y1, x2, y2 = draw.textbbox((0, 0), text, font=font)
    pad = 7
    left = pad if box[0] * view.scale > (x2 - x1) + 4 * pad else width - (x2 - x1) - 3 * pad
    area = (left, height - (y2 - y1) - 3 * pad, left + (x2 - x1) + 2 * pad, height - pad)
    draw.rounded_rectangle(area, 5, fill=_INK)
    draw.text((area[0] + pad - x1, area[1] + pad - y1), text, font=font, fill=_PAPER)
