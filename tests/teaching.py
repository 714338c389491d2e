"""A data set of dark spots, a recipe of seconds, and an untaught base: what tests of training begin with."""

import numpy as np
import torch
from PIL import Image
from torch import nn

from training.ranks import Ranks
from training.sources.catalogue import Source
from training.sources.samples import Sets

CLASSES = ("D40", "crack")
SOURCE = {
    "title": "Spots",
    "licence": "CC0-1.0",
    "url": "https://example.org",
    "layout": "yolo",
    "path": "spots",
    "classes": {"0": "D40"},
    "labels": ["D40"],
}
RECIPE = {
    "task": "spots",
    "architecture": "yolo11n",
    "classes": CLASSES,
    "seed": 1,
    "batch": 2,
    "warm_up_steps": 1,
    "stages": [
        {
            "name": n,
            "epochs": 1,
            "crops": 4,
            "side_px": 64,
            "rate": 0.001,
            "final_rate": 0.0005,
            "sources": {"spots": {"weight": 1}},
        }
        for n in ("learn", "settle")
    ],
    "card": {
        "name": "spots",
        "classes": [{"name": name, "title_en": name, "title_ja": name} for name in CLASSES],
        "validation": ["spots"],
        "pictures": {"D40": {"precision": 0.8, "recall": 0.5}},
        "limits": ["finds spots alone"],
    },
}


def spots(data, n=3):
    """`n` pictures a split with one dark spot each, in YOLO's layout below `data`."""
    rng = np.random.default_rng(0)
    for split in ("train", "val"):
        for part in ("images", "labels"):
            (data / "spots" / split / part).mkdir(parents=True)
        for number in range(n):
            pixels = rng.integers(60, 90, (96, 128, 3), np.uint8)
            pixels[30:50, 40 + number : 70 + number] = 0
            Image.fromarray(pixels).save(data / "spots" / split / "images" / f"{number}.png")
            line = f"0 {(55 + number) / 128} {40 / 96} {30 / 128} {20 / 96}"
            (data / "spots" / split / "labels" / f"{number}.txt").write_text(line, encoding="utf-8")
    return Sets({"spots": Source.model_validate(SOURCE)}, data)


def experienced(network):
    """The network with statistics that training leaves behind: none is at its start."""
    torch.manual_seed(1)
    for one in network.modules():
        if isinstance(one, nn.BatchNorm2d):
            one.running_mean.normal_(0, 0.3)
            one.running_var.uniform_(0.5, 2)
            one.weight.data.uniform_(0.5, 1.5)
            one.bias.data.normal_(0, 0.3)
    return network


def normed_together(ranks: Ranks, say, values):
    """Each process normalises its part of `values` and says output, gradient and statistics of the whole."""
    norm = nn.BatchNorm2d(values.shape[1], eps=1e-3, momentum=0.03)
    layers = ranks.joined(nn.Sequential(nn.Conv2d(values.shape[1], values.shape[1], 1), norm).train())
    part = values.chunk(ranks.n)[ranks.rank].clone().requires_grad_()
    nn.init.eye_(layers.module[0].weight.data[:, :, 0, 0])
    nn.init.zeros_(layers.module[0].bias.data)
    out = layers(part)
    (out**3).sum().backward()
    whole = torch.zeros_like(values)
    seen, slope = (ranks.sum(_placed(one, whole, ranks)) for one in (out, part.grad))
    joint = layers.module[1]
    say([one.detach().numpy() for one in (seen, slope, joint.running_mean, joint.running_var, joint.weight.grad)])


def _placed(part, whole, ranks):
    placed = whole.clone()
    placed.chunk(ranks.n)[ranks.rank].copy_(part.detach())
    return placed
