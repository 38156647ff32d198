"""ONNX Runtime on the CPU, or on an NVIDIA GPU through its CUDA provider.

What was asked for is what runs: ONNX Runtime itself falls back to the CPU without an error, so the
provider is asserted and printed. A graph is loaded from its bytes alone; one that refers to files
beside it, or to operators of a foreign library, is refused.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import Any

from kit import offline
from kit.bundle import Bundle
from kit.errors import BundleError, MissingPackage, UsageError
from kit.runtime import machine
from kit.runtime.backends.onnxruntime.runners import BoundRunner, SessionRunner
from kit.runtime.backends.onnxruntime.session import CPU, CUDA, elsewhere, start
from kit.runtime.contract import FEATURES, INPUT, OUTPUTS
from kit.types import Runner

SUFFIX = ".onnx"

# From 1.29 on its official Linux builds report every session to their maker and leave a device id
# in the home folder. It looks once, when it is first imported, which is why no import stands above.
offline.seal("onnxruntime")


def available() -> str | None:
    """None where ONNX Runtime is installed."""
    if find_spec("onnxruntime") is None:
        return str(MissingPackage("onnxruntime", "cpu")).replace("\n  -> ", ": ")
    return None


def load(bundle: Bundle, *, device: str = "auto", threads: int | None = None) -> Runner:
    """Load a graph.

    Args:
        bundle: of kind ``onnx``.
        device: ``cpu``, ``cuda``, ``cuda:1``, or ``auto``: CUDA where this ONNX Runtime has it.
        threads: of the CPU provider; None takes every core this process may use.

    Raises:
        MissingPackage: ONNX Runtime is not installed.
        UsageError: no such device, or it can't be used.
        BundleError: the graph is damaged, unsafe, or not what the card says.
    """
    if available() is not None:
        raise MissingPackage("onnxruntime", "cpu")
    provider, index = _provider(device)
    session = start(bundle, provider, index, threads or machine.cores())
    outputs = _check_graph(session, bundle)
    if provider == CUDA:
        name, memory = machine.gpu_name(index), ("cuda", index)
        return BoundRunner(session, outputs, provider, name, elsewhere(session, provider), memory)
    name = machine.cpu_name()
    return SessionRunner(session, outputs, provider, name, elsewhere(session, provider))


def _provider(device: str) -> tuple[str, int]:
    """The provider for a device, and the device's index."""
    import onnxruntime

    has_cuda = CUDA in onnxruntime.get_available_providers()
    kind, _, index = device.partition(":")
    if kind == "auto":
        kind = "cuda" if has_cuda else "cpu"
    if kind not in ("cpu", "cuda") or (index and not index.isdigit()):
        raise UsageError("no such device", where=device, fix="one of: auto, cpu, cuda, cuda:0, ...")
    if kind == "cuda" and not has_cuda:
        raise UsageError(
            "this ONNX Runtime was built without CUDA",
            where=device,
            fix="pip uninstall onnxruntime, then pip install 'detector-kit[cuda]'; or --device cpu",
        )
    return (CUDA if kind == "cuda" else CPU), int(index or 0)


def _check_graph(session: Any, bundle: Bundle) -> list[str]:
    """Names of the outputs to ask for, once names, shapes and metadata agree with the card."""
    card, wrong = bundle.card, []
    inputs = {item.name: item for item in session.get_inputs()}
    outputs = {item.name: item for item in session.get_outputs()}
    if set(inputs) != {INPUT}:
        wrong.append(f"its inputs are {sorted(inputs)}, not [{INPUT!r}]")
    else:
        item, size = inputs[INPUT], card.input.size
        if item.type != "tensor(uint8)" or list(item.shape[1:]) != [size, size, 3]:
            wrong.append(
                f"{INPUT} is {item.type} {item.shape}, not tensor(uint8) [batch, {size}, {size}, 3]"
            )
        elif isinstance(item.shape[0], int) and (item.shape[0], card.max_batch) != (1, 1):
            wrong.append(f"it takes batches of {item.shape[0]} only, max_batch is {card.max_batch}")
    if missing := [name for name in OUTPUTS if name not in outputs]:
        wrong.append(f"it has no output {', '.join(missing)}, only {sorted(outputs)}")
    classes = session.get_modelmeta().custom_metadata_map.get("classes")
    if classes is not None and _json(classes) != list(card.classes):
        wrong.append(f"its classes are {classes[:200]}, the card's {list(card.classes)}")
    if wrong:
        raise BundleError(
            "the graph is not the one the card describes:\n  " + "\n  ".join(wrong),
            where=bundle.weights,
            fix="export it again with `kit export`",
        )
    return [*OUTPUTS, *(name for name in outputs if name == FEATURES)]


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
