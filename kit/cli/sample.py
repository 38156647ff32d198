"""Choose part of the training pictures, balanced over classes or at random; write a manifest.

Samples of one rule and seed are nested: 25 % lies inside 50 %, and that inside 100 %; a number of
pictures or objects goes on where another stopped, and 5 objects per class lie inside 10. Beside the
manifest stands a plot of the classes before and after: half.svg for half.json.

With --next, SRC is a folder of unlabelled pictures: those are ranked that are best labelled next,
since the bundle's detector is unsure of them and they differ from each other. Beside the manifest
stands a contact sheet: next.html for next.json.

    kit sample bccd --fraction 0.5 --balanced --out half.json
    kit sample ward/ --next 20 --bundle runs/bccd/best --out next.json
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.cli import next_to_label
from kit.cli.options import add_group_by, add_out, add_seed, add_source, not_negative, positive
from kit.cli.output import Output
from kit.errors import UsageError

if TYPE_CHECKING:
    from kit.data.manifest import Manifest
    from kit.data.sampling import Draw


def arguments(parser: argparse.ArgumentParser) -> None:
    add_source(parser)
    budget = parser.add_mutually_exclusive_group(required=True)
    budget.add_argument(
        "--fraction", type=float, metavar="F", help="of the training pictures, 0..1"
    )
    budget.add_argument("--images", type=positive, metavar="N", help="so many pictures")
    budget.add_argument(
        "--objects",
        type=positive,
        metavar="N",
        help="as near to so many labelled objects as can be",
    )
    budget.add_argument(
        "--per-class", type=positive, metavar="K", help="few-shot: so many objects of each class"
    )
    budget.add_argument(
        "--next", type=positive, metavar="N", help="so many unlabelled pictures, to label next"
    )
    rule = parser.add_mutually_exclusive_group()
    rule.add_argument(
        "--balanced",
        dest="rule",
        action="store_const",
        const="balanced",
        default="balanced",
        help="classes of objects as even as whole pictures allow (default)",
    )
    rule.add_argument(
        "--random",
        dest="rule",
        action="store_const",
        const="random",
        help="classes as in the whole, stratified: the control",
    )
    parser.add_argument(
        "--least",
        type=not_negative,
        default=1,
        metavar="K",
        help="of each class, as soon as there is room (default 1)",
    )
    add_group_by(parser)
    add_seed(parser)
    add_out(parser, "manifest to write")
    next_to_label.arguments(parser)


def run(args: argparse.Namespace, out: Output) -> dict[str, Any]:
    from kit.binding import plain
    from kit.cli.data import tell_notes
    from kit.data.doctor import usable
    from kit.data.sampling import sample
    from kit.data.source import open_source
    from kit.files import refuse_existing

    next_to_label.check(args)
    if args.next is not None:
        return next_to_label.run(args, out)
    draw = _draw(args)
    plot = args.out.with_suffix(".svg")
    if plot == args.out:
        raise UsageError("is the plot's name, not a manifest's", where=args.out, fix="use .json")
    for path in (args.out, plot):
        refuse_existing(path)
    found = open_source(args.source, progress=out)
    tell_notes(found, out)
    dataset = usable(found)
    manifest = sample(dataset, draw, seed=args.seed, least=args.least, group_by=args.group_by)
    pool = dataset.class_counts(dataset.split("train"))
    manifest.save(args.out)
    try:
        _plot(plot, pool, manifest.class_counts)
    except BaseException:
        args.out.unlink()  # both or neither
        raise
    _show(manifest, pool, out)
    out.print(f"wrote {args.out} and {plot}")
    return {**plain(manifest), "sha256": manifest.sha256, "plot": str(plot)}


def _draw(args: argparse.Namespace) -> Draw:
    from kit.data.sampling import Draw

    try:
        return Draw(args.rule, **{name: getattr(args, name) for name in Draw.BUDGETS})
    except ValueError as error:
        raise UsageError(str(error)) from error


def _plot(path: Path, before: Mapping[str, int], after: Mapping[str, int]) -> None:
    from kit.files import write_text
    from kit.report.plots import class_bars, svg_file

    write_text(path, svg_file(class_bars(before, after)))


def _show(manifest: Manifest, pool: Mapping[str, int], out: Output) -> None:
    facts = manifest.facts
    rows: list[list[object]] = [
        [what, facts["pool"][what], None, facts["sample"][what], None]
        for what in ("pictures", "objects")
    ]
    if "groups" in facts:
        rows.insert(0, ["groups", facts["groups"]["pool"], None, facts["groups"]["sample"], None])
    for name, count in manifest.class_counts.items():
        before = pool[name] / max(1, facts["pool"]["objects"])
        after = count / max(1, facts["sample"]["objects"])
        rows.append([name, pool[name], f"{before:.1%}", count, f"{after:.1%}"])
    bits = facts["entropy"]
    rows.append(["entropy (bits)", f"{bits['before']:.3f}", None, f"{bits['after']:.3f}", None])
    out.table(f"{manifest.rule}, seed {manifest.seed}", ["", "train", "", "sample", ""], rows)
    if fewer := facts.get("fewer"):
        names = ", ".join(f"{name} ({count} of {pool[name]})" for name, count in fewer.items())
        wanted = facts["asked"].get("per_class", facts["least"])
        out.note(f"the sample has fewer than {wanted} of {names}")
