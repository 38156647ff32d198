"""Say which of two reports is better, with an interval: of kit bench or of kit evaluate.

    kit bench runs/onnx bccd --out before.json
    kit bench runs/int8 bccd --out after.json
    kit compare before.json after.json

    kit evaluate in-use/onnx ward --out old.json
    kit evaluate runs/new/onnx ward --out new.json
    kit compare old.json new.json --refuse-worse

Times: both must have timed the same pictures under the same load; rows are paired by bundle,
precision, batch, regime, streams and tiling; files of one row each are compared as they are; under
5 % is a tie.

Scores: both must be of the same pictures. The second is better or worse where the whole 95 %
interval of the difference lies on one side of 0. With --refuse-worse the command ends with 3 where
it is worse by more than --margin for sure, so that it can guard the bundle in use.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kit.cli.output import Output
    from kit.evaluate.versus import Change


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("first", type=Path, metavar="REPORT", help="of kit bench or kit evaluate")
    parser.add_argument("second", type=Path, metavar="REPORT", help="to hold against it")
    parser.add_argument(
        "--refuse-worse", action="store_true", help="of kit evaluate: end with 3 where it is worse"
    )
    parser.add_argument(
        "--figure",
        choices=("ap", "ap50", "sensitivity", "precision"),
        default="ap50",
        help="what --refuse-worse looks at (default ap50)",
    )
    parser.add_argument(
        "--margin",
        type=_share,
        default=0.0,
        metavar="M",
        help="loss that is allowed, in 0..1 (default 0)",
    )


def run(args: argparse.Namespace, out: Output) -> Any:
    from kit.errors import DataError, UsageError

    scores = [_is_scores(path) for path in (args.first, args.second)]
    if scores[0] != scores[1]:
        raise DataError(
            f"{args.first} and {args.second} are reports of different kinds",
            fix="compare two of kit bench, or two of kit evaluate",
        )
    if scores[0]:
        return _scores(args, out)
    if args.refuse_worse:
        raise UsageError("guards scores, not times", where="--refuse-worse")
    return _times(args, out)


def _times(args: argparse.Namespace, out: Output) -> list[dict[str, Any]]:
    from kit.bench.compare import compare, pair
    from kit.bench.report import load_reports
    from kit.binding import plain

    found = [compare(*rows) for rows in pair(load_reports(args.first), load_reports(args.second))]
    for each in found:
        low, high = each.interval
        out.print(f"{each.second}\n  against {each.first}")
        out.print(f"  {each.verdict}: {each.ratio:.3f} of its median ({low:.3f} to {high:.3f})")
        if None not in each.ap50:
            out.print(f"  AP50 {each.ap50[0]:.3f} -> {each.ap50[1]:.3f}")
    return [plain(each) for each in found]


def _scores(args: argparse.Namespace, out: Output) -> dict[str, Any]:
    from kit.binding import plain
    from kit.errors import DataError, GateRefused
    from kit.evaluate.report import EvalReport
    from kit.evaluate.versus import versus
    from kit.report.page import show

    found = versus(EvalReport.load(args.first), EvalReport.load(args.second))
    out.table(
        f"{found.second} against {found.first}: {found.images} pictures, {found.objects} objects",
        ["figure", "first", "second", "difference", "p", "p by sign flips", "verdict"],
        [
            [c.figure, show(c.first), show(c.second), _difference(c), show(c.p), show(c.p_flipped),
             c.verdict]
            for c in found.changes
        ],
    )  # fmt: skip
    out.print(f"95 % intervals of the difference over {found.units} {found.drawn_by}s, paired")
    result, change = plain(found), found.of(args.figure)
    if args.refuse_worse and change.interval is None:
        raise DataError(
            f"{args.figure} can't be compared: it has no interval on these pictures",
            fix="measure both on more pictures",
        )
    if args.refuse_worse and change.worse_than(args.margin):
        out.finish(result)
        allowed = f", allowed is {args.margin:g}" if args.margin else ""
        raise GateRefused(
            f"{found.second} is worse than {found.first}: {args.figure} {_difference(change)}"
            f"{allowed}"
        )
    return result


def _is_scores(path: Path) -> bool:
    """Whether a file is a report of kit evaluate: those of kit bench are lists of rows."""
    from kit.errors import DataError
    from kit.files import read_json

    fix = "make one with `kit evaluate` or `kit bench`"
    data = read_json(path, "a report", error=DataError, fix=fix)
    if isinstance(data, dict) and "manifest_sha256" not in data:
        raise DataError("not a latency report, nor one of kit evaluate", where=path, fix=fix)
    return isinstance(data, dict)


def _difference(change: Change) -> str:
    if change.difference is None:
        return "-"
    if change.interval is None:
        return f"{change.difference:+.3f}"
    low, high = change.interval
    return f"{change.difference:+.3f} ({low:+.3f} to {high:+.3f})"


def _share(text: str) -> float:
    value = float(text)
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"must be in 0..1, it is {text}")
    return value
