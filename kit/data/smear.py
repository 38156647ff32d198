"""The embedded demo set: blood smears drawn on demand, in the manner of BCCD.

Cells are laid down as optical density in three stains and looked through with the law of Beer and
Lambert (Ruifrok and Johnston 2001, "Quantification of histochemical staining by color
deconvolution"), so overlapping red cells darken as they do under a microscope. Pictures of one
slide share stain, light, focus and crowding. The boxes are those of what was drawn, cut at the
border.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from kit.errors import UsageError
from kit.files import new_directory
from kit.pixels import encode_picture
from kit.progress import SILENT, Progress
from kit.types import Detections, Picture

CLASSES = ("Platelets", "RBC", "WBC")
"""In BCCD's order and spelling."""

SIZE = (320, 240)
PER_SLIDE = 10
"""Pictures drawn of one slide before the next begins."""

GROUPS = "slide([0-9]+)"
"""What ``--group-by`` finds slides with."""

_PLATELET, _RBC, _WBC = range(3)
_VISIBLE = 0.25  # a cell with less of its area inside the picture is drawn but carries no label
_MARGIN = (-1.2, 0.6, 0.2)  # how far centres may lie outside, in radii: platelets are never cut
_EOSIN, _NUCLEUS, _CYTOPLASM, _SHADE = range(4)  # the planes of optical density
# BGR optical density of each stain at density 1
_STAINS = np.array([[0.44, 0.50, 0.13], [0.30, 1.35, 1.02], [0.05, 0.30, 0.21]])

Plane = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class _Slide:
    """What the pictures of one slide have in common."""

    stains: NDArray[np.float64]  # (3, 3) stain by BGR
    light: NDArray[np.float64]  # (3,) BGR of the empty field, 0..255
    centre: tuple[float, float]  # of the light, in -1..1
    vignette: float
    focus: float  # blur in pixels of a 320-wide picture
    crowd: float  # mean number of red cells
    scale: float  # magnification


@dataclass(frozen=True, eq=False)
class _Cell:
    """A closed outline in polar form, ``r(angle)``, with a few low harmonics."""

    label: int
    x: float
    y: float
    radius: float
    turn: float
    stretch: float
    waves: NDArray[np.float64]  # cosine and sine of the 2nd and 3rd harmonic

    def look(self) -> tuple[int, int, Plane, Plane, Plane]:
        """Render the outline.

        Returns:
            left and top of the patch around the cell, in pixels; per pixel its coordinates ``u``
            and ``v`` in radii, and its distance ``d`` from the centre, 1 on the outline.
        """
        reach = self.radius * self.stretch * (1 + float(np.abs(self.waves).sum())) + 2
        left, top = int(self.x - reach), int(self.y - reach)
        span = np.arange(int(2 * reach) + 2)
        dx = np.asarray((span + 0.5 + left - self.x) / self.radius, np.float32)[None, :]
        dy = np.asarray((span + 0.5 + top - self.y) / self.radius, np.float32)[:, None]
        cos, sin = math.cos(self.turn), math.sin(self.turn)
        u = dx * (cos / self.stretch) + dy * (sin / self.stretch)
        v = dy * (cos * self.stretch**0.5) - dx * (sin * self.stretch**0.5)
        rho = np.sqrt(u * u + v * v) + 1e-6
        c, s = u / rho, v / rho
        c2, s2 = c * c - s * s, 2 * c * s
        a, b, p, q = (float(wave) for wave in self.waves)
        outline = 1 + a * c2 + b * s2 + p * (c2 * c - s2 * s) + q * (s2 * c + c2 * s)
        d = rho / outline
        return left, top, u, v, d


def draw(seed: int, index: int, size: tuple[int, int] = SIZE) -> tuple[Picture, Detections]:
    """One picture of the endless set that ``seed`` names.

    Args:
        seed: of the set.
        index: of the picture; it lies on slide ``index // PER_SLIDE``.
        size: width and height in pixels, at least 64; cells grow with the picture.

    Returns:
        The picture and its labelled cells, boxes in pixels.
    """
    if min(size) < 64:
        raise UsageError(f"smears are drawn from 64 x 64 pixels on, not {size[0]} x {size[1]}")
    slide = _slide(np.random.default_rng([seed, index // PER_SLIDE, 1]))
    rng = np.random.default_rng([seed, index, 2])
    unit = float(np.sqrt(size[0] * size[1] / (SIZE[0] * SIZE[1])))
    density = np.zeros((size[1], size[0], 4), np.float32)
    boxes, labels = [], []
    for cell in _scatter(rng, slide, size, unit):
        box = _PAINT[cell.label](density, cell, rng, unit)
        if box is not None:
            boxes.append(box)
            labels.append(cell.label)
    return _photograph(density, slide, rng, unit), Detections.truth(boxes, labels)


def make(
    out: Path,
    *,
    pictures: int = 120,
    seed: int = 0,
    size: tuple[int, int] = SIZE,
    progress: Progress = SILENT,
) -> None:
    """Write a dataset folder in YOLO format, without splits.

    Names are ``slideSS_NNNN.jpg``, so ``--group-by 'slide([0-9]+)'`` keeps slides whole. The same
    arguments give the same bytes.

    Raises:
        UsageError: ``out`` exists and is not empty, or there is nothing to draw.
    """
    if pictures < 1:
        raise UsageError(f"the number of pictures must be positive, it is {pictures}")
    with new_directory(out) as folder:
        for part in ("images", "labels"):
            (folder / part).mkdir()
        for index in progress.track(range(pictures), "drawing smears", pictures):
            picture, truth = draw(seed, index, size)
            stem = f"slide{index // PER_SLIDE:02d}_{index:04d}"
            (folder / "images" / f"{stem}.jpg").write_bytes(encode_picture(picture, ".jpg"))
            (folder / "labels" / f"{stem}.txt").write_text(_yolo(truth, size), encoding="utf-8")
        names = "".join(f"  {place}: {name}\n" for place, name in enumerate(CLASSES))
        (folder / "data.yaml").write_text(f"path: .\nnames:\n{names}", encoding="utf-8")


def _slide(rng: np.random.Generator) -> _Slide:
    strength = rng.uniform(0.8, 1.2, (3, 1))
    hue = rng.normal(1, 0.07, (3, 3))
    return _Slide(
        stains=_STAINS * strength * hue,
        light=np.array([214, 219, 220]) * rng.uniform(0.9, 1.07) * rng.normal(1, 0.018, 3),
        centre=(rng.uniform(-0.3, 0.3), rng.uniform(-0.3, 0.3)),
        vignette=rng.uniform(0.03, 0.14),
        focus=rng.uniform(0.3, 0.8),
        crowd=rng.uniform(9, 18),
        scale=rng.uniform(0.92, 1.08),
    )


def _scatter(
    rng: np.random.Generator, slide: _Slide, size: tuple[int, int], unit: float
) -> list[_Cell]:
    """Place the cells of one picture: red ones in clumps, white ones between, platelets in gaps."""
    cells: list[_Cell] = []

    def place(label: int, radius: float, near: float, stretch: float, wave: float) -> None:
        for _ in range(30):
            margin = radius * _MARGIN[label]
            x = rng.uniform(-margin, size[0] + margin)
            y = rng.uniform(-margin, size[1] + margin)
            same = [cell for cell in cells if cell.label == label]
            if same and rng.random() < near:  # beside a neighbour, overlapping a little
                to, angle = same[rng.integers(len(same))], rng.uniform(0, 2 * np.pi)
                gap = (to.radius + radius) * rng.uniform(0.72, 0.95)
                x, y = to.x + gap * np.cos(angle), to.y + gap * np.sin(angle)
            if all(_apart(cell, label, x, y, radius) for cell in cells):
                turn = rng.uniform(0, 2 * np.pi)
                waves = rng.normal(0, wave, 4)
                cells.append(_Cell(label, x, y, radius, turn, stretch, waves))
                return

    for _ in range(rng.choice([0, 1, 2], p=[0.02, 0.92, 0.06])):
        place(_WBC, unit * slide.scale * rng.uniform(33, 47), 0, rng.uniform(1, 1.12), 0.025)
    for _ in range(rng.poisson(slide.crowd)):
        stretch = rng.uniform(1.15, 1.4) if rng.random() < 0.25 else rng.uniform(1, 1.1)
        place(_RBC, unit * slide.scale * rng.normal(24.5, 2), 0.4, stretch, 0.02)
    for _ in range(rng.choice(5, p=[0.43, 0.3, 0.17, 0.07, 0.03])):
        place(_PLATELET, unit * rng.uniform(6, 9), 0, rng.uniform(1, 1.25), 0.06)
    return sorted(cells, key=lambda cell: (cell.label != _RBC, cell.label != _WBC))


def _apart(cell: _Cell, label: int, x: float, y: float, radius: float) -> bool:
    """Far enough from a cell that is there already; red cells may lie partly on each other."""
    share = 0.7 if cell.label == label == _RBC else 1.02 if label == _PLATELET else 0.9
    distance = float(np.hypot(cell.x - x, cell.y - y))
    return distance > share * (cell.radius + radius)


def _red(
    density: Plane, cell: _Cell, rng: np.random.Generator, unit: float
) -> tuple[int, int, int, int] | None:
    """A biconcave disc: pale in the middle, unless it is thick or tilted."""
    left, top, u, v, d = cell.look()
    pallor = rng.uniform(0.5, 0.85) if rng.random() < 0.7 else rng.uniform(0.05, 0.35)
    width = rng.uniform(0.45, 0.68)
    tilt_u, tilt_v = (float(shift) for shift in rng.normal(0, 0.07, 2))
    hollow = ((u - tilt_u) ** 2 + (v - tilt_v) ** 2) / width**2
    rim = np.exp(-(((d - 0.93) / 0.08) ** 2))
    body = 0.95 - pallor * np.exp(-hollow * np.sqrt(hollow)) + 0.22 * rim + 0.05 * u
    disc = _disc(d, cell.radius, 1.6 * unit) * body * rng.uniform(0.75, 1.1)
    _stamp(density, left, top, disc, _EOSIN)
    return _box(density, left, top, d)


def _white(
    density: Plane, cell: _Cell, rng: np.random.Generator, unit: float
) -> tuple[int, int, int, int] | None:
    """A granular, bluish body with a purple nucleus: lobed, kidney-shaped or round."""
    left, top, u, v, d = cell.look()
    kind = rng.choice(3, p=[0.6, 0.15, 0.25])
    bend, start = rng.uniform(0.7, 1.5), rng.uniform(0, 2 * np.pi)
    if kind == 2:  # lymphocyte
        lobes = [(0.08 * math.cos(start), 0.08 * math.sin(start), rng.uniform(0.72, 0.82))]
    else:  # neutrophil, monocyte
        count = int(rng.integers(3, 6)) if kind == 0 else 4
        angles = start + bend * np.linspace(-1.5, 1.5, 2 * count - 1)
        arm, fat = (rng.uniform(0.42, 0.5), 0.3) if kind == 0 else (0.36, 0.38)
        radii = fat * rng.uniform(0.85, 1.15, len(angles))
        radii[1::2] *= 0.45 if kind == 0 else 0.9  # the thin bridges between lobes
        lobes = [
            (arm * math.cos(angle), arm * math.sin(angle), radius)
            for angle, radius in zip(angles, radii, strict=True)
        ]
    field = np.zeros_like(d)
    for x, y, radius in lobes:  # metaballs: neighbouring lobes flow together
        field += np.exp(-4 * (((u - x) ** 2 + (v - y) ** 2) / float(radius) ** 2 - 1))
    nucleus = np.clip((field - 1) * (0.05 * cell.radius / unit) + 0.5, 0, 1)
    body = _disc(d, cell.radius, 2.2 * unit)
    grain, clots = _texture(rng, d.shape, 2.5 * unit), _texture(rng, d.shape, 6 * unit)
    _stamp(density, left, top, 1 - 0.93 * body, None)
    tone = rng.uniform(0.85, 1.25) if kind == 0 else rng.uniform(1.3, 1.9)
    plasm = body * (
        tone * (1 + 0.13 * grain + 0.1 * clots) + 0.35 * np.exp(-(((d - 0.95) / 0.07) ** 2))
    )
    _stamp(density, left, top, plasm * (1 - 0.6 * nucleus), _CYTOPLASM)
    _stamp(density, left, top, 0.09 * body * (1 + 0.55 * grain), _NUCLEUS)
    _stamp(density, left, top, body * nucleus * (0.95 + 0.14 * clots + 0.06 * grain), _NUCLEUS)
    return _box(density, left, top, d)


def _platelet(
    density: Plane, cell: _Cell, rng: np.random.Generator, unit: float
) -> tuple[int, int, int, int] | None:
    """A small purple clump of granules with a faint hem."""
    left, top, _, _, d = cell.look()
    grain = _texture(rng, d.shape, 1.8 * unit)
    body = _disc(d, cell.radius, 2.2 * unit)
    core = np.exp(-((d / 0.72) ** 3)) * np.clip(0.62 + 0.3 * grain, 0.1, 1.2)
    _stamp(density, left, top, body * 0.8, _CYTOPLASM)
    _stamp(density, left, top, body * core * rng.uniform(0.6, 0.9), _NUCLEUS)
    return _box(density, left, top, d)


_PAINT = {_RBC: _red, _WBC: _white, _PLATELET: _platelet}


def _disc(d: Plane, radius: float, soft: float) -> Plane:
    """1 inside the outline, 0 outside, ``soft`` pixels of border between."""
    return np.asarray(np.clip((1 - d) * (radius / soft) + 0.5, 0, 1), np.float32)


def _texture(rng: np.random.Generator, shape: tuple[int, ...], grain: float) -> Plane:
    """Smooth noise around 0 whose blobs are about ``grain`` pixels wide."""
    rows, columns = (max(2, round(side / grain)) for side in shape)
    coarse = rng.standard_normal((rows, columns), dtype=np.float32)
    fine = cv2.resize(coarse, (shape[1], shape[0]), interpolation=cv2.INTER_CUBIC)
    return np.asarray(fine, np.float32)


def _stamp(density: Plane, left: int, top: int, patch: Plane, plane: int | None) -> None:
    """Add a patch to one plane where they overlap; with None, multiply all planes by it."""
    y0, x0 = max(0, -top), max(0, -left)
    y1 = min(patch.shape[0], density.shape[0] - top)
    x1 = min(patch.shape[1], density.shape[1] - left)
    if y0 >= y1 or x0 >= x1:
        return
    area = density[top + y0 : top + y1, left + x0 : left + x1]
    if plane is None:
        area *= patch[y0:y1, x0:x1, None]
    else:
        area[..., plane] += patch[y0:y1, x0:x1]


def _box(density: Plane, left: int, top: int, d: Plane) -> tuple[int, int, int, int] | None:
    """The outline's box, cut at the border; None where too little of the cell is to be seen."""
    inside = d <= 1
    height, width = density.shape[:2]
    seen = inside[max(0, -top) : max(0, height - top), max(0, -left) : max(0, width - left)]
    if seen.sum() < _VISIBLE * inside.sum():
        return None
    rows, columns = np.flatnonzero(seen.any(1)), np.flatnonzero(seen.any(0))
    x, y = max(0, left), max(0, top)
    return x + int(columns[0]), y + int(rows[0]), x + int(columns[-1]) + 1, y + int(rows[-1]) + 1


def _photograph(density: Plane, slide: _Slide, rng: np.random.Generator, unit: float) -> Picture:
    """Shine light through the stains: focus, uneven light and grain, all as optical density."""
    height, width = density.shape[:2]
    focus = unit * slide.focus * rng.uniform(0.8, 1.6)
    density = np.asarray(cv2.GaussianBlur(density, (0, 0), focus), np.float32)
    x = (np.linspace(-1, 1, width, dtype=np.float32) - np.float32(slide.centre[0]))[None, :]
    y = (np.linspace(-1, 1, height, dtype=np.float32) - np.float32(slide.centre[1]))[:, None]
    shade = np.float32(slide.vignette) * (x * x + y * y)
    shade += np.float32(0.012) * _texture(rng, shade.shape, 60 * unit)
    noise = np.frombuffer(rng.bytes(height * width), np.int8).reshape(height, width)
    shade += noise * np.float32(0.009 / 74)  # 74: standard deviation of a uniform int8
    density[..., _SHADE] = shade
    light = np.log(slide.light * rng.uniform(0.97, 1.03))
    through = np.column_stack([-slide.stains.T, -np.ones(3), light]).astype(np.float32)
    return np.asarray(cv2.convertScaleAbs(cv2.exp(cv2.transform(density, through))), np.uint8)


def _yolo(truth: Detections, size: tuple[int, int]) -> str:
    scale = np.array([*size, *size], np.float64)
    lines = []
    for box, _, label in truth:
        x0, y0, x1, y1 = box / scale
        numbers = ((x0 + x1) / 2, (y0 + y1) / 2, x1 - x0, y1 - y0)
        lines.append(" ".join([str(label), *(f"{number:.8f}" for number in numbers)]) + "\n")
    return "".join(lines)
