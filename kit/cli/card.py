"""What a bundle is, where it comes from and how well it did: its card.

kit card runs/bccd/onnx
kit card runs/bccd/onnx --json -
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kit.cli.output import Output


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="directory of a bundle")


def run(args: argparse.Namespace, out: Output) -> dict[str, Any]:
    from kit.binding import plain
    from kit.bundle import open_bundle

    bundle = open_bundle(args.bundle)
    card = plain(bundle.card)
    rows = [(key, value) for key, value in _flat(card) if value not in (None, {}, [], "")]
    width = max(len(key) for key, _ in rows)
    for key, value in (("bundle_sha256", bundle.sha256), *rows):
        out.print(f"{key:<{width}}  {value}")
    return {**card, "bundle_sha256": bundle.sha256}


def _flat(card: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested keys joined by a dot; lists of words on one line."""
    for key, value in card.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list) and all(isinstance(item, str) for item in value):
            yield f"{prefix}{key}", ", ".join(value)
        else:
            yield f"{prefix}{key}", json.dumps(value) if isinstance(value, list) else value
