"""The one door: open a bundle of any kind as a detector.

Exported graphs go to a backend and need no torch; only a checkpoint's family is imported, late.
"""

from __future__ import annotations

import shlex
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from kit.bundle import Bundle, open_bundle
from kit.errors import BundleError, MissingPackage
from kit.runtime.backends import choose, load_backend
from kit.runtime.detector import GraphDetector
from kit.runtime.scaling import ScaledDetector
from kit.runtime.tiles import TiledDetector
from kit.runtime.watch import WatchedDetector, load_watch
from kit.signature import require_signature
from kit.types import Detector, Runner, Tiling

_MAKES = {
    ".onnx": "kit export {bundle} --precision fp32 --out {bundle}-onnx",
    ".engine": "kit compile {bundle} --backend tensorrt --out {bundle}-engine",
}
"""The command that makes a bundle with such weights."""


def open(
    bundle: Bundle | Path | str,
    *,
    backend: str = "auto",
    device: str = "auto",
    threads: int | None = None,
    tiling: Tiling | None = None,
    shrink: bool = False,
    key: Path | str | None = None,
    calibrated: bool = False,
) -> Detector:
    """Open a bundle.

    Args:
        bundle: its directory, or one that is open already.
        backend: a file of ``kit/runtime/backends``; ``auto`` takes the one for its weights. A
            checkpoint runs in the framework of its family.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:1``.
        threads: on the CPU; None takes every core this process may use.
        tiling: cuts large pictures into tiles, for small objects; None looks at the whole alone.
        shrink: runs a batch that memory is too small for in smaller ones, instead of an error.
        key: a public key; only what was signed with its private half is opened.
        calibrated: scales scores as the card says; floors and thresholds stay those of raw scores.

    Raises:
        BundleError: missing, damaged, not signed with that key, or not for this backend; the
            message holds the command that makes the right one; or asked to scale scores, and its
            card holds no scaling.
        MissingPackage: what runs it is not installed.
        UsageError: no such backend or device.
    """
    if not isinstance(bundle, Bundle):
        bundle = open_bundle(bundle)
    if key is not None:
        require_signature(bundle, Path(key))
    card = bundle.card
    if calibrated and card.scaling is None:
        raise BundleError(
            "its card holds no scaling of scores",
            where=bundle.directory,
            fix="fit one with `kit calibrate BUNDLE SRC --scores temperature --out BUNDLE`",
        )
    if card.kind == "checkpoint" and backend in ("auto", card.family):
        runner = _family(card.family).runner(bundle, device=device, threads=threads)
        graph = GraphDetector(card, runner, card.family, shrink)
    else:
        name = choose(bundle.weights.suffix).name if backend == "auto" else backend
        graph = GraphDetector(card, _run(bundle, name, device, threads), name, shrink)
    detector: Detector = graph if tiling is None else TiledDetector(graph, tiling)
    if calibrated and card.scaling is not None:
        detector = ScaledDetector(detector, card.scaling)
    watch = load_watch(bundle)
    return detector if watch is None else WatchedDetector(detector, watch)


def _run(bundle: Bundle, name: str, device: str, threads: int | None) -> Runner:
    backend = load_backend(name)
    if backend.SUFFIX not in ("", bundle.weights.suffix):
        command = _MAKES.get(backend.SUFFIX, "")
        raise BundleError(
            f"the backend {name} loads {backend.SUFFIX}, this bundle holds a {bundle.card.kind}",
            where=bundle.directory,
            fix=command.format(bundle=shlex.quote(str(bundle.directory))) or None,
        )
    return backend.load(bundle, device=device, threads=threads)


def _family(name: str) -> Any:
    """The family's module; the name comes from a file, so it must be one of ours."""
    module = f"kit.families.{name}"
    try:
        # looking for it imports its room, and so torch
        if not name.isidentifier() or find_spec(module) is None:
            raise BundleError("its family is not known to this version of the kit", where=name)
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] == "kit":
            raise
        extra = "ultralytics" if name == "ultralytics" else "train"
        raise MissingPackage(error.name, extra) from error
