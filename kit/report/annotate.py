"""Run a detector over a picture, a folder or a video, and write what it found.

Boxes drawn on the pictures, and beside them a table (JSON or CSV), or a dataset (COCO or YOLO) that
an annotation tool opens, so that people correct boxes instead of drawing them.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from kit.binding import plain
from kit.data import formats
from kit.data.dataset import Dataset
from kit.errors import DataError, UsageError
from kit.files import write_bytes, write_json, write_text
from kit.pixels import encode_picture, find_pictures, is_picture, read_picture
from kit.progress import SILENT, Progress
from kit.report.draw import draw
from kit.runtime.stream import Video, VideoWriter, is_video
from kit.types import Detections, Detector, Example

Save = Literal["json", "csv", "coco", "yolo"]

DRAWN = "drawn"
"""Folder (or, with .mp4, file) of the drawn pictures."""


@dataclass(frozen=True, eq=False)
class Found:
    """What was found on one picture.

    Attributes:
        name: path below the input folder, or for a video ``frame 12``.
        size: ``(width, height)``.
        second: of the frame in its video, None for a picture.
    """

    name: str
    size: tuple[int, int]
    detections: Detections
    second: float | None = None


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
    bit_depth: int | None = None,
    progress: Progress = SILENT,
) -> Annotations:
    """Detect on a picture, all pictures below a folder, or a video file.

    Args:
        out: a directory that is being made.
        floor: lowest score that counts; None takes the bundle's operating point.
        save: the table or dataset to write beside the drawn pictures.
        bit_depth: bits really used by 16-bit pictures.

    Raises:
        DataError: nothing there that could be read.
        UsageError: a dataset is asked of a video, whose frames are no picture files.
    """
    if is_video(source) and source.is_file():
        if save in ("coco", "yolo"):
            raise UsageError(
                f"the frames of a video are no picture files, which {save} labels need",
                where=source,
                fix="--save json or --save csv",
            )
        result = Annotations(list(_video(detector, source, out, floor, progress)), {})
    else:
        root, names = _pictures(source)
        if passed := sum(is_video(path) for path in source.rglob("*")):
            progress.note(f"note: {passed} video(s) in {source} are passed over; name one instead")
        result = _all(detector, root, names, out, floor, bit_depth, progress)
        if save in ("coco", "yolo"):
            _write_dataset(result.found, detector.classes, root, out / save, save)
    if save == "json":
        rows = [as_plain(found, detector.classes) for found in result.found]
        failed = [{"picture": name, "error": why} for name, why in result.failed.items()]
        tiling = None if detector.tiling is None else plain(detector.tiling)
        told = {"tiling": tiling, "pictures": rows, "failed": failed}
        write_json(out / "detections.json", told)
    elif save == "csv":
        write_text(out / "detections.csv", _csv(result.found, detector.classes))
    return result


def as_plain(found: Found, classes: Sequence[str]) -> dict[str, Any]:
    """One picture as plain data."""
    when = {} if found.second is None else {"second": round(found.second, 3)}
    return {
        "picture": found.name,
        **when,
        "width": found.size[0],
        "height": found.size[1],
        "detections": [
            {
                "class": classes[label],
                "label": label,
                "score": round(score, 4),
                "xyxy": [round(float(value), 2) for value in box],
            }
            for box, score, label in found.detections
        ],
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
        detections = detector.detect([picture], floor=floor)[0].detections
        height, width = picture.shape[:2]
        found.append(Found(name, (width, height), detections))
        # a.jpg and a.png may lie side by side, so another suffix stays in the name
        drawn = name if name.lower().endswith(".jpg") else f"{name}.jpg"
        marked = draw(picture, detections, detector.classes)
        write_bytes(out / DRAWN / drawn, encode_picture(marked))
    if not found:
        name, why = next(iter(failed.items()))
        raise DataError(
            f"none of the {len(failed)} picture(s) could be read; {name}: {why}", where=root
        )
    return Annotations(found, failed)


def _video(
    detector: Detector, source: Path, out: Path, floor: float | None, progress: Progress
) -> Iterator[Found]:
    count = 0
    with (
        closing(Video(source)) as video,
        closing(VideoWriter(out / f"{DRAWN}.mp4", video.rate)) as writer,
    ):
        for index, frame in enumerate(progress.track(video, "detecting", video.frames or None)):
            detections = detector.detect([frame], floor=floor)[0].detections
            writer.write(draw(frame, detections, detector.classes))
            size = frame.shape[1], frame.shape[0]
            yield Found(f"frame {index}", size, detections, index / video.rate)
            count += 1
        if not count:
            raise DataError("the video has no frame that can be decoded", where=source)
        if video.frames > count:
            progress.note(
                f"warning: {source} tells of {video.frames} frames, {count} could be decoded"
            )


def _csv(found: Sequence[Found], classes: Sequence[str]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["picture", "class", "score", "left", "top", "right", "bottom"])
    for item in found:
        for box, score, label in item.detections:
            corners = [f"{value:.2f}" for value in box]
            writer.writerow([item.name, classes[label], f"{score:.4f}", *corners])
    return text.getvalue()


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
