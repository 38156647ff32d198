"""Check an archive of `kit pack`, all of it, and unpack it.

    kit unpack bccd.tar --out bccd
    kit unpack bccd.tar --out bccd --key public.pem

Nothing stands under --out before every byte was checked: the manifest's signature (with --key or
KIT_PUBLIC_KEY, else anybody's archive is taken), the name, size and sha256 of each file, and that
there is nothing else in it. What is no archive of `kit pack`, byte for byte, is refused. Prints the
commands that come next.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.cli.options import add_key, add_out

if TYPE_CHECKING:
    from kit.cli.output import Output


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("archive", type=Path, metavar="FILE", help="what `kit pack` wrote")
    add_key(parser)
    add_out(parser, "new directory")


def run(args: argparse.Namespace, out: Output) -> dict[str, Any]:
    import shlex

    from kit.parcel.readme import steps
    from kit.parcel.unpack import unpack

    found = unpack(args.archive, args.out, key=args.key, progress=out)
    manifest = found.manifest
    out.print(f"{args.out}: {len(manifest.files)} files, whole")
    if found.signed_by is not None:
        out.print(f"signed by {found.signed_by}")
    elif found.signed:
        out.print("signed; give the public key with --key to check by whom")
    else:
        out.print("not signed")
    out.print(f"the model {manifest.bundle.name} is under {manifest.bundle.licence}")
    target = manifest.target
    commands = steps(manifest.files, None if target is None else target.python)
    out.print(f"\nnext:\n  cd {shlex.quote(str(args.out))}")
    for command in commands:
        out.print(f"  {command}")
    return {
        "out": str(args.out),
        "files": len(manifest.files),
        "bundle": manifest.bundle.name,
        "bundle_sha256": manifest.bundle.sha256,
        "manifest_sha256": found.manifest_sha256,
        "licence": manifest.bundle.licence,
        "signed_by": found.signed_by,
        "lock": manifest.lock,
        "image": manifest.image or None,
        "next": commands,
    }
