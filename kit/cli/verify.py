"""Check that a bundle is whole: every file is the one its card names.

    kit verify runs/bccd/onnx

Exit code 0 means so; else the message names the file. The digest printed is that of card.json; it
vouches for the whole bundle, so compare it with the one its maker told you.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kit.cli.output import Output


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="directory of a bundle")


def run(args: argparse.Namespace, out: Output) -> dict[str, Any]:
    from kit.bundle import CARD, open_bundle

    bundle = open_bundle(args.bundle)
    named = {CARD, *bundle.card.files}
    unnamed = sorted(path.name for path in args.bundle.iterdir() if path.name not in named)
    out.print(f"{args.bundle}: whole, {len(bundle.card.files)} file(s) as the card names them")
    out.print(f"bundle_sha256 {bundle.sha256}")
    if unnamed:
        out.note(f"warning: not part of the bundle, and not read: {', '.join(unnamed)}")
    return {
        "bundle": bundle.card.name,
        "bundle_sha256": bundle.sha256,
        "files": dict(bundle.card.files),
        "unnamed": unnamed,
    }
