"""Named random streams: what one thing draws never depends on how many others were drawn before it."""

from __future__ import annotations

import zlib

import numpy as np


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """The random generator of one named thing in a scene.

    Args:
        seed: the scene's seed.
        *names: what is drawn, from the general to the particular, as `"pothole", 3`.
    """
    key = zlib.crc32("/".join(map(str, names)).encode())
    return np.random.default_rng(np.random.SeedSequence([seed, key]))
