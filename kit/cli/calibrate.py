"""Choose the score from which boxes are shown, on valid pictures, by a rule you name.

    kit calibrate runs/bccd/onnx --rule sensitivity=0.95 --out runs/bccd/ready
    kit calibrate runs/bccd/onnx bccd --rule fppi=0.5 --per-class --out runs/bccd/ready

Rules: sensitivity=S finds at least the share S of the objects with as few false positives as that
allows; fppi=F finds as many as it can with at most F false positives per picture (of each class,
with --per-class); f1 takes the best F1. The new bundle has the same weights; `kit detect` shows
what scores as much. The test split chooses nothing: measure there, once, with `kit evaluate`. A
rule that can't be met ends with exit code 3, tells what can be reached, and writes nothing.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.cli.options import add_engine, add_out, open_detector

if TYPE_CHECKING:
    from kit.cli.output import Output
    from kit.evaluate.operating import Estimate
    from kit.evaluate.rules import Choice, Chosen

FEW = 50
"""Objects below which a choice is called one of few."""


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="directory of a bundle")
    parser.add_argument(
        "source",
        nargs="?",
        metavar="SRC",
        help="dataset whose valid split chooses (default: the one trained on)",
    )
    parser.add_argument("--rule", help="sensitivity=S, fppi=F or f1")
    parser.add_argument(
        "--per-class", action="store_true", help="let the rule choose for each class alone"
    )
    add_engine(parser)
    add_out(parser, "directory of the new bundle")


def run(args: argparse.Namespace, out: Output) -> dict[str, Any]:
    from dataclasses import replace

    from kit import __version__
    from kit.binding import plain
    from kit.bundle import open_bundle, save_bundle
    from kit.errors import UsageError
    from kit.evaluate.rules import choose, parse_rule
    from kit.evaluate.valid import matched, valid_pictures
    from kit.files import refuse_existing

    if args.rule is None:
        raise UsageError("which rule?", fix="give --rule sensitivity=0.95, fppi=0.5 or f1")
    rule = parse_rule(args.rule)
    refuse_existing(args.out)
    bundle = open_bundle(args.bundle)
    valid = valid_pictures(bundle, args.source, progress=out)
    detector = open_detector(args, bundle, out)
    matches = matched(detector, valid.pictures, progress=out)
    choice = choose(matches, rule, per_class=args.per_class)
    _print(choice, out)
    told = {**plain(choice), "rule": str(rule), "manifest": valid.manifest.sha256}
    card = replace(
        bundle.card,
        operating_point=choice.together.threshold,
        class_thresholds=choice.own,
        rule=f"{rule} per class" if args.per_class else str(rule),
        parent=bundle.sha256,
        reports={**bundle.card.reports, "operating_point": told},
        made_by=f"detector-kit {__version__}",
    )
    files = {name: bundle.directory / name for name in bundle.card.files}
    made = save_bundle(args.out, card, files)
    out.print(f"{made.card.precision} {made.card.kind}, {made.card.licence} -> {made.directory}")
    return {
        "bundle": str(made.directory),
        "bundle_sha256": made.sha256,
        "backend": detector.backend,
        "provider": detector.runner.provider,
        "device": detector.runner.device,
        "operating_point": card.operating_point,
        "class_thresholds": dict(card.class_thresholds),
        "chosen": told,
    }


def _print(choice: Choice, out: Output) -> None:
    whole = choice.together
    rows = [_row("all together", whole, shared=not choice.own)]
    rows += [_row(name, each) for name, each in choice.classes.items()]
    out.table(
        f"{choice.rule} on {whole.fitted.pictures} valid pictures",
        ["class", "objects", "from score", "sensitivity", "precision", "false a picture"],
        rows,
    )
    out.print(
        "in brackets: what the rule brings on as many other pictures, 95 % of the time; the "
        "figures before are of the pictures that chose, and flatter"
    )
    for name, each in choice.classes.items():
        if each.note:
            out.note(f"note: {name}: {each.note}")
    few = [name for name in choice.own if choice.classes[name].fitted.objects < FEW]
    if few or whole.fitted.objects < FEW:
        out.note(f"warning: fewer than {FEW} objects chose for {', '.join(few) or 'all classes'}")


def _row(name: str, chosen: Chosen, *, shared: bool = True) -> list[object]:
    fitted, expected = chosen.fitted, chosen.expected
    return [
        name,
        fitted.objects,
        f"{chosen.threshold:.4f}" if shared else "by class",
        *(
            _with(getattr(fitted, figure), expected[figure])
            for figure in ("sensitivity", "precision", "fppi")
        ),
    ]


def _with(figure: Estimate, expected: tuple[float, float] | None) -> str:
    if figure.value is None or expected is None:
        return "-"
    return f"{figure.value:.2f} ({expected[0]:.2f}-{expected[1]:.2f})"
