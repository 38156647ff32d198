"""What lies under final names: is each file whole, do two folders hold the same?"""

from __future__ import annotations

import csv
import hashlib
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from kit.bundle import CARD, open_bundle
from kit.errors import KitError
from kit.parts import is_part

DIFFERS = frozenset(
    {"seconds", "valid_seconds", "energy_wh", "environment", "when", "date", "watt_hours"}
)
"""Keys whose values tell of the time, which no two runs have in common."""

BY_THE_CLOCK = ("latency/*.json", "results.json", "report.*", "plots", "log.txt", "energy.json")
"""Measured, drawn from what was measured, or told as it came: not compared, but looked at."""

BUNDLES = ("best", "last", "onnx")


def visible(folder: Path) -> Iterator[Path]:
    """Every file below that stands under the name it is meant to keep."""
    for path in sorted(folder.rglob("*")):
        hidden = any(is_part(name) for name in path.relative_to(folder).parts)
        if path.is_file() and not hidden and path.name != ".lock":
            yield path


def parts(folder: Path) -> list[Path]:
    """What is or was being written, in a folder and beside it."""
    beside = [path for path in folder.parent.iterdir() if is_part(path.name)]
    own = [path for path in beside if path.name.startswith(f".{folder.name}.")]
    return own + [path for path in folder.rglob("*") if is_part(path.name)]


def halves(folder: Path) -> list[str]:
    """What is not whole, and why; empty where everything is."""
    found = []
    for path in visible(folder):
        if look := LOOKS.get(path.suffix):
            try:
                look(path)
            except FileNotFoundError:  # a process that still works has just moved it
                continue
            except Exception as error:  # whatever a half file makes its reader raise
                found.append(f"{path.relative_to(folder.parent)}: {error}")
    bare = [
        path
        for path in folder.rglob("*")
        if path.name in BUNDLES and path.is_dir() and not (path / CARD).is_file()
    ]
    return found + [f"{path.relative_to(folder.parent)}: a bundle without card" for path in bare]


def content(folder: Path) -> dict[str, str]:
    """Digest of every file by its path, but for what only tells of the time."""
    found = {}
    for path in visible(folder):
        place = path.relative_to(folder)
        timed = any(place.match(pattern) for pattern in BY_THE_CLOCK)
        if timed or "plots" in place.parts or path.suffix == ".csv":  # history.json says the same
            continue
        found[place.as_posix()] = hashlib.sha256(_plain(path)).hexdigest()
    return found


def _plain(path: Path) -> bytes:
    if path.suffix == ".json" and path.name != CARD:
        return json.dumps(_timeless(json.loads(path.read_bytes())), sort_keys=True).encode()
    if path.suffix == ".npz":
        import numpy as np

        with np.load(path) as arrays:
            return b"".join(name.encode() + arrays[name].tobytes() for name in sorted(arrays))
    return path.read_bytes()


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _timeless(each) for name, each in value.items() if name not in DIFFERS}
    return [_timeless(each) for each in value] if isinstance(value, list) else value


def _json(path: Path) -> None:
    json.loads(path.read_bytes())
    if path.name == CARD:
        try:
            open_bundle(path.parent)
        except KitError:
            if path.parent.is_dir():
                raise


def _weights(path: Path) -> None:
    from safetensors.numpy import load_file

    load_file(path)


def _archive(path: Path) -> None:
    with zipfile.ZipFile(path) as file:
        if broken := file.testzip():
            raise ValueError(f"{broken} is damaged")


def _rows(path: Path) -> None:
    with path.open(newline="") as file:
        if len({len(row) for row in csv.reader(file)}) > 1:
            raise ValueError("rows of several lengths")


def _page(path: Path) -> None:
    if not path.read_text().rstrip().endswith("</html>"):
        raise ValueError("the page has no end")


def _picture(path: Path) -> None:
    from PIL import Image

    with Image.open(path) as picture:
        picture.load()


def _lines(path: Path) -> None:
    for line in path.read_text().splitlines(keepends=True):
        json.loads(line)


LOOKS: dict[str, Callable[[Path], object]] = {
    ".json": _json, ".jsonl": _lines, ".safetensors": _weights, ".pt": _archive, ".npz": _archive,
    ".csv": _rows, ".html": _page, ".png": _picture, ".jpg": _picture, ".svg": ElementTree.parse,
}  # fmt: skip
"""By suffix, what raises for half of such a file."""
