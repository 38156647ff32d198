"""NVIDIA TensorRT: builds an engine from an ONNX bundle on the GPU it will run on, and runs it.

Needs neither torch nor ONNX Runtime. An engine is never taken from elsewhere, see
:mod:`kit.runtime.backends.tensorrt.identity`.
"""

from __future__ import annotations

import hashlib
import json
from importlib.util import find_spec
from time import perf_counter

from kit.binding import plain
from kit.bundle import Bundle
from kit.errors import UsageError
from kit.progress import SILENT, Progress
from kit.runtime.backends import Compiled, CompileOptions
from kit.runtime.backends.tensorrt.builder import build, require_precision, trt
from kit.runtime.backends.tensorrt.cuda import Device
from kit.runtime.backends.tensorrt.cuda import device as gpu
from kit.runtime.backends.tensorrt.engine import EngineRunner
from kit.runtime.backends.tensorrt.identity import (
    CARD,
    EngineCard,
    Machine,
    note_built_here,
    require_fit,
)
from kit.types import Runner

SUFFIX = ".engine"
WEIGHTS = f"model{SUFFIX}"

_MISSING = (
    "{package} is not installed: pip install 'detector-kit[tensorrt]'; on Jetson TensorRT comes "
    "with JetPack: make the environment with --system-site-packages and pip install cuda-python"
)


def available() -> str | None:
    """None where TensorRT and NVIDIA's binding of CUDA are installed."""
    for package, module in (("TensorRT", "tensorrt"), ("cuda-python", "cuda.bindings")):
        try:
            found = find_spec(module) is not None
        except ModuleNotFoundError:  # of the package above it
            found = False
        if not found:
            return _MISSING.format(package=package)
    return None


def load(bundle: Bundle, *, device: str = "auto", threads: int | None = None) -> Runner:  # noqa: ARG001
    """Load an engine that was built here.

    Args:
        device: ``auto``, ``cuda`` or ``cuda:1``.
        threads: of the interface; an engine uses none.

    Raises:
        UsageError: TensorRT, or a GPU, is not there.
        BundleError: the engine is of another machine, or from elsewhere; the message holds the
            command that builds it again.
        RunFailed: the GPU has no room, or fails.
    """
    where = _device(device)
    card = require_fit(bundle, Machine.of(where, trt().__version__))
    return EngineRunner(bundle, bundle.weights.read_bytes(), where, card.source)


def compile(
    bundle: Bundle, options: CompileOptions, *, device: str = "auto", progress: Progress = SILENT
) -> Compiled:
    """Build an engine and load it.

    Args:
        bundle: of kind ``onnx``.

    Raises:
        BundleError: TensorRT can't read the graph.
        GateRefused: the engine does not compute in the precision of the graph.
        UsageError, RunFailed: as for :func:`load`.
    """
    where = _device(device)
    began = perf_counter()
    plan = build(bundle, where, options, progress)
    build_s = round(perf_counter() - began, 1)
    runner = EngineRunner(bundle, plan, where, str(bundle.directory))
    layers = runner.layers()
    require_precision(layers, bundle.card.precision)
    digest = hashlib.sha256(plan).hexdigest()
    card = EngineCard(
        machine=Machine.of(where, trt().__version__),
        onnx_sha256=bundle.card.files[bundle.card.weights],
        engine_sha256=digest,
        source=str(bundle.directory),
        batches=(1, min(options.likely_batch, runner.largest), runner.largest),
        layers=layers,
        build_s=build_s,
    )
    note_built_here(digest)
    text = json.dumps(plain(card), indent=2) + "\n"
    files = {WEIGHTS: plan, CARD: text.encode()}
    return Compiled(runner, runner.largest, WEIGHTS, files, layers, build_s)


def _device(name: str) -> Device:
    """The GPU of this name.

    Raises:
        UsageError: TensorRT is not installed, or there is no such GPU.
    """
    if why_not := available():
        what, _, fix = why_not.partition(": ")
        raise UsageError(what, fix=fix)
    kind, _, index = name.partition(":")
    if kind not in ("auto", "cuda") or (index and not index.isdigit()):
        raise UsageError(
            "TensorRT runs on NVIDIA GPUs only", where=name, fix="one of: auto, cuda, cuda:1"
        )
    return gpu(int(index or 0))
