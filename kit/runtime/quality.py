"""What can be told of a picture without a model: how sharp, bright, coloured and large it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from kit.types import Picture

_SIDE = 192
"""Longer side at which pictures are looked at, so that figures of cameras can be compared."""

_DARK, _BRIGHT = 8, 247


@dataclass(frozen=True)
class Quality:
    """Figures of one picture.

    Attributes:
        sharpness: log10 of the variance of the Laplacian (Pech-Pacheco et al., 2000), of the grey
            picture at 192 pixels; a blurred one has less.
        dark, bright: shares of its pixels that are nearly black or white, 0..1.
        lightness: mean of the grey picture, 0..255.
        saturation: mean of the colours' saturation, 0..255; a grey picture has none.
        side: the longer one in pixels.
        shape: width over height.
    """

    sharpness: float
    dark: float
    bright: float
    lightness: float
    saturation: float
    side: float
    shape: float


SAYS = {
    "sharpness": ("blurred", "noisy"),
    "dark": ("", "too dark"),
    "bright": ("", "overexposed"),
    "lightness": ("too dark", "too bright"),
    "saturation": ("pale or grey", "more coloured"),
    "side": ("too small", "too large"),
    "shape": ("too tall", "too wide"),
}
"""What a figure below and above the usual range says of a picture; empty where it says nothing."""


def quality(picture: Picture) -> Quality:
    """Look at a picture.

    Args:
        picture: ``(H, W, 3)`` uint8 BGR.
    """
    height, width = picture.shape[:2]
    scale = _SIDE / max(height, width)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    # averaging would read the whole picture, which costs more than all that follows
    small = cv2.resize(picture, size, interpolation=cv2.INTER_NEAREST)
    grey = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY)
    _, edges = cv2.meanStdDev(cv2.Laplacian(grey, cv2.CV_16S))
    return Quality(
        sharpness=float(np.log10(edges[0, 0] ** 2 + 1e-3)),
        dark=np.count_nonzero(grey <= _DARK) / grey.size,
        bright=np.count_nonzero(grey >= _BRIGHT) / grey.size,
        lightness=float(cv2.mean(grey)[0]),
        saturation=float(cv2.mean(cv2.cvtColor(small, cv2.COLOR_BGR2HSV))[1]),
        side=float(max(height, width)),
        shape=width / height,
    )


def complaints(seen: Quality, usual: Mapping[str, tuple[float, float]]) -> tuple[str, ...]:
    """What is unusual about a picture, in words.

    Args:
        usual: lowest and highest of each figure.
    """
    found = []
    for name, (low, high) in usual.items():
        value, (below, above) = getattr(seen, name), SAYS[name]
        word = below if value < low else above if value > high else ""
        if word:
            found.append(word)
    return tuple(dict.fromkeys(found))
