"""Check that a bundle is whole and, with a public key, who made it.

    kit verify runs/bccd/onnx
    kit verify runs/bccd/onnx --key public.pem

Every verb checks the digests when it opens a bundle; this one says what it found. With --key (or
KIT_PUBLIC_KEY) a bundle that is not signed by that key is refused.
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
    card = bundle.card
    known = {CARD, SIGNATURE, *card.files}
    strange = sorted(p.name for p in bundle.directory.iterdir() if p.name not in known)
    signed_by = None if args.key is None else require_signature(bundle, args.key)
    out.table(
        f"{bundle.directory}: {card.kind}, {card.precision}, {card.licence}",
        ["file", "sha256"],
        [[CARD, bundle.sha256], *card.files.items()],
    )
    if signed_by is not None:
        out.print(f"signed by {signed_by}")
    elif (bundle.directory / SIGNATURE).is_file():
        out.print("signed; give the public key with --key to check by whom")
    else:
        out.print("whole, and not signed")
    if strange:
        out.note(f"warning: no digest covers {', '.join(strange)}; nothing reads them")
    return {
        "bundle": card.name,
        "bundle_sha256": bundle.sha256,
        "files": dict(card.files),
        "strange": strange,
        "signed_by": signed_by,
    }
