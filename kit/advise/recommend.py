"""From the evidence to a recommendation: what to do, and why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kit.advise.bands import Bands
from kit.advise.facts import LEARNABLE_SIDE, SMALL, Facts
from kit.advise.measured import Case, Measured
from kit.data.findings import RARE
from kit.finetune.distance import Distance

FREEZE, TUNE = "freeze-backbone", None
"""The two plans that are weighed against each other: as `kit train --plan` takes them; None tunes
everything at the recipe's rate."""

_SMALL_SHARE = 0.1  # of the objects: from here on they need more pixels


@dataclass(frozen=True)
class Advice:
    """One thing to do.

    Attributes:
        about: ``start``, ``plan``, ``size`` or ``labels``.
        choice: in a word.
        why: each piece of evidence.
        options: for `kit train`.
    """

    about: str
    choice: str
    why: tuple[str, ...]
    options: tuple[str, ...] = ()


def recommend(
    facts: Facts, size: int, distance: Distance, bands: Bands, case: tuple[Measured, Case] | None
) -> list[Advice]:
    """All there is to say.

    Args:
        facts: of the training sample.
        size: side of the model's input in pixels, as its card has it.
        distance: of whole pictures.
        case: the most similar one of our own studies.
    """
    return [
        _start(case),
        _plan(distance, bands, case, facts),
        _size(facts, size),
        *_labels(facts),
    ]


def _start(case: tuple[Measured, Case] | None) -> Advice:
    why = ["a start far from the task was worse than none in the study, a close one better"]
    if case is not None:
        _, own = case
        best = max(own.outcomes[way].ap50 for way in ("freeze", "tune") if way in own.outcomes)
        others = [way for way in ("mean-var", "random") if way in own.outcomes]
        said = ", ".join(f"{way} {own.outcomes[way].ap50:.3f}" for way in others)
        if said:
            why.insert(0, f"{_called(case)}: coco {best:.3f}, {said}")
    return Advice("start", "coco", tuple(why), ("--start", "coco"))


def _plan(
    distance: Distance, bands: Bands, case: tuple[Measured, Case] | None, facts: Facts
) -> Advice:
    """What was measured on a set like this one outweighs the table, which is not calibrated."""
    table = (
        f"the study's bands: distance {bands.distance} ({distance.cosine.value:.2f}), data "
        f"{bands.data} ({facts.fewest} pictures of the rarest class): {bands.says} (uncalibrated: "
        "they come from classifiers)"
    )
    choice: str = bands.says
    if case is None:
        why = [table, "no study of this kit's has measured this model"]
    else:
        told, own = case
        ways = {way: own.outcomes[way] for way in ("freeze", "tune") if way in own.outcomes}
        best = max(ways, key=lambda way: ways[way].ap50)
        tied = all(way in own.tied for way in ways) or len(ways) < 2
        choice = "try both" if tied else best
        figures = ", ".join(
            f"{way} {each.ap50:.3f} ({each.interval[0]:.3f} to {each.interval[1]:.3f})"
            for way, each in ways.items()
        )
        verdict = "a tie" if tied else f"{best} is better"
        why = [f"{_called(case)}: {figures}: {verdict}; {told.note}", table]
    plan = {"freeze": ("--plan", FREEZE), "tune": ()}.get(choice, ())
    if choice == "try both":
        why.append("--try measures both on this very sample; until then tuning is the default")
    return Advice("plan", choice, tuple(why), plan)


def _called(case: tuple[Measured, Case]) -> str:
    own = case[1]
    return f"measured on {own.pictures} pictures of {own.dataset} (distance {own.cosine:.2f})"


def _size(facts: Facts, size: int) -> Advice:
    small = facts.small[size]
    why = [
        f"{small:.0%} of the objects are smaller than {SMALL:.0f} px at {size} px",
        f"nine of ten measure {LEARNABLE_SIDE:.0f} px from {facts.wanted} px on",
    ]
    if facts.wanted > size and small >= _SMALL_SHARE:
        why.append(
            f"the model was pretrained at {size} px: a larger input costs time in proportion to "
            "its area; cutting pictures into parts is the other way"
        )
        return Advice(
            "size", "more pixels", tuple(why), ("--size", str(min(facts.wanted, 2 * size)))
        )
    if facts.wanted < size:
        why.append("recipe rule takes the smaller size, which is quicker")
    return Advice("size", f"{size} px will do", tuple(why), ("--size", str(size)))


def _labels(facts: Facts) -> Sequence[Advice]:
    if not facts.rare:
        return []
    said = ", ".join(f"{name} {count}" for name, count in facts.rare.items())
    why = (
        f"under {RARE} objects: {said}",
        "`kit sample --next N --bundle B` ranks what to label next, `kit forecast` tells what "
        "more labels bring",
    )
    return [Advice("labels", "more of some classes", why)]
