"""What every reader of a dataset folder needs: finding files safely, gathering what it finds."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from kit.data import side
from kit.data.dataset import SPLITS, Dataset, Note
from kit.errors import DataError
from kit.files import read_limited
from kit.pixels import picture_size
from kit.types import Detections, Example, Ignore

MOST_LABELS = 1 << 26
"""Bytes of a text or XML file of labels: room for a million boxes of one picture."""

_SPLIT = {"val": "valid", "validation": "valid", "dev": "valid", "training": "train"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What nobody sees: also what ends a line, and what turns the direction of what is read."""

_LARGEST = float(np.finfo(np.float32).max)
_YEAR = re.compile(r"[-_]?(19|20)\d\d$")


class Row(NamedTuple):
    """One labelled object; its box is xyxy in pixels, as it stands in the label."""

    box: tuple[float, float, float, float]
    label: int
    ignore: Ignore = Ignore.NONE
    extra: Mapping[str, Any] = {}


def split_name(word: str) -> str:
    """The kit's name of a split: ``val`` and ``val2017`` are ``valid``; unknown words stay."""
    short = _YEAR.sub("", word.casefold())
    known = _SPLIT.get(short, short)
    return known if known in (*SPLITS, "trainval") else word


def find_root(root: Path, matches: Callable[[Path], bool]) -> Path | None:
    """``root`` itself, or its single child folder that matches."""
    if not root.is_dir():
        return None
    if matches(root):
        return root
    children = [child for child in folders(root) if matches(child)]
    return children[0] if len(children) == 1 else None


def folders(root: Path) -> list[Path]:
    """Child folders in order, without hidden ones and links."""
    return [
        child
        for child in sorted(root.iterdir())
        if child.is_dir() and not child.is_symlink() and not child.name.startswith(".")
    ]


def inside(root: Path, path: Path) -> bool:
    """Whether a path, all links followed, lies in ``root``; one that no file can have doesn't."""
    try:
        path.exists()
        return path.resolve().is_relative_to(root.resolve())
    except (OSError, ValueError, RuntimeError):  # too long, with a zero in it, a ring of links
        return False


def read_lines(path: Path) -> list[str]:
    """Lines of a UTF-8 text file, with or without a byte order mark, line ends removed.

    Raises:
        ValueError: not UTF-8 text.
        OSError: it can't be read, or is larger than labels are.
    """
    text = read_limited(path, MOST_LABELS).decode("utf-8-sig")
    return [line.rstrip("\r") for line in text.removesuffix("\n").split("\n")] if text else []


class Reading:
    """A dataset while it is being read.

    Attributes:
        root: folder the ids are relative to.
        notes: faults met, ``{code: [where, ...]}``.
        label_files: files the boxes came from; the side file vouches for exactly these.
        facts: what the format holds about the whole dataset.
    """

    def __init__(self, root: Path, format: str, name: str) -> None:
        self.root, self.format, self.name = root, format, name
        self.notes: dict[Note, list[str]] = {}
        self.label_files: set[Path] = set()
        self.facts: dict[str, Any] = {}
        self._examples: list[Example] = []
        self._pictures: dict[str, Any] = {}
        self._boxes: dict[str, Any] = {}

    def note(self, code: Note, where: object) -> None:
        self.notes.setdefault(code, []).append(str(where))

    def files(self, below: Path | None = None) -> list[str]:
        """Every file below a folder, relative to the root, in order. Hidden files are left out, and
        links that lead elsewhere are noted, not followed."""
        found = []
        for folder, names, files in os.walk(below or self.root):
            here = Path(folder)
            names[:] = sorted(name for name in names if not name.startswith("."))
            for name in (*names, *files):
                if (path := here / name).is_symlink() and not inside(self.root, path):
                    self.note("outside_root", self.id_of(path))
                elif name in files and not name.startswith(".") and path.is_file():  # no pipe
                    found.append(self.id_of(path))
        return sorted(found)

    def id_of(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()

    def lines(self, path: Path) -> list[str]:
        """Lines of a text file, see :func:`read_lines`; none, and noted, where it is no text."""
        try:
            return read_lines(path)
        except ValueError:
            self.note("bad_label", f"{self.id_of(path)}:1: not UTF-8 text")
            return []
        except OSError as error:
            self.note("bad_label", f"{self.id_of(path)}:1: can't be read ({error.strerror})")
            return []

    def size(self, id_: str) -> tuple[int, int] | None:
        """Upright size from the picture's header; None, and noted, where it can't be had."""
        try:
            return picture_size(self.root / id_)
        except DataError as error:
            self.note("unreadable_picture", f"{id_}: {error.what}")
            return None

    def add(
        self,
        id_: str,
        size: tuple[int, int],
        rows: Sequence[Row],
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        """Add a picture with its boxes and what else the format says about it; a box too large for
        its numbers is noted and left out."""
        kept = [row for row in rows if all(abs(value) <= _LARGEST for value in row.box)]
        if len(kept) < len(rows):
            self.note("bad_label", f"{id_}: {len(rows) - len(kept)} box(es) larger than anything")
            rows = kept
        truth = Detections.truth([row.box for row in rows], [row.label for row in rows])
        ignore = np.array([row.ignore for row in rows], np.uint8)
        self._examples.append(Example(id_, self.root / id_, size, truth, ignore))
        if extra:
            self._pictures[id_] = dict(extra)
        if any(row.extra for row in rows):
            self._boxes[id_] = [dict(row.extra) for row in rows]

    def dataset(
        self, classes: Iterable[str], splits: Mapping[str, Iterable[str]] | None = None
    ) -> Dataset:
        """Put it all together, with what the side file remembers.

        Args:
            splits: ids by split; those of pictures that were left out are passed over.

        Raises:
            DataError: no picture can be used, or the class names are not names.
        """
        if not self._examples:
            raise DataError(f"none of its pictures can be used{self._first()}", where=self.root)
        known = {example.id for example in self._examples}
        parts = {"dataset": self.facts, "pictures": self._pictures, "boxes": self._boxes}
        parts = {part: held for part, held in parts.items() if held}
        dataset = Dataset.from_examples(
            self.name,
            self.root,
            check_names(classes, self.root),
            self._examples,
            {
                split: [id_ for id_ in dict.fromkeys(ids) if id_ in known]
                for split, ids in sorted((splits or {}).items(), key=_order)
            },
            source=str(self.root),
            format=self.format,
            extra={self.format: parts} if parts else {},
        )
        dataset = side.restore(dataset, self.label_files, self.note)
        return replace(dataset, notes={code: tuple(found) for code, found in self.notes.items()})

    def _first(self) -> str:
        told = [f"{code}: {found[0]}" for code, found in self.notes.items()]
        return f" ({'; '.join(told[:3])})" if told else ""


def _order(split: tuple[str, Any]) -> tuple[int, str]:
    return (*SPLITS, split[0]).index(split[0]), split[0]


def check_names(classes: Iterable[str], where: object) -> tuple[str, ...]:
    """Class names, stripped.

    Raises:
        DataError: a name is empty, twice there, or has control characters.
    """
    names = tuple(name.strip() for name in classes)
    for place, name in enumerate(names):
        if not name or _CONTROL.search(name):
            raise DataError(f"class {place} is not a name: {name!r}", where=where)
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DataError(f"class names that occur twice: {', '.join(twice)}", where=where)
    return names
