"""Going on from a model that was exported: a town teaches the one that ships what its own roads show.

An exported network has no batch norm any more: each was multiplied into the layer before it, which keeps what is
computed and loses what learning needs. So every norm is put back, first as one that changes nothing, then, once the
network has looked at some crops, with the statistics that it meets there and with the gain and shift that undo them.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from models.card import ModelCard, load_card, verify_weights
from training.errors import RecipeError

__all__ = ["Exported", "go_on_from", "read_exported", "restore_norms"]


@dataclass(frozen=True, slots=True)
class Exported:
    """A model folder's card, and its tensors by the names of the parameters they were exported from."""

    card: ModelCard
    tensors: dict[str, Tensor]


def read_exported(folder: Path) -> Exported:
    """The weights of a model folder, checked against their card.

    Raises:
        CardError: when there is no card, or it says something impossible.
        WeightsError: when the weights are not those of the card.
        RecipeError: when they were not written by `michisora export`.
    """
    card = load_card(folder)
    path = verify_weights(card, folder)
    try:
        kept = onnx.load(path).graph.initializer
    except Exception as error:
        raise RecipeError("the model's weights cannot be read", where=path) from error
    arrays = {one.name: numpy_helper.to_array(one) for one in kept if one.name.startswith("model.")}
    if "model.0.conv.weight" not in arrays:
        remedy = "Name a folder that `michisora export` wrote."
        raise RecipeError("the model's weights do not bear the names of its layers", where=path, remedy=remedy)
    return Exported(card, {name: torch.from_numpy(one.astype(np.float32)) for name, one in arrays.items()})


def go_on_from(network: nn.Module, exported: Exported, classes: Iterable[str]) -> None:
    """Start a network as what a model computes; classes of the same name start as they are, others anew.

    Batch norms change nothing then: `restore_norms` makes them fit to learn.

    Args:
        network: an untaught one of the model's architecture, as wide.
        exported: the model.
        classes: what the network tells, in the order of its class ids.

    Raises:
        RecipeError: when the model is of another architecture, or its class branch of another width.
    """
    state, n = network.state_dict(), len(network.model) - 1
    known = exported.card.class_names
    rows = [(ours, known.index(name)) for ours, name in enumerate(classes) if name in known]
    for name, module in network.named_modules():
        if isinstance(module, nn.BatchNorm2d):
            _change_nothing(module, name, state, exported)
    for name, tensor in state.items():
        taught = exported.tensors.get(name)
        if taught is None:
            if ".bn." not in name:
                raise _other(exported, f"it has no {name}")
        elif name.startswith(f"model.{n}.cv3.") and name.split(".")[-2] == "2":
            for ours, theirs in rows:
                tensor[ours] = taught[theirs]
        elif taught.shape != tensor.shape:
            raise _other(exported, f"{name} is {tuple(taught.shape)}, not {tuple(tensor.shape)}")
        else:
            tensor.copy_(taught)


def _change_nothing(norm: nn.BatchNorm2d, name: str, state: dict[str, Tensor], exported: Exported) -> None:
    """A norm that adds the bias of the layer that it was multiplied into, and nothing else."""
    bias = exported.tensors.get(f"{name.removesuffix('bn')}conv.bias")
    if bias is None or bias.shape != norm.bias.shape:
        raise _other(exported, f"it has no bias of {len(norm.bias)} channels for {name}")
    state[f"{name}.running_mean"].zero_()
    state[f"{name}.running_var"].fill_(1)
    state[f"{name}.weight"].fill_((1 + norm.eps) ** 0.5)
    state[f"{name}.bias"].copy_(bias)


def _other(exported: Exported, detail: str) -> RecipeError:
    what = f"the model to go on from has another network than the recipe's ({detail})"
    branch = exported.tensors.get("model.23.cv3.0.0.1.conv.weight")
    wide = "" if branch is None else f" and `as_wide_as: {len(branch)}`"
    return RecipeError(what, remedy=f"Its architecture is {exported.card.architecture}: say so in the recipe{wide}.")


def restore_norms(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Give batch norms the statistics they meet, and the gain and shift with which they compute what they did.

    Args:
        network: one that `go_on_from` started.
        batches: pictures, float32 (batch, 3, height, width), 0 to 1.
    """
    norms = [one for one in network.modules() if isinstance(one, nn.BatchNorm2d)]
    sums = {id(one): torch.zeros(2, one.num_features, dtype=torch.float64) for one in norms}
    counts = dict.fromkeys(sums, 0)

    def note(norm: nn.Module, given: tuple[Tensor, ...]) -> None:
        values = given[0].float()
        n = values.numel() // values.shape[1]
        variance, mean = (one.cpu().double() for one in torch.var_mean(values, dim=(0, 2, 3), correction=0))
        sums[id(norm)] += n * torch.stack([mean, variance + mean.square()])
        counts[id(norm)] += n

    hooks = [one.register_forward_pre_hook(note) for one in norms]
    was_training = {id(one): one.training for one in network.modules()}
    network.eval()
    with torch.no_grad():
        for pictures in batches:
            network(pictures)
    for hook in hooks:
        hook.remove()
    for one in network.modules():
        one.training = was_training[id(one)]
    for norm in norms:
        mean, square = sums[id(norm)] / counts[id(norm)]
        variance = (square - mean.square()).clamp(min=0)
        gain = (variance + norm.eps).sqrt()
        state = norm.state_dict()
        state["bias"] += mean
        state["weight"].copy_(gain)
        state["running_mean"].copy_(mean)
        state["running_var"].copy_(variance)
