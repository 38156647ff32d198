"""Sections of the model card that reports tell: accuracy, where it is weak, precisions, latency."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from kit.bench.report import LatencyReport
from kit.bundle import Bundle
from kit.evaluate.report import EvalReport
from kit.evaluate.subgroups import By
from kit.report.dossier import Dossier
from kit.report.evaluation import figures, what
from kit.report.model_card.facts import at, cell, pair
from kit.report.page import Cell, Plot, Section, Table, Text
from kit.report.plain_words import measured_on, sentences
from kit.report.scores import spoken

EVALUATE = "kit evaluate BUNDLE SRC --out REPORT\nkit card BUNDLE REPORT"
BENCH = "kit bench BUNDLE SRC --out REPORT\nkit card BUNDLE REPORT"

_PERFORMANCE = (
    "Topics of CLAIM 2024: evaluation, testing data, model performance. MI-CLAIM: performance "
    "evaluation. FUTURE-AI: universality, robustness."
)
_WEAK = "Topics of CLAIM 2024: failure analysis. MI-CLAIM: model examination. FUTURE-AI: fairness."
_BY: Mapping[By, tuple[str, str]] = {
    "size": (
        "By size: COCO's",
        "A size is the side, in pixels, of a square as large as the box.",
    ),
    "thirds": ("By size: thirds", "Edges that part this set's objects in three."),
    "group": (
        "By group",
        "Patients, slides or sites, the lowest sensitivity first; a report keeps no names of them.",
    ),
}
GROUPS = 40
"""Rows of groups that are shown."""


def plain_words(dossier: Dossier) -> Text:
    """The first that is read."""
    title = "In plain words"
    if not dossier.own:
        why = "What it finds and misses was not measured: no report of `kit evaluate` was given."
        return Text(title, [why], EVALUATE, _PERFORMANCE)
    told = []
    for report in dossier.own:
        told += [measured_on(report), *(each.text for each in sentences(report))]
    return Text(title, told, note=_PERFORMANCE)


def accuracy(dossier: Dossier) -> list[Section]:
    """All figures of every evaluation of the bundle itself."""
    if not dossier.own:
        text = ["Not measured: give a report of `kit evaluate`."]
        return [Text("Accuracy", text, EVALUATE, _PERFORMANCE)]
    return [section for report in dossier.own for section in _evaluation(report)]


def _evaluation(report: EvalReport) -> list[Section]:
    sections: list[Section] = [what(report)]
    if report.detail is None:
        sections.append(_scores(report))
    else:
        sections += figures(report.detail)
    on = f"{report.dataset}, {report.split}"
    followed = [_noted(each, _PERFORMANCE) for each in sections]
    return [replace(each, title=f"{each.title} ({on})") for each in (*followed, *_weak(report))]


def _noted(section: Section, note: str) -> Section:
    if isinstance(section, Plot):
        return replace(section, caption=f"{section.caption} {note}".strip())
    return replace(section, note=f"{section.note or ''} {note}".strip())


def _scores(report: EvalReport) -> Table:
    """Of a report without its detail."""
    rows: list[list[Cell]] = [
        ["all", report.objects, getattr(report, name), spoken(report.interval.get(name)), name]
        for name in ("ap", "ap50")
    ]
    rows += [[name, each.objects, each.ap, None, "ap"] for name, each in report.per_class.items()]
    note = "The report has scores only."
    return Table("Scores", ("class", "objects", "value", "95 % interval", "figure"), rows, note)


def _weak(report: EvalReport) -> list[Section]:
    found = {} if report.detail is None else report.detail.subgroups
    if not found:
        why = "Not measured: this report was made without them; measure again with `kit evaluate`."
        return [Text("Subgroups", [why], note=_WEAK)]
    sections: list[Section] = []
    for by, groups in found.items():
        title, meaning = _BY[by]
        rows: list[list[Cell]] = [
            [
                each.name,
                each.pictures,
                each.objects,
                each.found,
                each.false,
                each.sensitivity,
                spoken(each.interval),
                each.precision,
            ]
            for each in groups[:GROUPS]
        ]
        shown = f" The first {GROUPS} of {len(groups)}." if len(groups) > GROUPS else ""
        note = f"{meaning}{shown} {_WILSON} {_WEAK}"
        sections.append(Table(title, _HEADER, rows, note))
    if "group" not in found:
        why = "Not measurable: the dataset names no patient, slide or site of its pictures."
        sections.append(Text("By group", [why], note=_WEAK))
    return sections


_HEADER = ("", "pictures", "objects", "found", "false", "sensitivity", "95 % interval", "precision")
_WILSON = (
    "The interval (Wilson) takes objects for independent, which those of one picture seldom are: "
    "it is the least that is uncertain."
)


def precisions(bundle: Bundle, dossier: Dossier) -> list[Section]:
    """What the gate saw of each precision, and how each scored."""
    card = bundle.card
    follows = "Topics of CLAIM 2024: evaluation. FUTURE-AI: robustness, traceability."
    rows = [_gate("this one", card.precision, card.conversion, card.reports.get("parity"))]
    rows += [
        _gate(f"its {each.relation}, {each.of[0][:12]}", each.precision, each.conversion,
              each.parity)
        for each in dossier.related
    ]  # fmt: skip
    header = (
        "bundle", "precision", "AP before", "AP after", "change, 95 %", "sensitivity before",
        "after", "alike", "pictures", "left in float",
    )  # fmt: skip
    note = (
        "On valid pictures, against what it was made from. A dash is not measured: a checkpoint "
        f"goes through no gate, and of others only their reports may be known. {follows}"
    )
    sections: list[Section] = [Table("Parity of each precision", header, rows, note)]
    others = [
        (relative, each)
        for each in dossier.evaluations
        if (relative := dossier.relative(each)) is not None
    ]
    if others:
        scored: list[list[Cell]] = [
            [
                f"its {relative.relation}, {each.precision}",
                f"{each.dataset}, {each.split}",
                each.images,
                each.objects,
                each.ap,
                spoken(each.interval.get("ap")),
                each.ap50,
                spoken(each.interval.get("ap50")),
            ]
            for relative, each in others
        ]
        titles = ("bundle", "on", "pictures", "objects", "AP", "95 %", "AP50", "95 %")
        said = "Not this bundle: other precisions of the same model, or other thresholds."
        sections.append(Table("How its relatives score", titles, scored, f"{said} {follows}"))
    return sections


def _gate(name: str, precision: str, conversion: Mapping[str, Any], parity: Any) -> list[Cell]:
    told = parity if isinstance(parity, Mapping) else {}
    left = conversion.get("left_in_float")
    return [
        name,
        f"{precision} and {conversion['rest']}" if "rest" in conversion else precision,
        cell(at(told, "ap", "before")),
        cell(at(told, "ap", "after")),
        pair(at(told, "ap", "interval"), "+.4f"),
        cell(at(told, "sensitivity", "before")),
        cell(at(told, "sensitivity", "after")),
        cell(at(told, "matched")),
        cell(at(told, "pictures")),
        f"{len(left)} layers and the head's last" if isinstance(left, Sequence) else None,
    ]


def latency(dossier: Dossier) -> list[Section]:
    """A row for each row of `kit bench`."""
    follows = "Topics of CLAIM 2024: evaluation. FUTURE-AI: usability, robustness."
    if not dossier.latencies:
        text = ["Not measured: give a report of `kit bench`."]
        return [Text("Latency", text, BENCH, follows)]
    rows = [_row(dossier, each) for each in dossier.latencies]
    header = (
        "bundle", "device", "engine", "precision", "batch", "regime", "p50 ms", "p95 ms",
        "pictures/s", "power W", "n",
    )  # fmt: skip
    note = (
        "Milliseconds a batch, from the file on disk to boxes. A p95 needs 130 batches. Times are "
        f"of this device alone. {follows}"
    )
    return [Table("Latency", header, rows, note)]


def _row(dossier: Dossier, report: LatencyReport) -> list[Cell]:
    total, relative = report.stages["total"], dossier.relative(report)
    assert total is not None  # dossiers hold no others
    power = report.power_w
    return [
        "this one" if relative is None else f"its {relative.relation}",
        report.device,
        report.backend,
        report.precision,
        report.batch,
        report.regime,
        total.p50,
        "too few" if total.p95 is None else total.p95,
        report.throughput,
        "not measured" if power is None else power,
        report.samples,
    ]
