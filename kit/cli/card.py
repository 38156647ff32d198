"""Write a bundle's model card, from facts, into a new bundle that carries it.

    kit card runs/bccd-onnx reports/bccd.json reports/bccd-latency.json
    kit card runs/bccd-onnx reports/bccd.json --statements said.yaml --out runs/bccd-documented
    kit card runs/bccd-onnx --template said.yaml
    kit card runs/bccd-onnx --show

Writes a bundle with the same weights and, as files its card names, MODEL_CARD.md, MODEL_CARD.html,
the reports and the statements: `kit verify` checks them, `kit sign` vouches for them. Without --out
it lies beside BUNDLE, with -documented after its name. What is not known is told as such, with the
command that measures it. --show only prints the bundle's card.

A REPORT is what `kit evaluate --out` or `kit bench --out` wrote of this very bundle; or of the one
it was made from; or of another precision of the same model, whose directory --sibling names.
Reports that the bundle already carries stay, unless a new one measured the same.

--sample puts a picture into the bundle, without its name and metadata, for the page of `kit serve`.

--statements is a YAML file of what only people can say, such as the intended use; --template writes
one to fill in. "Research use only. Not a medical device." stays on the card until it says who lifts
that.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.cli.options import add_out

if TYPE_CHECKING:
    from kit.bundle import Bundle
    from kit.cli.output import Output


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="directory of a bundle")
    parser.add_argument(
        "reports",
        type=Path,
        nargs="*",
        metavar="REPORT",
        help="JSON of `kit evaluate` or `kit bench`",
    )
    parser.add_argument(
        "--statements", type=Path, metavar="FILE", help="YAML of what only people can say"
    )
    parser.add_argument(
        "--sibling",
        type=Path,
        action="append",
        default=[],
        metavar="BUNDLE",
        help="another precision of the same model, to stand beside it; may be repeated",
    )
    parser.add_argument(
        "--sample",
        type=Path,
        action="append",
        default=[],
        metavar="PICTURE",
        help="a picture to try it on, that may be seen wherever the bundle goes; may be repeated",
    )
    parser.add_argument(
        "--template",
        type=Path,
        metavar="FILE",
        help="write statements to fill in, and nothing else",
    )
    parser.add_argument(
        "--show", action="store_true", help="print the bundle's card, write nothing"
    )
    add_out(parser, "directory of the new bundle (default: BUNDLE-documented)", required=False)


def run(args: argparse.Namespace, out: Output) -> dict[str, Any]:
    from kit.binding import plain
    from kit.bundle import open_bundle

    _require_sense(args)
    bundle = open_bundle(args.bundle)
    if args.template is not None:
        return _template(args.template, out)
    documented = None if args.show else _document(args, bundle)
    card = plain(bundle.card)
    rows = [(key, value) for key, value in _flat(card) if value not in (None, {}, [], "")]
    width = max(len(key) for key, _ in rows)
    for key, value in (("bundle_sha256", bundle.sha256), *rows):
        out.print(f"{key:<{width}}  {value}")
    if documented is not None:
        for each in documented["sentences"]:
            out.print(each)
        out.print(f"model card: {documented['html']}")
        out.print(
            f"{bundle.card.precision} {bundle.card.kind}, documented -> {documented['bundle']}"
        )
    return {**card, "bundle_sha256": bundle.sha256, "documented": documented}


def _require_sense(args: argparse.Namespace) -> None:
    from kit.errors import UsageError

    given = {
        "REPORT": args.reports,
        "--statements": args.statements,
        "--sibling": args.sibling,
        "--sample": args.sample,
        "--out": args.out,
        "--template": args.template,
        "--show": args.show,
    }
    for alone in ("--show", "--template"):
        others = [name for name, value in given.items() if value and name != alone]
        if given[alone] and others:
            raise UsageError(f"stands alone, without {', '.join(others)}", where=alone)


def _template(path: Path, out: Output) -> dict[str, Any]:
    from kit.files import refuse_existing, write_text
    from kit.report.statements import TEMPLATE

    refuse_existing(path)
    write_text(path, TEMPLATE)
    out.print(f"statements to fill in: {path}")
    return {"template": str(path)}


def _document(args: argparse.Namespace, bundle: Bundle) -> dict[str, Any]:
    from dataclasses import replace

    from kit.bundle import open_bundle
    from kit.files import refuse_existing
    from kit.report.dossier import add_reports, add_siblings, read_dossier
    from kit.report.model_card.tell import document
    from kit.report.plain_words import sentences
    from kit.report.statements import read_statements

    target = args.out or _beside(bundle.directory)
    refuse_existing(target)
    dossier = read_dossier(bundle)
    if args.statements is not None:
        dossier = replace(dossier, statements=read_statements(args.statements))
    dossier = add_siblings(dossier, bundle, [open_bundle(path) for path in args.sibling])
    dossier = add_reports(dossier, bundle, args.reports)
    made = document(bundle, dossier, target, statements=args.statements, samples=args.sample)
    documents = made.card.documents
    assert documents is not None
    return {
        "bundle": str(made.directory),
        "bundle_sha256": made.sha256,
        "markdown": str(made.directory / documents.markdown),
        "html": str(made.directory / documents.html),
        "files": {name: made.card.files[name] for name in documents.files},
        "sentences": [each.text for report in dossier.own for each in sentences(report)],
    }


def _beside(directory: Path) -> Path:
    if directory.name in ("", ".."):  # of "." and the like, which have no name of their own
        directory = directory.resolve()
    return directory.with_name(f"{directory.name}-documented")


def _flat(card: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested keys joined by a dot; lists of words on one line."""
    for key, value in card.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{prefix}{key}.")
        elif isinstance(value, list) and all(isinstance(item, str) for item in value):
            yield f"{prefix}{key}", ", ".join(value)
        else:
            yield f"{prefix}{key}", json.dumps(value) if isinstance(value, list) else value
