"""Boxes drawn on pictures: colours that colour-blind readers tell apart, labels that stay legible.

Colours are those of Okabe and Ito (2008); every line and label has a dark rim, so that it stands
out on bright and dark slides alike. Line and letter sizes follow the picture's.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from kit.types import Detections, Picture

Colour = tuple[int, int, int]
Rectangle = tuple[int, int, int, int]

COLOURS: tuple[Colour, ...] = (
    (230, 159, 0),  # orange
    (86, 180, 233),  # sky blue
    (0, 158, 115),  # bluish green
    (240, 228, 66),  # yellow
    (204, 121, 167),  # reddish purple
    (213, 94, 0),  # vermilion
    (0, 114, 178),  # blue
)
"""RGB; class k takes colour k, again from the start after the last."""

_RIM: Colour = (20, 20, 20)
_LEGIBLE = 11  # pixels: the smallest letters that can be read
_SMALLEST = 480  # pixels: pictures with a shorter side are enlarged, else labels hide them
_MOST_LABELS = 60  # above this many boxes, only lines: labels would hide the picture


def colour_of(label: int) -> Colour:
    """RGB colour of a class."""
    return COLOURS[label % len(COLOURS)]


def draw(
    picture: Picture,
    detections: Detections,
    classes: Sequence[str],
    *,
    scores: bool = True,
    dashed: bool = False,
    colours: Sequence[Colour] = COLOURS,
) -> Picture:
    """Draw boxes on a copy.

    Args:
        picture: ``(H, W, 3)`` BGR. A small one is enlarged.
        detections: in its pixels, best first; the best are drawn last, on top.
        classes: names by label; a box without one gets no label.
        scores: write the score after the name; leave out for truth.
        dashed: broken lines, e.g. for truth beside detections.
        colours: RGB by label, again from the start after the last.

    Returns:
        A new picture, as large or, where it was small, larger.
    """
    height, width = picture.shape[:2]
    scale = max(1.0, _SMALLEST / min(height, width))
    if scale > 1:
        grown = (round(width * scale), round(height * scale))
        picture = np.asarray(cv2.resize(picture, grown, interpolation=cv2.INTER_CUBIC), np.uint8)
    size = min(picture.shape[:2])
    line = max(2, round(size / 240))
    canvas = Image.fromarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB))
    brush = ImageDraw.Draw(canvas)
    placed = [
        (_corners(box * scale, canvas.size), score, label) for box, score, label in detections
    ]
    for rim in (True, False):  # all rims first, so that none cuts a neighbour's line
        for corners, _, label in reversed(placed):
            if rim and not dashed:
                left, top, right, bottom = corners  # lines grow inwards from their corners
                around = left - 1, top - 1, right + 1, bottom + 1
                _outline(brush, around, _RIM, line + 2, dashed=False)
            elif not rim:
                colour = colours[label % len(colours)]
                _outline(brush, corners, colour, line, dashed=dashed)
    named = [each for each in placed if classes[each[2]]]
    if len(named) <= _MOST_LABELS:
        font, taken = _font(max(_LEGIBLE, round(size / 38))), list[Rectangle]()
        for corners, score, label in named:
            text = f"{classes[label]} {score:.2f}" if scores else classes[label]
            colour = colours[label % len(colours)]
            _tag(brush, text, corners, colour, font, canvas.size, taken)
    return np.asarray(cv2.cvtColor(np.asarray(canvas), cv2.COLOR_RGB2BGR), np.uint8)


def legend(width: int, entries: Sequence[tuple[Colour, str]]) -> Picture:
    """A white strip ``(h, width, 3)`` BGR that says what RGB colours mean, in as many lines as it
    takes."""
    font, swatch, tall = _font(13), 12, 20
    places, x, y = [], 6, 0
    for _, text in entries:
        wide = swatch + 6 + round(font.getlength(text))
        if x > 6 and x + wide > width:
            x, y = 6, y + tall
        places.append((x, y))
        x += wide + 18
    canvas = Image.new("RGB", (width, y + tall), (255, 255, 255))
    brush = ImageDraw.Draw(canvas)
    for (left, top), (colour, text) in zip(places, entries, strict=True):
        corners = (left, top + 4, left + swatch, top + 4 + swatch)
        brush.rectangle(corners, fill=colour, outline=_RIM)
        brush.text((left + swatch + 6, top + 2), text, fill=(0, 0, 0), font=font)
    return np.asarray(cv2.cvtColor(np.asarray(canvas), cv2.COLOR_RGB2BGR), np.uint8)


def _corners(box: Any, size: tuple[int, int]) -> Rectangle:
    width, height = size
    left, top, right, bottom = (round(float(value)) for value in box)
    left, top = min(max(left, 0), width - 1), min(max(top, 0), height - 1)
    return left, top, min(max(right, left), width - 1), min(max(bottom, top), height - 1)


def _outline(
    brush: ImageDraw.ImageDraw, corners: Rectangle, colour: Colour, weight: int, *, dashed: bool
) -> None:
    left, top, right, bottom = corners
    if not dashed:
        brush.rectangle((left, top, right, bottom), outline=colour, width=weight)
        return
    dash, thick = 4 * weight, weight - 1
    for y in (top, bottom - thick):
        row = [(x, y, min(x + dash, right), y + thick) for x in range(left, right, 2 * dash)]
        _dashes(brush, row, colour)
    for x in (left, right - thick):
        column = [(x, y, x + thick, min(y + dash, bottom)) for y in range(top, bottom, 2 * dash)]
        _dashes(brush, column, colour)


def _dashes(brush: ImageDraw.ImageDraw, dashes: Sequence[Rectangle], colour: Colour) -> None:
    for left, top, right, bottom in dashes:
        brush.rectangle((left - 1, top - 1, right + 1, bottom + 1), fill=_RIM)
    for dash in dashes:
        brush.rectangle(dash, fill=colour)


def _tag(
    brush: ImageDraw.ImageDraw,
    text: str,
    corners: Rectangle,
    colour: Colour,
    font: Any,
    size: tuple[int, int],
    taken: list[Rectangle],
) -> None:
    """Write a label above, below or inside its box, wherever it hides no earlier (better) one."""
    left, top, right, bottom = corners
    width, height = size
    x0, y0, x1, y1 = brush.textbbox((0, 0), text, font=font)
    wide, tall = round(x1 - x0) + 6, round(y1 - y0) + 5
    x = max(0, min(left, width - wide))
    flush = max(0, min(right - wide, width - wide))
    choices = [
        (column, row)
        for row in (top - tall, top + 1, bottom + 1, bottom - tall)
        for column in (x, flush)
        if 0 <= row <= height - tall
    ]
    free = (
        (cx, cy)
        for cx, cy in choices
        if not any(_meet((cx, cy, cx + wide, cy + tall), other) for other in taken)
    )
    x, y = next(free, choices[0] if choices else (x, max(0, min(top, height - tall))))
    taken.append((x, y, x + wide, y + tall))
    brush.rectangle((x, y, x + wide, y + tall), fill=colour, outline=_RIM)
    ink = (0, 0, 0) if _luminance(colour) > 90 else (255, 255, 255)
    brush.text((x + 3 - x0, y + 3 - y0), text, fill=ink, font=font)


def _meet(a: Rectangle, b: Rectangle) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _luminance(colour: Colour) -> float:
    red, green, blue = colour
    return 0.299 * red + 0.587 * green + 0.114 * blue


@cache
def _font(size: int) -> Any:
    return ImageFont.load_default(size)
