"""What is known of a bundle beside its card: reports of it, and statements of people.

`kit card` gathers them from files, each proven to be of this very bundle (or, told apart, of
another precision of the same model), and writes them into the bundle; :func:`read_dossier` reads
them back from the bundle alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from kit.bench.report import LatencyReport
from kit.binding import bind, plain
from kit.bundle import Bundle, Related
from kit.errors import BundleError, CardError, DataError, UsageError
from kit.evaluate.report import EvalReport
from kit.files import canonical_json, read_json
from kit.report.statements import Statements, read_statements

Report: TypeAlias = EvalReport | LatencyReport
"""One of either; a file of `kit bench` holds several."""

R = TypeVar("R", bound=Report)

_MAKE = (
    "make one with `kit evaluate BUNDLE SRC --out REPORT` or `kit bench BUNDLE SRC --out REPORT`"
)


@dataclass(frozen=True)
class Dossier:
    """All that is known of a bundle.

    Attributes:
        evaluations, latencies: of the bundle itself, and of those ``related``.
        statements: what people say of it.
        related: other precisions of the same model.
        same: ``bundle_sha256`` that reports of the bundle itself may have.
    """

    evaluations: tuple[EvalReport, ...] = ()
    latencies: tuple[LatencyReport, ...] = ()
    statements: Statements = field(default_factory=Statements)
    related: tuple[Related, ...] = ()
    same: tuple[str, ...] = ()

    def relative(self, report: Report) -> Related | None:
        """Whose report it is; None for the bundle's own."""
        return next((each for each in self.related if report.bundle_sha256 in each.of), None)

    @property
    def own(self) -> tuple[EvalReport, ...]:
        """Evaluations of the bundle itself, those of test first."""
        mine = [each for each in self.evaluations if each.bundle_sha256 in self.same]
        return tuple(sorted(mine, key=lambda each: each.split != "test"))


def read_dossier(bundle: Bundle) -> Dossier:
    """What a bundle tells of itself; empty where `kit card` has written nothing into it.

    Raises:
        BundleError: a document is not what it should be, or of another bundle.
    """
    documents = bundle.card.documents
    if documents is None:
        return Dossier(same=bundle.same)
    names = (*documents.evaluations, *documents.latencies)
    try:
        statements = read_statements(bundle.directory / documents.statements)
        found = Dossier(statements=statements, related=documents.related, same=bundle.same)
        return add_reports(found, bundle, [bundle.directory / name for name in names])
    except (CardError, DataError) as error:
        raise BundleError(error.what, where=error.where, fix="write it anew: kit card") from error


def add_siblings(dossier: Dossier, bundle: Bundle, others: Sequence[Bundle]) -> Dossier:
    """Take in other precisions of the same model, with what they tell of themselves.

    Raises:
        UsageError: their cards don't say that they are.
    """
    for other in others:
        related = _relate(bundle, other)
        known = [each for each in dossier.related if not {*each.of} & {*other.same}]
        dossier, told = replace(dossier, related=(*known, related)), read_dossier(other)
        reports: list[Report] = [*told.evaluations, *told.latencies]
        for report in reports:
            if report.bundle_sha256 in other.same:  # not what that one knows of its relatives
                dossier = _with(dossier, report)
    return dossier


def add_reports(dossier: Dossier, bundle: Bundle, paths: Sequence[Path]) -> Dossier:
    """Take in reports; one that was there of the same pictures, the same way, is replaced.

    Raises:
        DataError: not a report, damaged, or of another bundle; or two of the same thing.
    """
    given: dict[object, Path] = {}
    for path in paths:
        for report in load(path):
            dossier = _accept(dossier, bundle, report, path)
            if (key := _key(report)) in given:
                raise DataError(
                    f"measures the same as {given[key]}: the same bundle, pictures and machine",
                    where=path,
                    fix="give one of them",
                )
            given[key] = path
            dossier = _with(dossier, report)
    return dossier


def load(path: Path) -> Sequence[Report]:
    """The report of `kit evaluate`, or the rows of `kit bench`, that a file holds.

    Raises:
        DataError: it holds neither, or figures that are no numbers.
    """
    data = read_json(path, "a report", error=DataError, fix=_MAKE)
    rows = data if isinstance(data, list) else [data]
    if not rows or not all(isinstance(row, dict) for row in rows):
        raise DataError("not a report", where=path, fix=_MAKE)
    found: list[Report] = []
    for row in rows:
        kind: type[Report] = LatencyReport if "regime" in row else EvalReport
        report = bind(kind, row, where=path, error=DataError)
        try:
            canonical_json(plain(report))
        except ValueError as error:
            raise DataError("holds a figure that is not a number", where=path, fix=_MAKE) from error
        if isinstance(report, LatencyReport) and report.stages.get("total") is None:
            raise DataError("a row has no total time", where=path, fix=_MAKE)
        found.append(report)
    return found


def _accept(dossier: Dossier, bundle: Bundle, report: Report, path: Path) -> Dossier:
    """The dossier, which may now know one relative more."""
    sha256, classes = report.bundle_sha256, bundle.card.classes
    if isinstance(report, EvalReport) and {*report.per_class} != {*classes}:
        raise DataError(
            f"has the classes {', '.join(report.per_class)}; the bundle {', '.join(classes)}",
            where=path,
        )
    if sha256 in bundle.same or any(sha256 in each.of for each in dossier.related):
        return dossier
    if sha256 == bundle.made_from:
        parent = Related((sha256,), "parent", report.precision)
        return replace(dossier, related=(*dossier.related, parent))
    raise DataError(
        f"is of another bundle: of {report.bundle}, {sha256[:12]}, in {report.precision}; given "
        f"was {bundle.card.name}, {bundle.sha256[:12]}, in {bundle.card.precision}",
        where=path,
        fix="measure this one, or, if that is another precision of it, name its directory with "
        "--sibling",
    )


def _relate(bundle: Bundle, other: Bundle) -> Related:
    mine, theirs = bundle.made_from, other.made_from
    if {*other.same} & {*bundle.same}:
        raise UsageError("is this very bundle, and no sibling of it", where=other.directory)
    if mine in other.same:
        relation: Any = "parent"
    elif theirs in bundle.same:
        relation = "child"
    elif mine is not None and mine == theirs:
        relation = "sibling"
    else:
        raise UsageError(
            f"not known to be of the same model as {bundle.directory}: neither was made from the "
            "other, nor both from a third",
            where=other.directory,
            fix="`kit export` the one from the other",
        )
    card = other.card
    parity = card.reports.get("parity")
    told = parity if isinstance(parity, Mapping) else {}
    kept = {name: told[name] for name in PARITY if name in told}
    return Related(other.same, relation, card.precision, card.kind, dict(card.conversion), kept)


PARITY = ("pictures", "detections", "matched", "ap", "ap50", "sensitivity", "manifest")
"""What is kept of what the gate saw of a relative."""


def _with(dossier: Dossier, report: Report) -> Dossier:
    if isinstance(report, EvalReport):
        return replace(dossier, evaluations=_put(dossier.evaluations, report))
    return replace(dossier, latencies=_put(dossier.latencies, report))


def _put(reports: tuple[R, ...], report: R) -> tuple[R, ...]:
    """In place of the one that measured the same, else at the end."""
    same = [_key(each) == _key(report) for each in reports]
    if not any(same):
        return (*reports, report)
    return tuple(report if equal else each for each, equal in zip(reports, same, strict=True))


def _key(report: Report) -> object:
    """What was measured on what, how."""
    shared = (
        report.bundle_sha256,
        report.manifest_sha256,
        report.backend,
        report.provider,
        report.device,
        report.tiling,
    )
    if isinstance(report, EvalReport):
        return (*shared, report.floor, report.detail and report.detail.froc.match)
    threads = report.environment.get("threads")
    return (*shared, report.batch, report.regime, report.streams, report.rate, str(threads))
