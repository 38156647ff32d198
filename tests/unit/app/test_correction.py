"""What visitors decide, checked: no box undecided, none where none can be."""

from __future__ import annotations

from typing import Any

import pytest
from doubles.served import looked
from hypothesis import given
from hypothesis import strategies as st

from kit.app.correction import Correction, Decision, counts, settle
from kit.binding import bind
from kit.errors import UsageError

REST = [{"decision": "accepted", "proposed": 0}, {"decision": "rejected", "proposed": 1}]


def correction(*boxes: dict[str, Any], threshold: Any = None) -> Correction:
    data = {"boxes": list(boxes), "threshold": threshold}
    return bind(Correction, data, where="correction", error=UsageError)


def drawn(*box: Any, name: Any = "cell") -> dict[str, Any]:
    return {"decision": "drawn", "name": name, "box": list(box)}


def test_every_kind_of_decision() -> None:
    told = correction(
        {"decision": "changed", "proposed": 0, "name": "platelet"},
        {"decision": "accepted", "proposed": 1},
        {"decision": "changed", "proposed": 2, "box": [60, 30, 100, 80]},
        drawn(0, 0, 5, 5),
        threshold=0.2,
    )
    settled = settle(looked(), told)
    assert [(each.xyxy, each.label) for each in settled] == [
        ((10, 10, 50, 40), 1),
        ((0, 20, 30, 80), 1),  # cut at the edges of the picture
        ((60, 30, 100, 80), 0),
        ((0, 0, 5, 5), 0),
    ]
    assert settled[1].told["proposed"] == {
        "bbox": [-5, 20, 35, 70],
        "score": pytest.approx(0.6, abs=1e-6),
        "class": "platelet",
    }
    assert settled[3].told == {"decision": "drawn", "proposed": None}
    assert counts(settled, ("cell", "platelet")) == {"cell": 2, "platelet": 2}


def test_rejected_boxes_are_not_true() -> None:
    settled = settle(looked(), correction(*({**each, "decision": "rejected"} for each in REST)))
    assert [each.xyxy for each in settled] == [None, None]


@pytest.mark.parametrize(
    ("boxes", "why"),
    [
        ([], "not decided on: 2"),
        (REST[:1], "not decided on: 1"),
        ([*REST, REST[0]], "twice"),
        ([*REST, {"decision": "accepted", "proposed": 2}], "not shown: 1"),
        ([*REST, {"decision": "accepted", "proposed": 3}], "not shown: 1"),
        ([*REST, {"decision": "accepted", "proposed": -1}], "not shown: 1"),
        ([*REST, drawn(0, 0, 5, 5, name="dog")], "no class 'dog'"),
        ([*REST, drawn(-1, 0, 5, 5)], "box 3: it reaches out"),
        ([*REST, drawn(0, 0, 101, 5)], "reaches out"),
        ([*REST, drawn(0, 0, 5, 80.5)], "reaches out"),
        ([*REST, drawn(0, 0, 0.5, 5)], "at least 1 pixel"),
        ([*REST, drawn(9, 9, 5, 5)], "at least 1 pixel"),
        ([*REST, drawn(0, 0, float("nan"), 5)], "finite number"),
        ([*REST, drawn(0, 0, float("inf"), 5)], "finite number"),
        ([*REST, *[drawn(0, 0, 5, 5)] * 5000], "more than 5000"),
    ],
)
def test_what_cannot_be_true(boxes: list[dict[str, Any]], why: str) -> None:
    with pytest.raises(UsageError, match=why):
        settle(looked(), correction(*boxes))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_place_is_a_number_wherever_it_comes_from(value: float) -> None:
    boxes = [Decision(**each) for each in REST]
    there = Decision("drawn", name="cell", box=(0, 0, value, 5))
    with pytest.raises(UsageError, match="box 3: its place is not a number"):
        settle(looked(), Correction((*boxes, there)))


@pytest.mark.parametrize("threshold", [-0.1, 1.1, float("nan")])
def test_a_threshold_is_a_score(threshold: float) -> None:
    with pytest.raises(UsageError, match="threshold"):
        settle(looked(), correction(*REST, threshold=threshold))


@pytest.mark.parametrize(
    "box",
    [
        {"decision": "drawn", "name": "cell"},
        {"decision": "drawn", "box": [0, 0, 5, 5]},
        {"decision": "drawn", "name": "cell", "box": [0, 0, 5, 5], "proposed": 0},
        {"decision": "accepted"},
        {"decision": "accepted", "proposed": 0, "box": [0, 0, 5, 5]},
        {"decision": "changed", "proposed": 0},
        {"decision": "liked", "proposed": 0},
        {"decision": "accepted", "proposed": 0, "by": "me"},
        {"decision": "drawn", "name": "cell", "box": [0, 0, 5]},
        {"decision": "drawn", "name": "cell", "box": ["a", 0, 5, 5]},
        "accepted",
    ],
)
def test_what_is_no_decision(box: Any) -> None:
    with pytest.raises(UsageError, match="mistake"):
        correction(box)


@given(st.floats(), st.floats(), st.floats(), st.floats())
def test_no_true_box_lies_outside(left: float, top: float, right: float, bottom: float) -> None:
    try:
        *_, settled = settle(looked(), correction(*REST, drawn(left, top, right, bottom)))
    except UsageError:
        return
    assert settled.xyxy is not None
    left, top, right, bottom = settled.xyxy
    assert 0 <= left < right <= 100
    assert 0 <= top < bottom <= 80


@given(st.integers(0, 10_000).map(lambda number: number / 10_000))
def test_what_the_page_shows_can_be_decided(threshold: float) -> None:
    """The page compares scores of four digits, as static/viewer.js does."""
    look = looked()
    shown = [
        index
        for index, (_, score, _) in enumerate(look.result.detections)
        if float(f"{score:.4f}") >= threshold - 5e-5
    ]
    boxes = [{"decision": "accepted", "proposed": index} for index in shown]
    assert len(settle(look, correction(*boxes, threshold=threshold))) == len(shown)
