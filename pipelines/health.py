"""What this installation can do: libraries, models, back end, processor, disk, fonts."""

import platform
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from geo.errors import MichisoraError
from models.card import load_card
from models.detector import available_cores, known_tasks, model_folder, open_detector

__all__ = ["Finding", "examine", "is_healthy"]

State = Literal["ok", "missing", "broken"]

BASE = (
    "numpy",
    "opencv-python-headless",
    "pillow",
    "av",
    "geopandas",
    "rasterio",
    "pyogrio",
    "pyarrow",
    "openvino",
    "onnxruntime",
)
EXTRAS = {"train": ("torch", "torchvision", "ultralytics", "onnx"), "dev": ("pytest", "hypothesis", "mypy", "ruff")}
_LEAST_FREE_BYTES = 2 * 1024**3


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at. "missing" is worth knowing, "broken" is worth mending: it ends the check with exit 1."""

    topic: str
    item: str
    state: State
    detail: str
    remedy: str = ""

    def as_dict(self) -> dict[str, str]:
        """The finding for JSON."""
        return asdict(self)


def examine(folder: Path) -> list[Finding]:
    """Look at everything; `folder` is where results would be written."""
    return [*_system(), *_libraries(), *_extras(), *_models(), *_fonts(), _disk(folder)]


def is_healthy(findings: list[Finding]) -> bool:
    """Whether nothing is broken."""
    return not any(finding.state == "broken" for finding in findings)


def _system() -> Iterator[Finding]:
    yield Finding("system", "michisora", "ok", version("michisora"))
    yield Finding("system", "python", "ok", f"{platform.python_version()} on {platform.system()} {platform.machine()}")
    yield Finding("system", "cores", "ok", str(available_cores()))
    yield _processor()
    yield _cuda()


def _processor() -> Finding:
    from models.backends.openvino import cpu_computes_bf16, cpu_name  # noqa: PLC0415 - a second to import

    try:
        floats = "computes in bf16" if cpu_computes_bf16() else "computes in f32 (no bf16)"
        return Finding("system", "processor", "ok", f"{cpu_name()}, {floats}")
    except (MichisoraError, RuntimeError) as error:
        return Finding("system", "processor", "broken", str(error))


def _cuda() -> Finding:
    from models.backends.onnx import cuda_is_built_in  # noqa: PLC0415

    if cuda_is_built_in():
        return Finding("system", "gpu", "ok", "ONNX Runtime can use CUDA")
    return Finding("system", "gpu", "missing", "not used", "For a CUDA device: pip install onnxruntime-gpu")


def _libraries() -> Iterator[Finding]:
    for name in BASE:
        try:
            yield Finding("libraries", name, "ok", version(name))
        except PackageNotFoundError:
            yield Finding("libraries", name, "broken", "not installed", "pip install michisora")


def _extras() -> Iterator[Finding]:
    for extra, modules in EXTRAS.items():
        absent = [name for name in modules if find_spec(name) is None]
        if absent:
            remedy = f"pip install 'michisora[{extra}]'"
            yield Finding("extras", extra, "missing", f"not installed: {', '.join(absent)}", remedy)
        else:
            yield Finding("extras", extra, "ok", "installed")


def _models() -> Iterator[Finding]:
    tasks = known_tasks()
    if not tasks:
        yield Finding("models", "weights", "missing", "no task's weights in this installation", "Reinstall michisora")
    for task in tasks:
        try:
            card = load_card(model_folder(task))
            with open_detector(task) as detector:
                detail = f"{card.name}, made {card.made_on}, sha256 as on its card; runs on {detector.runtime}"
        except MichisoraError as error:
            yield Finding("models", task, "broken", error.what, error.remedy or "")
        else:
            yield Finding("models", task, "ok", detail)


def _fonts() -> Iterator[Finding]:
    if find_spec("matplotlib_fontja") is None:
        yield Finding("fonts", "Japanese", "broken", "not installed", "pip install matplotlib-fontja")
    else:
        yield Finding("fonts", "Japanese", "ok", "matplotlib-fontja")


def _disk(folder: Path) -> Finding:
    free = shutil.disk_usage(folder).free
    state: State = "ok" if free >= _LEAST_FREE_BYTES else "broken"
    remedy = "" if state == "ok" else "Free some space, or write results to another disk"
    return Finding("disk", str(folder), state, f"{free / 1024**3:.1f} GiB free", remedy)
