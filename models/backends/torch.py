"""PyTorch, through ultralytics' network of the card's architecture and the weights inside the ONNX file.

The ONNX file is the one source of weights. Ultralytics exports a network after folding batch normalisation into the
convolutions, and keeps the parameters' names; the same folding applied to a fresh network gives the same names to
fill. A parameter missing or left over is refused, so a card cannot name an architecture that its weights are not.
"""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from models.backends.pillow import pillow_kept
from models.errors import BackendError
from models.types import LoadRequest, Network, Picture, RawOutput, Runtime

__all__ = ["build_network", "cut_classes", "drop_one_to_one", "load_torch"]

_CONSTANT_PARAMETERS = (".dfl.conv.weight",)
"""Fixed by the architecture: absent from exports that fold them away."""


def load_torch(request: LoadRequest) -> Network:
    """The network of `request` on a CUDA device where there is one, else on the processor.

    Raises:
        BackendError: torch, ultralytics or onnx is absent, or the weights do not fit the architecture.
    """
    return _TorchNetwork(request)


WIDTHS = (80,)
"""Numbers of classes whose wider class branch a network may keep: that of the public base weights."""


class _TorchNetwork:
    """One picture at a time: torch itself spreads a picture over the cores."""

    def __init__(self, request: LoadRequest) -> None:
        self._torch = _torch()
        self._device = "cuda" if self._torch.cuda.is_available() else "cpu"
        self._network = build_network(request).eval().to(self._device)
        precision = "bf16" if request.precision == "bf16" else "f32"
        # Else a GPU's convolutions round to 10 bits of fraction, and back ends disagree.
        self._torch.backends.cudnn.allow_tf32 = precision != "f32"
        self._runtime = Runtime("torch", self._device, precision, threads=1)

    @property
    def runtime(self) -> Runtime:
        return self._runtime

    def __call__(self, picture: Picture) -> RawOutput:
        nchw = self._torch.from_numpy(cv2.dnn.blobFromImage(picture, scalefactor=1 / 255)).to(self._device)
        with self._torch.inference_mode(), self._autocast():
            output = self._network(nchw)
        tensor = output[0] if isinstance(output, tuple | list) else output
        raw: RawOutput = tensor[0].float().cpu().numpy()
        return raw

    def _autocast(self) -> AbstractContextManager[Any]:
        if self._runtime.precision == "f32":
            return nullcontext()
        context: AbstractContextManager[Any] = self._torch.autocast(self._device, dtype=self._torch.bfloat16)
        return context


def build_network(request: LoadRequest) -> Any:
    """Ultralytics' own module with the weights of `request`, batch normalisation folded, on the processor.

    Raises:
        BackendError: ultralytics knows no such architecture, or the weights do not fit it.
    """
    from ultralytics.nn.tasks import DetectionModel  # noqa: PLC0415 - seconds to import, and `_torch` has done it

    parameters = _parameters(request.weights)
    try:
        network = DetectionModel(f"{request.architecture}.yaml", nc=_width(parameters, request), verbose=False)
    except (OSError, KeyError, ValueError) as error:
        what = f"ultralytics has no architecture {request.architecture!r}"
        raise BackendError(
            what, remedy="Correct `architecture` on the model card, or choose --backend onnx."
        ) from error
    cut_classes(network, request.n_classes)
    drop_one_to_one(network)
    network = network.eval().fuse(verbose=False)
    wanted = network.state_dict()
    absent = [name for name in wanted if name not in parameters and not name.endswith(_CONSTANT_PARAMETERS)]
    other = [name for name in wanted if name in parameters and parameters[name].shape != tuple(wanted[name].shape)]
    if absent or other:
        what = (
            f"the weights do not fit {request.architecture} ({(absent + other)[0]} and {len(absent + other) - 1} more)"
        )
        raise BackendError(what, where=request.weights, remedy="Choose --backend openvino or onnx.")
    torch = _torch()
    network.load_state_dict(
        {name: torch.from_numpy(parameters[name]) for name in wanted if name in parameters}, strict=False
    )
    return network


def cut_classes(network: Any, n_classes: int) -> None:
    """Leave the leading `n_classes` of an unfused network's classes; the class branch before them keeps its width."""
    head = network.model[-1]
    if head.nc == n_classes:
        return
    for branch in head.cv3:
        last = branch[-1]
        cut = type(last)(last.in_channels, n_classes, last.kernel_size)
        cut.load_state_dict({name: one[:n_classes] for name, one in last.state_dict().items()})
        branch[-1] = cut
    head.nc, head.no = n_classes, n_classes + 4 * head.reg_max
    network.nc, network.yaml["nc"] = n_classes, n_classes
    network.names = dict(enumerate(str(one) for one in range(n_classes)))


def drop_one_to_one(network: Any) -> None:
    """Leave the one-to-many head of a network that has two (YOLO26): suppression is ours, the same everywhere."""
    head = network.model[-1]
    if getattr(head, "one2one_cv2", None) is not None:
        head.one2one_cv2 = head.one2one_cv3 = None


def _width(parameters: Mapping[str, NDArray[np.float32]], request: LoadRequest) -> int:
    """For how many classes the class branch was made: its channels, where there are more of them than classes."""
    channels = [one.shape[1] for name, one in parameters.items() if name.endswith(".cv3.0.2.weight")]
    return max(request.n_classes, *(int(n) for n in channels if n in WIDTHS), 0)


def _parameters(weights: Path) -> dict[str, NDArray[np.float32]]:
    """The named parameters in an ONNX file, float32, by the names they have in a state dict."""
    import onnx  # noqa: PLC0415 - only this back end needs it
    from onnx import numpy_helper  # noqa: PLC0415

    graph = onnx.load(weights).graph
    return {
        one.name: numpy_helper.to_array(one).astype(np.float32)
        for one in graph.initializer
        if one.name.startswith("model.")
    }


def _torch() -> Any:
    try:
        with pillow_kept():
            import onnx  # noqa: F401, PLC0415
            import torch  # noqa: PLC0415 - seconds to import, and no part of the base installation
            import ultralytics.nn.tasks  # noqa: F401, PLC0415
    except ImportError as error:
        what = f"the torch back end needs {error.name}, which is not installed"
        raise BackendError(what, remedy="Install it with `pip install 'michisora[train]'`") from error
    return torch
