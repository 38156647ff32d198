"""What visitors take home of a picture that was looked at: drawn, as JSON, as CSV, on paper."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kit import __version__
from kit.app import strings as say
from kit.app.looked import Looked
from kit.app.viewer import cautions
from kit.pixels import encode_picture
from kit.report.draw import draw
from kit.report.html import render_html
from kit.report.page import Facts, Figure, Page, Pictures, Table, Text
from kit.report.rows import csv_lines, json_rows, watched_facts
from kit.types import Detections, Picture


@dataclass(frozen=True)
class Shown:
    """Which boxes: those a visitor sees.

    Attributes:
        threshold: for all classes; None for the bundle's own.
        without: classes that are hidden, by label.
    """

    threshold: float | None = None
    without: Collection[int] = ()

    def of(self, looked: Looked) -> Detections:
        """The boxes shown of a picture."""
        return self.among(looked.result.detections, looked.served.bundle.card.thresholds)

    def among(self, found: Detections, thresholds: Sequence[float]) -> Detections:
        """The boxes shown, where each class has a threshold of its own."""
        return found[self.mask(found, thresholds)]

    def mask(self, found: Detections, thresholds: Sequence[float]) -> NDArray[np.bool_]:
        """``(n,)`` which boxes are shown."""
        own = np.asarray(thresholds, np.float32)[found.labels]
        least = own if self.threshold is None else np.float32(self.threshold)
        return np.asarray((found.scores >= least) & ~np.isin(found.labels, list(self.without)))


def drawn(looked: Looked, shown: Shown) -> Picture:
    """The picture with its boxes, ``(H, W, 3)`` BGR."""
    return draw(looked.picture, shown.of(looked), looked.served.bundle.card.classes)


def as_png(looked: Looked, shown: Shown) -> bytes:
    """The drawn picture as a PNG file without metadata."""
    return encode_picture(drawn(looked, shown), ".png")


def as_json(looked: Looked, shown: Shown) -> dict[str, Any]:
    """All that is known of a look, as plain data."""
    card, found = looked.served.bundle.card, shown.of(looked)
    height, width = looked.picture.shape[:2]
    return {
        "bundle": card.name,
        "bundle_sha256": looked.served.bundle.sha256,
        "picture_sha256": looked.picture_sha256,
        "width": width,
        "height": height,
        "looked_at": _when(looked),
        "threshold": shown.threshold,
        "thresholds": dict(zip(card.classes, _least(looked, shown), strict=True)),
        "without": [
            card.classes[label] for label in sorted(shown.without) if label < len(card.classes)
        ],
        "counts": counts_of(looked, found),
        "stages_ms": {name: round(ms, 3) for name, ms in looked.stages_ms.items()},
        **watched_facts(looked.result.watched),
        "detections": json_rows(found, card.classes),
        "use": say.RESEARCH_ONLY,
    }


def as_csv(looked: Looked, shown: Shown) -> str:
    """A line for each box; pictures are named by their hash."""
    named = [(looked.picture_sha256, shown.of(looked))]
    return csv_lines(named, looked.served.bundle.card.classes, header=True)


def as_page(looked: Looked, shown: Shown) -> str:
    """One page to print and to sign."""
    card, found = looked.served.bundle.card, shown.of(looked)
    cautioned = cautions(looked.result.watched)
    least = _least(looked, shown)
    rule = say.PRINT_SCORES if shown.threshold is not None else say.PRINT_OPERATING
    spoken = f"{least[0]:.2f}" if len(set(least)) == 1 else say.BY_CLASS
    counts = [(name, count) for name, count in counts_of(looked, found).items()]
    facts = [
        (say.BUNDLE, card.name),
        (say.PRINT_BUNDLE, looked.served.bundle.sha256),
        (say.PRINT_PICTURE, looked.picture_sha256),
        (say.PRINT_WHEN, _when(looked)),
        (say.PRINT_SHOWN, rule.format(threshold=spoken)),
        ("detector-kit", __version__),
    ]
    page = Page(
        say.PRINT_TITLE,
        say.RESEARCH_ONLY,
        [
            *([Text("", cautioned)] if cautioned else []),
            Pictures("", [Figure(drawn(looked, shown))]),
            Table(say.PRINT_PLACES, (say.FINDINGS_CLASS, "n"), counts),
            Facts(say.PRINT_FACTS, facts),
            Text(say.PRINT_SEEN, [say.RESEARCH_ONLY]),
        ],
    )
    return render_html(page)


def counts_of(looked: Looked, found: Detections) -> dict[str, int]:
    """Boxes by class name, those of no box too."""
    counted = Counter(found.labels.tolist())
    return {name: counted[label] for label, name in enumerate(looked.served.bundle.card.classes)}


def _least(looked: Looked, shown: Shown) -> list[float]:
    thresholds = looked.served.bundle.card.thresholds
    return [own if shown.threshold is None else shown.threshold for own in thresholds]


def _when(looked: Looked) -> str:
    return datetime.fromtimestamp(looked.when, timezone.utc).isoformat(timespec="seconds")
