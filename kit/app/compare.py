"""Two bundles on one picture: what both show, what one shows alone, what each calls otherwise."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from kit.app import strings as say
from kit.app.findings import Shown
from kit.app.looked import Looked
from kit.evaluate.outcome import iou
from kit.report.rows import json_rows, watched_facts
from kit.types import Detections

IOU = 0.5
"""Least overlap of two boxes of one object."""

Kind = Literal["first", "second", "class", "both"]


@dataclass(frozen=True, eq=False)
class Side:
    """One bundle's answer.

    Attributes:
        found: all its boxes; labels are places in the classes of both.
        thresholds: its own by those labels; 1 for what it doesn't know.
        alone: classes that the other bundle doesn't know, by name.
    """

    looked: Looked
    found: Detections
    thresholds: tuple[float, ...]
    alone: tuple[str, ...]


@dataclass(frozen=True)
class Match:
    """An object, as each side shows it.

    Attributes:
        first, second: box by its place among all of a side; None where that side shows none.
        below: score of a box of its class there that the other side has below its threshold.
    """

    kind: Kind
    first: int | None
    second: int | None
    overlap: float | None = None
    below: float | None = None


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two bundles on one picture.

    Attributes:
        classes: of both, the first's first; compared by name.
        matches: differences first, best scores first; then what both show, by how much their scores
            differ.
    """

    classes: tuple[str, ...]
    first: Side
    second: Side
    shown: Shown
    matches: tuple[Match, ...]

    @property
    def counts(self) -> dict[Kind, int]:
        """Objects of each kind."""
        counted = Counter(match.kind for match in self.matches)
        return {kind: counted[kind] for kind in ("both", "first", "second", "class")}

    def scores(self, match: Match) -> tuple[float | None, float | None]:
        """Of both sides."""
        one, other = match.first, match.second
        return (
            None if one is None else float(self.first.found.scores[one]),
            None if other is None else float(self.second.found.scores[other]),
        )

    def difference(self, match: Match) -> float | None:
        """Of the scores, second less first; None where one side shows nothing."""
        one, other = self.scores(match)
        return None if one is None or other is None else other - one


def compare(first: Looked, second: Looked, shown: Shown | None = None) -> Comparison:
    """Compare two looks at the same picture.

    Args:
        shown: which boxes, ``without`` by place in the classes of both; None for all that reach
            their bundle's operating point.
    """
    shown = shown or Shown()
    ours, theirs = (each.served.bundle.card.classes for each in (first, second))
    classes = tuple(dict.fromkeys((*ours, *theirs)))
    one, other = _side(first, classes, theirs), _side(second, classes, ours)
    masks = [shown.mask(side.found, side.thresholds) for side in (one, other)]
    places = [np.flatnonzero(mask) for mask in masks]
    same, named_otherwise = pairs(one.found[masks[0]], other.found[masks[1]])
    overlaps = iou(one.found.xyxy, other.found.xyxy)
    matches: list[Match] = []
    kinds: tuple[tuple[Kind, list[tuple[int, int]]], ...]
    kinds = (("both", same), ("class", named_otherwise))
    for kind, found in kinds:
        for a, b in found:
            i, j = int(places[0][a]), int(places[1][b])
            matches.append(Match(kind, i, j, float(overlaps[i, j])))
    for i in _free(places[0], [match.first for match in matches]):
        below = _below(one, i, other, overlaps[i], masks[1])
        matches.append(Match("first", i, None, None, below))
    for j in _free(places[1], [match.second for match in matches]):
        below = _below(other, j, one, overlaps[:, j], masks[0])
        matches.append(Match("second", None, j, None, below))
    made = Comparison(classes, one, other, shown, tuple(matches))
    return replace(made, matches=tuple(sorted(made.matches, key=lambda each: _order(made, each))))


def pairs(
    first: Detections, second: Detections, least: float = IOU
) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Boxes of two sides that show one object, each in at most one pair.

    Those of one class first, those that overlap most before others; what is left then pairs with
    what is left of other classes. Which side is first makes no difference.

    Returns:
        Places of the boxes in pairs of the same class, and in pairs of different ones.
    """
    overlaps = iou(first.xyxy, second.xyxy)
    same = first.labels[:, None] == second.labels[None]
    alike = _greedy(np.where(same, overlaps, 0.0), least)
    for i, j in alike:
        overlaps[i, :], overlaps[:, j] = 0.0, 0.0
    return alike, _greedy(np.where(same, 0.0, overlaps), least)


def _greedy(overlaps: NDArray[np.float64], least: float) -> list[tuple[int, int]]:
    rows, columns = np.nonzero(overlaps >= least)
    # of equal overlaps the better boxes, which stand first; the sum is the same from both sides
    order = np.lexsort((rows + columns, -overlaps[rows, columns]))
    taken: tuple[set[int], set[int]] = set(), set()
    found = []
    for i, j in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        if i not in taken[0] and j not in taken[1]:
            taken[0].add(i)
            taken[1].add(j)
            found.append((i, j))
    return found


def _free(places: NDArray[np.int64], taken: list[int | None]) -> list[int]:
    return [place for place in places.tolist() if place not in taken]


def _side(looked: Looked, classes: tuple[str, ...], theirs: tuple[str, ...]) -> Side:
    card, found = looked.served.bundle.card, looked.result.detections
    place = np.array([classes.index(name) for name in card.classes], np.int64)
    own = dict(zip(card.classes, card.thresholds, strict=True))
    return Side(
        looked,
        replace(found, labels=place[found.labels]),
        tuple(own.get(name, 1.0) for name in classes),
        tuple(name for name in card.classes if name not in theirs),
    )


def _below(
    side: Side, box: int, other: Side, overlaps: NDArray[np.float64], shown: NDArray[np.bool_]
) -> float | None:
    """Best score of what the other side doesn't show of this object."""
    there = (overlaps >= IOU) & ~shown & (other.found.labels == side.found.labels[box])
    return float(other.found.scores[there].max()) if there.any() else None


def _order(made: Comparison, match: Match) -> tuple[int, float]:
    if match.kind == "both":
        return 3, -abs(made.difference(match) or 0.0)
    kind = ("first", "second", "class").index(match.kind)
    return kind, -max(score for score in made.scores(match) if score is not None)


def as_json(made: Comparison) -> dict[str, Any]:
    """All that is known of a comparison, as plain data."""
    looked = made.first.looked
    height, width = looked.picture.shape[:2]
    later = max(made.first.looked.when, made.second.looked.when)
    when = datetime.fromtimestamp(later, timezone.utc)
    return {
        "picture_sha256": looked.picture_sha256,
        "width": width,
        "height": height,
        "looked_at": when.isoformat(timespec="seconds"),
        "first": _facts(made, made.first),
        "second": _facts(made, made.second),
        "threshold": made.shown.threshold,
        "without": [made.classes[label] for label in sorted(made.shown.without)
                    if label < len(made.classes)],
        "iou": IOU,
        "counts": {
            "both": made.counts["both"],
            "first_alone": made.counts["first"],
            "second_alone": made.counts["second"],
            "other_class": made.counts["class"],
        },
        "matches": [_row(made, match) for match in made.matches],
        "use": say.RESEARCH_ONLY,
    }  # fmt: skip


def _facts(made: Comparison, side: Side) -> dict[str, Any]:
    card = side.looked.served.bundle.card
    shown = made.shown.among(side.found, side.thresholds)
    return {
        "name": side.looked.served.name,
        "bundle": card.name,
        "bundle_sha256": side.looked.served.bundle.sha256,
        "thresholds": dict(zip(card.classes, card.thresholds, strict=True)),
        "classes_alone": list(side.alone),
        "boxes": len(shown),
        "stages_ms": {name: round(ms, 3) for name, ms in side.looked.stages_ms.items()},
        **watched_facts(side.looked.result.watched),
    }


def _row(made: Comparison, match: Match) -> dict[str, Any]:
    difference = made.difference(match)
    return {
        "kind": {"first": "first alone", "second": "second alone", "class": "other class"}.get(
            match.kind, match.kind
        ),
        "first": _box(made, made.first, match.first),
        "second": _box(made, made.second, match.second),
        "iou": None if match.overlap is None else round(match.overlap, 4),
        "score_difference": None if difference is None else round(difference, 4),
        "score_below": None if match.below is None else round(match.below, 4),
    }


def _box(made: Comparison, side: Side, place: int | None) -> dict[str, Any] | None:
    if place is None:
        return None
    [box] = json_rows(side.found[[place]], made.classes)
    del box["label"]  # each bundle has labels of its own; names are what is compared
    return box
