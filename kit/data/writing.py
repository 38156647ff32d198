"""What every writer of a dataset folder needs: new names that can't collide, and plain copies."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from kit.data.dataset import SPLITS, Dataset
from kit.data.reading import split_name

_LAYOUT = {"images", "jpegimages"}
_UNSAFE = re.compile(r'[\x00-\x1f\x7f-\x9f\ud800-\udfff<>:"|?*\\]')
_SPLIT_FILE = re.compile(r"[A-Za-z0-9][\w-]*")
_WRITTEN = {"valid": "val"}


def new_names(ids: tuple[str, ...]) -> list[str]:
    """A path for each picture, free of its old layout (``train/images/p7/a.jpg`` is ``p7/a.jpg``).

    No two differ only in their suffix or in upper and lower case, since label files take the same
    stem and some file systems know no case. Where that would happen the old layout stays in the
    name, ``p7/train-images-a.jpg``: as a folder it would be read as a split.
    """
    taken: set[str] = set()
    return [_free(id_, taken) for id_ in ids]


def copy_picture(dataset: Dataset, index: int, target: Path) -> None:
    """Copy a picture file byte for byte."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(dataset.path(index), target)


def split_file(split: str) -> str:
    """The name files of a split carry: the formats' makers say ``val``."""
    return _WRITTEN.get(split, split)


def speakable(splits: Iterable[str]) -> bool:
    """Whether the names of all splits can be file names that are read back as they are."""
    return all(
        _SPLIT_FILE.fullmatch(name) and split_name(split_file(name)) == name for name in splits
    )


def _free(id_: str, taken: set[str]) -> str:
    parts = [_UNSAFE.sub("_", part) for part in PurePosixPath(id_).parts]
    kept = [part for part in parts[:-1] if not _is_layout(part)]
    layout = [part for part in parts[:-1] if _is_layout(part)]
    for name in (parts[-1], "-".join([*layout, parts[-1]])):
        if _take(choice := "/".join([*kept, name]), taken):
            return choice
    stem, suffix = PurePosixPath(parts[-1]).stem, PurePosixPath(parts[-1]).suffix
    number = 2
    while not _take(choice := "/".join([*kept, f"{stem}-{number}{suffix}"]), taken):
        number += 1
    return choice


def _take(choice: str, taken: set[str]) -> bool:
    key = str(PurePosixPath(choice).with_suffix("")).casefold()
    if key in taken:
        return False
    taken.add(key)
    return True


def _is_layout(part: str) -> bool:
    return part.casefold() in _LAYOUT or split_name(part) in SPLITS
