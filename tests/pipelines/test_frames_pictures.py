import errno
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipelines.frames.pictures import picture_size, read_picture
from pipelines.frames.rasters import MAX_SIDE_PX, read_raster
from pipelines.frames.types import BadFrame


def encoded(kind: str, size: tuple[int, int] = (160, 120)) -> bytes:
    noise = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, kind)
    return file.getvalue()


def png_declaring(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def refusal(path: Path, data: bytes) -> BadFrame:
    path.write_bytes(data)
    with pytest.raises(BadFrame) as caught:
        read_picture(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)
    return caught.value


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_picture_cut_short_is_refused_whatever_its_format(tmp_path, kind):
    data = encoded(kind)
    assert refusal(tmp_path / "cut.jpg", data[: len(data) * 2 // 3]).code == "truncated"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty"),
        (b"not a picture at all", "not_an_image"),
        (b"GIF89a" + bytes(50), "not_an_image"),
        (png_declaring(20_000, 15_000), "too_many_pixels"),
        (png_declaring(11_000, 10_000), "too_many_pixels"),
    ],
)
def test_what_is_no_usable_picture_is_refused_with_its_reason(tmp_path, data, code):
    assert refusal(tmp_path / "bad.jpg", data).code == code


def test_a_picture_that_is_absent_is_a_bad_frame_too(tmp_path):
    with pytest.raises(BadFrame) as caught:
        read_picture(tmp_path / "gone.jpg")
    assert caught.value.code == "unreadable"


@pytest.mark.parametrize("failing", ["pipelines.frames.pictures.open_image", "PIL.ImageFile.ImageFile.load"])
def test_what_the_machine_lacks_is_not_laid_on_the_picture(tmp_path, monkeypatch, failing):
    path = tmp_path / "whole.jpg"
    path.write_bytes(encoded("JPEG"))
    monkeypatch.setattr(failing, _failing(OSError(errno.EIO, "Input/output error", str(path))))
    with pytest.raises(BadFrame) as caught:
        read_picture(path)
    assert caught.value.code == "unreadable"
    monkeypatch.setattr(failing, _failing(MemoryError()))
    with pytest.raises(MemoryError):
        read_picture(path)


def _failing(error: BaseException):
    def fail(*_anything: object, **_named: object) -> None:
        raise error

    return fail


@pytest.mark.parametrize("place", range(0, 400, 7))
def test_no_damage_escapes_as_anything_but_a_bad_frame(tmp_path, place):
    data = bytearray(encoded("JPEG"))
    data[place] ^= 0xFF
    path = tmp_path / "flipped.jpg"
    path.write_bytes(data)
    try:
        assert read_picture(path).ndim == 3
    except BadFrame as error:
        assert error.code in {"damaged", "truncated", "not_an_image", "too_many_pixels", "unreadable"}


@pytest.mark.parametrize(("orientation", "corner"), [(1, (0, 0)), (3, (-1, -1)), (6, (0, -1)), (8, (-1, 0))])
def test_exif_orientation_turns_the_picture_upright(tmp_path, orientation, corner):
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[:16, :16, 0] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "turned.jpg"
    Image.fromarray(pixels).save(path, quality=95, exif=exif)
    upright = read_picture(path)
    assert upright.shape[:2] == ((80, 40) if orientation in {6, 8} else (40, 80))
    assert upright[corner][0] > 200
    assert picture_size(path) == upright.shape[1::-1]


def test_a_size_is_told_without_the_pixels_and_refused_without_a_header(tmp_path):
    path = tmp_path / "cut.jpg"
    path.write_bytes(encoded("JPEG")[:3000])
    assert picture_size(path) == (160, 120)
    path.write_bytes(b"not a picture at all")
    with pytest.raises(BadFrame) as caught:
        picture_size(path)
    assert caught.value.code == "not_an_image"


def test_the_content_decides_not_the_suffix(tmp_path):
    path = tmp_path / "really_webp.jpg"
    path.write_bytes(encoded("WEBP"))
    assert read_picture(path).shape == (120, 160, 3)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1"])
def test_every_colour_mode_becomes_rgb(tmp_path, mode):
    path = tmp_path / "mode.png"
    Image.new("RGB", (8, 6), "white").convert(mode).save(path)
    assert (read_picture(path) == np.full((6, 8, 3), 255)).all()


def test_sixteen_bits_are_scaled_not_cut_off(tmp_path):
    path = tmp_path / "deep.png"
    Image.fromarray(np.full((4, 4), 0x8000, np.uint16)).save(path)
    assert (read_picture(path) == 0x80).all()


def test_a_small_raster_is_a_picture_and_a_large_one_is_refused_with_what_to_do(tmp_path):
    small, large = tmp_path / "small.tif", tmp_path / "large.tif"
    pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3)
    Image.fromarray(pixels).save(small)
    Image.new("L", (MAX_SIDE_PX + 1, 2)).save(large)
    assert (read_raster(small) == pixels).all()
    with pytest.raises(BadFrame, match="gdal_retile") as caught:
        read_raster(large)
    assert caught.value.code == "too_many_pixels"


def test_a_raster_of_palette_numbers_is_refused_and_not_read_as_grey(tmp_path):
    path = tmp_path / "palette.tif"
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(4, 4, 3)).convert("P").save(path)
    with pytest.raises(BadFrame, match=r"numbers of a palette.*gdal_translate -expand rgb") as caught:
        read_raster(path)
    assert caught.value.code == "not_an_image"
