"""Known limits of a detector, derived from what is known of it and from what is not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from kit.bundle import BundleCard
from kit.evaluate.detail import Detail
from kit.evaluate.report import EvalReport
from kit.report.dossier import Dossier
from kit.report.model_card.facts import at
from kit.report.page import Text
from kit.report.statements import ASKED

FEW = 50
"""Objects below which a figure is called one of few."""

WIDE = 0.2
"""Width of a 95 % interval of sensitivity from which it is called wide."""

_SHOWN = 6


def limits(card: BundleCard, dossier: Dossier) -> Text:
    """All of them; there always are some."""
    found = [
        *_of_measuring(card, dossier),
        *(line for report in dossier.own for line in _of_report(report)),
        *_of_choosing(card),
        *_of_running(card, dossier),
        *_of_people(dossier),
    ]
    note = (
        "Derived from the facts on this page; others are not known to it. Topics of CLAIM 2024: "
        "limitations. MI-CLAIM: model examination. FUTURE-AI: universality, fairness, robustness."
    )
    return Text("Known limits", found, note=note)


def _of_measuring(card: BundleCard, dossier: Dossier) -> Iterator[str]:
    own = dossier.own
    seen = {digest: split for split, digest in card.manifests.items()}
    fresh = [each for each in own if each.manifest_sha256 not in seen]
    if not any(each.split == "test" for each in fresh):
        yield (
            "There is no report of a test split: nothing tells how it does on pictures that "
            "neither trained it nor chose anything."
        )
    for each in own:
        if (split := seen.get(each.manifest_sha256)) is not None:
            yield (
                f"The figures on {each.dataset}, {each.split}, flatter: these are its own {split} "
                "pictures."
            )
    if fresh and len(datasets := {each.dataset for each in fresh}) == 1:
        yield (
            f"It was measured on one dataset, {datasets.pop()}: of other sites, devices and "
            "preparations nothing is known."
        )
    for tiling in sorted({str(each.tiling) for each in own if each.tiling is not None}):
        yield f"Some figures were measured with {tiling}; without them it does otherwise."


def _of_report(report: EvalReport) -> Iterator[str]:
    on = f"on {report.dataset}, {report.split}"
    none = [name for name, each in report.per_class.items() if not each.objects]
    few = [
        f"{name} ({each.objects})"
        for name, each in report.per_class.items()
        if 0 < each.objects < FEW
    ]
    if none:
        yield f"Not measured at all {on}, for want of objects: {_named(none)}."
    if few:
        yield f"Measured on fewer than {FEW} objects {on}: {_named(few)}."
    if report.detail is None:
        yield f"Sensitivity, precision and subgroups {on} were not measured, nor how sure they are."
        return
    wide = [
        f"{name} ({interval[0]:.2f} to {interval[1]:.2f})"
        for name, row in report.detail.per_class.items()
        if (interval := row["sensitivity"].interval) is not None
        and interval[1] - interval[0] > WIDE
    ]
    if wide:
        yield f"Sensitivity {on} is uncertain, by its 95 % interval: {_named(wide)}."
    yield from _of_units(report.detail, on)


def _of_units(found: Detail, on: str) -> Iterator[str]:
    if found.drawn_by == "picture":
        yield (
            f"No patients are named {on}: pictures of one patient may stand in training and in "
            "test, which flatters, and intervals over pictures may be too narrow."
        )
    if found.units < FEW:
        yield f"There are {found.units} {found.drawn_by}(s) {on}: intervals are rather too narrow."


def _of_choosing(card: BundleCard) -> Iterator[str]:
    told: Any = at(card.reports, "operating_point", "together", "fitted", "objects")
    if card.rule is None:
        yield (
            f"The score from which boxes are shown, {card.operating_point:.3g}, was chosen by no "
            "rule."
        )
    elif not isinstance(told, int):
        yield "How many objects chose its thresholds is not told: they come from another bundle."
    elif told < FEW:
        yield f"Its thresholds were chosen on {told} objects, fewer than {FEW}."
    classes = at(card.reports, "operating_point", "classes")
    few = [
        name
        for name in card.class_thresholds
        if isinstance(count := at(classes or {}, name, "fitted", "objects"), int) and count < FEW
    ]
    if few:
        yield f"Thresholds of their own, chosen on fewer than {FEW} objects: {_named(few)}."


def _of_running(card: BundleCard, dossier: Dossier) -> Iterator[str]:
    if not card.watch:
        yield "It has no watch: it answers for pictures unlike those of training as for any others."
    if card.scaling is None:
        yield "Its scores are no chances: 0.9 does not mean right nine times of ten."
    if card.precision != "fp32" and not dossier.own:
        yield f"In {card.precision} it was compared on valid pictures, and not measured on test."
    slow = [each.device for each in dossier.latencies if each.throttled]
    if slow:
        yield f"While it was timed the device slowed down from heat or power: {_named(slow)}."
    if not dossier.latencies:
        yield "How long it takes was not measured on any device."


def _of_people(dossier: Dossier) -> Iterator[str]:
    unsaid = [each.title for name, each in ASKED.items() if not getattr(dossier.statements, name)]
    if unsaid:
        yield f"Not said by anybody yet: {', '.join(unsaid)}."


def _named(names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"
