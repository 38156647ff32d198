"""Which stages of a pretrained network a run has kept, and which it has made anew.

Compares what each stage answers before and after training, on pictures of your own: linear CKA and
SVCCA, 0 to 1. What any training leads to is told by two runs from random weights on the same data
(--random), compared with each other: a stage above that was reused.

    kit similarity runs/bccd/best
    kit similarity runs/bccd/best --random runs/r0/best runs/r1/best --out reuse.svg
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.cli.options import add_out, add_threads, positive
from kit.cli.output import Output

if TYPE_CHECKING:
    from kit.finetune.similarity import Kept


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="a run's best/ or last/")
    parser.add_argument(
        "source",
        nargs="?",
        metavar="SRC",
        help="whose pictures are looked at (default: the dataset it was trained on)",
    )
    parser.add_argument("--split", default="valid", help="which of them (default: valid)")
    parser.add_argument(
        "--pictures", type=positive, default=32, metavar="N", help="at most so many (default: 32)"
    )
    parser.add_argument(
        "--random",
        nargs="+",
        type=Path,
        default=[],
        metavar="BUNDLE",
        help="of runs with --start random, at least two",
    )
    parser.add_argument(
        "--start", type=Path, metavar="PATH", help="what the run started from, where it was moved"
    )
    parser.add_argument("--device", default="auto", metavar="D", help="auto, cpu or cuda:N")
    add_threads(parser)
    add_out(parser, "an SVG of it", required=False)


def run(args: argparse.Namespace, out: Output) -> dict[str, Any]:
    from kit.bundle import open_bundle
    from kit.data.doctor import usable
    from kit.data.findings import require_read
    from kit.data.source import open_source
    from kit.files import write_text
    from kit.finetune.reuse import fitted, reuse
    from kit.report.plots import stage_bars, svg_file

    bundle = open_bundle(args.bundle)
    source = args.source or bundle.card.dataset["source"]
    dataset = open_source(source, progress=out)
    require_read(dataset, before="comparing")
    dataset = usable(dataset).select(dataset.split(args.split)[: args.pictures])
    pictures = fitted(bundle, dataset)
    kept = reuse(
        bundle,
        pictures,
        random=[open_bundle(each) for each in args.random],
        start=args.start,
        device=args.device,
        threads=args.threads,
    )
    rows = [_row(each) for each in kept]
    out.table(
        f"{bundle.card.name}: before and after training, on {len(pictures)} pictures",
        ("stage", "CKA", "random", "SVCCA", "random", "reused"),
        [
            (
                row["stage"],
                *(
                    None if value is None else f"{value:.2f}"
                    for name in ("cka", "svcca")
                    for value in (row[name], max(row[f"random_{name}"], default=None))
                ),
                {None: None, True: "yes", False: "no"}[row["reused"]],
            )
            for row in rows
        ],
    )
    if args.random:
        out.print("random: the most that two of the runs from random weights share")
    if args.out is not None:
        write_text(args.out, svg_file(stage_bars(rows)))
        out.print(f"plot: {args.out}")
    return {"bundle_sha256": bundle.sha256, "pictures": len(pictures), "stages": rows}


def _row(kept: Kept) -> dict[str, Any]:
    return {
        "stage": kept.stage,
        "cka": round(kept.trained.cka, 4),
        "svcca": round(kept.trained.svcca, 4),
        "random_cka": [round(pair.cka, 4) for pair in kept.random],
        "random_svcca": [round(pair.svcca, 4) for pair in kept.random],
        "reused": kept.reused,
    }
