from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.backends.openvino import cpu_computes_bf16
from models.backends.pillow import pillow_kept
from models.detector import open_detector
from models.errors import BackendError, DetectionsError

BACKENDS = ("openvino", "onnx")


def spots(height: int, width: int, cells: dict[tuple[int, int], tuple[int, int, int]]) -> np.ndarray:
    picture = np.zeros((height, width, 3), np.uint8)
    for (row, column), colour in cells.items():
        picture[row * 32 : row * 32 + 32, column * 32 : column * 32 + 32] = colour
    return picture


@pytest.mark.parametrize("backend", BACKENDS)
def test_boxes_lie_where_the_pixels_are_and_channels_are_rgb(spot_model: Path, backend):
    picture = spots(96, 160, {(0, 0): (255, 0, 0), (2, 4): (0, 255, 0)})
    with open_detector(spot_model, backend, "f32") as detector:
        found = detector.submit(picture, 0.5).result()
    assert sorted(found.xyxy.tolist()) == [[0, 0, 32, 32], [128, 64, 160, 96]]
    assert dict(zip(found.class_id.tolist(), found.xyxy[:, 0].tolist(), strict=True)) == {0: 0, 1: 128}
    np.testing.assert_allclose(found.score, 1, atol=1e-5)


@pytest.mark.parametrize("backend", BACKENDS)
def test_padding_moves_nothing_and_yields_no_box_of_its_own(spot_model: Path, backend):
    picture = spots(70, 100, {(1, 1): (255, 0, 0)})
    with open_detector(spot_model, backend, "f32") as detector:
        found = detector.submit(picture, 0.01).result()
    assert found.xyxy[0].tolist() == [32, 32, 64, 64]
    assert (found.xyxy[:, 2] <= 100).all()
    assert (found.xyxy[:, 3] <= 70).all()


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_pictures_boxes_have_the_same_bytes_alone_in_a_batch_and_on_any_threads(spot_model: Path, backend):
    batch = np.random.default_rng(3).integers(0, 255, (5, 128, 192, 3)).astype(np.uint8)
    results = []
    for threads in (1, 2, 3):
        with open_detector(spot_model, backend, "f32", threads=threads) as detector:
            results += [detector.predict(batch), list(detector.stream(iter(batch)))]
            results.append([detector.submit(picture).result() for picture in batch])
    assert len(results[0][0]) > 0
    assert all(result == results[0] for result in results)


def test_frames_of_changing_size_are_all_looked_at(spot_model: Path):
    pictures = [spots(32 * n, 64, {(n - 1, 1): (255, 0, 0)}) for n in range(1, 8)]
    with open_detector(spot_model, "openvino", "f32") as detector:
        tops = [found.xyxy[0, 1] for found in detector.stream(pictures * 2, 0.5)]
    assert tops == [32.0 * n for n in range(7)] * 2


@pytest.mark.shared
def test_back_ends_agree_on_a_real_frame(shared_data: Path):
    pytest.importorskip("torch")
    with pillow_kept():
        pytest.importorskip("ultralytics")
    path = sorted((shared_data / "drive" / "dnit_rs290" / "frames").iterdir())[10]
    frame = np.asarray(Image.open(path).convert("RGB"))
    found = {}
    for backend in ("openvino", "onnx", "torch"):
        with open_detector("road", backend, "f32") as detector:
            found[backend] = detector.submit(frame, 0.05).result()
    reference = found["openvino"]
    assert len(reference) > 0
    for other in found.values():
        assert len(other) == len(reference)
        np.testing.assert_allclose(other.xyxy, reference.xyxy, atol=1)
        np.testing.assert_allclose(other.score, reference.score, atol=0.02)
        assert other.class_id.tolist() == reference.class_id.tolist()


def test_a_back_end_that_does_not_exist_is_refused_with_those_that_do(spot_model: Path):
    with pytest.raises(BackendError, match="openvino"):
        open_detector(spot_model, "tensorflow")


def test_bf16_is_refused_where_nothing_computes_in_it(spot_model: Path):
    with pytest.raises(BackendError, match="f32"):
        open_detector(spot_model, "onnx", "bf16")
    if not cpu_computes_bf16():
        with pytest.raises(BackendError, match="bf16"):
            open_detector(spot_model, "openvino", "bf16")


def test_an_array_that_is_no_picture_is_refused(spot_model: Path):
    with open_detector(spot_model) as detector, pytest.raises(DetectionsError, match="uint8"):
        detector.submit(np.zeros((32, 32, 3), np.float32))


def test_the_torch_back_end_leaves_pillow_as_it_was(spot_model: Path):
    pytest.importorskip("torch")
    pytest.importorskip("onnx")
    before = Image.open
    with pytest.raises(BackendError, match="architecture"):
        open_detector(spot_model, "torch")
    assert Image.open is before
