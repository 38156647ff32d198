"""Look for faults in a dataset: leaks between splits, bad boxes, unreadable pictures.

    kit data check bccd
    kit data check bccd --bundle runs/bccd/onnx --split valid --top 50 --out suspects

Errors would make a detector or its score wrong without anybody noticing: they end this command with
exit code 2, and stop `kit train`. Warnings are only told.

With --bundle, a trained detector also ranks labels that are likely wrong: objects without a box,
boxes of the wrong class, boxes badly placed. --out holds the list (mistakes.json), a page to look
through (mistakes.html) and a contact sheet (sheet.jpg). A detector has learned the mistakes of
pictures it was trained on, so look at others: the valid split, or folds (`kit data split --folds`).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.cli.options import add_engine, add_group_by, add_out, add_source, open_detector, positive
from kit.cli.output import Output
from kit.errors import DataError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kit.bundle import Bundle
    from kit.data.dataset import Dataset
    from kit.label.mistakes import Mistake

TOP = 50
"""Labels that are listed where nothing else is asked for."""

_ON_SHEET = 24
_OF_BUNDLE: dict[str, tuple[str, Any]] = {
    "--split": ("split", None),
    "--top": ("top", None),
    "--out": ("out", None),
    "--backend": ("backend", "auto"),
    "--device": ("device", "auto"),
    "--shrink": ("shrink", False),
    "--threads": ("threads", None),
}
"""Options that only ``--bundle`` looks at, each with its name and default."""


def arguments(parser: argparse.ArgumentParser) -> None:
    add_source(parser)
    add_group_by(parser)
    parser.add_argument(
        "--bundle", type=Path, metavar="B", help="trained on such pictures: ranks likely mistakes"
    )
    parser.add_argument(
        "--split", help="with --bundle: which pictures (default valid, else all there are)"
    )
    parser.add_argument(
        "--top", type=positive, metavar="N", help=f"with --bundle: how many to list (default {TOP})"
    )
    add_out(parser, "with --bundle: write list, page and contact sheet here", required=False)
    add_engine(parser)


def _check(args: argparse.Namespace) -> None:
    """Refuse what would be without effect, before anything is read.

    Raises:
        UsageError: naming it.
    """
    from kit.files import refuse_existing

    vain = [name for name, (key, default) in _OF_BUNDLE.items() if getattr(args, key) != default]
    if args.bundle is None and vain:
        raise UsageError(f"{' and '.join(vain)} can't be had with no --bundle")
    if args.out is not None:
        refuse_existing(args.out)


def run(args: argparse.Namespace, out: Output) -> dict[str, Any]:
    from dataclasses import asdict

    from kit.bundle import open_bundle
    from kit.data.doctor import MEND, examine
    from kit.data.source import open_source

    _check(args)
    bundle = None if args.bundle is None else open_bundle(args.bundle)
    dataset = open_source(args.source, progress=out)
    diagnosis = examine(dataset, group_by=args.group_by, progress=out)
    columns = list(diagnosis.pictures)
    rows: list[list[object]] = [["pictures", *diagnosis.pictures.values(), None]]
    for name in diagnosis.counts["all"]:
        low = diagnosis.perfect.get(name)
        rows.append([name, *(diagnosis.counts[column][name] for column in columns), low])
    header = ["", *columns, "test, all found"]
    shown = [[*row[:-1], None if row[-1] is None else f"{row[-1]:.3f} .. 1"] for row in rows]
    out.table(f"{diagnosis.name}: objects by class", header, shown)
    for finding in diagnosis.findings:
        out.print(str(finding))
    for flaw in dataset.flaws:
        out.print(f"its card says: {flaw}")
    if not diagnosis.findings:
        out.print("no faults found")
    result = {
        **asdict(diagnosis),
        "sound": not diagnosis.errors,
        "flaws": list(dataset.flaws),
    }
    if bundle is not None:  # leaks don't stop it: a set is mended in rounds
        result["mistakes"] = _mistakes(args, bundle, dataset, out)
    if diagnosis.errors:
        out.finish(result)
        raise DataError(
            f"{len(diagnosis.errors)} kind(s) of error, told above",
            where=args.source,
            fix=MEND,
        )
    return result


def _mistakes(
    args: argparse.Namespace, bundle: Bundle, dataset: Dataset, out: Output
) -> dict[str, Any]:
    """Rank labels that are likely wrong; tell, and write where it is asked for."""
    from kit.binding import plain
    from kit.data.doctor import usable
    from kit.data.findings import require_read
    from kit.evaluate.report import require_classes
    from kit.label.mistakes import find_mistakes

    require_read(dataset, before="looking for mistakes")
    require_classes(bundle.card.classes, dataset)
    split = args.split or ("valid" if "valid" in dataset.splits else None)
    chosen = usable(dataset if split is None else dataset.select(dataset.split(split)))
    if not len(chosen):
        raise DataError(f"there is no picture in {split or 'it'}", where=args.source)
    if split in (None, "train"):
        out.note(
            "note: a detector has learned the mistakes of pictures it was trained on; "
            "valid pictures or folds (`kit data split --folds`) show more of them"
        )
    detector = open_detector(args, bundle, out)
    found = find_mistakes(detector, chosen, progress=out)
    top = found[: args.top or TOP]
    where = f"{len(chosen)} picture(s) of {split or 'the whole set'}, {len(chosen.boxes)} label(s)"
    out.table(
        f"labels that are likely wrong: the first {len(top)} of {len(found)} looked at, {where}",
        ["picture", "kind", "label", "detector says", "score"],
        [[one.picture, one.kind, one.label, one.suggested, f"{one.score:.2f}"] for one in top],
    )
    told = {
        "bundle": bundle.card.name,
        "bundle_sha256": bundle.sha256,
        "dataset": dataset.name,
        "split": split,
        "pictures": len(chosen),
        "labels": len(chosen.boxes),
        "ranked": len(found),
        "listed": [plain(one) for one in top],
    }
    if args.out is not None:
        _write(args.out, chosen, top, told)
        out.print(f"wrote the list, its page and contact sheet into {args.out}")
    return told


def _write(folder: Path, chosen: Dataset, top: Sequence[Mistake], told: dict[str, Any]) -> None:
    from kit.files import new_directory, write_bytes, write_json
    from kit.pixels import encode_picture
    from kit.report.html import write_html
    from kit.report.mistakes import closeups, mistakes_page, montage

    figures = closeups(chosen, top)
    names = {"pictures": "Pictures", "labels": "Labels", "ranked": "Looked at", "dataset": "Set",
             "split": "Split", "bundle": "Detector", "bundle_sha256": "Bundle"}  # fmt: skip
    facts = [(name, told[key]) for key, name in names.items()]
    with new_directory(folder) as beside:
        write_json(beside / "mistakes.json", told)
        write_html(beside / "mistakes.html", mistakes_page(top, figures, facts))
        if figures:
            write_bytes(beside / "sheet.jpg", encode_picture(montage(figures[:_ON_SHEET])))
