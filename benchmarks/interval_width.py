"""How wide intervals are for test sets as small as wards have: 15, 36 and 63 pictures.

    python benchmarks/interval_width.py --bundle runs/bccd/onnx --source bccd

Detects once on a larger labelled set, draws small test sets from it without replacement, and works
out the 95 % intervals that `kit evaluate` would print for each. The report gives their typical
width, and how often they hold the score of the whole larger set. This share lies somewhat above
that for new pictures, since a small set is part of the larger one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from _common import at_least, finish, parser, write_report

from kit.errors import UsageError

FIGURES = ("ap", "ap50", "sensitivity")


def main() -> int:
    made = parser(__doc__)
    made.add_argument("--bundle", type=Path, required=True, metavar="DIR", help="an ONNX bundle")
    made.add_argument("--source", required=True, metavar="SRC", help="the larger set")
    made.add_argument("--split", default="test", help="of it (default test)")
    made.add_argument("--sets", type=int, default=40, help="drawn of each size (default 40)")
    made.add_argument("--sizes", type=int, nargs="+", default=[15, 36, 63], help="in pictures")
    made.add_argument("--resamples", type=int, default=1000, help="of each set (default 1000)")
    args = made.parse_args()
    at_least(args, sets=2, resamples=100)

    from kit import door
    from kit.bundle import open_bundle
    from kit.data.doctor import usable
    from kit.data.source import open_source
    from kit.evaluate.report import measure
    from kit.report.page import Table

    bundle, dataset = open_bundle(args.bundle), usable(open_source(args.source))
    measured = measure(door.open(bundle), bundle, dataset, args.split)
    chosen = dataset.select(dataset.split(args.split))
    if max(args.sizes) >= len(chosen) or min(args.sizes) < 2:
        raise UsageError(f"must be 2 or more and below {len(chosen)} pictures", where="--sizes")
    truth = _figures(chosen, measured.found, bundle.card.operating_point, 2)
    rows, raw = [], {}
    for size in args.sizes:
        drawn = _sets(chosen, measured.found, bundle.card.operating_point, size, args)
        raw[str(size)] = drawn
        rows += [_row(size, name, drawn, truth[name]["value"]) for name in FIGURES]
    header = ("pictures", "figure", "sets", "objects, median", "width, median",
              "narrowest tenth", "widest tenth", "holds the whole, percentile", "BCa")  # fmt: skip
    return write_report(
        "interval-width",
        "How wide intervals are",
        f"{bundle.card.name} on sets drawn from {len(chosen)} pictures of {dataset.name}; widths "
        "are of percentile intervals.",
        [Table("Width of 95 % intervals", header, rows)],
        [],
        {"whole": truth, "sets": raw},
        threads=None,
        out=args.out,
    )


def _sets(
    chosen: Any, found: Sequence[Any], point: float, size: int, args: Any
) -> list[dict[str, Any]]:
    import numpy as np

    rng = np.random.default_rng(size)
    drawn = []
    for _ in range(args.sets):
        picked = np.sort(rng.choice(len(chosen), size, replace=False))
        answers = [found[index] for index in picked]
        drawn.append(_figures(chosen.select(picked), answers, point, args.resamples))
    return drawn


def _figures(dataset: Any, found: Sequence[Any], point: float, resamples: int) -> dict[str, Any]:
    """Value, n and both intervals by figure, as `kit evaluate` works them out."""
    from kit.binding import plain
    from kit.evaluate.coco import run, summarize
    from kit.evaluate.detail import detail
    from kit.evaluate.froc import froc
    from kit.evaluate.intervals import units_of
    from kit.evaluate.matches import match

    evaluator = run(dataset, found)
    matches = match(evaluator, dataset)
    more, _ = detail(
        matches,
        summarize(evaluator, dataset),
        froc(matches, resamples=2),
        operating_point=point,
        units=units_of(dataset.groups),
        resamples=resamples,
    )
    return {name: plain(more.figures[name]) for name in FIGURES}


def _row(size: int, name: str, drawn: Sequence[Mapping[str, Any]], whole: float) -> list[Any]:
    import numpy as np

    known = [each[name] for each in drawn if each[name]["percentile"] is not None]
    objects = float(np.median([each[name]["n"] for each in drawn]))
    if not known:
        return [size, name, 0, objects, *[None] * 5]
    widths = [high - low for low, high in (each["percentile"] for each in known)]
    low, middle, high = (float(x) for x in np.quantile(widths, [0.1, 0.5, 0.9]))
    held = [
        sum(each[kind][0] <= whole <= each[kind][1] for each in known if each[kind]) / len(known)
        for kind in ("percentile", "bca")
    ]
    return [size, name, len(known), objects, middle, low, high, *held]


if __name__ == "__main__":
    finish(main)
