"""Base weights: the official files, checked and turned into the plain state dicts that training starts from.

An official file is a pickle of a whole network, which runs code when it is read. It is read once, after its sha256 was
checked, and with nothing but the network's own classes allowed.
"""

from collections.abc import Mapping
from pathlib import Path

import torch

from models.backends.pillow import pillow_kept
from models.card import sha256_of
from training.errors import FetchError
from training.fetch import DOWNLOADS, Progress, download
from training.sources.catalogue import Archive

with pillow_kept():
    from ultralytics.nn.tasks import torch_safe_load

__all__ = ["bring_base", "plain_state"]


def bring_base(official: Archive, target: Path, mirror: Path | None = None, progress: Progress | None = None) -> Path:
    """Write an official file's weights as a plain state dict to `target`.

    Args:
        official: address and sha256 of the file.
        target: the file to write.
        mirror: a data mirror; an official file below it spares the download.
        progress: called with bytes done and in all.

    Raises:
        FetchError: when the file cannot be had, or is not the official one.
    """
    kept = None if mirror is None else mirror / official.into / official.name
    local = kept is not None and kept.is_file()
    path = kept if kept is not None and local else download(official, target.parent / DOWNLOADS, progress)
    if sha256_of(path) != official.sha256:
        raise FetchError("the file is not the official one", where=path, remedy="Remove it and fetch it again.")
    state = plain_state(path)
    part = target.with_suffix(".part")
    target.parent.mkdir(parents=True, exist_ok=True)
    torch.save(state, part)
    part.replace(target)
    if not local:
        path.unlink()
    return target


def plain_state(path: Path) -> Mapping[str, torch.Tensor]:
    """The weights of an official file, in single precision.

    Raises:
        FetchError: when it holds no network, or anything that a network has no need of.
    """
    try:
        content, _ = torch_safe_load(str(path.resolve()), safe_only=True)
        network = content.get("ema") or content["model"]
        state: dict[str, torch.Tensor] = network.float().state_dict()
    except Exception as error:
        what = f"the file holds no network that can be read ({type(error).__name__})"
        raise FetchError(what, where=path) from error
    return state
