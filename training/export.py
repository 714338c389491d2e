"""From a checkpoint to `model.onnx`: the raw head output of the averaged weights, for pictures of any size.

Suppression stays outside, where it is the same for every back end. Weights are stored in half precision and widened
when the network is loaded: half the bytes in git, and every back end computes with the very same numbers.
"""

import io
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import ModelProto, TensorProto, helper, numpy_helper
from torch import nn

from training.fit import load_checkpoint
from training.network import network_of
from training.recipe import Recipe, recipe_from, stages_begun

__all__ = ["OPSET", "export_onnx", "recipe_of"]

OPSET = 17
STRIDE = 32
SMALLEST_HALVED = 1024
"""Tensors with fewer numbers stay in single precision: biases and anchors are few, and rounding them shifts all."""


def recipe_of(content: Mapping[str, Any]) -> Recipe:
    """What a checkpoint's content was made by: the stages begun, and the architecture that it has the weights of.

    A card is no part of it.
    """
    recipe, done = recipe_from(json.loads(content["recipe"]), "the checkpoint's recipe"), content["done"]
    stages = recipe.stages[: max(1, stages_begun(recipe, done))]
    return recipe.model_copy(update={"stages": stages}).with_architecture(recipe.architecture_after(done))


def export_onnx(checkpoint: Path, out: Path) -> Path:
    """Write the checkpoint's averaged weights as an ONNX file; equal checkpoints give equal bytes.

    Input `images`: float32 (batch, 3, height, width), RGB from 0 to 1, sides multiples of 32. Output `output0`:
    float32 (batch, 4 + classes, anchors): centre x, y, width, height in input px, then a score per class.

    Args:
        checkpoint: a run's checkpoint.
        out: the file to write.
    """
    content = load_checkpoint(checkpoint)
    recipe = recipe_of(content)
    network = network_of(recipe, recipe.architecture)
    network.load_state_dict(content["average"])
    model = _trace(network)
    _halve(model)
    _describe(model, recipe)
    onnx.checker.check_model(model, full_check=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_suffix(".part")
    part.write_bytes(model.SerializeToString(deterministic=True))
    part.replace(out)
    return out


def _trace(network: nn.Module) -> ModelProto:
    network = network.eval().fuse(verbose=False)
    head: Any = network.model[-1]
    head.export, head.dynamic, head.format = True, True, "onnx"
    buffer = io.BytesIO()
    free = {0: "batch", 2: "height", 3: "width"}
    with warnings.catch_warnings():
        # The tracer warns about sizes it cannot know; `dynamic` keeps them in the graph, and tests run other sizes.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            network,
            (torch.zeros(1, 3, 320, 384),),
            buffer,
            opset_version=OPSET,
            input_names=["images"],
            output_names=["output0"],
            dynamic_axes={"images": free, "output0": {0: "batch", 2: "anchors"}},
            dynamo=False,
        )
    return onnx.load_from_string(buffer.getvalue())


def _halve(model: ModelProto) -> None:
    """Store large weights as float16, followed by a cast back to float32; the names stay those of the parameters."""
    widened = []
    for weight in model.graph.initializer:
        values = numpy_helper.to_array(weight)
        if weight.data_type != TensorProto.FLOAT or values.size < SMALLEST_HALVED:
            continue
        name, wide = weight.name, f"{weight.name}.float32"
        weight.CopyFrom(numpy_helper.from_array(values.astype(np.float16), name))
        for node in model.graph.node:
            node.input[:] = [wide if one == name else one for one in node.input]
        widened.append(helper.make_node("Cast", [name], [wide], name=f"widen {name}", to=TensorProto.FLOAT))
    nodes = [*widened, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def _describe(model: ModelProto, recipe: Recipe) -> None:
    """What ultralytics and other tools read from the file: the task, the stride and the names of the classes."""
    del model.metadata_props[:]
    model.producer_name, model.producer_version, model.doc_string = "michisora", "", ""
    described = {
        "description": f"michisora {recipe.task} ({recipe.architecture})",
        "task": "detect",
        "stride": str(STRIDE),
        "batch": "1",
        "channels": "3",
        "imgsz": json.dumps([640, 640]),
        "names": str(dict(enumerate(recipe.classes))),
        "end2end": "False",
        "license": "AGPL-3.0-or-later",
    }
    helper.set_model_props(model, described)
