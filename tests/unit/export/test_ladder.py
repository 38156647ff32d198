"""The ways to int8 in their order, and where they end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from kit.errors import GateRefused, RunFailed
from kit.export.ladder import SPARED, Climbed, Step, _damage, climb
from kit.export.parity import Change, Parity
from kit.types import Detections

SOUND = Parity(
    pictures=1,
    detections=2,
    matched=1.0,
    ap=Change(0.6, 0.6, (0.0, 0.0)),
    ap50=Change(0.9, 0.9, (0.0, 0.0)),
    per_class={},
    sensitivity=Change(0.9, 0.9, (0.0, 0.0)),
    operating_point=0.25,
    manifest="m",
    refused=(),
)


class _Makes:
    """Stands for the quantiser: a step's graph is the step."""

    def __init__(self, available: int) -> None:
        self.pictures, self.asked = range(available), list[Step]()

    def make(self, step: Step) -> Any:
        return step

    def damages(self, step: Step) -> dict[str, float]:
        self.asked.append(step)
        return {f"layer {n}": 1 - n / 30 for n in range(30)}


def climbed(passing: Any, *, available: int = 400) -> tuple[Climbed, _Makes]:
    """Climb with a gate that lets through what ``passing`` says, and finds entropy better."""

    def judge(step: Any) -> Parity:
        after = 0.5 + 0.01 * (step.method == "entropy") + 0.001 * len(step.spared)
        refused = () if passing(step) else ("AP fell",)
        return replace(SOUND, ap=Change(0.6, after, None), refused=refused)

    makes = _Makes(available)
    made: Any = makes
    return climb(made, judge, first=300), makes


def test_the_plainest_way_first() -> None:
    found, makes = climbed(lambda step: True)
    assert [str(each.step) for each in found.tried] == ["percentile of 300 pictures"]
    assert makes.asked == [], "no layer is looked at where none needs to be"
    assert found.facts()["left_in_float"] == []


def test_every_way_in_its_order() -> None:
    found, makes = climbed(lambda step: False)
    steps = [each.step for each in found.tried]
    assert [(s.method, s.pictures, len(s.spared)) for s in steps] == [
        ("percentile", 300, 0),
        ("entropy", 300, 0),
        ("percentile", 400, 0),
        ("entropy", 400, 0),
        *(("entropy", 300, count) for count in SPARED),
    ]
    assert makes.asked == [Step("entropy", 300)], "the layers of the best way so far"
    assert steps[-1].spared[:3] == ("layer 0", "layer 1", "layer 2")
    assert all(each.parity.refused for each in found.tried)


def test_more_is_never_less() -> None:
    found, _ = climbed(lambda step: False, available=2000)
    assert max(each.step.pictures for each in found.tried) == 1000
    makes: Any = _Makes(2000)
    refuse = replace(SOUND, refused=("no",))
    asked = [each.step.pictures for each in climb(makes, lambda step: refuse, first=2000).tried]
    assert set(asked) == {2000}


def test_it_ends_where_one_passes() -> None:
    found, _ = climbed(lambda step: len(step.spared) == 3, available=100)
    assert [each.step.pictures for each in found.tried] == [100, 100, 100]
    facts = found.facts()
    assert facts["left_in_float"] == ["layer 0", "layer 1", "layer 2"]
    assert [bool(each["refused"]) for each in facts["tried"]] == [True, True, False]
    assert len(facts["damages"]) == 30


def test_int8_in_name_only_is_not_tried() -> None:
    """Of few layers only a few may be left in float."""

    class Small(_Makes):
        def damages(self, step: Step) -> dict[str, float]:
            return {f"layer {n}": 0.1 for n in range(7)}

    makes: Any = Small(10)
    found = climb(makes, lambda step: replace(SOUND, refused=("no",)), first=300)
    assert [len(each.step.spared) for each in found.tried] == [0, 0, 3]


def test_a_method_that_fails_is_passed_over() -> None:
    class Fails(_Makes):
        def make(self, step: Step) -> Any:
            if step.method == "percentile":
                raise RunFailed("no ranges")
            return step

    makes: Any = Fails(10)
    found = climb(makes, lambda step: SOUND, first=300)
    assert [each.step.method for each in found.tried] == ["entropy"]

    def fail(step: Step) -> Any:
        raise RunFailed("no ranges")

    def answers_nothing(step: Any) -> Parity:
        if step.method == "percentile":
            raise GateRefused("the graph can't answer")
        return SOUND

    found = climb(_Makes(10), answers_nothing, first=300)  # type: ignore[arg-type]
    assert [each.step.method for each in found.tried] == ["entropy"]
    makes.make = fail
    with pytest.raises(RunFailed, match="no ranges"):
        climb(makes, lambda step: SOUND, first=300)


@pytest.mark.parametrize(
    ("change", "damage"),
    [
        (lambda d: d, 0.0),
        (lambda d: d[:0], 1.0),
        (lambda d: d[:1], 0.5),
        (lambda d: Detections(d.xyxy, d.scores - 0.2, d.labels), 0.2),
        (lambda d: Detections(d.xyxy, d.scores, d.labels + 1), 1.0),
    ],
    ids=["none", "all lost", "half lost", "scores", "classes"],
)
def test_damage(change: Any, damage: float) -> None:
    boxes = np.array([[0.0, 0, 10, 10], [20, 20, 40, 40]])
    found = Detections(boxes, np.array([0.9, 0.8]), np.array([0, 0]))
    assert _damage([found], [change(found)]) == pytest.approx(damage)
