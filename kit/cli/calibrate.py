"""Choose the score from which boxes are shown, by a rule you name, and make chances of scores.

    kit calibrate runs/bccd/onnx --rule sensitivity=0.95 --out runs/bccd/ready
    kit calibrate runs/bccd/onnx bccd --rule fppi=0.5 --per-class --out runs/bccd/ready
    kit calibrate runs/bccd/onnx --rule f1 --scores temperature --out ready --page ready.html

Rules: sensitivity=S finds at least the share S of the objects with as few false positives as that
allows; fppi=F finds as many as it can with at most F false positives per picture (of each class,
with --per-class); f1 takes the best F1. The new bundle has the same weights; `kit detect` shows
what scores as much. A rule that can't be met ends with exit code 3, tells what can be reached, and
writes nothing.

--watch fits what training pictures look like to the detector: from then on every result says
whether a picture looks like them, and `kit detect` warns when a stream's no longer do.

--scores fits a scaling, by which a score tells how often it is right; `kit detect --calibrated`
applies it. Which boxes are shown stays by raw scores. Only the valid split is looked at: measure on
test, once, when everything is chosen.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from kit.cli.options import add_engine, add_out, open_detector

if TYPE_CHECKING:
    from kit.bundle import BundleCard
    from kit.cli.output import Output
    from kit.evaluate.matches import Matches
    from kit.evaluate.operating import Estimate
    from kit.evaluate.reliability import Gain
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
    parser.add_argument("--rule", help="sensitivity=S, fppi=F or f1 (default: thresholds stay)")
    parser.add_argument(
        "--per-class", action="store_true", help="let the rule choose for each class alone"
    )
    parser.add_argument(
        "--scores",
        choices=["temperature", "isotonic"],
        help="fit a scaling of scores: one number, or a curve, which wants hundreds of detections",
    )
    parser.add_argument(
        "--watch",
        nargs="?",
        choices=["mahalanobis", "neighbours"],
        const="mahalanobis",
        help="let the bundle tell pictures that are unlike those of training: by Mahalanobis' "
        "distance (default), or to the nearest ones",
    )
    parser.add_argument("--page", type=Path, metavar="PATH", help="write an HTML page of it here")
    add_engine(parser)
    add_out(parser, "directory of the new bundle")


def run(args: argparse.Namespace, out: Output) -> dict[str, Any]:
    from dataclasses import replace

    from kit import __version__
    from kit.bundle import open_bundle, save_bundle, undocumented
    from kit.evaluate.rules import choose, parse_rule
    from kit.evaluate.valid import matched, valid_pictures
    from kit.evaluate.watch import fitted
    from kit.files import refuse_existing
    from kit.runtime.watch import FILE as WATCH
    from kit.runtime.watch import facts, pack

    _require_sense(args)
    rule = None if args.rule is None else parse_rule(args.rule)
    for path in (args.out, args.page):
        if path is not None:
            refuse_existing(path)
    bundle = open_bundle(args.bundle)
    valid = valid_pictures(bundle, args.source, progress=out)
    # a watch that is fitted anew is not asked: it may be one that can't be opened
    asked = bundle if args.watch is None else replace(bundle, card=replace(bundle.card, watch={}))
    detector = open_detector(args, asked, out)
    matches = matched(detector, valid.pictures, progress=out)
    card = replace(
        undocumented(bundle.card), parent=bundle.sha256, made_by=f"detector-kit {__version__}"
    )
    choice = None if rule is None else choose(matches, rule, per_class=args.per_class)
    if choice is not None:
        _print(choice, out)
        card = _with_choice(card, choice, args.per_class, valid.manifest.sha256)
    gain = None
    if args.scores is not None:
        card, gain = _with_scaling(card, matches, args.scores, valid.manifest.sha256)
        _print_gain(card, gain, out)
    documents = bundle.card.documents
    left = {WATCH, *(() if documents is None else documents.files)}
    files: dict[str, Path | bytes] = {
        name: bundle.directory / name for name in bundle.card.files if name not in left
    }
    if args.watch is not None:
        watch = fitted(detector, bundle, args.source, valid, method=args.watch, progress=out)
        card = replace(card, watch=facts(watch))
        files[WATCH] = pack(watch)
        out.print(
            f"watch: flags {watch.alarms:.1%} of valid pictures that did not set its threshold, "
            f"n = {len(valid.pictures)}"
        )
    elif card.watch:
        files[WATCH] = bundle.directory / WATCH
    made = save_bundle(args.out, card, files)
    out.print(f"{made.card.precision} {made.card.kind}, {made.card.licence} -> {made.directory}")
    if args.page is not None:
        from kit.report.html import write_html
        from kit.report.reliability import tell

        write_html(args.page, tell(card.name, len(valid.pictures), choice, gain, args.scores))
        out.print(f"page: {args.page}")
    return {
        "bundle": str(made.directory),
        "bundle_sha256": made.sha256,
        "backend": detector.backend,
        "provider": detector.runner.provider,
        "device": detector.runner.device,
        "manifest_sha256": valid.manifest.sha256,
        "pictures": len(valid.pictures),
        "operating_point": card.operating_point,
        "class_thresholds": dict(card.class_thresholds),
        "chosen": None if choice is None else card.reports["operating_point"],
        "watch": dict(card.watch) or None,
        "scaling": None if args.scores is None else card.reports["scaling"],
    }


def _require_sense(args: argparse.Namespace) -> None:
    from kit.errors import UsageError

    if args.rule is None and args.scores is None and args.watch is None:
        raise UsageError(
            "what to calibrate?",
            fix="give --rule sensitivity=0.95, fppi=0.5 or f1, --scores, or --watch",
        )
    if args.per_class and args.rule is None:
        raise UsageError("is for a rule", where="--per-class", fix="give --rule too")


def _with_choice(card: BundleCard, choice: Choice, per_class: bool, manifest: str) -> BundleCard:
    """The card with what was chosen, and what that does."""
    from dataclasses import replace

    from kit.binding import plain

    told = {**plain(choice), "rule": str(choice.rule), "manifest": manifest}
    return replace(
        card,
        operating_point=choice.together.threshold,
        class_thresholds=choice.own,
        rule=f"{choice.rule} per class" if per_class else str(choice.rule),
        reports={**card.reports, "operating_point": told},
    )


def _with_scaling(
    card: BundleCard,
    matches: Mapping[str, Matches],
    method: Literal["temperature", "isotonic"],
    manifest: str,
) -> tuple[BundleCard, Gain | str]:
    """The card with a scaling fitted to all that is shown or nearly so, and what it gains on
    pictures it was not fitted to, or why that can't be told."""
    from dataclasses import replace

    from kit.binding import plain
    from kit.evaluate.reliability import LOWEST, cross_fit, fit, shown

    lowest = min(LOWEST, *card.thresholds)
    found = shown(matches, lowest)
    scaling = fit(found, method)
    gain = cross_fit(found, method, lowest=lowest)
    told = {"gain": gain} if isinstance(gain, str) else {"gain": plain(gain)}
    report = {**plain(scaling), **told, "detections": len(found.scores), "manifest": manifest}
    return replace(card, scaling=scaling, reports={**card.reports, "scaling": report}), gain


def _print_gain(card: BundleCard, gain: Gain | str, out: Output) -> None:
    assert card.scaling is not None
    told: str = card.scaling.method
    if told == "temperature":
        told += f" {card.scaling.temperature:.3f}"
    if isinstance(gain, str):
        out.note(f"warning: {told}; what it gains is {gain}")
        return
    before, after = gain.before, gain.after
    out.print(
        f"{told}: calibration error (D-ECE) {before.error:.3f} -> {after.error:.3f}, of "
        f"{before.detections} detections scored {before.lowest:g} or more, {before.right} of them "
        f"right, each scaled by a fit to other pictures; {len(before.bins)} bins of equal "
        f"{before.binning}"
    )
    if after.error >= before.error:
        out.note("warning: it doesn't lower the error; raw scores are the better chances")


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
        "figures before are of the pictures that chose, and flatter; (-): too few to tell"
    )
    without = [name for name, each in choice.classes.items() if each.note]
    if without:
        out.note(f"note: no objects, so the shared threshold: {', '.join(without)}")
    few = [name for name in choice.own if choice.classes[name].fitted.objects < FEW]
    if few or whole.fitted.objects < FEW:
        named = ", ".join(few) if len(few) <= 5 else f"{len(few)} classes"
        out.note(f"warning: fewer than {FEW} objects chose for {named or 'all classes'}")


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
    if figure.value is None:
        return "-"
    if expected is None:
        return f"{figure.value:.2f} (-)"
    return f"{figure.value:.2f} ({expected[0]:.2f}-{expected[1]:.2f})"
