"""The page, and the bundle that carries it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from re import sub

from kit import __version__
from kit.binding import plain
from kit.bundle import Bundle, Documents, save_bundle
from kit.files import json_bytes, refuse_existing
from kit.pixels import encode_picture, read_picture
from kit.report import statements as said
from kit.report.dossier import Dossier
from kit.report.html import render_html
from kit.report.markdown import render_markdown
from kit.report.model_card import facts, measured
from kit.report.model_card.limits import limits
from kit.report.page import Cell, Page, Section, Table, Text
from kit.report.statements import ASKED, Statements

RESEARCH = "Research use only. Not a medical device."
SAMPLE = ".jpg"
MARKDOWN, HTML, STATEMENTS = "MODEL_CARD.md", "MODEL_CARD.html", "statements.yaml"


def tell(bundle: Bundle, dossier: Dossier) -> Page:
    """The model card as a page."""
    card = bundle.card
    sections: list[Section] = [
        _research(dossier.statements),
        measured.plain_words(dossier),
        limits(card, dossier),
        _people(dossier.statements),
        *facts.identity(bundle),
        *facts.data(card),
        *facts.training(card),
        *measured.accuracy(dossier),
        *facts.operating_point(card),
        *facts.scaling(card),
        *facts.watch(card),
        *measured.precisions(bundle, dossier),
        *measured.latency(dossier),
        *facts.files(bundle),
        _about(),
    ]
    subtitle = f"Model card. Finds {', '.join(card.classes)}, in {card.precision}."
    return Page(card.name, subtitle, sections)


def document(
    bundle: Bundle,
    dossier: Dossier,
    out: Path,
    *,
    statements: Path | None = None,
    samples: Sequence[Path] = (),
) -> Bundle:
    """Write a bundle with the same weights, and with its model card and reports.

    Args:
        dossier: what is known; its statements are those of the file ``statements``.
        statements: None keeps the bundle's own, or asks for them.
        samples: pictures to try it on, written without names and metadata; none keeps its own.

    Raises:
        DataError: a sample is no picture.
        UsageError: ``out`` exists.
    """
    refuse_existing(out)
    card, old = bundle.card, bundle.card.documents
    left = set() if old is None else {*old.files}
    content: dict[str, Path | bytes] = {
        name: bundle.directory / name for name in card.files if name not in left
    }
    if statements is None and old is not None:
        statements = bundle.directory / old.statements
    page = tell(bundle, dossier)
    own: dict[str, bytes] = {
        MARKDOWN: render_markdown(page).encode(),
        HTML: render_html(page).encode(),
        STATEMENTS: said.TEMPLATE.encode() if statements is None else statements.read_bytes(),
    }
    taken = {*content, *own}
    evaluations = _names([f"evaluation-{each.split}" for each in dossier.evaluations], taken)
    latencies = _names(["latency"], taken) if dossier.latencies else ()
    for name, report in zip(evaluations, dossier.evaluations, strict=True):
        own[name] = json_bytes(plain(report))
    for name in latencies:
        own[name] = json_bytes([plain(each) for each in dossier.latencies])
    own |= _samples(bundle, samples)
    documents = Documents(
        of=bundle.same,
        made_from=bundle.made_from,
        markdown=MARKDOWN,
        html=HTML,
        statements=STATEMENTS,
        evaluations=evaluations,
        latencies=latencies,
        samples=tuple(sorted(name for name in own if name.endswith(SAMPLE))),
        related=dossier.related,
    )
    made = replace(
        card,
        parent=bundle.sha256,
        documents=documents,
        made_by=f"detector-kit {__version__}",
    )
    return save_bundle(out, made, {**content, **own})


def _samples(bundle: Bundle, paths: Sequence[Path]) -> dict[str, bytes]:
    old = bundle.card.documents
    if not paths:
        names = () if old is None else old.samples
        return {name: (bundle.directory / name).read_bytes() for name in names}
    return {
        f"sample-{number:02}{SAMPLE}": encode_picture(read_picture(path), SAMPLE)
        for number, path in enumerate(paths, 1)
    }


def _names(stems: Sequence[str], taken: set[str]) -> tuple[str, ...]:
    """Files' names, each free and from now on ``taken``; a split's name comes from a dataset and
    may hold anything."""
    names = []
    for stem in stems:
        stem = sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:60]
        choices = (f"{stem}.json" if n == 1 else f"{stem}-{n}.json" for n in count(1))
        names.append(next(name for name in choices if name not in taken))
        taken.add(names[-1])
    return tuple(names)


def _research(statements: Statements) -> Text:
    lifted = statements.research_use_only
    if lifted is None:
        told = (
            "No figure on this page is a permission. Whoever uses the detector for more than "
            "research has to validate it for that, and says so in the statements below."
        )
        return Text(RESEARCH, [told], loud=True)
    told = (
        f"{lifted.lifted_by} lifted the restriction to research use on {lifted.date.isoformat()}, "
        "and answers for that. The kit has checked nothing of it."
    )
    reason = f"Reason given: {lifted.reason}"
    return Text("Use for more than research", [told, reason], loud=True)


def _people(statements: Statements) -> Table:
    rows: list[list[Cell]] = [
        [each.title, getattr(statements, name) or f"To be filled in by: {each.by} ({each.tell})"]
        for name, each in ASKED.items()
    ]
    note = (
        "Said by people, checked by nobody; statements.yaml of the bundle holds it. Topics of "
        "CLAIM 2024: intended use and clinical role, data, reference standard. MI-CLAIM: study "
        "design. FUTURE-AI: general, usability, fairness."
    )
    return Table("What people say of it", ("", "statement"), rows, note)


def _about() -> Text:
    return Text(
        "About this card",
        [
            "Everything here is written from files: the bundle's card, reports that name its "
            "sha256, and statements of people. Nothing is filled in by guessing.",
            "Sections name the topics they follow of CLAIM (2024 update), MI-CLAIM (2020) and "
            "FUTURE-AI (2025). That is no claim of compliance with any of them: they ask for more "
            "than a detector's files can tell.",
        ],
        code="kit verify BUNDLE",
    )
