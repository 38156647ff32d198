"""Download pretrained weights; they are known by the digest on their card."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kit.cli.output import Output


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "models", nargs="+", metavar="MODEL", help="name of a card: kit list models"
    )


def run(args: argparse.Namespace, out: Output) -> list[dict[str, Any]]:
    from kit import weights
    from kit.cards import ModelCard, load_card
    from kit.files import sha256_file

    cards = [load_card(ModelCard, name) for name in args.models]  # all named right, or none fetched
    fetched = []
    for card in cards:
        here = weights.locate(card)
        path = here or weights.download(card, out)
        out.print(f"{card.name}: {path}{' (was here already)' if here else ''}")
        fetched.append(
            {
                "model": card.name,
                "path": str(path),
                "sha256": sha256_file(path),
                "licence": card.licence,
                "downloaded": here is None,
            }
        )
    return fetched
