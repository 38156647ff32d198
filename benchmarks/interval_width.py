"""How wide intervals are for test sets as small as wards have: 15, 36 and 63 pictures.

    python benchmarks/interval_width.py --bundle runs/bccd-onnx --source bccd \
        --against runs/quarter-onnx runs/few-onnx

Detects once on a larger labelled set, draws small test sets from it without replacement, and works
out the 95 % intervals that `kit evaluate` would print for each. The report gives their typical
width, and how often they hold the score of the whole larger set. This share lies somewhat above
that for new pictures, since a small set is part of the larger one.

With other detectors of the same classes (--against) the interval of a difference on the same
pictures is worked out too. Each difference of AP50 in the tables of the study that the kit takes up
is then held against it: on one test set against the paired interval, between two against the
unpaired one.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from _common import at_least, finish, parser, write_report
from _widths import Side, draw, halves, table, verdict_table, verdicts

from kit.errors import UsageError


def main() -> int:
    made = parser(__doc__)
    made.add_argument("--bundle", type=Path, required=True, metavar="DIR", help="an ONNX bundle")
    made.add_argument("--source", required=True, metavar="SRC", help="the larger set")
    made.add_argument(
        "--against", type=Path, nargs="+", default=[], metavar="DIR", help="bundles to compare with"
    )
    made.add_argument("--split", default="test", help="of it (default test)")
    made.add_argument("--sets", type=int, default=40, help="drawn of each size (default 40)")
    made.add_argument("--sizes", type=int, nargs="+", default=[15, 36, 63], help="in pictures")
    made.add_argument("--resamples", type=int, default=1000, help="of each set (default 1000)")
    args = made.parse_args()
    at_least(args, sets=2, resamples=100)

    from kit.data.doctor import usable
    from kit.data.source import open_source
    from kit.report.page import Cell, Table

    dataset = usable(open_source(args.source))
    chosen = dataset.select(dataset.split(args.split))
    if max(args.sizes) >= len(chosen) or min(args.sizes) < 2:
        raise UsageError(f"must be 2 or more and below {len(chosen)} pictures", where="--sizes")
    sides = [_side(each, dataset, args.split) for each in (args.bundle, *args.against)]
    found = draw(chosen, sides, args.sizes, sets=args.sets, resamples=args.resamples)
    tables: list[Table] = [table(found)]
    told: list[dict[str, Any]] = []
    if args.against and {15, 36, 63} <= set(args.sizes):
        told = verdicts(found)
        rows: list[list[Cell]] = [
            [size, *("{:.3f} to {:.3f}".format(*half[kind]) for kind in ("own", "paired"))]
            for size, half in halves(found).items()
        ]
        header = ("pictures", "± of one detector", "± of a difference, same pictures")
        names = ", ".join(side.name for side in sides)
        note = f"AP50, medians over the sets, from the narrowest to the widest of {names}."
        tables += [Table("Half of the interval", header, rows, note), verdict_table(told)]
    return write_report(
        "interval-width",
        "How wide intervals are",
        f"{sides[0].name} on sets drawn from {len(chosen)} pictures of {dataset.name}; widths "
        "are of percentile intervals.",
        tables,
        [],
        {**found, "verdicts": told},
        threads=None,
        out=args.out,
    )


def _side(directory: Path, dataset: Any, split: str) -> Side:
    from kit import door
    from kit.bundle import open_bundle
    from kit.evaluate.report import measure

    bundle = open_bundle(directory)
    measured = measure(door.open(bundle), bundle, dataset, split, resamples=2)
    card = bundle.card
    return Side(directory.name, measured.found, card.operating_point, card.class_thresholds)


if __name__ == "__main__":
    finish(main)
