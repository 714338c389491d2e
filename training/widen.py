"""A wider network that computes what a narrower one learned: where to go on when the narrow one has learned all it can.

After Chen, Goodfellow and Shlens, "Net2Net: Accelerating Learning via Knowledge Transfer", ICLR 2016: every channel is
copied, and what a copy gives to the next layer is its share of what the one channel gave. The shares are drawn, so that
copies do not learn the same for ever.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from models.backends.pillow import pillow_kept
from training.errors import RecipeError

with pillow_kept():
    from ultralytics.nn.modules.block import Attention

__all__ = ["widen"]

LEAST_SHARE, MOST_SHARE = 0.5, 1.5
"""Shares before they are made to sum to 1: uneven enough to part copies, even enough to let none of them die."""


def widen(narrow: nn.Module, wide: nn.Module, state: Mapping[str, Tensor], seed: int) -> dict[str, Tensor]:
    """The state of `wide` with which it computes what `narrow` does with `state`, but for rounding.

    Args:
        narrow: a network of ultralytics.
        wide: one of the same layers with as many channels or more, as yolo11s is to yolo11n.
        state: a state dict of `narrow`; equal seeds give two of them the same shares.
        seed: of the shares.

    Raises:
        RecipeError: when `wide` is another network than a wider `narrow`.
    """
    special = _attention(narrow, wide)
    chance = torch.Generator().manual_seed(seed)
    out = {name: tensor.detach().clone() for name, tensor in wide.state_dict().items()}
    if out.keys() != state.keys():
        raise RecipeError("the wider network has other layers than the narrower one")
    for name, tensor in out.items():
        old = state[name].detach().to(tensor.device)
        copied = special.get(name, (None, None))
        for axis in range(min(old.ndim, 2)):
            of = copied[axis]
            copies = _interleaved(tensor.shape[axis], old.shape[axis], name) if of is None else of
            if axis == 1:
                shares = _shares(tensor.shape[0], old.shape[1], copies, chance).to(old)
                old = old[:, copies] * shares[..., None, None]
            else:
                old = old[copies]
        if old.shape != tensor.shape:
            raise RecipeError(f"the wider network is another: {name} is of {tuple(tensor.shape)}")
        out[name] = old
    return out


def _interleaved(wide: int, narrow: int, name: str) -> Tensor:
    """By new channel the one it copies, copies side by side: so halves and joins of channels stay what they were."""
    if wide < narrow:
        raise RecipeError(f"the wider network has fewer channels: {wide}, not {narrow} ({name})")
    return torch.arange(wide) * narrow // wide


def _shares(outputs: int, inputs: int, copies: Tensor, chance: torch.Generator) -> Tensor:
    """By output and new input, its part of the weight of the input it copies: the parts of one input sum to 1.

    Args:
        outputs: number of outputs.
        inputs: number of old inputs.
        copies: (new inputs,), the old input that each copies.
        chance: where the shares are drawn from.
    """
    drawn = torch.empty(outputs, len(copies)).uniform_(LEAST_SHARE, MOST_SHARE, generator=chance)
    return drawn / torch.zeros(outputs, inputs).index_add_(1, copies, drawn)[:, copies]


def _attention(narrow: nn.Module, wide: nn.Module) -> dict[str, tuple[Tensor | None, Tensor | None]]:
    """By tensor of an attention layer, how its rows and columns are copied: a wide one copies whole heads."""
    found: dict[str, tuple[Tensor | None, Tensor | None]] = {}
    for name, one in narrow.named_modules():
        if not isinstance(one, Attention):
            continue
        other = wide.get_submodule(name)
        if (one.key_dim, one.head_dim) != (other.key_dim, other.head_dim):
            raise RecipeError(f"the wider network's attention has other heads ({name})")
        heads = _interleaved(other.num_heads, one.num_heads, name)
        asked, values = (_blocks(heads, size) for size in (2 * one.key_dim + one.head_dim, one.head_dim))
        for part, channels in (("qkv", asked), ("pe", values)):
            for key in one.get_submodule(part).state_dict():
                found[f"{name}.{part}.{key}"] = channels, None
        found[f"{name}.proj.conv.weight"] = None, values
    return found


def _blocks(heads: Tensor, size: int) -> Tensor:
    """By new channel the one it copies, where a head has `size` channels and `heads` says which old one each copies."""
    return (heads[:, None] * size + torch.arange(size)).flatten()
