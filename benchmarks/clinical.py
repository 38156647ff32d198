"""One detector, from its checkpoint to a report for a hospital: all that the kit can say of it.

    python benchmarks/clinical.py --bundle runs/bccd/best --against runs/quarter-onnx

The kit's own commands export the checkpoint (fp32, then int8), choose its thresholds by a rule on
the valid split, and fit a scaling and a watch. Then it looks at the test split, once: AP,
sensitivity and precision with percentile and BCa intervals, FROC by overlap and by place, what six
ways to choose thresholds promised and what they brought, reliability before and after scaling, what
the errors are and cost, and the paired comparison with int8 and with other bundles (--against).

Beside that stand the watch on other datasets and on spoilt pictures, planted label mistakes found
on valid pictures, and how wide intervals are on smaller test sets. Writes clinical.html too, with
plots and pictures. Needs KIT_DATA; some minutes.
"""

from __future__ import annotations

import tempfile
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import _clinical as clinical
import _clinical_page as page
import _planting
import _watching
import _widths
from _common import ROOT, at_least, finish, parser, write_report

SEEDS, SHARE = (0, 1, 2, 3, 4), 0.05


def main() -> int:
    made = parser(__doc__)
    made.add_argument("--bundle", type=Path, default=ROOT / "runs" / "bccd" / "best", metavar="DIR")
    made.add_argument("--against", type=Path, nargs="+", default=[], metavar="DIR")
    made.add_argument("--data", default="bccd", metavar="SRC", help="(bccd)")
    made.add_argument(
        "--others", nargs="+", default=["mask-wearing", "vehicles-openimages"], metavar="SRC"
    )
    made.add_argument("--rule", default="sensitivity=0.95", help="(sensitivity=0.95)")
    made.add_argument(
        "--sets", type=int, default=clinical.SETS, metavar="N", help="small sets (40)"
    )
    made.add_argument("--keep", type=Path, metavar="DIR", help="the bundles made on the way")
    args = made.parse_args()
    at_least(args, sets=2)
    with nullcontext(args.keep) if args.keep else tempfile.TemporaryDirectory() as folder:
        bundles = clinical.prepare(args.bundle, args.against, args.data, args.rule, Path(folder))
        tested = clinical.test(bundles, args.data)
        watch = _watching.measure(bundles.ready.directory, args.data, args.others, 100, 2)
        planted = _plant(bundles, tested)
        sides = clinical.sides(bundles, tested)
        sizes = [size for size in clinical.SIZES if size < len(tested.pictures)]
        print(f"drawing {args.sets} sets of each size", flush=True)
        widths = _widths.draw(
            tested.pictures, sides, sizes, sets=args.sets, resamples=clinical.RESAMPLES
        )
        return _report(args, bundles, tested, watch, planted, widths)


def _plant(bundles: clinical.Bundles, tested: clinical.Tested) -> dict[int, Any]:
    """On valid pictures, which the detector was not trained on."""
    from kit import door

    seen = _planting.look(door.open(bundles.ready), tested.valid)
    return {seed: _planting.rank(tested.valid, seen, SHARE, seed) for seed in SEEDS}


def _report(
    args: Any,
    bundles: clinical.Bundles,
    tested: clinical.Tested,
    watch: dict[str, Any],
    planted: dict[int, Any],
    widths: dict[str, Any],
) -> int:
    from kit.binding import plain
    from kit.report import anatomy, evaluation

    report = tested.measured.report
    told = evaluation.tell(
        report,
        anatomy.tell(tested.pictures, tested.measured.found, bundles.ready.card.thresholds),
    )
    *scores, what, use = told.sections
    rates = next(k for k, each in enumerate(scores) if each.title.startswith("Sensitivity at")) + 1
    note = (
        f"{len(tested.valid)} valid pictures with {len(tested.valid.boxes)} labels, of which "
        f"{SHARE:.0%} were spoilt in each way; means over {len(SEEDS)} seeds. Looked at is how far "
        "down the list of suspicions somebody reads. Random is the same list in any order; where "
        "it does as well, nothing else of this kind is listed."
    )
    halves = _widths.halves(widths) if args.against else {}
    sections = [
        page.plain_words(bundles, tested, watch, args.data),
        *scores[:rates],
        *page.by_centre(tested),
        page.points(tested),
        *page.reliability(tested),
        *scores[rates:],
        page.comparisons(bundles, tested),
        _watching.table(watch, args.data),
        _planting.table(planted, note),
        _widths.table(widths),
        *([page.widths_plot(halves)] if halves else []),
        what,
        use,
    ]
    return write_report(
        "clinical",
        f"What {bundles.ready.card.name} is worth, and what its limits are",
        f"{report.dataset}: {report.images} test pictures, {report.objects} objects",
        sections,
        [],
        {
            "commands": bundles.answers,
            "report": plain(tested.measured.report),
            "froc_by_centre": plain(tested.centre),
            "operating_points": [
                {"rule": each.rule, "per_class": each.per_class, "refused": each.refused,
                 "chosen": plain(each.choice), "test": plain(each.test)}
                for each in tested.points
            ],
            "reliability": plain(tested.reliability),
            "versus": plain(tested.versus),
            "watch": watch,
            "planted": planted,
            "widths": widths,
        },
        threads=None,
        out=args.out,
        html=True,
    )  # fmt: skip


if __name__ == "__main__":
    finish(main)
