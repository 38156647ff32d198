"""Run a detector over a picture or a folder, and write what it found.

Boxes drawn on the pictures, and beside them a table (JSON or CSV), or a dataset (COCO or YOLO) that
an annotation tool opens, so that people correct boxes instead of drawing them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from kit.binding import plain
from kit.data import formats
from kit.data.dataset import Dataset
from kit.errors import DataError
from kit.files import write_bytes, write_json, write_text
from kit.pixels import encode_picture, find_pictures, is_picture, read_picture
from kit.progress import SILENT, Progress
from kit.report.draw import draw
from kit.report.rows import csv_lines, json_rows, watched_facts
from kit.runtime.stream import is_video
from kit.types import Detections, Detector, Example, Watched

Save = Literal["json", "csv", "coco", "yolo", "none"]

DRAWN = "drawn"
"""Folder of the drawn pictures; of a stream, name of the film."""


@dataclass(frozen=True, eq=False)
class Found:
    """What was found on one picture.

    Attributes:
        name: path below the input folder.
        size: ``(width, height)``.
    """

    name: str
    size: tuple[int, int]
    detections: Detections
    watched: Watched | None = None


@dataclass(frozen=True, eq=False)
class Annotations:
    """What was found on all of them, and the pictures that could not be read, with why."""

    found: Sequence[Found]
    failed: Mapping[str, str]


def annotate(
    detector: Detector,
    source: Path,
    out: Path,
    *,
    floor: float | None = None,
    save: Save = "json",
    drawn: bool = True,
    bit_depth: int | None = None,
    scores: str = "raw",
    progress: Progress = SILENT,
) -> Annotations:
    """Detect on a picture, or all pictures below a folder.

    Args:
        out: a directory that is being made.
        floor: lowest score that counts; None takes the bundle's operating point.
        save: the table or dataset to write beside the drawn pictures.
        drawn: write the pictures with their boxes.
        bit_depth: bits really used by 16-bit pictures.
        scores: what the detector's scores are, for the record.

    Raises:
        DataError: nothing there that could be read.
    """
    root, names = _pictures(source)
    if passed := sum(is_video(path) for path in source.rglob("*")):
        progress.note(f"note: {passed} video(s) in {source} are passed over; name one instead")
    result = _all(detector, root, names, out, floor, drawn, bit_depth, progress)
    if save in ("coco", "yolo"):
        _write_dataset(result.found, detector.classes, root, out / save, save)
    if save == "json":
        rows = [as_plain(found, detector.classes) for found in result.found]
        failed = [{"picture": name, "error": why} for name, why in result.failed.items()]
        tiling = None if detector.tiling is None else plain(detector.tiling)
        told = {"tiling": tiling, "scores": scores, "pictures": rows, "failed": failed}
        write_json(out / "detections.json", told)
    elif save == "csv":
        named = ((found.name, found.detections) for found in result.found)
        write_text(out / "detections.csv", csv_lines(named, detector.classes, header=True))
    return result


def as_plain(found: Found, classes: Sequence[str]) -> dict[str, Any]:
    """One picture as plain data."""
    return {
        "picture": found.name,
        "width": found.size[0],
        "height": found.size[1],
        **watched_facts(found.watched),
        "detections": json_rows(found.detections, classes),
    }


def _pictures(source: Path) -> tuple[Path, list[str]]:
    """The folder, and the pictures in it."""
    if source.is_file():
        if not is_picture(source):
            raise DataError("neither a picture nor a video", where=source)
        return source.parent, [source.name]
    if not source.is_dir():
        raise DataError("there is no such picture, folder or video file", where=source)
    return source, find_pictures(source)


def _all(
    detector: Detector,
    root: Path,
    names: Sequence[str],
    out: Path,
    floor: float | None,
    drawn: bool,
    bit_depth: int | None,
    progress: Progress,
) -> Annotations:
    found: list[Found] = []
    failed: dict[str, str] = {}
    for name in progress.track(names, "detecting", len(names)):
        try:
            picture = read_picture(root / name, bit_depth=bit_depth)
        except DataError as error:  # one damaged picture must not cost the other thousand
            failed[name] = error.what
            continue
        result = detector.detect([picture], floor=floor)[0]
        detections = result.detections
        height, width = picture.shape[:2]
        found.append(Found(name, (width, height), detections, result.watched))
        if drawn:
            # a.jpg and a.png may lie side by side, so another suffix stays in the name
            file = name if name.lower().endswith(".jpg") else f"{name}.jpg"
            marked = draw(picture, detections, detector.classes)
            write_bytes(out / DRAWN / file, encode_picture(marked))
    if not found:
        name, why = next(iter(failed.items()))
        raise DataError(
            f"none of the {len(failed)} picture(s) could be read; {name}: {why}", where=root
        )
    return Annotations(found, failed)


def _write_dataset(
    found: Sequence[Found], classes: Sequence[str], root: Path, out: Path, format: str
) -> None:
    """A dataset of what was found, with copies of the pictures; COCO keeps the scores too."""
    examples = [
        Example(
            id=item.name,
            path=root / item.name,
            size=item.size,
            truth=Detections.truth(item.detections.xyxy, item.detections.labels),
            ignore=np.zeros(len(item.detections), np.uint8),
        )
        for item in found
    ]
    scores = {
        item.name: [{"score": round(float(score), 4)} for score in item.detections.scores]
        for item in found
    }
    dataset = Dataset.from_examples(
        root.name, root, classes, examples, {}, extra={"coco": {"boxes": scores}}
    )
    out.mkdir(parents=True)
    formats.load(format).write(dataset, out)
