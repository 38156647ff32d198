"""What becomes of each stage of a network: frozen, tuned or re-initialised. Knows no torch.

The notation is that of Chu et al., "Best Practices for Fine-tuning Visual Classifiers to New
Domains" (2016), over the numbered stages that ``kit show-stages MODEL`` prints::

    F1-4 T5-9 R10          numbers, ranges and lists of them (F1-4,7)
    F:backbone T:rest      names, or their first words; "rest" is what nothing else names
    T5-9@0.1               tuned at this factor of the rate of new layers, instead of 0.2
    R:classes              the layers that depend on the classes, whatever their stage says

What the start leaves new (class-dependent layers, wherever the classes differ) learns at the full
rate in a tuned stage too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from kit.errors import UsageError

FACTOR = 0.2
"""Rate of tuned layers as a factor of new layers', as Chu et al. took it."""

REST, CLASSES = "rest", "classes"

NAMED: Mapping[str, str] = {
    "head-only": "F:rest T:head",
    "freeze-backbone": "F:backbone T:rest",
    "tune-all": "T:rest",
    "paper": "T:rest@1 R:classes",
}
"""Plans with a name. ``paper`` is that of "How the fine-tuning set shapes transfer": a new
classification head, and one rate for everything."""

_CLAUSE = re.compile(
    r"(?P<letter>[FTR])(?::(?P<name>[^@]+)|(?P<numbers>\d{1,3}(-\d{1,3})?(,\d{1,3}(-\d{1,3})?)*))"
    r"(@(?P<factor>\d*\.?\d+))?"
)
_EXAMPLE = f'e.g. "F1-4 T5-9 R10" or "F:backbone T:rest"; or one of {", ".join(NAMED)}'


@dataclass(frozen=True)
class Treatment:
    """What becomes of a stage.

    Attributes:
        letter: ``F`` copied and frozen, weights and batch statistics; ``T`` copied and tuned; ``R``
            re-initialised.
        factor: its learning rate as a factor of new layers'; 0 where it is frozen.
    """

    letter: Literal["F", "T", "R"]
    factor: float

    def __str__(self) -> str:
        return f"T@{self.factor:g}" if self.letter == "T" else self.letter


@dataclass(frozen=True)
class Clause:
    """One word of a plan: a treatment, and the stages it is for, by number or by name."""

    treatment: Treatment
    numbers: tuple[int, ...] = ()
    name: str = ""

    def __str__(self) -> str:
        stages = f":{self.name}" if self.name else _ranges(self.numbers)
        factor = f"@{self.treatment.factor:g}" if self.treatment.letter == "T" else ""
        return f"{self.treatment.letter}{stages}{factor}"

    def places(self, stages: Sequence[str]) -> tuple[list[int], str]:
        """Which of the stages it means, by place from 0, and what it names that isn't there."""
        if self.name:
            found = [place for place, stage in enumerate(stages) if _is_called(stage, self.name)]
            return found, "" if found else self.name
        unknown = [number for number in self.numbers if number > len(stages)]
        return [number - 1 for number in self.numbers], _ranges(unknown)


@dataclass(frozen=True)
class Plan:
    """What becomes of every stage; :func:`parse` makes it.

    Attributes:
        clauses: on stages by number or name.
        rest: treatment of the stages that no clause names; None where there must be none.
        new_classes: the class-dependent layers are re-initialised even where the start has them.
    """

    clauses: tuple[Clause, ...]
    rest: Treatment | None = None
    new_classes: bool = False

    def __str__(self) -> str:
        words = [*self.clauses]
        if self.rest is not None:
            words.append(Clause(self.rest, name=REST))
        if self.new_classes:
            words.append(Clause(Treatment("R", 1.0), name=CLASSES))
        return " ".join(map(str, words))

    @property
    def freezes(self) -> bool:
        """Whether any stage is frozen."""
        treatments = [clause.treatment for clause in self.clauses]
        return any(t is not None and t.letter == "F" for t in (*treatments, self.rest))

    def over(self, stages: Sequence[str]) -> tuple[Treatment, ...]:
        """The treatment of each stage.

        Args:
            stages: their names, first to last.

        Raises:
            UsageError: a stage is named that doesn't exist, is named twice, or not at all; or all
                are frozen.
        """
        chosen: list[Treatment | None] = [None] * len(stages)
        for clause in self.clauses:
            places, unknown = clause.places(stages)
            if unknown:
                raise UsageError(
                    f"the model has no stage {unknown}, only 1-{len(stages)}: {', '.join(stages)}",
                    where=_quoted(self),
                    fix="see `kit show-stages MODEL`",
                )
            for place in places:
                if chosen[place] is not None:
                    raise _twice(f"stage {place + 1} ({stages[place]})", self)
                chosen[place] = clause.treatment
        treated = [treatment or self.rest for treatment in chosen]
        unnamed = tuple(place + 1 for place, each in enumerate(treated) if each is None)
        if unnamed:
            raise UsageError(
                f"says nothing of stage {_ranges(unnamed)} ({stages[unnamed[0] - 1]})",
                where=_quoted(self),
                fix=f'"{self} T:{REST}" tunes what is not named',
            )
        if not self.new_classes and all(each and each.letter == "F" for each in treated):
            raise UsageError("nothing is left to train", where=_quoted(self), fix=_EXAMPLE)
        return tuple(each for each in treated if each is not None)


def parse(text: str) -> Plan:
    """Read a plan's notation or name.

    Raises:
        UsageError: neither a plan nor the name of one; stages named twice.
    """
    clauses: list[Clause] = []
    rest: list[Treatment] = []
    new_classes = False
    for word in re.split(r"\s+(?=[FTR][:\d])", NAMED.get(text.strip(), text).strip()):
        clause = _clause(word, text)
        if clause.name == REST:
            rest.append(clause.treatment)
        elif clause.name == CLASSES:
            if clause.treatment.letter != "R":
                raise UsageError(
                    "class-dependent layers on their own can only be re-initialised",
                    where=_quoted(text),
                    fix=f"R:{CLASSES}",
                )
            new_classes = True
        else:
            clauses.append(clause)
    plan = Plan(tuple(clauses), rest[0] if rest else None, new_classes)
    numbers = [number for clause in clauses for number in clause.numbers]
    if len(rest) > 1 or len(set(numbers)) < len(numbers):
        raise _twice("a stage", text)
    return plan


def _clause(word: str, text: str) -> Clause:
    found = _CLAUSE.fullmatch(word)
    if found is None:
        raise UsageError(f"{word!r} is no part of a plan", where=_quoted(text), fix=_EXAMPLE)
    letter: Any = found["letter"]
    factor = {"F": 0.0, "T": FACTOR, "R": 1.0}[letter]
    if found["factor"] is not None:
        factor = float(found["factor"])
        if letter != "T" or not 0 < factor <= 1:
            raise UsageError(
                f"{word!r}: a factor lies in 0..1, and only what is tuned has one",
                where=_quoted(text),
                fix="e.g. T5-9@0.1",
            )
    listed = found["numbers"].split(",") if found["numbers"] else []
    spans = [[int(end) for end in part.split("-")] for part in listed]
    if not all(1 <= span[0] <= span[-1] for span in spans):
        raise UsageError(
            f"{word!r}: stages count from 1, and ranges upwards", where=_quoted(text), fix=_EXAMPLE
        )
    numbers = [number for span in spans for number in range(span[0], span[-1] + 1)]
    return Clause(Treatment(letter, factor), tuple(numbers), (found["name"] or "").strip())


def _is_called(stage: str, name: str) -> bool:
    """By its whole name, or by its first words."""
    return f"{stage} ".lower().startswith(f"{name} ".lower())


def _twice(what: str, plan: object) -> UsageError:
    return UsageError(f"{what} is named twice", where=_quoted(plan), fix=_EXAMPLE)


def _quoted(plan: object) -> str:
    return f'plan "{plan}"'


def _ranges(numbers: Sequence[int]) -> str:
    """``1-4,7``."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ",".join(str(p[0]) if len(p) == 1 else f"{p[0]}-{p[-1]}" for p in parts)
