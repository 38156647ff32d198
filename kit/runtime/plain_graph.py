"""Whether an ONNX file is all there is to it: no data in other files, no operators of a library.

Read from the file's own encoding before anything that is written in C gets to see it, so that what
a graph may reach doesn't hang on what the engine of the day lets it. Field numbers are those of
onnx.proto3; the encoding is Protocol Buffers'.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kit.errors import BundleError
from kit.files import read_limited

MOST = (1 << 31) - 1
"""Bytes of a graph: what Protocol Buffers can hold. Detectors have a tenth of it."""

DOMAINS = frozenset({b"", b"ai.onnx", b"ai.onnx.ml", b"com.microsoft"})
"""Sets of operators that come with the engines; any other is code from elsewhere."""

DEEPEST = 16
"""Graphs inside graphs; parsers in C recurse into each."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_GRAPH, _FUNCTIONS, _TRAINING = 7, 25, 20  # of a model
_NODE, _INITIALIZER, _SPARSE = 1, 5, 15  # of a graph
_ATTRIBUTE, _DOMAIN = 5, 7  # of a node
_OF_ATTRIBUTE = {5: "tensor", 10: "tensor", 6: "graph", 11: "graph", 22: "sparse", 23: "sparse"}
_EXTERNAL_DATA, _LOCATION = 13, 14  # of a tensor


class _Damaged(ValueError):
    """Not the encoding of a model."""


def read_graph(path: Path) -> bytes:
    """The bytes of an ONNX file that refers to nothing outside itself.

    Raises:
        BundleError: unreadable, no model, or one that would reach for other files or for code.
    """
    try:
        data = read_limited(path, MOST)
        fault = _of_model(memoryview(data))
    except OSError as error:
        raise BundleError(f"the graph can't be read ({error.strerror})", where=path) from error
    except _Damaged as error:
        raise BundleError(
            f"not an ONNX graph, or a damaged one ({error})",
            where=path,
            fix="export it again with `kit export`",
        ) from error
    if fault is not None:
        raise BundleError(f"{fault}, which is not allowed", where=path)
    return data


def _of_model(data: memoryview) -> str | None:
    """What is wrong with a model; None where nothing is."""
    graphs = 0
    for number, value in _fields(data):
        if number == _FUNCTIONS:
            return "the graph brings operators of its own, as functions"
        if number == _TRAINING:
            return "the graph brings graphs to train it"
        if number == _GRAPH:
            graphs += 1
            if fault := _of_graph(value, 0):
                return fault
    if not graphs:
        raise _Damaged("it holds no graph")
    return None


def _of_graph(data: memoryview, depth: int) -> str | None:
    if depth > DEEPEST:
        return f"the graph has graphs inside graphs, more than {DEEPEST} deep"
    for number, value in _fields(data):
        fault = None
        if number == _NODE:
            fault = _of_node(value, depth)
        elif number == _INITIALIZER:
            fault = _of_tensor(value)
        elif number == _SPARSE:
            fault = _of_sparse(value)
        if fault:
            return fault
    return None


def _of_node(data: memoryview, depth: int) -> str | None:
    for number, value in _fields(data):
        if number == _DOMAIN and bytes(value) not in DOMAINS:
            name = bytes(value[:60]).decode(errors="replace")
            return f"the graph needs operators that come with no engine, of {name!r}"
        if number == _ATTRIBUTE:
            for kind, part in _fields(value):
                what = _OF_ATTRIBUTE.get(kind)
                fault = None
                if what == "graph":
                    fault = _of_graph(part, depth + 1)
                elif what is not None:
                    fault = _of_tensor(part) if what == "tensor" else _of_sparse(part)
                if fault:
                    return fault
    return None


def _of_sparse(data: memoryview) -> str | None:
    parts = (_of_tensor(value) for number, value in _fields(data) if number in (1, 2))
    return next(filter(None, parts), None)


def _of_tensor(data: memoryview) -> str | None:
    for number, value in _fields(data):
        if number == _EXTERNAL_DATA or (number == _LOCATION and any(value)):
            return "the graph refers to files outside itself"
    return None


def _fields(data: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Number and content of each field of a message; numbers as ten bytes, the lowest first."""
    at, end = 0, len(data)
    while at < end:
        tag, at = _varint(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield number, memoryview(value.to_bytes(10, "little"))
            continue
        if kind == _BYTES:
            length, at = _varint(data, at)
        elif kind in (_FIXED64, _FIXED32):
            length = 8 if kind == _FIXED64 else 4
        else:
            raise _Damaged(f"a field of kind {kind}")
        if length > end - at:
            raise _Damaged("it is cut off")
        yield number, data[at : at + length]
        at += length


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise _Damaged("it is cut off")
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise _Damaged("a number without end")
