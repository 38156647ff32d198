"""Write a dataset in another format, with classes renamed, merged or dropped on the way.

The class map is a YAML file with a line for each class that changes:

    RBC: red cell         # renamed
    WBC: white cell       # two old names with one new name are merged
    Monocyte: white cell
    Platelets: null       # dropped; its pictures stay

What the format can't hold is counted, printed and kept in kit.json, which our readers restore.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.cli.options import add_out, add_source

if TYPE_CHECKING:
    from kit.cli.output import Output


def arguments(parser: argparse.ArgumentParser) -> None:
    from kit.data.formats import formats

    add_source(parser)
    parser.add_argument("--to", choices=formats(), required=True, help="format to write")
    parser.add_argument("--classes", type=Path, metavar="MAP.yaml", help="new names of classes")
    add_out(parser, "folder to make")


def run(args: argparse.Namespace, out: Output) -> dict[str, Any]:
    from kit.cli.data import show_splits, tell_lost, tell_notes
    from kit.data.convert import ClassMap, convert
    from kit.data.source import open_source
    from kit.files import refuse_existing

    refuse_existing(args.out)
    classes = ClassMap.load(args.classes) if args.classes else None
    dataset = open_source(args.source, classes=classes, progress=out)
    tell_notes(dataset, out)
    lost = convert(dataset, args.to, args.out, progress=out)
    rows = show_splits(dataset, f"{args.out} ({args.to})", out)
    tell_lost(lost, args.to, out)
    return {
        "out": str(args.out),
        "format": args.to,
        "classes": list(dataset.classes),
        "splits": rows,
        "not_held": lost,
        "notes": {code: len(places) for code, places in dataset.notes.items()},
    }
