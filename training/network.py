"""The network before it is taught: ultralytics' architecture, started from weights that know other classes."""

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

from torch import Tensor, nn

from models.backends.pillow import pillow_kept
from models.backends.torch import cut_classes, drop_one_to_one
from training.checkpoint import read_tensors, why_unreadable
from training.errors import RecipeError
from training.recipe import Recipe

with pillow_kept():
    from ultralytics.nn.tasks import DetectionModel, yaml_model_load

__all__ = ["BASE_CLASSES", "build_network", "keep_norms", "network_of", "start_from"]

BASE_CLASSES = 80
GAINS = SimpleNamespace(box=7.5, cls=0.5, dfl=1.5)


def build_network(architecture: str, n_classes: int, as_wide_as: int | None = None) -> nn.Module:
    """The untaught network with its one-to-many head alone, and ultralytics' gains of the three losses on it.

    Args:
        architecture: ultralytics' name, as `yolo11n`.
        n_classes: how many classes it tells.
        as_wide_as: give the class branch of the head the channels it would have for so many classes.

    Raises:
        RecipeError: when ultralytics knows no such network.
    """
    try:
        described = {**yaml_model_load(f"{architecture}.yaml"), "nc": max(n_classes, as_wide_as or 0)}
    except OSError as error:
        remedy = "Name one that it has, as yolo11n or yolo26n."
        raise RecipeError(f"ultralytics has no network called {architecture}", remedy=remedy) from error
    network: nn.Module = DetectionModel(described, verbose=False)
    cut_classes(network, n_classes)
    drop_one_to_one(network)
    network.args = GAINS
    return network


def network_of(recipe: Recipe, architecture: str) -> nn.Module:
    """The untaught network of one of the recipe's architectures."""
    wide = BASE_CLASSES if recipe.teacher is not None else None
    return build_network(architecture, len(recipe.classes), recipe.as_wide_as or wide)


def keep_norms(network: nn.Module) -> None:
    """Let batch norm compute with the statistics it has, and not learn new ones, until `train()` is called again."""
    for one in network.modules():
        if isinstance(one, nn.BatchNorm2d):
            one.eval()


def start_from(network: nn.Module, base: Path, classes: Sequence[Sequence[int]] = ()) -> int:
    """Copy what fits from a plain state dict of the same architecture; returns the number of tensors copied.

    The class branch of the head is as wide as the number of classes it was taught, so it may be wider in the base: its
    leading channels are copied. The last layer, which names the classes, starts anew, unless `classes` says which
    classes of the base each of ours is: then it starts as the first of them.

    Raises:
        RecipeError: when the file is no such state dict.
    """
    try:
        taught: dict[str, Tensor] = read_tensors(base)
    except Exception as error:
        remedy = "Name a plain state dict, as torch.save(model.state_dict(), path) or `michisora fetch` writes it."
        what = f"the base weights cannot be read: {why_unreadable(error)}"
        raise RecipeError(what, where=base, remedy=remedy) from error
    state = network.state_dict()
    head = f"model.{len(network.model) - 1}.cv3."
    copied = 0
    for name, tensor in state.items():
        source = taught.get(name)
        names_classes = name.startswith(head) and name.split(".")[-2] == "2"
        if source is not None and names_classes and classes:
            source = source[[some[0] for some in classes]]
        if source is None or (names_classes and not classes) or source.ndim != tensor.ndim:
            continue
        overlap = tuple(slice(0, min(a, b)) for a, b in zip(source.shape, tensor.shape, strict=True))
        tensor[overlap] = source[overlap].to(tensor.dtype)
        copied += 1
    if copied < len(state) // 2:
        raise RecipeError("the base weights are of another architecture", where=base)
    network.load_state_dict(state)
    return copied
