"""A labelled set of pictures, held in columns: a million pictures are sampled in seconds."""

from __future__ import annotations

import hashlib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kit.data.manifest import Manifest
from kit.errors import DataError
from kit.files import sha256_file
from kit.types import Detections, Example

SPLITS = ("train", "valid", "test")
"""The names of splits. Readers translate: val, validation and dev mean valid."""

Note = Literal[
    "bad_label",
    "download_ignored",
    "label_conflict",
    "label_without_picture",
    "missing_split",
    "outline",
    "outside_root",
    "picture_left_out",
    "picture_without_label",
    "shared_label",
    "size_mismatch",
    "split_without_picture",
    "stale_side_file",
    "unknown_class",
    "unnamed_classes",
    "unreadable_picture",
]
"""What a reader may note; :mod:`kit.data.findings` words and judges each."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Pictures and their boxes.

    Attributes:
        name: for messages and cards.
        root: folder the ids are relative to.
        classes: names, 0-based.
        ids: one per picture: its path below ``root``, with forward slashes; unique.
        sizes: ``(P, 2)`` int32, width and height of the upright picture.
        offsets: ``(P + 1,)`` int64; the boxes of picture p are ``offsets[p]:offsets[p + 1]``.
        boxes: ``(M, 4)`` float64 xyxy in pixels, as they stand in the labels: the doctor, not the
            reader, judges boxes that are outside or have no area.
        labels: ``(M,)`` int64 into ``classes``.
        ignore: ``(M,)`` uint8 of :class:`kit.types.Ignore`.
        splits: indices of pictures by split name; empty where the folder has no splits. A picture
            may be in several (Pascal VOC's trainval).
        groups: patient or slide of each picture, or None.
        source: what the user called it, so that a card can name it again.
        format: the format it was read from.
        notes: faults the reader met that do not stop it (a label without a picture, a class id
            outside the list), as ``{code: [where, ...]}``; the doctor reports them.
        bit_depth: bits really used by 16-bit pictures, where the dataset's card declares it.
        extra: what a format holds and this class doesn't, kept for writing it back: plain JSON, by
            format: ``{format: {"dataset": {}, "pictures": {id: {}}, "boxes": {id: [{}, ...]}}}``.
        files: where each picture lies, when that is not ``root / id`` (a merge, until it is
            written).
        accepted: codes of the doctor's findings that its card accepts, so that they stop nothing.
        flaws: what its card says is wrong with it.
    """

    name: str
    root: Path
    classes: tuple[str, ...]
    ids: tuple[str, ...]
    sizes: NDArray[np.int32]
    offsets: NDArray[np.int64]
    boxes: NDArray[np.float64]
    labels: NDArray[np.int64]
    ignore: NDArray[np.uint8]
    splits: Mapping[str, NDArray[np.int64]] = field(default_factory=dict)
    groups: tuple[str, ...] | None = None
    source: str = ""
    format: str = ""
    notes: Mapping[Note, Sequence[str]] = field(default_factory=dict)
    bit_depth: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    files: tuple[Path, ...] | None = None
    accepted: tuple[str, ...] = ()
    flaws: tuple[str, ...] = ()

    @classmethod
    def from_examples(
        cls,
        name: str,
        root: Path,
        classes: Sequence[str],
        examples: Sequence[Example],
        splits: Mapping[str, Sequence[str]],
        **rest: Any,
    ) -> Dataset:
        """Gather examples into columns; ``splits`` lists ids."""
        place = {example.id: index for index, example in enumerate(examples)}
        if len(place) != len(examples):
            raise DataError("two pictures share one id", where=root)
        counts = [len(example.truth) for example in examples]
        none = Detections.empty()
        return cls(
            name=name,
            root=root,
            classes=tuple(classes),
            ids=tuple(place),
            sizes=np.array([e.size for e in examples], np.int32).reshape(-1, 2),
            offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
            boxes=np.concatenate([none.xyxy, *(e.truth.xyxy for e in examples)]),
            labels=np.concatenate([none.labels, *(e.truth.labels for e in examples)]),
            ignore=np.concatenate([np.zeros(0, np.uint8), *(e.ignore for e in examples)]),
            splits={
                split: np.array([place[id_] for id_ in ids], np.int64)
                for split, ids in splits.items()
            },
            groups=(
                tuple(str(e.group) for e in examples)
                if examples and all(e.group is not None for e in examples)
                else None
            ),
            **rest,
        )

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, index: int) -> Example:
        span = slice(self.offsets[index], self.offsets[index + 1])
        width, height = self.sizes[index]
        return Example(
            id=self.ids[index],
            path=self.path(index),
            size=(int(width), int(height)),
            truth=Detections.truth(self.boxes[span], self.labels[span]),
            ignore=self.ignore[span],
            group=self.groups[index] if self.groups else None,
        )

    def __iter__(self) -> Iterator[Example]:
        return (self[index] for index in range(len(self)))

    def path(self, index: int) -> Path:
        """Where a picture lies."""
        return self.files[index] if self.files else self.root / self.ids[index]

    @cached_property
    def index(self) -> Mapping[str, int]:
        """Place of each id."""
        return {id_: place for place, id_ in enumerate(self.ids)}

    @cached_property
    def picture_of(self) -> NDArray[np.int64]:
        """``(M,)`` the picture each box belongs to."""
        return np.repeat(np.arange(len(self)), np.diff(self.offsets))

    def class_counts(self, pictures: NDArray[np.int64] | None = None) -> dict[str, int]:
        """Objects per class, over all pictures or those given by index."""
        labels = self.labels
        if pictures is not None:
            inside = np.zeros(len(self), bool)
            inside[pictures] = True
            labels = labels[inside[self.picture_of]]
        counts = np.bincount(labels, minlength=len(self.classes))
        return {name: int(count) for name, count in zip(self.classes, counts, strict=True)}

    def split(self, name: str) -> NDArray[np.int64]:
        """Indices of a split's pictures.

        Raises:
            DataError: the dataset has no such split; the message holds the command that makes one.
        """
        if name in self.splits:
            return self.splits[name]
        what = "the folder has no train, valid and test splits, and is not split silently"
        if self.splits:
            what = f"there is no split {name!r}, only {', '.join(self.splits)}"
        raise DataError(
            what,
            where=self.source or self.root,
            fix=self.split_command() if name in SPLITS else None,
        )

    def split_command(self) -> str:
        """The line to paste that makes the splits this folder lacks."""
        words = ["kit", "data", "split", self.source or str(self.root)]
        words += ["--fractions", "0.7,0.2,0.1", "--seed", "0", "--out", f"{self.name}-split"]
        return shlex.join(words)

    def select(self, pictures: NDArray[np.int64]) -> Dataset:
        """The dataset with only these pictures, in this order; splits keep those of theirs."""
        place = np.full(len(self), -1, np.int64)
        place[pictures] = np.arange(len(pictures))
        lengths = np.diff(self.offsets)[pictures]
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
        starts = np.repeat(self.offsets[:-1][pictures] - offsets[:-1], lengths)
        rows = np.arange(offsets[-1]) + starts
        return replace(
            self,
            ids=tuple(self.ids[i] for i in pictures),
            sizes=self.sizes[pictures],
            offsets=offsets,
            boxes=self.boxes[rows],
            labels=self.labels[rows],
            ignore=self.ignore[rows],
            splits={k: place[v][place[v] >= 0] for k, v in self.splits.items()},
            groups=tuple(self.groups[i] for i in pictures) if self.groups else None,
            files=tuple(self.files[i] for i in pictures) if self.files else None,
        )

    def take(self, manifest: Manifest) -> Dataset:
        """The pictures a manifest lists.

        Raises:
            DataError: a listed picture is not in this dataset.
        """
        missing = [id_ for id_ in manifest.ids if id_ not in self.index]
        if missing:
            raise DataError(
                f"{len(missing)} picture(s) of the manifest are not in the dataset, "
                f"the first is {missing[0]}",
                where=self.source or self.root,
            )
        return self.select(np.array([self.index[id_] for id_ in manifest.ids], np.int64))

    def manifest(
        self, pictures: NDArray[np.int64], *, rule: str, seed: int = 0, **facts: Any
    ) -> Manifest:
        """Freeze a choice of pictures; hashes the picture files.

        Raises:
            DataError: a picture file can't be read.
        """
        chosen = self.select(pictures)
        try:
            digests = tuple(sha256_file(chosen.path(place)) for place in range(len(chosen)))
        except OSError as error:
            raise DataError(f"can't be read ({error.strerror})", where=error.filename) from error
        return Manifest(
            ids=chosen.ids,
            pictures=digests,
            truth=chosen.truth_sha256(),
            rule=rule,
            seed=seed,
            class_counts=chosen.class_counts(),
            facts=facts,
        )

    def truth_sha256(self) -> str:
        """Digest of all labels in order: boxes to 1/1000 pixel, class names, ignore flags."""
        digest = hashlib.sha256("\0".join(self.classes).encode())
        for column in (self.offsets, np.rint(self.boxes * 1000), self.labels, self.ignore):
            digest.update(np.ascontiguousarray(column, dtype="<i8").tobytes())
        return digest.hexdigest()
