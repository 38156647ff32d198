"""Labels that are likely wrong, for a person to look at: a page, and one picture of the first."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from kit.data.dataset import Dataset
from kit.pixels import read_picture
from kit.report.draw import Colour, draw, legend
from kit.report.page import Facts, Figure, Page, Pictures, Section, Table, Text
from kit.types import Detections, Picture

if TYPE_CHECKING:
    from kit.label.mistakes import Mistake

GIVEN: Colour = (86, 180, 233)  # sky blue
SUGGESTED: Colour = (230, 159, 0)  # orange
OTHERS: Colour = (240, 240, 240)

_LEGEND = (
    (GIVEN, "the label in question (broken)"),
    (SUGGESTED, "what the detector finds"),
    (OTHERS, "other labels (broken)"),
)
_LEAST = 96  # pixels of the picture that are shown at least
_TILE, _COLUMNS, _LINE = 300, 4, 22  # pixels, of the sheet
_CAUTION = (
    "A suspicion is not a mistake: look, and decide. Scores are the detector's confidence times "
    "how far it is from the label; they order the list, and are no probabilities. On pictures the "
    "detector was trained on it has learned the mistakes too: look at valid pictures, or train on "
    "folds (`kit data split --folds`) and look at each with the detector that did not see it."
)


def mistakes_page(
    found: Sequence[Mistake], figures: Sequence[Figure], facts: Sequence[tuple[str, str | int]]
) -> Page:
    """The page.

    Args:
        found: what is listed, in order of rank.
        figures: of the same, from :func:`closeups`.
        facts: what was looked at, with what.
    """
    rows = [[one.rank, one.picture, one.kind, one.label, one.suggested, one.score] for one in found]
    header = ("rank", "picture", "kind", "label", "detector says", "score")
    sections: list[Section] = [
        Facts("At a glance", facts),
        Text("How to read it", [_CAUTION]),
        Pictures("Contact sheet", figures),
        Table("The list", header, rows),
    ]
    return Page("Labels that are likely wrong", "likeliest first", sections)


def closeups(dataset: Dataset, found: Sequence[Mistake]) -> list[Figure]:
    """The surroundings of each, with the label, its neighbours, and what the detector finds.

    Raises:
        DataError: a picture can't be read any more.
    """
    figures = []
    for one in found:
        place = dataset.index[one.picture]
        picture = read_picture(dataset.path(place), bit_depth=dataset.bit_depth)
        figures.append(Figure(_closeup(picture, dataset[place].truth, one), caption(one)))
    return figures


def caption(one: Mistake) -> str:
    """Rank, kind, score and the picture's file, in words."""
    about = f"box of {one.label}" if one.kind == "box" else _question(one)
    missed = "missed " if one.kind == "missed" else ""
    return f"{one.rank}. {missed}{about} ({one.score:.2f}), {PurePosixPath(one.picture).name}"


def _question(one: Mistake) -> str:
    return f"{one.label}, or {one.suggested}?" if one.kind == "class" else one.suggested


def _closeup(picture: Picture, truth: Detections, one: Mistake) -> Picture:
    boxes = np.array([one.suggested_box if one.box is None else one.box, one.suggested_box])
    left, top, right, bottom = _around(boxes, picture)
    shift = np.array([left, top, left, top])
    corners = truth.xyxy - shift < [right - left, bottom - top, 0, 0]
    inside = (corners == [True, True, False, False]).all(axis=1)
    inside &= np.arange(len(truth)) != (-1 if one.place is None else one.place)
    part = np.ascontiguousarray(picture[top:bottom, left:right])
    others = Detections.truth(truth.xyxy[inside] - shift, np.zeros(inside.sum(), int))
    grown = draw(part, others, [""], scores=False, dashed=True, colours=[OTHERS])
    scale = grown.shape[0] / part.shape[0]
    own = (boxes - shift) * scale
    sure = Detections.truth(own[1:], [0])
    grown = draw(grown, sure, [_question(one)], scores=False, colours=[SUGGESTED])
    if one.box is None:
        return grown
    given = Detections.truth(own[:1], [0])
    return draw(grown, given, [""], scores=False, dashed=True, colours=[GIVEN])


def _around(boxes: NDArray[np.float64], picture: Picture) -> tuple[int, int, int, int]:
    """A square of three times the boxes' longer side, as far as the picture has it."""
    height, width = picture.shape[:2]
    low, high = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    side = min(max(3 * float((high - low).max()), _LEAST), max(width, height))
    x, y = (low + high) / 2
    left, top = (
        int(np.clip(middle - side / 2, 0, max(size - side, 0)))
        for middle, size in ((x, width), (y, height))
    )
    return left, top, min(left + round(side), width), min(top + round(side), height)


def montage(figures: Sequence[Figure]) -> Picture:
    """One picture of all figures, in rows of four with their captions and a legend, BGR.

    Raises:
        ValueError: there is none.
    """
    if not figures:
        raise ValueError("a sheet needs a figure")
    columns = min(_COLUMNS, len(figures))
    tiles = [_tile(figure) for figure in figures]
    blank = np.full_like(tiles[0], 255)
    tiles += [blank] * (-len(tiles) % columns)
    rows = [
        np.concatenate(tiles[at : at + columns], axis=1) for at in range(0, len(tiles), columns)
    ]
    return np.concatenate([*rows, legend(rows[0].shape[1], _LEGEND)])


def _tile(figure: Figure) -> Picture:
    """A figure in a white square, above its caption."""
    height, width = figure.picture.shape[:2]
    scale = (_TILE - 6) / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(figure.picture, size, interpolation=cv2.INTER_AREA)
    canvas = Image.new("RGB", (_TILE, _TILE + _LINE), (255, 255, 255))
    shown = Image.fromarray(cv2.cvtColor(small, cv2.COLOR_BGR2RGB))
    canvas.paste(shown, ((_TILE - size[0]) // 2, (_TILE - size[1]) // 2))
    font, text = ImageFont.load_default(13), figure.caption
    while font.getlength(text) > _TILE - 8:
        text = text.removesuffix("…")[:-1] + "…"
    ImageDraw.Draw(canvas).text((4, _TILE + 2), text, fill=(0, 0, 0), font=font)
    return np.asarray(cv2.cvtColor(np.asarray(canvas), cv2.COLOR_RGB2BGR), np.uint8)
