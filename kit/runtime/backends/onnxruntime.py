"""ONNX Runtime on the CPU, or on an NVIDIA GPU through its CUDA provider.

What was asked for is what runs: ONNX Runtime itself falls back to the CPU without an error, so the
provider is asserted and printed. A graph is loaded from its bytes alone; one that refers to files
beside it, or to operators of a foreign library, is refused.
"""

from __future__ import annotations

import json
import os
import tempfile
from importlib.util import find_spec
from time import perf_counter_ns
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit.bundle import Bundle
from kit.errors import BundleError, MissingPackage, RunFailed, UsageError
from kit.runtime import machine
from kit.runtime.contract import FEATURES, INPUT, OUTPUTS
from kit.types import RawDetections, Runner

SUFFIX = ".onnx"
_CPU, _CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"

_CUDA_OPTIONS = {
    "use_tf32": "0",  # ten bits where the graph says float32: fp32 must mean fp32
    "cudnn_conv_algo_search": "EXHAUSTIVE",  # slower to load, quicker to run
}

# From 1.29 on its official Linux builds report every session to their maker and leave a device id
# in the home folder. It looks once, when it is first imported, which is why no import stands above.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"


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
    session = _session(bundle, provider, index, threads or machine.cores())
    outputs = _check_graph(session, bundle)
    if provider == _CUDA:
        return BoundRunner(session, outputs, provider, machine.gpu_name(index), "cuda", index)
    return SessionRunner(session, outputs, provider, machine.cpu_name())


class SessionRunner:
    """Runs on the CPU, where there is nothing to copy."""

    at_once = True

    def __init__(self, session: Any, outputs: list[str], provider: str, device: str) -> None:
        self._session, self._outputs = session, outputs
        self.provider, self.device, self.staged = provider, device, False
        self.elsewhere = _elsewhere(session, provider)

    def run(self, images: NDArray[np.uint8]) -> RawDetections:
        start = perf_counter_ns()
        try:
            answer = self._session.run(self._outputs, {INPUT: images})
        except Exception as error:  # ONNX Runtime's errors share no base of their own
            raise _failed(error, self.device) from error
        return _raw(answer, {"run": perf_counter_ns() - start})


class BoundRunner:
    """Runs where input and outputs live in the device's memory, so that copies can be timed."""

    at_once = False  # there is one buffer

    def __init__(
        self, session: Any, outputs: list[str], provider: str, device: str, kind: str, index: int
    ) -> None:
        self._session, self._outputs, self._kind, self._index = session, outputs, kind, index
        self.provider, self.device, self.staged = provider, device, False
        self.elsewhere = _elsewhere(session, provider)
        self._inputs: dict[tuple[int, ...], Any] = {}
        self._binding = session.io_binding()

    def run(self, images: NDArray[np.uint8]) -> RawDetections:
        import onnxruntime

        start = perf_counter_ns()
        try:
            images = np.ascontiguousarray(images)
            value = self._inputs.get(images.shape)
            if value is None:
                value = onnxruntime.OrtValue.ortvalue_from_numpy(images, self._kind, self._index)
                self._inputs = {images.shape: value}  # one buffer: batches rarely change size
            else:
                value.update_inplace(images)
            self._binding.bind_ortvalue_input(INPUT, value)
            for name in self._outputs:
                self._binding.bind_output(name, self._kind, self._index)
            if self.staged:
                self._binding.synchronize_inputs()
            copied = perf_counter_ns()
            self._session.run_with_iobinding(self._binding)
            if self.staged:
                self._binding.synchronize_outputs()
            ran = perf_counter_ns()
            answer = [value.numpy() for value in self._binding.get_outputs()]
        except Exception as error:  # ONNX Runtime's errors share no base of their own
            raise _failed(error, self.device) from error
        end = perf_counter_ns()
        stages = {"run": end - start}
        if self.staged:
            stages = {"copy_in": copied - start, "run": ran - copied, "copy_out": end - ran}
        return _raw(answer, stages)


def _provider(device: str) -> tuple[str, int]:
    """The provider for a device, and the device's index."""
    import onnxruntime

    has_cuda = _CUDA in onnxruntime.get_available_providers()
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
    return (_CUDA if kind == "cuda" else _CPU), int(index or 0)


def _session(bundle: Bundle, provider: str, index: int, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised, and told once
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    # threads wait busily inside a run, where that is quickest, and leave the cores to decoding and
    # fitting between runs
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    wanted: list[Any] = [provider]
    if provider == _CUDA:
        if hasattr(onnxruntime, "preload_dlls"):
            onnxruntime.preload_dlls(directory="")
        # ORT keeps shape arithmetic on the CPU
        wanted = [(_CUDA, {"device_id": str(index), **_CUDA_OPTIONS}), _CPU]
    with tempfile.TemporaryDirectory() as empty:
        # external data is looked for where there is none
        key = "session.model_external_initializers_file_folder_path"
        options.add_session_config_entry(key, f"{empty}/")
        try:
            session = onnxruntime.InferenceSession(
                bundle.weights.read_bytes(),
                options,
                providers=wanted,
                # it makes integers of biases that are meant to be float, and in half precision
                # their scales vanish: int8 graphs then answer nonsense
                disabled_optimizers=["WeightBiasQuantization"],
            )
        except Exception as error:  # ONNX Runtime's errors share no base of their own
            raise _refused(error, bundle) from error
    real = session.get_providers()[0]
    if real != provider:
        raise UsageError(
            f"ONNX Runtime could not start {provider} and fell back to {real}",
            where=bundle.directory,
            fix="mend the driver and CUDA libraries, or ask for the fallback with --device cpu",
        )
    return session


def _elsewhere(session: Any, provider: str) -> tuple[str, ...] | None:
    """Nodes that ONNX Runtime gave to another provider."""
    try:
        parts = session.get_provider_graph_assignment_info()
    except (AttributeError, RuntimeError):  # from ONNX Runtime 1.24 on
        return None
    return tuple(
        node.name or node.op_type
        for part in parts
        if part.ep_name != provider
        for node in part.get_nodes()
    )


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
        wrong.append(f"its classes are {classes}, the card's {list(card.classes)}")
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
    except ValueError:
        return None


def _raw(answer: list[Any], stages_ns: dict[str, int]) -> RawDetections:
    return RawDetections(answer[0], answer[1], answer[2] if len(answer) > 2 else None, stages_ns)


def _refused(error: Exception, bundle: Bundle) -> Exception:
    """Our words for why a graph didn't load."""
    text = str(error).partition("] : ")[2] or str(error)
    if "xternal data" in text or "model_path must not be empty" in text:
        return BundleError(
            "the graph refers to files outside itself, which is not allowed", where=bundle.weights
        )
    if "not a registered function/op" in text or "is not a registered" in text:
        return BundleError(
            "the graph needs operators that are not part of ONNX Runtime, which is not allowed",
            where=bundle.weights,
        )
    if "CUDA" in text or "cudnn" in text.lower():
        return UsageError(
            f"the GPU can't be used ({_brief(text)})", where=bundle.directory, fix="--device cpu"
        )
    return BundleError(
        f"ONNX Runtime can't load the graph ({_brief(text)})",
        where=bundle.weights,
        fix="export it again with `kit export`",
    )


def _failed(error: Exception, device: str) -> RunFailed:
    return RunFailed(f"ONNX Runtime failed ({_brief(str(error))})", where=device)


def _brief(text: str) -> str:
    return " ".join(text.split())[:300]
