"""The faults a dataset can have: each function yields those of one kind, worded for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kit.data.boxes import clipped, listed, repeated, usable_mask
from kit.data.dataset import SPLITS, Dataset, Note
from kit.data.similar import Scan, components
from kit.errors import DataError

Severity = Literal["error", "warning"]

MIN_SIDE = 2.0
"""Boxes with a shorter side, in pixels, are called tiny."""

RARE = 20
"""Classes with fewer objects to learn from are called rare."""

CERTAIN = 0.9
"""A test set is called tiny where a perfect score would leave the truth below this."""

LEAK_TOLERATED = 0.05
"""Share of valid that may look like training pictures; of test, none may. The valid split chooses
epochs and thresholds, the test split is the figure that is reported."""

_OUTSIDE = 1.0  # pixels: what rounding in YOLO and VOC's 1-based corners do is no fault
_SHOWN = 5
_LINE = 80

_READER: Mapping[Note, tuple[Severity, str]] = {
    "unreadable_picture": ("error", "picture(s) can't be decoded"),
    "unknown_class": ("error", "label(s) of a class that is not in the list: they are lost"),
    "bad_label": ("error", "label(s) can't be understood: they are lost"),
    "label_conflict": ("error", "picture(s) labelled differently by two files: one's are lost"),
    "size_mismatch": ("warning", "picture(s) have another size than is stated"),
    "shared_label": ("warning", "picture(s) differ only in suffix from another: labels are both's"),
    "label_without_picture": ("warning", "label file(s) without a picture"),
    "picture_left_out": ("warning", "picture(s) that no label file speaks of: left out"),
    "picture_without_label": ("warning", "picture(s) without labels, taken as empty"),
    "split_without_picture": ("warning", "picture(s) that a split lists are not there"),
    "missing_split": ("warning", "split(s) that are named are not there"),
    "stale_side_file": ("warning", "side file(s) not used: the flags and splits in it are missing"),
    "unnamed_classes": ("warning", "list(s) of classes without names"),
    "outline": ("warning", "outline(s), of which the box around is taken"),
    "outside_root": ("warning", "name(s) that lead out of the folder: not followed"),
    "download_ignored": ("warning", "download script(s): never run"),
}
"""What readers note, judged."""


@dataclass(frozen=True)
class Finding:
    """One kind of fault.

    Attributes:
        code: for machines; ``message`` for people, with what it means or what to do.
        count: how many; ``examples``: the first few, by picture.
    """

    code: str
    severity: Severity
    count: int
    message: str
    examples: tuple[str, ...] = ()

    def __str__(self) -> str:
        shown = list(self.examples[:_SHOWN])
        if shown and max(self.count, len(self.examples)) > len(shown):
            shown.append("...")
        between = "\n    " if sum(map(len, shown)) > _LINE else ", "
        lead = f"{self.severity}: {self.message}"
        return f"{lead}\n    {between.join(shown)}" if shown else lead


def noted(notes: Mapping[Note, Sequence[str]]) -> Iterable[Finding]:
    """What the reader met, judged."""
    for code, places in notes.items():
        # a format of somebody else's may note more than ours do
        severity, meaning = _READER.get(code, ("warning", code.replace("_", " ")))
        if places:
            message = f"{len(places)} {meaning}"
            yield Finding(code, severity, len(places), message, tuple(places[:_SHOWN]))


def require_read(dataset: Dataset, *, before: str) -> None:
    """Refuse a dataset of which the reader lost pictures or labels.

    Args:
        before: what they must be mended for, e.g. ``splitting``.

    Raises:
        DataError: naming the first of them.
    """
    for finding in noted(dataset.notes):
        if finding.severity == "error":
            raise DataError(
                finding.message,
                where=f"{dataset.source or dataset.root}, first at {finding.examples[0]}",
                fix=f"see `kit data check`; mend or remove them before {before}",
            )


def notes(dataset: Dataset, seen: Scan) -> Iterable[Finding]:
    """What the reader met, and what could only be met by decoding."""
    wrong = (seen.sizes != dataset.sizes).any(1) & (seen.sizes > 0).all(1)
    met: dict[Note, list[str]] = {
        "unreadable_picture": [f"{dataset.ids[i]} ({fault})" for i, fault in seen.faults.items()],
        "size_mismatch": [dataset.ids[index] for index in np.flatnonzero(wrong)],
    }
    told = {code: [*dataset.notes.get(code, ()), *places] for code, places in met.items()}
    return noted({**dataset.notes, **told})


def boxes(dataset: Dataset) -> Iterable[Finding]:
    """Boxes without area, outside, tiny, or on top of each other."""
    boxes, keep = clipped(dataset), usable_mask(dataset)
    side = (boxes[:, 2:] - boxes[:, :2]).min(1, initial=np.inf)
    beyond = np.abs(boxes - dataset.boxes).max(1, initial=0) > _OUTSIDE
    same, other = repeated(dataset)
    for code, wrong, message in (
        (
            "unusable_box",
            ~keep,
            "have no area in the picture: left out of training and scoring",
        ),
        ("box_outside", keep & beyond, "reach out of the picture: clipped to it"),
        ("tiny_box", keep & (side < MIN_SIDE), f"are under {MIN_SIDE:g} px: hardly to be learned"),
        ("duplicate_box", keep & same, "repeat another box of their class: one is a false alarm"),
        ("conflicting_box", keep & other, "lie on a box of another class: one label is wrong"),
    ):
        if count := int(wrong.sum()):
            pictures = dict.fromkeys(dataset.picture_of[wrong].tolist())
            yield Finding(
                code, "warning", count, f"{count} box(es) {message}", _ids(dataset, pictures)
            )


def classes(dataset: Dataset) -> Iterable[Finding]:
    """Class ids outside the list, and classes with few objects or none."""
    unlisted = dataset.labels >= len(dataset.classes)
    if count := int(unlisted.sum()):
        pictures = dict.fromkeys(dataset.picture_of[unlisted].tolist())
        message = f"{count} box(es) of a class id outside the list of {len(dataset.classes)}"
        yield Finding("unknown_class", "error", count, message, _ids(dataset, pictures))
    dataset = listed(dataset)
    total = dataset.class_counts()
    if none := [name for name, count in total.items() if not count]:
        yield Finding(
            "empty_class",
            "warning",
            len(none),
            f"{len(none)} class(es) without an object",
            tuple(none),
        )
    for split in present(dataset):
        counts = dataset.class_counts(dataset.splits[split])
        if absent := tuple(name for name, count in counts.items() if not count and total[name]):
            meaning = "it can't be learned" if split == "train" else "it can't be measured"
            yield Finding(
                "absent_class",
                "error" if split == "train" else "warning",
                len(absent),
                f"{len(absent)} class(es) have no object in {split}: {meaning}",
                absent,
            )
    learned = dataset.class_counts(dataset.splits["train"]) if "train" in dataset.splits else total
    if rare := tuple(f"{name} {count}" for name, count in learned.items() if 0 < count < RARE):
        message = f"{len(rare)} class(es) with under {RARE} objects to learn from"
        yield Finding("rare_class", "warning", len(rare), message, rare)


def splits(dataset: Dataset) -> Iterable[Finding]:
    """Splits that are missing, empty or share pictures."""
    if not dataset.splits:
        message = "no train, valid and test splits; `kit data split` makes them"
        yield Finding("no_splits", "warning", 1, message)
        return
    for split in SPLITS:
        if split not in dataset.splits and "missing_split" not in dataset.notes:
            yield Finding("missing_split", "warning", 1, f"there is no {split} split")
        elif split in dataset.splits and not len(dataset.splits[split]):
            yield Finding("empty_split", "error", 1, f"the {split} split has no pictures")
    shared = np.flatnonzero(_membership(dataset).sum(1) > 1)
    if len(shared):
        sides = Counter(_sides(np.flatnonzero(row)) for row in _membership(dataset)[shared])
        told = ", ".join(f"{count} in {names}" for names, count in sides.items())
        message = (
            f"{len(shared)} picture(s) are in more than one split ({told}): "
            "a score on what was learned from is untrue"
        )
        yield Finding("shared_picture", "error", len(shared), message, _ids(dataset, shared))


def similar(dataset: Dataset, seen: Scan) -> Iterable[Finding]:
    """Equal and nearly equal pictures, across splits and within."""
    member = _membership(dataset)
    member[member.sum(1) > 1] = False  # these are told of as shared pictures
    _, valid, test = member.T
    told = np.zeros(len(dataset), bool)
    for code, words, pairs in (
        ("duplicate", "the same file as", seen.exact),
        ("near_duplicate", "nearly the same as", np.concatenate([seen.exact, seen.near])),
    ):
        cluster = components(len(dataset), pairs)
        touched = np.zeros_like(member)
        np.logical_or.at(touched, cluster, member)
        in_train, in_valid, _ = touched[cluster].T
        in_test = test & (in_train | in_valid) & ~told
        into_valid = valid & in_train & ~told
        many = into_valid.sum() > LEAK_TOLERATED * valid.sum()
        again = (cluster != np.arange(len(dataset))) & (member[cluster] == member).all(1) & ~told
        leaks: tuple[tuple[str, NDArray[np.bool_], Severity, str], ...] = (
            (f"{code}_in_test", in_test, "error", "one of another split: the score is untrue"),
            (
                f"{code}_in_valid",
                into_valid,
                "error" if many else "warning",
                "one of train: epochs and thresholds are chosen too hopefully",
            ),
            (code, again, "warning", "another on its side"),
        )
        for name, wrong, severity, meaning in leaks:
            if count := int(wrong.sum()):
                shown = tuple(
                    f"{dataset.ids[place]} = {dataset.ids[_partner(place, cluster, member)]}"
                    for place in np.flatnonzero(wrong)[:_SHOWN]
                )
                where = name.removeprefix(code).replace("_in_", " of ")
                message = f"{count} picture(s){where} show {words} {meaning}"
                yield Finding(name, severity, count, message, shown)
        told |= in_test | into_valid | again


def _partner(place: int, cluster: NDArray[np.int64], member: NDArray[np.bool_]) -> int:
    """A picture of the same cluster, of another split if there is one."""
    others = np.flatnonzero(cluster == cluster[place])
    others = others[others != place]
    apart = (member[others] != member[place]).any(1) & member[others].any(1)
    return int(others[apart][0] if apart.any() else others[0])


def grouped(dataset: Dataset, groups: tuple[str | None, ...] | None) -> Iterable[Finding]:
    """Patients or slides on both sides."""
    if groups is None:
        return
    unmatched = [index for index, group in enumerate(groups) if group is None]
    if unmatched:
        message = f"{len(unmatched)} picture(s) without a group: each counts as its own"
        yield Finding("no_group", "warning", len(unmatched), message, _ids(dataset, unmatched))
    member = _membership(dataset)
    where: dict[str, set[int]] = {}
    for group, row in zip(groups, member, strict=True):
        if group is not None:
            where.setdefault(group, set()).update(np.flatnonzero(row).tolist())
    split = [group for group, places in where.items() if len(places) > 1]
    if split:
        message = f"{len(split)} patient(s) or slide(s) are in more than one split"
        shown = tuple(f"{group} in {_sides(sorted(where[group]))}" for group in split[:_SHOWN])
        yield Finding("shared_group", "error", len(split), message, shown)


def tiny_test(objects: Mapping[str, int], perfect: Mapping[str, float]) -> Iterable[Finding]:
    """Classes of whom the test split holds too little to say much."""
    tiny = [name for name, count in objects.items() if count and perfect[name] < CERTAIN]
    if tiny:
        shown = tuple(
            f"{'all classes' if name == 'all' else name}: finding all {objects[name]} would still "
            f"mean a sensitivity of {perfect[name]:.3f} to 1"
            for name in tiny
        )
        message = f"the test split is tiny for {len(tiny)} class(es)"
        yield Finding("tiny_test", "warning", len(tiny), message, shown)


def present(dataset: Dataset) -> list[str]:
    """Those of the three splits that the dataset has."""
    return [split for split in SPLITS if split in dataset.splits]


def _membership(dataset: Dataset) -> NDArray[np.bool_]:
    """``(P, 3)`` whether a picture is in train, valid, test."""
    member = np.zeros((len(dataset), len(SPLITS)), bool)
    for place, split in enumerate(SPLITS):
        member[dataset.splits.get(split, np.zeros(0, np.int64)), place] = True
    return member


def _sides(places: Iterable[int]) -> str:
    return " and ".join(SPLITS[place] for place in places)


def _ids(dataset: Dataset, pictures: Iterable[Any]) -> tuple[str, ...]:
    return tuple(dataset.ids[index] for index in list(pictures)[:_SHOWN])
