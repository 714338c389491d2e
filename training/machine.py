"""What the machine is good at, measured or asked rather than assumed."""

import os
import platform
from dataclasses import dataclass
from pathlib import Path

import torch

from training.errors import RunError
from training.hardware import Hardware

__all__ = ["Machine", "emulated", "gpus", "look_around"]

PRECISIONS = {"bf16": torch.bfloat16, "f16": torch.float16, "f32": torch.float32}
TENSOR_CORES = (7, 0)
"""CUDA capability from which half precision is multiplied by units of its own (Volta)."""
MOST_CUTTERS = 8


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a run computes.

    Attributes:
        device: torch's device.
        precision: what its convolutions compute in.
        name: for the card.
        cutters: how many batches are cut at a time while the network is busy.
    """

    device: torch.device
    precision: torch.dtype
    name: str
    cutters: int = 1

    @property
    def autocast(self) -> torch.autocast:
        """The context to compute in."""
        mixed = self.precision is not torch.float32
        return torch.autocast(self.device.type, dtype=self.precision if mixed else None, enabled=mixed)

    @property
    def scaler(self) -> torch.amp.GradScaler:
        """Keeps small gradients from vanishing in float16; does nothing in other precisions."""
        return torch.amp.GradScaler(self.device.type, enabled=self.precision is torch.float16)


def gpus(device: str) -> int:
    """How many GPUs a run on that device may use.

    Raises:
        RunError: when there is no such device.
    """
    kind, _, number = device.partition(":")
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if device in ("auto", "cpu"):
        return there if device == "auto" else 0
    if kind != "cuda" or (number and not number.isdigit()):
        raise RunError(f"no device is called {device}", remedy="Name auto, cpu, cuda or cuda:N with --device.")
    if there <= int(number or 0):
        remedy = "Name another with --device, or leave the choice to the program: --device auto."
        raise RunError(f"there is no {device}: torch sees {there} GPUs", remedy=remedy)
    return 1 if number else there


def look_around(hardware: Hardware | None = None, rank: int = 0, n: int = 1) -> Machine:
    """The machine for process `rank` of `n`: a GPU where there is one, else the CPU.

    bfloat16 where the hardware multiplies it, else float16 on GPUs with units for it, else float32. On a CPU without
    such instructions bfloat16 is emulated: a training step at 512 px was measured 16 times slower.

    Raises:
        RunError: when there is no such device.
    """
    wished = hardware or Hardware()
    there = gpus(wished.device)
    if there:
        device = torch.device(wished.device if ":" in wished.device else f"cuda:{rank}")
        torch.cuda.set_device(device)
        # What is called f32 is: torch lets convolutions round to 10 bits of fraction unless told otherwise.
        torch.backends.cudnn.allow_tf32 = False
        name = torch.cuda.get_device_name(device)
        return Machine(device, _precision(wished, device), name if n == 1 else f"{n} × {name}", _cutters(n))
    device = torch.device("cpu")
    threads = f"{torch.get_num_threads()} threads" if n == 1 else f"{n} × {torch.get_num_threads()} threads"
    return Machine(device, _precision(wished, device), f"{_cpu_name()}, {threads}")


def _precision(wished: Hardware, device: torch.device) -> torch.dtype:
    if wished.precision != "auto":
        return PRECISIONS[wished.precision]
    if device.type == "cpu":
        fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        return torch.bfloat16 if fast else torch.float32
    if torch.cuda.is_bf16_supported(including_emulation=False):
        return torch.bfloat16
    return torch.float16 if torch.cuda.get_device_capability(device) >= TENSOR_CORES else torch.float32


def emulated(hardware: Hardware) -> str | None:
    """What a run on a processor would compute in without instructions for it, with what that costs; else None."""
    if gpus(hardware.device):
        return None
    if hardware.precision == "f16":
        return "a processor emulates float16: a step was measured to take 25 times as long as in bfloat16"
    if hardware.precision == "bf16" and _precision(Hardware(), torch.device("cpu")) is not torch.bfloat16:
        return "this processor emulates bfloat16: a step was measured to take 16 times as long as in float32"
    return None


def _cutters(n: int) -> int:
    """A GPU outruns one core that cuts crops."""
    return max(1, min(MOST_CUTTERS, (os.cpu_count() or 1) // n))


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
