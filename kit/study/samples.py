"""The same few test pictures, as each setting sees them: from what finished cells have found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from kit.bundle import open_bundle
from kit.data.dataset import Dataset
from kit.errors import DataError, UsageError
from kit.pixels import read_picture
from kit.report.draw import draw
from kit.report.page import Figure, Pictures, Section, Text
from kit.report.scores import spoken_thresholds
from kit.runtime.suppress import reaching
from kit.study.compared import shared, spoken
from kit.study.reading import Reader, Reading
from kit.types import Detections

MOST = 48
"""Pictures on a page, each about a tenth of a megabyte."""

PICTURES = 3
"""Test pictures of a dataset, where there is room."""

_SIDE = 640  # pixels: the longer side of what is shown


@dataclass(frozen=True, eq=False)
class _View:
    """What one setting sees.

    Attributes:
        label: what tells it from the others.
        found: detections by picture, of its lowest seed.
        thresholds: the score from which it shows a box, by class.
    """

    label: str
    found: Mapping[str, Detections]
    thresholds: Mapping[str, float]


def samples(readings: Sequence[Reading], reader: Reader) -> list[Section]:
    """For each dataset a few test pictures: the labels, then each setting's detections.

    Boxes are those of the lowest seed, from its bundle's operating point on. Where there are many
    settings, fewer pictures of each dataset are shown, and then fewer settings: the best, the
    worst and some between. Where data or bundle are not here any more, that is said instead.
    """
    groups: dict[str, list[Reading]] = {}
    for reading in readings:
        if reading.trials:
            groups.setdefault(reading.setting.dataset, []).append(reading)
    sections: list[Section] = []
    for source, those in groups.items():
        try:
            sections += _dataset(reader.dataset(source), those, MOST // len(groups))
        except UsageError as error:
            title = f"Sample predictions · {those[0].setting.parts()['dataset']}"
            sections.append(Text(title, [f"Not shown: {error}"]))
    return sections


def _dataset(dataset: Dataset, readings: Sequence[Reading], room: int) -> list[Section]:
    pictures = max(1, min(PICTURES, room // (len(readings) + 1)))
    ranked = sorted(readings, key=lambda each: -(each.ap50.mean if each.ap50 else 0.0))
    kept = {ranked[place].setting for place in _spread(len(ranked), room // pictures - 1)}
    same = shared([reading.setting for reading in readings])
    views = [_view(reading, same) for reading in readings if reading.setting in kept]
    common = [id_ for id_ in dataset.ids if all(id_ in view.found for view in views)]
    if not common:
        raise DataError("holds none of the pictures that were tested on", where=dataset.source)
    points = "; or ".join(sorted({spoken_thresholds(view.thresholds) for view in views}))
    note = f"Boxes scored {points}, of the lowest seed."
    if len(views) < len(readings):
        note += f" {len(views)} of {len(readings)} settings: best, worst and some between."
    return [
        Pictures(
            f"Sample predictions · {dataset.name} · {id_}", _figures(dataset, id_, views), note
        )
        for id_ in (common[place] for place in _spread(len(common), pictures))
    ]


def _view(reading: Reading, same: Mapping[str, str]) -> _View:
    parts = spoken(reading.setting.parts())
    words = [word for name, word in parts.items() if name not in same]
    cells = reading.trials[0].cells
    card = open_bundle(cells[0].bundle).card
    return _View(
        label=", ".join(words) or str(reading.setting),
        found={id_: found for each in cells for id_, found in each.found().items()},
        thresholds=dict(zip(card.classes, card.thresholds, strict=True)),
    )


def _figures(dataset: Dataset, id_: str, views: Sequence[_View]) -> list[Figure]:
    example = dataset[dataset.index[id_]]
    picture = read_picture(example.path, bit_depth=dataset.bit_depth)
    scale = min(1.0, _SIDE / max(picture.shape[:2]))
    if scale < 1:
        resized = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        picture = np.asarray(resized, np.uint8)

    def drawn(boxes: Detections, caption: str, *, scores: bool) -> Figure:
        small = Detections(boxes.xyxy * scale, boxes.scores, boxes.labels)
        return Figure(draw(picture, small, dataset.classes, scores=scores), caption)

    figures = [drawn(example.truth, f"The labels: {len(example.truth)} objects", scores=False)]
    for view in views:
        seen = reaching(view.found[id_], [*view.thresholds.values()])
        figures.append(drawn(seen, f"{view.label}: {len(seen)} found", scores=True))
    return figures


def _spread(count: int, wanted: int) -> list[int]:
    """So many places out of ``range(count)``, evenly, with the first and the last."""
    wanted = max(1, min(count, wanted))
    return sorted({round(place) for place in np.linspace(0, count - 1, wanted)})
