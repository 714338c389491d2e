"""Write the pinned constraint files, one per extra, from what is installed in this environment.

Each file pins the extra's own requirements and everything they bring, and nothing that an earlier file pins. Run it
through `make lock` after an upgrade. Platform parts of torch (CUDA libraries) are left to torch's own pins.
"""

import re
import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

FOLDER = Path(__file__).resolve().parent.parent / "constraints"
LEFT_TO_TORCH = re.compile(r"^(nvidia|cuda|triton)")


def canonical(name: str) -> str:
    """The name as package indexes compare it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def requirements(name: str, extra: str) -> list[Requirement]:
    """The requirements of an installed distribution, with the given extra ('' for none) switched on."""
    found = [Requirement(text) for text in distribution(name).requires or []]
    return [r for r in found if r.marker is None or r.marker.evaluate({"extra": extra})]


def closure(name: str, extra: str = "") -> dict[str, str]:
    """Canonical name → version of everything that the distribution brings."""
    pins: dict[str, str] = {}
    todo = [(r.name, e) for r in requirements(name, extra) for e in ("", *r.extras)]
    seen = set()
    while todo:
        item = todo.pop()
        if item in seen:
            continue
        seen.add(item)
        try:
            pins[canonical(item[0])] = distribution(item[0]).version
        except PackageNotFoundError:
            continue
        todo += [(r.name, e) for r in requirements(*item) for e in ("", *r.extras)]
    return {name: pin for name, pin in pins.items() if not LEFT_TO_TORCH.match(name)}


def main() -> None:
    """Write `constraints/{base,train,dev}.txt`."""
    FOLDER.mkdir(exist_ok=True)
    pinned: set[str] = {"michisora"}
    for extra in ("", "train", "dev"):
        pins = {n: v.split("+")[0] for n, v in sorted(closure("michisora", extra).items()) if n not in pinned}
        pinned |= set(pins)
        label = f"[{extra}]" if extra else "the base install"
        lines = [
            f"# Versions that {label} was tested with; written by scripts/lock.py.",
            *(f"{n}=={v}" for n, v in pins.items()),
        ]
        (FOLDER / f"{extra or 'base'}.txt").write_text("\n".join(lines) + "\n")
        sys.stdout.write(f"constraints/{extra or 'base'}.txt: {len(pins)} pins\n")


if __name__ == "__main__":
    main()
