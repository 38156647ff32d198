"""What a detector is worth: its reports in plain words first, then plots, then the whole card."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlencode

from markupsafe import Markup

from kit.app import strings as say
from kit.app.shelf import Served
from kit.bench.report import LatencyReport
from kit.evaluate.report import EvalReport
from kit.report.dossier import Dossier, read_dossier
from kit.report.evaluation import froc_plot
from kit.report.html import render_html
from kit.report.latency import spreads
from kit.report.model_card.limits import limits
from kit.report.model_card.tell import tell
from kit.report.plain_words import measured_on, sentences
from kit.report.scores import spoken


def card_page(served: Served) -> str:
    """The whole model card, a page of its own."""
    return render_html(tell(served.bundle, read_dossier(served.bundle)))


def worth(served: Served) -> Markup:
    """The tab's content for a bundle."""
    dossier = read_dossier(served.bundle)
    card = served.bundle.card
    return Markup(
        '<article class="kit-worth"><h2>{name}</h2>'
        "{evaluations}{latency}<section><h3>{limits_title}</h3><ul>{limits}</ul></section>"
        '<p class="kit-quiet">{licence} · {precision} · <code>{sha256}</code></p>'
        "<details><summary>{details}</summary>"
        '<iframe class="kit-card" src="kit/card?{query}" title="{details}" loading="lazy"'
        ' sandbox="allow-same-origin"></iframe></details></article>'
    ).format(
        name=card.name,
        evaluations=_evaluations(dossier),
        latency=_latency(dossier.latencies),
        limits_title=say.WORTH_LIMITS,
        limits=_lines("li", limits(card, dossier).paragraphs),
        licence=say.LICENCE.format(licence=card.licence),
        precision=card.precision,
        sha256=served.bundle.sha256,
        details=say.WORTH_DETAILS,
        query=urlencode({"bundle": served.name}),
    )


def _evaluations(dossier: Dossier) -> Markup:
    if not dossier.own:
        return _unknown(say.WORTH_UNKNOWN, say.WORTH_EVALUATE)
    return Markup("").join(_evaluation(report) for report in dossier.own)


def _evaluation(report: EvalReport) -> Markup:
    told = sentences(report)
    plot: Markup | str = ""
    if report.detail is not None and report.detail.froc.pooled.sensitivity:
        plot = _plot(froc_plot(report.detail.froc), say.WORTH_FROC)
    return Markup(
        '<section><ul class="kit-plain">{plain}</ul><p class="kit-quiet">{on}</p>{table}{plot}'
        "</section>"
    ).format(
        plain=_lines("li", [each.text for each in told]),
        on=measured_on(report),
        table=_scores(report),
        plot=plot,
    )


def _scores(report: EvalReport) -> Markup:
    rows = [(say.WORTH_ALL, report.objects, report.ap50, report.interval.get("ap50"), report.ap)]
    detail = report.detail
    for name, each in report.per_class.items():
        estimate = None if detail is None else detail.per_class.get(name, {}).get("ap50")
        interval = None if estimate is None else estimate.interval
        rows.append((name, each.objects, each.ap50, interval, each.ap))
    if len(rows) == 2:
        rows = rows[:1]
    body = Markup("").join(
        Markup("<tr><th scope='row'>{}</th><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>")
        .format(name, n, _number(ap50), spoken(interval) or say.WORTH_NONE, _number(ap))
        for name, n, ap50, interval, ap in rows
    )  # fmt: skip
    header = Markup("").join(
        Markup('<th scope="col">{}</th>').format(each) for each in say.WORTH_HEADER
    )
    return Markup(
        '<div class="kit-table"><table><thead><tr>{}</tr></thead><tbody>{}</tbody></table></div>'
    ).format(header, body)


def _latency(rows: Sequence[LatencyReport]) -> Markup:
    if not rows:
        return _unknown(say.WORTH_UNTIMED, say.WORTH_BENCH)
    lines = []
    for row in rows:
        total = row.stages["total"]
        if total is not None:
            lines.append(
                say.WORTH_TIME.format(
                    p50=f"{total.p50:.1f}",
                    device=row.device,
                    precision=row.precision,
                    batch=row.batch,
                    samples=row.samples,
                )
            )
    drawn = [row for row in rows if len(row.totals_ms)]
    plot = _plot(spreads(drawn), say.WORTH_SPREADS) if drawn else ""
    return Markup("<section><h3>{}</h3><ul>{}</ul>{}</section>").format(
        say.TIME, _lines("li", lines), plot
    )


def _plot(svg: str, caption: str) -> Markup:
    """A drawing of ours: names in it are escaped by the one who draws."""
    return Markup('<figure class="kit-plot">{}<figcaption>{}</figcaption></figure>').format(
        Markup(svg), caption
    )


def _unknown(text: str, command: str) -> Markup:
    return Markup('<section><p class="kit-warning">{}</p><pre>{}</pre></section>').format(
        text, command
    )


def _lines(tag: str, texts: Sequence[str]) -> Markup:
    return Markup("").join(Markup("<{0}>{1}</{0}>").format(Markup(tag), each) for each in texts)


def _number(value: float | None) -> str:
    return say.WORTH_NONE if value is None else f"{value:.3f}"
