"""The notation of plans: what it says, and what it refuses."""

from __future__ import annotations

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.errors import UsageError
from kit.finetune.plan import NAMED, parse

STAGES = [*(f"backbone {place} (Conv)" for place in range(10)), "neck", "head"]


def over(text: str) -> str:
    return " ".join(map(str, parse(text).over(STAGES)))


@pytest.mark.parametrize(
    ("text", "treatments"),
    [
        ("F1-4 T5-9 R10-12", "F " * 4 + "T@0.2 " * 5 + "R R R"),
        ("R12 F1-4,6 T5,7-11@0.1", "F F F F T@0.1 F " + "T@0.1 " * 5 + "R"),
        ("F:backbone T:neck@1 R:head", "F " * 10 + "T@1 R"),
        ("F:backbone 3 (Conv) T:rest", "T@0.2 " * 3 + "F " + "T@0.2 " * 8),
        ("F:Backbone 3 T:rest", "T@0.2 " * 3 + "F " + "T@0.2 " * 8),
        ("T12 F:rest", "F " * 11 + "T@0.2"),
        ("F:rest R:classes", "F " * 12),
        ("head-only", "F " * 11 + "T@0.2"),
        ("freeze-backbone", "F " * 10 + "T@0.2 T@0.2"),
        (" tune-all ", "T@0.2 " * 12),
        ("paper", "T@1 " * 12),
    ],
)
def test_what_a_plan_says(text: str, treatments: str) -> None:
    assert over(text) == treatments.strip()
    assert parse(str(parse(text))) == parse(text)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is no part of a plan"),
        ("head-olny", "one of head-only, freeze-backbone, tune-all, paper"),
        ("f1-4 T:rest", "'f1-4 T:rest' is no part|'f1-4' is no part"),
        ("F1-4, T:rest", "'F1-4,' is no part"),
        ("F", "'F' is no part"),
        ("F1-4 T3-9 R10-12", "a stage is named twice"),
        ("F1,1 T:rest", "a stage is named twice"),
        ("F:rest T:rest", "a stage is named twice"),
        ("F:backbone T3 R:rest", r"stage 3 \(backbone 2 \(Conv\)\) is named twice"),
        ("F0-3 T:rest", "stages count from 1"),
        ("F4-2 T:rest", "ranges upwards"),
        ("F1-4 T5-9 R10", r"says nothing of stage 11-12 \(neck\)"),
        ("F1-13 T:rest", "no stage 13, only 1-12: backbone 0"),
        ("F1-10 R11,12,40,41 T:rest", "no stage 40-41,"),
        ("F:back T:rest", "no stage back,"),
        ("F:head T:backbone 1 T:rest@0.3 F:nek", "no stage nek"),
        ("F1-12", "nothing is left to train"),
        ("F:rest", "nothing is left to train"),
        ("T1-12@0", r"a factor lies in 0\.\.1"),
        ("T1-12@3", r"a factor lies in 0\.\.1"),
        ("F1-4@0.5 T:rest", "only what is tuned has one"),
        ("R1-12@0.5", "only what is tuned has one"),
        ("T:rest F:classes", "can only be re-initialised"),
    ],
)
def test_a_bad_plan_is_told_in_one_message(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message) as told:
        over(text)
    assert str(told.value).startswith(f'plan "{text[:2]}')
    assert "\n  -> " in str(told.value)


@given(
    st.lists(st.sampled_from("FTR"), min_size=1, max_size=20),
    st.sampled_from(["", "@0.5", "@1"]),
)
def test_every_stage_can_be_named_on_its_own(letters: list[str], factor: str) -> None:
    text = " ".join(
        f"{letter}{number}{factor if letter == 'T' else ''}"
        for number, letter in enumerate(letters, 1)
    )
    stages = [f"stage {number}" for number in range(len(letters))]
    if set(letters) == {"F"}:
        with pytest.raises(UsageError, match="nothing is left"):
            parse(text).over(stages)
    else:
        assert [each.letter for each in parse(text).over(stages)] == letters


def test_only_plans_that_freeze_say_so() -> None:
    assert {name for name in NAMED if parse(name).freezes} == {"head-only", "freeze-backbone"}


def test_plans_are_read_without_torch() -> None:
    code = "import sys; from kit.finetune.plan import parse; parse('paper'); " + (
        "sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
