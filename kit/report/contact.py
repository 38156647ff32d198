"""A contact sheet: the pictures of a ``kit sample --next`` manifest, with what is found on them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from kit.data.manifest import Manifest
from kit.pixels import read_picture
from kit.report.draw import draw
from kit.report.page import Facts, Figure, Page, Pictures, Section, Table, Text
from kit.types import Detections, Picture

SHOWN = 120
"""Pictures on the sheet; the manifest lists all."""

_SIDE = 640  # pixels of the longer side: a sheet of all pictures stays small enough to be mailed


def contact_sheet(
    manifest: Manifest,
    found: Sequence[Detections],
    folder: Path,
    *,
    bit_depth: int | None = None,
) -> Page:
    """The page.

    Args:
        manifest: as :func:`kit.label.ranking.choose` made it; its class counts name the classes.
        found: boxes on each of its pictures, in their pixels.
        folder: the pictures lie below it.
        bit_depth: bits really used by 16-bit pictures.

    Raises:
        DataError: a picture can't be read any more.
    """
    facts: Any = manifest.facts
    classes = tuple(manifest.class_counts)
    figures = []
    for row, boxes in list(zip(facts["ranked"], found, strict=True))[:SHOWN]:
        picture, scale = _small(read_picture(folder / row["id"], bit_depth=bit_depth))
        small = Detections(boxes.xyxy * scale, boxes.scores, boxes.labels)
        caption = (
            f"{row['rank']}. {row['id']}: uncertainty {row['uncertainty']:.2f}, {len(boxes)} found"
        )
        figures.append(Figure(draw(picture, small, classes), caption))
    count = len(manifest.ids)
    sections: list[Section] = [
        Facts(
            "At a glance",
            [
                ("Pictures to label", count),
                ("Chosen from", facts["pool"]["pictures"] - facts["pool"]["labelled"]),
                ("Labelled already", facts["pool"]["labelled"]),
                ("Uncertainty, mean of these", facts["sample"]["uncertainty"]),
                ("Uncertainty, mean of all", facts["pool"]["uncertainty"]),
                *((f"{name} found", boxes) for name, boxes in facts["sample"]["found"].items()),
            ],
        ),
        Text(
            "How they were chosen",
            [
                f"{manifest.rule[0].upper()}{manifest.rule[1:]}.",
                "The first is the one to label first, and the first ten are what ten would have "
                "been. To the uncertainty of a picture each box adds 1 where the detector could as "
                "well be wrong as right, and 0 where it is sure. A picture that is no such picture "
                "at all looks unlike the others and comes early: skip it. The boxes drawn are the "
                "detector's, not labels.",
            ],
        ),
        Pictures(
            "Contact sheet",
            figures,
            f"The first {SHOWN}; the manifest lists all {count}." if count > SHOWN else None,
        ),
    ]
    if facts["left_out"]:
        rows = list(facts["left_out"].items())
        sections.append(Table("Left out", ("picture", "why"), rows))
    sections.append(
        Facts(
            "What exactly",
            [
                ("Folder", facts["folder"]),
                ("Bundle", facts["bundle_sha256"]),
                ("Manifest", manifest.sha256),
                ("Seed", manifest.seed),
            ],
        )
    )
    return Page("Pictures to label next", f"by {facts['bundle']}, in {facts['folder']}", sections)


def _small(picture: Picture) -> tuple[Picture, float]:
    """A large picture made smaller, and by how much."""
    scale = _SIDE / max(picture.shape[:2])
    if scale >= 1:
        return picture, 1.0
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8), scale
