"""What the project's own studies measured, where a dataset was as far away and as small."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from kit.binding import STRICT
from kit.cards import card_names, load_card


@dataclass(frozen=True)
class Outcome:
    """Of one way to treat the pretrained weights.

    Attributes:
        ap50: mean of test AP50 over seeds. interval: 95 %, over seeds and test pictures.
        valid: mean of valid AP.
        seeds: how many.
    """

    __pydantic_config__ = STRICT
    ap50: float
    interval: tuple[float, float]
    valid: float
    seeds: int


@dataclass(frozen=True)
class Case:
    """One dataset and sample.

    Attributes:
        cosine: its distance under the model, as advice measures it.
        fewest: pictures that show the class which the fewest show.
        outcomes: by way: ``freeze``, ``tune``, ``mean-var``, ``random``.
        tied: the ways that are not significantly worse than the best, which is first.
    """

    __pydantic_config__ = STRICT
    model: str
    dataset: str
    pictures: int
    cosine: float
    fewest: int
    outcomes: Mapping[str, Outcome]
    tied: tuple[str, ...]


@dataclass(frozen=True)
class Measured:
    """A study's outcomes: a YAML file in ``advice/``.

    Attributes:
        study: the file it ran. made: date, commit and machine. note: what to keep in mind.
    """

    __pydantic_config__ = STRICT
    FOLDER: ClassVar[str] = "advice"
    name: str
    study: str
    made: str
    note: str
    cases: tuple[Case, ...]


def known(model: str) -> list[tuple[Measured, Case]]:
    """Every case of a model."""
    every = [load_card(Measured, name) for name in card_names(Measured)]
    return [(told, case) for told in every for case in told.cases if case.model == model]


def nearest(
    cases: Sequence[tuple[Measured, Case]], cosine: float, pictures: int
) -> tuple[Measured, Case] | None:
    """The case most like this one: a band of the study's table counts as much as three times the
    pictures. None where there is none."""

    def apart(entry: tuple[Measured, Case]) -> float:
        case = entry[1]
        further = (cosine - case.cosine) / 0.2
        larger = math.log(max(pictures, 1) / max(case.pictures, 1)) / math.log(3)
        return math.hypot(further, larger)

    return min(cases, key=apart, default=None)
