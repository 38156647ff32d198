"""A trained bundle in, an ONNX bundle of some precision out."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import onnx
from onnx import ModelProto

from kit import __version__, door
from kit.bundle import Bundle, BundleCard, Precision, save_bundle, undocumented
from kit.errors import BundleError
from kit.evaluate.valid import Listed
from kit.export.anatomy import named
from kit.export.carry import carry
from kit.export.half import to_half
from kit.export.parity import TOLERANCES, Parity, Tolerance, answers, compare, record, require
from kit.files import refuse_existing
from kit.parts import scratch
from kit.progress import SILENT, Progress
from kit.runtime.plain_graph import read_graph
from kit.types import Detector

GRAPH = "model.onnx"

_HALF_SCALES = 19
"""The first opset whose Q/DQ operators take float16."""

Opener = Callable[[ModelProto], Detector]
Judge = Callable[[ModelProto], Parity]


@dataclass(frozen=True)
class Eight:
    """How to make int8.

    Attributes:
        calibration: pictures of the train split, as many as there may be a reason for.
        first: how many of them are used at first.
        rest: precision of what stays float.
    """

    calibration: Listed
    first: int
    rest: Literal["fp16", "fp32"] = "fp32"


def export_onnx(
    bundle: Bundle,
    gate: Listed,
    out: Path,
    *,
    precision: Precision = "fp32",
    eight: Eight | None = None,
    tolerance: Tolerance | None = None,
    threads: int | None = None,
    progress: Progress = SILENT,
) -> tuple[Bundle, Parity]:
    """Export a checkpoint, or bring its fp32 export to less precision.

    Args:
        bundle: a checkpoint, or an ONNX bundle in fp32.
        gate: the pictures the gate compares on: the valid split.
        out: directory of the new bundle.
        eight: for the precision int8, and only for that.
        tolerance: of the gate; None takes that of the precision.

    Raises:
        BundleError: not such a bundle, or the graph is unsound.
        GateRefused: the graph differs from what it was made from; nothing was written.
    """
    refuse_existing(out)
    if (precision == "int8") != (eight is not None):
        raise ValueError("eight is for the precision int8, and only for that")
    model, card = _float32(bundle, precision, progress)
    reference = answers(
        door.open(bundle, device="cpu", threads=threads),
        gate.pictures,
        label=f"parity: {bundle.card.kind}",
        progress=progress,
    )
    said = reference
    with _trials(card, threads) as opened:

        def judge(made: ModelProto) -> Parity:
            nonlocal said
            said = answers(
                opened(made), gate.pictures, label=f"parity: {precision}", progress=progress
            )
            return compare(
                reference,
                said,
                manifest=gate.manifest.sha256,
                operating_point=bundle.card.operating_point,
                class_thresholds=bundle.card.class_thresholds,
                tolerance=tolerance or TOLERANCES[precision],
            )

        conversion: Mapping[str, Any] = {}
        if eight is not None:
            model, parity, conversion = _to_int8(model, card, eight, judge, opened, progress)
        else:
            model = to_half(model) if precision == "fp16" else model
            parity = judge(model)
    require(parity)
    card = record(replace(card, conversion=conversion), parity)
    card, files = carry(bundle, card, reference, said, progress)
    return save_bundle(out, card, {GRAPH: model.SerializeToString(), **files}), parity


def _float32(
    bundle: Bundle, precision: Precision, progress: Progress
) -> tuple[ModelProto, BundleCard]:
    """The graph in float32, and the card of what will be made of it."""
    old = bundle.card
    if old.kind == "checkpoint":
        from kit.export.graph import from_checkpoint  # torch: only a checkpoint needs it

        progress.note("writing the graph")
        written = from_checkpoint(bundle)
        model, rows, max_batch = written.model, written.rows, written.max_batch
    elif (old.kind, old.precision) == ("onnx", "fp32") and precision != "fp32":
        assert old.boxes is not None  # which only a checkpoint's card leaves open
        model, rows, max_batch = (
            onnx.load_from_string(read_graph(bundle.weights)),
            old.boxes,
            old.max_batch,
        )
    else:
        raise BundleError(
            f"an {old.kind} bundle of {old.precision} is exported already",
            where=bundle.directory,
            fix="export from the checkpoint, or from fp32 to less",
        )
    card = replace(
        undocumented(old),
        kind="onnx",
        weights=GRAPH,
        files={},
        boxes=rows,
        max_batch=max_batch,
        precision=precision,
        backends=("onnxruntime",),
        parent=bundle.sha256,
        reports={},
        made_by=f"detector-kit {__version__}",
    )
    return model, card


def _to_int8(
    model: ModelProto,
    card: BundleCard,
    eight: Eight,
    judge: Judge,
    opened: Opener,
    progress: Progress,
) -> tuple[ModelProto, Parity, Mapping[str, Any]]:
    """The last graph tried, what the gate said of it, and how it was made."""
    from kit.export.ladder import Quantiser, climb  # its quantiser takes a while to load

    def finished(made: ModelProto) -> ModelProto:
        if eight.rest == "fp32":
            return made
        half = to_half(onnx.version_converter.convert_version(made, _HALF_SCALES))
        told = {entry.key: entry.value for entry in half.metadata_props}
        onnx.helper.set_model_props(half, {**told, "opset": str(_HALF_SCALES)})
        return half

    pictures = eight.calibration.pictures
    quantiser = Quantiser(named(model), pictures, card.input, opened, progress)
    climbed = climb(
        quantiser, lambda made: judge(finished(made)), first=eight.first, progress=progress
    )
    last = climbed.tried[-1]
    facts = {"rest": eight.rest, "manifest": eight.calibration.manifest.sha256, **climbed.facts()}
    return finished(last.model), last.parity, facts


@contextmanager
def _trials(card: BundleCard, threads: int | None) -> Iterator[Opener]:
    """Opens graphs as detectors before they are anybody's bundle."""
    with scratch("export") as folder:
        place = 0

        def opened(model: ModelProto) -> Detector:
            nonlocal place
            place += 1
            content = {GRAPH: model.SerializeToString()}
            # a watch's file is not among what is tried
            trial = save_bundle(folder / str(place), replace(card, watch={}), content)
            detector = door.open(trial, backend="onnxruntime", device="cpu", threads=threads)
            shutil.rmtree(trial.directory)  # it is in memory now, and there may be a hundred
            return detector

        yield opened
