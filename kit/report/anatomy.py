"""What a detector gets wrong, told: costs by kind, confusions, subgroups, and the worst pictures.

Every function makes sections for a page; :func:`tell` makes all of them.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from kit.data.dataset import Dataset
from kit.evaluate import breakdown
from kit.evaluate.anatomy import Anatomy, anatomy
from kit.evaluate.breakdown import Judged, Subgroup, judge
from kit.pixels import read_picture
from kit.report.draw import Colour, draw, legend
from kit.report.page import Cell, Figure, Pictures, Plot, Section, Table, Text
from kit.report.plots import cost_bars
from kit.report.scores import spoken_thresholds
from kit.types import Detections, Picture

RIGHT: Colour = (86, 180, 233)  # sky blue
MISSED: Colour = (213, 94, 0)  # vermilion
ALARM: Colour = (240, 228, 66)  # yellow
WRONG: Colour = (204, 121, 167)  # reddish purple

WORST = 12
"""Pictures on the sheet."""

GROUPS = 40
"""Rows of groups on the page: those with the lowest sensitivity come first."""

SQUARE = 12
"""Classes up to which confusions are a square table."""

PAIRS = 20
"""Confusions of more classes that are listed."""

_SIDE = 640  # pixels of a panel's longer side
_NAMED = 15  # names of more boxes would hide what they name
_GAP = 8  # pixels between labels and detections
_LEGEND = (
    (RIGHT, "right"),
    (MISSED, "missed"),
    (ALARM, "false alarm"),
    (WRONG, "wrong class"),
)
_MEANING = {
    "classification": "well placed, wrong class",
    "localisation": "right class, badly placed",
    "both": "wrong class, badly placed",
    "duplicate": "found before",
    "background": "nothing there",
    "missed": "not seen at all",
    "false positives": "all that is detected and not right",
    "false negatives": "all that is labelled and not found",
}
_SUBGROUP = ("", "pictures", "objects", "found", "false", "sensitivity", "95 % interval",
             "precision")  # fmt: skip


def tell(
    dataset: Dataset,
    predictions: Sequence[Detections],
    thresholds: Sequence[float],
    *,
    groups: Sequence[str | None] | None = None,
) -> list[Section]:
    """All sections.

    Args:
        dataset: the pictures that were looked at, usable boxes only.
        predictions: one per picture, in the dataset's order, down to the lowest scores.
        thresholds: ``(C,)`` from which boxes are shown: the card's.
        groups: site, patient or slide of each picture; the dataset's own where left out.

    Raises:
        DataError: a picture can't be read any more.
    """
    judged = judge(dataset, predictions, thresholds)
    known = dataset.groups if groups is None else groups
    found = anatomy(dataset, predictions)
    return [
        costs(found),
        *_drawn(found),
        confusions(judged, dataset.classes, thresholds),
        *subgroups(judged, dataset.classes, known),
        worst_pictures(dataset, judged),
    ]


def costs(found: Anatomy) -> Table:
    """What each kind of error costs."""
    rows: list[list[Cell]] = [
        [kind, _MEANING[kind], cost.count, cost.dap50]
        for kind, cost in (*found.errors.items(), *found.special.items())
    ]
    now = "not measurable: no object" if found.ap50 is None else f"{found.ap50:.3f}"
    return Table(
        "What costs AP50",
        ("error", "meaning", "count", "AP50 it costs"),
        rows,
        f"AP50 is {now}, on {found.pictures} picture(s) with {found.objects} object(s) and "
        f"{found.detections} detection(s) of any score. A cost is what AP50 gains when this kind "
        "alone is fixed (TIDE, Bolya et al. 2020); costs don't add up.",
    )


def _drawn(found: Anatomy) -> list[Section]:
    """The costs as a plot, where there are any."""
    if found.ap50 is None:
        return []
    bars = {kind: cost.dap50 for kind, cost in found.errors.items()}
    caption = f"{found.pictures} picture(s), {found.objects} object(s)."
    return [Plot("What each kind of error costs", cost_bars(bars), caption)]


def confusions(
    judged: Sequence[Judged], classes: Sequence[str], thresholds: Sequence[float]
) -> Table:
    """Labelled against detected classes, with what is missed and what is made up; of many classes
    the most frequent confusions only."""
    table = breakdown.confusion(judged, len(classes))
    # a class that is neither labelled nor detected says nothing
    there = [k for k in range(len(classes)) if table[k].any() or table[:, k].any()]
    title = "What is taken for what"
    points = spoken_thresholds(dict(zip(classes, thresholds, strict=True)))
    note = (
        f"Of detections scored {points}, at an overlap of 0.5 or more with the object. "
        f"{len(judged)} picture(s)."
    )
    if len(there) > SQUARE:
        pairs = [*zip(*np.nonzero(table), strict=True)]
        pairs = sorted(((i, j) for i, j in pairs if i != j), key=lambda at: -table[at])[:PAIRS]
        names, seen = (*classes, "nothing"), (*classes, "missed")
        listed: list[list[Cell]] = [
            [names[i], seen[j], int(table[i, j]), int(table[i].sum()) if i < len(classes) else None]
            for i, j in pairs
        ]
        most = f"The {len(listed)} most frequent. {note}"
        return Table(title, ("labelled", "detected", "count", "objects"), listed, most)
    rows: list[list[Cell]] = [
        [classes[k], int(table[k].sum()), *table[k, there].tolist(), int(table[k, -1])]
        for k in there
    ]
    rows.append(["nothing", None, *table[-1, there].tolist(), None])
    header = ("labelled", "objects", *(classes[k] for k in there), "missed")
    last = "Columns are detected classes, the last row are detections of nothing."
    return Table(title, header, rows, f"{last} {note}")


def subgroups(
    judged: Sequence[Judged], classes: Sequence[str], groups: Sequence[str | None] | None
) -> list[Section]:
    """By class, size and group."""
    note = (
        "Sensitivity is the share of objects found, precision the share of detections that are "
        "right. The interval (Wilson 1927) takes objects for independent; those of one picture "
        "seldom are, so it is rather too narrow."
    )
    sizes = "A size is the side, in pixels of the picture, of a square as large as the box."
    sections: list[Section] = [
        _table("By class", [breakdown.total(judged), *breakdown.by_class(judged, classes)], note),
        _table("By size: COCO's", breakdown.by_size(judged), sizes),
    ]
    if (edges := breakdown.terciles(judged)) is not None:
        third = "Edges that part this set's objects in three."
        sections.append(_table("By size: thirds", breakdown.by_size(judged, edges), third))
    if groups is None:
        why = "Not measurable: the dataset names no site, patient or slide of its pictures."
        return [*sections, Text("By group", [why])]
    rows = breakdown.by_group(judged, groups)
    rows.sort(key=lambda row: 2.0 if row.sensitivity is None else row.sensitivity)
    shown = f" The {GROUPS} lowest of {len(rows)}." if len(rows) > GROUPS else ""
    title = "By group: site, patient or slide"
    return [*sections, _table(title, rows[:GROUPS], f"Lowest sensitivity first.{shown}")]


def _table(title: str, rows: Sequence[Subgroup], note: str) -> Table:
    cells: list[list[Cell]] = []
    for row in rows:
        interval = None if row.interval is None else "{:.2f} to {:.2f}".format(*row.interval)
        counts = (row.pictures, row.objects, row.found, row.false)
        cells.append([row.name, *counts, row.sensitivity, interval, row.precision])
    return Table(title, _SUBGROUP, cells, note)


def worst_pictures(dataset: Dataset, judged: Sequence[Judged], count: int = WORST) -> Pictures:
    """The pictures with the most errors: labels on the left, detections on the right.

    Raises:
        DataError: a picture can't be read any more.
    """
    places = breakdown.worst(judged, count)
    figures = [
        Figure(
            side_by_side(
                read_picture(dataset.path(place), bit_depth=dataset.bit_depth),
                judged[place],
                dataset.classes,
            ),
            _caption(dataset.ids[place], judged[place]),
        )
        for place in places
    ]
    wrong = sum(one.errors > 0 for one in judged)
    note = (
        f"The {len(figures)} with the most errors, of {wrong} with any and {len(judged)} in all. "
        "Left, broken lines: labels. Right, full lines: detections. Crowds and difficult objects "
        f"are not drawn, and names are left out of a side with more than {_NAMED} errors."
    )
    return Pictures("The worst pictures", figures, note if figures else "No picture has an error.")


def _caption(name: str, one: Judged) -> str:
    counts = (int(one.missed.sum()), int(one.alarms.sum()), int(one.wrong.sum()))
    return "{}: {} missed, {} false alarm(s), {} of the wrong class".format(name, *counts)


def side_by_side(picture: Picture, one: Judged, classes: Sequence[str]) -> Picture:
    """Labels on the left, detections on the right, a legend below: BGR. What is wrong is named.

    Args:
        picture: ``(H, W, 3)`` BGR; a large one is made smaller.
    """
    scale = min(1.0, _SIDE / max(picture.shape[:2]))
    if scale < 1:
        smaller = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        picture = np.asarray(smaller, np.uint8)
    outcome = one.outcome
    mistaken = np.zeros(len(outcome.truth), bool)
    mistaken[one.mistaken[one.wrong]] = True
    left = _panel(
        picture, outcome.truth, scale, classes, outcome.counts, one.missed, mistaken, MISSED
    )
    drawn = one.hits | outcome.false
    right = _panel(
        picture, outcome.found, scale, classes, drawn, one.alarms, one.wrong, ALARM, labels=False
    )
    gap = np.full((left.shape[0], _GAP, 3), 255, np.uint8)
    both = np.concatenate([left, gap, right], axis=1)
    return np.concatenate([both, legend(both.shape[1], _LEGEND)])


def _panel(
    picture: Picture,
    boxes: Detections,
    scale: float,
    classes: Sequence[str],
    drawn: NDArray[np.bool_],
    lost: NDArray[np.bool_],
    wrong: NDArray[np.bool_],
    lost_colour: Colour,
    *,
    labels: bool = True,
) -> Picture:
    """Boxes by how they fared, what is wrong on top; each is a class of its own to the brush."""
    order = [*np.flatnonzero(wrong), *np.flatnonzero(lost)]
    order += np.flatnonzero(drawn & ~wrong & ~lost).tolist()
    texts, colours = [], []
    named = (wrong | lost) & (np.count_nonzero(wrong | lost) <= _NAMED)
    for place in order:
        colours.append(WRONG if wrong[place] else lost_colour if lost[place] else RIGHT)
        name = classes[boxes.labels[place]]
        score = "" if labels else f" {boxes.scores[place]:.2f}"
        texts.append(f"{name}{score}" if named[place] else "")
    mine = Detections(boxes.xyxy[order] * scale, boxes.scores[order], np.arange(len(order)))
    return draw(picture, mine, texts, scores=False, dashed=labels, colours=colours or (RIGHT,))
