"""A detector at one threshold: each object and detection counted once, and in the right place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.data.dataset import Dataset
from kit.evaluate import breakdown
from kit.evaluate.breakdown import by_class, by_group, by_size, confusion, judge, total
from kit.evaluate.coco import run
from kit.evaluate.matches import match
from kit.evaluate.operating import count
from kit.types import Detections, Example, Ignore

SMALL, MEDIUM, LARGE = (0, 0, 31, 31), (100, 0, 132, 32), (0, 100, 96, 196)
IN_CROWD = (210, 210, 220, 220)


@pytest.fixture
def scored() -> tuple[Dataset, list[Detections]]:
    """Two pictures: a hit, a wrong class, a miss and a crowd; then a duplicate and a false alarm;
    and one detection below the threshold."""
    first = Detections.truth([SMALL, MEDIUM, LARGE, (200, 200, 300, 300)], [0, 0, 1, 1])
    ignore = np.array([Ignore.NONE] * 3 + [Ignore.CROWD], np.uint8)
    second = Detections.truth([SMALL], [1])
    examples = [
        Example("a.png", Path("a.png"), (400, 400), first, ignore, "north"),
        Example("b.png", Path("b.png"), (400, 400), second, np.zeros(1, np.uint8), "south"),
    ]
    dataset = Dataset.from_examples("set", Path(), ["cat", "dog", "owl"], examples, {})
    found = [
        Detections([SMALL, MEDIUM, LARGE, IN_CROWD], [0.9, 0.8, 0.2, 0.9], [0, 1, 1, 1]),
        Detections([SMALL, SMALL, LARGE], [0.9, 0.8, 0.7], [1, 1, 0]),
    ]  # fmt: skip
    return dataset, found


def test_confusions_by_hand(scored: tuple[Dataset, list[Detections]]) -> None:
    judged = judge(*scored, [0.25] * 3)
    assert confusion(judged, 3).tolist() == [
        [1, 1, 0, 0],  # a cat found, a cat taken for a dog
        [0, 1, 0, 1],  # a dog found, one missed
        [0, 0, 0, 0],
        [1, 1, 0, 0],  # nothing taken for a cat, and a dog found twice
    ]
    assert [one.errors for one in judged] == [2, 2]


def test_subgroups_by_hand(scored: tuple[Dataset, list[Detections]]) -> None:
    judged = judge(*scored, [0.25] * 3)

    def rows(subgroups: list[breakdown.Subgroup]) -> list[tuple[int, ...]]:
        return [(row.pictures, row.objects, row.found, row.false) for row in subgroups]

    assert rows(by_size(judged)) == [(2, 2, 2, 1), (1, 1, 0, 1), (1, 1, 0, 1)]
    assert rows(by_class(judged, scored[0].classes)) == [(1, 2, 1, 1), (2, 2, 1, 2), (0, 0, 0, 0)]
    groups = by_group(judged, scored[0].groups or ())
    assert [row.name for row in groups] == ["north", "south"]
    assert rows(groups) == [(1, 3, 1, 1), (1, 1, 1, 2)]
    assert (groups[1].sensitivity, groups[1].precision) == (1.0, pytest.approx(1 / 3))
    assert by_group(judged, [None, "x"])[-1].name == "no group"
    owls = by_class(judged, scored[0].classes)[2]
    assert owls.figures() == {
        "name": "owl", "pictures": 0, "objects": 0, "found": 0, "false": 0,
        "sensitivity": None, "interval": None, "precision": None,
    }  # fmt: skip
    assert (owls.sensitivity, owls.precision, owls.interval) == (None, None, None)
    assert breakdown.terciles(judged) == pytest.approx((31.0, 32.0))


def test_a_class_is_judged_at_its_own_threshold(
    scored: tuple[Dataset, list[Detections]],
) -> None:
    """A dog scored 0.2 is shown, a cat scored 0.8 is not."""
    judged = judge(*scored, [0.85, 0.2, 0.25])
    assert [len(one.outcome.found) for one in judged] == [4, 2]
    cats, dogs, _ = by_class(judged, scored[0].classes)
    assert (cats.found, cats.false, dogs.found, dogs.false) == (1, 0, 2, 2)


def test_worst_pictures_first_and_none_without_errors(
    scored: tuple[Dataset, list[Detections]],
) -> None:
    dataset, found = scored
    judged = judge(dataset, [found[0], dataset[1].truth], [0.25] * 3)
    assert breakdown.worst(judged, 5) == [0]
    judged = judge(dataset, [found[0], Detections.empty()], [0.25] * 3)
    assert breakdown.worst(judged, 5) == [0, 1]
    assert breakdown.worst(judged, 1) == [0]


def test_no_picture_holds_anything() -> None:
    none = np.zeros(0, np.uint8)
    example = Example("a.png", Path("a.png"), (9, 9), Detections.empty(), none)
    dataset = Dataset.from_examples("set", Path(), ["cat"], [example], {})
    judged = judge(dataset, [Detections.empty()], [0.25])
    assert confusion(judged, 1).sum() == 0
    assert total(judged).sensitivity is None
    assert breakdown.terciles(judged) is None
    assert breakdown.worst(judged, 3) == []


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32 - 1), threshold=st.floats(0.01, 0.9))
def test_all_views_count_what_the_operating_point_counts(
    scene: Callable[..., Any], seed: int, threshold: float
) -> None:
    dataset, found = scene(seed, pictures=4, ignored=0.2)
    judged = judge(dataset, found, [threshold] * len(dataset.classes))
    whole = total(judged)
    known = count(match(run(dataset, found), dataset), threshold)
    assert (whole.objects, whole.found, whole.false) == (
        known.objects.sum(), known.hits.sum(), known.false.sum()
    )  # fmt: skip
    table = confusion(judged, len(dataset.classes))
    assert table[:-1].sum() == whole.objects
    assert table[:, :-1].sum() == whole.found + whole.false
    assert np.trace(table[:-1, :-1]) == whole.found
    views = [by_size(judged), by_class(judged, dataset.classes), by_group(judged, list("abba"))]
    if (edges := breakdown.terciles(judged)) is not None:
        views.append(by_size(judged, edges))
    for rows in views:
        for name in ("objects", "found", "false"):
            assert sum(getattr(row, name) for row in rows) == getattr(whole, name)
    errors = whole.false + table[:-1, -1].sum()
    assert sum(one.errors for one in judged) == errors
