"""Prints which names and signatures a version of TensorRT or of NVIDIA's CUDA binding has.

    python tests/doubles/surface.py tensorrt > tests/doubles/tensorrt-11.4.json
    python tests/doubles/surface.py cuda > tests/doubles/cuda-13.5.json

What it prints is read from the binding itself, so nothing is remembered wrongly. TensorRT's
libraries are large, and need a GPU to do anything; its bindings (the wheels tensorrt_cu12_bindings
and tensorrt_cu13_bindings) can be looked at without them: give the loader empty libraries of the
names that `readelf -d tensorrt.so` lists, with the few functions that `nm -D --undefined-only`
shows, and import ``tensorrt_bindings.tensorrt``. `origin` in each list was written by hand: the
wheel it was read from, and the commit of NVIDIA's published sources that belongs to it.
"""

from __future__ import annotations

import json
import re
import sys
from importlib import import_module
from typing import Any

CLASSES = (
    "Builder", "Dims", "EngineInspector", "IBuilderConfig", "ICudaEngine", "IExecutionContext",
    "IHostMemory", "ILogger", "INetworkDefinition", "IOptimizationProfile", "IProgressMonitor",
    "ITensor", "ITimingCache", "Logger", "OnnxParser", "ParserError", "Runtime",
)  # fmt: skip


ENUMS = (
    "BuilderFlag", "DataType", "ErrorCode", "ExecutionContextAllocationStrategy",
    "HardwareCompatibilityLevel", "ILogger.Severity", "LayerInformationFormat", "MemoryPoolType",
    "NetworkDefinitionCreationFlag", "OnnxParserFlag", "PreviewFeature", "ProfilingVerbosity",
    "QuantizationFlag", "TacticSource", "TensorIOMode", "TensorLocation",
)  # fmt: skip


def tensorrt() -> dict[str, Any]:
    """Classes with their methods, overload by overload, and properties; enums with members."""
    try:
        library = import_module("tensorrt_bindings.tensorrt")
        version = import_module("tensorrt_bindings").__version__
    except (ModuleNotFoundError, ImportError, AttributeError):
        library = import_module("tensorrt")
        version = library.__version__
    enums = {}
    for name, value in sorted(vars(library).items()):
        for owner, each in ((name, value), *((f"{name}.{k}", v) for k, v in _inner(value))):
            if owner in ENUMS and hasattr(each, "__members__"):
                enums[owner] = {key: int(one) for key, one in each.__members__.items()}
    classes = {name: _class(getattr(library, name)) for name in CLASSES}
    names = [name for name in dir(library) if not name.startswith("_")]
    return {"version": version, "names": names, "enums": enums, "classes": classes}


def cuda() -> dict[str, Any]:
    """Functions with their parameters, enums and constants with values, fields of a device."""
    from importlib.metadata import version

    from cuda.bindings import runtime

    functions, enums, constants = {}, {}, {}
    for name in sorted(dir(runtime)):
        value = getattr(runtime, name)
        if isinstance(value, int) and name.startswith("cuda"):
            constants[name] = value
        elif hasattr(value, "__members__"):
            enums[name] = {key: int(each) for key, each in value.__members__.items()}
        elif name.startswith("cuda") and callable(value) and not isinstance(value, type):
            told = re.match(rf"{name}\((.*)\)", (value.__doc__ or "").strip())
            if told:
                functions[name] = [part.strip() for part in told[1].split(",") if part.strip()]
    kept = ("cudaError_t", "cudaMemcpyKind", "cudaStreamCaptureMode")
    return {
        "version": version("cuda-bindings"),
        "functions": functions,
        "enums": {name: enums[name] for name in kept},
        "constants": constants,
        "device": [name for name in dir(runtime.cudaDeviceProp) if not name.startswith("_")],
    }


def _inner(value: Any) -> list[tuple[str, Any]]:
    return list(vars(value).items()) if isinstance(value, type) else []


def _class(kind: Any) -> dict[str, Any]:
    methods, reads, writes = {}, [], []
    for name in dir(kind):
        if name.startswith(("_", "add_")) and name != "add_optimization_profile":
            continue  # layers are the parser's to add
        value = getattr(kind, name)
        if isinstance(value, property):
            reads += [name] if value.fget else []
            writes += [name] if value.fset else []
        elif callable(value) and not isinstance(value, type):
            methods[name] = _overloads(name, value.__doc__ or "")
    init = _overloads("__init__", kind.__init__.__doc__ or "")
    return {"init": init, "methods": methods, "reads": reads, "writes": writes}


def _overloads(name: str, doc: str) -> list[list[str]]:
    """Parameters of each way to call it, without self."""
    found = re.findall(rf"^(?:\d+\. )?{name}\((self.*)\) ->", doc, re.MULTILINE)
    return [[_plain(part) for part in _split(each)][1:] for each in found]


def _split(text: str) -> list[str]:
    parts, depth = [""], 0
    for sign in text:
        depth += (sign in "[(<") - (sign in "])>")
        if sign == "," and not depth:
            parts.append("")
        else:
            parts[-1] += sign
    return [part.strip() for part in parts]


def _plain(parameter: str) -> str:
    """Modules away, and one word for what differs between versions of the tool that wrote it."""
    text = re.sub(r"\b(tensorrt_bindings\.)?tensorrt\.|nvinfer1::|nvonnxparser::", "", parameter)
    text = re.sub(r"typing\.Supports(Int|Float)", lambda found: found[1].lower(), text)
    text = re.sub(r"typing(_extensions)?\.|collections\.abc\.", "", text)
    text = re.sub(r"\b(List|Sequence)\[", "list[", text)
    text = re.sub(r"<(\w+)\.(\w+): \d+>", r"\1.\2", text)
    return text.replace("Buffer", "buffer")


def _lines(value: dict[str, Any]) -> str:
    """JSON with a line for each entry of each part: one that is changed can be seen as one."""
    parts = []
    for name, part in value.items():
        if isinstance(part, dict):
            rows = ",\n".join(
                f"  {json.dumps(key)}: {json.dumps(each)}" for key, each in part.items()
            )
            parts.append(f" {json.dumps(name)}: {{\n{rows}\n }}")
        else:
            parts.append(f" {json.dumps(name)}: {json.dumps(part)}")
    return "{\n" + ",\n".join(parts) + "\n}"


if __name__ == "__main__":
    print(_lines({"tensorrt": tensorrt, "cuda": cuda}[sys.argv[1]]()))
