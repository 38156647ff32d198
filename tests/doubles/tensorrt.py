"""A stand-in for the package ``tensorrt`` of one version: it takes what that version takes.

An "engine" here is the ONNX graph with a header, and running it runs the graph on the CPU with ONNX
Runtime, reading and writing the memory of :class:`doubles.cuda.Cuda`. So what comes out is real,
and a copy forgotten, a shape not set or an address mixed up shows in the boxes.
"""

from __future__ import annotations

import json
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
import onnxruntime

from .cuda import Cuda
from .strict import enums, strict, surface

MAGIC = b"DOUBLE-ENGINE"
_WORDS = {
    "10.3": {"fp32": "Row major linear FP32 format", "fp16": "Row major linear FP16 format",
             "int8": "Thirty-two wide channel vectorized row major Int8 format"},
    "11.4": {"fp32": "Float", "fp16": "Half", "int8": "Int8"},
}  # fmt: skip
_NUMPY = {1: "FLOAT", 2: "UINT8", 3: "INT8", 10: "HALF"}


@dataclass
class Faults:
    """What shall go wrong.

    Attributes:
        parse: message of the parser for the first node.
        build: log line of a build that fails.
        deserialize: log line of an engine that is not taken.
        context: whether there is no room for a context.
        shape: whether a shape is not taken.
        enqueue: log line of a run that fails.
        silent_float32: whether the engine comes out in float32, whatever the graph.
        cache: whether the timing cache on disk is of another GPU.
        on_step: called at each step of a build.
    """

    parse: str = ""
    build: str = ""
    deserialize: str = ""
    context: bool = False
    shape: bool = False
    enqueue: str = ""
    silent_float32: bool = False
    cache: bool = False
    on_step: Callable[[int], None] | None = None


@dataclass
class Seen:
    """What was asked of the builder."""

    flags: list[str] = field(default_factory=list)
    config: dict[str, Any] = field(default_factory=dict)
    profile: Any = None
    network_flags: int = 0
    steps: int = 0


def module(version: str, cuda: Cuda, faults: Faults, seen: Seen) -> types.ModuleType:
    """The package; ``version`` is ``10.3`` or ``11.4``."""
    listed = surface(f"tensorrt-{version}")
    library = types.ModuleType("tensorrt")
    library.__version__ = listed["version"]  # type: ignore[attr-defined]
    space: dict[str, Any] = dict(enums(listed))
    made: dict[str, type] = {}

    def complain(logger: Any, text: str) -> None:
        severity = space["ILogger.Severity"]
        logger.log(severity.INFO, "not to be told")
        if text:
            logger.log(severity.ERROR, text)

    class ILogger:
        def __init__(self) -> None: ...

        Severity = space["ILogger.Severity"]

    class IProgressMonitor:
        def __init__(self) -> None: ...

    class IHostMemory:
        def __init__(self, content: bytes) -> None:
            self._content = content

        def __bytes__(self) -> bytes:
            return self._content

    class ITimingCache:
        def __init__(self, content: bytes) -> None:
            self._content = content

        def serialize(self) -> Any:
            return made["IHostMemory"](self._content + b"timed")

    class IOptimizationProfile:
        def set_shape(self, input: str, min: Any, opt: Any, max: Any) -> None:
            if not all(a <= b <= c for a, b, c in zip(min, opt, max, strict=True)):
                raise RuntimeError("Shape provided for opt is inconsistent with other shapes.")
            self._shapes = {input: (tuple(min), tuple(opt), tuple(max))}

    class IBuilderConfig:
        def __init__(self) -> None:
            self._cache: Any = None

        def clear_flag(self, flag: Any) -> None:
            seen.flags.append(f"-{flag.name}")

        def set_flag(self, flag: Any) -> None:
            seen.flags.append(f"+{flag.name}")

        def set_memory_pool_limit(self, pool: Any, pool_size: int) -> None:
            seen.config[pool.name] = pool_size

        def add_optimization_profile(self, profile: Any) -> int:
            seen.profile = profile._shapes
            return 0

        def create_timing_cache(self, serialized_timing_cache: Any) -> Any:
            return made["ITimingCache"](bytes(serialized_timing_cache))

        def set_timing_cache(self, cache: Any, ignore_mismatch: bool) -> bool:
            if cache._content and faults.cache and not ignore_mismatch:
                return False
            self._cache = cache
            return True

        def get_timing_cache(self) -> Any:
            return self._cache

    class ITensor:
        def __init__(self, told: Any) -> None:
            self._told = told

        @property
        def shape(self) -> tuple[int, ...]:
            sizes = self._told.type.tensor_type.shape.dim
            return tuple(each.dim_value if each.HasField("dim_value") else -1 for each in sizes)

    class INetworkDefinition:
        def __init__(self) -> None:
            self._model: Any = None

        def get_input(self, index: int) -> Any:
            return made["ITensor"](self._model.graph.input[index])

    class ParserError:
        def __init__(self, node: Any, text: str) -> None:
            self._node, self._text = node, text

        def node_name(self) -> str:
            return str(self._node.name)

        def node_operator(self) -> str:
            return str(self._node.op_type)

        def desc(self) -> str:
            return self._text

    class OnnxParser:
        def __init__(self, network: Any, logger: Any) -> None:
            self._network, self._logger = network, logger

        def parse(self, model: Any, path: str | None = None) -> bool:
            try:
                self._network._model = onnx.load_from_string(bytes(model))
                onnx.checker.check_model(self._network._model)
            except Exception as error:
                complain(self._logger, f"ModelImporter failed: {error}")
                return False
            return not faults.parse

        @property
        def num_errors(self) -> int:
            return 1 if faults.parse else 0

        def get_error(self, index: int) -> Any:
            return made["ParserError"](self._network._model.graph.node[index], faults.parse)

    class Builder:
        def __init__(self, logger: Any) -> None:
            self._logger = logger

        def create_network(self, flags: int = 0) -> Any:
            seen.network_flags = flags
            return made["INetworkDefinition"]()

        def create_builder_config(self) -> Any:
            return made["IBuilderConfig"]()

        def create_optimization_profile(self) -> Any:
            return made["IOptimizationProfile"]()

        def build_serialized_network(self, network: Any, config: Any) -> Any:
            for name in listed["classes"]["IBuilderConfig"]["writes"]:
                if name in vars(config):
                    seen.config[name] = vars(config)[name]
            monitor = vars(config).get("progress_monitor")
            if monitor is not None:
                monitor.phase_start("Building", None, 3)
                for step in range(3):
                    if faults.on_step is not None:
                        faults.on_step(step)
                    seen.steps += 1
                    if not monitor.step_complete("Building", step):
                        return None
                monitor.phase_finish("Building")
            if faults.build:
                complain(self._logger, faults.build)
                return None
            dynamic = network.get_input(0).shape[0] == -1
            assert dynamic == (seen.profile is not None), "a dynamic input needs a profile"
            head = json.dumps({"version": listed["version"], "profile": seen.profile}).encode()
            onnx_bytes = network._model.SerializeToString()
            return made["IHostMemory"](MAGIC + len(head).to_bytes(4, "little") + head + onnx_bytes)

    class Runtime:
        def __init__(self, logger: Any) -> None:
            self._logger = logger

        def deserialize_cuda_engine(self, serialized_engine: Any) -> Any:
            content = bytes(serialized_engine)
            if faults.deserialize or not content.startswith(MAGIC):
                complain(self._logger, faults.deserialize or "Magic tag does not match")
                return None
            start = len(MAGIC) + 4
            size = int.from_bytes(content[len(MAGIC) : start], "little")
            head = json.loads(content[start : start + size])
            if head["version"] != listed["version"]:
                complain(self._logger, "The engine plan file is not compatible with this version")
                return None
            return made["ICudaEngine"](self, head["profile"], content[start + size :])

    class ICudaEngine:
        def __init__(self, runtime: Any, profile: Any, content: bytes) -> None:
            self._runtime, self._profile, self._content = runtime, profile, content
            graph = onnx.load_from_string(content).graph
            self._tensors = {each.name: each for each in (*graph.input, *graph.output)}
            self._inputs = [each.name for each in graph.input]

        @property
        def num_io_tensors(self) -> int:
            return len(self._tensors)

        def get_tensor_name(self, index: int) -> str:
            return list(self._tensors)[index]

        def get_tensor_mode(self, name: str) -> Any:
            modes = space["TensorIOMode"]
            return modes.INPUT if name in self._inputs else modes.OUTPUT

        def get_tensor_dtype(self, name: str) -> Any:
            kind = self._tensors[name].type.tensor_type.elem_type
            return space["DataType"][_NUMPY[kind]]

        def get_tensor_shape(self, name: str) -> Any:
            return made["ITensor"](self._tensors[name]).shape

        def get_tensor_profile_shape(self, name: str, profile_index: int) -> Any:
            return [tuple(each) for each in self._profile[name]]

        def create_execution_context(self) -> Any:
            if faults.context:
                complain(self._runtime._logger, "out of memory")
                return None
            return made["IExecutionContext"](self)

        def create_engine_inspector(self) -> Any:
            return made["EngineInspector"](self)

    class IExecutionContext:
        def __init__(self, engine: Any) -> None:
            self._engine, self._batch = engine, None
            self._addresses: dict[str, int] = {}
            self._session = onnxruntime.InferenceSession(
                engine._content, disabled_optimizers=["WeightBiasQuantization"]
            )
            if engine._profile is None:
                self._batch = engine.get_tensor_shape(engine._inputs[0])[0]

        def set_input_shape(self, name: str, shape: Any) -> bool:
            low, high = (self._engine._profile or {name: (shape, None, shape)})[name][::2]
            if faults.shape or not all(
                a <= b <= c for a, b, c in zip(low, shape, high, strict=True)
            ):
                complain(self._engine._runtime._logger, "the shape is not in the profile")
                return False
            self._batch = shape[0]
            return True

        def infer_shapes(self) -> list[str]:
            return [] if self._batch else list(self._engine._inputs)

        def get_tensor_shape(self, name: str) -> Any:
            first, *rest = self._engine.get_tensor_shape(name)
            return (self._batch if first == -1 and self._batch else first, *rest)

        def set_tensor_address(self, name: str, memory: int) -> bool:
            self._addresses[name] = memory
            return name in self._engine._tensors

        def execute_async_v3(self, stream_handle: int) -> bool:
            if faults.enqueue:
                complain(self._engine._runtime._logger, faults.enqueue)
                return False
            if cuda.recording(stream_handle) and not cuda.records:
                return False
            shapes = {name: self.get_tensor_shape(name) for name in self._engine._tensors}
            assert set(self._addresses) == set(shapes), "every tensor needs an address"
            addresses = dict(self._addresses)  # as they are now: a graph keeps them

            def run() -> None:
                kinds = {"UINT8": np.uint8, "FLOAT": np.float32, "HALF": np.float16}
                arrays = {}
                for name, shape in shapes.items():
                    kind = kinds[self._engine.get_tensor_dtype(name).name]
                    size = int(np.prod(shape)) * np.dtype(kind).itemsize
                    arrays[name] = cuda.view(addresses[name], size).view(kind).reshape(shape)
                names = self._engine._inputs
                outputs = [name for name in arrays if name not in names]
                answer = self._session.run(outputs, {name: arrays[name] for name in names})
                for name, value in zip(outputs, answer, strict=True):
                    arrays[name][...] = value
                cuda.log.append(("run", self._batch))

            cuda.queue(stream_handle, run)
            return True

    class EngineInspector:
        def __init__(self, engine: Any) -> None:
            self._engine = engine

        def get_engine_information(self, format: Any) -> str:
            assert format.name == "JSON"
            context = vars(self).get("execution_context")
            known = self._engine._profile is None or (context is not None and context._batch)
            graph = onnx.load_from_string(self._engine._content).graph
            weights = {each.name: each.data_type for each in graph.initializer}
            makers = {name: node for node in graph.node for name in node.output}
            layers: list[Any] = []
            for node in graph.node:
                sources = [makers[name] for name in node.input if name in makers]
                quantised = any(each.op_type == "DequantizeLinear" for each in sources)
                kinds = {weights[name] for name in node.input if name in weights}
                if node.op_type not in ("Conv", "Gemm", "MatMul", "Mul") or not (
                    quantised or kinds & {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16}
                ):
                    continue
                half = onnx.TensorProto.FLOAT16 in kinds
                kind = "int8" if quantised else "fp16" if half else "fp32"
                word = _WORDS[version]["fp32" if faults.silent_float32 else kind]
                told = word if known else "N/A due to dynamic shapes"
                tensor = {"Name": node.name, "Dimensions": [1], "Format/Datatype": told}
                layers.append(
                    {"Name": node.name, "LayerType": "CaskConvolution", "Inputs": [tensor],
                     "Outputs": [tensor]}
                )  # fmt: skip
            if seen.config.get("profiling_verbosity") != space["ProfilingVerbosity"].DETAILED:
                layers = [layer["Name"] for layer in layers]
            return json.dumps({"Layers": layers, "Bindings": []})

    for kind in (
        ILogger, IProgressMonitor, IHostMemory, ITimingCache, IOptimizationProfile, IBuilderConfig,
        ITensor, INetworkDefinition, ParserError, OnnxParser, Builder, Runtime, ICudaEngine,
        IExecutionContext, EngineInspector,
    ):  # fmt: skip
        made[kind.__name__] = strict(kind, listed, space)
    made["ILogger"].Severity = space["ILogger.Severity"]  # type: ignore[attr-defined]
    space.update(made)
    for name, value in space.items():
        if "." not in name and (name in listed["names"] or name in made):
            setattr(library, name, value)
    return library
