"""Starting a session with the provider that was asked for, and with no other."""

from __future__ import annotations

from typing import Any

from kit.bundle import Bundle
from kit.errors import BundleError, UsageError
from kit.runtime.plain_graph import read_graph

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"

_CUDA_OPTIONS = {
    "use_tf32": "0",  # ten bits where the graph says float32: fp32 must mean fp32
    "cudnn_conv_algo_search": "EXHAUSTIVE",  # slower to load, quicker to run
}


def start(bundle: Bundle, provider: str, index: int, threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what goes wrong is raised, and told once
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    # threads wait busily inside a run, where that is quickest, and leave the cores to decoding and
    # fitting between runs
    options.add_session_config_entry("session.force_spinning_stop", "1")
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    graph = read_graph(bundle.weights)
    wanted: list[list[Any]] = [[provider]]
    if provider == CUDA:
        if hasattr(onnxruntime, "preload_dlls"):
            onnxruntime.preload_dlls(directory="")
        facts = {"device_id": str(index), **_CUDA_OPTIONS}
        # recording graphs is refused where work other than shape arithmetic is left to the CPU
        wanted = [[(CUDA, {**facts, "enable_cuda_graph": "1"}), CPU], [(CUDA, facts), CPU]]
    session = _first(bundle, graph, options, wanted)
    real = session.get_providers()[0]
    if real != provider:
        raise UsageError(
            f"ONNX Runtime could not start {provider} and fell back to {real}",
            where=bundle.directory,
            fix="mend the driver and CUDA libraries, or ask for the fallback with --device cpu",
        )
    return session


def _first(bundle: Bundle, graph: bytes, options: Any, wanted: list[list[Any]]) -> Any:
    """A session with the first of the lists of providers that it can be started with."""
    import onnxruntime

    *others, last = wanted
    for providers in (*others, last):
        try:
            return onnxruntime.InferenceSession(
                graph,
                options,
                providers=providers,
                # it makes integers of biases that are meant to be float, and in half precision
                # their scales vanish: int8 graphs then answer nonsense
                disabled_optimizers=["WeightBiasQuantization"],
            )
        except Exception as error:  # ONNX Runtime's errors share no base of their own
            if providers is last or "as requested by the user" not in str(error):
                raise _refused(error, bundle) from error
    raise AssertionError("there is always a last one")


def elsewhere(session: Any, provider: str) -> tuple[str, ...] | None:
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


def _refused(error: Exception, bundle: Bundle) -> Exception:
    """Our words for why a graph didn't load."""
    text = str(error).partition("] : ")[2] or str(error)
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


def _brief(text: str) -> str:
    return " ".join(text.split())[:300]
