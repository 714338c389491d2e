"""What a run was begun with, beside its checkpoint: a run goes on only with the same recipe, pictures and base.

The checkpoint knows its recipe. That the pictures or the base weights changed since shows nowhere else.
"""

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

import yaml

from models.card import load_card, sha256_of
from training.checkpoint import CHECKPOINT, load_checkpoint, may_resume
from training.errors import RunError, TrainingError
from training.options import IfChanged
from training.recipe import Recipe, recipe_from
from training.sources.samples import Sample

__all__ = ["RECORD", "Begun", "begun_with", "settle"]

RECORD = "begun.yaml"
FORMER = ".former"


@dataclass(frozen=True, slots=True)
class Begun:
    """By data set, a hash of the samples it gave; the sha256 of the base weights."""

    data: Mapping[str, str]
    base: str

    def differs_from(self, other: "Begun") -> str | None:
        """What of a run begun with `other` is another here; a data set that only one of them has is no difference."""
        if self.base != other.base:
            return "base weights"
        changed = [name for name, digest in self.data.items() if other.data.get(name, digest) != digest]
        return f"pictures or labels of {', '.join(changed)}" if changed else None


def begun_with(samples: Mapping[str, Sequence[Sample]], base: Path) -> Begun:
    """What a run on these samples from these weights begins with."""
    weights = base / load_card(base).weights if base.is_dir() else base
    return Begun({name: _digest(some) for name, some in samples.items()}, sha256_of(weights))


def settle(out: Path, recipe: Recipe, begun: Begun, if_changed: IfChanged) -> Path | None:
    """Make the run's folder fit to go on in, and note there what the run began with.

    Args:
        out: the run's folder.
        recipe: what is to be taught.
        begun: what with.
        if_changed: whether a run of another recipe, other pictures or another base is refused or set aside, as
            `OUT.former`, so that this one begins anew. A former run that is not finished keeps that name, and this
            one becomes `OUT.former.2` and so on.

    Returns:
        Where a former run was put, if there was one.

    Raises:
        RunError: when there is such a run and it is to be refused.
    """
    why = _changed(out, recipe, begun)
    former = None
    if why is not None and if_changed == "refuse":
        remedy = "Name another --out folder, or let it begin anew with --if-changed anew."
        raise RunError(f"the run here was begun with another {why}", where=out, remedy=remedy)
    if why is not None:
        former = _set_aside(out)
    out.mkdir(parents=True, exist_ok=True)
    known = _recorded(out) if (out / CHECKPOINT).is_file() else None
    # What nothing was taught with yet may have changed; sets of stages to come join those of the stages before.
    kept = begun if known is None else Begun({**begun.data, **known.data}, known.base)
    if kept != known:
        part = (out / RECORD).with_suffix(".part")
        part.write_text(yaml.safe_dump(asdict(kept), sort_keys=False), encoding="utf-8")
        part.replace(out / RECORD)
    return former


def _changed(out: Path, recipe: Recipe, begun: Begun) -> str | None:
    if not (out / CHECKPOINT).is_file():
        return None
    if not may_resume(recipe, load_checkpoint(out / CHECKPOINT)):
        return "recipe"
    known = _recorded(out)
    return None if known is None else begun.differs_from(known)


def _recorded(out: Path) -> Begun | None:
    record = out / RECORD
    if not record.is_file():
        return None
    try:
        said: dict[str, Any] = yaml.safe_load(record.read_text(encoding="utf-8"))
        return Begun(dict(said["data"]), str(said["base"]))
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
        remedy = "Remove it, and the run goes on with the pictures and the base that there are now."
        raise RunError("what the run was begun with cannot be read", where=record, remedy=remedy) from error


def _set_aside(out: Path) -> Path:
    """Give the run another name, that of a former one if that was finished: DVC has it in its cache."""
    names = (f"{out.name}{FORMER}{'' if number == 1 else f'.{number}'}" for number in count(1))
    former = next(one for one in map(out.with_name, names) if not one.exists() or _finished(one))
    shutil.rmtree(former, ignore_errors=True)
    out.replace(former)
    return former


def _finished(run: Path) -> bool:
    """Whether all the epochs of a run's own recipe are done; one that cannot be read is not known to be."""
    try:
        content = load_checkpoint(run / CHECKPOINT)
        recipe = recipe_from(json.loads(content["recipe"]), str(run))
    except TrainingError:
        return False
    return int(content["done"]) >= sum(stage.epochs for stage in recipe.stages)


def _digest(samples: Sequence[Sample]) -> str:
    digest = hashlib.sha256()
    for one in samples:
        digest.update(f"{one.picture.name} {one.picture.stat().st_size}".encode())
        digest.update(one.class_id.tobytes() + one.xyxy.tobytes() + one.labelled.tobytes())
        # Nothing where there are none, so that runs begun before these counted go on.
        digest.update(one.ignored.tobytes())
    return digest.hexdigest()
