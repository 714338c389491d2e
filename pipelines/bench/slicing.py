"""Other people's ways to look at a picture in slices, with our detector inside: SAHI's and DeepForest's.

Weights, back end and thresholds are ours, so that what differs is how a picture is read, cut and put together. SAHI is
also measured as it comes: its own model class, with the same weights in torch.
"""

from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models.backends.pillow import pillow_kept
from models.backends.torch import build_network
from models.detections import Detections
from models.detector import Detector, model_folder
from models.types import LoadRequest

__all__ = ["SAHI_OVERLAP", "SAHI_SLICE_PX", "deepforest_boxes", "sahi_boxes", "sahi_model", "sahi_torch_model"]

Boxes = NDArray[np.float32]

SAHI_SLICE_PX: Final = 512
SAHI_OVERLAP: Final = 0.2
"""What SAHI's own command line takes where nothing is said."""
_BATCH: Final = 8


def sahi_model(detector: Detector) -> Any:
    """Our detector as one of SAHI's models; slices of a batch are looked at side by side."""
    base: Any = import_module("sahi.models.base").DetectionModel
    prediction: Any = import_module("sahi.prediction").ObjectPrediction
    limit = lowest_score(detector)

    def set_model(self: Any, model: Any, **_: Any) -> None:
        self.model = model

    def perform_batch_inference(self: Any, images: list[NDArray[np.uint8]]) -> None:
        waiting = [detector.submit(image, limit) for image in images]
        self._original_predictions = [one.result() for one in waiting]

    def perform_inference(self: Any, image: NDArray[np.uint8]) -> None:
        perform_batch_inference(self, [image])

    def convert(self: Any, shift_amount_list: Any = None, full_shape_list: Any = None) -> None:
        self._object_prediction_list_per_image = [
            [
                prediction(bbox=box, category_id=0, score=score, category_name="", shift_amount=shift, full_shape=shape)
                for box, score in zip(seen.xyxy.tolist(), seen.score.tolist(), strict=True)
            ]
            for seen, shift, shape in zip(self._original_predictions, shift_amount_list, full_shape_list, strict=True)
        ]

    methods = {
        "set_model": set_model,
        "perform_batch_inference": perform_batch_inference,
        "perform_inference": perform_inference,
        "_create_object_prediction_list_from_original_predictions": convert,
    }
    kind: Any = type("OurDetector", (base,), methods)
    return kind(model=detector, confidence_threshold=limit, category_mapping={"0": ""}, device="cpu")


def sahi_torch_model(detector: Detector, model: str) -> Any:
    """The same weights in SAHI's own class for ultralytics' models, on torch."""
    card = detector.card
    request = LoadRequest(model_folder(model) / card.weights, card.architecture, len(card.classes), "f32", threads=1)
    with pillow_kept():
        yolo: Any = import_module("ultralytics").YOLO(f"{card.architecture}.yaml")
    yolo.model = build_network(request)
    yolo.model.names = dict(enumerate(card.class_names))
    auto: Any = import_module("sahi").AutoDetectionModel
    limit = lowest_score(detector)
    return auto.from_pretrained(model_type="ultralytics", model=yolo, confidence_threshold=limit, device="cpu")


def sahi_boxes(path: Path, model: Any, slice_px: int, overlap: float) -> Boxes:
    """Boxes by SAHI's sliced prediction, float32 (n, 4) px.

    Its defaults for how boxes are merged (GREEDYNMM, intersection over the smaller, 0.5). Its look at the whole picture
    at once is left out: a network of stride 32 cannot look at 10,000 px in any memory.
    """
    predict: Any = import_module("sahi.predict")
    found = predict.get_sliced_prediction(
        str(path),
        model,
        slice_height=slice_px,
        slice_width=slice_px,
        overlap_height_ratio=overlap,
        overlap_width_ratio=overlap,
        perform_standard_pred=False,
        batch_size=_BATCH,
        verbose=0,
    )
    return np.array([one.bbox.to_xyxy() for one in found.object_prediction_list], np.float32).reshape(-1, 4)


def deepforest_boxes(path: Path, detector: Detector, slice_px: int, overlap: float) -> Boxes:
    """Boxes by DeepForest's `predict_tile`, float32 (n, 4) px, windows read from the file one at a time."""
    torch: Any = import_module("torch")
    main: Any = import_module("deepforest.main")
    limit = lowest_score(detector)

    def forward(_self: Any, images: Any) -> list[dict[str, Any]]:
        pictures = [np.ascontiguousarray((255 * one).round().byte().permute(1, 2, 0).numpy()) for one in images]
        waiting = [detector.submit(one, limit) for one in pictures]
        return [_as_tensors(torch, one.result()) for one in waiting]

    network: Any = type("OurDetector", (torch.nn.Module,), {"forward": forward})
    config = {"workers": 0, "batch_size": _BATCH, "accelerator": "cpu", "devices": 1}
    forest: Any = main.deepforest(model=network(), config_args=config)
    forest.numeric_to_label_dict = {0: "Tree"}
    forest.create_trainer(logger=False, enable_progress_bar=False, enable_model_summary=False)
    found = forest.predict_tile(
        path=str(path), patch_size=slice_px, patch_overlap=overlap, dataloader_strategy="window"
    )
    if found is None:
        return np.empty((0, 4), np.float32)
    return np.asarray(found[["xmin", "ymin", "xmax", "ymax"]].to_numpy(np.float32))


def lowest_score(detector: Detector) -> float:
    """The score from which boxes are kept: that of detection or of counting, whichever is lower."""
    thresholds = detector.card.thresholds
    return min([*thresholds.score.values(), *thresholds.count.values()])


def _as_tensors(torch: Any, seen: Detections) -> dict[str, Any]:
    return {
        "boxes": torch.from_numpy(seen.xyxy.copy()),
        "scores": torch.from_numpy(seen.score.copy()),
        "labels": torch.from_numpy(seen.class_id.astype(np.int64)),
    }
