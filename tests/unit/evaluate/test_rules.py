"""Rules against worked examples, and against looking at every threshold there is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kit.errors import DataError, GateRefused, UsageError
from kit.evaluate.coco import run
from kit.evaluate.matches import Matches, match
from kit.evaluate.operating import Estimate, at_point, count
from kit.evaluate.rules import Rule, choose, parse_rule

ROWS = [(0.9, True), (0.8, False), (0.7, True), (0.7, False), (0.5, True), (0.3, False)]
"""Of ten pictures with four objects, one of which is never found."""


def of(rows: list[tuple[float, bool]], objects: int = 4, pictures: int = 10) -> Matches:
    scores = np.array([score for score, _ in rows], np.float32).astype(np.float64)
    order = np.argsort(-scores, kind="stable")
    hit = np.tile(np.array([right for _, right in rows], bool), (10, 1))[:, order]
    picture = (np.arange(len(rows)) % pictures)[order]
    there = np.bincount(picture[hit[0]], minlength=pictures) * (objects > 0)
    there[-1] += max(objects - there.sum(), 0)  # what is never found
    return Matches(
        score=scores[order],
        picture=picture,
        hit=hit,
        ignored=np.zeros_like(hit),
        objects=there,
    )


@pytest.mark.parametrize(
    ("rule", "threshold"),
    [
        ("sensitivity=0.25", 0.9),
        ("sensitivity=0.5", 0.7),  # both that score 0.7 are shown, or neither
        ("sensitivity=0.51", 0.5),
        ("sensitivity=0.75", 0.5),
        ("fppi=0", 0.9),
        ("fppi=0.1", 0.9),  # 0.8 would be allowed, and finds no more
        ("fppi=0.2", 0.5),
        ("fppi=9", 0.5),  # 0.3 would be allowed, and finds no more
        ("f1", 0.5),  # 2 x 3 / (3 + 2 + 4), against 2/5, 2/6 and 4/8
    ],
)
def test_by_hand(rule: str, threshold: float) -> None:
    choice = choose({"a": of(ROWS)}, parse_rule(rule), resamples=20)
    assert choice.together.threshold == float(np.float32(threshold))


def test_of_equal_f1_the_highest() -> None:
    rows = [(0.9, True), (0.8, False), (0.7, False), (0.6, False), (0.5, True)]
    # 2 / (1 + 3) at 0.9 and 4 / (5 + 3) at 0.5
    choice = choose({"a": of(rows, objects=3)}, Rule("f1"), resamples=20)
    assert choice.together.threshold == float(np.float32(0.9))


@pytest.mark.parametrize("rule", ["sensitivity=0.6", "sensitivity=1", "fppi=0.7", "fppi=0", "f1"])
@settings(
    max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(seed=st.integers(0, 2**32 - 1))
def test_no_other_threshold_is_better(scene: Callable[..., Any], rule: str, seed: int) -> None:
    dataset, predictions = scene(seed, pictures=5)
    matches = match(run(dataset, predictions), dataset)
    wanted = parse_rule(rule)
    scores = sorted({float(s) for m in matches.values() for s in m.score}, reverse=True)
    best: tuple[float, float] | None = None
    for score in scores:  # descending, so that only what is strictly better replaces
        at = count(matches, score)
        hits, false, objects = (int(x.sum()) for x in (at.hits, at.false, at.objects))
        value = {
            "sensitivity": float(hits >= (wanted.value or 0) * objects - 1e-9),
            "fppi": hits * float(at.fppi <= (wanted.value or 0) + 1e-9),
            "f1": 2 * hits / max(hits + false + objects, 1),
        }[wanted.kind]
        if hits and value > 0 and (best is None or value > best[0] + 1e-12):
            best = value, score
    if not objects or best is None:
        with pytest.raises((GateRefused, DataError)):
            choose(matches, wanted, resamples=5)
        return
    assert choose(matches, wanted, resamples=5).together.threshold == best[1]


def test_what_can_not_be_met_tells_what_can() -> None:
    with pytest.raises(GateRefused, match=r"at most 0\.750 of its 4 object") as told:
        choose({"a": of(ROWS)}, parse_rule("sensitivity=0.76"), resamples=5)
    assert told.value.exit_code == 3
    wrong_first = {"a": of([(0.9, False), (0.8, True)])}
    with pytest.raises(GateRefused, match=r"found with 0\.1 false positives per picture"):
        choose(wrong_first, parse_rule("fppi=0.05"), resamples=5)
    with pytest.raises(GateRefused, match="f1 can't be met"):
        choose({"a": of([(0.9, False)])}, Rule("f1"), resamples=5)


def test_each_class_chooses_for_itself() -> None:
    squeezed = of([(score / 2, right) for score, right in ROWS])
    empty = of([(0.6, False)], objects=0)
    matches = {"a": of(ROWS), "b": squeezed, "c": empty}
    choice = choose(matches, parse_rule("sensitivity=0.5"), per_class=True, resamples=50)
    assert choice.own == {"a": float(np.float32(0.7)), "b": float(np.float32(0.35))}
    assert choice.classes["c"].threshold == choice.together.threshold
    assert "no objects" in (choice.classes["c"].note or "")
    # together: what each shows at its own threshold, and c at the shared one
    assert choice.together.fitted.sensitivity.value == 0.5
    shown = count(matches, choice.together.threshold, choice.own)
    assert choice.together.fitted == at_point(shown)
    alone = choose(matches, parse_rule("sensitivity=0.5"), resamples=50)
    assert alone.own == {}
    assert alone.classes["a"].note is None
    with pytest.raises(GateRefused, match="d: nothing is found"):
        choose({**matches, "d": of([])}, parse_rule("sensitivity=0.5"), per_class=True)


def test_the_interval_holds_what_other_pictures_bring() -> None:
    """Chosen on 40 pictures for 80 %, counted on 40 others, 100 times: most lie within."""
    rng = np.random.default_rng(0)

    def drawn() -> dict[str, Matches]:
        rows = [(float(rng.beta(4, 2)), True) for _ in range(40)]
        return {"a": of(rows, objects=40, pictures=40)}

    inside = 0
    for _ in range(100):
        choice = choose(drawn(), parse_rule("sensitivity=0.8"), resamples=100)
        interval = choice.together.expected["sensitivity"]
        assert interval is not None
        found = count(drawn(), choice.together.threshold).sensitivity
        inside += interval[0] <= (found or 0) <= interval[1]
    assert 0.88 <= inside / 100 <= 1


def test_one_picture_is_enough_to_choose_and_not_for_an_interval() -> None:
    choice = choose({"a": of([(0.9, True), (0.4, False)], 1, 1)}, Rule("f1"), resamples=20)
    assert choice.together.fitted.sensitivity == Estimate(1.0, None)
    assert choice.together.expected["sensitivity"] is None
    assert choice.together.fitted.pictures == 1


@pytest.mark.parametrize(
    ("matches", "complaint"),
    [({"a": of(ROWS, objects=0)}, "no objects"), ({"a": of([])}, "finds nothing")],
)
def test_nothing_to_choose_by(matches: dict[str, Matches], complaint: str) -> None:
    with pytest.raises(DataError, match=complaint):
        choose(matches, Rule("f1"))


@pytest.mark.parametrize(
    "word", ["", "best", "sensitivity", "sensitivity=95", "sensitivity=0", "fppi=-1", "fppi=nan",
             "fppi=inf", "f1=0.5", "sensitivity=nan", "precision=0.9"]
)  # fmt: skip
def test_what_is_no_rule_is_told_which_are(word: str) -> None:
    with pytest.raises(UsageError, match=r"sensitivity=S .*fppi=F .*f1"):
        parse_rule(word)


def test_a_rule_is_written_as_it_is_read() -> None:
    for word in ("sensitivity=0.95", "fppi=0.125", "f1"):
        assert str(parse_rule(word)) == word
