"""Plain words round honestly: never to all, never to none, intervals outwards."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from doubles.reports import detail, estimate, evaluation, row
from hypothesis import given
from hypothesis import strategies as st

from kit.evaluate.coco import ClassScore
from kit.evaluate.detail import Estimate
from kit.evaluate.report import EvalReport
from kit.report.plain_words import measured_on, sentences


def one_class(sensitivity: Estimate, precision: Estimate, images: int = 50) -> EvalReport:
    classes = {"WBC": row(sensitivity, precision)}
    return evaluation(
        "b", images=images, detail=detail(classes), per_class={"WBC": ClassScore(0.5, 0.5, 1)}
    )


def said(sensitivity: Estimate, precision: Estimate, images: int = 50) -> str:
    (sentence,) = sentences(one_class(sensitivity, precision, images))
    return sentence.text


RIGHT = estimate(1.0, 200)


@pytest.mark.parametrize(
    ("sensitivity", "words"),
    [
        (estimate(0.93, 200, (0.841, 0.979)),
         "Finds about 93 of 100 WBC (95 % interval 84 to 98 of 100)"),
        (estimate(14 / 15, 15, (0.7, 1.0)), "Finds 14 of 15 WBC (95 % interval 70 to 100 of 100)"),
        (estimate(999 / 1000, 1000, (0.99, 1.0)), "Finds more than 99 of 100 WBC"),
        (estimate(1 / 1000, 1000, (0.0, 0.004)), "Finds fewer than 1 of 100 WBC (95 % interval 0 "
                                                 "to 1 of 100)"),
        # Wilson's interval of 71 of 71 begins at 71 / (71 + 1.96 ** 2) = 0.949
        (estimate(1.0, 71), "Finds 71 of 71 WBC (95 % interval at least 94 to 100 of 100)"),
        (estimate(1.0, 400), "Finds all of 400 WBC"),
        (estimate(0.0, 400), "Finds none of 400 WBC"),
        (Estimate(1.0, 9, why="interval not measurable: only one unit holds any"),
         "Finds 9 of 9 WBC (how sure that is can't be told from 9)"),
        (Estimate(None, 0, why="not measurable: no objects"),
         "How many WBC it finds is not measurable: there are none."),
    ],
)  # fmt: skip
def test_what_is_found(sensitivity: Estimate, words: str) -> None:
    assert said(sensitivity, RIGHT).startswith(words)


@pytest.mark.parametrize(
    ("precision", "images", "words"),
    [
        (estimate(0.9, 200), 50, "wrongly marks about 0.4 things per picture as WBC."),
        (estimate(0.5, 2000), 50, "wrongly marks about 20 things per picture as WBC."),
        (estimate(0.99, 100), 50, "wrongly marks 1 thing on 50 pictures as WBC."),
        (estimate(0.97, 100), 1000, "wrongly marks fewer than 1 thing(s) per 100 pictures as WBC."),
        (estimate(0.7, 100), 1000, "wrongly marks about 3 thing(s) per 100 pictures as WBC."),
        (estimate(1.0, 100), 50, "marks nothing wrongly as WBC on 50 pictures."),
        (Estimate(None, 0), 50, "marks nothing wrongly as WBC on 50 pictures."),
    ],
)
def test_what_is_marked_wrongly(precision: Estimate, images: int, words: str) -> None:
    assert said(estimate(0.9, 200, (0.8, 0.95)), precision, images).endswith(words)


def test_all_classes_first_then_each() -> None:
    found = sentences(evaluation("b"))
    assert [each.about for each in found] == [None, "cell", "dust"]
    assert "of 100 objects" in found[0].text
    assert "50 pictures of smears (test) with 400 labelled objects" in measured_on(evaluation("b"))


def test_scores_alone_say_so() -> None:
    (only,) = sentences(replace(evaluation("b"), detail=None))
    assert "not measured" in only.text


@given(
    n=st.integers(1, 3000),
    found=st.integers(0, 3000),
    ends=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    images=st.integers(1, 3000),
    shown=st.integers(0, 3000),
    right=st.integers(0, 3000),
)
def test_nothing_is_rounded_to_certainty(
    n: int, found: int, ends: tuple[float, float], images: int, shown: int, right: int
) -> None:
    found, right, (low, high) = min(found, n), min(right, shown), sorted(ends)
    precision = estimate(right / shown, shown) if shown else Estimate(None, 0)
    text = said(estimate(found / n, n, (low, high)), precision, images)
    told = re.match(r"Finds (all|none|more than \d+|fewer than \d+|about \d+|\d+) of (\d+) ", text)
    assert told is not None
    assert (told[1] in ("all", f"{n}") and told[2] == f"{n}") == (found == n)
    if told[1].startswith("about"):
        assert 0 < int(told[1].split()[1]) < 100
        assert abs(int(told[1].split()[1]) / 100 - found / n) <= 0.005 + 1e-9
    interval = re.search(r"interval (\d+) to (\d+) of 100", text)
    assert interval is not None
    assert int(interval[1]) <= 100 * low + 1e-6
    assert int(interval[2]) >= 100 * high - 1e-6
    assert ("marks nothing wrongly" in text) == (shown == right)
