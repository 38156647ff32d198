"""Precisions of one trained detector, and what each step of the way to int8 is worth.

A detector trained on BCCD is exported in fp32, then brought to fp16 and int8 by ``kit export``.
Beside our int8 stand ONNX Runtime's defaults and the settings between the two, one change at a
time. Each graph goes through the gate of its precision on the valid pictures, and is scored on the
test pictures, which decide nothing. Runs are timed in turn, graph after graph on each picture, on
the CPU: what a GPU makes of int8 can't be told there.

Promised: the gate lets our int8 through, with either rest, and refuses ONNX Runtime's default. A
run that is in --run already is not trained again. Needs KIT_DATA; some ten minutes.
"""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _common import ROOT, Limit, at_least, finish, parser, write_report

if TYPE_CHECKING:
    from onnx import ModelProto

    from kit.bundle import Bundle
    from kit.evaluate.valid import Listed
    from kit.types import Detector

SPARSE: Mapping[str, Any] = {"ActivationSymmetric": True, "WeightSymmetric": True}
FLOAT_BIAS: Mapping[str, Any] = {
    "QuantizeBias": False,
    "QDQDisableWeightAdjustForInt32Bias": True,
}
INPUTS: Mapping[str, Any] = {"OpTypesToExcludeOutputQuantization": ["Conv", "Gemm", "MatMul"]}


@dataclass(frozen=True)
class Way:
    """Settings of ONNX Runtime's quantiser.

    Attributes:
        heads: whether the head's last layers are quantised too.
    """

    name: str
    method: str = "MinMax"
    every_operator: bool = False
    heads: bool = True
    per_channel: bool = False
    extra: Mapping[str, Any] = field(default_factory=dict)


WAYS = (
    Way("ONNX Runtime's defaults", every_operator=True),
    Way("layers only"),
    Way("+ per channel", per_channel=True),
    Way("+ symmetric", per_channel=True, extra=SPARSE),
    Way("+ heads float", heads=False, per_channel=True, extra=SPARSE),
    Way("+ biases float", heads=False, per_channel=True, extra={**SPARSE, **FLOAT_BIAS}),
    Way(
        "+ only what layers read",
        heads=False,
        per_channel=True,
        extra={**SPARSE, **FLOAT_BIAS, **INPUTS},
    ),
)


def main() -> int:
    made = parser(__doc__)
    made.add_argument("--run", type=Path, default=ROOT / "runs" / "bccd-0", metavar="DIR")
    made.add_argument("--calibrate", type=int, default=64, metavar="N", help="pictures (64)")
    made.add_argument("--timed", type=int, default=30, metavar="N", help="pictures (30)")
    args = made.parse_args()
    at_least(args, calibrate=1, timed=3)
    from kit.bundle import open_bundle
    from kit.data.source import open_source
    from kit.errors import DataError, GateRefused
    from kit.export.data import calibration_pictures, gate_pictures
    from kit.export.export import Eight, export_onnx
    from kit.export.parity import TOLERANCES, answers, compare
    from kit.report.page import Cell, Table

    if not (args.run / "best").is_dir():
        raise DataError(
            "no trained detector",
            where=args.run,
            fix="kit train yolov8n bccd --epochs 30 --size 416 --seed 0 --out runs/bccd-0",
        )
    checkpoint = open_bundle(args.run / "best")
    gate = gate_pictures(checkpoint, None)
    calibration = calibration_pictures(checkpoint, None, args.calibrate)
    dataset = open_source(str(checkpoint.card.dataset["source"]))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundle, _ = export_onnx(checkpoint, gate, folder / "fp32")
        graphs: dict[str, Bundle] = {"fp32": bundle}
        verdicts: dict[str, Any] = {}
        ours: dict[str, Eight | None] = {
            "kit, fp16": None,
            "kit, int8 with fp32": Eight(calibration, args.calibrate, "fp32"),
            "kit, int8 with fp16": Eight(calibration, args.calibrate, "fp16"),
        }
        for label, eight in ours.items():
            try:
                graphs[label], verdicts[label] = export_onnx(
                    bundle,
                    gate,
                    folder / label,
                    precision="int8" if eight else "fp16",
                    eight=eight,
                )
            except GateRefused as error:
                print(error)
        reference = answers(_opened(bundle), gate.pictures)
        for way in WAYS:
            graphs[way.name] = _quantised(way, bundle, calibration, folder / way.name)
            verdicts[way.name] = compare(
                reference,
                answers(_opened(graphs[way.name]), gate.pictures),
                manifest=gate.manifest.sha256,
                operating_point=bundle.card.operating_point,
                tolerance=TOLERANCES["int8"],
            )
            print(f"{way.name}: valid AP {verdicts[way.name].ap.after:.4f}", flush=True)
        rows: list[list[Cell]] = []
        measured: dict[str, Any] = {}
        times = _timed(graphs, dataset, args.timed)
        for label, graph in graphs.items():
            scored = _scored(graph, dataset)
            verdict = verdicts.get(label)
            measured[label] = {
                "valid": graph.card.reports["valid"] if verdict is None else _facts(verdict),
                "test": {"ap": scored.ap, "ap50": scored.ap50},
                **_shape(graph),
                "run_ms": times[label],
            }
            row = measured[label]
            rows.append(
                [
                    label,
                    row["valid"]["ap50"],
                    row["valid"]["ap"],
                    row["test"]["ap50"],
                    row["test"]["ap"],
                    "-" if verdict is None else "refused" if verdict.refused else "passed",
                    row["zero_points"],
                    row["int32_biases"],
                    row["megabytes"],
                    row["run_ms"],
                ]
            )
    refused = bool(verdicts[WAYS[0].name].refused)
    passed = [label in verdicts for label in ("kit, int8 with fp32", "kit, int8 with fp16")]
    limits = [
        Limit("kit's int8 graphs that the gate refuses", 2.0 - sum(passed), 0),
        Limit("ONNX Runtime's default int8 graphs that the gate lets through", 1.0 - refused, 0),
    ]
    best = measured["kit, int8 with fp32"] if passed[0] else None
    summary = (
        f"{checkpoint.card.model} trained on BCCD, {checkpoint.card.input.size} px, calibrated on "
        f"{args.calibrate} training pictures. With its defaults ONNX Runtime's quantiser leaves a "
        f"test AP50 of {measured[WAYS[0].name]['test']['ap50']:.3f}"
        + (f", ours {best['test']['ap50']:.3f}" if best else "")
        + f", where fp32 has {measured['fp32']['test']['ap50']:.3f}."
    )
    header = (
        "graph", "valid AP50", "valid AP", "test AP50", "test AP", "gate", "zero points not 0",
        "int32 biases", "MB", "run, ms",
    )  # fmt: skip
    note = (
        "Zero points that are not 0 and integer biases are what TensorRT doesn't read. Times are "
        "medians on this CPU, two threads, in turn; they say nothing of a GPU."
    )
    return write_report(
        "precision",
        "Precisions of a detector",
        summary,
        [Table("Graphs", header, rows, note=note)],
        limits,
        {"graphs": measured},
        threads=2,
        out=args.out,
    )


def _quantised(way: Way, bundle: Bundle, calibration: Listed, out: Path) -> Bundle:
    """A graph made by ONNX Runtime's quantiser, as a bundle that no gate has seen."""
    from dataclasses import replace

    import onnx
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static

    from kit.bundle import save_bundle
    from kit.export.anatomy import dissect, named
    from kit.export.quantise import candidates

    model = named(onnx.load(bundle.weights))
    layers = {*candidates(model), *(dissect(model).heads if way.heads else ())}
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "int8.onnx"
        source = Path(folder) / "fp32.onnx"
        onnx.save(model, source)
        quantize_static(
            source,
            made,
            _Reader(bundle, calibration),
            quant_format=QuantFormat.QDQ,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            per_channel=way.per_channel,
            calibrate_method=CalibrationMethod[way.method],
            op_types_to_quantize=None if way.every_operator else ["Conv", "Gemm", "MatMul"],
            nodes_to_quantize=None if way.every_operator else sorted(layers),
            extra_options=dict(way.extra),
        )
        content = made.read_bytes()
    card = replace(bundle.card, precision="int8", reports={})
    return save_bundle(out, card, {bundle.card.weights: content})


class _Reader:
    """Calibration pictures, one after the other."""

    def __init__(self, bundle: Bundle, calibration: Listed) -> None:
        self._input, self._left = bundle.card.input, iter(calibration.pictures)

    def get_next(self) -> dict[str, Any] | None:
        from kit.pixels import read_picture
        from kit.runtime.fit import Fit

        example = next(self._left, None)
        if example is None:
            return None
        return {"images": Fit(self._input).apply(read_picture(example.path))[0][None]}


def _opened(bundle: Bundle) -> Detector:
    from kit import door

    return door.open(bundle, device="cpu", threads=2)


def _scored(bundle: Bundle, dataset: Any) -> Any:
    from kit.evaluate.report import evaluate

    return evaluate(_opened(bundle), bundle, dataset, "test")


def _timed(graphs: Mapping[str, Bundle], dataset: Any, count: int) -> dict[str, float]:
    """Median milliseconds of ``run``; each picture goes through all graphs before the next."""
    from kit.pixels import read_picture

    detectors = {label: _opened(graph) for label, graph in graphs.items()}
    times: dict[str, list[float]] = {label: [] for label in graphs}
    places = dataset.split("test")[: count + 2]
    for turn, place in enumerate(places):
        picture = read_picture(dataset.path(int(place)))
        for label, detector in detectors.items():
            run = detector.detect([picture])[0].stages_ns["run"] / 1e6
            if turn > 1:  # the first two warm up
                times[label].append(run)
    return {label: statistics.median(taken) for label, taken in times.items()}


def _shape(bundle: Bundle) -> dict[str, Any]:
    """What TensorRT would stumble over, and the size."""
    import onnx
    from onnx import TensorProto, numpy_helper

    model: ModelProto = onnx.load(bundle.weights)
    stored = {tensor.name: tensor for tensor in model.graph.initializer}
    pairs = [n for n in model.graph.node if n.op_type == "QuantizeLinear" and len(n.input) > 2]
    zero = [numpy_helper.to_array(stored[n.input[2]]).any() for n in pairs if n.input[2] in stored]
    whole = [t for t in stored.values() if t.data_type == TensorProto.INT32 and t.dims]
    return {
        "zero_points": int(sum(zero)),
        "int32_biases": len(whole),
        "megabytes": bundle.weights.stat().st_size / 1e6,
    }


def _facts(verdict: Any) -> dict[str, Any]:
    return {
        "ap": verdict.ap.after,
        "ap50": verdict.ap50.after,
        "sensitivity": verdict.sensitivity.after,
        "operating_point": verdict.operating_point,
        "refused": list(verdict.refused),
    }


if __name__ == "__main__":
    finish(main)
