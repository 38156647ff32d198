"""Bring a dataset onto this machine, by its card's URL and sha256 or from an archive at hand."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kit.cli.output import Output


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="dataset card: kit list datasets")
    parser.add_argument(
        "--from",
        dest="from_path",
        type=Path,
        metavar="PATH",
        help="zip, tar or folder to take it from instead of the network",
    )


def run(args: argparse.Namespace, out: Output) -> dict[str, Any]:
    from kit.cards import DatasetCard, load_card
    from kit.cli.data import show_splits
    from kit.data.fetch import fetch
    from kit.data.source import open_source

    card = load_card(DatasetCard, args.name)
    folder = fetch(card, args.from_path, out)
    dataset = open_source(str(folder), format=card.format, progress=out)
    rows = show_splits(dataset, f"{card.name} in {folder}", out)
    out.print(f"licence: {card.licence}")
    return {"name": card.name, "folder": str(folder), "splits": rows, "licence": card.licence}
