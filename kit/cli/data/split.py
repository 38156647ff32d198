"""Divide a dataset into train, valid and test, or into folds.

Patients, slides and near-duplicates are kept whole, classes are spread evenly, and the result is a
folder of the same format, pictures copied. Splits that are there already are pooled and drawn anew.
"""

from __future__ import annotations

import argparse
from typing import Any

from kit.cli.options import add_group_by, add_out, add_seed, add_source
from kit.cli.output import Output
from kit.errors import UsageError


def arguments(parser: argparse.ArgumentParser) -> None:
    add_source(parser)
    parser.add_argument(
        "--fractions",
        default="0.7,0.2,0.1",
        metavar="T,V,T",
        help="of train, valid and test (default 0.7,0.2,0.1)",
    )
    add_group_by(parser)
    parser.add_argument(
        "--folds",
        type=int,
        metavar="K",
        help="write fold0 .. foldK-1, whose test parts together are all pictures",
    )
    add_seed(parser)
    add_out(parser, "folder to make")


def run(args: argparse.Namespace, out: Output) -> dict[str, Any]:
    from kit.cli.data import show_splits
    from kit.data import formats
    from kit.data.source import open_source
    from kit.data.split import checked_fractions, folds, split
    from kit.files import new_directory, refuse_existing

    fractions = checked_fractions(_numbers(args.fractions))
    refuse_existing(args.out)
    dataset = open_source(args.source, progress=out)
    if dataset.splits:
        out.note(f"the splits of {args.source} ({', '.join(dataset.splits)}) are drawn anew")
    if args.folds is None:
        drawn = {
            "": split(dataset, fractions, group_by=args.group_by, seed=args.seed, progress=out)
        }
    else:
        parts = folds(
            dataset, args.folds, fractions, group_by=args.group_by, seed=args.seed, progress=out
        )
        drawn = {f"fold{number}": part for number, part in enumerate(parts)}
    writer = formats.load(dataset.format)
    with new_directory(args.out) as folder:
        for name, part in drawn.items():
            place = folder / name
            place.mkdir(exist_ok=True)
            writer.write(part, place, out)
    result = {}
    for name, part in drawn.items():
        result[name or "split"] = show_splits(part, str(args.out / name), out)
    return {"out": str(args.out), "seed": args.seed, **result}


def _numbers(text: str) -> list[float]:
    try:
        return [float(word) for word in text.split(",")]
    except ValueError:
        raise UsageError(
            f"not numbers with commas between: {text}", where="--fractions", fix="0.7,0.2,0.1"
        ) from None
