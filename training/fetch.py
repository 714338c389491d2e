"""Data sets fetched by name: from a mirror where there is one, else from their owners, checked and unpacked."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import pooch
import requests
import yaml

from models.card import sha256_of
from training.errors import FetchError
from training.sources.catalogue import Archive, Source
from training.sources.layouts import place_of_split
from training.sources.samples import Sets
from training.unpack import Caps, unpack

__all__ = ["DOWNLOADS", "Fetched", "Progress", "download", "fetch"]

Progress = Callable[[int, int], None]
DOWNLOADS = ".downloads"
RECEIPTS = ".fetched"
TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Fetched:
    """Where a data set lies now, and how it came there.

    Attributes:
        name: its name in the catalogue.
        folder: its folder.
        how: `there` (nothing to do), `mirror` (used in place), `fetched`.
        unpinned: by archive, the sha256 that was got where the catalogue knows none.
        lacking: folders of pictures of `train` and `val` that it does not have; some sets have no `val`.
    """

    name: str
    folder: Path
    how: Literal["there", "mirror", "fetched"]
    unpinned: dict[str, str]
    lacking: tuple[str, ...] = ()


def fetch(name: str, sets: Sets, caps: Caps, progress: Progress | None = None) -> Fetched:
    """Bring a data set below `sets.data`, unless it or the mirror has it.

    Each archive is downloaded under another name, checked, unpacked aside and moved in: whoever stops this half-way has
    the whole of an archive or nothing of it, and the next call goes on with the archives that are missing.

    Args:
        name: its name in the catalogue.
        sets: the catalogue, the data directory and the mirror.
        caps: what one archive may hold at most.
        progress: called with bytes done and in all, for each download and each unpacking.

    Raises:
        SourceError: when the catalogue has no such set.
        FetchError: when it has to be got by hand, cannot be had, or is not what the catalogue says.
    """
    source = sets.source(name)
    folder, receipt = sets.data / source.path, _receipt(sets.data / RECEIPTS / f"{name}.yaml")
    missing = [one for one in source.archives if one.url not in receipt]
    if folder.exists() and (not receipt or not missing):
        return Fetched(name, folder, "there", {}, _lacking(source, folder))
    near = None if sets.mirror is None else sets.mirror / source.path
    if near is not None and near.exists():
        lacking = _lacking(source, near)
        if len(lacking) < len(_wanted(source, near)):
            return Fetched(name, near, "mirror", {}, lacking)
        if not source.archives:
            raise _by_hand(name, source, folder, f"{near} has no {', '.join(lacking)}; ")
    if not source.archives:
        raise _by_hand(name, source, folder)
    unpinned = {}
    for one in missing:
        receipt[one.url] = _bring(one, sets, caps, progress)
        _write(sets.data / RECEIPTS / f"{name}.yaml", receipt)
        if one.sha256 is None:
            unpinned[one.name] = receipt[one.url]
    if not folder.exists():
        raise FetchError(f"the archives of {name} did not hold this folder", where=folder, remedy=f"See {source.url}.")
    return Fetched(name, folder, "fetched", unpinned, _lacking(source, folder))


def _wanted(source: Source, folder: Path) -> list[Path]:
    """The folders of pictures that `train` and `val` are read from."""
    splits = ("train", "val") if source.divide is None else source.divide.folders
    return list(dict.fromkeys(place_of_split(source, folder, split).images for split in splits))


def _lacking(source: Source, folder: Path) -> tuple[str, ...]:
    return tuple(one.relative_to(folder).as_posix() for one in _wanted(source, folder) if not one.is_dir())


def _bring(archive: Archive, sets: Sets, caps: Caps, progress: Progress | None) -> str:
    """Unpack one archive, from the mirror or its owner; returns the sha256 it had."""
    kept = [sets.mirror / part / archive.name for part in (archive.into, "")] if sets.mirror is not None else []
    path = next((one for one in kept if one.is_file()), None)
    local = path is not None
    path = path or download(archive, sets.data / DOWNLOADS, progress)
    digest = sha256_of(path)
    if archive.sha256 not in (None, digest):
        what = f"the file is not the one of the catalogue (sha256 {digest[:12]}…, wanted {str(archive.sha256)[:12]}…)"
        raise FetchError(what, where=path, remedy="Fetch it again, or see whether its owner changed it.")
    unpack(path, sets.data / archive.into, caps, progress)
    if not local:
        path.unlink()
    return digest


def download(archive: Archive, folder: Path, progress: Progress | None = None) -> Path:
    """Download a file into `folder`, under its name only once it is whole and, where its sha256 is known, checked.

    Raises:
        FetchError: when it cannot be had, or is not the one wanted.
    """
    pooch.get_logger().setLevel(logging.WARNING)  # it would print the path and a hash to pin; the command says both
    known = None if archive.sha256 is None else f"sha256:{archive.sha256}"
    bar = False if progress is None else _Bar(progress)
    try:
        downloader = pooch.HTTPDownloader(progressbar=bar, chunk_size=1 << 16, timeout=TIMEOUT_S)
        # A file left from a stopped run is whole: it got its name only after it was checked.
        return Path(pooch.retrieve(archive.url, known, archive.name, folder, downloader=downloader))
    except requests.RequestException as error:
        remedy = "See the connection, or put the file into a mirror directory (--mirror)."
        raise FetchError(f"cannot be fetched ({_why(error, archive.url)})", where=archive.url, remedy=remedy) from error
    except ValueError as error:
        remedy = "Its owner may have changed it: compare, then correct the catalogue's sha256 or url."
        raise FetchError(f"cannot be used ({_short(error)})", where=archive.url, remedy=remedy) from error
    except OSError as error:
        raise FetchError(f"cannot be written ({error.strerror or error})", where=folder) from error


class _Bar:
    """What pooch calls while it downloads, passed on as bytes done and in all."""

    def __init__(self, progress: Progress) -> None:
        self.progress, self.total, self.done = progress, 0, 0

    def update(self, n: int) -> None:
        """Count `n` more bytes."""
        self.done = min(self.done + n, self.total) if self.total else self.done + n
        self.progress(self.done, self.total)

    def reset(self) -> None:
        """Start anew: pooch does so before it reports the whole."""
        self.done = 0

    def close(self) -> None:
        """Nothing to close."""


def _by_hand(name: str, source: Source, folder: Path, found: str = "") -> FetchError:
    what = source.by_hand or "nothing can be fetched without a visit there"
    return FetchError(f"{found}{name} has to be got by hand from {source.url}: {what}", remedy=f"Put it into {folder}.")


def _receipt(path: Path) -> dict[str, str]:
    """By address, the sha256 of each archive that was unpacked before."""
    if not path.is_file():
        return {}
    return {str(url): str(digest) for url, digest in (yaml.safe_load(path.read_text(encoding="utf-8")) or {}).items()}


def _write(path: Path, receipt: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(yaml.safe_dump(receipt, width=1000), encoding="utf-8")
    part.replace(path)


def _why(error: requests.RequestException, url: str) -> str:
    """Why in a few words: urllib3's own repeat the address twice, and were cut before the reason."""
    if isinstance(error, requests.Timeout):
        return f"no answer within {TIMEOUT_S} s"
    # Its kinds, as a certificate that is not trusted, say more themselves.
    return f"no connection to {urlsplit(url).hostname}" if type(error) is requests.ConnectionError else _short(error)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
