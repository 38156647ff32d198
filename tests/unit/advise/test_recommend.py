"""What is recommended follows from the evidence, and names it."""

from __future__ import annotations

from typing import Any

from kit.advise.bands import fall
from kit.advise.facts import Facts, Held
from kit.advise.measured import Case, Measured, Outcome, known, nearest
from kit.advise.recommend import Advice, recommend
from kit.finetune.distance import Distance, Estimate

DISTANCE = Distance(*(Estimate(value, value - 0.01, value + 0.01) for value in (0.03, 0.06, 0.99)))


def facts(**changes: Any) -> Facts:
    held = {"cell": Held(40, 90), "dot": Held(30, 12)}
    base = {"pictures": 50, "objects": 102, "classes": held, "small": {640: 0.0}, "wanted": 320}
    return Facts(**{**base, **changes})


def case(freeze: float, tune: float, tied: tuple[str, ...], **changes: Any) -> Case:
    ways = {"freeze": freeze, "tune": tune, "mean-var": 0.2, "random": 0.1}
    outcomes = {
        way: Outcome(ap50, (ap50 - 0.05, ap50 + 0.05), ap50 - 0.3, 2) for way, ap50 in ways.items()
    }
    base = {"model": "m", "dataset": "d", "pictures": 50, "cosine": 0.03, "fewest": 30}
    return Case(**{**base, **changes}, outcomes=outcomes, tied=tied)


STUDY = Measured("transfer", "studies/transfer.yaml", "today", "short runs", ())


def advised(of: Facts, own: Case | None) -> dict[str, Advice]:
    bands = fall(DISTANCE.cosine.value, of.fewest)
    found = recommend(of, 640, DISTANCE, bands, None if own is None else (STUDY, own))
    return {advice.about: advice for advice in found}


def test_without_a_study_the_table_speaks() -> None:
    plan = advised(facts(), None)["plan"]
    assert plan.choice == "try both"
    assert plan.options == ()
    assert "uncalibrated" in plan.why[0]
    few = facts(classes={"cell": Held(20, 90)})
    assert advised(few, None)["plan"].options == ("--plan", "freeze-backbone")


def test_what_was_measured_outweighs_the_table() -> None:
    plan = advised(facts(classes={"a": Held(9, 50)}), case(0.6, 0.9, ("tune",)))["plan"]
    assert plan.choice == "tune"
    assert "tune is better" in plan.why[0]
    assert "freeze (uncalibrated" in plan.why[1]
    plan = advised(facts(), case(0.9, 0.6, ("freeze",)))["plan"]
    assert plan.options == ("--plan", "freeze-backbone")


def test_a_tie_is_no_verdict() -> None:
    plan = advised(facts(), case(0.82, 0.80, ("freeze", "tune")))["plan"]
    assert plan.choice == "try both"
    assert "a tie" in plan.why[0]
    assert "--try" in plan.why[-1]


def test_small_objects_need_pixels() -> None:
    size = advised(facts(small={640: 0.4}, wanted=992), None)["size"]
    assert size.options == ("--size", "992")
    size = advised(facts(small={640: 0.4}, wanted=3008), None)["size"]
    assert size.options == ("--size", "1280"), "no more than twice what it was pretrained at"
    assert advised(facts(), None)["size"].options == ("--size", "640")


def test_rare_classes_are_named() -> None:
    assert "dot 12" in advised(facts(), None)["labels"].why[0]
    assert "labels" not in advised(facts(classes={"a": Held(20, 20)}), None)


def test_the_nearest_case_is_as_far_and_as_small() -> None:
    cases = [
        (STUDY, case(0.5, 0.6, (), dataset=name, cosine=cosine, pictures=pictures))
        for name, cosine, pictures in (("a", 0.03, 50), ("b", 0.03, 100), ("c", 0.3, 50))
    ]
    assert nearest(cases, 0.05, 60)[1].dataset == "a"  # type: ignore[index]
    assert nearest(cases, 0.0, 400)[1].dataset == "b"  # type: ignore[index]
    assert nearest(cases, 0.5, 50)[1].dataset == "c"  # type: ignore[index]
    assert nearest([], 0.1, 10) is None


def test_what_is_shipped_can_be_read() -> None:
    for told, own in known("yolov8n"):
        assert told.study
        assert set(own.tied) <= set(own.outcomes)
        assert all(
            0 <= low <= high <= 1 for low, high in (o.interval for o in own.outcomes.values())
        )
