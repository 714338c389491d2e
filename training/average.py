"""The running average of the weights, which is what is shipped: it scores above the last step's weights."""

from collections.abc import Mapping
from typing import cast

import torch
from torch import Tensor, nn

__all__ = ["RunningAverage"]


class RunningAverage:
    """Exponential moving average of all floating tensors of a network, batch-norm statistics included.

    Early on the decay is smaller, (1 + n) / (10 + n), so that the untaught start is soon forgotten.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.steps = 0
        self.state = {name: tensor.detach().clone() for name, tensor in network.state_dict().items()}

    def update(self, network: nn.Module) -> None:
        """Take one step of the network into the average."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))
        with torch.no_grad():
            for name, tensor in cast(dict[str, Tensor], network.state_dict()).items():
                if tensor.is_floating_point():
                    self.state[name].lerp_(tensor, 1 - decay)
                else:
                    self.state[name].copy_(tensor)

    def copied(self) -> dict[str, Tensor]:
        """The average as it is now, apart from what becomes of it."""
        return {name: tensor.clone() for name, tensor in self.state.items()}

    def keep(self, former: Mapping[str, Tensor], share: float) -> None:
        """Give a former state of the average this share of it, from 0 to 1."""
        for name, tensor in self.state.items():
            if tensor.is_floating_point():
                tensor.lerp_(former[name], share)
