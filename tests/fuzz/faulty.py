"""Parsers that are as bad as can be, to see that it is seen."""

from __future__ import annotations

import ctypes
from pathlib import Path

from fuzz.targets import Target


def _error(data: bytes, folder: Path) -> None:
    raise KeyError("not an error of the kit's")


def _crash(data: bytes, folder: Path) -> None:
    ctypes.string_at(0)


def _hang(data: bytes, folder: Path) -> None:
    while True:
        pass


def _memory(data: bytes, folder: Path) -> None:
    bytearray(3 << 30)


def _flood(data: bytes, folder: Path) -> None:
    bytearray(b"x") * ((1 << 30) + (1 << 28))


FAULTY = {
    name: Target(name, "text", lambda: [b"a file"], parse)
    for name, parse in (
        ("error", _error), ("crash", _crash), ("hang", _hang), ("memory", _memory),
        ("flood", _flood),
    )
}  # fmt: skip
