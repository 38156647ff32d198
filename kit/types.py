"""The nouns that travel between rooms, and the Protocols they meet at. NumPy only.

Boxes have one currency, :class:`Detections`, for predictions and for truth alike. A picture is a
``uint8`` array ``(H, W, 3)`` in BGR order (OpenCV's), upright (EXIF orientation already applied).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
"""``(H, W, 3)`` BGR, upright."""


class Ignore(IntEnum):
    """Why a labelled object is left out of the score: it is neither a hit nor a miss."""

    NONE = 0
    DIFFICULT = 1  # Pascal VOC's `difficult`
    CROWD = 2  # COCO's `iscrowd`


@dataclass(frozen=True, eq=False)
class Detections:
    """Boxes of one picture.

    Attributes:
        xyxy: ``(n, 4)`` float64, left, top, right, bottom in pixels of the original picture. Whole
            slides are tens of thousands of pixels wide, hence not float32.
        scores: ``(n,)`` float32 in 0..1; truth has score 1.
        labels: ``(n,)`` int64, 0-based index into the classes of the detector or dataset.

    Raises:
        ValueError: shapes disagree, a value is not finite, or a score is outside 0..1.
    """

    xyxy: NDArray[np.float64]
    scores: NDArray[np.float32]
    labels: NDArray[np.int64]

    def __post_init__(self) -> None:
        xyxy = np.ascontiguousarray(self.xyxy, dtype=np.float64)
        scores = np.ascontiguousarray(self.scores, dtype=np.float32)
        labels = np.ascontiguousarray(self.labels, dtype=np.int64)
        if xyxy.ndim != 2 or xyxy.shape[1] != 4:
            raise ValueError(f"xyxy must have shape (n, 4), it has {xyxy.shape}")
        if scores.shape != (len(xyxy),) or labels.shape != (len(xyxy),):
            raise ValueError(
                f"{len(xyxy)} boxes need {len(xyxy)} scores and labels, "
                f"they have shapes {scores.shape} and {labels.shape}"
            )
        if not np.isfinite(xyxy).all():
            raise ValueError("xyxy has values that are not finite")
        if len(scores) and not (scores.min() >= 0 and scores.max() <= 1):  # also false for NaN
            raise ValueError("scores must lie in 0..1")
        if len(labels) and labels.min() < 0:
            raise ValueError("labels must not be negative")
        for name, value in (("xyxy", xyxy), ("scores", scores), ("labels", labels)):
            object.__setattr__(self, name, value)

    @classmethod
    def empty(cls) -> Detections:
        return cls.truth(np.zeros((0, 4)), np.zeros(0))

    @classmethod
    def truth(cls, xyxy: Any, labels: Any) -> Detections:
        """Labelled boxes: every score is 1."""
        return cls(np.reshape(xyxy, (-1, 4)), np.ones(len(labels), np.float32), labels)

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: Any) -> Detections:
        """Select boxes by mask, slice or integer array."""
        return Detections(self.xyxy[index], self.scores[index], self.labels[index])

    def __iter__(self) -> Iterator[tuple[NDArray[np.float64], float, int]]:
        for box, score, label in zip(self.xyxy, self.scores, self.labels, strict=True):
            yield box, float(score), int(label)

    @property
    def area(self) -> NDArray[np.float64]:
        """``(n,)`` in square pixels."""
        width, height = self.xyxy[:, 2] - self.xyxy[:, 0], self.xyxy[:, 3] - self.xyxy[:, 1]
        return np.asarray(width * height, dtype=np.float64)


@dataclass(frozen=True)
class Tiling:
    """How a picture is cut into overlapping tiles.

    Attributes:
        side: of a tile, in pixels of the original picture, 32 or more.
        overlap: least share of its side that a tile has in common with the next, 0 or more and
            below 0.9.

    Raises:
        ValueError: a value outside of these.
    """

    side: int
    overlap: float = 0.2

    def __post_init__(self) -> None:
        if self.side < 32:
            raise ValueError(f"a tile's side must be at least 32 pixels, it is {self.side}")
        if not 0 <= self.overlap < 0.9:  # also false for NaN
            raise ValueError(f"the overlap must be 0 or more and below 0.9, it is {self.overlap:g}")

    def __str__(self) -> str:
        return f"tiles of {self.side} px, overlap {self.overlap:g}"


@dataclass(frozen=True, eq=False)
class Example:
    """One labelled picture: a path, never pixels.

    Attributes:
        id: path below the dataset's root, with forward slashes; what manifests list.
        path: where the picture lies.
        size: ``(width, height)`` in pixels of the upright picture.
        truth: labelled boxes.
        ignore: ``(n,)`` uint8 of :class:`Ignore`, one per box.
        group: patient or slide, for splits that keep them whole.
    """

    id: str
    path: Path
    size: tuple[int, int]
    truth: Detections
    ignore: NDArray[np.uint8]
    group: str | None = None


@dataclass(frozen=True, eq=False)
class RawDetections:
    """What an exported graph returns, before thresholds: the graph waist.

    Attributes:
        boxes: ``(B, N, 4)`` float32 xyxy in input pixels.
        scores: ``(B, N, C)`` float32 in 0..1.
        features: ``(B, D)`` float32 pooled penultimate features, or None.
        stages_ns: time spent in ``copy_in``, ``run`` and ``copy_out``; a stage that does not exist
            on this backend is absent.
    """

    boxes: NDArray[np.float32]
    scores: NDArray[np.float32]
    features: NDArray[np.float32] | None = None
    stages_ns: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Watched:
    """Whether a picture looks like those the detector was trained on.

    Attributes:
        distance: from them, in the watch's own measure.
        unlike: whether it is farther than usual.
        complaints: what is unusual about its light, sharpness, colour or size, in words.
    """

    distance: float
    unlike: bool
    complaints: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Result:
    """What a detector says of one picture.

    Attributes:
        detections: in original pixels, highest score first.
        stages_ns: nanoseconds per stage for this picture (``fit``, ``copy_in``, ``run``,
            ``copy_out``, ``post``); a stage shared by a batch is divided by the batch.
        features: ``(D,)`` float32 or None.
        watched: None where nobody watches.
    """

    detections: Detections
    stages_ns: Mapping[str, int]
    features: NDArray[np.float32] | None = None
    watched: Watched | None = None


class Runner(Protocol):
    """A graph loaded on a device: uint8 pictures in, raw boxes out. Made by a backend."""

    @property
    def provider(self) -> str:
        """What really executes, as the engine itself reports it, e.g. ``CPUExecutionProvider``."""

    @property
    def device(self) -> str:
        """The device in words, e.g. the CPU's or GPU's name."""

    staged: bool
    """Whether to wait for the device between copying and running, so that each can be timed. Off
    when it serves: waiting costs time. A backend that copies nothing need not look at it."""

    @property
    def at_once(self) -> bool:
        """Whether several threads may call :meth:`run` at the same time."""

    @property
    def elsewhere(self) -> Sequence[str] | None:
        """Operators of the graph that another processor runs than the provider's, by name; None
        where the engine doesn't tell."""

    @property
    def width(self) -> int | None:
        """Of the features it answers with; None where it has none, or only an answer tells."""

    def run(self, images: NDArray[np.uint8]) -> RawDetections:
        """Run a batch ``(B, S, S, 3)`` uint8 BGR."""


class Backend(Protocol):
    """A module in ``kit/runtime/backends/``, found by its file name."""

    SUFFIX: str
    """File suffix of the weights it loads, e.g. ``.onnx``."""

    def available(self) -> str | None:
        """None where this backend can run, else one sentence why not and what to do."""

    def load(self, bundle: Any, *, device: str = "auto", threads: int | None = None) -> Runner:
        """Load a :class:`kit.bundle.Bundle`."""


class Detector(Protocol):
    """The detector waist: all that evaluation, benchmark, command line and app may know."""

    @property
    def classes(self) -> tuple[str, ...]: ...

    @property
    def card(self) -> Any:
        """The :class:`kit.bundle.BundleCard`."""

    @property
    def runner(self) -> Runner: ...

    @property
    def backend(self) -> str:
        """Name of the backend (or, for a checkpoint, of the family) that loaded it."""

    @property
    def tiling(self) -> Tiling | None:
        """How it cuts pictures; None where it looks at each as a whole, once."""

    @property
    def fits(self) -> int | None:
        """Pictures at once that memory had room for; None where everything has fitted."""

    def detect(self, images: Sequence[Picture], *, floor: float | None = None) -> list[Result]:
        """Detect on pictures of any size; ``floor`` is the lowest score returned."""

    def __call__(self, image: Picture) -> Detections: ...
