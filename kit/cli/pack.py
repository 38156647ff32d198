"""Pack a bundle and all it needs into one archive, for a place without a network.

    kit pack runs/bccd-onnx --out bccd.tar
    kit pack runs/bccd-onnx --samples bccd --n 8 --key private.pem --out bccd.tar
    kit pack runs/bccd-onnx --wheels wheels --lock requirements/edge-cpu.txt --out bccd.tar
    kit pack runs/bccd-onnx --image NAME@sha256:... --image-archive edge.tar --out bccd.tar

The archive holds the bundle; the cards of its model and dataset; the wheels of a lock, each checked
by its hash, none missing and none too many, and the kit's own wheel; or a container image, by its
digest or as `docker save` wrote it; sample pictures, without their names and metadata; licences, a
bill of materials, and a manifest of hashes, signed if there is a --key. README.txt in it says how
to check and install it on a machine that has no kit; where there is one, `kit unpack` checks it.

The wheels come from a machine with a connection:

    pip download --require-hashes --no-deps --only-binary :all: -d wheels \\
        -r requirements/edge-cpu.txt

Of a dataset the samples are drawn from its test pictures. Look at them: what is in the picture
itself, such as a label on a slide, is not taken out.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.cli.options import add_out, positive

if TYPE_CHECKING:
    from kit.bundle import Bundle
    from kit.cli.output import Output
    from kit.parcel.contents import Image
    from kit.parcel.wheels import Wheels

_SAMPLES = 4


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="directory of a bundle")
    parser.add_argument(
        "--wheels",
        type=Path,
        metavar="DIR",
        help="wheels of a lock, as `pip download` fetches them",
    )
    parser.add_argument(
        "--lock", type=Path, metavar="FILE", help="which they have to be, one of requirements/"
    )
    parser.add_argument(
        "--python", metavar="3.N", help="version of the wheels' Python (default: this one's)"
    )
    parser.add_argument(
        "--machine", metavar="NAME", help="x86_64, aarch64, ... (default: this one's)"
    )
    parser.add_argument("--image", metavar="NAME@sha256:...", help="container image, by its digest")
    parser.add_argument(
        "--image-archive", type=Path, metavar="FILE", help="the image, as `docker save` wrote it"
    )
    parser.add_argument(
        "--samples", metavar="SRC", help="pictures to try it on: a folder, a dataset, or its card"
    )
    parser.add_argument(
        "--n", type=positive, default=_SAMPLES, help=f"how many samples (default {_SAMPLES})"
    )
    parser.add_argument("--key", type=Path, metavar="PEM", help="private Ed25519 key to sign with")
    add_out(parser, "the archive, a new file")


def run(args: argparse.Namespace, out: Output) -> dict[str, Any]:
    from tempfile import TemporaryDirectory

    from kit.bundle import open_bundle
    from kit.errors import UsageError
    from kit.parcel.contents import Order
    from kit.parcel.pack import pack

    if args.out.exists():
        raise UsageError("exists already", where=args.out, fix="choose another --out, or remove it")
    bundle = open_bundle(args.bundle)
    image = _image(args)
    samples, bit_depth = _samples(args, out)
    with TemporaryDirectory() as workshop:
        wheels = _wheels(args, Path(workshop))
        order = Order(_name(args.out), bundle, wheels, image, samples, bit_depth, args.key)
        packed = pack(order, args.out, progress=out)
    unsure = _tell(args, bundle, wheels, out)
    by = f"signed by {packed.signed_by}" if packed.signed_by else "not signed"
    count = len(packed.manifest.files)
    out.print(f"{args.out}: {count} files, {packed.size / 1e6:.1f} MB, {by}")
    out.print(f"manifest_sha256 {packed.manifest_sha256}")
    return {
        "archive": str(args.out),
        "bytes": packed.size,
        "files": count,
        "bundle_sha256": bundle.sha256,
        "manifest_sha256": packed.manifest_sha256,
        "signed_by": packed.signed_by,
        "licence": bundle.card.licence,
        "wheels": 0 if wheels is None else len(wheels.files),
        "lock": packed.manifest.lock,
        "image": packed.manifest.image or None,
        "samples": len(samples),
        "licences_to_look_at": unsure,
    }


def _name(out: Path) -> str:
    """Of the folder in the archive: the archive's own, in letters that every disk takes."""
    import re

    name = re.sub(r"[^A-Za-z0-9._-]+", "-", out.name.removesuffix(".tar")).strip("-._")
    return name[:60].rstrip("-._") or "parcel"


def _image(args: argparse.Namespace) -> Image | None:
    from kit.parcel.contents import Image

    if args.image is None and args.image_archive is None:
        return None
    return Image(args.image or "", args.image_archive)


def _wheels(args: argparse.Namespace, workshop: Path) -> Wheels | None:
    """The wheels asked for, and the kit's own from among them or built here."""
    from kit.errors import UsageError
    from kit.parcel.manifest import Target
    from kit.parcel.wheels import build_own, gather, own_wheel, this_machine

    if args.wheels is None:
        if given := [f"--{name}" for name in ("lock", "python", "machine") if getattr(args, name)]:
            raise UsageError("is of wheels, and there is no --wheels", where=", ".join(given))
        return None
    if args.lock is None:
        raise UsageError(
            "say which wheels these have to be",
            where="--wheels",
            fix="--lock requirements/edge-cpu.txt, or another lock of requirements/",
        )
    here = this_machine()
    try:
        target = Target(args.python or here.python, args.machine or here.machine)
    except ValueError as error:
        raise UsageError(str(error)) from error
    own = own_wheel(args.wheels) or build_own(workshop)
    return gather(args.wheels, args.lock, target, own)


def _samples(args: argparse.Namespace, out: Output) -> tuple[list[Path], int | None]:
    """Some pictures, spread over all there are; of a dataset those of test, else of valid."""
    if args.samples is None:
        return [], None
    from kit.data.source import open_source
    from kit.errors import DataError
    from kit.pixels import find_pictures

    folder, bit_depth = Path(args.samples), None
    try:
        dataset = open_source(args.samples, progress=out)
    except DataError:
        if not folder.is_dir():
            raise
        paths = [folder / name for name in find_pictures(folder)]
    else:
        held = [dataset.splits[name] for name in ("test", "valid") if name in dataset.splits]
        chosen = next((split for split in held if len(split)), range(len(dataset.ids)))
        paths, bit_depth = [dataset.path(int(index)) for index in chosen], dataset.bit_depth
    step = max(len(paths) / args.n, 1)
    return [paths[int(place * step)] for place in range(min(args.n, len(paths)))], bit_depth


def _tell(
    args: argparse.Namespace, bundle: Bundle, wheels: Wheels | None, out: Output
) -> list[str]:
    """What whoever passes the archive on should know."""
    from kit.supply.policy import breaches

    card = bundle.card
    out.print(f"the model {card.name} (from {card.model}) is under {card.licence}")
    if "AGPL" in card.licence.upper():
        out.note(
            "warning: the AGPL: who passes these weights on, or lets others use them over a "
            "network, owes them the source of the whole"
        )
    if card.kind == "engine":
        out.note("warning: an engine opens only where it was compiled: pack the ONNX it came from")
    if card.kind == "checkpoint":
        out.note("warning: a checkpoint needs torch on the other side: `kit export` it first")
    if wheels is None and args.image_archive is None:
        out.note("no software is inside: the other side needs the kit, or the image")
    found = (
        [] if wheels is None else [str(each) for each in breaches(wheels.components, wheels.lock)]
    )
    for text in found:
        out.note(f"warning: look at the licence of {text}")
    return found
