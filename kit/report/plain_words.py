"""An evaluation in plain words: what is found, how sure that is, and how often it errs.

Shares of a hundred objects or more are told "of 100", of fewer as they were counted, since "80 of
100" would claim more than 4 of 5 objects can. A share is never rounded to all or none, and an
interval is rounded outwards, so that it never looks narrower than it is. Where all or none were
found, drawing other pictures has nothing to vary; then Wilson's interval tells the least that is
uncertain, and is told as that.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, floor

from kit.evaluate.detail import Estimate
from kit.evaluate.intervals import ALIKE, Interval
from kit.evaluate.proportions import wilson
from kit.evaluate.report import EvalReport

_EPS = 1e-9  # 0.07 * 100 is a little more than 7


@dataclass(frozen=True)
class Sentence:
    """What is said of a class; ``about`` is None for all of them together."""

    about: str | None
    text: str


def sentences(report: EvalReport) -> list[Sentence]:
    """Of all classes, then of each; at the operating point, on the report's pictures.

    Right is a detection that overlaps an object of its class by at least one half. A report without
    its detail has no such figures, and one sentence says so.
    """
    if report.detail is None:
        text = "What it finds and misses was not measured: the report has scores only."
        return [Sentence(None, text)]
    found, images = report.detail, report.images
    each = [Sentence(name, _sentence(name, row, images)) for name, row in found.per_class.items()]
    if len(each) == 1:
        return [Sentence(None, each[0].text)]
    return [Sentence(None, _sentence(None, found.figures, images)), *each]


def measured_on(report: EvalReport) -> str:
    """On what, in a sentence that explains the others."""
    return (
        f"Measured on {report.images} pictures of {report.dataset} ({report.split}) with "
        f"{report.objects} labelled objects. An interval tells how far the figure moves with other "
        "pictures like these; of few pictures it is rather too narrow. Wrongly marked is what "
        "overlaps no object of its class by at least one half, and what was marked before."
    )


def _sentence(name: str | None, row: Mapping[str, Estimate], images: int) -> str:
    sensitivity = row["sensitivity"]
    wrong = _wrong(name, row["precision"], images)
    if sensitivity.value is None:
        what = "objects" if name is None else name
        return f"How many {what} it finds is not measurable: there are none. It {wrong}."
    return f"Finds {_found(name or 'objects', sensitivity)} {_sure(sensitivity)} and {wrong}."


def _found(name: str, share: Estimate) -> str:
    assert share.value is not None
    count = round(share.value * share.n)
    if share.n < 100:
        return f"{count} of {share.n} {name}"
    if count in (0, share.n):
        return f"{'all' if count else 'none'} of {share.n} {name}"
    return f"{_of_hundred(share.value)} of 100 {name}"


def _of_hundred(share: float) -> str:
    if share < 0.01:
        return "fewer than 1"
    if share > 0.99:
        return "more than 99"
    return f"about {round(100 * share)}"


def _sure(share: Estimate) -> str:
    if share.interval is not None:
        return f"(95 % interval {_outwards(share.interval)} of 100)"
    least = None
    if share.why == ALIKE and share.value is not None:
        least = wilson(round(share.value * share.n), share.n)
    if least is None:
        return f"(how sure that is can't be told from {share.n})"
    return f"(95 % interval at least {_outwards(least)} of 100)"


def _outwards(interval: Interval) -> str:
    low, high = interval
    return f"{floor(100 * low + _EPS)} to {ceil(100 * high - _EPS)}"


def _wrong(name: str | None, precision: Estimate, images: int) -> str:
    """Of what is marked, how much is wrong."""
    count = 0 if precision.value is None else round((1 - precision.value) * precision.n)
    as_what = "" if name is None else f" as {name}"
    if not count:
        return f"marks nothing wrongly{as_what} on {images} pictures"
    return f"wrongly marks {_rate(count, images)}{as_what}"


def _rate(count: int, images: int) -> str:
    if count >= 10 * images:
        return f"about {count / images:.0f} things per picture"
    if 10 * count >= images:
        return f"about {count / images:.1f} things per picture"
    if images < 100:
        return f"{count} thing{'s' * (count > 1)} on {images} pictures"
    per_hundred = f"about {100 * count / images:.0f}"
    return f"{per_hundred if 100 * count >= images else 'fewer than 1'} thing(s) per 100 pictures"
