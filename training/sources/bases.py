"""The official weights that training may start from: address and sha256, as their owner gives them (AGPL-3.0)."""

from collections.abc import Mapping
from pathlib import Path

from training.sources.catalogue import Archive

__all__ = ["OFFICIAL"]

ASSETS = "https://github.com/ultralytics/assets/releases/download"

OFFICIAL: Mapping[str, Archive] = {
    name: Archive(url=f"{ASSETS}/{release}/{name}.pt", sha256=digest, into=Path("weights"))
    for name, release, digest in (
        ("yolo11n", "v8.3.0", "0ebbc80d4a7680d14987a577cd21342b65ecfd94632bd9a8da63ae6417644ee1"),
        ("yolo26n", "v8.4.0", "9b09cc8bf347f0fc8a5f7657480587f25db09b34bf33b0652110fb03a8ad4fef"),
    )
}
"""By architecture: a file, and the folder below a mirror where it may lie."""
