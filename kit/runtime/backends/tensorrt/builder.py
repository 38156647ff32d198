"""From the ONNX graph to an engine: one strongly typed path for TensorRT 10.3 to 11.

Precision stands in the graph, so there is no flag for it (11 has none left). What TensorRT made of
it is read back from the engine: a build that silently came out in float32 has fooled others.
"""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from kit.bundle import Bundle, Precision
from kit.cards import cache_folder
from kit.errors import BundleError, GateRefused, OutOfMemory, RunFailed, UsageError
from kit.files import write_bytes
from kit.progress import SILENT, Progress
from kit.runtime.backends import CompileOptions
from kit.runtime.backends.tensorrt.cuda import Device, check, runtime
from kit.runtime.contract import INPUT
from kit.runtime.plain_graph import read_graph

VERSIONS = (10, 3), (12, 0)
"""TensorRT from the first on, up to but without the second."""

_TOLD = 8  # last messages of TensorRT's log that an error repeats
_POLL_S = 0.2
_KINDS = {"int8": r"\bint8\b", "fp16": r"\b(fp16|half)\b", "fp32": r"\b(fp32|float)\b"}
"""How the inspector of TensorRT 10 and 11 words a tensor's type, the lowest first."""

_SHARE = 0.3
"""Least share of typed layers that must compute in the precision asked for. What stays in float32
is decoding: a few layers of a hundred, more where int8 leaves its rest in float."""


@dataclass(frozen=True, eq=False)
class Log:
    """TensorRT's log: its logger, and the warnings and errors it was given."""

    logger: Any
    lines: list[str]

    def tail(self) -> str:
        """The last lines, for an error message."""
        return "".join(f"\n  {line}" for line in self.lines[-_TOLD:])


@cache
def trt() -> Any:
    """The package.

    Raises:
        UsageError: a version that this was not written for.
    """
    import tensorrt

    version = tuple(int(part) for part in tensorrt.__version__.split(".")[:2])
    if not VERSIONS[0] <= version < VERSIONS[1]:
        raise UsageError(
            f"TensorRT {tensorrt.__version__} is not among the versions known here, "
            f"{'.'.join(map(str, VERSIONS[0]))} to 11",
            fix="pip install 'tensorrt>=10.3,<12'",
        )
    return tensorrt


@cache
def log() -> Log:
    """The one logger of this process: TensorRT wants its objects to share one."""
    library = trt()
    lines: list[str] = []

    class Logger(library.ILogger):  # type: ignore[name-defined,misc]
        def __init__(self) -> None:
            library.ILogger.__init__(self)

        def log(self, severity: Any, msg: str) -> None:
            if severity in (library.ILogger.Severity.INFO, library.ILogger.Severity.VERBOSE):
                return
            lines.append(" ".join(msg.split()))
            del lines[:-100]

    logger: Any = Logger
    return Log(logger(), lines)


def build(
    bundle: Bundle, device: Device, options: CompileOptions, progress: Progress = SILENT
) -> bytes:
    """Build an engine from an ONNX bundle.

    Raises:
        BundleError: TensorRT can't read the graph.
        OutOfMemory: of the GPU.
        RunFailed: it can't build it; the message ends with its log.
        KeyboardInterrupt: stopped; what there is of an engine is dropped.
    """
    library, told = trt(), log()
    told.lines.clear()
    builder = library.Builder(told.logger)
    # from 11 on every network is strongly typed, and the flag says nothing new
    flag = int(library.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(1 << flag)
    _parse(library, network, bundle, told)
    config = builder.create_builder_config()
    config.clear_flag(library.BuilderFlag.TF32)  # fp32 means fp32
    config.builder_optimization_level = options.level
    config.profiling_verbosity = library.ProfilingVerbosity.DETAILED  # else no types are told
    if options.workspace_mb is not None:
        size = options.workspace_mb << 20
        config.set_memory_pool_limit(library.MemoryPoolType.WORKSPACE, size)
    shape = tuple(network.get_input(0).shape)
    if shape[0] == -1:
        largest = min(options.largest_batch, bundle.card.max_batch or options.largest_batch)
        batches = (1, min(options.likely_batch, largest), largest)
        profile = builder.create_optimization_profile()
        profile.set_shape(INPUT, *((batch, *shape[1:]) for batch in batches))
        config.add_optimization_profile(profile)
    timings = _Timings.open(config, library, device, progress)
    stop = threading.Event()
    monitor = _monitor(library, stop, progress)  # held: not every version's config keeps it alive
    config.progress_monitor = monitor
    plan = _heeding_stops(
        lambda: builder.build_serialized_network(network, config), stop, device.index
    )
    if plan is None:
        kind = OutOfMemory if "out of memory" in told.tail().lower() else RunFailed
        raise kind(
            f"TensorRT {library.__version__} can't build an engine:{told.tail()}",
            where=bundle.weights,
            fix="try a smaller --max-batch, a --workspace, or another --precision of the export",
        )
    timings.save(config, progress)
    return bytes(plan)


def layers(engine: Any, context: Any) -> Mapping[str, int]:
    """How many layers of an engine compute in which precision, by the lowest of their tensors.

    Args:
        context: with a shape set: without one the inspector doesn't know a dynamic tensor's type.
    """
    inspector = engine.create_engine_inspector()
    inspector.execution_context = context
    told = inspector.get_engine_information(trt().LayerInformationFormat.JSON)
    counts: Counter[str] = Counter()
    for layer in json.loads(told)["Layers"]:
        if not isinstance(layer, dict):  # a bare name: the engine was built without details
            counts["other"] += 1
            continue
        tensors = [*layer.get("Inputs", ()), *layer.get("Outputs", ())]
        words = " ".join(str(each.get("Format/Datatype", "")) for each in tensors).lower()
        found = (name for name, word in _KINDS.items() if re.search(word, words))
        counts[next(found, "other")] += 1
    return {name: counts[name] for name in (*_KINDS, "other")}


def require_precision(counts: Mapping[str, int], asked: Precision) -> None:
    """Refuse an engine that doesn't compute in the precision of its graph.

    Raises:
        GateRefused: with what it computes in.
    """
    typed = sum(counts[name] for name in _KINDS)
    right = counts[asked] + (counts["int8"] if asked == "fp16" else 0)
    lower = {"fp32": counts["int8"] + counts["fp16"], "fp16": counts["int8"], "int8": 0}[asked]
    if not typed or right < _SHARE * typed or lower:
        shown = ", ".join(f"{count} in {name}" for name, count in counts.items() if count)
        raise GateRefused(
            f"the graph is {asked}, but of the engine's layers compute {shown or 'none'}; "
            "no bundle was written",
            fix="export the graph again with `kit export`, or report it with `kit doctor`",
        )


def _parse(library: Any, network: Any, bundle: Bundle, told: Log) -> None:
    parser = library.OnnxParser(network, told.logger)
    if parser.parse(read_graph(bundle.weights)):
        return
    errors = [parser.get_error(index) for index in range(parser.num_errors)]
    reasons = [f"{error.node_name()} ({error.node_operator()}): {error.desc()}" for error in errors]
    raise BundleError(
        f"TensorRT {library.__version__} can't read the graph:"
        + "".join(f"\n  {' '.join(reason.split())}" for reason in reasons[:_TOLD]),
        where=bundle.weights,
        fix="export it again with `kit export`",
    )


def _heeding_stops(work: Callable[[], Any], stop: threading.Event, device: int) -> Any:
    """Do long work on a thread of its own, so that Ctrl-C is heard meanwhile.

    Args:
        stop: set on Ctrl-C; the work ends soon after.
        device: index of the GPU; every thread has one of its own.
    """
    answer: list[Any] = []
    failure: list[BaseException] = []
    done = threading.Event()  # a join that Ctrl-C interrupts takes the thread for ended

    def target() -> None:
        try:
            check(runtime().cudaSetDevice(device))
            answer.append(work())
        except BaseException as error:  # told by the thread that waits
            failure.append(error)
        finally:
            done.set()

    thread = threading.Thread(target=target, name="tensorrt build")
    try:
        thread.start()
        while not done.wait(_POLL_S):
            pass
    except BaseException:
        stop.set()
        if thread.ident is not None:
            done.wait()
        raise
    if failure:
        raise failure[0]
    return answer[0]


def _monitor(library: Any, stop: threading.Event, progress: Progress) -> Any:
    class Monitor(library.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            library.IProgressMonitor.__init__(self)

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            if not parent_phase:
                progress.note(f"{phase_name}: {num_steps} steps")

        def step_complete(self, phase_name: str, step: int) -> bool:
            return not stop.is_set()

        def phase_finish(self, phase_name: str) -> None:
            """Nothing to tell."""

    monitor: Any = Monitor
    return monitor()


@dataclass(frozen=True, eq=False)
class _Timings:
    """What TensorRT measured of kernels, kept for the next build of this version on this GPU."""

    path: Path

    @classmethod
    def open(cls, config: Any, library: Any, device: Device, progress: Progress) -> _Timings:
        name = "-".join((library.__version__, device.capability, *device.name.split()))
        path = cache_folder() / "tensorrt" / f"{name}.timings"
        known = path.read_bytes() if path.is_file() else b""
        cache = config.create_timing_cache(known)
        if cache is None or not config.set_timing_cache(cache, False):
            progress.note(f"warning: {path} holds timings of another GPU or version: made anew")
            config.set_timing_cache(config.create_timing_cache(b""), False)
        return cls(path)

    def save(self, config: Any, progress: Progress) -> None:
        try:
            write_bytes(self.path, bytes(config.get_timing_cache().serialize()))
        except OSError as error:  # the engine is built; the next build will only take longer
            progress.note(f"warning: timings can't be kept ({error})")
