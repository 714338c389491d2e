"""A tiny network in the layout that ultralytics exports, so that tests need no trained weights and no torch."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from models.card import InputCard, ModelCard, ObjectClass, Thresholds, write_card

onnx = pytest.importorskip("onnx")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

STRIDE = 32


def _bright_spot_network() -> "onnx.ModelProto":
    """One anchor per 32 px cell: a 32 px box at its centre, scored by its mean red and green (two classes)."""
    means = np.zeros((2, 3, STRIDE, STRIDE), np.float32)
    means[0, 0] = means[1, 1] = 1 / STRIDE**2
    constants = {
        "kernel": means,
        "unit_one": np.array(1, np.float32),
        "stride": np.array(STRIDE, np.float32),
        "half": np.array(STRIDE / 2, np.float32),
        "zero": np.array(0, np.float32),
        "start": np.array([0], np.int64),
        "end": np.array([1], np.int64),
        "channels": np.array([1], np.int64),
        "down": np.array([2], np.int64),
        "across": np.array([3], np.int64),
        "out_shape": np.array([0, 6, -1], np.int64),
    }
    nodes = [
        helper.make_node("Conv", ["images", "kernel"], ["score_map"], strides=[STRIDE, STRIDE]),
        helper.make_node("Slice", ["score_map", "start", "end", "channels"], ["one"]),
        helper.make_node("Mul", ["one", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "unit_one"], ["unit"]),
        helper.make_node("CumSum", ["unit", "across"], ["column"]),
        helper.make_node("CumSum", ["unit", "down"], ["row"]),
        *[
            node
            for name, source in (("x", "column"), ("y", "row"))
            for node in (
                helper.make_node("Mul", [source, "stride"], [f"{name}_end"]),
                helper.make_node("Sub", [f"{name}_end", "half"], [name]),
            )
        ],
        helper.make_node("Mul", ["unit", "stride"], ["side"]),
        helper.make_node("Concat", ["x", "y", "side", "side", "score_map"], ["map"], axis=1),
        helper.make_node("Reshape", ["map", "out_shape"], ["output0"]),
    ]
    graph = helper.make_graph(
        nodes,
        "bright_spots",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["batch", 3, "height", "width"])],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, ["batch", 6, "anchors"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


def write_spot_model(folder: Path) -> Path:
    """Make `folder` a model whose network finds red and green cells of 32 px."""
    data = _bright_spot_network().SerializeToString()
    (folder / "model.onnx").write_bytes(data)
    card = ModelCard(
        task="spots",
        name="bright spots",
        architecture="none",
        classes=[ObjectClass(name=name, title_en=name, title_ja=name) for name in ("red", "green")],
        input=InputCard(),
        thresholds=Thresholds(score={"red": 0.5, "green": 0.5}, chosen="by construction"),
        training=[],
        metrics={},
        limits=["finds squares alone"],
        made_on="2026-01-01",
        sha256=hashlib.sha256(data).hexdigest(),
    )
    write_card(card, folder)
    return folder
