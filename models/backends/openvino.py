"""OpenVINO on the processor: the back end that a base installation runs."""

import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from models.errors import BackendError
from models.types import LoadRequest, Network, Picture, RawOutput, Runtime

__all__ = ["cpu_computes_bf16", "cpu_name", "load_openvino"]

_SIZES_KEPT = 4
"""Input sizes that stay compiled. Compiling takes about 0.3 s; a drive has one size."""

_FIRST_INFERENCE = threading.Lock()
"""OpenVINO's binding to numpy sets itself up at its first use, holding a lock while it waits for the interpreter's:
two threads that are both first wait for each other for ever. So nobody is first at the same time as another."""


def cpu_computes_bf16() -> bool:
    """Whether OpenVINO says that this processor computes in bf16."""
    return "BF16" in _openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def cpu_name() -> str:
    """The processor, as OpenVINO calls it."""
    return str(_openvino().Core().get_property("CPU", "FULL_DEVICE_NAME"))


def load_openvino(request: LoadRequest) -> Network:
    """The network of `request` on the processor.

    Raises:
        BackendError: OpenVINO is absent, cannot read the weights, or bf16 is asked of a processor without it.
    """
    precision = request.precision
    if precision == "auto":
        precision = "bf16" if cpu_computes_bf16() else "f32"
    elif precision == "bf16" and not cpu_computes_bf16():
        raise BackendError("this processor does not compute in bf16", remedy="Choose --precision f32 or auto.")
    return _OpenVinoNetwork(request.weights, Runtime("openvino", "cpu", precision, request.threads))


class _OpenVinoNetwork:
    """One compiled model per input size: with a fixed size it runs in 70 ms where a dynamic one takes 110."""

    def __init__(self, weights: Path, runtime: Runtime) -> None:
        self._ov = _openvino()
        self._core = self._ov.Core()
        self._weights = weights
        self._runtime = runtime
        self._lock = threading.Lock()
        self._compiled: OrderedDict[tuple[int, int], Any] = OrderedDict()
        self._requests = threading.local()
        self._warm = False
        self._read()  # so that unreadable weights are refused here, not at the first picture

    @property
    def runtime(self) -> Runtime:
        return self._runtime

    def __call__(self, picture: Picture) -> RawOutput:
        compiled = self._compile((picture.shape[0], picture.shape[1]))
        if getattr(self._requests, "compiled", None) is not compiled:
            self._requests.compiled = compiled
            self._requests.request = compiled.create_infer_request()
        if self._warm:
            return self._infer(picture)
        with _FIRST_INFERENCE:
            raw = self._infer(picture)
        self._warm = True
        return raw

    def _infer(self, picture: Picture) -> RawOutput:
        raw: RawOutput = self._requests.request.infer([picture[np.newaxis]], share_inputs=True)[0][0]
        return raw

    def _compile(self, size: tuple[int, int]) -> Any:
        with self._lock:
            if size not in self._compiled:
                model = self._read()
                model.reshape([1, *size, 3])
                self._compiled[size] = self._core.compile_model(model, "CPU", self._properties())
            self._compiled.move_to_end(size)
            while len(self._compiled) > _SIZES_KEPT:
                self._compiled.popitem(last=False)
            return self._compiled[size]

    def _properties(self) -> dict[str, Any]:
        return {
            "INFERENCE_PRECISION_HINT": self._runtime.precision,
            "NUM_STREAMS": self._runtime.threads,
            "INFERENCE_NUM_THREADS": self._runtime.threads,
            # Decoding shares the cores with inference: pinned threads would wait for one that is busy.
            "ENABLE_CPU_PINNING": False,
        }

    def _read(self) -> Any:
        """The network with bytes to floats and NHWC to NCHW built in, where OpenVINO fuses them."""
        try:
            model = self._core.read_model(self._weights)
        except RuntimeError as error:
            raise BackendError("OpenVINO cannot read the weights", where=self._weights) from error
        steps = self._ov.preprocess.PrePostProcessor(model)
        steps.input().tensor().set_element_type(self._ov.Type.u8).set_layout(self._ov.Layout("NHWC"))
        steps.input().preprocess().convert_element_type(self._ov.Type.f32).scale(255.0)
        steps.input().model().set_layout(self._ov.Layout("NCHW"))
        return steps.build()


def _openvino() -> Any:
    try:
        import openvino  # noqa: PLC0415 - a second to import, and only this back end needs it
    except ImportError as error:
        remedy = "Install it with `pip install openvino`, or choose --backend onnx."
        raise BackendError("OpenVINO is not installed", remedy=remedy) from error
    return openvino
