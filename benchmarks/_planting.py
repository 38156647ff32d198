"""Label mistakes planted into a sound dataset, ranked, and counted among the first k."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import mean
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from kit.data.dataset import Dataset
    from kit.label.mistakes import Mistake
    from kit.report.page import Cell, Table
    from kit.types import Detections

POOLED = "all"


@dataclass(frozen=True, eq=False)
class Planted:
    """A spoilt dataset.

    Attributes:
        dataset: with the mistakes.
        kind: ``(M,)`` of every box of the sound dataset, "" where it was left alone.
        place: ``(M,)`` of it in its picture now; -1 where it was dropped.
    """

    dataset: Dataset
    kind: NDArray[np.str_]
    place: NDArray[np.int64]


def look(detector: Any, dataset: Dataset) -> list[Detections]:
    """What a detector finds on every picture, as `kit data check --bundle` asks it."""
    from kit.label.mistakes import FLOOR
    from kit.pixels import read_picture

    pictures = (read_picture(one.path, bit_depth=dataset.bit_depth) for one in dataset)
    return [detector.detect([each], floor=FLOOR)[0].detections for each in pictures]


def rank(sound: Dataset, seen: Sequence[Detections], share: float, seed: int) -> dict[str, Any]:
    """Plant, rank, and count what was found."""
    from kit.label.mistakes import KINDS, ranked, suspect

    planted = plant(sound, share, seed)
    listed = ranked(
        [
            one
            for example, found in zip(planted.dataset, seen, strict=True)
            for one in suspect(example, found, sound.classes)
        ]
    )
    told = {}
    for kind in (*KINDS, POOLED):
        mine = [one for one in listed if kind in (one.kind, POOLED)]
        told[kind] = count(answers(mine, planted, sound, kind), planted, kind)
    return told


def plant(sound: Dataset, share: float, seed: int) -> Planted:
    """Spoil a share of the boxes in each of the three ways; no box in two. Those that are crowd or
    difficult stay as they are, and so does a class that is the only one."""
    import numpy as np

    from kit.data.boxes import clipped, keep_boxes
    from kit.types import Ignore

    rng = np.random.default_rng(seed)
    free = rng.permutation(np.flatnonzero(sound.ignore == Ignore.NONE))
    count = max(1, round(share * len(free)))
    kind = np.full(len(sound.boxes), "", dtype="<U6")
    for turn, name in enumerate(("missed", "class", "box")):
        if name != "class" or len(sound.classes) > 1:
            kind[free[turn * count : (turn + 1) * count]] = name
    labels, boxes = sound.labels.copy(), sound.boxes.copy()
    swapped, moved = kind == "class", kind == "box"
    step = rng.integers(1, max(len(sound.classes), 2), swapped.sum())
    labels[swapped] = (labels[swapped] + step) % len(sound.classes)
    boxes[moved] = [_moved(box, rng) for box in boxes[moved]]
    spoilt = replace(sound, labels=labels, boxes=boxes, extra={})
    keep = kind != "missed"
    left = keep_boxes(replace(spoilt, boxes=clipped(spoilt)), keep)
    place = np.full(len(keep), -1, np.int64)
    place[keep] = np.arange(keep.sum()) - left.offsets[left.picture_of]
    return Planted(left, kind, place)


def _moved(box: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Shifted by 0.15 to 0.3 of each side, or scaled about its centre by 0.6 to 0.8 or the inverse:
    an overlap of 0.32 to 0.64 with what it was."""
    import numpy as np

    size = box[2:] - box[:2]
    if rng.random() < 0.5:
        shift = size * rng.uniform(0.15, 0.3, 2) * rng.choice([-1, 1], 2)
        return np.asarray(box + np.tile(shift, 2))
    factor = float(rng.uniform(0.6, 0.8)) ** float(rng.choice([-1, 1]))
    middle = (box[:2] + box[2:]) / 2
    return np.concatenate([middle - factor * size / 2, middle + factor * size / 2])


def answers(listed: Sequence[Mistake], planted: Planted, sound: Dataset, kind: str) -> list[int]:
    """For each of the list, the planted box (its row) that it finds, or -1; each is found once.

    It finds the label it names, or the box that it lies on by half where a label is missing. Of one
    kind it must say what is wrong; of all, only where.
    """
    import numpy as np

    from kit.evaluate.outcome import iou

    found: list[int] = []
    left = planted.kind != "" if kind == POOLED else planted.kind == kind
    for one in listed:
        picture = sound.index[one.picture]
        rows = np.arange(sound.offsets[picture], sound.offsets[picture + 1])
        if one.place is not None:
            fits = left[rows] & (planted.place[rows] == one.place)
        else:
            box = np.array([one.suggested_box])
            fits = left[rows] & (iou(box, sound.boxes[rows])[0] >= 0.5)
        row = int(rows[fits.argmax()]) if fits.any() else -1
        if row >= 0:
            left[row] = False
        found.append(row)
    return found


def count(found: Sequence[int], planted: Planted, kind: str) -> dict[str, Any]:
    """Precision and recall at half as many, as many, and twice as many as were planted."""
    import numpy as np

    total = int((planted.kind != "" if kind == POOLED else planted.kind == kind).sum())
    hits = np.array([row >= 0 for row in found], bool)
    at = []
    for k in (max(1, total // 2), total, 2 * total):
        shown = int(hits[:k].sum())
        at.append(
            {
                "k": k,
                "found": shown,
                "precision": shown / k if k else 0.0,
                "recall": shown / total if total else 0.0,
                "random": int(hits.sum()) * min(k, len(hits)) / max(len(hits), 1) / k if k else 0.0,
            }
        )
    return {"planted": total, "listed": len(hits), "at": at}


def table(runs: Mapping[int, Mapping[str, Any]], note: str) -> Table:
    """Precision and recall among the first k, means over seeds.

    Args:
        runs: of :func:`rank`, by seed.
    """
    from kit.report.page import Table

    rows: list[list[Cell]] = []
    for kind, first in next(iter(runs.values())).items():
        for at, name in enumerate(("half", "as many", "twice")):
            held = [run[kind]["at"][at] for run in runs.values()]
            rows.append(
                [
                    kind if at == 0 else "",
                    f"{first['planted']}",
                    f"{name} ({held[0]['k']})",
                    *(mean(one[key] for one in held) for key in ("precision", "recall", "random")),
                    " to ".join(f"{pick(one['precision'] for one in held):.2f}"
                                for pick in (min, max)),
                ]
            )  # fmt: skip
    header = ("kind", "planted", "looked at (k)", "precision", "recall", "random precision",
              "precision over seeds")  # fmt: skip
    return Table("Planted mistakes among the first k", header, rows, note)
