"""What a clinician has to know of one detector, measured: from a checkpoint to the test split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from _common import kit_answers
from _widths import Side

if TYPE_CHECKING:
    from kit.bundle import Bundle, Scaling
    from kit.data.dataset import Dataset
    from kit.evaluate.froc import Froc
    from kit.evaluate.matches import Matches
    from kit.evaluate.operating import AtPoint
    from kit.evaluate.reliability import Reliability
    from kit.evaluate.report import Measurement
    from kit.evaluate.rules import Choice
    from kit.evaluate.versus import Versus

RULES = ("sensitivity=0.95", "fppi=0.5", "f1")
METHODS = ("temperature", "isotonic")
SIZES, SETS, RESAMPLES = (15, 36, 63), 40, 1000


@dataclass(frozen=True, eq=False)
class Bundles:
    """What the kit's own commands made.

    Attributes:
        ready: exported in fp32, with thresholds by the rule, a scaling and a watch.
        int8: made of it. others: to compare with, their thresholds by the same rule.
        answers: of the commands.
    """

    ready: Bundle
    int8: Bundle
    others: Mapping[str, Bundle]
    answers: Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Point:
    """A rule's thresholds: chosen on valid pictures, counted on those of test.

    Attributes:
        choice: None where the rule could not be met; then ``refused`` says why.
        test: what its thresholds do there.
    """

    rule: str
    per_class: bool
    choice: Choice | None
    test: AtPoint | None
    refused: str = ""


@dataclass(frozen=True, eq=False)
class Tested:
    """The detector on test.

    Attributes:
        pictures: of the split. valid: of that which chose.
        measured: the ready bundle's. int8, others: of those it is compared with.
        centre: FROC with detections matched by place.
        reliability: of raw scores, and with each scaling that valid pictures fitted.
        scalings: these.
    """

    pictures: Dataset
    valid: Dataset
    measured: Measurement
    compared: Mapping[str, Measurement]
    centre: Froc
    points: Sequence[Point]
    reliability: Mapping[str, Reliability | None]
    scalings: Mapping[str, Scaling]
    versus: Mapping[str, Versus]


def prepare(checkpoint: Path, against: Sequence[Path], data: str, rule: str, out: Path) -> Bundles:
    """Export, choose, fit and quantise, each by its command; only valid and train are looked at.

    Args:
        against: bundles of the same classes.
        out: folder for the new bundles.
    """
    from kit.bundle import open_bundle

    answers: dict[str, Any] = {}

    def made(name: str, *words: str) -> Path:
        answer = kit_answers(*words, "--out", str(out / name))
        answers[name] = {**answer, "bundle": name}  # the folder is gone when the report is read
        return out / name

    fp32 = made("fp32", "export", str(checkpoint), "--precision", "fp32")
    fitted = ("--rule", rule, "--scores", METHODS[0], "--watch")
    ready = made("ready", "calibrate", str(fp32), data, *fitted)
    int8 = made("int8", "export", str(ready), "--precision", "int8")
    others = {
        each.name: open_bundle(made(each.name, "calibrate", str(each), data, "--rule", rule))
        for each in against
    }
    return Bundles(open_bundle(ready), open_bundle(int8), others, answers)


def test(bundles: Bundles, data: str) -> Tested:
    """Look at the test pictures, once with each bundle, when everything is chosen."""
    from kit import door
    from kit.data.doctor import usable
    from kit.data.source import open_source
    from kit.evaluate.centre import match_centres
    from kit.evaluate.coco import run
    from kit.evaluate.froc import froc
    from kit.evaluate.intervals import units_of
    from kit.evaluate.matches import match
    from kit.evaluate.report import measure
    from kit.evaluate.valid import matched, valid_pictures
    from kit.evaluate.versus import versus

    dataset = usable(open_source(data))
    pictures = dataset.select(dataset.split("test"))
    detector = door.open(bundles.ready)
    valid = valid_pictures(bundles.ready, data).pictures
    on_valid = matched(detector, valid)
    measured = measure(detector, bundles.ready, dataset, "test", match_by="iou")
    on_test = match(run(pictures, measured.found), pictures)
    scalings, reliability = _reliability(on_valid, on_test)
    compared = {
        name: measure(door.open(each), each, dataset, "test", match_by="iou")
        for name, each in {"int8": bundles.int8, **bundles.others}.items()
    }
    return Tested(
        pictures=pictures,
        valid=valid,
        measured=measured,
        compared=compared,
        centre=froc(
            match_centres(pictures, measured.found), "centre", units=units_of(pictures.groups)
        ),
        points=[
            _point(on_valid, on_test, rule, per_class)
            for rule in RULES
            for per_class in (False, True)
        ],
        reliability=reliability,
        scalings=scalings,
        versus={name: versus(measured.report, each.report) for name, each in compared.items()},
    )


def _point(
    on_valid: Mapping[str, Matches], on_test: Mapping[str, Matches], rule: str, per_class: bool
) -> Point:
    from kit.errors import GateRefused
    from kit.evaluate.operating import at_point, count
    from kit.evaluate.rules import choose, parse_rule

    try:
        choice = choose(on_valid, parse_rule(rule), per_class=per_class)
    except GateRefused as error:
        return Point(rule, per_class, None, None, error.what)
    there = at_point(count(on_test, choice.together.threshold, choice.own))
    return Point(rule, per_class, choice, there)


def _reliability(
    on_valid: Mapping[str, Matches], on_test: Mapping[str, Matches]
) -> tuple[dict[str, Scaling], dict[str, Reliability | None]]:
    from kit.evaluate.reliability import fit, measure_reliability, shown

    found = shown(on_valid)
    scalings = {method: fit(found, method) for method in METHODS}  # type: ignore[arg-type]
    sides = {"raw scores": None, **scalings}
    return scalings, {name: measure_reliability(on_test, each) for name, each in sides.items()}


def sides(bundles: Bundles, tested: Tested) -> list[Side]:
    """The ready bundle and those it is compared with, for widths; int8 is too like it to tell."""
    cards = {"this detector": (bundles.ready, tested.measured)}
    cards |= {name: (each, tested.compared[name]) for name, each in bundles.others.items()}
    return [
        Side(name, seen.found, each.card.operating_point, each.card.class_thresholds)
        for name, (each, seen) in cards.items()
    ]
