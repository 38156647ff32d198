"""Detections as plain data and as lines of a table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence
from math import isfinite
from typing import Any

from kit.types import Detections, Watched


def watched_facts(watched: Watched | None) -> dict[str, Any]:
    """What the watch says of a picture, as plain data; nothing where nobody watches."""
    if watched is None:
        return {}
    return {
        "watched": {
            "unlike": watched.unlike,
            "distance": round(watched.distance, 4) if isfinite(watched.distance) else None,
            "complaints": list(watched.complaints),
        }
    }


def json_rows(detections: Detections, classes: Sequence[str]) -> list[dict[str, Any]]:
    """For JSON, best first; boxes to a hundredth of a pixel."""
    return [
        {
            "class": classes[label],
            "label": label,
            "score": round(score, 4),
            "xyxy": [round(float(value), 2) for value in box],
        }
        for box, score, label in detections
    ]


def csv_lines(
    found: Iterable[tuple[str, Detections]], classes: Sequence[str], *, header: bool
) -> str:
    """A line for each box, under the names of the columns where they are asked for."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    if header:
        writer.writerow(["picture", "class", "score", "left", "top", "right", "bottom"])
    for name, detections in found:
        for box, score, label in detections:
            corners = [f"{value:.2f}" for value in box]
            writer.writerow([name, classes[label], f"{score:.4f}", *corners])
    return text.getvalue()
