"""The network before it is taught: ultralytics' architecture, started from weights that know other classes."""

from pathlib import Path
from types import SimpleNamespace

import torch
from torch import Tensor, nn

from models.backends.pillow import pillow_kept
from training.errors import RecipeError

with pillow_kept():
    from ultralytics.nn.tasks import DetectionModel, yaml_model_load

__all__ = ["build_network", "start_from"]

GAINS = SimpleNamespace(box=7.5, cls=0.5, dfl=1.5)


def build_network(architecture: str, n_classes: int) -> nn.Module:
    """The untaught network, with ultralytics' gains of the three losses on it."""
    described = {**yaml_model_load(f"{architecture}.yaml"), "nc": n_classes}
    network: nn.Module = DetectionModel(described, verbose=False)
    network.args = GAINS
    return network


def start_from(network: nn.Module, base: Path) -> int:
    """Copy what fits from a plain state dict of the same architecture; returns the number of tensors copied.

    The class branch of the head is as wide as the number of classes it was taught, so it is wider in the base: its
    leading channels are copied. Only the last layer, which names the classes, starts anew.

    Raises:
        RecipeError: when the file is no such state dict.
    """
    try:
        taught: dict[str, Tensor] = torch.load(base, map_location="cpu", weights_only=True)
    except Exception as error:
        remedy = "Name a plain state dict, as torch.save(model.state_dict(), path) writes it."
        raise RecipeError("the base weights cannot be read", where=base, remedy=remedy) from error
    state = network.state_dict()
    head = f"model.{len(network.model) - 1}.cv3."
    copied = 0
    for name, tensor in state.items():
        source = taught.get(name)
        names_classes = name.startswith(head) and name.split(".")[-2] == "2"
        if source is None or names_classes or source.ndim != tensor.ndim:
            continue
        overlap = tuple(slice(0, min(a, b)) for a, b in zip(source.shape, tensor.shape, strict=True))
        tensor[overlap] = source[overlap].to(tensor.dtype)
        copied += 1
    if copied < len(state) // 2:
        raise RecipeError("the base weights are of another architecture", where=base)
    network.load_state_dict(state)
    return copied
