"""Finds nothing, in no time: the whole path without a graph, for tests and the overhead floor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter_ns

import numpy as np
from numpy.typing import NDArray

from kit.bundle import Bundle
from kit.types import RawDetections

SUFFIX = ""
"""Any weights: it doesn't read them."""


@dataclass
class NullRunner:
    """A :class:`kit.types.Runner` that answers with no rows."""

    classes: int
    provider: str = "null"
    device: str = "none"
    staged: bool = False
    at_once: bool = True
    elsewhere: Sequence[str] | None = ()
    width: int | None = None

    def run(self, images: NDArray[np.uint8]) -> RawDetections:
        start = perf_counter_ns()
        boxes = np.zeros((len(images), 0, 4), np.float32)
        scores = np.zeros((len(images), 0, self.classes), np.float32)
        return RawDetections(boxes, scores, stages_ns={"run": perf_counter_ns() - start})


def available() -> str | None:
    """Always."""
    return None


def load(
    bundle: Bundle,
    *,
    device: str = "auto",  # noqa: ARG001 - the interface of every backend
    threads: int | None = None,  # noqa: ARG001
) -> NullRunner:
    """Take the classes from the card, and nothing else."""
    return NullRunner(len(bundle.card.classes))
