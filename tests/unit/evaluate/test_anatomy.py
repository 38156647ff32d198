"""What costs AP50: one planted error of each kind, the authors' toolbox, and invariants."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.data.dataset import Dataset
from kit.evaluate.anatomy import KINDS, Anatomy, anatomy
from kit.evaluate.coco import run, score
from kit.evaluate.matches import match
from kit.evaluate.outcome import iou, outcomes
from kit.types import Detections, Example, Ignore

CAT, DOG = 0, 1
Box = tuple[float, float, float, float]
FIRST, SECOND, FAR = (0, 0, 10, 10), (100, 0, 110, 10), (300, 300, 310, 310)


def labelled(*objects: tuple[Box, int], ignore: Sequence[int] = ()) -> Dataset:
    """One picture of cats and dogs."""
    truth = Detections.truth([box for box, _ in objects], [label for _, label in objects])
    kinds = np.array(ignore or [Ignore.NONE] * len(objects), np.uint8)
    example = Example("a.png", Path("a.png"), (400, 400), truth, kinds)
    return Dataset.from_examples("set", Path(), ["cat", "dog"], [example], {})


def detected(*rows: tuple[Box, int, float]) -> list[Detections]:
    boxes, labels, scores = zip(*rows, strict=True) if rows else ((), (), ())
    return [Detections(np.reshape(boxes, (-1, 4)), np.array(scores), np.array(labels, int))]


RIGHT = ((FIRST, CAT, 0.9), (SECOND, DOG, 0.9))
TWO = labelled((FIRST, CAT), (SECOND, DOG))


def gained(found: Anatomy) -> dict[str, float | None]:
    return {kind: cost.dap50 for kind, cost in found.errors.items() if cost.count}


def nothing(found: Anatomy, but: str) -> bool:
    return all(
        (cost.count, cost.dap50) == (0, 0.0) for kind, cost in found.errors.items() if kind != but
    )


@pytest.mark.parametrize(
    ("kind", "found", "cost"),
    [
        # the cat is called a dog, above the dog: cat AP 0, dog precision 1/2
        ("classification", ((FIRST, DOG, 0.95), RIGHT[1]), 1 - (0 + 1 / 2) / 2),
        # overlap 40 / 160: cat AP 0
        ("localisation", (((6, 0, 16, 10), CAT, 0.95), RIGHT[1]), 1 - (0 + 1) / 2),
        # a dog a quarter on the cat, above the dog
        ("both", (*RIGHT, ((6, 0, 16, 10), DOG, 0.95)), 1 - (1 + 1 / 2) / 2),
        # found twice, then the other cat
        ("duplicate", (*RIGHT, ((0, 0, 10, 9), CAT, 0.8), (FAR, CAT, 0.7)), None),
        ("background", (*RIGHT, ((200, 200, 210, 210), CAT, 0.95)), 1 - (1 / 2 + 1) / 2),
        # without the cat to be found its class is not in the mean
        ("missed", RIGHT[1:], 1 - (0 + 1) / 2),
    ],
)
def test_one_planted_error_costs_what_it_costs_and_is_of_its_kind_alone(
    kind: str, found: tuple[tuple[Box, int, float], ...], cost: float | None
) -> None:
    dataset = TWO
    if kind == "duplicate":
        dataset = labelled((FIRST, CAT), (SECOND, DOG), (FAR, CAT))
        # recalls up to 0.5 (51 of 101) at precision 1, those above at 2/3; the dog's AP is 1
        cost = 1 - ((51 + 50 * 2 / 3) / 101 + 1) / 2
    told = anatomy(dataset, detected(*found))
    assert nothing(told, but=kind)
    assert told.errors[kind].count == 1
    assert told.errors[kind].dap50 == pytest.approx(cost)
    assert told.ap50 is not None
    assert told.ap50 + (told.errors[kind].dap50 or 0) == pytest.approx(1)


@pytest.mark.parametrize(
    ("box", "label", "kind"),
    [
        ((0, 0, 10, 5), CAT, None),  # an overlap of 0.5 finds it
        ((0, 0, 10, 5), DOG, "classification"),
        ((0, 0, 10, 4.99), CAT, "localisation"),
        ((0, 0, 10, 4.99), DOG, "both"),
        ((0, 0, 10, 1), CAT, "localisation"),
        ((0, 0, 10, 0.99), CAT, "background"),
        ((0, 0, 10, 1), DOG, "background"),
    ],
)
def test_thresholds_are_the_papers(box: Box, label: int, kind: str | None) -> None:
    told = anatomy(labelled((FIRST, CAT)), detected((box, label, 0.9)))
    kinds = [name for name, cost in told.errors.items() if cost.count and name != "missed"]
    assert kinds == ([kind] if kind else [])
    stood_for = kind in (None, "classification", "localisation")
    assert told.errors["missed"].count == (0 if stood_for else 1)


def test_an_object_is_given_to_the_best_detection_that_stands_for_it() -> None:
    """Two cats beside one: the better is put right and the other goes, so AP is 1."""
    shifted = detected(((6, 0, 16, 10), CAT, 0.9), ((0, 6, 10, 16), CAT, 0.8))
    assert gained(anatomy(labelled((FIRST, CAT)), shifted)) == {"localisation": 1.0}
    # where the object is found already, it goes too
    also = detected((FIRST, CAT, 0.5), ((6, 0, 16, 10), CAT, 0.9))
    assert gained(anatomy(labelled((FIRST, CAT)), also)) == {"localisation": 0.5}


def reference(dataset: Dataset, found: list[Detections]) -> list[Detections]:
    """Classes that have objects only, every fifth detection of another class."""
    kept = [one[one.labels < 2] for one in found]
    return [
        replace(one, labels=np.where(np.arange(len(one)) % 5 == 1, 1 - one.labels, one.labels))
        for one in kept
    ]


GOLDEN: list[tuple[int, Mapping[str, tuple[int, float]], tuple[float, float]]] = [
    (
        1,
        {"classification": (16, 16.8397), "localisation": (13, 11.9165), "both": (6, 0.4595),
         "duplicate": (14, 2.7425), "background": (71, 1.1043), "missed": (12, 8.9301)},
        (21.1658, 23.7509),
    ),
    (
        3,
        {"classification": (12, 9.7526), "localisation": (27, 14.1296), "both": (6, 1.2608),
         "duplicate": (20, 1.4127), "background": (78, 0.5888), "missed": (22, 13.9164)},
        (13.3311, 35.8722),
    ),
]  # fmt: skip
"""Of tidecv 1.0.1, the authors' toolbox: seed, count and dAP by kind, dAP of FalsePos, FalseNeg."""


@pytest.mark.parametrize(("seed", "errors", "special"), GOLDEN)
def test_counts_and_costs_are_those_of_the_authors_toolbox(
    scene: Callable[..., Any],
    seed: int,
    errors: Mapping[str, tuple[int, float]],
    special: tuple[float, float],
) -> None:
    dataset, found = scene(seed, ignored=0, digits=7)
    told = anatomy(dataset, reference(dataset, found))
    for kind, (count, cost) in errors.items():
        assert told.errors[kind].count == count
        assert 100 * (told.errors[kind].dap50 or 0) == pytest.approx(cost, abs=1e-4)
    costs = [100 * (cost.dap50 or 0) for cost in told.special.values()]
    assert costs == pytest.approx(special, abs=1e-4)


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_error_is_of_one_kind_and_no_fix_does_harm(
    scene: Callable[..., Any], seed: int
) -> None:
    dataset, found = scene(seed, pictures=4, ignored=0.2)
    matches = match(run(dataset, found), dataset)
    false = sum(int((~m.hit[0] & ~m.ignored[0]).sum()) for m in matches.values())
    lost = sum(int(m.objects.sum() - m.hit[0].sum()) for m in matches.values())
    told = anatomy(dataset, found)
    assert told.ap50 == score(dataset, found).ap50
    assert sum(told.errors[kind].count for kind in KINDS if kind != "missed") == false
    assert [cost.count for cost in told.special.values()] == [false, lost]
    assert told.errors["missed"].count <= lost
    if told.ap50 is not None:
        for cost in (*told.errors.values(), *told.special.values()):
            assert cost.dap50 is not None
            assert -1e-9 <= cost.dap50 <= 1 - told.ap50 + 1e-9


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_perfect_detector_has_no_error_whatever_does_not_count(
    scene: Callable[..., Any], seed: int
) -> None:
    dataset, _ = scene(seed, pictures=3, ignored=0.3)
    told = anatomy(dataset, [example.truth for example in dataset])
    for cost in (*told.errors.values(), *told.special.values()):
        assert cost.count == 0
        assert cost.dap50 == (None if told.ap50 is None else 0.0)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32 - 1))
def test_objects_are_taken_as_the_evaluator_has_it(scene: Callable[..., Any], seed: int) -> None:
    dataset, found = scene(seed, pictures=4, ignored=0.2)
    matches = match(run(dataset, found), dataset)
    made = outcomes(dataset, found)
    hits = sum(int(m.hit[0].sum()) for m in matches.values())
    assert sum(int((one.taken >= 0).sum()) for one in made) == hits
    for one in made:
        mine = one.taken >= 0
        assert len(np.unique(one.taken[mine])) == mine.sum()
        overlaps = iou(one.found.xyxy, one.truth.xyxy)[np.flatnonzero(mine), one.taken[mine]]
        assert (overlaps >= 0.5 - 1e-9).all()
        assert (one.found.labels[mine] == one.truth.labels[one.taken[mine]]).all()
        assert one.counts[one.taken[mine]].all()


def test_nothing_detected_is_all_missed() -> None:
    told = anatomy(TWO, detected())
    assert (told.ap50, told.objects, told.detections) == (0.0, 2, 0)
    assert gained(told) == {"missed": 1.0}
    assert [cost.count for cost in told.special.values()] == [0, 2]


def test_no_object_has_errors_but_no_cost() -> None:
    told = anatomy(labelled(), detected((FIRST, CAT, 0.9)))
    assert told.ap50 is None
    assert gained(told) == {"background": None}


@pytest.mark.parametrize("why", [Ignore.DIFFICULT, Ignore.CROWD])
def test_what_does_not_count_is_neither_error_nor_missed(why: Ignore) -> None:
    dataset = labelled((FIRST, CAT), (SECOND, CAT), ignore=[Ignore.NONE, why])
    assert gained(anatomy(dataset, detected((FIRST, CAT, 0.9)))) == {}
    both = detected((FIRST, CAT, 0.9), (SECOND, CAT, 0.95), (SECOND, CAT, 0.99))
    assert gained(anatomy(dataset, both)) == {}
