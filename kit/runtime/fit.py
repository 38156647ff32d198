"""Resize and pad a picture, or a window of it, to the graph's square input, and bring boxes back:
one owns the other.

The letterbox is, to the pixel, the one YOLO weights are trained with (bilinear, centred, the odd
pixel of padding to the right and below). A checkpoint that sees another one loses accuracy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from kit.cards import Input
from kit.types import Picture


@dataclass(frozen=True)
class Window:
    """A part of a picture, in its pixels; right and bottom lie just outside of it."""

    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True)
class Placement:
    """Where a window of a picture lies in the input, edges to edges:
    ``input = (original - origin) * scale + offset``.

    Attributes:
        scale: ``(x, y)`` input pixels per original pixel.
        offset: ``(left, top)`` padding in input pixels.
        size: ``(width, height)`` of the window, in original pixels.
        origin: ``(left, top)`` of the window in the original picture; the whole picture's is 0, 0.
    """

    scale: tuple[float, float]
    offset: tuple[int, int]
    size: tuple[int, int]
    origin: tuple[int, int] = (0, 0)

    def apply(self, xyxy: Any) -> NDArray[np.float64]:
        """Boxes ``(n, 4)`` from original to input pixels."""
        boxes = np.asarray(xyxy, np.float64).reshape(-1, 4)
        boxes = boxes - np.array(self.origin * 2)
        return np.asarray(boxes * np.array(self.scale * 2) + np.array(self.offset * 2))

    def undo(self, xyxy: Any) -> NDArray[np.float64]:
        """Boxes ``(n, 4)`` from input to original pixels, clipped to the window."""
        boxes = np.asarray(xyxy, np.float64).reshape(-1, 4)
        boxes = (boxes - np.array(self.offset * 2)) / np.array(self.scale * 2)
        boxes = np.clip(boxes, 0.0, np.array(self.size * 2, np.float64))
        return np.asarray(boxes + np.array(self.origin * 2))


@dataclass(frozen=True)
class Fit:
    """Fits pictures of any size to a card's input."""

    input: Input

    def place(self, width: int, height: int, origin: tuple[int, int] = (0, 0)) -> Placement:
        """Where a picture of this size, or a window at this origin, will lie."""
        new_width, new_height = self._inside(width, height)
        side = self.input.size
        return Placement(
            scale=(new_width / width, new_height / height),
            offset=(round((side - new_width) / 2 - 0.1), round((side - new_height) / 2 - 0.1)),
            size=(width, height),
            origin=origin,
        )

    def apply(
        self, picture: Picture, out: Picture | None = None, window: Window | None = None
    ) -> tuple[Picture, Placement]:
        """Fit one picture, or a window of it.

        Args:
            picture: ``(H, W, 3)`` uint8 BGR, at least one pixel.
            out: ``(S, S, 3)`` to write into, e.g. a row of a batch.
            window: inside the picture; None takes all of it.

        Raises:
            ValueError: not a picture of that shape and type.
        """
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
            raise ValueError(
                "a picture must be (height, width, 3) uint8 in BGR order, "
                f"this is {picture.shape} {picture.dtype}"
            )
        origin = (0, 0)
        if window is not None:
            origin = (window.left, window.top)
            picture = picture[window.top : window.bottom, window.left : window.right]
        height, width = picture.shape[:2]
        if not height or not width:
            raise ValueError(f"the picture has no pixels, its shape is {picture.shape}")
        side = self.input.size
        canvas = np.empty((side, side, 3), np.uint8) if out is None else out
        placement = self.place(width, height, origin)
        new_width, new_height = self._inside(width, height)
        left, top = placement.offset
        canvas[:top], canvas[top + new_height :] = self.input.fill, self.input.fill
        canvas[:, :left], canvas[:, left + new_width :] = self.input.fill, self.input.fill
        inside = canvas[top : top + new_height, left : left + new_width]
        if (new_width, new_height) == (width, height):
            inside[...] = picture
        else:  # straight into its place
            cv2.resize(picture, (new_width, new_height), inside, interpolation=cv2.INTER_LINEAR)
        return canvas, placement

    def _inside(self, width: int, height: int) -> tuple[int, int]:
        """Size of the picture inside the input."""
        side = self.input.size
        if self.input.fit == "stretch":
            return side, side
        ratio = min(side / height, side / width)
        return max(round(width * ratio), 1), max(round(height * ratio), 1)
