"""The part of ``kit sample`` that ranks unlabelled pictures: ``--next N --bundle B``."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.cli.options import add_engine, open_detector

if TYPE_CHECKING:
    from kit.cli.output import Output
    from kit.data.manifest import Manifest

_OF_LABELS = {
    "--random": ("rule", "balanced"),
    "--least": ("least", 1),
    "--group-by": ("group_by", None),
}
"""Options that choose by labels, each with its name and default."""

_OF_NEXT: dict[str, tuple[str, Any]] = {
    "--bundle": ("bundle", None),
    "--labelled": ("labelled", []),
    "--bit-depth": ("bit_depth", None),
    "--backend": ("backend", "auto"),
    "--device": ("device", "auto"),
    "--threads": ("threads", None),
}
"""Options that only ``--next`` looks at."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """The options that go with ``--next``."""
    parser.add_argument(
        "--bundle",
        type=Path,
        metavar="B",
        help="with --next: directory of the bundle that is to learn from them",
    )
    parser.add_argument(
        "--labelled",
        type=Path,
        action="append",
        default=[],
        metavar="MANIFEST",
        help="with --next: pictures that are labelled already, e.g. train.json of the bundle's "
        "run; may be given several times",
    )
    parser.add_argument(
        "--bit-depth", type=int, metavar="N", help="with --next: bits used by 16-bit pictures"
    )
    add_engine(parser)


def check(args: argparse.Namespace) -> None:
    """Refuse options that don't go together, since one of them would be without effect.

    Raises:
        UsageError: naming them.
    """
    from kit.errors import UsageError

    alone, given = (_OF_LABELS, "--next") if args.next is not None else (_OF_NEXT, "no --next")
    vain = [option for option, (name, default) in alone.items() if getattr(args, name) != default]
    if vain:
        raise UsageError(f"{' and '.join(vain)} can't be had with {given}")
    if args.next is not None and args.bundle is None:
        raise UsageError(
            "--next needs a detector that is to learn from the pictures",
            fix="--bundle with the directory of a bundle, e.g. runs/NAME/best",
        )


def run(args: argparse.Namespace, out: Output) -> dict[str, Any]:
    """Rank, and write the manifest and, beside it, the contact sheet."""
    from kit.binding import plain
    from kit.bundle import open_bundle
    from kit.data.manifest import Manifest
    from kit.errors import UsageError
    from kit.files import refuse_existing
    from kit.label.ranking import choose, require_enough
    from kit.label.survey import survey
    from kit.pixels import find_pictures
    from kit.report.contact import contact_sheet
    from kit.report.html import write_html

    folder, sheet = Path(args.source), args.out.with_suffix(".html")
    if sheet == args.out:
        raise UsageError(
            "is the contact sheet's name, not a manifest's", where=args.out, fix="use .json"
        )
    if args.bit_depth is not None and not 8 <= args.bit_depth <= 16:
        raise UsageError("must lie in 8..16", where="--bit-depth")
    for path in (args.out, sheet):
        refuse_existing(path)
    require_enough(args.next, len(find_pictures(folder)), folder)
    labelled = {digest for path in args.labelled for digest in Manifest.load(path).pictures}
    bundle = open_bundle(args.bundle)
    detector = open_detector(args, bundle, out)
    seen = survey(detector, folder, bit_depth=args.bit_depth, progress=out)
    for name, why in seen.failed.items():
        out.note(f"warning: {name} was left out: {why}")
    if seen.features is None:
        out.note("note: the bundle has no features, so pictures are ranked by uncertainty alone")
    choice = choose(seen, bundle, args.next, labelled=labelled, seed=args.seed)
    found = [picture.found for picture in choice.pictures]
    page = contact_sheet(choice.manifest, found, folder, bit_depth=args.bit_depth)
    choice.manifest.save(args.out)
    try:
        write_html(sheet, page)
    except BaseException:
        args.out.unlink()  # both or neither
        raise
    _show(choice.manifest, out)
    out.print(f"wrote {args.out} and its contact sheet {sheet}")
    return {**plain(choice.manifest), "sha256": choice.manifest.sha256, "sheet": str(sheet)}


def _show(manifest: Manifest, out: Output) -> None:
    pool, sample = manifest.facts["pool"], manifest.facts["sample"]
    out.table(
        f"{manifest.rule}, seed {manifest.seed}",
        ["picture", "uncertainty", "boxes found"],
        [
            [row["id"], f"{row['uncertainty']:.2f}", row["found"]]
            for row in manifest.facts["ranked"]
        ],
    )
    out.print(
        f"{sample['pictures']} of {pool['pictures'] - pool['labelled']} pictures"
        + (f" ({pool['labelled']} more are labelled already)" if pool["labelled"] else "")
        + f"; mean uncertainty {sample['uncertainty']:.2f}, of all {pool['uncertainty']:.2f}"
    )
