"""An ONNX bundle in, the same model compiled for this very machine out, behind the parity gate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from kit import __version__, door
from kit.bundle import Bundle, save_bundle, undocumented
from kit.errors import BundleError, UsageError
from kit.evaluate.valid import Listed
from kit.export.carry import carry
from kit.export.parity import TOLERANCES, Parity, Tolerance, answers, compare, record, require
from kit.files import refuse_existing
from kit.progress import SILENT, Progress
from kit.runtime.backends import CompileOptions, load_backend, names
from kit.runtime.detector import GraphDetector


def compilers() -> list[str]:
    """Names of the backends that compile."""
    return [name for name in names() if hasattr(load_backend(name), "compile")]


def require_compiler(bundle: Bundle, backend: str) -> Any:
    """The backend's module, once it is sure that it may compile this bundle.

    Raises:
        UsageError: the backend does not compile, or can't run here.
        BundleError: not an ONNX bundle.
    """
    compiler: Any = load_backend(backend)
    if backend not in compilers():
        raise UsageError(
            "this backend runs graphs as they are and compiles nothing",
            where=backend,
            fix=f"one of: {', '.join(compilers())}",
        )
    if bundle.card.kind != "onnx":
        raise BundleError(
            f"what is compiled is ONNX, and this bundle's kind is {bundle.card.kind}",
            where=bundle.directory,
            fix=f"kit export {bundle.directory} --precision fp32 --out {bundle.directory}-onnx",
        )
    if why_not := compiler.available():
        what, _, fix = why_not.partition(": ")
        raise UsageError(what, fix=fix or None)
    return compiler


def compile_bundle(
    bundle: Bundle,
    gate: Listed,
    out: Path,
    *,
    backend: str = "tensorrt",
    options: CompileOptions | None = None,
    tolerance: Tolerance | None = None,
    device: str = "auto",
    threads: int | None = None,
    progress: Progress = SILENT,
) -> tuple[Bundle, Parity]:
    """Compile a graph, and let it through only if it still says what ONNX Runtime says on the CPU.

    Args:
        bundle: of kind ``onnx``.
        gate: the pictures the gate compares on: the valid split.
        out: directory of the new bundle.
        backend: one of :func:`compilers`.
        tolerance: of the gate; None takes that of the bundle's precision.

    Raises:
        UsageError: the backend does not compile, or can't run here.
        BundleError: not an ONNX bundle, or one the backend can't read.
        GateRefused: the engine differs from the graph; nothing was written.
        RunFailed: the backend fails, or has no room.
    """
    refuse_existing(out)
    compiler = require_compiler(bundle, backend)
    # before anything is compiled: it also refuses a graph that reaches outside itself
    reference = answers(
        door.open(bundle, backend="onnxruntime", device="cpu", threads=threads),
        gate.pictures,
        label="parity: onnxruntime",
        progress=progress,
    )
    compiled = compiler.compile(
        bundle, options or CompileOptions(), device=device, progress=progress
    )
    card = replace(
        undocumented(bundle.card),
        kind="engine",
        weights=compiled.weights,
        files={},
        max_batch=compiled.max_batch,
        backends=(backend,),
        parent=bundle.sha256,
        made_by=f"detector-kit {__version__}",
    )
    candidate = answers(
        GraphDetector(card, compiled.runner, backend),
        gate.pictures,
        label=f"parity: {backend}",
        progress=progress,
    )
    parity = compare(
        reference,
        candidate,
        manifest=gate.manifest.sha256,
        operating_point=card.operating_point,
        class_thresholds=card.class_thresholds,
        tolerance=tolerance or TOLERANCES[card.precision],
    )
    require(parity)
    facts = {"layers": dict(compiled.layers), "build_s": compiled.build_s}
    card = record(replace(card, conversion={**card.conversion, **facts}), parity)
    card, files = carry(bundle, card, reference, candidate, progress)
    return save_bundle(out, card, {**compiled.files, **files}), parity
