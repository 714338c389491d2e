"""What the machine is good at, measured or asked rather than assumed."""

import platform
from dataclasses import dataclass
from pathlib import Path

import torch

__all__ = ["Machine", "look_around"]


@dataclass(frozen=True, slots=True)
class Machine:
    """Where a run computes: torch's `device`, the `precision` its convolutions run in, and a `name` for the card."""

    device: torch.device
    precision: torch.dtype
    name: str

    @property
    def autocast(self) -> torch.autocast:
        """The context to compute in."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.precision is torch.bfloat16)


def look_around() -> Machine:
    """A GPU where there is one, else the CPU; bfloat16 only where the hardware multiplies it.

    On a CPU without such instructions bfloat16 is emulated: a training step at 512 px was measured 16 times slower.
    """
    if torch.cuda.is_available():
        precision = torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
        return Machine(torch.device("cuda"), precision, torch.cuda.get_device_name())
    fast = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    name = f"{_cpu_name()}, {torch.get_num_threads()} threads"
    return Machine(torch.device("cpu"), torch.bfloat16 if fast else torch.float32, name)


def _cpu_name() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
