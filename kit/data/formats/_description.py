"""What describes a YOLO dataset as a whole: data.yaml, lists of names and of pictures.

All of it is read as plain text: nothing it says is run or fetched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from kit.binding import YAML_FAULTS, load_yaml
from kit.data.dataset import SPLITS, Note
from kit.data.reading import Reading, inside, split_name
from kit.errors import DataError

_USUAL = ("data.yaml", "data.yml", "dataset.yaml")
NAME_FILES = ("classes.txt", "names.txt", "obj.names", "_darknet.labels")
"""Files with the names of the classes, one a line."""

_SPLIT_KEYS = ("train", "val", "valid", "test")


@dataclass(frozen=True)
class Config:
    """What a data.yaml says, checked.

    Attributes:
        base: the dataset's folder.
        names: of the classes; empty where it names none.
        splits: folders and lists by split, as written.
        keypoints: lines go on after the box.
        notes: ``(code, where)`` of what was passed over.
    """

    base: Path
    names: list[str] = field(default_factory=list)
    splits: Mapping[str, list[str]] = field(default_factory=dict)
    keypoints: bool = False
    notes: Sequence[tuple[Note, str]] = ()


def yaml_files(root: Path) -> list[Path]:
    """The YAML files that may describe a folder: the one of the usual name, else all."""
    found = sorted(
        path
        for path in root.iterdir()
        if path.suffix in (".yaml", ".yml") and path.is_file() and inside(root, path)
    )
    return [path for path in found if path.name in _USUAL][:1] or found


def load(path: Path) -> dict[str, Any]:
    """Plain strings, lists and maps; ``no`` stays a word and no tag builds anything."""
    try:
        data, _ = load_yaml(path, texts=True)
    except YAML_FAULTS as error:
        if path.name in _USUAL:
            raise DataError(f"can't be read as YAML ({error})", where=path) from error
        return {}
    return data if isinstance(data, dict) else {}


def is_config(data: Mapping[str, Any]) -> bool:
    """Whether it describes a dataset."""
    return "names" in data or "nc" in data or {"train", "val"} <= set(data)


def read_config(root: Path) -> Config:
    """Read the YAML file of a dataset's folder, or the one named.

    Raises:
        DataError: it contradicts itself, or several could be meant.
    """
    candidates = [root] if root.is_file() else [p for p in yaml_files(root) if is_config(load(p))]
    if not candidates:
        return Config(root)
    if len(candidates) > 1:
        raise DataError(
            f"several YAML files describe it: {', '.join(p.name for p in candidates)}",
            where=root,
            fix=f"name one: {candidates[0]}",
        )
    path, data = candidates[0], load(candidates[0])
    notes: list[tuple[Note, str]] = []
    if data.get("download"):
        notes.append(("download_ignored", f"{path.name}: its download: is never run"))
    base = path.parent
    if told := str(data.get("path") or "").strip():
        if inside(base, base / told) and _is_folder(base / told):
            base = base / told
        elif _is_folder(base / PurePosixPath(told).name):
            base = base / PurePosixPath(told).name
            notes.append(("outside_root", f"{path.name}: path {told} ignored, {base} taken"))
        else:
            notes.append(("outside_root", f"{path.name}: path {told} ignored, its folder taken"))
    splits: dict[str, list[str]] = {}
    for key in _SPLIT_KEYS:
        entries = data.get(key) or []
        entries = [entries] if isinstance(entries, str) else entries
        if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
            raise DataError(f"{key} must be a path or a list of paths", where=path)
        if entries:
            splits.setdefault(split_name(key), []).extend(entries)
    return Config(base, _names(data, path), splits, "kpt_shape" in data, notes)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a name that no disk has room for
        return False


def _names(data: Mapping[str, Any], path: Path) -> list[str]:
    names = data.get("names") or []
    if isinstance(names, dict):
        if sorted(names, key=_number) != [str(number) for number in range(len(names))]:
            raise DataError("names must be numbered 0, 1, 2 ... without gaps", where=path)
        names = [names[str(number)] for number in range(len(names))]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise DataError("names must be a list, or a map from number to name", where=path)
    if names and (count := data.get("nc")) is not None and str(count) != str(len(names)):
        raise DataError(f"nc says {count} classes, names has {len(names)}", where=path)
    return names


def _number(text: str) -> int:
    return int(text) if text.isdecimal() else -1


def names_beside(reading: Reading, files: Iterable[str]) -> list[str]:
    """Names from a text file, one a line; the one nearest the root counts."""
    found = [file for file in files if PurePosixPath(file).name in NAME_FILES]
    for file in sorted(found, key=lambda file: (file.count("/"), file)):
        if names := [line.strip() for line in reading.lines(reading.root / file) if line.strip()]:
            return names
    return []


def read_splits(config: Config, reading: Reading, pictures: Sequence[str]) -> dict[str, list[str]]:
    """From the YAML, else from lists beside the pictures, else from the folders' names."""
    told = dict(config.splits)
    if not told:
        stems = {PurePosixPath(id_).with_suffix("").as_posix() for id_ in pictures}
        for path in sorted(reading.root.glob("*.txt")):
            if (split := split_name(path.stem)) in SPLITS and path.stem not in stems:
                told.setdefault(split, []).append(path.name)
    known = set(pictures)
    splits: dict[str, list[str]] = {}
    for split, entries in told.items():
        for entry in entries:
            if (ids := _resolve(entry, reading, pictures, known)) is not None:
                splits.setdefault(split, []).extend(ids)
    if not told:
        for id_ in pictures:
            words = [split_name(part) for part in PurePosixPath(id_).parts[:-1]]
            if split := next((word for word in words if word in SPLITS), ""):
                splits.setdefault(split, []).append(id_)
    return splits


def _resolve(
    entry: str, reading: Reading, pictures: Sequence[str], known: set[str]
) -> list[str] | None:
    """Ids of a split's folder or list; None, and noted, where there is none."""
    root = reading.root
    path = root / entry
    if not inside(root, path):  # Roboflow writes ../train/images for train/images
        parts = PurePosixPath(entry).parts
        path = root.joinpath(*parts[sum(part == ".." for part in parts) :])
        if not inside(root, path) or not path.exists():
            raise DataError(
                f"it names {entry[:200]}, which lies outside this folder",
                where=root,
                fix="write paths relative to the folder the file lies in",
            )
    base = root.resolve()
    if path.is_dir():
        prefix = path.resolve().relative_to(base).as_posix()
        return [id_ for id_ in pictures if prefix == "." or id_.startswith(f"{prefix}/")]
    if not path.is_file() or path.suffix != ".txt":
        reading.note("missing_split", entry)
        return None
    ids = []
    for number, line in enumerate(reading.lines(path), 1):
        if not (text := line.strip()):
            continue
        choices = [folder / text for folder in (root, path.parent)]
        here = [c.resolve().relative_to(base).as_posix() for c in choices if inside(root, c)]
        if id_ := next((id_ for id_ in here if id_ in known), None):
            ids.append(id_)
        else:
            code: Note = "split_without_picture" if here else "outside_root"
            reading.note(code, f"{entry}:{number}: {text}")
    return ids
