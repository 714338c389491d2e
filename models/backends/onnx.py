"""ONNX Runtime, on the processor or on a CUDA device."""

from pathlib import Path
from typing import Any

import cv2

from models.errors import BackendError
from models.types import LoadRequest, Network, Picture, RawOutput, Runtime

__all__ = ["cuda_is_built_in", "load_onnx"]

_CUDA = "CUDAExecutionProvider"
_CUDA_OPTIONS = {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}
"""TF32 keeps 10 bits of the mantissa, which is no f32; the default search times candidates and so varies by run."""


def cuda_is_built_in() -> bool:
    """Whether the ONNX Runtime installed here can use CUDA; only a loaded network shows that a device is there."""
    try:
        return _CUDA in _onnxruntime().get_available_providers()
    except BackendError:
        return False


def load_onnx(request: LoadRequest) -> Network:
    """The network of `request` on a CUDA device where there is one, else on the processor.

    Raises:
        BackendError: ONNX Runtime is absent, cannot read the weights, or bf16 is asked for.
    """
    if request.precision == "bf16":
        raise BackendError("ONNX Runtime runs this network in f32 alone", remedy="Choose --precision f32 or auto.")
    return _OnnxNetwork(request.weights, request.threads)


class _OnnxNetwork:
    def __init__(self, weights: Path, threads: int) -> None:
        runtime = _onnxruntime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        providers: list[Any] = ["CPUExecutionProvider"]
        if cuda_is_built_in():
            providers.insert(0, (_CUDA, _CUDA_OPTIONS))
        try:
            self._session = runtime.InferenceSession(str(weights), options, providers=providers)
        except Exception as error:  # ONNX Runtime's exceptions share no base but Exception
            raise BackendError("ONNX Runtime cannot read the weights", where=weights) from error
        self._input = self._session.get_inputs()[0].name
        device = "cuda" if self._session.get_providers()[0] == _CUDA else "cpu"
        self._runtime = Runtime("onnx", device, "f32", threads)

    @property
    def runtime(self) -> Runtime:
        return self._runtime

    def __call__(self, picture: Picture) -> RawOutput:
        nchw = cv2.dnn.blobFromImage(picture, scalefactor=1 / 255)
        raw: RawOutput = self._session.run(None, {self._input: nchw})[0][0]
        return raw


def _onnxruntime() -> Any:
    try:
        import onnxruntime  # noqa: PLC0415 - only this back end needs it
    except ImportError as error:
        remedy = "Install it with `pip install onnxruntime`, or choose --backend openvino."
        raise BackendError("ONNX Runtime is not installed", remedy=remedy) from error
    return onnxruntime
