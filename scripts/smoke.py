"""The chain of every model, from pictures to figures, on little of everything: shows that it holds, not how good it is.

It runs in a copy of the checkout below `.work/smoke`, as an experiment (`dvc exp run`), so that neither `dvc.lock` nor
`data/` of the checkout changes. The pictures and base weights are those of a data mirror.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import cv2
import yaml

CHECKOUT = Path(__file__).resolve().parent.parent
SCRATCH = CHECKOUT / ".work" / "smoke"
MIRROR_SETTING = "MICHISORA_SHARED_DATA"
BASES = {"yolo11n": "weights/yolo11n_dequant_bn_sd.pt", "yolo26n": "weights/yolo26n_dequant_bn_sd.pt"}
VIDEO = "pedestrian/intel_one_by_one/one-by-one-person-detection.mp4"
FRAMES = {"train": 8, "val": 8}
PLOTS = ("precision_recall.json", "f1.json", "count_bias.json", "confusion.json", "worst.png")


def call(*command: str) -> None:
    """Run a command in the copy, with this environment's programs first and the copy's own code."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(command, cwd=SCRATCH, env={**os.environ, "PATH": path, "PYTHONPATH": str(SCRATCH)}, check=True)


def copy_checkout() -> None:
    """What git holds or would hold, as it is now, in a repository of its own."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=CHECKOUT,
        check=True,
        capture_output=True,
        text=True,
    )
    shutil.rmtree(SCRATCH, ignore_errors=True)
    for name in filter(None, listed.stdout.split("\0")):
        if (CHECKOUT / name).is_file():
            (SCRATCH / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(CHECKOUT / name, SCRATCH / name)
    call("git", "init", "--quiet")
    call("git", "config", "user.name", "smoke")
    call("git", "config", "user.email", "smoke@localhost")
    call("git", "add", "--all")
    call("git", "commit", "--quiet", "--message", "The checkout under test")


def take_frames(mirror: Path) -> None:
    """A few frames of the video that its catalogue entry asks to be taken apart by hand."""
    video = cv2.VideoCapture(str(mirror / VIDEO))
    folder = SCRATCH / "data" / "sets" / Path(VIDEO).parent
    for split, n in FRAMES.items():
        (folder / split / "images").mkdir(parents=True)
        for number in range(n):
            more, frame = video.read()
            if not more:
                raise SystemExit(f"smoke: {mirror / VIDEO} cannot be read")
            cv2.imwrite(str(folder / split / "images" / f"one_by_one_{split}_{number}.jpg"), frame)
    video.release()


def run_chain(mirror: Path, tasks: list[str]) -> None:
    """Every task's chain as one experiment."""
    settings = {
        "profile": "smoke",
        "sets.mirror": str(mirror),
        "rendered_town.frames": "8",
        **{f"base.{name}": str(mirror / path) for name, path in BASES.items()},
    }
    options = [part for name, value in settings.items() for part in ("--set-param", f"{name}={value}")]
    call("dvc", "exp", "run", "--quiet", *options, *(f"evaluate@{task}" for task in tasks))


def look_at(task: str) -> str:
    """A line about what came out; fails where something did not."""
    figures = json.loads((SCRATCH / "data" / "metrics" / f"{task}.json").read_text(encoding="utf-8"))
    missing = [name for name in PLOTS if not (SCRATCH / "data" / "plots" / task / name).is_file()]
    if missing:
        raise SystemExit(f"smoke: {task} has no {', '.join(missing)}")
    sets = {name: one["n_pictures"] for name, one in figures.items() if isinstance(one, dict)}
    return f"{task}: {', '.join(f'{name} {n} pictures' for name, n in sets.items())}"


def main() -> int:
    """Run the chain and say what came out."""
    arguments = argparse.ArgumentParser(description=__doc__)
    default = os.environ.get(MIRROR_SETTING) or CHECKOUT.parent / "shared" / "data"
    arguments.add_argument("--mirror", type=Path, default=Path(default), help="directory with data sets and weights")
    mirror = arguments.parse_args().mirror.resolve()
    if not (mirror / "weights").is_dir():
        sys.stdout.write(f"smoke: skipped, no reference data in {mirror} (set {MIRROR_SETTING} to their folder)\n")
        return 0
    began = time.monotonic()
    copy_checkout()
    take_frames(mirror)
    tasks = list(yaml.safe_load((SCRATCH / "params.yaml").read_text(encoding="utf-8"))["training"])
    run_chain(mirror, tasks)
    for task in tasks:
        sys.stdout.write(f"smoke: {look_at(task)}\n")
    sys.stdout.write(f"smoke: done in {time.monotonic() - began:.0f} s, in {SCRATCH}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
