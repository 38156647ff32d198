"""Labels that are likely wrong: each kind by hand, and what must not be suspected."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.data.dataset import Dataset
from kit.label.mistakes import FLOOR, Mistake, find_mistakes, ranked, suspect
from kit.types import Detections, Example, Ignore

CLASSES = ("cell", "dust")
CELL, DUST = 0, 1
HERE, THERE = (0, 0, 10, 10), (50, 50, 60, 60)


def picture(*labels: tuple[Any, int], ignore: Any = None) -> Example:
    truth = Detections.truth([box for box, _ in labels], [label for _, label in labels])
    kinds = np.zeros(len(labels), np.uint8) if ignore is None else np.array(ignore, np.uint8)
    return Example("a.png", Path("a.png"), (100, 100), truth, kinds)


def seen(*rows: tuple[Any, int, float]) -> Detections:
    boxes, labels, scores = zip(*rows, strict=True) if rows else ((), (), ())
    return Detections(np.reshape(boxes, (-1, 4)), np.array(scores), np.array(labels, int))


def found(example: Example, detections: Detections) -> list[tuple[Any, ...]]:
    return [
        (one.kind, one.place, one.label, one.suggested, pytest.approx(one.score))
        for one in suspect(example, detections, CLASSES)
    ]


def test_each_kind_by_hand() -> None:
    labels = picture((HERE, CELL), (THERE, DUST))
    both = ((HERE, CELL, 0.9), (THERE, DUST, 0.8))
    assert found(labels, seen(*both)) == [
        ("box", 0, "cell", "cell", 0.0), ("box", 1, "dust", "dust", 0.0)
    ]  # fmt: skip
    missing = seen(*both, ((80, 80, 90, 90), CELL, 0.7))
    assert found(labels, missing)[2] == ("missed", None, None, "cell", 0.7)
    # labelled dust, of which the detector thought too, but less
    swapped = seen(both[0], (THERE, CELL, 0.8), (THERE, DUST, 0.25))
    assert found(labels, swapped)[1:] == [("class", 1, "dust", "cell", 0.8 * 0.75)]
    # overlap 50 / 150 of the right class
    shifted = seen(both[0], ((55, 50, 65, 60), DUST, 0.6))
    assert found(labels, shifted)[1:] == [("box", 1, "dust", "dust", 0.6 * 2 / 3)]
    # overlap 20 / 180: two objects
    apart = seen(both[0], ((58, 50, 68, 60), DUST, 0.9))
    assert found(labels, apart)[1:] == [("missed", None, None, "dust", 0.9 * (1 - 1 / 9))]


def test_a_label_that_is_answered_well_is_not_suspected_for_a_neighbour() -> None:
    neighbour = ((4, 0, 14, 10), CELL, 0.9)  # overlap 60 / 140 with the label
    told = found(picture((HERE, CELL)), seen((HERE, CELL, 0.8), neighbour))
    assert sorted(told, key=str) == sorted(
        [("box", 0, "cell", "cell", 0.0), ("missed", None, None, "cell", 0.9 * 4 / 7)], key=str
    )


def test_boxes_are_told() -> None:
    [one] = suspect(picture((HERE, CELL)), seen(((0, 0, 10, 8), CELL, 0.5)), CLASSES)
    assert (one.box, one.suggested_box) == ((0, 0, 10, 10), (0, 0, 10, 8))
    [one] = suspect(picture(), seen((HERE, CELL, 0.5)), CLASSES)
    assert (one.picture, one.box, one.suggested_box) == ("a.png", None, (0, 0, 10, 10))


@pytest.mark.parametrize("why", [Ignore.CROWD, Ignore.DIFFICULT])
def test_crowds_and_difficult_objects_explain_what_lies_on_them(why: Ignore) -> None:
    labels = picture(((0, 0, 40, 40), CELL), (THERE, DUST), ignore=[why, Ignore.NONE])
    told = found(labels, seen((HERE, CELL, 0.9), (HERE, DUST, 0.9), (THERE, CELL, 0.5)))
    assert told == [("class", 1, "dust", "cell", 0.5)]  # its place is that in the picture


def test_nothing_found_or_nothing_labelled() -> None:
    assert found(picture((HERE, CELL)), seen()) == []
    assert found(picture(), seen()) == []
    # one object found twice is missed once
    twice = seen((HERE, CELL, 0.9), ((0, 0, 10, 9), DUST, 0.8))
    assert found(picture(), twice) == [("missed", None, None, "cell", 0.9)]


corner = st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(1, 40), st.integers(1, 40))
boxes = st.lists(
    st.tuples(
        corner.map(lambda c: (c[0], c[1], c[0] + c[2], c[1] + c[3])),
        st.integers(0, 1),
        st.floats(0.0625, 1.0, width=32),
    ),
    max_size=12,
)


@given(labels=boxes, detections=boxes)
def test_scores_are_shares_and_each_label_is_suspected_once(
    labels: list[tuple[Any, int, float]], detections: list[tuple[Any, int, float]]
) -> None:
    example = picture(*[(box, label) for box, label, _ in labels])
    told = list(suspect(example, seen(*detections), CLASSES))
    assert len(told) <= len(detections)
    assert all(0 <= one.score <= 1 for one in told)
    places = [one.place for one in told if one.place is not None]
    assert len(set(places)) == len(places)
    for one in told:
        assert (one.kind == "missed") == (one.place is None)
        if one.place is not None:
            assert CLASSES[example.truth.labels[one.place]] == one.label
            assert (one.kind == "class") == (one.label != one.suggested)


@given(labels=boxes)
def test_a_detector_that_agrees_suspects_nothing(labels: list[tuple[Any, int, float]]) -> None:
    apart = [((40 * k, 0, 40 * k + 30, 30), label) for k, (_, label, _) in enumerate(labels)]
    sure = seen(*[(box, label, 0.9) for box, label in apart])
    assert all(one.score == 0 for one in suspect(picture(*apart), sure, CLASSES))


def test_all_pictures_are_looked_at_and_ranked(
    reader: Callable[..., Any], paint: Callable[..., Path]
) -> None:
    folder = paint({"a.png": (0, 0, 60), "b.png": (0, 0, 180), "c.png": (0, 0, 0)})
    none = np.zeros(0, np.uint8)
    examples = [
        Example(name, folder / name, (80, 60), Detections.empty(), none)
        for name in ("a.png", "b.png", "c.png")
    ]
    detector = reader()
    dataset = Dataset.from_examples("ward", folder, CLASSES, examples, {})
    told = find_mistakes(detector, dataset)
    assert (detector.looked, detector.floor) == (3, FLOOR)
    assert [(one.rank, one.picture, round(one.score, 6)) for one in told] == [
        (1, "b.png", 0.9), (2, "a.png", 0.3)
    ]  # fmt: skip


def test_equal_ones_keep_their_order() -> None:
    made = [
        Mistake(name, "missed", 0.5, None, None, None, "cell", HERE) for name in ("b", "a", "c")
    ]
    assert [(one.rank, one.picture) for one in ranked(made)] == [(1, "b"), (2, "a"), (3, "c")]
