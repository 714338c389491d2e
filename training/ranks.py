"""Several processes that teach one network together, each with its part of every batch.

They take the very steps that one process would take: batches are cut alike everywhere and then shared out, batch norm
sees the whole batch (Ioffe and Szegedy, 2015, over all parts), the loss is divided by what the whole batch holds, and
gradients are averaged before anybody steps. Rank 0 keeps the books: the running average, the checkpoint, the log.
"""

import contextlib
import multiprocessing
import os
import queue
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, distributed, nn
from torch.multiprocessing.spawn import ProcessException, start_processes
from torch.nn.parallel import DistributedDataParallel

from geo.errors import MichisoraError
from training.batches import Batch
from training.errors import RunError

__all__ = ["Ranks", "share", "together"]

Hear = Callable[[Any], None]
"""Called in the process that started the others, with what rank 0 says."""


@dataclass(frozen=True, slots=True)
class Ranks:
    """This process is number `rank`, from 0, of `n`."""

    rank: int = 0
    n: int = 1

    @property
    def keeps_books(self) -> bool:
        """Whether this is the process that writes what all made."""
        return self.rank == 0

    def sum(self, part: Tensor) -> Tensor:
        """The sum of everybody's tensor, without gradient."""
        if self.n == 1:
            return part
        whole = part.detach().clone()
        distributed.all_reduce(whole)
        return whole

    def joined(self, network: nn.Module) -> nn.Module:
        """The network as something whose backward pass averages gradients; its own norms are replaced by joint ones."""
        if self.n == 1:
            return network
        device = next(network.parameters()).device
        _join_norms(network, device)
        on = None if device.type == "cpu" else [device]
        return DistributedDataParallel(network, device_ids=on)


def share(batch: Batch, ranks: Ranks) -> Batch:
    """This process's part of a batch: pictures that lie together, as many (± 1) as anybody's."""
    if ranks.n == 1:
        return batch
    mine = np.array_split(np.arange(len(batch.pictures)), ranks.n)[ranks.rank]
    first, last = int(mine[0]), int(mine[-1]) + 1
    on = (batch.index >= first) & (batch.index < last)
    ignored = batch.ignored[(batch.ignored[:, 0] >= first) & (batch.ignored[:, 0] < last)].copy()
    ignored[:, 0] -= first
    return replace(
        batch,
        pictures=batch.pictures[first:last],
        index=batch.index[on] - first,
        class_id=batch.class_id[on],
        kind_id=batch.kind_id[on],
        xywh=batch.xywh[on],
        labelled=batch.labelled[first:last],
        ignored=ignored,
    )


def together(n: int, backend: str, work: Callable[..., None], arguments: tuple[Any, ...], hear: Hear) -> None:
    """Run `work(ranks, say, *arguments)` in `n` new processes that are connected, until all are done.

    Args:
        n: how many.
        backend: how torch connects them: `nccl` for GPUs, `gloo` for processors.
        work: a function of a module, so that new processes find it; what rank 0 says with `say` reaches `hear`.
        arguments: for `work`; everything that can be pickled.
        hear: called here.

    Raises:
        MichisoraError: what one of them raised; the others are ended.
        RunError: when one died.
    """
    said = multiprocessing.get_context("spawn").Queue()
    with tempfile.TemporaryDirectory(prefix="michisora-") as folder:
        meeting = _Meeting(n, backend, Path(folder) / "meet", max(1, torch.get_num_threads() // n))
        started = start_processes(_one, (meeting, said, work, arguments), nprocs=n, join=False, start_method="spawn")
        try:
            while not started.join(timeout=0.2):
                _listen(said, hear)
            _listen(said, hear)
        except ProcessException as error:
            _listen(said, hear)
            why = error.msg.strip().splitlines()[-1]
            remedy = "Run the same command again: it goes on from the last checkpoint."
            raise RunError(f"one of {n} processes died ({why})", remedy=remedy) from error
        finally:
            for process in started.processes:
                if process.is_alive():
                    process.terminate()
                process.join()


def _listen(said: "multiprocessing.Queue[Any]", hear: Hear) -> None:
    with contextlib.suppress(queue.Empty):
        while True:
            what = said.get(timeout=0.05)
            if isinstance(what, _Failure):
                raise what.error
            hear(what)


@dataclass(frozen=True, slots=True)
class _Failure:
    """An error on its way to the process that started this one."""

    kind: type[MichisoraError]
    what: str
    where: str | None
    remedy: str | None

    @property
    def error(self) -> MichisoraError:
        return self.kind(self.what, where=self.where, remedy=self.remedy)


@dataclass(frozen=True, slots=True)
class _Meeting:
    """How many processes come together by which `backend` in the file `meet`, each with so many `threads`."""

    n: int
    backend: str
    meet: Path
    threads: int


def _one(
    rank: int,
    meeting: _Meeting,
    said: "multiprocessing.Queue[Any]",
    work: Callable[..., None],
    arguments: tuple[Any, ...],
) -> None:
    torch.set_num_threads(meeting.threads)
    if sys.platform == "linux":
        # All are on this machine: the name it has in a network need not lead to it.
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
    where = f"file://{meeting.meet}"
    distributed.init_process_group(meeting.backend, init_method=where, rank=rank, world_size=meeting.n)
    try:
        work(Ranks(rank, meeting.n), said.put if rank == 0 else _unheard, *arguments)
    except MichisoraError as error:
        said.put(_Failure(type(error), error.what, error.where, error.remedy))
        said.close()
        said.join_thread()
        sys.exit(1)
    distributed.destroy_process_group()


def _unheard(_: Any) -> None:
    """What others than rank 0 say."""


def _join_norms(network: nn.Module, device: torch.device) -> None:
    """Replace every batch norm in training by one over the parts of all processes; names and numbers stay."""
    for parent in list(network.modules()):
        for name, norm in list(parent.named_children()):
            if isinstance(norm, nn.BatchNorm2d) and norm.training:
                joint = _JointNorm.like(norm) if device.type == "cpu" else nn.SyncBatchNorm.convert_sync_batchnorm(norm)
                setattr(parent, name, joint)


class _JointNorm(nn.BatchNorm2d):  # type: ignore[misc]
    """Batch norm over all processes' parts, for processors: torch's own `SyncBatchNorm` only knows GPUs."""

    @classmethod
    def like(cls, norm: nn.BatchNorm2d) -> "_JointNorm":
        joint = cls(norm.num_features, norm.eps, norm.momentum)
        joint.weight, joint.bias = norm.weight, norm.bias
        joint.running_mean, joint.running_var = norm.running_mean, norm.running_var
        joint.num_batches_tracked = norm.num_batches_tracked
        return joint

    def forward(self, pictures: Tensor) -> Tensor:
        if not self.training:
            return super().forward(pictures)
        values, over = pictures.float(), (0, 2, 3)
        part = torch.tensor(float(values.numel() // values.shape[1]))
        count = _Sum.apply(part)
        mean = _Sum.apply(values.sum(over)) / count
        apart = values - mean[:, None, None]
        spread = _Sum.apply(apart.square().sum(over)) / count
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(spread * count / (count - 1), self.momentum)
        scale = self.weight * torch.rsqrt(spread + self.eps)
        return (apart * scale[:, None, None] + self.bias[:, None, None]).to(pictures.dtype)


class _Sum(torch.autograd.Function):  # type: ignore[misc]
    """The sum of everybody's tensor, whose gradient is the sum of everybody's."""

    @staticmethod
    def forward(_: Any, part: Tensor) -> Tensor:
        whole = part.clone()
        distributed.all_reduce(whole)
        return whole

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        whole: Tensor = gradient.contiguous().clone()
        distributed.all_reduce(whole)
        return whole
