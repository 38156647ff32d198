"""Join datasets into one: classes and splits by name, equal pictures once, leaks refused.

The format is that of the first. A picture that lies in different splits of two datasets, or a near
duplicate of it, is refused: a score on it would be untrue.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from kit.cli.options import add_out

if TYPE_CHECKING:
    from kit.cli.output import Output


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "sources", metavar="SRC", nargs="+", help="dataset folder, or name of a dataset card"
    )
    add_out(parser, "folder to make")


def run(args: argparse.Namespace, out: Output) -> dict[str, Any]:
    from kit.cli.data import show_splits, tell_lost, tell_notes
    from kit.data.convert import convert
    from kit.data.merge import merge
    from kit.data.source import open_source
    from kit.errors import UsageError
    from kit.files import refuse_existing

    if len(args.sources) < 2:
        raise UsageError("a merge takes two datasets or more")
    refuse_existing(args.out)
    datasets = [open_source(source, progress=out) for source in args.sources]
    for dataset in datasets:
        tell_notes(dataset, out)
    merged = merge(datasets, args.out.name, out)
    format = datasets[0].format
    lost = convert(merged.dataset, format, args.out, progress=out)
    rows = show_splits(merged.dataset, f"{args.out} ({format})", out)
    if merged.duplicates:
        out.print(f"{merged.duplicates} equal picture(s) of the same split are kept once")
    tell_lost(lost, format, out)
    return {
        "out": str(args.out),
        "format": format,
        "classes": list(merged.dataset.classes),
        "splits": rows,
        "duplicates": merged.duplicates,
        "not_held": lost,
    }
