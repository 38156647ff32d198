"""int8 graphs are what TensorRT reads, and answer like the graph they were made from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, numpy_helper

from kit.bundle import Bundle
from kit.export.anatomy import dissect, named
from kit.export.data import calibration_pictures
from kit.export.graph import from_checkpoint
from kit.export.half import to_half
from kit.export.ladder import Quantiser, Step
from kit.export.quantise import Method, calibrate, candidates, quantise
from kit.types import RawDetections

Run = Callable[[onnx.ModelProto], RawDetections]


@pytest.fixture(scope="session")
def quantiser(checkpoint: Bundle) -> Quantiser:
    def never(model: onnx.ModelProto) -> Any:
        raise AssertionError("nothing is opened here")

    pictures = calibration_pictures(checkpoint, None, 4).pictures
    model = named(from_checkpoint(checkpoint).model)
    return Quantiser(model, pictures, checkpoint.card.input, never)


@pytest.fixture
def run(checkpoint: Bundle, tmp_path: Any) -> Run:
    """A graph's answer to one picture, by the backend that will run it."""
    from dataclasses import replace

    from kit.bundle import save_bundle
    from kit.runtime.backends import onnxruntime

    def answer(model: onnx.ModelProto) -> RawDetections:
        card = replace(checkpoint.card, kind="onnx", weights="model.onnx")
        place = tmp_path / str(len(list(tmp_path.iterdir())))
        made = save_bundle(place, card, {"model.onnx": model.SerializeToString()})
        images = np.random.default_rng(3).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
        return onnxruntime.load(made, device="cpu", threads=2).run(images)

    return answer


@pytest.mark.parametrize("method", get_args(Method))
def test_what_tensorrt_asks_for(quantiser: Quantiser, method: Method) -> None:
    made = quantiser.make(Step(method, 2))
    onnx.checker.check_model(made, full_check=True)
    stored = {t.name: numpy_helper.to_array(t) for t in made.graph.initializer}
    pairs = [n for n in made.graph.node if n.op_type in ("QuantizeLinear", "DequantizeLinear")]
    assert pairs
    for node in pairs:
        assert stored[node.input[1]].min() > 0
        assert stored[node.input[2]].dtype == np.int8
        assert not stored[node.input[2]].any(), "symmetric: no zero point but zero"
    assert not any(array.dtype == np.int32 for array in stored.values()), "biases stay float"
    makers = {name: node for node in made.graph.node for name in node.output}
    for node in made.graph.node:
        if node.name in candidates(quantiser.model) and node.op_type == "Conv":
            weights = makers[node.input[1]]
            scales = stored[weights.input[1]]
            channels = stored[makers[weights.input[0]].input[0]].shape[0]
            assert scales.shape == (channels,), "one scale a channel"
            assert node.input[2] in stored


def test_the_heads_last_layers_stay_float(quantiser: Quantiser) -> None:
    parts, made = dissect(quantiser.model), quantiser.make(Step("minmax", 2))
    makers = {name: node for node in made.graph.node for name in node.output}
    for node in made.graph.node:
        if node.name in parts.heads:
            assert node.input[1] not in makers, "its weights are not quantised"
    assert set(candidates(quantiser.model)) == set(parts.layers) - parts.heads | {
        node.name
        for node in made.graph.node
        if node.op_type == "MatMul" and node.name in parts.body
    }


def test_spared_layers_stay_float(quantiser: Quantiser) -> None:
    spared = candidates(quantiser.model)[:2]
    made = quantiser.make(Step("minmax", 2, spared))
    makers = {name: node for node in made.graph.node for name in node.output}
    read = {node.name: node.input[1] in makers for node in made.graph.node if node.name in spared}
    assert read == dict.fromkeys(spared, False)


def test_none_quantised_is_the_graph_itself(quantiser: Quantiser, run: Run) -> None:
    ranges = quantiser.ranges(Step("minmax", 2))
    made = run(quantise(quantiser.model, ranges, set()))
    assert np.array_equal(made.boxes, run(quantiser.model).boxes)


@pytest.mark.parametrize("rest", ["fp32", "fp16"])
def test_it_answers_nearly_the_same(quantiser: Quantiser, run: Run, rest: str) -> None:
    """In half precision too: ONNX Runtime's optimiser would make its biases vanish."""
    made = quantiser.make(Step("minmax", 4))
    if rest == "fp16":
        made = to_half(onnx.version_converter.convert_version(made, 19))
        assert TensorProto.FLOAT16 in {t.data_type for t in made.graph.initializer}
    whole, rounded = run(quantiser.model), run(made)
    spread = whole.scores.std()
    assert np.abs(whole.scores - rounded.scores).mean() < 0.25 * spread
    assert not np.array_equal(whole.scores, rounded.scores)


def test_the_source_is_left_alone(quantiser: Quantiser) -> None:
    before = quantiser.model.SerializeToString()
    quantiser.make(Step("minmax", 2))
    assert quantiser.model.SerializeToString() == before


def test_every_kind_of_head_can_be_quantised(graph: onnx.ModelProto) -> None:
    """In half precision too: what holds coordinates stays float whatever the rest is."""
    images = np.random.default_rng(0).integers(0, 256, (1, 128, 128, 3), dtype=np.uint8)
    layers = candidates(graph)
    ranges = calibrate(graph, iter([images]), "minmax", total=1)
    made = to_half(onnx.version_converter.convert_version(quantise(graph, ranges, layers), 19))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        made.SerializeToString(),
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=["WeightBiasQuantization"],
    )
    boxes, scores = session.run(["boxes", "scores"], {"images": images})
    assert boxes.dtype == scores.dtype == np.float32
    assert np.isfinite(boxes).all()
    assert scores.max() <= 1.001
    quantised = {node.input[0] for node in made.graph.node if node.op_type == "DequantizeLinear"}
    assert len(quantised) > len(layers), "weights and what they are applied to"
