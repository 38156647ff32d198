"""Choose part of the training pictures, at random or balanced over classes; write a manifest.

Samples of one rule and seed are nested: 25 % lies inside 50 %, and that inside 100 %.
"""

from __future__ import annotations

import argparse
from typing import Any

from kit.cli.options import add_out, add_seed, add_source
from kit.cli.output import Output


def arguments(parser: argparse.ArgumentParser) -> None:
    add_source(parser)
    parser.add_argument(
        "--fraction", type=float, required=True, metavar="F", help="of the training pictures, 0..1"
    )
    rule = parser.add_mutually_exclusive_group()
    rule.add_argument(
        "--balanced",
        dest="rule",
        action="store_const",
        const="balanced",
        default="balanced",
        help="classes as even as whole pictures allow (default)",
    )
    rule.add_argument(
        "--random", dest="rule", action="store_const", const="random", help="a seeded shuffle"
    )
    add_seed(parser)
    add_out(parser, "manifest to write")


def run(args: argparse.Namespace, out: Output) -> dict[str, Any]:
    from kit.binding import plain
    from kit.cli.data import tell_notes
    from kit.data.doctor import usable
    from kit.data.sampling import sample
    from kit.data.source import open_source
    from kit.files import refuse_existing

    refuse_existing(args.out)
    found = open_source(args.source, progress=out)
    tell_notes(found, out)
    dataset = usable(found)
    manifest = sample(dataset, args.fraction, rule=args.rule, seed=args.seed)
    manifest.save(args.out)
    pool, facts = dataset.class_counts(dataset.split("train")), manifest.facts
    total = max(1, sum(pool.values()))
    rows: list[list[object]] = [
        ["pictures", facts["pool"]["pictures"], None, len(manifest.ids), None]
    ]
    for name, count in manifest.class_counts.items():
        before, after = pool[name] / total, count / max(1, manifest.objects)
        rows.append([name, pool[name], f"{before:.1%}", count, f"{after:.1%}"])
    bits = facts["entropy"]
    rows.append(["entropy (bits)", f"{bits['before']:.3f}", None, f"{bits['after']:.3f}", None])
    out.table(f"{manifest.rule}, seed {args.seed}", ["", "train", "", "sample", ""], rows)
    out.print(f"wrote {args.out}")
    return {**plain(manifest), "sha256": manifest.sha256}
