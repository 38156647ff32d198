"""Check that a bundle is whole: every file is the one its card names; and, with a key, who made it.

    kit verify runs/bccd/onnx
    kit verify runs/bccd/onnx --key public.pem

Exit code 0 means so; else the message names the file. The digest printed is that of card.json; it
vouches for the whole bundle, so compare it with the one its maker told you, or let the maker sign
it: with --key (or KIT_PUBLIC_KEY) a bundle that is not signed by that key is refused.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.cli.options import add_key

if TYPE_CHECKING:
    from kit.cli.output import Output


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="directory of a bundle")
    add_key(parser)


def run(args: argparse.Namespace, out: Output) -> dict[str, Any]:
    from kit.bundle import CARD, open_bundle
    from kit.signature import SIGNATURE, require_signature

    bundle = open_bundle(args.bundle)
    signed_by = None if args.key is None else require_signature(bundle, args.key)
    named = {CARD, SIGNATURE, *bundle.card.files}
    unnamed = sorted(path.name for path in args.bundle.iterdir() if path.name not in named)
    out.print(f"{args.bundle}: whole, {len(bundle.card.files)} file(s) as the card names them")
    out.print(f"bundle_sha256 {bundle.sha256}")
    if signed_by is not None:
        out.print(f"signed by {signed_by}")
    elif (args.bundle / SIGNATURE).is_file():
        out.print("signed; give the public key with --key to check by whom")
    else:
        out.print("not signed")
    if unnamed:
        out.note(f"warning: not part of the bundle, and not read: {', '.join(unnamed)}")
    return {
        "bundle": bundle.card.name,
        "bundle_sha256": bundle.sha256,
        "files": dict(bundle.card.files),
        "unnamed": unnamed,
        "signed_by": signed_by,
    }
