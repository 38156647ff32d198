"""Eight-bit integers, written into the graph: explicit Q/DQ pairs as TensorRT 10 and 11 read them.

Symmetric, weights per channel, biases in float; only layers with learnt weights and the products
inside attention, and of those not the head's last ones: boxes reach hundreds where scores stay
below one, so nothing that both go through may share a scale.

ONNX Runtime's quantiser does the work. It is never run on its defaults, which quantise every
operator: with them a detector finds nothing.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import ModelProto

from kit.errors import RunFailed
from kit.export.anatomy import dissect
from kit.parts import scratch
from kit.progress import SILENT, Progress
from kit.runtime.backends import onnxruntime as _first  # noqa: F401 - it switches telemetry off
from kit.runtime.contract import INPUT

Method = Literal["percentile", "entropy", "minmax"]

_OPERATORS = ("Conv", "Gemm", "MatMul")


@dataclass(frozen=True, eq=False)
class Ranges:
    """How far the values inside a graph go on real pictures.

    Attributes:
        method: ``percentile`` leaves the 10 farthest of a million out, ``entropy`` loses the least
            information (Migacz 2017, "8-bit Inference with TensorRT"), ``minmax`` leaves none out.
        found: in ONNX Runtime's own type.
    """

    method: Method
    found: Any


def candidates(model: ModelProto) -> tuple[str, ...]:
    """Names of the nodes that may be quantised, in the graph's order; see
    :func:`kit.export.anatomy.named`."""
    parts = dissect(model)
    return tuple(
        node.name
        for node in model.graph.node
        if node.op_type in _OPERATORS and node.name in parts.body - parts.heads
    )


def calibrate(
    model: ModelProto,
    pictures: Sequence[NDArray[np.uint8]] | Iterator[NDArray[np.uint8]],
    method: Method,
    *,
    total: int,
    progress: Progress = SILENT,
) -> Ranges:
    """Run a float32 graph on pictures and keep the ranges of what its layers read and make.

    Args:
        pictures: ``(1, S, S, 3)`` uint8 each, fitted as the runtime fits them.
        total: how many, for the progress bar.

    Raises:
        RunFailed: the method can't tell the range of some layer.
    """
    from onnxruntime.quantization import CalibrationMethod, create_calibrator

    kind = {
        "percentile": CalibrationMethod.Percentile,
        "entropy": CalibrationMethod.Entropy,
        "minmax": CalibrationMethod.MinMax,
    }[method]
    with scratch("calibration") as folder, _quietly():
        path = folder / "model.onnx"
        onnx.save(_without_heads(model), path)
        calibrator = create_calibrator(path, _OPERATORS, str(folder / "augmented.onnx"), kind)
        try:
            for picture in progress.track(pictures, f"calibrating ({method})", total):
                # one at a time: it keeps everything that it is given at once in memory
                calibrator.collect_data(_One(picture))
            return Ranges(method, calibrator.compute_data())
        except ValueError as error:  # of values that hardly differ it can't make a histogram
            raise RunFailed(f"{method} finds no ranges ({error})") from error


def quantise(model: ModelProto, ranges: Ranges, layers: Collection[str]) -> ModelProto:
    """Put Q/DQ pairs around layers.

    Args:
        model: float32, of :func:`kit.export.anatomy.named`.
        layers: some of its :func:`candidates`.
    """
    from onnxruntime.quantization import QDQQuantizer, QuantType

    copy = ModelProto()
    copy.CopyFrom(onnx.shape_inference.infer_shapes(model))
    if not layers:  # which the quantiser would take for all of them
        return copy
    with _quietly():
        quantizer = QDQQuantizer(
            copy,
            per_channel=True,
            reduce_range=False,
            weight_qType=QuantType.QInt8,
            activation_qType=QuantType.QInt8,
            tensors_range=ranges.found,
            nodes_to_quantize=sorted(layers),
            nodes_to_exclude=[],
            op_types_to_quantize=list(_OPERATORS),
            extra_options={
                "ActivationSymmetric": True,
                "WeightSymmetric": True,
                "QuantizeBias": False,
                # what layers read, not what they make: an activation after them stays fused
                # (TensorRT's developer guide, on where to place Q/DQ)
                "OpTypesToExcludeOutputQuantization": list(_OPERATORS),
                "AddQDQPairToWeight": True,
                "QDQOpTypePerChannelSupportToAxis": {"Conv": 0, "Gemm": 0, "MatMul": 1},
                "QDQDisableWeightAdjustForInt32Bias": True,
            },
        )
        quantizer.quantize_model()
        quantizer.model.topological_sort()
    made: ModelProto = quantizer.model.model
    onnx.checker.check_model(made, full_check=True)
    return made


def _without_heads(model: ModelProto) -> ModelProto:
    """The graph up to what its heads read: no range beyond that is asked for."""
    parts = dissect(model)
    ends = {node.input[0]: None for node in model.graph.node if node.name in parts.heads}
    cut = onnx.utils.Extractor(onnx.shape_inference.infer_shapes(model))
    made: ModelProto = cut.extract_model([INPUT], list(ends))
    return made


class _One:
    """A single picture, as ONNX Runtime's calibrator wants to read it."""

    def __init__(self, picture: NDArray[np.uint8]) -> None:
        self._left = [{INPUT: picture}]

    def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
        return self._left.pop() if self._left else None


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """The quantiser prints, and warns of a step it needs for other exporters than ours."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    finally:
        root.setLevel(level)
