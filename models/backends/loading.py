"""Which back end runs a network: the one asked for, else the fastest that works here."""

from collections.abc import Callable

from models.backends.onnx import cuda_is_built_in, load_onnx
from models.backends.openvino import load_openvino
from models.backends.torch import load_torch
from models.errors import BackendError
from models.types import BackendName, LoadRequest, Network

__all__ = ["load_network"]

_LOADERS: dict[str, Callable[[LoadRequest], Network]] = {
    "openvino": load_openvino,
    "onnx": load_onnx,
    "torch": load_torch,
}


def load_network(request: LoadRequest, backend: BackendName = "auto") -> Network:
    """The network of `request`, run by `backend`; "auto" is ONNX Runtime on a CUDA device, else OpenVINO.

    Raises:
        BackendError: the back end is unknown, not installed, or cannot run the network as requested.
    """
    if backend == "auto":
        return _on_cuda(request) or load_openvino(request)
    if backend not in _LOADERS:
        known = ", ".join(["auto", *_LOADERS])
        raise BackendError("there is no such back end", where=backend, remedy=f"Choose one of {known}.")
    return _LOADERS[backend](request)


def _on_cuda(request: LoadRequest) -> Network | None:
    if request.precision == "bf16" or not cuda_is_built_in():
        return None
    network = load_onnx(request)
    return network if network.runtime.device == "cuda" else None
