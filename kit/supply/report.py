"""What is inside and under which licence, as Markdown, JSON, a bill of materials, and the texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kit.errors import GateRefused
from kit.files import write_bytes, write_json, write_text
from kit.supply.component import Component
from kit.supply.policy import Breach, breaches, policy
from kit.supply.sbom import Subject, sbom
from kit.supply.spdx import identifiers

SBOM = "sbom.cdx.json"
REPORT = "LICENCES.md"
TABLE = "licences.json"
TEXTS = "licences"
"""Folder of the texts: ``NAME-VERSION/FILE``."""


def require_policy(components: Sequence[Component], place: str) -> None:
    """Make sure that all of them may be in a place.

    Raises:
        GateRefused: some may not; the message names each.
    """
    if found := breaches(components, place):
        raise GateRefused(
            "\n  ".join([f"{len(found)} package(s) break the policy", *map(str, found)]),
            where=place,
            fix="kit/supply/policy.yaml says what may be where, licences.yaml what words mean",
        )


def write_report(out: Path, subject: Subject, components: Sequence[Component], place: str) -> None:
    """Write bill, report and texts into a folder.

    Raises:
        GateRefused: the policy is broken; nothing is written.
    """
    require_policy(components, place)
    write_json(out / SBOM, sbom(subject, components))
    write_text(out / REPORT, markdown(subject.name, components, place))
    write_json(out / TABLE, as_json(subject.name, components, place))
    for name, text in texts(components).items():
        write_bytes(out / TEXTS / name, text)


def texts(components: Sequence[Component]) -> dict[str, bytes]:
    """The licences' texts by where they go: ``NAME-VERSION/FILE``, paths in the distribution made
    flat, so that none leads anywhere."""
    found: dict[str, bytes] = {}
    for each in components:
        for text in each.texts:
            within = text.name.partition(".dist-info/")[2] or text.name
            flat = "-".join(part for part in within.split("/") if part not in ("", ".", ".."))
            found[f"{each.name}-{each.version}/{flat}"] = text.text.encode()
    return found


def as_json(name: str, components: Sequence[Component], place: str) -> dict[str, Any]:
    """The report as plain data."""
    return {
        "name": name,
        "place": place,
        "breaches": [vars(each) for each in breaches(components, place)],
        "components": [
            {
                "name": each.name,
                "version": each.version,
                "licence": each.licence.expression or None,
                "known_by": each.licence.known_by or None,
                "said": each.licence.said,
                "why": each.licence.why or None,
                "texts": len(each.texts),
                "parts": len(each.parts),
            }
            for each in components
        ],
    }


def markdown(name: str, components: Sequence[Component], place: str) -> str:
    """The report for people."""
    counted = Counter(each.licence.expression or "not known" for each in components)
    lines = [
        f"# Licences of what is in {name}",
        "",
        f"{len(components)} Python packages, held to the policy for `{place}`. "
        "What a base image or the system brings is not among them.",
        *_inside(components),
        *_breaches(breaches(components, place)),
        *_aloud(components, place),
        *_table("Licences", ("licence", "packages"), sorted(counted.items())),
        *_table(
            "Packages",
            ("package", "version", "licence", "known by"),
            [
                (one.name, one.version, one.licence.expression or "not known", one.licence.known_by)
                for one in components
            ],
        ),
        *_table(
            "Where somebody looked, since the metadata says too little",
            ("package", "what it says", "what was found"),
            [
                (one.name, one.licence.said or "nothing", one.licence.why)
                for one in components
                if one.licence.known_by == "review"
            ],
        ),
    ]
    return "\n".join(lines) + "\n"


def _inside(components: Sequence[Component]) -> list[str]:
    count = sum(len(each.parts) for each in components)
    telling = sum(bool(each.parts) for each in components)
    text = f"{telling} of them tell what was built into them: {count} libraries, see {SBOM}."
    return ["", text] if count else []


def _breaches(found: Sequence[Breach]) -> list[str]:
    return ["", "**The policy is broken:**", "", *(f"- {each}" for each in found)] if found else []


def _aloud(components: Sequence[Component], place: str) -> list[str]:
    """What is here only by an exception, with its reason."""
    lines = []
    for one in policy().exceptions:
        names = [
            each.name
            for each in components
            if one.is_about(each.name, place)
            and not identifiers(each.licence.expression).isdisjoint(one.licences)
        ]
        if names:
            lines.append(f"- **{', '.join(one.licences)}**: {', '.join(names)}. Why: {one.why}")
    return ["", "By exception:", "", *lines] if lines else []


def _table(title: str, header: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    if not rows:
        return []
    shown = [" | ".join(_cell(cell) for cell in row) for row in rows]
    rule = " | ".join("---" for _ in header)
    return ["", f"## {title}", "", *(f"| {row} |" for row in (" | ".join(header), rule, *shown))]


def _cell(value: object) -> str:
    return " ".join(str(value).split()).replace("|", "\\|")
